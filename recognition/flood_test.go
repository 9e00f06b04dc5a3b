package recognition_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition"
	"concordat/recognition/rules"
)

// counting is a state that finds a prefix as quickly as a store, and counts
// what is read of it. It stays as it was when it was made.
type counting struct {
	data   memory
	sorted []string
	reads  int // records handed out
}

func (n *network) counting() *counting {
	data := maps.Clone(n.data)
	return &counting{data: data, sorted: slices.Sorted(maps.Keys(data))}
}

func (c *counting) Get(key []byte) ([]byte, error) {
	c.reads++
	return c.data.Get(key)
}

func (c *counting) Scan(prefix []byte, fn func(k, v []byte) (bool, error)) error {
	for _, k := range c.sorted[sort.SearchStrings(c.sorted, string(prefix)):] {
		if !bytes.HasPrefix([]byte(k), prefix) {
			return nil
		}
		c.reads++
		if more, err := fn([]byte(k), c.data[k]); err != nil || !more {
			return err
		}
	}
	return nil
}

// floods are what one member can say as often as it likes to make the checks of
// another's codes slow. XB recognises XA, whose code is shown, and not XC.
var floods = []struct {
	name string
	by   statement.Region
	most int // records that a check may read after it
	say  func(t testing.TB, n *network, s sample, i int)
}{
	{"nothing", "XC", 16, func(testing.TB, *network, sample, int) {}},
	{"registrations of the key", "XC", 80, func(t testing.TB, n *network, s sample, i int) {
		r := s.register()
		id := sha256.Sum256(fmt.Append(nil, i))
		r.KeyID, r.Certificate = id[:8], append(id[:], make([]byte, 900)...)
		n.say("XC", r, nil)
	}},
	{"keys with the key id", "XC", 80, func(t testing.TB, n *network, s sample, i int) {
		r := s.register()
		r.PublicKey, r.Certificate = fmt.Append(nil, "no key ", i), nil
		n.say("XC", r, nil)
	}},
	{"schemes on the area", "XC", 40, func(t testing.TB, n *network, s sample, i int) {
		n.say("XC", &statement.DeclareRisk{RiskLevel: statement.RiskLevel{Area: "XB", Scheme: fmt.Sprint("s", i), Level: "high", From: 1, Lookback: 14}}, nil)
	}},
	{"revocations of a hash", "XC", 120, func(t testing.TB, n *network, s sample, i int) {
		a := s.hash(t, statement.HashUCI)
		n.must("XC", &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, a, statement.MaxTime, "a dispute")}, a)
	}},
}

// TestFloods: what a check reads is bounded, whatever a stranger said before.
func TestFloods(t *testing.T) {
	for _, flood := range floods {
		n, codes, q := flooded(t)
		for i := range 500 {
			flood.say(t, n, codes.sample, i)
		}
		state500 := n.counting()
		got, err := recognition.Decide(codes.shown(), q, state.View{Reader: state500})
		if err != nil || got.Decision != recognition.Recognized {
			t.Fatalf("%s: %s, %v: %+v", flood.name, got.Decision, err, got.Reasons)
		}
		if state500.reads > flood.most || len(got.Reasons) > 32 {
			t.Errorf("%s: a check reads %d records and gives %d reasons, at most %d and 32", flood.name, state500.reads, len(got.Reasons), flood.most)
		}
	}
}

// BenchmarkFlood is a check after 30,000 statements of a stranger against it.
func BenchmarkFlood(b *testing.B) {
	for _, flood := range floods {
		n, codes, q := flooded(b)
		for i := range 30_000 {
			flood.say(b, n, codes.sample, i)
		}
		v, d, shown := state.View{Reader: n.counting()}, recognition.NewDecider(1024), codes.shown()
		b.Run(flood.name, func(b *testing.B) {
			for b.Loop() {
				if got, err := d.Decide(shown, q, v); err != nil || got.Decision != recognition.Recognized {
					b.Fatalf("%s, %v", got.Decision, err)
				}
			}
		})
	}
}

type flooding struct{ sample }

func (f flooding) shown() []recognition.Code { return []recognition.Code{f.code()} }

func flooded(t testing.TB) (*network, flooding, recognition.Query) {
	s := forge(t, "flooded", time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC), time.Time{}, time.Time{})
	n := found(t, "XA", "XB", "XC")
	n.must("XA", s.register(), nil)
	n.must("XB", &statement.Grant{Terms: statement.Terms{Region: "XA"}}, nil)
	at := time.Date(2021, 7, 1, 0, 0, 0, 0, time.UTC)
	return n, flooding{s}, recognition.Query{Region: "XB", At: at, Itinerary: []recognition.Stay{{Area: "XB-1", From: at.Add(-time.Hour), To: at}}}
}

// TestSlowConditions: however many special cases a region declares with
// conditions that take long, a decision for it computes no more than it may, and
// says where it stopped.
func TestSlowConditions(t *testing.T) {
	n := found(t, "AT", "DE")
	s := realCode(t, "AT/2DCode/raw/1.json")
	n.must("AT", s.register(), nil)
	n.must("DE", &statement.Grant{Terms: statement.Terms{Region: "AT"}}, nil)
	slow := `{"and":[` + strings.Repeat(`{"!":[{"!":[1]}]},`, 3_000) + `{"===":[1,2]}]}` // never true
	condition, err := rules.Document([]byte(slow))
	if err != nil {
		t.Fatal(err)
	}
	const cases = 100
	for i := range cases {
		n.must("DE", &statement.DeclareCase{Name: fmt.Sprintf("slow-%d", i), Condition: &condition, Reason: "a test"}, nil)
	}
	q := recognition.Query{Region: "DE", At: time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)}
	for name, decide := range map[string]func([]recognition.Code, recognition.Query, recognition.State) (recognition.Decision, error){
		"Decide": recognition.Decide, "a Decider": recognition.NewDecider(100).Decide,
	} {
		d, err := decide([]recognition.Code{s.code()}, q, n.view())
		if err != nil {
			t.Fatal(err)
		}
		left := 0
		for _, r := range d.Reasons {
			if r.Name == recognition.SpecialCaseUnreadable {
				left++
			}
		}
		if left == 0 || left == cases || d.Decision != recognition.Undetermined {
			t.Errorf("%s: %d of %d conditions are left unjudged, and the code is %s", name, left, cases, d.Decision)
		}
	}
}
