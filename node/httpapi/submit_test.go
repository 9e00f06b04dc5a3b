package httpapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
	"concordat/node/nodetest"
)

func TestSubmit(t *testing.T) {
	v := network.Sign(t, region, 1, risk("XA-SUBMIT"))
	var first, again client.Submitted
	submit(t, "ordered", v, nil).into(t, http.StatusOK, &first)
	if first.Hash != v.Hash().String() || first.Index == nil || first.State != client.Ordered && first.State != client.Final || first.Known || first.Note != "" {
		t.Fatalf("ordered: %+v", first)
	}
	submit(t, "final", v, nil).into(t, http.StatusOK, &again)
	if again.Index == nil || *again.Index != *first.Index || !again.Known || again.State != client.Final || again.Note != "" {
		t.Errorf("the same again: %+v", again)
	}
	submit(t, "accepted", v, nil).into(t, http.StatusOK, &again)
	if again.Index == nil || *again.Index != *first.Index || !again.Known || again.State != client.Final || again.Promise != "" {
		t.Errorf("the same again, to be accepted: %+v", again)
	}
	for _, ref := range []string{first.Hash, fmt.Sprint(*first.Index)} {
		raw := get(t, "/v1/statements/"+ref, "Accept", "application/cose")
		if raw.header.Get("Content-Type") != "application/cose" || !bytes.Equal(raw.body, v.Raw()) || !strings.Contains(raw.header.Get("Cache-Control"), "immutable") {
			t.Errorf("the bytes are not those sent: %d, %v", raw.status, raw.header)
		}
		if a := get(t, "/v1/statements/"+ref, "Accept", "application/cose", "If-None-Match", raw.header.Get("ETag")); a.status != http.StatusNotModified || len(a.body) > 0 {
			t.Errorf("asked again with its tag: %d", a.status)
		}
		var s client.Statement
		words := get(t, "/v1/statements/"+ref)
		words.into(t, http.StatusOK, &s)
		if s.Index != *first.Index || s.Kind != "risk-area.declare" || s.Authority != region || s.Revision != 1 || !bytes.Equal(s.Raw, v.Raw()) || s.Words == "" || s.Body["area"] != "XA-SUBMIT" {
			t.Errorf("in words: %+v", s)
		}
		if strings.Contains(words.header.Get("Cache-Control"), "immutable") || words.header.Get("Vary") != "Accept" {
			t.Errorf("a statement whose state may change is cached as %q, by %q", words.header.Get("Cache-Control"), words.header.Get("Vary"))
		}
	}
}

func TestSubmitAccepted(t *testing.T) {
	v := network.Sign(t, region, 1, risk("XA-ACCEPT"))
	var s client.Submitted
	submit(t, "accepted", v, nil).into(t, http.StatusAccepted, &s)
	if s.State != client.Accepted || s.Index != nil {
		t.Fatalf("accepted: %+v", s)
	}
	p, err := client.ParsePromise(s.Promise)
	if err != nil {
		t.Fatal(err)
	}
	me, _ := network.Doc.Authority(region)
	if err := p.Verify(network.Doc.ID(), v.Hash(), me.Keys.Node.Public()); err != nil || p.Authority != region || time.Since(p.At) > time.Minute {
		t.Errorf("the promise of %s at %s: %v", p.Authority, p.At, err)
	}
	if err := nodetest.Await(t.Context(), "the promise to be kept", func() bool {
		var got client.Statement
		get(t, "/v1/statements/"+s.Hash).into(t, http.StatusOK, &got)
		return got.State == client.Final
	}); err != nil {
		t.Error(err)
	}
}

// TestRefusedAfterAcceptance: what was accepted on the strength of a statement
// that never came is refused in the end, and its submitter can see it.
func TestRefusedAfterAcceptance(t *testing.T) {
	v := network.Sign(t, region, 3, &statement.ChangeRisk{RiskLevel: risk("XA-NEVER").RiskLevel})
	var s client.Submitted
	submit(t, "accepted", v, nil).into(t, http.StatusAccepted, &s)
	var got struct {
		client.Statement
		Index *uint64 `json:"index"`
	}
	if err := nodetest.Await(t.Context(), "the refusal", func() bool {
		get(t, "/v1/statements/"+s.Hash).into(t, http.StatusOK, &got)
		return got.State == client.Refused
	}); err != nil {
		t.Fatal(err)
	}
	if got.Refusal == nil || got.Refusal.Name != "risk-not-declared" && got.Refusal.Name != "revision-conflict" || got.Index != nil || got.Hash != s.Hash {
		t.Errorf("refused: %+v", got)
	}
	var st client.Status
	get(t, "/v1/status").into(t, http.StatusOK, &st)
	if st.Held != 0 {
		t.Errorf("%d are held still", st.Held)
	}
	if a := get(t, "/v1/statements/"+s.Hash, "Accept", "application/cose"); !bytes.Equal(a.body, v.Raw()) {
		t.Error("its bytes are not those sent")
	}
}

// attached is a revocation of n hashes, told apart by a name.
func attached(name string, n int) (*statement.Revoke, []byte) {
	hashes := make([]statement.RevocationHash, n)
	for i := range hashes {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", name, i))
		hashes[i] = statement.RevocationHash(sum[:statement.HashSize])
	}
	a := statement.NewAttachment(hashes)
	return &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, a, 2_000_000_000, "test")}, a
}

func TestSubmitAttachment(t *testing.T) {
	body, attachment := attached("full", 65_536)
	if i, j := said(t, 0, body, attachment), said(t, 1, risk("XA-AFTER"), nil); j <= i {
		t.Errorf("indexes %d and then %d", i, j)
	}
	var r client.Revocations
	get(t, fmt.Sprintf("/v1/revocations/%x", attachment[16*1000:16*1001])).into(t, http.StatusOK, &r)
	if !r.Revoked || len(r.Revocations) != 1 || r.Revocations[0].Action != "revoked" || !r.Revocations[0].InForce {
		t.Errorf("of a revoked hash: %+v", r)
	}
}

func TestSubmitRefuses(t *testing.T) {
	good := network.Sign(t, region, 1, risk("XA-GOOD"))
	revoke, attachment := attached("few", 3)
	revocation := network.Sign(t, region, 0, revoke)
	other, err := nodetest.Found(t.TempDir(), region, "XB")
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good.Raw())
	flipped[len(flipped)-1] ^= 1
	forged := func(revision uint64, body statement.Body, by string) []byte {
		// Signed for this network, with the keys of another.
		copied := *other
		copied.Doc = network.Doc
		return copied.Sign(t, by, revision, body).Raw()
	}
	said(t, 1, risk("XA-TWICE"), nil)
	for _, c := range []struct {
		name, kind string
		body       []byte
		status     int
		failure    string
		says       string
	}{
		{"empty", "application/cose", nil, 422, client.Malformed, ""},
		{"garbage", "application/cose", []byte("hello"), 422, client.Malformed, ""},
		{"cut", "application/cose", good.Raw()[:50], 422, client.Malformed, ""},
		{"more behind", "application/cose", append(bytes.Clone(good.Raw()), 0), 422, client.Malformed, ""},
		{"too large", "application/cose", make([]byte, statement.MaxSize+1), 413, client.TooLarge, "60000"},
		{"another network", "application/cose", other.Sign(t, region, 1, risk("XA-OTHER")).Raw(), 422, "wrong-network", network.Doc.ID().String()},
		{"unknown authority", "application/cose", forged(1, risk("XB-1"), "XB"), 403, "unknown-authority", "XB"},
		{"unknown key", "application/cose", forged(1, risk("XA-KEY"), region), 403, "unknown-key", ""},
		{"wrong signature", "application/cose", flipped, 403, client.WrongSignature, ""},
		{"no attachment", "application/cose", revocation.Raw(), 422, client.Malformed, ""},
		{"stale revision", "application/cose", network.Sign(t, region, 1, &statement.ChangeRisk{RiskLevel: statement.RiskLevel{
			Area: "XA-TWICE", Scheme: "default", Level: "low", From: 1_600_000_000}}).Raw(), 409, "revision-conflict", "revision 1"},
		{"second declaration", "application/cose", network.Sign(t, region, 2, risk("XA-TWICE")).Raw(), 409, "risk-already-declared", ""},
		{"of itself", "application/cose", network.Sign(t, region, 1, &statement.Grant{Terms: statement.Terms{Region: region}}).Raw(), 422, "self-recognition", ""},
		{"text", "text/plain", good.Raw(), 415, client.WrongContentType, ""},
		{"JSON", "application/json", []byte("{}"), 415, client.WrongContentType, ""},
		{"no boundary", "multipart/form-data", []byte("x"), 400, client.BadRequest, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, wait := range []string{"ordered", "accepted"} {
				f := ask(t, http.MethodPost, "/v1/statements?wait="+wait, bytes.NewReader(c.body), "Content-Type", c.kind).failure(t, c.status, c.failure)
				if !strings.Contains(f.Message, c.says) {
					t.Errorf("wait=%s: it says %q, want something of %q", wait, f.Message, c.says)
				}
				if c.status == 409 && f.Detail["revision"] != 1.0 {
					t.Errorf("wait=%s: the conflict comes with %v, want the current revision, 1", wait, f.Detail)
				}
			}
		})
	}
	for _, c := range []struct {
		name    string
		parts   []any
		status  int
		failure string
	}{
		{"other attachment", []any{"statement", revocation.Raw(), "attachment", make([]byte, 48)}, 422, client.Malformed},
		{"attachment of none", []any{"statement", good.Raw(), "attachment", attachment}, 422, client.Malformed},
		{"attachment too large", []any{"statement", revocation.Raw(), "attachment", make([]byte, statement.MaxAttachment+1)}, 413, client.TooLarge},
		{"form too large", []any{"statement", revocation.Raw(), "attachment", make([]byte, 2<<20)}, 413, client.TooLarge},
		{"no statement", []any{"attachment", attachment}, 400, client.BadRequest},
		{"two statements", []any{"statement", good.Raw(), "statement", good.Raw()}, 400, client.BadRequest},
		{"another part", []any{"statement", good.Raw(), "picture", []byte("x")}, 400, client.BadRequest},
		{"nothing", nil, 400, client.BadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, kind := form(t, c.parts...)
			ask(t, http.MethodPost, "/v1/statements", bytes.NewReader(body), "Content-Type", kind).failure(t, c.status, c.failure)
		})
	}
	ask(t, http.MethodPost, "/v1/statements?wait=forever", bytes.NewReader(good.Raw()), "Content-Type", "application/cose").failure(t, 400, client.BadRequest)
	get(t, "/v1/statements/"+good.Hash().String()).failure(t, 404, client.NotFound)
	get(t, "/v1/statements/"+strings.Repeat("9", 30)).failure(t, 400, client.BadRequest)
	get(t, "/v1/statements/99999999").failure(t, 404, client.NotFound)
	get(t, "/v1/statements/first").failure(t, 400, client.BadRequest)
}

// TestManyAtOnce: many submitters share blocks, and each is answered for its own.
func TestManyAtOnce(t *testing.T) {
	const many = 64
	type result struct {
		i int
		a answer
	}
	results := make(chan result, many)
	for i := range many {
		body := statement.Body(risk(fmt.Sprintf("XA-MANY-%d", i)))
		revision := uint64(1)
		if i%8 == 0 {
			revision = 5 // these are refused, and none beside them
		}
		v := network.Sign(t, region, revision, body)
		go func() { results <- result{i, submit(t, "ordered", v, nil)} }()
	}
	indexes := map[uint64]bool{}
	for range many {
		r := <-results
		if r.i%8 == 0 {
			r.a.failure(t, 409, "revision-conflict")
			continue
		}
		var s client.Submitted
		if err := json.Unmarshal(r.a.body, &s); err != nil || r.a.status != 200 || s.Index == nil || indexes[*s.Index] {
			t.Fatalf("statement %d: %d %s", r.i, r.a.status, r.a.body)
		}
		indexes[*s.Index] = true
	}
}
