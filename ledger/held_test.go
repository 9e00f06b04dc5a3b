package ledger

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger/statement"
)

func held(t *testing.T, l *Ledger) []Candidate {
	t.Helper()
	cs, err := l.Held()
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

func TestHold(t *testing.T) {
	n := newNetwork(t, "held.test")
	disk := vfs.NewCrashableMem()
	l := n.open(t, small(disk))
	ordered := n.revoke(t, "XA", testHashes(0, 100), "lost")
	refused := n.say(t, "XB", 7, grant("XA"))
	waits := n.say(t, "XB", 1, grant("XA"))
	all := []Candidate{ordered, refused, waits}
	for _, c := range append(all, ordered) {
		if err := l.Hold(c); err != nil {
			t.Fatal(err)
		}
	}
	// A crash right after loses none (L8), and changes nothing of the state.
	l2 := n.open(t, small(disk.CrashClone(vfs.CrashCloneCfg{})))
	if got := held(t, l2); len(got) != 3 {
		t.Errorf("after a crash %d are held, want 3", len(got))
	}
	if stateOf(t, l2) != stateOf(t, l) {
		t.Error("holding changed the state")
	}
	check(t, l2)
	closeLedger(t, l2)

	must(t, l, Position{1, 1}, n.seal(t, l.Head(), 1, ordered))
	if err := l.Drop(hashOf(refused.Raw)); err != nil {
		t.Fatal(err)
	}
	if err := l.Drop(hashOf(refused.Raw)); err != nil {
		t.Errorf("dropping again: %v", err)
	}
	// What is in the ledger is not held again (L9).
	if err := l.Hold(ordered); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got := held(t, l)
		if len(got) != 1 || !bytes.Equal(got[0].Raw, waits.Raw) || got[0].Attachment != nil {
			t.Fatalf("%d are held, want the one that waits", len(got))
		}
		closeLedger(t, l)
		l = n.open(t, small(disk))
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	closeLedger(t, l)
}

func TestHeldKeepsAttachment(t *testing.T) {
	n := newNetwork(t, "held.test")
	l := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, l)
	c := n.revoke(t, "XA", testHashes(0, 1000), "lost")
	if err := l.Hold(c); err != nil {
		t.Fatal(err)
	}
	got := held(t, l)
	if len(got) != 1 || !slices.Equal(got[0].Attachment, c.Attachment) || !slices.Equal(got[0].Raw, c.Raw) {
		t.Error("what is held is not what was given")
	}
}

func TestHeldIsBounded(t *testing.T) {
	n := newNetwork(t, "held.test")
	o := small(vfs.NewMem())
	o.HeldBytes, o.HeldBytesEach = 4000, 4000
	l := n.open(t, o)
	defer closeLedger(t, l)
	big := n.revoke(t, "XA", testHashes(0, 200), "lost")
	if err := l.Hold(big); err != nil {
		t.Fatal(err)
	}
	more := n.revoke(t, "XB", testHashes(0, 100), "lost")
	if err := l.Hold(more); !errors.Is(err, ErrHeldFull) {
		t.Errorf("holding more than the bound gave %v", err)
	}
	if err := l.Drop(hashOf(big.Raw)); err != nil {
		t.Fatal(err)
	}
	if err := l.Hold(more); err != nil {
		t.Errorf("holding after room was made: %v", err)
	}
}

// TestHeldInOrder: what was held first is offered first, since what came later
// may rest on it; a restart changes nothing of that.
func TestHeldInOrder(t *testing.T) {
	n := newNetwork(t, "held.test")
	disk := vfs.NewMem()
	o := small(disk)
	o.HeldStatements, o.HeldStatementsEach = 8, 8
	l := n.open(t, o)
	var want []string
	for i := range 6 {
		c := n.say(t, "XB", uint64(i+1), grant("XA"))
		if err := l.Hold(c); err != nil {
			t.Fatal(err)
		}
		want = append(want, string(c.Raw))
	}
	gone := hashOf([]byte(want[2]))
	if err := l.Drop(gone); err != nil {
		t.Fatal(err)
	}
	want = append(want[:2], want[3:]...)
	for range 2 {
		got := held(t, l)
		if len(got) != len(want) || l.HeldCount() != len(want) {
			t.Fatalf("%d are held, counted as %d, want %d", len(got), l.HeldCount(), len(want))
		}
		for i, c := range got {
			if string(c.Raw) != want[i] {
				t.Errorf("place %d has another statement", i)
			}
		}
		closeLedger(t, l)
		l = n.open(t, o)
		c := n.say(t, "XA", uint64(len(want)), grant("XB"))
		if err := l.Hold(c); err != nil {
			t.Fatal(err)
		}
		want = append(want, string(c.Raw))
	}
	first, err := l.OldestHeld(2, 1<<20)
	if err != nil || len(first) != 2 || string(first[0].Raw) != want[0] {
		t.Errorf("the oldest two are %d statements, %v", len(first), err)
	}
	if c, is, err := l.HeldByHash(hashOf([]byte(want[3]))); err != nil || !is || string(c.Raw) != want[3] {
		t.Errorf("a held statement is not found by its hash: %v, %v", is, err)
	}
	if _, is, err := l.HeldByHash(gone); err != nil || is {
		t.Errorf("one that was dropped is found: %v, %v", is, err)
	}
	if err := l.Hold(n.say(t, "XA", 90, grant("XB"))); err != nil {
		t.Fatal(err)
	}
	if err := l.Hold(n.say(t, "XA", 91, grant("XB"))); !errors.Is(err, ErrHeldFull) {
		t.Errorf("holding a ninth of eight gave %v", err)
	}
	closeLedger(t, l)
}

// TestHeldOfOneAuthority: one authority fills its own room and not that of the
// others, over a crash too, and what is let go of or ordered makes room again.
func TestHeldOfOneAuthority(t *testing.T) {
	n := newNetwork(t, "held.test")
	disk := vfs.NewCrashableMem()
	o := small(disk)
	o.HeldStatementsEach = 2
	l := n.open(t, o)
	flood := []Candidate{n.say(t, "XB", 1, grant("XA")), n.revoke(t, "XB", testHashes(0, 10), "lost"), n.say(t, "XB", 3, grant("XA"))}
	for i, c := range flood {
		if err := l.Hold(c); (i == 2) != errors.Is(err, ErrHeldFull) || i < 2 && err != nil {
			t.Fatalf("holding statement %d of one authority, of 2 that it may have, gave %v", i, err)
		}
	}
	if err := l.Hold(flood[0]); err != nil {
		t.Errorf("holding again what is held gave %v", err)
	}
	if err := l.Hold(n.say(t, "XA", 1, grant("XB"))); err != nil {
		t.Errorf("another authority finds no room: %v", err)
	}
	crashed := o
	crashed.FS = disk.CrashClone(vfs.CrashCloneCfg{})
	l2 := n.open(t, crashed)
	if err := l2.Hold(flood[2]); !errors.Is(err, ErrHeldFull) {
		t.Errorf("after a crash there is room again: %v", err)
	}
	if err := l2.Drop(hashOf(flood[0].Raw)); err != nil {
		t.Fatal(err)
	}
	if err := l2.Hold(flood[2]); err != nil {
		t.Errorf("after one was dropped there is no room: %v", err)
	}
	closeLedger(t, l2)

	must(t, l, Position{1, 1}, n.seal(t, l.Head(), 1, flood[0]))
	want := []bool{false, true, false}
	if got := l.StillHeld([]statement.Hash{hashOf(flood[0].Raw), hashOf(flood[1].Raw), hashOf(flood[2].Raw)}); !slices.Equal(got, want) {
		t.Errorf("after one was ordered %v are held, want %v", got, want)
	}
	if err := l.Hold(flood[2]); err != nil {
		t.Errorf("after one was ordered there is no room: %v", err)
	}
	closeLedger(t, l)
}
