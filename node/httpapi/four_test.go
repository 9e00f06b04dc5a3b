package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
	"concordat/node"
	"concordat/node/nodetest"
)

// accuse has a validator's key co-sign another history, and shows it to a node.
// It takes the least: a co-signature, without the log's own signature.
func accuse(t testing.TB, n *nodetest.Network, culprit, at string) answer {
	t.Helper()
	dir, err := authority.Open(n.NodeDir(culprit), nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := dir.Key(authority.Cosign)
	if err != nil {
		t.Fatal(err)
	}
	other := checkpoint.Checkpoint{Origin: n.Doc.Network, Size: certifiedAt(t, n, n.URL(at)).Checkpoint().Size, Root: sha256.Sum256([]byte("another history"))}
	line, err := checkpoint.Cosign(other, statement.Region(culprit), time.Now(), key.Ed25519())
	if err != nil {
		t.Fatal(err)
	}
	return askAt(t, n.URL(at), http.MethodPost, "/add-checkpoint", strings.NewReader("old 0\n\n"+other.Text()+"\n"+line.Line))
}

// convicted waits until a node's ledger has evidence against a validator, and gives it.
func convicted(t testing.TB, n *nodetest.Network, culprit, at string) client.EvidenceList {
	t.Helper()
	var list client.EvidenceList
	if err := nodetest.Await(t.Context(), culprit+" to be convicted at "+at, func() bool {
		list = client.EvidenceList{}
		askAt(t, n.URL(at), http.MethodGet, "/v1/evidence", nil).into(t, http.StatusOK, &list)
		return len(list.Evidence) > 0 && list.Evidence[0].Statement != nil && list.AsOf.FinalSize > *list.Evidence[0].Statement
	}); err != nil {
		t.Fatal(err)
	}
	if len(list.Evidence) != 1 || list.Evidence[0].Region != culprit {
		t.Fatalf("evidence at %s: %+v", at, list.Evidence)
	}
	return list
}

// TestCaughtAndCutOff is the story of four validators: one signs two histories
// and is caught by name, by what a stranger posts. When another is down then,
// statements are still ordered, by Raft's majority, and nothing becomes final:
// what is forbidden counts at once, what is allowed does not, and everybody
// is told why. When it returns, everything becomes final by itself.
func TestCaughtAndCutOff(t *testing.T) {
	t.Parallel()
	n := nodetest.NewWith(t, func(_ string, c *node.Config) {
		c.Vouch.Refresh, c.Limits.SubmitTimeout = time.Second, 2*time.Second
	}, "XA", "XB", "XC", "XD")
	status := func(at string) (st client.Status) {
		t.Helper()
		askAt(t, n.URL(at), http.MethodGet, "/v1/status", nil).into(t, http.StatusOK, &st)
		return st
	}
	submit := func(by, at string, revision uint64, body statement.Body, attachment []byte, want int) (s client.Submitted) {
		t.Helper()
		v := n.Sign(t, by, revision, body)
		raw, contentType := v.Raw(), "application/cose"
		if attachment != nil {
			raw, contentType = form(t, "statement", raw, "attachment", attachment)
		}
		askAt(t, n.URL(at), http.MethodPost, "/v1/statements?wait=final", bytes.NewReader(raw), "Content-Type", contentType).into(t, want, &s)
		return s
	}
	checkAt := func(at, code string) (c client.CheckAnswer) {
		t.Helper()
		q, err := json.Marshal(client.Check{Codes: []string{code}, Region: "XB", At: &clock})
		if err != nil {
			t.Fatal(err)
		}
		askAt(t, n.URL(at), http.MethodPost, "/v1/check", bytes.NewReader(q), "Content-Type", "application/json").into(t, http.StatusOK, &c)
		return c
	}
	everywhere := func(what string, holds func(at string) bool) {
		t.Helper()
		for _, at := range n.Regions {
			if n.Node(at) == nil {
				continue
			}
			if err := nodetest.Await(t.Context(), what+" at "+at, func() bool { return holds(at) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	good, later := codeOf(t, "AT-1"), codeOf(t, "DE-1")
	submit("XA", "XB", 1, keyOf(t, good), nil, http.StatusOK)
	granted := submit("XB", "XA", 1, &statement.Grant{Terms: statement.Terms{Region: "XA"}}, nil, http.StatusOK)
	everywhere("the grant to be final", func(at string) bool { return status(at).Final.Size > *granted.Index })
	for _, at := range n.Regions {
		if c := checkAt(at, good.Text); c.Decision.Decision != "recognized" || len(c.AsOf.Cosigners) < 3 {
			t.Errorf("%s, in good times: %s %s, as of %+v", at, c.Decision.Decision, names(c), c.AsOf)
		}
	}

	// XD is caught.
	a := accuse(t, n, "XD", "XA")
	if a.status != http.StatusForbidden || !strings.Contains(string(a.body), "evidence") || !strings.Contains(string(a.body), "XD") {
		t.Errorf("evidence is answered %d, %q", a.status, a.body)
	}
	for _, at := range n.Regions {
		list := convicted(t, n, "XD", at)
		p, network, err := evidence.ParseFile(list.Evidence[0].Proof)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Verify(n.Doc.Network, network, receipt.FoundingValidators(n.Doc)); err != nil || network != n.Doc.ID() || p.Culprit() != "XD" || list.Evidence[0].Words != p.Words() {
			t.Errorf("the evidence of %s against %s: %v", at, p.Culprit(), err)
		}
		if st := status(at); len(st.Evidence) != 1 || st.Evidence[0].Region != "XD" || st.Evidence[0].Proof != nil || st.Final.Quorum != 3 {
			t.Errorf("status of %s: evidence %+v, quorum %d", at, st.Evidence, st.Final.Quorum)
		}
	}
	if a := accuse(t, n, "XD", "XB"); a.status != http.StatusForbidden || !strings.Contains(string(a.body), "evidence") {
		t.Errorf("the same again is answered %d, %q", a.status, a.body)
	}
	everywhere("to vouch, or to say why not", func(at string) bool {
		st, ready := status(at), askAt(t, n.URL(at), http.MethodGet, "/readyz", nil)
		if at != "XD" {
			return st.Vouching && ready.status == http.StatusOK
		}
		return !st.Vouching && ready.status == http.StatusServiceUnavailable
	})
	why := askAt(t, n.URL("XD"), http.MethodGet, "/readyz", nil).failure(t, 503, client.NotVouching)
	if !strings.Contains(why.Message, "evidence against it") || why.Hint == "" {
		t.Errorf("XD is not ready: %q (%q)", why.Message, why.Hint)
	}
	if ps := status("XD").Problems; !slices.ContainsFunc(ps, func(p client.Problem) bool {
		return p.Name == "not-vouching" && p.Vouch && strings.Contains(p.Message, "suspended") && p.Hint != ""
	}) {
		t.Errorf("XD's problems: %+v", ps)
	}
	figures := string(askAt(t, n.URL("XD"), http.MethodGet, "/metrics", nil).body)
	for _, want := range []string{"\nconcordat_culprits 1\n", "\nconcordat_vouching 0\n"} {
		if !strings.Contains(figures, want) {
			t.Errorf("XD's figures lack %q", want)
		}
	}
	// Its word counts no more, and the three others are enough.
	said := submit("XC", "XC", 1, risk("XC-AFTER"), nil, http.StatusOK)
	if said.State != client.Final {
		t.Errorf("without XD: %+v", said)
	}
	everywhere("the checkpoint without XD", func(at string) bool { return status(at).Final.Size > *said.Index })
	for _, at := range n.Regions {
		if st := status(at); slices.Contains(st.Final.Cosigners, "XD") || len(st.Final.Cosigners) != 3 {
			t.Errorf("%s counts %v", at, st.Final.Cosigners)
		}
	}

	// XC is down: Raft has its majority, certification has no quorum.
	var place string
	follow := func(from string, want int) (ids []string, told []client.Event) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL("XB")+"/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Last-Event-ID", from)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		for len(told) < want && lines.Scan() {
			if id, is := strings.CutPrefix(lines.Text(), "id: "); is {
				ids = append(ids, id)
			}
			if data, is := strings.CutPrefix(lines.Text(), "data: "); is {
				var e client.Event
				if err := json.Unmarshal([]byte(data), &e); err != nil {
					t.Fatal(err)
				}
				told = append(told, e)
			}
		}
		if len(told) < want {
			t.Fatalf("from %s, %d events came, want %d: %v", from, len(told), want, lines.Err())
		}
		return ids, told
	}
	size := status("XB").Size
	place = fmt.Sprintf("%d/%d", size-1, size)
	if err := n.Stop("XC"); err != nil {
		t.Fatal(err)
	}
	// A leader may have to be found first: what is not ordered in time is sent again, which is safe.
	area := n.Sign(t, "XA", 1, risk("XA-STILL"))
	if err := nodetest.Await(t.Context(), "the order to go on", func() bool {
		s, err := n.Client("XA").Submit(t.Context(), area.Raw(), nil, client.Ordered)
		return err == nil && s.State == client.Ordered
	}); err != nil {
		t.Fatal(err)
	}
	hash := signatureHash(t, good)
	forbidden := submit("XA", "XA", 0, &statement.Revoke{Batch: statement.NewBatch(statement.HashSignature, hash, 2_000_000_000, "lost")}, hash, http.StatusAccepted)
	if forbidden.State != client.Ordered || forbidden.Index == nil || !strings.Contains(forbidden.Note, "not final") || !strings.Contains(forbidden.Note, "XC") {
		t.Errorf("what cannot become final: %+v", forbidden)
	}
	allowed := submit("XA", "XB", 1, keyOf(t, later), nil, http.StatusAccepted)
	everywhere("the new key to be ordered", func(at string) bool { return status(at).Size > *allowed.Index })
	for _, at := range []string{"XA", "XB", "XD"} {
		// Deny early: the revocation counts at once. Allow late: the new key does not yet.
		if c := checkAt(at, good.Text); c.Decision.Decision != "refused" || !hasReason(c, "revoked") || c.AsOf.FinalSize >= c.AsOf.Size {
			t.Errorf("%s, of a code revoked and not final: %s %s, as of %+v", at, c.Decision.Decision, names(c), c.AsOf)
		}
		if c := checkAt(at, later.Text); c.Decision.Decision == "recognized" || !hasReason(c, "not-final-yet") {
			t.Errorf("%s, of a code whose key is not final: %s %s", at, c.Decision.Decision, names(c))
		}
		var s client.Statement
		askAt(t, n.URL(at), http.MethodGet, fmt.Sprintf("/v1/statements/%d", *allowed.Index), nil).into(t, http.StatusOK, &s)
		if s.State != client.Ordered {
			t.Errorf("%s has it as %s", at, s.State)
		}
		f := askAt(t, n.URL(at), http.MethodGet, fmt.Sprintf("/v1/statements/%d/receipt", *allowed.Index), nil).failure(t, 503, client.NotFinal)
		if f.Hint == "" {
			t.Errorf("%s gives no hint with %q", at, f.Message)
		}
		if c := certifiedAt(t, n, n.URL(at)); c.Checkpoint().Size > *allowed.Index {
			t.Errorf("%s has a checkpoint of size %d", at, c.Checkpoint().Size)
		}
	}
	// Status says since when, and who is missing.
	if err := nodetest.Await(t.Context(), "the problem to be told", func() bool {
		st := status("XA")
		return st.Final.Since != nil && strings.Contains(st.Final.Note, "XC") && slices.ContainsFunc(st.Problems, func(p client.Problem) bool {
			return p.Name == "not-final" && !p.Vouch && strings.Contains(p.Message, "since") && strings.Contains(p.Message, "XC") && p.Hint != ""
		})
	}); err != nil {
		t.Errorf("%v: %+v %+v", err, status("XA").Final, status("XA").Problems)
	}
	if figures := string(askAt(t, n.URL("XA"), http.MethodGet, "/metrics", nil).body); strings.Contains(figures, "\nconcordat_problems 0\n") || !strings.Contains(figures, "\nconcordat_vouching 1\n") {
		t.Error("XA's figures know of no problem, or of too many")
	}
	ids, told := follow(place, 3)
	for i, e := range told {
		if e.State != client.Ordered || e.Statement.Index != size+uint64(i) {
			t.Errorf("while nothing becomes final, %d is told as %s", e.Statement.Index, e.State)
		}
	}

	// XC returns, and all becomes final by itself. Who followed the events goes on where he was.
	if err := n.Start("XC"); err != nil {
		t.Fatal(err)
	}
	after, told := follow(ids[2], 3)
	for i, e := range told {
		if e.State != client.Final || e.Statement.State != client.Final || e.Statement.Index != size+uint64(i) {
			t.Errorf("after the return %d is told as %s, want %d as final", e.Statement.Index, e.State, size+uint64(i))
		}
	}
	if _, told := follow(after[0], 2); told[0].Statement.Index != size+1 || told[1].Statement.Index != size+2 {
		t.Errorf("from %s on come %d and %d", after[0], told[0].Statement.Index, told[1].Statement.Index)
	}
	everywhere("everything to be final", func(at string) bool { return status(at).Final.Size > *allowed.Index })
	for _, at := range n.Regions {
		if c := checkAt(at, good.Text); c.Decision.Decision != "refused" || !hasReason(c, "revoked") {
			t.Errorf("%s, of the revoked code: %s %s", at, c.Decision.Decision, names(c))
		}
		if c := checkAt(at, later.Text); hasReason(c, "not-final-yet") || !hasReason(c, "key-registered") || c.Decision.Decision != "recognized" {
			t.Errorf("%s, of the code whose key is final now: %s %s", at, c.Decision.Decision, names(c))
		}
		raw, err := n.Client(at).Receipt(t.Context(), fmt.Sprint(*allowed.Index), false)
		if err != nil {
			t.Fatal(err)
		}
		r, err := receipt.ParseTLogProof(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := receipt.Verify(n.Doc, r); err != nil {
			t.Errorf("the receipt of %s: %v", at, err)
		}
		if st := status(at); st.Final.Note != "" && at != "XD" {
			t.Errorf("%s still says %q", at, st.Final.Note)
		}
	}
	var f *client.Failure
	if err := n.Client("XD").Ready(t.Context()); !errors.As(err, &f) || f.Name != client.NotVouching {
		t.Errorf("XD, in the end: %v", err)
	}
}
