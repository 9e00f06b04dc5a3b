package httpapi_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/statement"
	"concordat/node/nodetest"
)

// parliament is a network of several regions whose governance keys are at hand.
type parliament struct{ *nodetest.Network }

// key opens a region's key.
func (p parliament) key(t *testing.T, region string, role authority.Role) ed25519.PrivateKey {
	t.Helper()
	d, err := authority.Open(p.NodeDir(region), nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := d.Key(role)
	if err != nil {
		t.Fatal(err)
	}
	return k.Ed25519()
}

// says has a region say something, with the key that it takes, and gives its index.
func (p parliament) says(t *testing.T, region string, body statement.Body) uint64 {
	t.Helper()
	role := authority.Statement
	if body.Kind().ByGovernance() {
		role = authority.Governance
	}
	a := client.Author{Client: p.Client(region), Authority: statement.Region(region), Network: p.Doc.ID(), Key: p.key(t, region, role)}
	s, err := a.Say(t.Context(), body, nil, client.Ordered)
	if err != nil {
		t.Fatalf("%s: %v", body.Kind(), err)
	}
	return *s.Index
}

func (p parliament) proposes(t *testing.T, region string, action statement.Action) uint64 {
	t.Helper()
	return p.says(t, region, &statement.Propose{Action: action, Reason: "agreed"})
}

func (p parliament) votes(t *testing.T, region string, proposal uint64, yes bool) {
	t.Helper()
	var c client.ProposalAnswer
	var err error
	if nodetest.Await(t.Context(), "the proposal to reach "+region, func() bool {
		c, err = p.Client(region).Proposal(t.Context(), proposal)
		return err == nil
	}) != nil {
		t.Fatal(err)
	}
	raw, err := p.Client(region).Raw(t.Context(), fmt.Sprint(proposal))
	if err != nil {
		t.Fatal(err)
	}
	u, err := statement.Parse(raw)
	if err != nil || u.Hash().String() != c.Hash {
		t.Fatalf("proposal %d: %v", proposal, err)
	}
	p.says(t, region, &statement.Vote{Proposal: proposal, Of: u.Hash(), Yes: yes})
}

func (p parliament) get(t *testing.T, region, path string) answer {
	t.Helper()
	return askAt(t, p.URL(region), http.MethodGet, path, nil)
}

func (p parliament) draft(t *testing.T, d client.Draft) answer {
	t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return askAt(t, p.URL("XA"), http.MethodPost, "/v1/proposals/checks", bytes.NewReader(b), "Content-Type", "application/json")
}

// partner makes the descriptor of an authority that nobody knows yet.
func partner(t *testing.T, id statement.Region) []byte {
	t.Helper()
	d, err := authority.Create(filepath.Join(t.TempDir(), string(id)), id, "Partner", []string{"/ip4/127.0.0.1/tcp/9"}, "https://partner.example", "")
	if err != nil {
		t.Fatal(err)
	}
	return d.Encode()
}

func places(addr string) statement.Place {
	return statement.Place{Addresses: []string{addr}, HTTP: "https://node.example"}
}

// lookAtGovernance looks at what is proposed, voted on, and changed by it.
func (s *shapes) lookAtGovernance(t *testing.T, look func(name string, a answer, status int)) {
	t.Helper()
	p := parliament{nodetest.New(t, "XA", "XB")}
	proof := statement.ProveKey(p.Doc.ID(), "XB", statement.UseGovernance, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize)))
	policy := statement.ChangePolicy{AdmitObserver: "all", AdmitValidator: "all", Suspend: "majority", Expel: "all", RotateKeys: "all", ChangePolicy: "all"}
	for _, a := range []statement.Action{
		{Admit: &statement.Admit{Descriptor: partner(t, "XE"), Role: statement.RoleObserver}},
		{RotateKey: &statement.RotateKey{Authority: "XB", NewKey: proof}},
		{SetNode: &statement.SetNodeOf{Authority: "XB", Place: places("/ip4/127.0.0.1/tcp/9")}},
		{ChangePolicy: &policy},
		{RaiseLevel: &statement.RaiseLevel{Level: 9}},
	} {
		d := client.Draft{By: "XB", Action: client.ActionOf(a)}
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		look("Draft", answer{status: 200, body: b}, 200)
		look("ProposalChecks", p.draft(t, d), 200)
	}

	admit := p.proposes(t, "XA", statement.Action{Admit: &statement.Admit{Descriptor: partner(t, "XE"), Role: statement.RoleObserver}})
	rejected := p.proposes(t, "XA", statement.Action{SetNode: &statement.SetNodeOf{Authority: "XB", Place: places("/ip4/127.0.0.1/tcp/8")}})
	p.votes(t, "XB", rejected, false)
	withdrawn := p.proposes(t, "XB", statement.Action{ChangePolicy: &policy})
	raw, err := p.Client("XB").Raw(t.Context(), fmt.Sprint(withdrawn))
	if err != nil {
		t.Fatal(err)
	}
	p.says(t, "XB", &statement.WithdrawProposal{Proposal: withdrawn, Of: sha256.Sum256(raw), Reason: "not yet"})
	if err := nodetest.Await(t.Context(), "XA's node to know of the withdrawal", func() bool {
		return strings.Contains(string(p.get(t, "XA", fmt.Sprintf("/v1/proposals/%d", withdrawn)).body), "not yet")
	}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []uint64{admit, rejected, withdrawn} {
		look("ProposalAnswer", p.get(t, "XA", fmt.Sprintf("/v1/proposals/%d", n)), 200)
	}
	look("Proposals", p.get(t, "XA", "/v1/proposals"), 200)
	look("ProposalChecks", p.get(t, "XA", fmt.Sprintf("/v1/proposals/%d/checks", admit)), 200)
	p.votes(t, "XB", admit, true)
	p.says(t, "XA", &statement.SetNode{Place: statement.Place{Addresses: p.Doc.Authorities[0].Addresses, HTTP: "https://a.example"}})
	p.says(t, "XA", &statement.RotateOwnKey{NewKey: statement.ProveKey(p.Doc.ID(), "XA", statement.UseStatement, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, ed25519.SeedSize)))})
	// XB has no vote on this, so that XA decides it alone.
	p.proposes(t, "XA", statement.Action{Suspend: &statement.SuspendAuthority{Authority: "XB"}})
	look("Authorities", p.get(t, "XA", "/v1/authorities"), 200)
	look("Statements", p.get(t, "XA", "/v1/statements"), 200)
	if err := nodetest.Await(t.Context(), "XB's node to know it", func() bool { return p.Node("XB").Status().Standing == client.StandingSuspended }); err != nil {
		t.Fatal(err)
	}
	look("Authorities", p.get(t, "XB", "/v1/authorities"), 200)
	// XB would have to vouch for its own leaving, and its word does not count: this handover goes on.
	p.proposes(t, "XA", statement.Action{ChangeRole: &statement.ChangeRole{Authority: "XB", Role: statement.RoleObserver}})
	if err := nodetest.Await(t.Context(), "a handover with a seal", func() bool {
		h := p.Node("XA").Status().Handover
		return h != nil && h.Seal != nil
	}); err != nil {
		t.Fatal(err)
	}
	look("Status", p.get(t, "XA", "/v1/status"), 200)

	for name, v := range map[string]any{
		"Transfer": client.Transfer{To: "XB"}, "Transferred": client.Transferred{Leader: "XB", Term: 3, At: time.Unix(1, 0).UTC()},
	} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		look(name, answer{status: 200, body: b}, 200)
	}
}

// TestVotes: who votes, who has and for whom it waits is told at every node; the
// deciding vote carries it out.
func TestVotes(t *testing.T) {
	t.Parallel()
	p := parliament{nodetest.New(t, "XA", "XB", "XC", "XD")}
	read := func(region string, n uint64) client.Proposal {
		t.Helper()
		c, err := p.Client(region).Proposal(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		return c.Proposal
	}
	n := p.proposes(t, "XA", statement.Action{Admit: &statement.Admit{Descriptor: partner(t, "XE"), Role: statement.RoleObserver}})
	got := read("XA", n)
	if got.Status != client.ProposalOpen || got.Concerns != "XE" || got.Role != "observer" || got.Needed != 3 || len(got.Yes) != 1 || strings.Join(got.WaitingFor, " ") != "XB XC XD" ||
		got.Words != "admit XE (Partner) as observer" || !strings.Contains(got.Effect, "Partner") || got.Reason != "agreed" {
		t.Errorf("proposed: %+v", got)
	}
	waiting := func(region, of, status string) int {
		t.Helper()
		all, err := p.Client(region).Proposals(t.Context(), client.ProposalQuery{WaitingFor: of, Status: status})
		if err != nil || all.Policy.AdmitObserver != "majority" || all.ProtocolLevel == 0 {
			t.Fatalf("%+v: %v", all, err)
		}
		return len(all.Proposals)
	}
	if a, b, c := waiting("XA", "XA", ""), waiting("XA", "XB", ""), waiting("XA", "", client.ProposalCarried); a != 0 || b != 1 || c != 0 {
		t.Errorf("%d wait for the proposer, %d for XB, %d are carried", a, b, c)
	}
	p.votes(t, "XB", n, true)
	p.votes(t, "XC", n, false)
	if got = read("XC", n); len(got.Yes) != 2 || len(got.No) != 1 || got.No[0].Authority != "XC" || strings.Join(got.WaitingFor, " ") != "XD" {
		t.Errorf("after two votes: %+v", got)
	}
	p.votes(t, "XD", n, true)
	if got = read("XD", n); got.Status != client.ProposalCarried || got.ClosedAt == nil || len(got.WaitingFor) != 0 || got.Effect != "" {
		t.Errorf("after the deciding vote: %+v", got)
	}
	all, err := p.Client("XD").Authorities(t.Context())
	if err != nil || len(all.Authorities) != 5 {
		t.Fatalf("%d authorities, %v", len(all.Authorities), err)
	}
	xe := all.Authorities[4]
	if xe.ID != "XE" || xe.Role != "observer" || *xe.Statement != *got.ClosedAt || len(xe.History) != 4 || xe.HTTP != "https://partner.example" || xe.Keys["governance"] != xe.History[0].Public {
		t.Errorf("admitted: %+v", xe)
	}
	if waiting("XD", "XD", "") != 0 || waiting("XD", "", client.ProposalCarried) != 1 {
		t.Error("it still waits, or is not listed as carried")
	}
}

// TestTransfer: the operator of the node that leads hands over; another's cannot.
func TestTransfer(t *testing.T) {
	t.Parallel()
	p := parliament{nodetest.New(t, "XA", "XB", "XC")}
	asked := func(at, to string) answer {
		t.Helper()
		raw, err := os.ReadFile(filepath.Join(p.NodeDir(at), "operator.token"))
		if err != nil {
			t.Fatal(err)
		}
		return askAt(t, p.URL(at), http.MethodPost, "/v1/operator/transfer", strings.NewReader(`{"to":"`+to+`"}`), "Authorization", "Bearer "+strings.TrimSpace(string(raw)))
	}
	leader := func() string {
		for _, r := range p.Regions {
			if p.Node(r).Status().RaftRole == "leader" {
				return r
			}
		}
		return ""
	}
	for _, named := range []bool{true, false} {
		// An election may come between, and then it is another that is to be asked.
		var done answer
		var old, to string
		if err := nodetest.Await(t.Context(), "leadership to move", func() bool {
			if old = leader(); old == "" {
				return false
			}
			if to = ""; named {
				to = p.Regions[(slices.Index(p.Regions, old)+1)%len(p.Regions)]
			}
			done = asked(old, to)
			return done.status == http.StatusOK
		}); err != nil {
			t.Fatalf("%v: %s", err, done.body)
		}
		var now client.Transferred
		done.into(t, http.StatusOK, &now)
		if now.Leader == old || named && now.Leader != to || now.Term == 0 || now.At.IsZero() {
			t.Errorf("from %s to %q: %+v", old, to, now)
		}
	}
	if err := nodetest.Await(t.Context(), "a follower to refuse", func() bool {
		is := leader()
		if is == "" {
			return false
		}
		a := asked(p.Regions[(slices.Index(p.Regions, is)+1)%len(p.Regions)], "")
		return a.status == http.StatusConflict && strings.Contains(string(a.body), `"not-leader"`)
	}); err != nil {
		t.Fatal(err)
	}
}

// TestDraftsAndProposalsRefuse what is none.
func TestDraftsAndProposalsRefuse(t *testing.T) {
	for path, want := range map[string]struct {
		status int
		name   string
	}{
		"/v1/proposals?status=maybe":         {400, client.BadRequest},
		"/v1/proposals?waitingFor=Atlantis":  {400, client.BadRequest},
		"/v1/proposals/four":                 {400, client.BadRequest},
		"/v1/proposals/999999":               {404, client.NotFound},
		"/v1/proposals/four/checks":          {400, client.BadRequest},
		"/v1/proposals/999999/checks":        {404, client.NotFound},
		"/v1/proposals/18446744073709551616": {400, client.BadRequest},
	} {
		get(t, path).failure(t, want.status, want.name)
	}
	for body, name := range map[string]string{
		``: client.BadRequest, `{`: client.BadRequest, `{"action":{"type":"crown"}}`: client.BadRequest, `{"by":"x","action":{"type":"expel","authority":"XB"}}`: client.BadRequest,
		`{"action":{"type":"expel","authority":"XB"},"more":1}`: client.BadRequest, `{"action":{"type":"expel","authority":"XB"}} x`: client.BadRequest,
		`{"action":{"type":"admit","role":"observer","descriptor":"` + strings.Repeat("AAAA", 20<<10) + `"}}`: client.TooLarge,
	} {
		status := http.StatusBadRequest
		if name == client.TooLarge {
			status = http.StatusRequestEntityTooLarge
		}
		ask(t, http.MethodPost, "/v1/proposals/checks", strings.NewReader(body), "Content-Type", "application/json").failure(t, status, name)
	}
	ask(t, http.MethodPost, "/v1/proposals/checks", strings.NewReader("{}"), "Content-Type", "text/plain").failure(t, http.StatusUnsupportedMediaType, client.WrongContentType)

	// Each fault of a descriptor has its check, and the others are looked at all the same.
	var checks client.ProposalChecks
	own, err := os.ReadFile(filepath.Join(network.NodeDir(region), "descriptor.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		descriptor []byte
		fails      []string
	}{
		"another":    {partner(t, "XE"), []string{"reachable"}},
		"one's own":  {own, []string{"rules", "id", "keys", "peer-id"}},
		"changed":    {bytes.Replace(partner(t, "XE"), []byte("Partner"), []byte("Parther"), 1), []string{"rules", "descriptor"}},
		"no such id": {[]byte("{}"), []string{"rules", "descriptor"}},
	} {
		b, err := json.Marshal(client.Draft{Action: client.Action{Type: client.ActionAdmit, Role: "observer", Descriptor: test.descriptor}})
		if err != nil {
			t.Fatal(err)
		}
		ask(t, http.MethodPost, "/v1/proposals/checks", bytes.NewReader(b), "Content-Type", "application/json").into(t, 200, &checks)
		failed := map[string]bool{}
		for _, c := range checks.Checks {
			if !c.OK {
				failed[c.Name] = true
				if c.Message == "" || c.Hint == "" {
					t.Errorf("%s: %s fails without a reason, or without what to do: %+v", name, c.Name, c)
				}
			}
		}
		for _, want := range test.fails {
			if !failed[want] {
				t.Errorf("%s: %s does not fail: %+v", name, want, checks.Checks)
			}
		}
		if len(checks.Electorate) != 1 || checks.Needed != 1 {
			t.Errorf("%s: %d of %v", name, checks.Needed, checks.Electorate)
		}
	}
}

// TestOperatorOnly: what is for the operator takes the token of the node's directory.
func TestOperatorOnly(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(network.NodeDir(region), "operator.token"))
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(string(raw))
	transfer := func(authorization, body string) answer {
		t.Helper()
		return ask(t, http.MethodPost, "/v1/operator/transfer", strings.NewReader(body), "Authorization", authorization, "Content-Type", "application/json")
	}
	for _, wrong := range []string{"", "Bearer ", "Bearer " + token[1:], "Basic " + token, token, "bearer" + token} {
		a := transfer(wrong, `{"to":"XB"}`)
		if f := a.failure(t, http.StatusUnauthorized, client.NotOperator); strings.Contains(f.Message+f.Hint, token[1:]) || a.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%q: %+v", wrong, f)
		}
	}
	transfer("Bearer "+token, `{"to":"Atlantis"}`).failure(t, http.StatusBadRequest, client.BadRequest)
	transfer("Bearer "+token, `[]`).failure(t, http.StatusBadRequest, client.BadRequest)
	transfer("Bearer "+token, `{"to":"XB"}`).failure(t, http.StatusConflict, "not-a-validator")
	if log := network.Log(region).String(); strings.Contains(log, token) {
		t.Error("the token is in the node's log")
	}
}
