package recognition

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// readOnce is a state that counts what is read of it: every authority but XX is
// there, and what XE asks for cannot be read.
type readOnce struct {
	State
	mu    sync.Mutex
	reads map[string]int
}

var errUnread = errors.New("unreadable")

func (r *readOnce) count(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads[what]++
}

func (r *readOnce) Authority(of statement.Region) (state.Authority, bool, error) {
	r.count("authority " + string(of))
	if of == "XE" {
		return state.Authority{}, false, errUnread
	}
	return state.Authority{ID: of}, of != "XX", nil
}

func (r *readOnce) IssuerKeysByKID(kid []byte) ([]state.IssuerKey, error) {
	r.count("kid " + string(kid))
	if string(kid) == "none" {
		return nil, nil
	}
	return []state.IssuerKey{{Region: "XA", KeyID: kid}}, nil
}

func (r *readOnce) Rules(of statement.Region) ([]state.RuleRecord, error) {
	r.count("rules of " + string(of))
	return nil, nil
}

// TestRecall: what is there is read once, by however many at a time; what is not,
// and anybody could ask for, is not kept, nor is a failure.
func TestRecall(t *testing.T) {
	under := &readOnce{reads: map[string]int{}}
	s := NewRecall().Over(under)
	ask := func() {
		for _, r := range []statement.Region{"XA", "XX"} {
			if a, is, err := s.Authority(r); err != nil || is != (r == "XA") || a.ID != r {
				t.Errorf("authority %s: %+v, %v, %v", r, a, is, err)
			}
		}
		if _, _, err := s.Authority("XE"); !errors.Is(err, errUnread) {
			t.Errorf("got %v", err)
		}
		for kid, want := range map[string]int{"some": 1, "none": 0} {
			if keys, err := s.IssuerKeysByKID([]byte(kid)); err != nil || len(keys) != want {
				t.Errorf("%q: %v, %v", kid, keys, err)
			}
		}
		if all, err := s.Rules("XA"); err != nil || len(all) != 0 {
			t.Errorf("rules %v, %v", all, err)
		}
	}
	ask()
	var all sync.WaitGroup
	for range 4 {
		all.Go(ask)
	}
	all.Wait()
	for what, want := range map[string]int{"authority XA": 1, "authority XX": 5, "authority XE": 5, "kid some": 1, "kid none": 5, "rules of XA": 1} {
		if under.reads[what] != want {
			t.Errorf("%s was read %d times, want %d", what, under.reads[what], want)
		}
	}
}

// TestRecallIsBounded: beyond its bounds it reads each time, and answers the same.
func TestRecallIsBounded(t *testing.T) {
	under := &readOnce{reads: map[string]int{}}
	m := NewRecall()
	s := m.Over(under)
	for range 2 {
		for i := range maxRememberedSets + 10 {
			if _, err := s.Rules(statement.Region(fmt.Sprintf("X-%d", i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(m.rules.known); n != maxRememberedSets {
		t.Errorf("%d lists are kept, at most %d", n, maxRememberedSets)
	}
	if first, last := under.reads["rules of X-0"], under.reads[fmt.Sprintf("rules of X-%d", maxRememberedSets)]; first != 1 || last != 2 {
		t.Errorf("the first was read %d times, one too many %d; want 1 and 2", first, last)
	}
}
