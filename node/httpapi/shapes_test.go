package httpapi_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
	"concordat/node"
	"concordat/node/nodetest"
)

// shape is a JSON schema, as far as openapi.json uses them.
type shape struct {
	Ref        string           `json:"$ref"`
	Type       any              `json:"type"` // a name, or a list of them
	Properties map[string]shape `json:"properties"`
	Required   []string         `json:"required"`
	Items      *shape           `json:"items"`
	Enum       []any            `json:"enum"`
}

// shapes compares answers with their schemas, and notes which fields came.
type shapes struct {
	named map[string]shape
	seen  map[string]bool // "Schema.field"
}

// match reports what in v is not as documented. at is where v is.
func (s *shapes) match(t *testing.T, at string, sh shape, v any) {
	t.Helper()
	if name, is := strings.CutPrefix(sh.Ref, "#/components/schemas/"); is {
		s.match(t, name, s.named[name], v)
		return
	}
	if len(sh.Enum) > 0 && !slices.Contains(sh.Enum, v) {
		t.Errorf("%s is %v, documented are %v", at, v, sh.Enum)
	}
	switch x := v.(type) {
	case map[string]any:
		if sh.Properties == nil {
			return // free, as a statement's body is
		}
		for name, value := range x {
			p, is := sh.Properties[name]
			if !is {
				t.Errorf("%s.%s is not documented", at, name)
				continue
			}
			s.seen[at+"."+name] = true
			s.match(t, at+"."+name, p, value)
		}
		for _, name := range sh.Required {
			if _, is := x[name]; !is {
				t.Errorf("%s.%s is missing", at, name)
			}
		}
	case []any:
		if sh.Items == nil {
			t.Errorf("%s is a list, documented is %v", at, sh.Type)
			return
		}
		for _, item := range x {
			s.match(t, at, *sh.Items, item)
		}
	default:
		if kind := map[bool]string{true: "object or array", false: ""}[sh.Type == "object" || sh.Type == "array"]; kind != "" && v != nil {
			t.Errorf("%s is %v, documented is %s", at, v, kind)
		}
	}
}

// TestShapes holds every kind of answer against openapi.json: nothing comes
// that is not documented, and nothing is documented that never comes.
func TestShapes(t *testing.T) {
	t.Parallel()
	var d struct {
		Components struct {
			Schemas map[string]shape `json:"schemas"`
		} `json:"components"`
	}
	get(t, "/openapi.json").into(t, http.StatusOK, &d)
	s := &shapes{named: d.Components.Schemas, seen: map[string]bool{}}
	look := func(name string, a answer, status int) {
		t.Helper()
		var v any
		a.into(t, status, &v)
		s.match(t, name, shape{Ref: "#/components/schemas/" + name}, v)
	}

	code := registered(t, "AT-1")
	stays := []client.Stay{{Area: "DE", From: clock, To: clock}}
	for _, q := range []client.Check{
		{Codes: []string{code.Text}, Region: region, Arrival: region, At: &clock, Itinerary: stays, Consistency: "local", MaxAge: "60s"},
		{Codes: []string{"x"}},
		{Codes: []string{"shc:/1/3/56", "shc:/2/3/57"}}, // two parts of one card, and the third is missing
	} {
		b, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		look("Check", answer{status: 200, body: b}, 200)
		look("CheckAnswer", postCheck(t, q), 200)
	}

	v := network.Sign(t, region, 1, risk("XA-SHAPES"))
	for range 2 {
		look("Submitted", submit(t, "final", v, nil), 200)
	}
	look("Failure", submit(t, "ordered", network.Sign(t, region, 1, &statement.ChangeRisk{RiskLevel: risk("XA-SHAPES").RiskLevel}), nil), 409)
	never := network.Sign(t, region, 2, &statement.ChangeRisk{RiskLevel: risk("XA-SHAPES-NEVER").RiskLevel})
	look("Submitted", submit(t, "accepted", never, nil), 202)
	ref := "/v1/statements/" + never.Hash().String()
	if err := nodetest.Await(t.Context(), "the refusal", func() bool { return strings.Contains(string(get(t, ref).body), `"refused"`) }); err != nil {
		t.Fatal(err)
	}
	look("Statement", get(t, ref), 200)
	look("Statement", get(t, "/v1/statements/"+v.Hash().String()), 200)
	look("Statements", get(t, "/v1/statements?limit=1"), 200)
	look("Revision", get(t, "/v1/revisions?subject=x"), 200)

	// One of everything that the state can hold.
	key := p256Key(t)
	said(t, 1, key, nil)
	said(t, 2, &statement.RetireKey{Key: key.Thumbprint(), At: 1_700_000_000}, nil)
	said(t, 3, &statement.CompromiseKey{Key: key.Thumbprint(), Since: 1_690_000_000, SpareEarlier: true, Reason: "lost"}, nil)
	look("Issuers", get(t, "/v1/issuers"), 200)

	revoke, attachment := attached("shapes", 1)
	revoke.Reason = "issued in error"
	said(t, 0, revoke, attachment)
	said(t, 0, &statement.Reinstate{Batch: statement.NewBatch(statement.HashUCI, attachment, 2_000_000_000, "wrongly revoked")}, attachment)
	look("Revocations", get(t, fmt.Sprintf("/v1/revocations/%x", attachment)), 200)
	area := risk("XA-SHAPES-UNTIL")
	area.Until = 1_900_000_000
	said(t, 1, area, nil)
	look("RiskAreas", get(t, "/v1/risk-areas"), 200)
	look("Authorities", get(t, "/v1/authorities"), 200)
	look("Status", get(t, "/v1/status"), 200)
	look("Peers", get(t, "/v1/peers"), 200)

	s.lookAtGovernance(t, look)
	s.lookAtRules(t, look)
	s.lookAtTrouble(t, look)

	for name, sh := range s.named {
		s.unseen(name, sh, func(field string) { t.Errorf("%s is documented, and never came", field) })
	}
}

// lookAtTrouble looks at what takes several regions: at what they say of one
// another, and at what is said when one is caught and others are missing.
func (s *shapes) lookAtTrouble(t *testing.T, look func(name string, a answer, status int)) {
	t.Helper()
	four := nodetest.NewWith(t, func(_ string, c *node.Config) { c.Vouch.Seal, c.Limits.SubmitTimeout = time.Second, 2*time.Second }, "XA", "XB", "XC", "XD")
	at := func(region, path string) answer {
		t.Helper()
		return askAt(t, four.URL(region), http.MethodGet, path, nil)
	}
	author := four.Author(t, "XA", "XB")
	terms := statement.Terms{
		Region: "XB", Kinds: []statement.CodeKind{"test"}, From: 1_600_000_000, Until: statement.TimeOf(time.Now().Add(240 * time.Hour)), // it ends soon, which the status tells
		Reason: "agreement", LegalRef: "decree 7", Formats: []string{"hc1"}, Algorithms: []string{"ES256"}, Schemes: []string{"default"}, RuleSet: "neighbours",
	}
	suspend := &statement.Suspend{Region: "XB", Kinds: []statement.CodeKind{"test"}, From: 1_600_000_000, Until: 1_900_000_000, Reason: "forgeries", LegalRef: "decree 8"}
	for _, body := range []statement.Body{
		&statement.Grant{Terms: terms}, suspend, &statement.ChangeGrant{Terms: terms}, suspend,
		&statement.PublishScheme{Name: "colours", Title: "colours", Supersedes: "older", LegalRef: "decree 9", Levels: []statement.SchemeLevel{{Name: "red", Refuse: true, Lookback: 14, Title: "red"}}},
		&statement.DeclareCase{
			Name: "crews", Admit: true, Region: "XB", Kinds: []statement.CodeKind{"test"}, Formats: []string{"hc1"}, Keys: []statement.Thumbprint{{1}},
			IssuedFrom: 1_600_000_000, IssuedUntil: 1_900_000_000, From: 1_600_000_000, Until: 1_900_000_000, Reason: "agreement", LegalRef: "decree 10",
		},
		&statement.EndCase{Name: "crews", At: 1_800_000_000, Reason: "over"},
	} {
		if _, err := author.Say(t.Context(), body, nil, client.Final); err != nil {
			t.Fatal(err)
		}
	}
	look("Recognitions", at("XB", "/v1/recognitions"), 200)
	look("Schemes", at("XB", "/v1/schemes"), 200)
	look("SpecialCases", at("XB", "/v1/special-cases"), 200)
	look("Peers", at("XB", "/v1/peers"), 200)
	if err := nodetest.Await(t.Context(), "the state to be sealed", func() bool { return four.Node("XB").Status().Seal != nil }); err != nil {
		t.Fatal(err)
	}
	if a := accuse(t, four, "XD", "XA"); a.status != http.StatusForbidden {
		t.Fatalf("the accusation is answered %d: %s", a.status, a.body)
	}
	convicted(t, four, "XD", "XD")
	look("EvidenceList", at("XD", "/v1/evidence"), 200)
	look("Status", at("XD", "/v1/status"), 200)
	look("Failure", at("XD", "/readyz"), 503)
	look("Statements", at("XD", "/v1/statements?kind=seal"), 200)
	look("Statements", at("XD", "/v1/statements?kind=evidence"), 200)

	// Raft has a majority without XC, and certification has no quorum.
	if err := four.Stop("XC"); err != nil {
		t.Fatal(err)
	}
	v := four.Sign(t, "XA", 1, risk("XA-SHAPES-MISSING"))
	var late answer
	if err := nodetest.Await(t.Context(), "the order to go on", func() bool {
		late = askAt(t, four.URL("XA"), http.MethodPost, "/v1/statements?wait=final", bytes.NewReader(v.Raw()), "Content-Type", "application/cose")
		return late.status == http.StatusAccepted
	}); err != nil {
		t.Fatal(err)
	}
	look("Submitted", late, 202)
	if err := nodetest.Await(t.Context(), "the missing to be named", func() bool { return four.Node("XA").Status().Final.Note != "" }); err != nil {
		t.Fatal(err)
	}
	look("Status", at("XA", "/v1/status"), 200)

	// Cut off from all others, what is urgent is in force and waits.
	for _, r := range []string{"XB", "XD"} {
		if err := four.Stop(r); err != nil {
			t.Fatal(err)
		}
	}
	cut := four.Sign(t, "XA", 1, risk("XA-SHAPES-CUT"))
	look("Submitted", askAt(t, four.URL("XA"), http.MethodPost, "/v1/statements?wait=accepted", bytes.NewReader(cut.Raw()), "Content-Type", "application/cose"), 202)
	q, err := json.Marshal(client.Check{Codes: []string{"x"}, At: &clock, Itinerary: []client.Stay{{Area: "XA-SHAPES-CUT", From: clock, To: clock}}})
	if err != nil {
		t.Fatal(err)
	}
	look("CheckAnswer", askAt(t, four.URL("XA"), http.MethodPost, "/v1/check", bytes.NewReader(q), "Content-Type", "application/json"), 200)
	look("PendingList", at("XA", "/v1/pending"), 200)
	if err := nodetest.Await(t.Context(), "the figures to tell of it", func() bool { return four.Node("XA").Status().Pending.Since != nil }); err != nil {
		t.Fatal(err)
	}
	look("Status", at("XA", "/v1/status"), 200)

	// A node that has nothing, and waits for those who have.
	alone, err := nodetest.Found(t.TempDir(), "XE")
	if err != nil {
		t.Fatal(err)
	}
	alone.Config = func(_ string, c *node.Config) { c.Found = false }
	if err := alone.Start("XE"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := alone.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := nodetest.Await(t.Context(), "what it waits for", func() bool {
		p := alone.Node("XE").Status().CatchingUp
		return p != nil && p.Waiting != ""
	}); err != nil {
		t.Fatal(err)
	}
	look("Status", askAt(t, alone.URL("XE"), http.MethodGet, "/v1/status", nil), 200)
}

// p256Key registers a key without a certificate, with all that can be said of one.
func p256Key(t *testing.T) *statement.RegisterKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return &statement.RegisterKey{
		PublicKey: spki, KeyID: []byte("key of a"), Kinds: []statement.CodeKind{"test"}, ValidFrom: 1_600_000_000, ValidUntil: 1_900_000_000,
		Issuer: "https://a.example/issuer", Name: "Hospital A",
	}
}

// unseen tells of every documented field that never came.
func (s *shapes) unseen(at string, sh shape, tell func(string)) {
	for name, p := range sh.Properties {
		if !s.seen[at+"."+name] {
			tell(at + "." + name)
			continue
		}
		s.unseen(at+"."+name, p, tell)
	}
	if sh.Items != nil {
		s.unseen(at, *sh.Items, tell)
	}
}
