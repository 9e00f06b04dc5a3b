package audit_test

import (
	"errors"
	"slices"
	"testing"

	"concordat/client/audit"
	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
	"concordat/ledger/statement"
)

// histories are two logs of one network that begin with the same 300
// statements and go on to the sizes given, certified by XA, XB, XC and by XB,
// XC, XD. If same, they go on alike.
func histories(t *testing.T, a, b int, same bool) (first, second *memory) {
	t.Helper()
	doc := founding(t, "fork.test")
	first, second = newLog(t, doc), newLog(t, doc)
	first.register(t, a)
	second.register(t, 300)
	if !same {
		second.say(t, "XA", issuerKey("another history"))
	}
	second.register(t, b-int(second.size()))
	first.certify(t, "XA", "XB", "XC")
	second.certify(t, "XB", "XC", "XD")
	return first, second
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for _, sizes := range [][2]int{{400, 400}, {320, 900}, {900, 320}, {301, 512}} {
		a, b := histories(t, sizes[0], sizes[1], true)
		c, err := audit.Compare(t.Context(), a.doc, nil, a, b)
		if err != nil {
			t.Fatalf("sizes %v: %v", sizes, err)
		}
		if c.Older.Checkpoint.Size != uint64(min(sizes[0], sizes[1])) || c.Newer.Checkpoint.Size != uint64(max(sizes[0], sizes[1])) ||
			c.Older.Certified == nil || c.Newer.Certified == nil {
			t.Errorf("sizes %v: %+v", sizes, c)
		}
	}
}

// TestFork has two logs tell two histories: those who signed both are named,
// with proof, and nobody else is.
func TestFork(t *testing.T) {
	t.Parallel()
	for _, sizes := range [][2]int{{400, 400}, {320, 900}, {900, 320}, {301, 301}} {
		a, b := histories(t, sizes[0], sizes[1], false)
		_, err := audit.Compare(t.Context(), a.doc, nil, a, b)
		kind := evidence.KindTwoHistories
		if sizes[0] == sizes[1] {
			kind = evidence.KindTwoRoots
		}
		checkFork(t, err, a, kind, "XB", "XC")
		var fork *audit.Fork
		if errors.As(err, &fork) && (!fork.Known || fork.First != 300) {
			t.Errorf("sizes %v: the first difference is %d (%v), want 300", sizes, fork.First, fork.Known)
		}
	}
}

// checkFork checks that err is a fork with evidence of a kind against exactly
// these, which survives being written down.
func checkFork(t *testing.T, err error, l *memory, kind evidence.Kind, culprits ...statement.Region) {
	t.Helper()
	var fork *audit.Fork
	if !errors.As(err, &fork) {
		t.Fatalf("no fork was found: %v", err)
	}
	var named []statement.Region
	vs, err := foundingValidators(l)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range fork.Evidence {
		named = append(named, p.Culprit())
		again, err := evidence.Parse(p.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Verify(l.doc.Network, l.doc.ID(), vs); err != nil || again.Kind() != kind {
			t.Errorf("evidence against %s: %s, %v", p.Culprit(), again.Kind(), err)
		}
	}
	if !slices.Equal(named, culprits) {
		t.Errorf("evidence names %v, want %v: %v", named, culprits, fork)
	}
}

// A side below the quorum is no reason to keep quiet about a fork, and reason
// enough to refuse one history.
func TestCompareWithoutQuorum(t *testing.T) {
	t.Parallel()
	a, b := histories(t, 400, 500, false)
	b.certify(t, "XC")
	_, err := audit.Compare(t.Context(), a.doc, nil, a, b)
	checkFork(t, err, a, evidence.KindTwoHistories, "XC")

	a, b = histories(t, 400, 500, true)
	b.certify(t, "XC")
	_, err = audit.Compare(t.Context(), a.doc, nil, a, b)
	var found *audit.Tampering
	if !errors.As(err, &found) || found.Index != 500 || !errors.Is(err, checkpoint.ErrNoQuorum) {
		t.Errorf("one history that nobody vouches for: %v", err)
	}
}

// A log whose tiles are not those of its checkpoint proves nothing about others.
func TestCompareBadTiles(t *testing.T) {
	t.Parallel()
	a, b := histories(t, 400, 500, true)
	for at, data := range b.tiles {
		if at.Index == 1 && at.Level == 0 {
			data[len(data)-1] ^= 1
		}
	}
	_, err := audit.Compare(t.Context(), a.doc, nil, a, b)
	var found *audit.Tampering
	if !errors.As(err, &found) {
		t.Errorf("bad tiles: %v", err)
	}
	clear(b.tiles)
	if _, err = audit.Compare(t.Context(), a.doc, nil, a, b); !errors.As(err, &found) {
		t.Errorf("no tiles: %v", err)
	}
}

func TestReceipt(t *testing.T) {
	t.Parallel()
	a, b := histories(t, 400, 700, true)
	r := a.receiptOf(t, 350)
	if _, err := audit.CheckReceipt(t.Context(), a.doc, b, r); err != nil {
		t.Errorf("a node that went on: %v", err)
	}
	if _, err := audit.CheckReceipt(t.Context(), a.doc, a, r); err != nil {
		t.Errorf("the node that gave it: %v", err)
	}
	if _, err := audit.CheckReceipt(t.Context(), a.doc, a, b.receiptOf(t, 350)); !errors.Is(err, audit.ErrBehind) {
		t.Errorf("a node that is behind: %v", err)
	}
	_, other := histories(t, 400, 700, false)
	_, err := audit.CheckReceipt(t.Context(), a.doc, other, r)
	checkFork(t, err, a, evidence.KindTwoHistories, "XB", "XC")

	r.Index++
	var fork *audit.Fork
	var found *audit.Tampering
	if _, err := audit.CheckReceipt(t.Context(), a.doc, b, r); err == nil || errors.As(err, &fork) || errors.As(err, &found) {
		t.Errorf("a receipt that proves nothing: %v", err)
	}
}
