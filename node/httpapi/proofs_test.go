package httpapi_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	tessera "github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"k8s.io/klog/v2"

	"concordat/client"
	"concordat/client/audit"
	"concordat/healthcode"
	"concordat/healthcode/hc1"
	"concordat/ledger/bundle"
	"concordat/ledger/checkpoint"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
	"concordat/node"
	"concordat/node/nodetest"
	"concordat/recognition"
)

// final submits what the region says, waits until it is final, and gives its index.
func final(t testing.TB, revision uint64, body statement.Body, attachment []byte) uint64 {
	t.Helper()
	var s client.Submitted
	submit(t, "final", network.Sign(t, region, revision, body), attachment).into(t, http.StatusOK, &s)
	if s.Index == nil || s.State != client.Final || s.Note != "" {
		t.Fatalf("submitted: %+v", s)
	}
	return *s.Index
}

// certifiedAt reads a node's checkpoint and certifies it with the genesis alone.
func certifiedAt(t testing.TB, n *nodetest.Network, base string) *checkpoint.Certified {
	t.Helper()
	a := askAt(t, base, http.MethodGet, "/checkpoint", nil)
	if a.status != http.StatusOK {
		t.Fatalf("the checkpoint is answered %d: %s", a.status, a.body)
	}
	parsed, err := checkpoint.ParseNote(a.body)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parsed.Certify(receipt.FoundingValidators(n.Doc))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWaitFinal: final means that a certified checkpoint covers it, which
// anybody can read and verify.
func TestWaitFinal(t *testing.T) {
	for i := range 3 {
		index := final(t, 1, risk(fmt.Sprintf("XA-FINAL-%d", i)), nil)
		if c := certifiedAt(t, network, network.URL(region)); c.Checkpoint().Size <= index || c.Checkpoint().Origin != network.Doc.Network {
			t.Errorf("statement %d is final, and what is certified is %+v", index, c.Checkpoint())
		}
		var s client.Statement
		get(t, fmt.Sprintf("/v1/statements/%d", index)).into(t, http.StatusOK, &s)
		if s.State != client.Final {
			t.Errorf("statement %d is %s", index, s.State)
		}
	}
}

// TestReceipt: what is handed out proves the statement to whoever has the genesis.
func TestReceipt(t *testing.T) {
	v := network.Sign(t, region, 1, risk("XA-RECEIPT"))
	var s client.Submitted
	submit(t, "final", v, nil).into(t, http.StatusOK, &s)
	path := fmt.Sprintf("/v1/statements/%d/receipt", *s.Index)
	for _, c := range []struct {
		accept, kind, name string
		parse              func([]byte) (receipt.Receipt, error)
	}{
		{"", "text/plain; charset=utf-8", "tlog-proof", receipt.ParseTLogProof},
		{"application/cose", "application/cose", "cose", receipt.ParseCOSE},
	} {
		a := get(t, path, "Accept", c.accept)
		if a.status != http.StatusOK || a.header.Get("Content-Type") != c.kind || a.header.Get("Vary") != "Accept" || strings.Contains(a.header.Get("Cache-Control"), "immutable") ||
			a.header.Get("Content-Disposition") != fmt.Sprintf(`attachment; filename="statement-%d.%s"`, *s.Index, c.name) {
			t.Errorf("%s: %d, %v", c.name, a.status, a.header)
		}
		r, err := c.parse(a.body)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got, err := receipt.Verify(network.Doc, r)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got.Index != *s.Index || !bytes.Equal(r.Statement, v.Raw()) || got.Certified.Checkpoint().Size <= *s.Index || len(got.Certified.Cosigners()) != 1 {
			t.Errorf("%s proves statement %d under %+v", c.name, got.Index, got.Certified.Checkpoint())
		}
		other, err := nodetest.Found(t.TempDir(), region)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := receipt.Verify(other.Doc, r); err == nil {
			t.Errorf("%s proves something to another network", c.name)
		}
		head := ask(t, http.MethodHead, path, nil, "Accept", c.accept)
		if head.status != http.StatusOK || len(head.body) != 0 || head.header.Get("Content-Type") != c.kind {
			t.Errorf("%s: HEAD is answered %d with %d bytes, %v", c.name, head.status, len(head.body), head.header)
		}
		if by := get(t, "/v1/statements/"+s.Hash+"/receipt", "Accept", c.accept); by.status != http.StatusOK {
			t.Errorf("%s, by its hash: %d", c.name, by.status)
		}
		raw, err := network.Client(region).Receipt(t.Context(), s.Hash, c.name == "cose")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.parse(raw); err != nil {
			t.Errorf("%s, by our client: %v", c.name, err)
		}
	}
	get(t, "/v1/statements/99999999/receipt").failure(t, 404, client.NotFound)
	get(t, "/v1/statements/"+strings.Repeat("ab", 32)+"/receipt").failure(t, 404, client.NotFound)
	get(t, "/v1/statements/first/receipt").failure(t, 400, client.BadRequest)
	get(t, "/v1/statements/-1/receipt").failure(t, 400, client.BadRequest)
}

// hashEntries hashes the entries of a tile, as Tessera's fsck wants it.
func hashEntries(tile []byte) ([][]byte, error) {
	var b api.EntryBundle
	if err := b.UnmarshalText(tile); err != nil {
		return nil, err
	}
	var out [][]byte
	for _, e := range b.Entries {
		out = append(out, rfc6962.DefaultHasher.HashLeaf(e))
	}
	return out, nil
}

// fsckSays has Tessera's fsck look at a live node. It may hang where a worker
// gave up, so it gets a deadline.
func fsckSays(t *testing.T, base, origin, vkey string) error {
	t.Helper()
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	root, err := url.Parse(base + "/")
	if err != nil {
		t.Fatal(err)
	}
	f, err := tessera.NewHTTPFetcher(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	said := make(chan error, 1)
	go func() { said <- fsck.New(origin, v, f, hashEntries, fsck.Opts{N: 16}).Check(ctx) }()
	select {
	case err := <-said:
		return err
	case <-ctx.Done():
		return errors.New("Tessera's fsck hangs")
	}
}

// TestTransparencyLog: tools for transparency logs work on a live node as it stands.
func TestTransparencyLog(t *testing.T) {
	const many = 300 // more than a tile
	results := make(chan answer, many)
	for i := range many {
		v := network.Sign(t, region, 1, risk(fmt.Sprintf("XA-LOG-%d", i)))
		go func() { results <- submit(t, "ordered", v, nil) }()
	}
	for range many {
		if a := <-results; a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	revoke, attachment := attached("log", 3)
	last := final(t, 0, revoke, attachment)
	base := network.URL(region)
	var st client.Status
	get(t, "/v1/status").into(t, http.StatusOK, &st)

	cp := get(t, "/checkpoint")
	if kind, cache := cp.header.Get("Content-Type"), cp.header.Get("Cache-Control"); kind != "text/plain; charset=utf-8" || cache != "no-cache" {
		t.Errorf("the checkpoint comes as %q, cached by %q", kind, cache)
	}
	tile := get(t, "/tile/0/000")
	if kind, cache := tile.header.Get("Content-Type"), tile.header.Get("Cache-Control"); tile.status != 200 || len(tile.body) != 8192 || kind != "application/octet-stream" || !strings.Contains(cache, "immutable") {
		t.Errorf("a tile comes as %d, %d bytes of %q, cached by %q", tile.status, len(tile.body), kind, cache)
	}
	for _, c := range []struct {
		path   string
		status int
	}{{"/tile/0/999", 404}, {"/tile/entries/999", 404}, {"/tile/0/000.p/0", 400}, {"/tile/64/000", 400}, {"/tile/", 404}, {"/tile/x", 400}} {
		if a := get(t, c.path); a.status != c.status {
			t.Errorf("%s is answered %d, want %d", c.path, a.status, c.status)
		}
	}
	if err := fsckSays(t, base, st.Log.Origin, st.Log.VKey); err != nil {
		t.Errorf("Tessera's fsck: %v", err)
	}

	// torchwood reads it to the last entry.
	fetcher, err := torchwood.NewTileFetcher(base, torchwood.WithUserAgent("concordat test"))
	if err != nil {
		t.Fatal(err)
	}
	reader, err := torchwood.NewClient(fetcher)
	if err != nil {
		t.Fatal(err)
	}
	me, _ := network.Doc.Authority(region)
	policy, err := torchwood.ParsePolicy(fmt.Appendf(nil, "log %s\nwitness w %s\ngroup q 1 w\nquorum q\n",
		st.Log.VKey, checkpoint.CosignerVKey(st.Log.Origin, region, me.Keys.Cosign.Public())))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := fetcher.ReadEndpoint(t.Context(), "checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	read, _, err := torchwood.VerifyCheckpoint(raw, policy)
	if err != nil {
		t.Fatal(err)
	}
	next := int64(0)
	for i, entry := range reader.AllEntries(t.Context(), read.Tree, 0) {
		u, err := statement.Parse(entry)
		if err != nil || i != next {
			t.Fatalf("entry %d, want %d: %v", i, next, err)
		}
		if s := u.Statement(); uint64(i) == last && s.Kind() != revoke.Kind() {
			t.Errorf("entry %d is a %s", i, s.Kind())
		}
		next++
	}
	if err := reader.Err(); err != nil || next != read.N || uint64(next) <= last {
		t.Errorf("torchwood read %d of %d entries: %v", next, read.N, err)
	}
	entry, proof, err := reader.Entry(t.Context(), read.Tree, int64(last))
	if err != nil {
		t.Fatal(err)
	}
	if err := torchwood.VerifyProof(policy, tlog.RecordHash(entry), torchwood.FormatProof(int64(last), proof, raw)); err != nil {
		t.Errorf("torchwood's own proof: %v", err)
	}
	// The receipt that the node makes is a C2SP tlog-proof to torchwood, too.
	if err := torchwood.VerifyProof(policy, tlog.RecordHash(entry), get(t, fmt.Sprintf("/v1/statements/%d/receipt", last)).body); err != nil {
		t.Errorf("the node's receipt, by torchwood: %v", err)
	}

	// Ours replays it all.
	source, err := audit.HTTP(base, nil)
	if err != nil {
		t.Fatal(err)
	}
	report, err := audit.Run(t.Context(), audit.Config{Genesis: network.Doc, Source: source})
	if err != nil || report.Checkpoint.Size <= last || report.Batches.Verified == 0 || report.Batches.Absent != 0 {
		t.Errorf("our audit: %+v, %v", report, err)
	}

	// What travelled beside a statement is there for auditors.
	digest := fmt.Sprintf("/attachment/%x", sha256.Sum256(attachment))
	if a := get(t, digest); a.status != http.StatusOK || !bytes.Equal(a.body, attachment) || a.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("the attachment: %d, %d bytes, %v", a.status, len(a.body), a.header)
	}
	for path, status := range map[string]int{"/attachment/" + strings.Repeat("0", 64): 404, "/attachment/x": 400} {
		if a := get(t, path); a.status != status {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// TestAddCheckpoint: the node is a witness of its own network's log, and of no other.
func TestAddCheckpoint(t *testing.T) {
	final(t, 1, risk("XA-WITNESS"), nil)
	newest := get(t, "/checkpoint").body
	ours := certifiedAt(t, network, network.URL(region))
	post := func(body string) answer {
		t.Helper()
		return ask(t, http.MethodPost, "/add-checkpoint", strings.NewReader(body))
	}
	a := post(fmt.Sprintf("old %d\n\n%s", ours.Checkpoint().Size, newest))
	if a.status != http.StatusOK {
		t.Fatalf("our own checkpoint is answered %d: %s", a.status, a.body)
	}
	by, err := receipt.FoundingValidators(network.Doc).VerifyCosignature(ours.Checkpoint(), string(a.body))
	if err != nil || by.By != region {
		t.Errorf("the answer is %q: %v", a.body, err)
	}
	small := checkpoint.Checkpoint{Origin: network.Doc.Network, Size: 1, Root: sha256.Sum256([]byte("x"))}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := checkpoint.SignLog(small, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, body string
		status     int
	}{
		{"nothing", "", 400},
		{"garbage", "hello", 400},
		{"an old size above", fmt.Sprintf("old %d\n\n%s", ours.Checkpoint().Size+1, newest), 400},
		{"another log", "old 0\n\n" + strings.Replace(string(newest), network.Doc.Network, "log.example", 1), 404},
		{"a stranger's word", "old 0\n\n" + small.Text() + "\n" + stranger, 403},
		{"more than a note", "old 0\n\n" + strings.Repeat("x", 1<<20), 400},
	} {
		if a := post(c.body); a.status != c.status {
			t.Errorf("%s is answered %d, want %d: %s", c.name, a.status, c.status, a.body)
		}
	}
	var e client.EvidenceList
	get(t, "/v1/evidence").into(t, http.StatusOK, &e)
	if e.Evidence == nil || len(e.Evidence) != 0 || e.AsOf.Size == 0 || e.AsOf.FinalSize == 0 {
		t.Errorf("evidence, against nobody: %+v", e)
	}
}

// TestAsOf: every answer that speaks of the ledger says what it knows, up to
// where that is certified and by whom, and when a quorum last said so.
func TestAsOf(t *testing.T) {
	index := final(t, 1, risk("XA-ASOF"), nil)
	c := certifiedAt(t, network, network.URL(region))
	for _, path := range []string{
		"/v1/statements?limit=1", "/v1/authorities", "/v1/issuers", "/v1/risk-areas", "/v1/recognitions", "/v1/revocations/" + strings.Repeat("00", 16),
		"/v1/revisions?subject=x", "/v1/evidence",
	} {
		var body struct {
			AsOf client.AsOf `json:"asOf"`
		}
		a := get(t, path)
		a.into(t, http.StatusOK, &body)
		now := time.Now()
		of := body.AsOf
		if of.FinalSize <= index || of.FinalSize > of.Size || fmt.Sprint(of.Cosigners) != "[XA]" || of.Age == "" {
			t.Errorf("%s is as of %+v", path, of)
		}
		// The age is that of the co-signatures, by their times, which are whole seconds.
		if told := now.Add(-time.Duration(of.AgeMillis) * time.Millisecond); told.Before(c.Time().Add(-time.Second)) {
			t.Errorf("%s: a quorum vouched at %s for it, and is said to have at %s", path, c.Time(), told)
		}
	}
	code := registered(t, "AT-1")
	if a := check(t, client.Check{Codes: []string{code.Text}, At: &clock}).AsOf; a.FinalSize <= index || fmt.Sprint(a.Cosigners) != "[XA]" || a.AgeMillis < 0 {
		t.Errorf("a check is as of %+v", a)
	}
}

func parsed(t testing.TB, raw []byte) *bundle.Unverified {
	t.Helper()
	u, err := bundle.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func inJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestBundle: the bundle is there once the state was sealed, verifies with the
// genesis alone, and decides as the node does.
func TestBundle(t *testing.T) {
	t.Parallel()
	one, err := nodetest.Found(t.TempDir(), region)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := one.Close(); err != nil {
			t.Error(err)
		}
	})
	one.Config = func(_ string, c *node.Config) { c.Vouch.Seal, c.Vouch.Refresh = time.Second, time.Second }
	if err := one.Start(region); err != nil {
		t.Fatal(err)
	}
	if err := one.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := func(path string, headers ...string) answer {
		t.Helper()
		return askAt(t, one.URL(region), http.MethodGet, path, nil, headers...)
	}
	// Nothing was said: nothing is sealed.
	at("/v1/bundle").failure(t, 404, client.NotFound)
	if a := at("/checkpoint"); a.status != http.StatusNotFound {
		t.Errorf("the checkpoint of an empty log is answered %d", a.status)
	}
	say := func(revision uint64, body statement.Body, attachment []byte) uint64 {
		t.Helper()
		v := one.Sign(t, region, revision, body)
		s, err := one.Client(region).Submit(t.Context(), v.Raw(), attachment, client.Final)
		if err != nil {
			t.Fatal(err)
		}
		return *s.Index
	}
	good, revoked := codeOf(t, "AT-1"), codeOf(t, "AT-3")
	say(1, keyOf(t, good), nil)
	hashes := signatureHash(t, revoked)
	say(0, &statement.Revoke{Batch: statement.NewBatch(statement.HashSignature, hashes, 2_000_000_000, "lost")}, hashes)
	last := say(1, risk("XA-SEALED"), nil)

	var first answer
	fetch := func(after uint64, have *bundle.Bundle) (answer, *bundle.Bundle) {
		t.Helper()
		var a answer
		var b *bundle.Bundle
		path := "/v1/bundle"
		if have != nil {
			path += fmt.Sprintf("?since=%d", have.Size())
		}
		if err := nodetest.Await(t.Context(), "the seal", func() bool {
			if a = at(path); a.status != http.StatusOK {
				return false
			}
			u, err := bundle.Parse(a.body)
			if err != nil {
				t.Fatal(err)
			}
			if have != nil {
				b, err = have.Update(u, one.Doc)
			} else {
				b, err = u.Verify(one.Doc)
			}
			if err != nil {
				t.Fatal(err)
			}
			return b.Size() > after
		}); err != nil {
			t.Fatal(err)
		}
		return a, b
	}
	first, whole := fetch(last, nil)
	if kind := first.header.Get("Content-Type"); kind != "application/vnd.concordat.bundle" || first.header.Get("Cache-Control") != "no-cache" ||
		first.header.Get("Content-Disposition") != fmt.Sprintf(`attachment; filename="concordat-%d.bundle"`, whole.Size()) || !strings.HasPrefix(first.header.Get("ETag"), fmt.Sprintf(`"%d-`, whole.Size())) {
		t.Errorf("the bundle comes with %v", first.header)
	}
	if head := askAt(t, one.URL(region), http.MethodHead, "/v1/bundle", nil); head.status != http.StatusOK || len(head.body) != 0 || head.header.Get("ETag") == "" {
		t.Errorf("HEAD: %d, %v", head.status, head.header)
	}
	compare := func(b *bundle.Bundle) {
		t.Helper()
		// Not a time before the seal: a bundle does not answer for those.
		when := b.Seal().At.Time().Add(time.Second)
		for _, code := range []string{good.Text, revoked.Text, good.Text[:len(good.Text)-4] + "AAAA", "HC1:NOTHING"} {
			online, err := one.Client(region).Check(t.Context(), client.Check{Codes: []string{code}, At: &when})
			if err != nil {
				t.Fatal(err)
			}
			u, unreadable := healthcode.Decode(code, hc1.Decoder{})
			offline, err := recognition.Decide([]recognition.Code{{Unverified: u, Err: unreadable}}, recognition.Query{Region: region, At: when, Knowledge: recognition.Knowledge{MaxAge: time.Hour}}, b.State())
			if err != nil {
				t.Fatal(err)
			}
			if a, b := inJSON(t, online.Decision), inJSON(t, offline); a != b {
				t.Errorf("the node says\n%s\nand the bundle\n%s", a, b)
			}
		}
		online, err := one.Client(region).Check(t.Context(), client.Check{Codes: []string{revoked.Text}, At: &when})
		if err != nil || !hasReason(online, "revoked") {
			t.Errorf("the revoked code: %s, %v", names(online), err)
		}
	}
	compare(whole)
	if f := whole.Freshness(time.Now(), bundle.DefaultPolicy); f.Step != bundle.Fresh {
		t.Errorf("it is %s", f.Words)
	}

	// Whoever has it is spared the rest, until a quorum has vouched for it anew.
	tag := at("/v1/bundle").header.Get("ETag")
	if a := at("/v1/bundle", "If-None-Match", tag); a.status != http.StatusNotModified && at("/v1/bundle").header.Get("ETag") == tag {
		t.Errorf("asked again with its tag: %d", a.status)
	}
	if err := nodetest.Await(t.Context(), "the same state, vouched for anew", func() bool {
		a := at("/v1/bundle", "If-None-Match", tag)
		if a.status == http.StatusNotModified {
			return false
		}
		u, err := bundle.Parse(a.body)
		if err != nil {
			t.Fatal(err)
		}
		b, err := u.Verify(one.Doc)
		if err != nil {
			t.Fatal(err)
		}
		return b.Size() == whole.Size() && b.AsOf().After(whole.AsOf())
	}); err != nil {
		t.Error(err)
	}

	// What changed since makes the newer one of the older, to the byte.
	milder := risk("XA-SEALED").RiskLevel
	milder.Level = "low"
	last = say(2, &statement.ChangeRisk{RiskLevel: milder}, nil)
	small, updated := fetch(last, whole)
	if since, is := parsed(t, small.body).Delta(); !is || since != whole.Size() || len(small.body) >= len(first.body) {
		t.Errorf("the delta since %d (%v) has %d bytes, the whole %d", since, is, len(small.body), len(first.body))
	}
	compare(updated)
	again, err := parsed(t, at("/v1/bundle").body).Verify(one.Doc)
	if err != nil || again.Seal().Revoked != updated.Seal().Revoked || again.Seal().Records != updated.Seal().Records {
		t.Errorf("the delta makes another state than the whole: %v", err)
	}
	// A size that no bundle had gets the whole.
	if _, is := parsed(t, at(fmt.Sprintf("/v1/bundle?since=%d", last)).body).Delta(); is {
		t.Error("there is a delta since no bundle")
	}
	for _, bad := range []string{"0", "-1", "x", "18446744073709551616"} {
		at("/v1/bundle?since="+bad).failure(t, 400, client.BadRequest)
	}
	var file bytes.Buffer
	if err := one.Client(region).Bundle(t.Context(), 0, &file, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := parsed(t, file.Bytes()).Verify(one.Doc); err != nil {
		t.Error(err)
	}
	var st client.Status
	at("/v1/status").into(t, http.StatusOK, &st)
	if st.Seal == nil || st.Seal.Statement < whole.Size() {
		t.Errorf("status shows the seal %+v", st.Seal)
	}
	// Another network's verifier believes nothing of it.
	if _, err := parsed(t, file.Bytes()).Verify(network.Doc); err == nil {
		t.Error("another network's genesis verifies it")
	}
	if _, err := os.Stat(one.NodeDir(region) + "/signer"); err != nil {
		t.Errorf("what was signed is not beside the keys: %v", err)
	}
}
