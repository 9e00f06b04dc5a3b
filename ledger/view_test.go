package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger/merkle"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

func TestView(t *testing.T) {
	n := newNetwork(t, "view.test")
	l := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, l)
	revoked := n.revoke(t, "XB", testHashes(0, 3), "lost")
	blocks := [][]Candidate{
		{n.say(t, "XA", 1, grant("XB")), revoked},
		{n.say(t, "XB", 1, grant("XA"))},
		{n.say(t, "XA", 1, grant("XC")), n.say(t, "XA", 1, grant("XD")), n.revoke(t, "XA", testHashes(3, 2), "stolen")},
	}
	var raws [][]byte
	for i, b := range blocks {
		must(t, l, Position{uint64(i + 1), 1}, n.seal(t, l.Head(), 1, b...))
		for _, c := range b {
			raws = append(raws, c.Raw)
		}
	}
	v := l.View()
	defer closeView(t, v)

	for i, raw := range raws {
		e, err := v.ByIndex(uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		sameBytes(t, fmt.Sprintf("statement %d", i), e.Raw(), raw)
		if byHash, err := v.ByHash(hashOf(raw)); err != nil || byHash.Index != uint64(i) {
			t.Errorf("statement %d by its hash: %d, %v", i, byHash.Index, err)
		}
		for size := uint64(i + 1); size <= uint64(len(raws)); size++ {
			proof, err := v.Inclusion(uint64(i), size)
			if err != nil {
				t.Fatal(err)
			}
			root, err := v.RootAt(size)
			if err != nil {
				t.Fatal(err)
			}
			if err := merkle.VerifyInclusion(uint64(i), size, merkle.LeafHash(raw), proof, root); err != nil {
				t.Errorf("statement %d in the tree of %d: %v", i, size, err)
			}
			grown, err := v.Consistency(size, v.Head().Size)
			if err != nil {
				t.Fatal(err)
			}
			if err := merkle.VerifyConsistency(size, v.Head().Size, root, v.Head().Root, grown); err != nil {
				t.Errorf("the tree of %d in that of %d: %v", size, v.Head().Size, err)
			}
		}
	}
	for index, first := range []uint64{0, 0, 2, 3, 3, 3} {
		b, err := v.BlockOf(uint64(index))
		if err != nil || b.First != first || b.Count != uint64(len(blocks[b.Position.Index-1])) {
			t.Errorf("block of statement %d: %+v, %v", index, b, err)
		}
		h, err := b.Proof.Verify(n.doc.Authorities[0].Keys.Node.Public())
		if err != nil || h.Size != first || h.Proposer != "XA" {
			t.Errorf("header of the block of statement %d: %+v, %v", index, h, err)
		}
	}
	a, err := v.Attachment(hashOf(revoked.Attachment))
	if err != nil {
		t.Fatal(err)
	}
	sameBytes(t, "attachment", a, revoked.Attachment)

	for _, tt := range []struct {
		f    Filter
		want []uint64
	}{
		{Filter{}, []uint64{0, 1, 2, 3, 4, 5}},
		{Filter{From: 2, Limit: 3}, []uint64{2, 3, 4}},
		{Filter{From: 6}, nil},
		{Filter{Authority: "XA"}, []uint64{0, 3, 4, 5}},
		{Filter{Authority: "XA", From: 1, Limit: 2}, []uint64{3, 4}},
		{Filter{Authority: "X"}, nil},
		{Filter{Kind: statement.RevocationAdd}, []uint64{1, 5}},
		{Filter{Kind: statement.RevocationAdd, Authority: "XA"}, []uint64{5}},
		{Filter{Kind: statement.RiskDeclare}, nil},
	} {
		got, err := v.Statements(tt.f)
		if err != nil {
			t.Fatal(err)
		}
		var indexes []uint64
		for _, e := range got {
			indexes = append(indexes, e.Index)
			sameBytes(t, fmt.Sprintf("statement %d in a listing", e.Index), e.Raw(), raws[e.Index])
		}
		if fmt.Sprint(indexes) != fmt.Sprint(tt.want) {
			t.Errorf("%+v: %v, want %v", tt.f, indexes, tt.want)
		}
	}

	missing := map[string]func() error{
		"index":       func() error { _, err := v.ByIndex(6); return err },
		"hash":        func() error { _, err := v.ByHash(statement.Hash{}); return err },
		"attachment":  func() error { _, err := v.Attachment([32]byte{}); return err },
		"block":       func() error { _, err := v.BlockOf(6); return err },
		"inclusion":   func() error { _, err := v.Inclusion(0, 7); return err },
		"consistency": func() error { _, err := v.Consistency(1, 7); return err },
	}
	for what, fn := range missing {
		if err := fn(); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s that is not there: %v", what, err)
		}
	}
	for i, want := range []int{1, 1, 1, 1, 1, 0} {
		events, _, err := v.State().Revocations(testHash(i), 10)
		if err != nil || len(events) != want {
			t.Errorf("hash %d: %d events, want %d; %v", i, len(events), want, err)
		}
	}
}

// Views stay as they are while blocks are applied, and readers of many views
// at once see whole blocks only (L7). Worth most under -race.
func TestViewsWhileApplying(t *testing.T) {
	n := newNetwork(t, "pinned.test")
	l := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, l)
	const perBlock, blocks = 40, 25
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				v := l.View()
				size := v.Head().Size
				// Every block has one batch of perBlock hashes that no other has.
				for b := range uint64(blocks) {
					events, _, err := v.State().Revocations(testHash(int(b)*perBlock), 10)
					if err != nil {
						t.Error(err)
					}
					if got := len(events) == 1; got != (b < size) {
						t.Errorf("at size %d, batch %d is there: %v", size, b, got)
					}
				}
				if root, err := v.RootAt(size); err != nil || root != v.Head().Root {
					t.Errorf("at size %d the root is %x, want %x; %v", size, root, v.Head().Root, err)
				}
				closeView(t, v)
			}
		})
	}
	old := l.View()
	for b := range blocks {
		c := n.revoke(t, "XA", testHashes(b*perBlock, perBlock), "lost")
		must(t, l, Position{uint64(b + 1), 1}, n.seal(t, l.Head(), 1, c))
	}
	if old.Head().Size != 0 || digest(t, old) == stateOf(t, l) {
		t.Error("a view moved")
	}
	closeView(t, old)
	cancel()
	readers.Wait()
	check(t, l)
}

func TestWait(t *testing.T) {
	n := newNetwork(t, "wait.test")
	l := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, l)
	done := make(chan error, 1)
	go func() { done <- l.Wait(t.Context(), 2) }()
	must(t, l, Position{1, 1}, n.seal(t, l.Head(), 1, n.say(t, "XA", 1, grant("XB"))))
	select {
	case err := <-done:
		t.Fatalf("waiting for 2 statements ended at 1: %v", err)
	default:
	}
	must(t, l, Position{2, 1}, n.seal(t, l.Head(), 1, n.say(t, "XB", 1, grant("XA"))))
	if err := <-done; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("no more patience"))
	if err := l.Wait(ctx, 3); err == nil || !strings.Contains(err.Error(), "no more patience") {
		t.Errorf("a cancelled wait gave %v", err)
	}
}

func TestViewOfClosedLedger(t *testing.T) {
	n := newNetwork(t, "closed.test")
	l := n.open(t, small(vfs.NewMem()))
	closeLedger(t, l)
	v := l.View()
	if _, err := v.ByIndex(0); !errors.Is(err, ErrClosed) {
		t.Errorf("reading a closed ledger gave %v", err)
	}
	if _, err := v.State().Authorities(); !errors.Is(err, ErrClosed) {
		t.Errorf("reading the state of a closed ledger gave %v", err)
	}
	closeView(t, v)
	if _, err := l.Apply(Position{1, 1}, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("applying to a closed ledger gave %v", err)
	}
	if err := l.Flush(); !errors.Is(err, ErrClosed) {
		t.Errorf("flushing a closed ledger gave %v", err)
	}
}

// TestViewBeside: what is kept beside the ledger is made once for all views of a
// moment, and another for the next.
func TestViewBeside(t *testing.T) {
	n := newNetwork(t, "beside.test")
	l := n.open(t, small(vfs.NewMem()))
	made := 0
	beside := func(v *View) int { return v.Beside(func() any { made++; return made }).(int) }
	v, again := l.View(), l.View()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if got := beside(v); got != 1 {
				t.Errorf("kept %d, want the first that was made", got)
			}
		})
	}
	all.Wait()
	kept := again.Retain()
	must(t, l, Position{1, 1}, n.seal(t, l.Head(), 1, n.say(t, "XA", 1, grant("XB"))))
	later := l.View()
	if a, b, c := beside(again), beside(kept), beside(later); a != 1 || b != 1 || c != 2 {
		t.Errorf("kept %d, %d and, after the ledger grew, %d; want 1, 1 and 2", a, b, c)
	}
	for _, v := range []*View{v, again, kept, later} {
		closeView(t, v)
	}
	closeLedger(t, l)
	if got := beside(l.View()); got != 3 {
		t.Errorf("beside a closed ledger %d is kept; want what is made then", got)
	}
}

// TestViewAny: there is something under a prefix where Scan finds something, be
// the prefix one that filters know or not.
func TestViewAny(t *testing.T) {
	n := newNetwork(t, "any.test")
	l := n.open(t, small(vfs.NewMem()))
	must(t, l, Position{1, 1}, n.seal(t, l.Head(), 1, n.revoke(t, "XB", testHashes(0, 3), "lost")))
	v := l.View()
	hashes := testHashes(0, 4)
	var prefixes [][]byte
	for i := range hashes {
		whole := state.RevocationPrefix(hashes[i])
		for _, cut := range []int{0, 1, 5} {
			prefixes = append(prefixes, whole[:len(whole)-cut])
		}
	}
	prefixes = append(prefixes, nil, []byte{0xfe}, make([]byte, 100))
	found := 0
	for _, p := range prefixes {
		want := false
		if err := v.Scan(p, func([]byte, []byte) (bool, error) { want = true; return false, nil }); err != nil {
			t.Fatal(err)
		}
		got, err := v.Any(p)
		if err != nil || got != want {
			t.Errorf("under %x: %v, %v; want %v", p, got, err, want)
		}
		if got {
			found++
		}
	}
	if found == 0 || found == len(prefixes) {
		t.Errorf("something stands under %d of %d prefixes, so little was compared", found, len(prefixes))
	}
	closeView(t, v)
	closeLedger(t, l)
	if _, err := l.View().Any(prefixes[0]); !errors.Is(err, ErrClosed) {
		t.Errorf("of a closed ledger: %v", err)
	}
}
