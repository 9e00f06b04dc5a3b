package consensus

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"concordat/ledger"
)

// How much of Raft's log goes in one transaction, and how long others get to
// write between two: bbolt has one writer at a time, and a block that waits for
// a deletion is a client who waits.
const (
	cutEntries = 256
	cutBytes   = 16 << 20
	cutPause   = 5 * time.Millisecond
)

// lengths is how many bytes each entry of Raft's log has in the file.
type lengths struct {
	mu    sync.Mutex
	first uint64 // of of[0]
	of    []uint32
	total int64
	// Since the last anchor:
	entries uint64
	bytes   int64
	wake    chan struct{} // of one element: something was stored
}

func newLengths() *lengths { return &lengths{wake: make(chan struct{}, 1)} }

// put notes an entry, in the log's order; one that is there is replaced, with
// all that follows it.
func (s *lengths) put(index uint64, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if index < s.first || index > s.first+uint64(len(s.of)) || len(s.of) == 0 {
		s.first, s.of, s.total = index, s.of[:0], 0 // a log begins anew: Adopt's, or the first
	}
	s.cutEndLocked(index)
	s.of = append(s.of, uint32(size))
	s.total += int64(size)
	s.entries++
	s.bytes += int64(size)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// cutEndLocked forgets the entries from an index on.
func (s *lengths) cutEndLocked(from uint64) {
	for n := len(s.of); n > 0 && s.first+uint64(n)-1 >= from; n-- {
		s.total -= int64(s.of[n-1])
		s.of = s.of[:n-1]
	}
}

// deleted forgets a range that was deleted at either end of the log.
func (s *lengths) deleted(first, last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first > s.first {
		s.cutEndLocked(first)
		return
	}
	n := min(uint64(len(s.of)), last+1-min(last+1, s.first))
	for _, size := range s.of[:n] {
		s.total -= int64(size)
	}
	s.of = append([]uint32(nil), s.of[n:]...)
	s.first += n
}

// due reports that as much was stored since the last anchor as is between two.
func (s *lengths) due(entries uint64, bytes int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries >= entries || s.bytes >= bytes
}

func (s *lengths) anchored() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries, s.bytes = 0, 0
}

// surplus is the last entry beyond what the log keeps: those after it are at
// most so many and so large together.
func (s *lengths) surplus(entries uint64, bytes int64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, total := len(s.of), s.total
	gone := 0
	for gone < n && (uint64(n-gone) > entries || total > bytes) {
		total -= int64(s.of[gone])
		gone++
	}
	return s.first + uint64(gone) - min(1, s.first+uint64(gone))
}

// chunk is the last of the entries from an index on that go in one transaction.
func (s *lengths) chunk(from, last uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	bytes := int64(0)
	for i := from; i < last; i++ {
		if i >= s.first && i-s.first < uint64(len(s.of)) {
			bytes += int64(s.of[i-s.first])
		}
		if i+1-from >= cutEntries || bytes >= cutBytes {
			return i
		}
	}
	return last
}

// keep makes anchors, and cuts off what is beyond the log's bounds. It is the
// one goroutine that does either, until the node closes.
func (n *Node) keep() {
	c := n.cfg
	for {
		select {
		case <-n.lengths.wake:
		case <-n.closing:
			return
		case <-n.fault.done:
			return
		}
		if !n.lengths.due(c.AnchorEvery, c.KeepLogBytes/4) {
			continue
		}
		n.lengths.anchored() // whatever comes of it: not again at once
		if err := n.await(n.raft.Snapshot()); err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
			n.log.Debug("no anchor was made", "err", err)
			continue
		}
		if err := n.cut(); err != nil && n.open() {
			n.fault.set(fmt.Errorf("%w: cutting raft's log: %w", ErrStorage, err))
			return
		}
	}
}

// cut deletes the entries that are beyond KeepLogEntries or KeepLogBytes, but for
// what an anchor does not vouch for yet and what is not below the newest
// certified block (C16). A crash in between leaves a log that begins a little later.
func (n *Node) cut() error {
	metas, err := n.anchors.List()
	if err != nil || len(metas) == 0 {
		return err
	}
	if n.cfg.Certified == nil {
		return nil
	}
	certified, ok := n.cfg.Certified()
	if !ok {
		return nil
	}
	first, err := n.logs.FirstIndex()
	if err != nil {
		return err
	}
	want := n.lengths.surplus(n.cfg.KeepLogEntries, n.cfg.KeepLogBytes)
	// The anchor's own entry stays: what the log begins with is to be checked
	// against the ledger at the next start (checkLog).
	last := min(want, metas[0].Index-1, certified.Index-min(1, certified.Index))
	if want > last && want-last > n.cfg.KeepLogEntries {
		n.log.Warn("raft's log is longer than it should be: nothing is cut off above what is certified", "certified", certified.Index, "begins", first, "anchor", metas[0].Index)
	}
	if first == 0 || last < first {
		return nil
	}
	// What the log does not say any more once it is cut: see membershipAt.
	if err := writeBase(n.stable, enrolled{metas[0].ConfigurationIndex, metas[0].Configuration}); err != nil {
		return err
	}
	began, from := time.Now(), first
	for from <= last && n.open() {
		to := n.lengths.chunk(from, last)
		var l raft.Log
		if err := n.logs.GetLog(to, &l); err != nil {
			return err
		}
		// From here on the log may begin after to.
		n.tap.rebase(ledger.Position{Index: to, Term: l.Term})
		if err := n.store.cutFront(from, to); err != nil {
			return err
		}
		from = to + 1
		select {
		case <-time.After(cutPause):
		case <-n.closing:
		}
	}
	n.log.Debug("raft's log was cut", "from", first, "to", last, "took", time.Since(began))
	return nil
}
