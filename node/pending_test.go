package node

import (
	"testing"
	"time"

	"concordat/ledger/statement"
	"concordat/recognition"
)

// TestNews: a node is told everything once, urgent things at once and first, and
// again from the beginning when it comes back.
func TestNews(t *testing.T) {
	p := &pending{all: map[statement.Hash]*waiting{}, peers: map[string]*listener{}}
	began := time.Unix(1_600_000_000, 0)
	hold := func(i int, urgent bool, seen time.Time) *waiting {
		w := &waiting{hash: statement.Hash{byte(i), byte(i >> 8)}, size: 100, urgent: urgent, held: true, seen: seen}
		k := ordinarily
		if urgent {
			k = urgently
		}
		p.queue[k].add(w)
		return w
	}
	var all []*waiting
	for i := range 3 * maxNotices {
		all = append(all, hold(i, i%8 == 0, began))
	}
	tell := func(now time.Time, connected time.Time) *news {
		n := p.newsLocked("XB", connected, now)
		if n != nil {
			p.peers["XB"].busy = false
		}
		return n
	}
	first := tell(began, began)
	if first == nil || len(first.notices) != maxPushed || len(first.whole) != maxPushed {
		t.Fatalf("at once it is told %+v", first)
	}
	all[8*70].removed = true // it was ordered meanwhile
	told := map[statement.Hash]int{}
	later := began.Add(tellAfter)
	for _, w := range first.notices {
		told[w.hash]++
	}
	for range 10 {
		n := tell(later, began)
		if n == nil {
			break
		}
		if len(n.notices) > maxNotices || len(n.whole) > maxPushed {
			t.Fatalf("%d at once, %d of them whole", len(n.notices), len(n.whole))
		}
		for _, w := range n.notices {
			told[w.hash]++
		}
	}
	if len(told) != len(all)-1 || told[all[8*70].hash] != 0 {
		t.Errorf("it was told of %d of %d", len(told), len(all)-1)
	}
	for h, n := range told {
		if n != 1 {
			t.Errorf("it was told %d times of %v", n, h)
		}
	}
	if n := tell(later, began); n != nil {
		t.Errorf("there is still news: %d", len(n.notices))
	}
	if n := tell(later, began.Add(time.Second)); n == nil {
		t.Error("after it came back it is told nothing")
	}

	// No node is told of more than another would keep in mind.
	for i := range maxOfTeller {
		hold(10_000+i, false, began)
	}
	sum := 0
	for n := tell(later, later); n != nil; n = tell(later, later) {
		sum += len(n.notices)
	}
	if sum > maxOfTeller {
		t.Errorf("it was told of %d, at most %d", sum, maxOfTeller)
	}
}

// TestQueue: what is removed falls out, wherever it is, and places stay.
func TestQueue(t *testing.T) {
	var q queue
	ws := make([]*waiting, 5)
	for i := range ws {
		ws[i] = &waiting{}
		q.add(ws[i])
	}
	for i, k := range []int{0, 3, 1} {
		if len(q.items) != 5 {
			t.Errorf("%d are left after %d were removed", len(q.items), i)
		}
		ws[k].removed = true
		q.drop()
	}
	if len(q.items) != 2 || q.before(2) != 0 || q.before(4) != 1 || q.before(5) != 2 || q.before(0) != 0 {
		t.Errorf("%d are left", len(q.items))
	}
	if w, next := q.from(3); w != ws[4] || next != 5 {
		t.Errorf("after the one that stays another, and then %d", next)
	}
	for _, place := range []uint64{0, 2} {
		if w, next := q.from(place); w != ws[2] || next != 3 {
			t.Errorf("at %d another, and then %d", place, next)
		}
	}
	if w, next := q.from(5); w != nil || next != 5 {
		t.Errorf("there is something at the end, and then %d", next)
	}
}

// TestQueueForgets: a statement that can never be ordered keeps nothing in memory
// of what came after it.
func TestQueueForgets(t *testing.T) {
	p := &pending{all: map[statement.Hash]*waiting{}, peers: map[string]*listener{}, given: map[string]*allowance{}}
	q := &p.queue[ordinarily]
	q.add(&waiting{held: true, queued: true, seen: time.Now()}) // of a revision that never comes
	for range 100_000 {
		w := &waiting{held: true, queued: true}
		q.add(w)
		p.removeLocked(w, true) // ordered
	}
	if len(q.items) > 4 {
		t.Errorf("%d are kept of 1 that waits", len(q.items))
	}
	w := &waiting{queued: true}
	q.add(w)
	if got, next := q.from(1); got != w || next != 100_002 {
		t.Errorf("what came last is not at its place, but before %d", next)
	}
}

// TestForceIsBounded: one authority does not fill what is in force before it is
// ordered, and neither do all of them together.
func TestForceIsBounded(t *testing.T) {
	f := newForce(nil)
	said := func(by statement.Region, bytes int) {
		f.said = append(f.said, recognition.PendingStatement{Issuer: by})
		f.sizes = append(f.sizes, bytes)
	}
	for range maxInForceEach {
		if !f.roomLocked("XA", 100) {
			t.Fatalf("there is no room after %d", len(f.said))
		}
		said("XA", 100)
	}
	if f.roomLocked("XA", 100) || !f.roomLocked("XB", 100) {
		t.Error("one authority has more than its half, or another none of it")
	}
	if f.roomLocked("XB", maxInForceBytesEach+1) {
		t.Error("one authority has more than half of the bytes")
	}
	said("XB", maxInForceBytesEach-100)
	if !f.roomLocked("XB", 100) || f.roomLocked("XB", 101) || f.roomLocked("XC", maxInForceBytesEach) {
		t.Error("the bytes are not what they are")
	}
	for len(f.said) < maxInForce {
		said("XC", 1)
	}
	if f.roomLocked("XD", 1) {
		t.Errorf("there is room for more than %d", maxInForce)
	}
}
