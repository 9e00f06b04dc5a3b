package recognition

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/hc1"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition/certlogic"
	"concordat/recognition/rules"
	"concordat/recognition/sentence"
)

// shelf is a state of which only rules and value sets may be read.
type shelf struct {
	State
	rules map[statement.Region][]state.RuleRecord
	sets  map[statement.Region][]state.ValueSet
}

func (s shelf) Rules(by statement.Region) ([]state.RuleRecord, error) { return s.rules[by], nil }

func (s shelf) ValueSets(by statement.Region) ([]state.ValueSet, error) { return s.sets[by], nil }

// put publishes a rule of the default set.
func (s shelf) put(t testing.TB, by statement.Region, id, logic string, change func(*state.RuleVersion)) {
	t.Helper()
	kind := `"Acceptance"`
	if strings.HasPrefix(id, "IR") {
		kind = `"Invalidation"`
	}
	text := `{"Identifier":"` + id + `","Type":` + kind + `,"Country":"XA","Version":"1.0.0","SchemaVersion":"1.0.0","Engine":"CERTLOGIC","EngineVersion":"1.0.0",
		"CertificateType":"General","Description":[{"lang":"en","desc":"The English words of ` + id + `."},{"lang":"de","desc":"Die deutschen Worte von ` + id + `."}],
		"ValidFrom":"2021-01-01T00:00:00Z","ValidTo":"2030-01-01T00:00:00Z","AffectedFields":["v"],"Logic":` + logic + `}`
	d, err := rules.Document([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	v := state.RuleVersion{Authority: by, Set: statement.DefaultRuleSet, ID: id, Version: "1.0.0", From: 1, Invalidation: kind == `"Invalidation"`, Document: d, Index: uint64(len(s.rules[by]))}
	if change != nil {
		change(&v)
	}
	s.rules[by] = append(s.rules[by], state.RuleRecord{Rule: state.Rule{Authority: by, Set: v.Set, ID: id, Versions: []string{v.Version}}, Published: []state.RuleVersion{v}})
}

func newShelf() shelf {
	return shelf{rules: map[statement.Region][]state.RuleRecord{}, sets: map[statement.Region][]state.ValueSet{}}
}

// vaccination is a real code, verified.
func vaccination(t testing.TB) *healthcode.Verified {
	t.Helper()
	raw, err := os.ReadFile("../healthcode/hc1/testdata/dcc/AT/2DCode/raw/1.json")
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Prefix  string `json:"PREFIX"`
		Context struct {
			Certificate []byte `json:"CERTIFICATE"`
		} `json:"TESTCTX"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	u, err := hc1.Decoder{}.Decode(c.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(c.Context.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	v, err := u.Verify(certificate.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func asked(s State) *judge {
	return &judge{state: s, query: Query{Region: "XA", At: time.Unix(1_625_000_000, 0)}}
}

// TestNothingToShow: codes of a format that shows nothing to rules have none
// applied, which is noted once; not where no rule would apply.
func TestNothingToShow(t *testing.T) {
	s := newShelf()
	v := &verdict{verified: &healthcode.Verified{}, key: state.IssuerKey{Region: "XA"}}
	var f findings
	if err := asked(s).judgeByRules(&f, v); err != nil || len(f.reasons) != 0 {
		t.Fatalf("without rules: %v, %+v", err, f.reasons)
	}
	damage := func(v *state.RuleVersion) { v.Document.Digest[0]++ } // whether it is for this kind of code cannot be known
	s.put(t, "XA", "GR-XA-0001", `true`, damage)
	s.put(t, "XA", "GR-XA-0002", `true`, damage)
	s.put(t, "XA", "IR-XA-0003", `true`, damage)
	if err := asked(s).judgeByRules(&f, v); err != nil || len(f.reasons) != 1 || f.reasons[0].Name != RulesNotForFormat || f.reasons[0].Effect != Note {
		t.Fatalf("got %v, %+v", err, f.reasons)
	}
}

// chapterOf judges by all rules of an authority, as if the code had a payload.
func chapterOf(t *testing.T, j *judge, by statement.Region, admitted string) []Reason {
	t.Helper()
	b, err := j.book(by)
	if err != nil {
		t.Fatal(err)
	}
	f := findings{}
	r := &reading{j: j, f: &f, payload: map[string]any{"x": 1.0}, v: &verdict{verified: vaccination(t), key: state.IssuerKey{Region: by}, admitted: admitted}}
	if err := r.chapter(b, by, func(*page) bool { return true }); err != nil {
		t.Fatal(err)
	}
	return f.reasons
}

// TestStepsAreShared: all rules of a decision share one budget, and what is over
// it is left unjudged, with a word on it.
func TestStepsAreShared(t *testing.T) {
	hundred := "[" + strings.Repeat("1,", 99) + "1]"
	endless := `{"reduce":[` + hundred + `,{"reduce":[` + hundred + `,{"reduce":[` + hundred + `,1,0]},0]},0]}`
	s := newShelf()
	for _, n := range "abcdefghijklmnopqrstuvwxyz" {
		s.put(t, "XA", "GR-"+string(n), endless, nil)
	}
	began := time.Now()
	got := chapterOf(t, asked(s), "XA", "")
	most := MaxRuleSteps / rules.MaxSteps
	if len(got) != maxTold+2 || got[0].Name != RuleUnevaluable || got[maxTold].Name != RulesExceeded || !strings.HasPrefix(got[maxTold+1].Message, fmt.Sprint(most-maxTold, " more")) {
		t.Errorf("%d reasons, the last %+v; want that %d rules take too long, and the others are left unjudged", len(got), got[len(got)-1], most)
	}
	t.Logf("%d steps took %s", MaxRuleSteps, time.Since(began))
}

// TestWordsOfRules: a rule's demand is told in the language that is asked for,
// and nothing of the code is.
func TestWordsOfRules(t *testing.T) {
	s := newShelf()
	s.put(t, "XA", "GR-XA-0001", `{"===":[{"var":"payload.x"},2]}`, nil)
	s.put(t, "XA", "GR-XA-0002", `{"before":[{"plusTime":[{"var":"payload.x"},0,"day"]},{"plusTime":["2021",0,"day"]}]}`, nil)
	got := chapterOf(t, asked(s), "XA", "")
	if len(got) != 2 || got[0].Name != RuleNotMet || got[0].Detail != "GR-XA-0001" || !strings.Contains(got[0].Message, `1.0.0 of XA is not met: "The English words of GR-XA-0001."`) || got[1].Name != RuleUnevaluable {
		t.Fatalf("got %+v", got)
	}
	whole := Decision{Reasons: got}
	for l, want := range map[sentence.Language]string{
		sentence.German: `Die Regel GR-XA-0001 1.0.0 von XA ist nicht erfüllt: "Die deutschen Worte von GR-XA-0001."`,
		sentence.Korean: `XA의 규칙 GR-XA-0001 1.0.0을(를) 충족하지 않습니다: "The English words of GR-XA-0001."`,
	} {
		if got := whole.In(l).Reasons[0].Message; got != want {
			t.Errorf("in %s: %s", l, got)
		}
	}
}

// TestGiven: what rules are given beside the code.
func TestGiven(t *testing.T) {
	s := newShelf()
	text, err := rules.ValueSet{ID: "list", Codes: []string{"a"}}.Marshal(time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	d, err := rules.Document(text)
	if err != nil {
		t.Fatal(err)
	}
	s.sets["DE"] = []state.ValueSet{{ID: "list", Document: d}, {ID: "old", Document: d, Retired: true}, {ID: "other", Document: d}}
	j := asked(s)
	j.query.Region, j.query.Arrival = "DE", "DE-BW-08111"
	given, err := j.given(&healthcode.Verified{}, "AT-9", "DE")
	if err != nil {
		t.Fatal(err)
	}
	e, err := certlogic.Parse([]byte(`{"===":[[{"var":"external.countryCode"},{"var":"external.region"},{"var":"external.issuerCountryCode"},
		{"var":"external.validationClock"},{"var":"external.valueSets.list.0"},{"var":"external.valueSets.old"},{"var":"external.valueSets.other"},{"var":"external.iat"}],
		["DE","BW","AT","2021-06-29T20:53:20Z","a",{"var":"no"},{"var":"no"},{"var":"no"}]]}`))
	if err != nil {
		t.Fatal(err)
	}
	if met, err := certlogic.Evaluate(e, given.Data(nil), certlogic.Limits{}); err != nil || met != true {
		t.Errorf("%v, %v: given %+v", met, err, given)
	}
	if unread := j.library.books["DE"].unread; len(unread) != 1 || unread[0].set.ID != "other" { // its document is of another
		t.Errorf("unread: %+v", unread)
	}
}

// BenchmarkRules is judging one real code by rules that are in force, read
// before, beside the signature that is verified once for each code.
func BenchmarkRules(b *testing.B) {
	s := newShelf()
	for _, n := range "abcdefghijk" {
		s.put(b, "XA", "GR-"+string(n), `{"if":[{"var":"payload.v.0"},{"<=":[{"var":"payload.v.0.dn"},{"var":"payload.v.0.sd"}]},true]}`, nil)
	}
	v := &verdict{verified: vaccination(b), key: state.IssuerKey{Region: "XA"}}
	keys := newKeyCache(100)
	b.ReportAllocs()
	for b.Loop() {
		j := asked(s)
		j.keys = keys
		var f findings
		if err := j.judgeByRules(&f, v); err != nil {
			b.Fatal(err)
		}
	}
}
