package recognition_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/native"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition"
	"concordat/recognition/rules"
)

// View is what a node hands to Decide.
var _ recognition.State = state.View{}

// TestCorpus judges every public case at the case's own clock, with its
// certificate registered as its key usage has it: what a correct verifier
// accepts is recognized, what it must refuse is refused.
func TestCorpus(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(corpus, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var expected struct {
		Cases []struct{ Path, Verdict, Clock string }
	}
	if err := json.Unmarshal(raw, &expected); err != nil {
		t.Fatal(err)
	}
	judged := 0
	for _, c := range expected.Cases {
		if _, err := os.Stat(filepath.Join(corpus, filepath.FromSlash(c.Path))); errors.Is(err, os.ErrNotExist) {
			continue // the copy is a part of the whole
		}
		at, err := clock(c.Clock)
		if err != nil {
			t.Fatalf("%s: %v", c.Path, err)
		}
		s := realCode(t, c.Path)
		n := found(t, "XA", "XB")
		n.must("XA", s.register(), nil)
		n.must("XB", &statement.Grant{Terms: statement.Terms{Region: "XA"}}, nil)
		got, err := recognition.Decide([]recognition.Code{s.code()}, recognition.Query{Region: "XB", At: at}, n.view())
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]recognition.Outcome{"accept": recognition.Recognized, "refuse": recognition.Refused}[c.Verdict]
		if want == "" { // policy: either is defensible, but it must be a decision
			want = got.Decision
			if want == recognition.Undetermined {
				t.Errorf("%s: undetermined: %+v", c.Path, got.Reasons)
			}
		}
		if got.Decision != want {
			t.Errorf("%s: %s, want %s: %+v", c.Path, got.Decision, want, got.Reasons)
		}
		judged++
	}
	if judged < 40 {
		t.Errorf("only %d cases judged, want at least 40", judged)
	}
}

// clock reads the times of the test data, some of which name no zone.
func clock(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err == nil {
		return t, nil
	}
	return time.Parse("2006-01-02T15:04:05.999999999", s)
}

// TestJSON fixes the answer's shape (POST /v1/check).
func TestJSON(t *testing.T) {
	s := realCode(t, "AT/2DCode/raw/1.json")
	n := found(t, "AT")
	n.must("AT", s.register(), nil)
	q := recognition.Query{Region: "AT", At: time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)}
	got, err := recognition.Decide([]recognition.Code{s.code(), {Err: healthcode.ErrBase45}}, q, n.view())
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"decision": "refused"`,
		`"name": "key-registered",
   "message": "AT has registered the key 2Rk3X8HntrI= for codes of every kind.",
   "effect": "for",
   "statement": 0,
   "code": 0
  }`,
		`"effect": "against",
   "code": 1,
   "detail": "base45-invalid"
  }`,
		`"format": "hc1",
   "kind": "vaccination",
   "region": "AT",
   "key": "2Rk3X8HntrI=",
   "thumbprint": "d919375fc1e7b6b2`,
		`"issuedAt": "2021-05-06T18:00:00Z",
   "expiresAt": "2021-11-02T18:00:00Z",
   "fields": {
    "familyName": "Musterfrau-Gößinger",
    "givenName": "Gabriele",`,
		`  {}
 ]`, // of a code that cannot be read nothing is reported
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s\nin %s", want, b)
		}
	}
	var back recognition.Decision
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(back.Codes[0].Fields, got.Codes[0].Fields) {
		t.Errorf("fields came back as %v", back.Codes[0].Fields)
	}
	for _, r := range got.Reasons {
		if strings.Contains(r.Message, "Musterfrau") || strings.Contains(r.Message, "1998") {
			t.Errorf("reason %s tells of the person", r.Name)
		}
	}
}

func TestFieldsJSON(t *testing.T) {
	for in, ok := range map[string]bool{
		`null`: true, `{}`: true, `{"a":"1","b":"2"}`: true,
		`[]`: false, `{"a":1}`: false, `"a"`: false, `{"a":`: false,
	} {
		var f recognition.Fields
		if err := json.Unmarshal([]byte(in), &f); (err == nil) != ok {
			t.Errorf("%s: %v", in, err)
		}
	}
	b, err := json.Marshal(recognition.Fields{{Name: "z", Value: `"<`}, {Name: "a", Value: ""}})
	if err != nil || string(b) != `{"z":"\"\u003c","a":""}` {
		t.Errorf("%s, %v", b, err)
	}
}

func TestValidate(t *testing.T) {
	at := time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)
	stay := recognition.Stay{Area: "CN-31", From: at.Add(-time.Hour), To: at}
	good := recognition.Query{Region: "XA", At: at, Itinerary: []recognition.Stay{stay}}
	if err := good.Validate(recognition.MaxCodes); err != nil {
		t.Error(err)
	}
	for _, in := range []statement.Area{"XA", "XA-1-2"} {
		good.Arrival = in
		if err := good.Validate(1); err != nil {
			t.Error(err)
		}
	}
	good.Arrival = ""
	for name, bad := range map[string]func(q *recognition.Query) int{
		"17 codes":        func(*recognition.Query) int { return recognition.MaxCodes + 1 },
		"not a region id": func(q *recognition.Query) int { q.Region = "xa"; return 1 },
		"the year is 1":   func(q *recognition.Query) int { q.At = time.Time{}; return 1 },
		"257 stays": func(q *recognition.Query) int {
			q.Itinerary = make([]recognition.Stay, recognition.MaxStays+1)
			return 1
		},
		"not an area id":  func(q *recognition.Query) int { q.Itinerary[0].Area = "310115"; return 1 },
		"in XA":           func(q *recognition.Query) int { q.Arrival = "XB-1"; return 1 },
		"arrival":         func(q *recognition.Query) int { q.Arrival = "xa"; return 1 },
		"from is missing": func(q *recognition.Query) int { q.Itinerary[0].From = time.Time{}; return 1 },
		"to is missing":   func(q *recognition.Query) int { q.Itinerary[0].To = time.Time{}; return 1 },
		"is before from":  func(q *recognition.Query) int { q.Itinerary[0].From = at.Add(time.Second); return 1 },
		"is after the time": func(q *recognition.Query) int {
			q.Itinerary[0] = recognition.Stay{Area: "CN", From: at.Add(time.Second), To: at.Add(time.Hour)}
			return 1
		},
	} {
		q := good
		q.Itinerary = []recognition.Stay{stay}
		err := q.Validate(bad(&q))
		if !errors.Is(err, recognition.ErrQuery) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// broken is a state that fails at one of its questions.
type broken struct {
	recognition.State
	at string
}

var errBroken = errors.New("the disk is gone")

func (b broken) Authority(r statement.Region) (state.Authority, bool, error) {
	if b.at == "authority" {
		return state.Authority{}, false, errBroken
	}
	return b.State.Authority(r)
}

func (b broken) IssuerKeysByKID(kid []byte) ([]state.IssuerKey, error) {
	if b.at == "kid" {
		return nil, errBroken
	}
	return b.State.IssuerKeysByKID(kid)
}

func (b broken) IssuerKeysByPublicKey(spki []byte) ([]state.IssuerKey, error) {
	if b.at == "public key" {
		return nil, errBroken
	}
	return b.State.IssuerKeysByPublicKey(spki)
}

func (b broken) Revocations(h statement.RevocationHash, limit int) ([]state.RevocationEvent, bool, error) {
	if b.at == "revocations" {
		return nil, false, errBroken
	}
	return b.State.Revocations(h, limit)
}

func (b broken) RevocationsBy(h statement.RevocationHash, of statement.HashType, by statement.Region) ([]state.RevocationEvent, error) {
	if b.at == "revocations by one" {
		return nil, errBroken
	}
	return b.State.RevocationsBy(h, of, by)
}

func (b broken) RevocationReason(e state.RevocationEvent) (string, error) {
	if b.at == "reason" {
		return "", errBroken
	}
	return b.State.RevocationReason(e)
}

func (b broken) Recognition(grantor, grantee statement.Region) (state.Recognition, bool, error) {
	if b.at == "recognition" {
		return state.Recognition{}, false, errBroken
	}
	return b.State.Recognition(grantor, grantee)
}

func (b broken) RiskAreas(a statement.Area) ([]state.RiskArea, error) {
	if b.at == "risk areas" {
		return nil, errBroken
	}
	return b.State.RiskAreas(a)
}

func (b broken) Scheme(by statement.Region, name string) (state.Scheme, bool, error) {
	if b.at == "scheme" {
		return state.Scheme{}, false, errBroken
	}
	return b.State.Scheme(by, name)
}

func (b broken) SchemesOf(by statement.Region) ([]state.Scheme, error) {
	if b.at == "schemes" {
		return nil, errBroken
	}
	return b.State.SchemesOf(by)
}

func (b broken) SpecialCases(by statement.Region) ([]state.SpecialCase, error) {
	if b.at == "special cases" {
		return nil, errBroken
	}
	return b.State.SpecialCases(by)
}

func (b broken) Rules(by statement.Region) ([]state.RuleRecord, error) {
	if b.at == "rules" {
		return nil, errBroken
	}
	return b.State.Rules(by)
}

func (b broken) ValueSets(by statement.Region) ([]state.ValueSet, error) {
	if b.at == "value sets" {
		return nil, errBroken
	}
	return b.State.ValueSets(by)
}

// TestBrokenState: whatever cannot be read, there is no answer.
func TestBrokenState(t *testing.T) {
	s := realCode(t, "AT/2DCode/raw/1.json")
	n := found(t, "AT", "DE")
	n.must("AT", s.register(), nil)
	hash := s.hash(t, statement.HashUCI)
	for range 33 { // more than is looked at of what anybody said
		n.must("AT", &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, hash, statement.MaxTime, "issued in error")}, hash)
	}
	n.must("AT", &statement.DeclareRisk{RiskLevel: statement.RiskLevel{Area: "FR", Scheme: "default", Level: "high", From: 1, Lookback: 14}}, nil)
	at := time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)
	q := recognition.Query{Region: "DE", At: at, Itinerary: []recognition.Stay{{Area: "FR", From: at.Add(-time.Hour), To: at}}}
	n.must("DE", &statement.DeclareRisk{RiskLevel: statement.RiskLevel{Area: "FR", Scheme: "default", Level: "high", From: 1, Lookback: 14}}, nil)
	card := nativeCode(t, issuerOf(t, "office", false), native.Card{
		Region: "AT", ID: native.ID{1}, IssuedAt: at.Add(-time.Hour), ExpiresAt: at.Add(time.Hour),
		Itinerary: &native.Itinerary{Covered: healthcode.Span{From: at.Add(-time.Hour), To: at}},
	})
	n.must("AT", card.register(), nil)
	condition, err := rules.Document([]byte(`true`))
	if err != nil {
		t.Fatal(err)
	}
	n.must("DE", &statement.DeclareCase{Name: "all", Condition: &condition, Reason: "a test"}, nil)
	for _, where := range []string{
		"kid", "public key", "revocations", "revocations by one", "reason", "recognition", "authority", "risk areas",
		"scheme", "schemes", "special cases", "rules", "value sets",
	} {
		got, err := recognition.Decide([]recognition.Code{s.code(), card.code()}, q, broken{n.view(), where})
		if !errors.Is(err, errBroken) || got.Decision != "" {
			t.Errorf("%s: %q, %v", where, got.Decision, err)
		}
	}
}

// TestConcurrent: one Decider serves many checks at a time, here with a cache
// that is too small for its keys. Meant for -race.
func TestConcurrent(t *testing.T) {
	n := found(t, "AT", "XB")
	n.must("XB", &statement.Grant{Terms: statement.Terms{Region: "AT"}}, nil)
	var codes []recognition.Code
	for _, path := range []string{"AT/2DCode/raw/1.json", "BG/2DCode/raw/1.json", "DE/2DCode/raw/1.json", "GR/2DCode/raw/1.json"} {
		s := realCode(t, path)
		n.must("AT", s.register(), nil)
		codes = append(codes, s.code())
	}
	d := recognition.NewDecider(2)
	q := recognition.Query{Region: "XB", At: time.Date(2021, 6, 8, 0, 0, 0, 0, time.UTC)}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			got, err := d.Decide(codes[i%4:i%4+1], q, n.view())
			if err != nil || got.Decision != recognition.Recognized {
				t.Errorf("%s, %v", got.Decision, err)
			}
		})
	}
	wg.Wait()
}
