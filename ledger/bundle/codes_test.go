package bundle_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"testing"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/issue"
	"concordat/healthcode/native"
	"concordat/ledger/revoked"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition"
	"concordat/recognition/rules"
)

// Whoever decides on a health code and an itinerary card offline, by scoped
// grants, schemes, special cases and rules, gives the nodes' answer to the byte.
func TestDecisionsOnCards(t *testing.T) {
	w := newWorld(t, revoked.DefaultBits)
	private := testKey("office")
	key, err := issue.NewKey(private, nil)
	if err != nil {
		t.Fatal(err)
	}
	office, err := issue.New("XA", key, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := now.Time()
	base := native.Card{ID: native.ID{1}, BirthDate: "1990-05-04", IssuedAt: at.Add(-time.Hour), ExpiresAt: at.AddDate(0, 0, 7)}
	green, been := base, base
	green.Health = &native.Health{
		Status:   healthcode.Status{Scheme: "xa-health", Level: "yellow"},
		Declared: &healthcode.Declaration{At: at.AddDate(0, 0, -1), Audit: healthcode.AuditPassed, AuditedAt: at.Add(-2 * time.Hour)},
	}
	been.Itinerary = &native.Itinerary{
		Covered: healthcode.Span{From: at.AddDate(0, 0, -10), To: at.Add(-time.Hour)},
		Stays:   []healthcode.Stay{{Area: "AT-3-1", From: at.AddDate(0, 0, -9), To: at.AddDate(0, 0, -8)}},
	}
	var codes []recognition.Code
	for _, card := range []native.Card{green, been} {
		code, err := office.Native(card)
		if err != nil {
			t.Fatal(err)
		}
		u, err := healthcode.Decode(code.Text, native.Decoder{})
		codes = append(codes, recognition.Code{Unverified: u, Err: err})
	}
	spki, err := x509.MarshalPKIXPublicKey(private.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	document := func(text string) statement.Document {
		d, err := rules.Document([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	condition := document(`{"in":["yellow",{"var":"external.valueSets.levels"}]}`)
	for _, said := range []struct {
		by     statement.Region
		bodies []statement.Body
	}{
		{"XA", []statement.Body{
			&statement.RegisterKey{PublicKey: spki, KeyID: key.ID(), Issuer: "https://office.example", Name: "Office"},
			&statement.PublishScheme{Name: "xa-health", Levels: []statement.SchemeLevel{{Name: "green"}, {Name: "yellow"}}, LegalRef: "Act 7"},
		}},
		{"AT", []statement.Body{
			&statement.Grant{Terms: statement.Terms{Region: "XA", Formats: []string{"native"}, Algorithms: []string{"EdDSA"}, Schemes: []string{"xa-health"}, LegalRef: "Treaty 12"}},
			&statement.DeclareRisk{RiskLevel: statement.RiskLevel{Area: "AT-3", Scheme: "at", Level: "high", From: 1, Lookback: 7}},
		}},
		{"DE", []statement.Body{
			&statement.Grant{Terms: statement.Terms{Region: "XA"}},
			&statement.PublishScheme{Name: "at", Levels: []statement.SchemeLevel{{Name: "high", Refuse: true, Lookback: 14}}},
			&statement.PublishValueSet{ID: "levels", Version: "1", Document: document(`{"valueSetId":"levels","valueSetDate":"2021-01-01","valueSetValues":{"yellow":{}}}`)},
			&statement.DeclareCase{Name: "levels", Kinds: []statement.CodeKind{statement.Health}, Condition: &condition, Reason: "a test"},
		}},
		{"SE", []statement.Body{&statement.DeclareCase{Name: "guests", Admit: true, Region: "XA", Reason: "guests"}}},
	} {
		for _, body := range said.bodies {
			if _, ok := w.say(said.by, body, nil); !ok {
				t.Fatalf("%s may not say %s", said.by, body.Kind())
			}
		}
	}
	b, _ := w.sealedAt(now)
	names := map[string]int{}
	for _, region := range regions {
		q := recognition.Query{Region: region, At: at}
		var want []byte
		for i, s := range []state.View{b.State(), w.view(), erased(w, now)} {
			got, err := recognition.Decide(codes, q, s)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range got.Reasons {
				names[r.Name]++
			}
			text, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = text
			}
			if !bytes.Equal(text, want) {
				t.Errorf("%s, state %d:\n%s\nwant\n%s", region, i, text, want)
			}
		}
	}
	for _, name := range []string{
		recognition.StatusNoted, recognition.DeclarationPassed, recognition.SpecialCaseAdmitted, recognition.SpecialCaseRefused,
		recognition.RiskArea, recognition.ItineraryClear, recognition.ItineraryShort, recognition.RecognitionGranted,
	} {
		if names[name] == 0 {
			t.Errorf("no decision has %s: %v", name, names)
		}
	}
}
