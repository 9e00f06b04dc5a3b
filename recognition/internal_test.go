package recognition

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"concordat/healthcode"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// A code's own itinerary: no format has one yet that the public data shows, so
// its reading is tested apart.
func TestStaysOfCode(t *testing.T) {
	at := time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)
	code := 3
	var all findings
	got := staysOf([]healthcode.Stay{
		{Area: "310115", From: at, To: at},
		{Area: "somewhere", From: at, To: at},
		{Area: "CN-31", From: at, To: at.Add(-time.Second)},
		{Area: "CN-31", To: at},
	}, &code, &all)
	if len(got.stays) != 1 || got.stays[0].Area != "CN-31-0115" || *got.code != 3 {
		t.Errorf("got %+v", got)
	}
	if len(all.reasons) != 3 {
		t.Fatalf("got %+v", all.reasons)
	}
	for _, r := range all.reasons {
		if r.Name != StayUnreadable || r.Effect != Unknown || *r.Code != 3 {
			t.Errorf("got %+v", r)
		}
	}
}

// unnamed is a code that names no key.
type unnamed struct{ healthcode.Unverified }

func (unnamed) Format() healthcode.Format { return healthcode.FormatNative }
func (unnamed) KeyID() []byte             { return nil }

// standings is a state of which only the standing of authorities may be read: all are in good standing.
type standings struct{ State }

func (standings) Authority(statement.Region) (state.Authority, bool, error) {
	return state.Authority{}, true, nil
}

// TestNothingToGoBy: a code that names no key, and one that is not there, are
// refused without a look at what the state knows of codes.
func TestNothingToGoBy(t *testing.T) {
	d, err := Decide([]Code{{Unverified: unnamed{}}, {}}, Query{Region: "XA"}, standings{})
	if err != nil {
		t.Fatal(err)
	}
	if d.Decision != Refused || len(d.Reasons) != 2 || d.Reasons[0].Name != IssuerUnknown || d.Reasons[1].Name != CodeUnreadable {
		t.Errorf("got %+v", d)
	}
	if len(d.Codes) != 2 || d.Codes[0].Format != healthcode.FormatNative || d.Codes[0].Key != "" {
		t.Errorf("got %+v", d.Codes)
	}
}

func TestUnknownNamePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a finding without a meaning was added")
		}
	}()
	new(findings).add("because", nil, "")
}

// TestMemory: entries are bounded, the recently used survive, and what cannot be
// read is not read again.
func TestMemory(t *testing.T) {
	m := memory[int]{half: 4, room: 1 << 20}
	parsed := make(map[string]int)
	get := func(key string) {
		t.Helper()
		v, err := m.get([]byte(key), func() (int, error) { parsed[key]++; return len(key), nil })
		if err != nil || v != len(key) {
			t.Fatalf("%q: %d, %v", key, v, err)
		}
	}
	for i := range 1000 {
		get("often")
		get(fmt.Sprint(i))
		if n := len(m.young) + len(m.old); n > 8 {
			t.Fatalf("%d entries, at most 8", n)
		}
	}
	if parsed["often"] != 1 {
		t.Errorf("the key used most was parsed %d times", parsed["often"])
	}
	fails := errors.New("no key")
	for range 2 {
		if _, err := m.get([]byte("bad"), func() (int, error) { parsed["bad"]++; return 0, fails }); err != fails {
			t.Errorf("got %v", err)
		}
	}
	if parsed["bad"] != 1 {
		t.Errorf("what cannot be read was read %d times", parsed["bad"])
	}
}

// TestMemoryWeighs: what is kept is bounded in bytes, however few entries it is.
func TestMemoryWeighs(t *testing.T) {
	m := memory[int]{half: 1000, room: 100_000, weigh: func(v int) int { return v }}
	parsed := 0
	get := func(key string, weight int) {
		t.Helper()
		if v, err := m.get([]byte(key), func() (int, error) { parsed++; return weight, nil }); err != nil || v != weight {
			t.Fatalf("%q: %d, %v", key, v, err)
		}
	}
	for i := range 100 {
		get(fmt.Sprint(i), 30_000)
		get("often", 1)
		if n := len(m.young) + len(m.old); n > 8 {
			t.Fatalf("%d entries of 30,000 bytes are kept in twice 100,000", n)
		}
	}
	if parsed != 101 {
		t.Errorf("read %d times, want 101: the one used most stays", parsed)
	}
	get("too large", 100_001)
	get("too large", 100_001)
	if parsed != 103 {
		t.Errorf("read %d times, want 103: what takes all the room is not kept", parsed)
	}
}
