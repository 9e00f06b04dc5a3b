package certify

import (
	"errors"
	"strings"
	"testing"
	"time"

	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
)

// TestSawNote: whoever was shown another history hands it to any validator.
func TestSawNote(t *testing.T) {
	inBubble(t, 61, func(t *testing.T, w *world) {
		xd := w.puppet("XD")
		w.start("XA", "XB", "XC")
		m := w.grow(3)
		xd.cosigns(m, "XA")
		w.final(m.size, "XA", "XB", "XC")
		xb := w.members["XB"].cert
		saw := func(x mark, lines ...string) error {
			n, err := checkpoint.ParseNote(noteOf(x, lines...))
			if err != nil {
				t.Fatal(err)
			}
			return xb.SawNote(n)
		}
		other := markAt(m.size, "false")
		cosign, log := signs(t, "XD", other, time.Now())[0], signs(t, "XD", m, time.Now())[1]
		if err := saw(m, log); err != nil {
			t.Errorf("our own history: %v", err)
		}
		if err := saw(other, signs(t, "XQ", other, time.Now())...); err != nil {
			t.Errorf("a stranger's signature: %v", err)
		}
		if err := saw(other, log); err == nil || errors.Is(err, ErrOtherHistory) {
			t.Errorf("a signature of something else: %v", err)
		}
		if err := saw(markAt(1000, "later"), signs(t, "XD", markAt(1000, "later"), time.Now())...); err != nil {
			t.Errorf("beyond this ledger: %v", err)
		}
		w.onlyEvil()
		for range 2 { // again it is no news, and still true
			err := saw(other, cosign) // with nothing but a co-signature
			if !errors.Is(err, ErrOtherHistory) || !strings.Contains(err.Error(), "XD") {
				t.Fatalf("evidence: %v", err)
			}
		}
		w.caught("XD", evidence.KindTwoRoots)
		busy := 0
		for range 10 * notesRate {
			if err := saw(m, log); errors.Is(err, ErrBusy) {
				busy++
			}
		}
		if busy < 7*notesRate {
			t.Errorf("of %d at once %d were not looked at", 10*notesRate, busy)
		}
		time.Sleep(time.Second)
		if err := saw(m, log); err != nil {
			t.Errorf("a second later: %v", err)
		}
		w.final(w.grow(1).size, "XA", "XB", "XC")
	})
}
