package recognition_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition"
	"concordat/recognition/rules"
	"concordat/recognition/sentence"
)

// What an authority can say to have another's codes pass, or to make the checks
// for a region slow, long or large.

// july is a time at which the codes of these tests count.
var july = time.Date(2021, 7, 1, 0, 0, 0, 0, time.UTC)

func packed(t testing.TB, text string) statement.Document {
	t.Helper()
	d, err := rules.Document([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// ruleOf is a rule that no code meets; its type follows from its id.
func ruleOf(t testing.TB, id, descriptions string) *statement.PublishRule {
	kind, invalidates := "Acceptance", strings.HasPrefix(id, "IR")
	if invalidates {
		kind = "Invalidation"
	}
	text := `{"Identifier":"` + id + `","Type":"` + kind + `","Country":"XA","Version":"1.0.0","SchemaVersion":"1.0.0","Engine":"CERTLOGIC","EngineVersion":"1.0.0",
		"CertificateType":"General","Description":[` + descriptions + `],"ValidFrom":"2021-01-01T00:00:00Z","ValidTo":"2030-01-01T00:00:00Z","AffectedFields":["v"],
		"Logic":{"===":[{"var":"external.issuerCountryCode"},"none"]}}`
	return &statement.PublishRule{Set: statement.DefaultRuleSet, ID: id, Version: "1.0.0", From: 1, Invalidation: invalidates, Document: packed(t, text)}
}

func find(d recognition.Decision, name string) (out []recognition.Reason) {
	for _, r := range d.Reasons {
		if r.Name == name {
			out = append(out, r)
		}
	}
	return out
}

// TestAnothersThumbprint: who registers a key of its own with another's
// certificate has that one's thumbprint, and is not admitted for it.
func TestAnothersThumbprint(t *testing.T) {
	guest, evil := realCode(t, "AT/2DCode/raw/1.json"), forge(t, "evil", july.AddDate(0, -1, 0), time.Time{}, time.Time{})
	n := found(t, "XA", "XB", "XM")
	n.must("XA", guest.register(), nil)
	stolen := &statement.RegisterKey{PublicKey: evil.publicKey, KeyID: evil.keyID, Certificate: guest.certificate}
	n.must("XM", stolen, nil)
	for of, want := range map[statement.Region]recognition.Outcome{"XA": recognition.Recognized, "XM": recognition.Refused} {
		n := n.clone()
		n.must("XB", &statement.DeclareCase{Name: "guests", Admit: true, Region: of, Keys: []statement.Thumbprint{stolen.Thumbprint()}, Reason: "delegation"}, nil)
		q := recognition.Query{Region: "XB", At: july}
		shown := evil
		if of == "XA" {
			shown = guest
		}
		if d := n.decide([]recognition.Code{shown.code()}, q); d.Decision != want {
			t.Errorf("with a case for the key of %s the code of its key is %s, want %s: %+v", of, d.Decision, want, d.Reasons)
		}
		if d := n.decide([]recognition.Code{evil.code()}, q); d.Decision != recognition.Refused {
			t.Errorf("with a case for the key of %s the code of another key with its thumbprint is %s", of, d.Decision)
		}
	}
	// What refuses is as wide as what is registered.
	n.must("XB", &statement.Grant{Terms: statement.Terms{Region: "XM"}}, nil)
	n.must("XB", &statement.DeclareCase{Name: "stolen", Region: "XM", Keys: []statement.Thumbprint{stolen.Thumbprint()}, Reason: "forged"}, nil)
	if d := n.decide([]recognition.Code{evil.code()}, recognition.Query{Region: "XB", At: july}); len(find(d, recognition.SpecialCaseRefused)) != 1 {
		t.Errorf("a case that refuses does not fit: %+v", d.Reasons)
	}
}

// TestInvalidatedUnderACopy: what the owner of a key has invalidated stays so
// under another's later registration of the key, as what it revoked does (W2);
// and who copies a key invalidates nothing of its owner's.
func TestInvalidatedUnderACopy(t *testing.T) {
	s := realCode(t, "AT/2DCode/raw/1.json")
	n := found(t, "AT", "XB", "XM")
	own := s.register()
	own.Kinds = []statement.CodeKind{statement.Test} // so that the code fares better as XM's
	n.must("AT", own, nil)
	n.must("XM", s.register(), nil)
	n.must("XB", &statement.Grant{Terms: statement.Terms{Region: "XM"}}, nil)
	q := recognition.Query{Region: "XB", At: july}
	n.must("AT", ruleOf(t, "IR-AT-0001", `{"lang":"en","desc":"The lot was water."}`), nil)
	decide := func() recognition.Decision { return n.decide([]recognition.Code{s.code()}, q) }
	if d := decide(); d.Decision != recognition.Recognized {
		t.Errorf("AT, whom XB does not recognise, has a word: %+v", d.Reasons)
	}
	n.must("XB", &statement.Grant{Terms: statement.Terms{Region: "AT"}}, nil)
	if d := decide(); d.Decision != recognition.Refused || d.Codes[0].Region != "XM" || len(find(d, recognition.RuleNotMet)) != 1 {
		t.Errorf("what AT has invalidated is %s as %s's: %+v", d.Decision, d.Codes[0].Region, d.Reasons)
	}

	copied := found(t, "AT", "XB", "XM")
	copied.must("AT", s.register(), nil)
	copied.must("XM", s.register(), nil)
	for _, of := range []statement.Region{"AT", "XM"} {
		copied.must("XB", &statement.Grant{Terms: statement.Terms{Region: of}}, nil)
	}
	copied.must("XM", ruleOf(t, "IR-XM-0001", `{"lang":"en","desc":"Nothing of theirs counts."}`), nil)
	if d := copied.decide([]recognition.Code{s.code()}, q); d.Decision != recognition.Recognized || d.Codes[0].Region != "AT" {
		t.Errorf("who copied the key makes the owner's code %s: %+v", d.Decision, d.Reasons)
	}
}

// TestEachConditionIsReadOnce: a condition of honest length is judged for every
// code that is shown, under every registration, however many these are.
func TestEachConditionIsReadOnce(t *testing.T) {
	s := forge(t, "many", july.AddDate(0, -1, 0), time.Time{}, time.Time{})
	n := found(t, "XA", "XB", "XM")
	n.must("XA", s.register(), nil)
	n.must("XM", s.register(), nil)
	for _, of := range []statement.Region{"XA", "XM"} {
		n.must("XB", &statement.Grant{Terms: statement.Terms{Region: of}}, nil)
	}
	const cases = 4
	for i := range cases {
		long := packed(t, `{"in":[{"var":"payload.v.0.tg"},[`+strings.Repeat(`"840539007",`, 5_000)+fmt.Sprintf(`"%d"]]}`, i))
		n.must("XB", &statement.DeclareCase{Name: fmt.Sprint("long-", i), Condition: &long, Reason: "a test"}, nil)
	}
	codes := make([]recognition.Code, recognition.MaxCodes)
	for i := range codes {
		codes[i] = s.code()
	}
	if cases*len(codes)*2*60_000 < recognition.MaxRuleText {
		t.Fatal("the conditions are not long enough to tell")
	}
	if d := n.decide(codes, recognition.Query{Region: "XB", At: july}); d.Decision != recognition.Recognized {
		t.Errorf("%d codes are %s: %+v", len(codes), d.Decision, find(d, recognition.SpecialCaseUnreadable))
	}
}

// TestUnreadableConditionsAreReadOnce: a check that was made before is quick,
// however large what it cannot read.
func TestUnreadableConditionsAreReadOnce(t *testing.T) {
	s := forge(t, "unread", july.AddDate(0, -1, 0), time.Time{}, time.Time{})
	n := found(t, "XA", "XM")
	n.must("XA", s.register(), nil)
	for i := range 64 {
		bad := packed(t, `{"and":[`+strings.Repeat(`{"!":[1]},`, 6_000)+fmt.Sprint(i))
		n.must("XM", &statement.DeclareCase{Name: fmt.Sprint("bad-", i), Condition: &bad, Reason: "a test"}, nil)
	}
	d, q := recognition.NewDecider(4096), recognition.Query{Region: "XM", At: july}
	allocated := func() uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := d.Decide([]recognition.Code{s.code()}, q, n.view()); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if first, again := allocated(), allocated(); again*4 > first {
		t.Errorf("the first check takes %d bytes, and the next %d", first, again)
	}
}

// TestMemoryOfConditions: what a Decider keeps is bounded in bytes, however much
// a few bytes in the ledger unpack to.
func TestMemoryOfConditions(t *testing.T) {
	s := forge(t, "large", july.AddDate(0, -1, 0), time.Time{}, time.Time{})
	n := found(t, "XA", "XM")
	n.must("XA", s.register(), nil)
	const cases, most = 128, 48 << 20
	for i := range cases { // each counts on a day of its own, since one check reads only so much
		large := packed(t, fmt.Sprintf(`[%d`, i)+strings.Repeat(`,{"!":[1]}`, 4_900)+`]`)
		day := july.AddDate(0, 0, i/32)
		n.must("XM", &statement.DeclareCase{Name: fmt.Sprint("c", i), Condition: &large, From: statement.TimeOf(day), Until: statement.TimeOf(day.Add(time.Hour)), Reason: "a test"}, nil)
	}
	d := recognition.NewDecider(4096)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for day := range cases / 32 {
		if _, err := d.Decide([]recognition.Code{s.code()}, recognition.Query{Region: "XM", At: july.AddDate(0, 0, day)}, n.view()); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > most {
		t.Errorf("%d MiB are kept of %d conditions, want at most %d", kept>>20, cases, most>>20)
	}
	runtime.KeepAlive(d)
}

// TestLengthOfAnAnswer: however many special cases fit a code, and rules are not
// met, a few of each are told, and how many more there are.
func TestLengthOfAnAnswer(t *testing.T) {
	const many = 100
	s := forge(t, "long", july.AddDate(0, -1, 0), time.Time{}, time.Time{})
	n := found(t, "XA", "XM")
	n.must("XA", s.register(), nil)
	n.must("XM", &statement.Grant{Terms: statement.Terms{Region: "XA"}}, nil)
	var words []string
	for _, l := range strings.Fields("en de fr it es pt nl sv da fi nb pl cs sk sl hr bg ro hu el et lv lt mt ga is zh ja ko ru uk tr ar he fa hi bn ta th vi") {
		words = append(words, fmt.Sprintf(`{"lang":"%s","desc":"In %s it is said so."}`, l, l))
	}
	for i := range many {
		n.must("XM", &statement.DeclareCase{Name: fmt.Sprintf("c%03d", i), Reason: strings.Repeat("x", 1000), LegalRef: strings.Repeat("y", 500)}, nil)
		n.must("XM", ruleOf(t, fmt.Sprintf("GR-XM-%04d", i), strings.Join(words, ",")), nil)
	}
	n.must("XA", ruleOf(t, "IR-XA-0001", `{"lang":"en","desc":"The lot was water."}`), nil)
	n.must("XM", &statement.DeclareCase{Name: "admits", Admit: true, Region: "XA", Reason: "guests"}, nil)
	d, err := recognition.NewDecider(4096).Decide([]recognition.Code{s.code()}, recognition.Query{Region: "XM", At: july}, state.View{Reader: n.data})
	if err != nil {
		t.Fatal(err)
	}
	// The invalidation rule, which nothing overrules, is told beside the acceptance rules, which are overruled.
	unmet := find(d, recognition.RuleNotMet)
	if got := len(find(d, recognition.SpecialCaseRefused)); d.Decision != recognition.Refused || got != 8 || len(unmet) != 9 || unmet[8].Overruled != "" || unmet[7].Overruled == "" {
		t.Errorf("%s, %d cases and %d rules are told: %+v", d.Decision, got, len(unmet), unmet)
	}
	left := find(d, recognition.ReasonsLeftOut)
	if len(left) != 2 || left[0].Detail != recognition.SpecialCaseRefused || left[1].Detail != recognition.RuleNotMet || !strings.HasPrefix(left[0].Message, fmt.Sprint(many-8, " more")) {
		t.Errorf("left out: %+v", left)
	}
	if raw, err := json.Marshal(d); err != nil || len(raw) > 64<<10 {
		t.Errorf("%v: the answer takes %d bytes", err, len(raw))
	}
	for _, l := range []sentence.Language{sentence.German, "fr"} {
		for i, r := range find(d.In(l), recognition.RuleNotMet)[:8] {
			if !strings.Contains(r.Message, fmt.Sprintf("In %s it is said so.", l)) {
				t.Errorf("rule %d in %s: %s", i, l, r.Message)
			}
		}
	}
}
