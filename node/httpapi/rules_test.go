package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
	"concordat/recognition/rules"
)

// ruleText is a rule that is met, in the region of these tests.
func ruleText(id, version string) string {
	return `{"Identifier":"` + id + `","Type":"Acceptance","Country":"XA","Version":"` + version + `","SchemaVersion":"1.0.0","Engine":"CERTLOGIC","EngineVersion":"1.0.0",
	"CertificateType":"General","Description":[{"lang":"en","desc":"A rule that any code meets."},{"lang":"de","desc":"Eine Regel, die jeder Code erfüllt."}],
	"ValidFrom":"2021-07-03T00:00:00Z","ValidTo":"2030-06-01T00:00:00Z","AffectedFields":["v.0"],"Region":"7","Logic":{"===":[1,1]}}`
}

func publish(t testing.TB, set, id, version, text string) *statement.PublishRule {
	t.Helper()
	d, err := rules.Document([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &statement.PublishRule{Set: set, ID: id, Version: version, From: statement.TimeOf(time.Date(2021, 7, 3, 0, 0, 0, 0, time.UTC)), Document: d}
}

// TestRules: what was published is listed, described and shown.
func TestRules(t *testing.T) {
	first := said(t, 1, publish(t, "listed", "GR-XA-0001", "1.0.0", ruleText("GR-XA-0001", "1.0.0")), nil)
	newest := said(t, 2, publish(t, "listed", "GR-XA-0001", "1.0.1", ruleText("GR-XA-0001", "1.0.1")), nil)
	said(t, 1, publish(t, "listed", "GR-XA-0002", "1.0.0", "no rule"), nil)
	var all client.Rules
	get(t, "/v1/rules?set=listed&region=xa&at=2021-08-01T00:00:00Z", "Accept-Language", "fr, de-AT;q=0.8").into(t, http.StatusOK, &all)
	if len(all.Rules) != 3 {
		t.Fatalf("%d rules: %+v", len(all.Rules), all.Rules)
	}
	a, b, c := all.Rules[0], all.Rules[1], all.Rules[2]
	if a.Version != "1.0.0" || a.InForce || a.Statement != first || b.Version != "1.0.1" || !b.InForce || b.Statement != newest || b.Revision != 2 || b.Authority != region {
		t.Errorf("the versions are %+v and %+v", a, b)
	}
	if b.Language != "de" || b.Description != "Eine Regel, die jeder Code erfüllt." || b.CertificateType != "General" || b.Part != "7" || b.Country != "XA" || b.Type != client.RuleAcceptance || b.Text != "" {
		t.Errorf("described as %+v", b)
	}
	if c.Fault == "" || c.Description != "" || !c.InForce {
		t.Errorf("what is no rule: %+v", c)
	}
	get(t, "/v1/rules?set=listed&at=2021-07-02T00:00:00Z").into(t, http.StatusOK, &all)
	if all.Rules[1].InForce || all.Rules[1].Language != "en" {
		t.Errorf("before it begins: %+v", all.Rules[1])
	}
	var one client.Rules
	get(t, "/v1/rules?id=GR-XA-0001").into(t, http.StatusOK, &one)
	if len(one.Rules) != 2 || one.Rules[1].Text != ruleText("GR-XA-0001", "1.0.1") || one.Rules[1].Size != uint64(len(one.Rules[1].Text)) {
		t.Errorf("one rule: %+v", one.Rules)
	}
	said(t, 3, &statement.RetireRule{Set: "listed", ID: "GR-XA-0001", At: 1_650_000_000, Reason: "a better one"}, nil)
	get(t, "/v1/rules?id=GR-XA-0001&at=2022-05-01T00:00:00Z").into(t, http.StatusOK, &one)
	if r := one.Rules[1]; r.InForce || r.RetiredAt == nil || r.Reason != "a better one" {
		t.Errorf("retired: %+v", r)
	}
	for _, bad := range []string{"region=!", "at=yesterday"} {
		get(t, "/v1/rules?"+bad).failure(t, 400, client.BadRequest)
		get(t, "/v1/value-sets?"+bad).failure(t, 400, client.BadRequest)
	}
	if a := get(t, "/v1/rules", "Accept-Language", strings.Repeat("de,", 1000)); a.status != http.StatusOK || a.header.Get("Vary") == "" {
		t.Errorf("with a long header: %d", a.status)
	}
	if a := get(t, "/v1/rules?set=listed"); get(t, "/v1/rules?set=listed", "If-None-Match", a.header.Get("ETag")).status != http.StatusNotModified {
		t.Error("the tag does not spare the rest")
	}
}

// TestValueSets: what was published is listed, and one of them shown.
func TestValueSets(t *testing.T) {
	text, err := rules.ValueSet{ID: "listed-products", Date: "2021-05-27", Codes: []string{"EU/1/20/1528", "CoronaVac"}}.Marshal(time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := rules.Document(text)
	if err != nil {
		t.Fatal(err)
	}
	index := said(t, 1, &statement.PublishValueSet{ID: "listed-products", Version: "2021-05-27", Document: d}, nil)
	said(t, 1, &statement.PublishValueSet{ID: "listed-damage", Version: "1", Document: statement.Document{Deflated: []byte{1}, Size: 7}}, nil)
	var all client.ValueSets
	get(t, "/v1/value-sets?region=XA").into(t, http.StatusOK, &all)
	found := 0
	for _, s := range all.ValueSets {
		if s.ID == "listed-products" && s.Statement == index && s.Version == "2021-05-27" && s.Hash == fmt.Sprintf("%x", d.Digest) && s.Codes == nil && s.Text == "" {
			found++
		}
	}
	if found != 1 {
		t.Fatalf("listed: %+v", all.ValueSets)
	}
	get(t, "/v1/value-sets?id=listed-products").into(t, http.StatusOK, &all)
	if len(all.ValueSets) != 1 || fmt.Sprint(all.ValueSets[0].Codes) != "[EU/1/20/1528 CoronaVac]" || all.ValueSets[0].Text != string(text) {
		t.Errorf("shown: %+v", all.ValueSets)
	}
	get(t, "/v1/value-sets?id=listed-damage").into(t, http.StatusOK, &all)
	if len(all.ValueSets) != 1 || all.ValueSets[0].Fault == "" {
		t.Errorf("damaged: %+v", all.ValueSets)
	}
	said(t, 2, &statement.RetireValueSet{ID: "listed-products", Reason: "not used"}, nil)
	get(t, "/v1/value-sets?id=listed-products").into(t, http.StatusOK, &all)
	if s := all.ValueSets[0]; !s.Retired || s.Reason != "not used" || s.Revision != 2 {
		t.Errorf("retired: %+v", s)
	}
}

// lookAtRules looks at everything that can be said of rules and value sets.
func (s *shapes) lookAtRules(t *testing.T, look func(name string, a answer, status int)) {
	t.Helper()
	b := publish(t, "shapes", "GR-XA-0007", "1.0.0", ruleText("GR-XA-0007", "1.0.0"))
	b.Until = b.From + 1
	said(t, 1, b, nil)
	said(t, 2, &statement.RetireRule{Set: "shapes", ID: "GR-XA-0007", At: b.Until, Reason: "over"}, nil)
	said(t, 1, publish(t, "shapes", "GR-XA-0008", "1.0.0", "no rule"), nil)
	look("Rules", get(t, "/v1/rules?set=shapes"), 200)
	look("Rules", get(t, "/v1/rules?id=GR-XA-0007"), 200)
	text, err := rules.ValueSet{ID: "shapes", Date: "2021-05-27", Codes: []string{"a"}}.Marshal(time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{string(text), "no value set"} {
		d, err := rules.Document([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		said(t, uint64(i)+1, &statement.PublishValueSet{ID: "shapes", Version: "2021-05-27", Document: d}, nil)
		look("ValueSets", get(t, "/v1/value-sets?id=shapes"), 200)
	}
	said(t, 3, &statement.RetireValueSet{ID: "shapes", Reason: "over"}, nil)
	look("ValueSets", get(t, "/v1/value-sets"), 200)

	// A special case overrules an area that would refuse, on a day that no other test asks about.
	code, day := registered(t, "AT-1"), clock.AddDate(0, 0, 20)
	said(t, 1, risk("XA-SHAPES-RULED"), nil)
	pupils := &statement.DeclareCase{Name: "shapes", Admit: true, Region: region, From: statement.TimeOf(day), Until: statement.TimeOf(day.Add(time.Hour)), Reason: "pupils"}
	if a := submit(t, "final", network.Sign(t, region, 1, pupils), nil); a.status != http.StatusOK {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	admitted := postCheck(t, client.Check{Codes: []string{code.Text}, At: &day, Itinerary: []client.Stay{{Area: "XA-SHAPES-RULED", From: clock, To: day}}})
	look("CheckAnswer", admitted, 200)
	if !strings.Contains(string(admitted.body), `"overruledBy":"shapes"`) {
		t.Errorf("nothing is overruled: %s", admitted.body)
	}
	look("Reasons", get(t, "/v1/reasons", "Accept-Language", "de"), 200)
}
