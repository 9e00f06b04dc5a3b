package bridge_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"concordat/ledger/ledgertest"
	"concordat/ledger/statement"
)

// queryAnswer has every member of both answers (TRQP v2.0).
type queryAnswer struct {
	EntityID      string            `json:"entity_id"`
	AuthorityID   string            `json:"authority_id"`
	Action        string            `json:"action"`
	Resource      string            `json:"resource"`
	Authorized    *bool             `json:"authorized"`
	Recognized    *bool             `json:"recognized"`
	TimeRequested string            `json:"time_requested"`
	TimeEvaluated string            `json:"time_evaluated"`
	Message       string            `json:"message"`
	Context       map[string]string `json:"context"`
}

// queries asks, and holds the answer to the protocol's schema.
func (w *world) queries(path, entity, authority, action, resource string, at time.Time) bool {
	w.t.Helper()
	q := map[string]any{"entity_id": entity, "authority_id": authority, "action": action, "resource": resource, "profile": map[string]int{"unknown": 1}}
	if !at.IsZero() {
		q["context"] = map[string]string{"time": at.Format(time.RFC3339), "locator": "x"}
	}
	body, err := json.Marshal(q)
	if err != nil {
		w.t.Fatal(err)
	}
	var got queryAnswer
	a := w.ask(http.MethodPost, path, string(body), "Content-Type", "application/json", "X-Request-ID", "bfe9eb29-ab87-4ca3-be83-a1d5d8305716").into(&got)
	if a.Header().Get("X-Request-ID") != "bfe9eb29-ab87-4ca3-be83-a1d5d8305716" {
		w.t.Error("the request's id is not given back")
	}
	if got.EntityID != entity || got.AuthorityID != authority || got.Action != action || got.Resource != resource || got.Message == "" || got.TimeEvaluated != w.now.Format(time.RFC3339) {
		w.t.Errorf("%s: %+v", body, got)
	}
	if !at.IsZero() && (got.TimeRequested != at.Format(time.RFC3339) || got.Context["locator"] != "x") || at.IsZero() && got.TimeRequested != "" {
		w.t.Errorf("%s: %+v", body, got)
	}
	yes := got.Authorized
	if strings.HasSuffix(path, "recognition") {
		yes = got.Recognized
	}
	if yes == nil || (got.Authorized == nil) == (got.Recognized == nil) {
		w.t.Fatalf("%s is answered %s", body, a.Body)
	}
	return *yes
}

func TestAuthorizationQueries(t *testing.T) {
	w := newWorld(t, "XA", "XB")
	w.says("XB", &statement.SetNode{Place: statement.Place{HTTP: "https://xb.example", Addresses: []string{"/dns/xb.example/tcp/4001"}}})
	day := func(n int) time.Time { return ledgertest.Begins.AddDate(0, 0, n) }
	k := dsc(t)
	k.Kinds = []statement.CodeKind{statement.Test}
	k.ValidFrom = statement.TimeOf(day(1))
	w.says("XB", k)
	w.says("XB", retire(k, day(5)))
	issuing := smart(t, newKey(t), "https://smart.example")
	w.says("XB", issuing)
	spared := dsc(t)
	w.says("XB", spared)
	w.says("XB", &statement.CompromiseKey{Key: spared.Thumbprint(), Since: statement.TimeOf(day(3)), SpareEarlier: true})
	w.now = day(10)
	kid := base64.RawURLEncoding.EncodeToString(k.KeyID)
	for _, c := range []struct {
		entity, authority, action, resource string
		at                                  time.Time
		want                                bool
	}{
		{kidOf(k), "XB", "issue", "test", day(2), true},
		{kid, "xb", "issue", "test", day(2), true},
		{k.Thumbprint().String(), "urn:concordat:XB", "issue", "urn:concordat:code:test", day(2), true},
		{"did:web:node.example:v2:trustlist:DCC:XB:DSC#" + kid, "did:web:node.example:v2:trustlist:DCC:XB", "issue", "test", day(2), true},
		{kidOf(k), "XB", "issue", "vaccination", day(2), false},
		{kidOf(k), "XB", "issue", "test", day(0), false},
		{kidOf(k), "XB", "issue", "test", day(6), false},
		{kidOf(k), "XB", "issue", "test", time.Time{}, false},
		{kidOf(k), "XA", "issue", "test", day(2), false},
		{kidOf(k), "XB", "verify", "test", day(2), false},
		{kidOf(k), "XB", "issue", "passport", day(2), false},
		{"https://smart.example", "XB", "issue", "vaccination", time.Time{}, true},
		{base64.RawURLEncoding.EncodeToString(issuing.KeyID), "XB", "issue", "vaccination", time.Time{}, true},
		{"https://smart.example", "XA", "issue", "vaccination", time.Time{}, false},
		{"https://nobody.example", "XB", "issue", "vaccination", time.Time{}, false},
		{kidOf(spared), "XB", "issue", "vaccination", day(2), true},
		{kidOf(spared), "XB", "issue", "vaccination", day(3), false},
		{"XB", "XB", "issue", "vaccination", time.Time{}, true},
		{"service-42", "XB", "issue", "vaccination", time.Time{}, false},
	} {
		for _, path := range []string{"/authorization", "/trqp/authorization"} {
			if got := w.queries(path, c.entity, c.authority, c.action, c.resource, c.at); got != c.want {
				t.Errorf("%+v is answered %v", c, got)
			}
		}
	}
	w.hold()
	late := dsc(t)
	w.says("XB", late)
	if w.queries("/authorization", kidOf(late), "XB", "issue", "test", time.Time{}) {
		t.Error("a key is authorised before it is final")
	}
	w.finalise()
	if !w.queries("/authorization", kidOf(late), "XB", "issue", "test", time.Time{}) {
		t.Error("a key is not authorised once it is final")
	}
}

func TestRecognitionQueries(t *testing.T) {
	w := newWorld(t, "XA", "XB", "GR")
	w.says("XA", &statement.Grant{Terms: statement.Terms{Region: "GR", Kinds: []statement.CodeKind{statement.Test, statement.Recovery}, Until: statement.TimeOf(ledgertest.Begins.AddDate(0, 1, 0))}})
	granted := w.Now
	w.Now = w.Now.Add(time.Hour)
	w.says("XA", &statement.Suspend{Region: "GR", Kinds: []statement.CodeKind{statement.Recovery}, Reason: "x"})
	w.now = w.Now.Add(time.Minute)
	for _, c := range []struct {
		entity, authority, action, resource string
		at                                  time.Time
		want                                bool
	}{
		{"GR", "XA", "recognize", "test", time.Time{}, true},
		{"EL", "XA", "recognizes", "code", time.Time{}, true},
		{"did:web:node.example:v2:trustlist:-:GRC", "XA", "issue", "test", time.Time{}, true},
		{"urn:concordat:GRC", "XA", "recognize", "recovery", time.Time{}, false},
		{"GR", "XA", "recognize", "recovery", granted.Add(time.Minute), true}, // before the suspension was said
		{"GR", "XA", "recognize", "test", granted.Add(-time.Hour), false},
		{"GR", "XA", "recognize", "vaccination", time.Time{}, false},
		{"GR", "XA", "recognize", "test", w.now.AddDate(0, 2, 0), false},
		{"XA", "GR", "recognize", "test", time.Time{}, false},
		{"XB", "XA", "recognize", "test", time.Time{}, false},
		{"XA", "XA", "recognize", "test", time.Time{}, true},
		{"service-42", "XA", "recognize", "test", time.Time{}, false},
		{"GR", "XA", "recognize", "listed-registry", time.Time{}, false},
		{"GR", "XA", "delegate", "test", time.Time{}, false},
	} {
		for _, path := range []string{"/recognition", "/trqp/recognition"} {
			if got := w.queries(path, c.entity, c.authority, c.action, c.resource, c.at); got != c.want {
				t.Errorf("%+v is answered %v", c, got)
			}
		}
	}
	w.Carry(statement.Action{Expel: &statement.Expel{Authority: "GR"}})
	if w.queries("/recognition", "GR", "XA", "recognize", "test", time.Time{}) || w.queries("/recognition", "XA", "GR", "recognize", "test", time.Time{}) {
		t.Error("who is expelled is recognised, or recognises")
	}
}

// TestAuthorityByURL: the URL that an authority has put into the ledger is what it
// says of itself. It names nobody: neither who else's it is, nor itself, as the
// first to say a URL might be the wrong one.
func TestAuthorityByURL(t *testing.T) {
	w := newWorld(t, "XC", "XA", "XB")
	const place = "https://xb.example"
	at := func(r statement.Region) {
		w.says(r, &statement.SetNode{Place: statement.Place{HTTP: place, Addresses: []string{"/dns/" + strings.ToLower(string(r)) + ".example/tcp/4001"}}})
	}
	w.says("XA", smart(t, newKey(t), "https://xa.example/smart"))
	w.says("XC", grant("XB"))
	check := func() {
		t.Helper()
		for _, id := range []string{place, place + "/", "urn:concordat:" + place, "did:web:xb.example", "did:web:xb.example:v2:trustlist:DCC:xb.example"} {
			q := `{"entity_id":"https://xa.example/smart","authority_id":"` + id + `","action":"issue","resource":"test"}`
			w.ask(http.MethodPost, "/authorization", q, "Content-Type", "application/json").is(http.StatusNotFound)
			for range 20 { // no order of maps decides
				if w.queries("/recognition", id, "XC", "recognize", "test", time.Time{}) {
					t.Fatalf("%s is recognised", id)
				}
			}
		}
		for _, id := range []string{"XB", "xb", "urn:concordat:XB", "did:web:xa.example:v2:trustlist:DCC:XB:DSC"} {
			if !w.queries("/recognition", id, "XC", "recognize", "test", time.Time{}) {
				t.Errorf("%s is not recognised", id)
			}
		}
	}
	at("XA")
	check()
	at("XB")
	check()
}

// TestQueryFaults: errors are problem details (RFC 7807).
func TestQueryFaults(t *testing.T) {
	w := newWorld(t, "XA")
	good := `{"entity_id":"XA","authority_id":"XA","action":"issue","resource":"test"`
	for body, status := range map[string]int{
		"":   400,
		"[]": 400,
		"{}": 400,
		good + `,"context":{"time":"2025-06-19T11:30:00+02:00"}}`: 400,
		good + `,"context":{"time":"yesterday"}}`:                 400,
		good + `,"context":"now"}`:                                400,
		good + `,"context":{"time":5}}`:                           400,
		good:                                                      400,
		strings.Replace(good, `"authority_id":"XA"`, `"authority_id":"XD"`, 1) + "}":                      404,
		strings.Replace(good, `"authority_id":"XA"`, `"authority_id":"did:example:xa"`, 1) + "}":          404,
		strings.Replace(good, `"entity_id":"XA"`, `"entity_id":""`, 1) + "}":                              400,
		strings.Replace(good, `"entity_id":"XA"`, `"entity_id":"`+strings.Repeat("x", 3000)+`"`, 1) + "}": 400,
		good + `,"more":"` + strings.Repeat("x", 20_000) + `"}`:                                           413,
		good + `}`:                              200,
		good + `,"context":{}}`:                 200,
		good + `,"context":null,"more":[1,{}]}`: 200,
	} {
		a := w.ask(http.MethodPost, "/authorization", body, "Content-Type", "application/json").is(status)
		if status == http.StatusOK {
			continue
		}
		var p struct {
			Type, Title, Detail string
			Status              int
		}
		if err := json.Unmarshal(a.Body.Bytes(), &p); err != nil || p.Status != status || p.Title == "" || p.Detail == "" || p.Type == "" || a.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%.100s is answered %s (%v)", body, a.Body, err)
		}
	}
	w.ask(http.MethodPost, "/recognition", good+"}", "Content-Type", "text/plain").is(http.StatusUnsupportedMediaType)
	if got := w.ask(http.MethodPost, "/recognition", good+"}", "X-Request-ID", "a\tb").Header().Get("X-Request-ID"); got != "" {
		t.Errorf("the request's id is given back as %q", got)
	}
}
