package recognition_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concordat/healthcode"
	"concordat/healthcode/native"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition"
	"concordat/recognition/rules"
)

// wallet is one person's codes of every format, and another's, by issuers whose
// keys follow from their names.
func wallet(t testing.TB) []sample {
	at := time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)
	office, clinic := issuerOf(t, "office", false), issuerOf(t, "clinic", false)
	card := func(id byte, born string) native.Card {
		return native.Card{Region: "XA", ID: native.ID{id}, BirthDate: born, IssuedAt: at, ExpiresAt: at.AddDate(0, 0, 14)}
	}
	green, other, been := card(1, "1990-05-04"), card(2, "1957-03-29"), card(1, "")
	green.Health = &native.Health{
		Status:   healthcode.Status{Scheme: "xa-health", Level: "yellow", LegalGround: "Act 7, section 2"},
		Declared: &healthcode.Declaration{At: at.AddDate(0, 0, -1), Audit: healthcode.AuditPassed, AuditedAt: at, Auditor: "Office 7"},
	}
	other.Health = &native.Health{Status: healthcode.Status{Scheme: "xa-health", Level: "red", Until: at.AddDate(0, 0, 3)}}
	been.Itinerary = &native.Itinerary{
		Covered: healthcode.Span{From: at.AddDate(0, 0, -10), To: at},
		Stays:   []healthcode.Stay{{Area: "XC-1-1", From: at.AddDate(0, 0, -8), To: at.AddDate(0, 0, -6)}, {Area: "nowhere", From: at.AddDate(0, 0, -6), To: at}},
	}
	return []sample{
		nativeCode(t, office, green), nativeCode(t, office, other), nativeCode(t, issuerOf(t, "office", true), been),
		healthCard(t, clinic, "https://clinic.example/shc", "1990-05-04", "a1b2", at.AddDate(0, -1, 0)),
		forge(t, "certificate", at.AddDate(0, -1, 0), time.Time{}, at.AddDate(1, 0, 0)),
		{text: "no code"},
	}
}

// facts says something of every kind that a decision reads.
func facts(t testing.TB, r *rapid.T, n *network, codes []sample) {
	regions := rapid.SampledFrom([]statement.Region{"XA", "XB", "XC"})
	condition := func(text string) *statement.Document {
		d, err := rules.Document([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return &d
	}
	conditions := []*statement.Document{nil, condition(`true`), condition(`{"===":[{"var":"payload.v.0.co"},"XA"]}`), condition(`{"plusTime":[1]}`), condition(`{`)}
	code := func(what string) sample { return codes[rapid.IntRange(0, len(codes)-2).Draw(r, what)] }
	for _, s := range codes[:len(codes)-1] {
		n.say("XA", s.register(), nil)
	}
	n.say("XB", &statement.Grant{Terms: statement.Terms{Region: "XA"}}, nil)
	for range rapid.IntRange(0, 16).Draw(r, "facts") {
		by := regions.Draw(r, "by")
		var body statement.Body
		switch rapid.IntRange(0, 8).Draw(r, "fact") {
		case 0:
			body = code("registered").register()
		case 1:
			body = &statement.ChangeGrant{Terms: statement.Terms{
				Region: regions.Draw(r, "of"), Formats: rapid.SampledFrom([][]string{nil, {"hc1"}, {"shc", "native"}}).Draw(r, "formats"),
				Algorithms: rapid.SampledFrom([][]string{nil, {"ES256"}}).Draw(r, "algorithms"), Schemes: rapid.SampledFrom([][]string{nil, {"default"}, {"xa-health"}}).Draw(r, "schemes"),
			}}
		case 2:
			body = &statement.Grant{Terms: statement.Terms{Region: regions.Draw(r, "of"), LegalRef: "Treaty 12"}}
		case 3:
			body = &statement.Suspend{Region: regions.Draw(r, "of"), Reason: "inspection", LegalRef: "Order 1"}
		case 4:
			s := code("revoked")
			of := statement.HashUCI
			if strings.HasPrefix(s.text, "shc:") {
				of = statement.HashRID
			}
			attachment := s.hash(t, of)
			b := statement.NewBatch(of, attachment, statement.MaxTime, "in error")
			b.IssuedBefore = rapid.SampledFrom([]statement.Time{0, 1, statement.MaxTime - 1}).Draw(r, "issued before")
			n.say(by, &statement.Revoke{Batch: b}, attachment)
			continue
		case 5, 6:
			admits, of := rapid.Bool().Draw(r, "admits"), regions.Draw(r, "of")
			if !admits && rapid.Bool().Draw(r, "of anybody") {
				of = ""
			}
			body = &statement.DeclareCase{
				Name: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "case"), Admit: admits, Region: of, Reason: "a test",
				Kinds:     rapid.SampledFrom([][]statement.CodeKind{nil, {statement.Vaccination}, {statement.Health, statement.Itinerary}}).Draw(r, "kinds"),
				Condition: rapid.SampledFrom(conditions).Draw(r, "condition"),
			}
		case 7:
			levels := []statement.SchemeLevel{{Name: "green"}, {Name: "yellow", Refuse: rapid.Bool().Draw(r, "refuses yellow")}, {Name: "high", Refuse: true, Lookback: 14}}
			body = &statement.PublishScheme{
				Name: rapid.SampledFrom([]string{"xa-health", "default", "newer"}).Draw(r, "scheme"), Levels: levels[:rapid.IntRange(1, 3).Draw(r, "levels")],
				Supersedes: rapid.SampledFrom([]string{"", "default"}).Draw(r, "supersedes"),
			}
			if p := body.(*statement.PublishScheme); p.Supersedes == p.Name {
				p.Supersedes = ""
			}
		case 8:
			body = &statement.DeclareRisk{RiskLevel: statement.RiskLevel{
				Area: rapid.SampledFrom([]statement.Area{"XC-1-1", "XC-1", "XC"}).Draw(r, "area"), Scheme: rapid.SampledFrom([]string{"default", "newer"}).Draw(r, "risk scheme"),
				Level: "high", From: 1, Lookback: 7, Refuse: rapid.Bool().Draw(r, "refuses"),
			}}
		}
		n.say(by, body, nil)
	}
}

// TestSameAnswer: the same codes on the same state at the same time give the
// same answer to the byte, whatever shows the state, whatever is remembered from
// before, and however often it is asked. Packages ledger/bundle and node hold the
// same of a ledger, a bundle and a network.
func TestSameAnswer(t *testing.T) {
	codes := wallet(t)
	at := time.Date(2021, 6, 2, 0, 0, 0, 0, time.UTC)
	tiny, warm := recognition.NewDecider(0), recognition.NewDecider(64)
	rapid.Check(t, func(r *rapid.T) {
		n := found(t, "XA", "XB", "XC")
		facts(t, r, n, codes)
		var shown []recognition.Code
		for _, s := range rapid.SliceOfN(rapid.SampledFrom(codes), 1, 4).Draw(r, "shown") {
			shown = append(shown, s.code())
		}
		q := recognition.Query{
			Region: rapid.SampledFrom([]statement.Region{"XA", "XB", "XC"}).Draw(r, "checking"),
			At:     at.AddDate(0, 0, rapid.IntRange(0, 20).Draw(r, "day")),
		}
		if rapid.Bool().Draw(r, "itinerary") {
			q.Itinerary = []recognition.Stay{{Area: "XC-1-1", From: at.AddDate(0, 0, -5), To: at}}
		}
		text := func(d recognition.Decision, err error) []byte {
			if err != nil {
				r.Fatal(err)
			}
			b, err := json.Marshal(d)
			if err != nil {
				r.Fatal(err)
			}
			return b
		}
		want := text(recognition.Decide(shown, q, n.view()))
		// What other questions have left in a Recall, and what the same question has.
		recalled := recognition.NewRecall().Over(n.view())
		for _, region := range []statement.Region{"XB", "XC", "XA"} {
			other := q
			other.Region, other.At = region, at
			for _, s := range codes {
				text(warm.Decide([]recognition.Code{s.code()}, other, recalled))
			}
		}
		fresh := recognition.NewRecall().Over(n.view())
		text(recognition.Decide(shown, q, fresh))
		for name, got := range map[string][]byte{
			"again":                     text(recognition.Decide(shown, q, n.view())),
			"on a copy":                 text(recognition.Decide(shown, q, n.clone().view())),
			"on another store":          text(recognition.Decide(shown, q, state.View{Reader: n.counting()})),
			"remembering little":        text(tiny.Decide(shown, q, n.view())),
			"remembering other answers": text(warm.Decide(shown, q, n.view())),
			"all of it final":           text(warm.DecideBoth(shown, q, n.view(), n.view())),
			"recalling others":          text(recognition.Decide(shown, q, recalled)),
			"recalling itself":          text(warm.Decide(shown, q, fresh)),
			"recalled and final":        text(warm.DecideBoth(shown, q, recalled, fresh)),
		} {
			if !bytes.Equal(got, want) {
				r.Fatalf("%s:\n%s\nwant\n%s", name, got, want)
			}
		}
	})
}

// TestSpecialCasesWeigh: declaring a case that admits turns nothing to refused,
// and nothing that speaks from a code, its key or its issuer is ever overruled;
// declaring one that refuses makes no answer less strict.
func TestSpecialCasesWeigh(t *testing.T) {
	codes := wallet(t)
	at := time.Date(2021, 6, 2, 0, 0, 0, 0, time.UTC)
	strictness := map[recognition.Outcome]int{recognition.Recognized: 0, recognition.Undetermined: 1, recognition.Refused: 2}
	// What the checking region itself has said, and a case of its own may overrule.
	own := []string{"recognition-", recognition.SchemeNotRecognised, recognition.RiskArea, "rule"}
	rapid.Check(t, func(r *rapid.T) {
		n := found(t, "XA", "XB", "XC")
		facts(t, r, n, codes)
		shown := []recognition.Code{rapid.SampledFrom(codes).Draw(r, "shown").code()}
		q := recognition.Query{Region: "XB", At: at, Itinerary: []recognition.Stay{{Area: "XC-1-1", From: at.AddDate(0, 0, -5), To: at}}}
		before := n.decide(shown, q)
		admit := rapid.Bool().Draw(r, "admits")
		c := &statement.DeclareCase{Name: "new", Admit: admit, Reason: "a test"}
		if admit {
			c.Region = "XA"
		}
		n.must("XB", c, nil)
		after := n.decide(shown, q)
		switch b, a := strictness[before.Decision], strictness[after.Decision]; {
		case admit && a > b, !admit && a < b:
			r.Errorf("%s became %s\n%+v\n%+v", before.Decision, after.Decision, before.Reasons, after.Reasons)
		case !admit && after.Codes[0].Kind != "" && after.Decision != recognition.Refused:
			r.Errorf("a code that a case refuses is %s\n%+v", after.Decision, after.Reasons)
		}
		for _, reason := range after.Reasons {
			mayBe := false
			for _, prefix := range own {
				mayBe = mayBe || strings.HasPrefix(reason.Name, prefix)
			}
			if reason.Overruled != "" && !mayBe {
				r.Errorf("%s is overruled by %s", reason.Name, reason.Overruled)
			}
		}
	})
}

// TestReasonsTellNobody: no reason tells an id, a birth date, a status, or what
// stands on a code for people.
func TestReasonsTellNobody(t *testing.T) {
	codes := wallet(t)
	n := found(t, "XA", "XB")
	for _, s := range codes[:len(codes)-1] {
		n.say("XA", s.register(), nil)
	}
	n.must("XA", &statement.PublishScheme{Name: "xa-health", Levels: []statement.SchemeLevel{{Name: "green"}, {Name: "yellow"}, {Name: "red", Refuse: true}}}, nil)
	n.must("XB", &statement.Grant{Terms: statement.Terms{Region: "XA", Schemes: []string{"other"}}}, nil)
	var shown []recognition.Code
	for _, s := range codes {
		shown = append(shown, s.code())
	}
	got := n.decide(shown, recognition.Query{Region: "XB", At: time.Date(2021, 6, 10, 0, 0, 0, 0, time.UTC)})
	for _, want := range []string{recognition.StatusNoted, recognition.StatusEnded, recognition.HoldersDiffer, recognition.SchemeNotRecognised, recognition.DeclarationPassed} {
		if count(got.Reasons, want) == 0 {
			t.Errorf("the test shows nothing of %s: %+v", want, got.Reasons)
		}
	}
	b, err := json.Marshal(got.Reasons)
	if err != nil {
		t.Fatal(err)
	}
	id := native.ID{1}
	for _, personal := range []string{"1990", "1957", id.Text(), "yellow", "red", "Act 7", "Office 7", "FORGED", "URN:UVCI"} {
		if bytes.Contains(b, []byte(`"`+personal)) || bytes.Contains(b, []byte(" "+personal)) {
			t.Errorf("a reason tells %q: %s", personal, b)
		}
	}
}
