package state

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"concordat/ledger/statement"
)

// What a memo keeps changes no answer: not for a record that changed, nor for
// one that stands where it does not belong, however full the memo is.
func TestMemo(t *testing.T) {
	var m memo[Authority, *Authority]
	at := func(id statement.Region, name string) Write {
		return put[Authority](&Authority{ID: id, Name: name, Role: Observer})
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range 2 * memoMost {
				name := fmt.Sprintf("Region, version %d", i)
				r := NewMemory([]Write{at("XA", name), {Key: authorityKey("XB"), Value: at("XA", name).Value}})
				for range 2 { // decoded, and kept
					if a, err := m.load(r, authorityKey("XA")); err != nil || a.Name != name {
						t.Errorf("got %v and %v, want %q", a, err, name)
					}
				}
				if a, err := m.load(r, authorityKey("XB")); !errors.Is(err, ErrCorrupt) {
					t.Errorf("the record of XA under the key of XB gave %v and %v", a, err)
				}
				if a, err := m.load(r, authorityKey("XC")); a != nil || err != nil {
					t.Errorf("no record gave %v and %v", a, err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(m.byText); n == 0 || n > memoMost {
		t.Errorf("%d records are kept, at most %d", n, memoMost)
	}
}
