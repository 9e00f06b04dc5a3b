package node_test

import (
	"testing"
	"time"

	"concordat/ledger/block"
	"concordat/ledger/evidence"
)

// headers has the traitor lead, and show each of the others one statement under a
// header with another time, by how much it is told.
func (s *siege) headers(ahead func(i int) time.Duration) {
	s.t.Helper()
	common := s.x.branch()
	s.x.usurp()
	v, now := s.statement("XA"), time.Now()
	var last *branch
	for i, id := range s.honest {
		last = common.clone()
		last.put(last.seal(func(h *block.Header) { h.Time = now.Add(ahead(i)).UnixMilli() }, v.Raw()))
		last.show(id)
	}
	last.becomes()
	s.peace()
	s.settle()
}

// TestTraitorHeaderTimes: the roots are the same, so all is certified and nobody
// sees anything. Whoever comes back with an empty disk finds headers of which no
// two validators show the same: it takes any, and has the traitor convicted.
func TestTraitorHeaderTimes(t *testing.T) {
	s := besiege(t)
	s.headers(func(i int) time.Duration { return time.Duration(i) * time.Millisecond })
	s.wiped("XA")
	s.caught(s.honest, evidence.KindTwoBlocks)
	s.work()
	s.hold()
}

// TestTraitorHeaderTimeAhead: one follower is shown a time as far ahead as it
// takes, the others none. It goes on with them: honest blocks on the clock come
// after that one, and are taken.
func TestTraitorHeaderTimeAhead(t *testing.T) {
	s := besiege(t)
	s.headers(func(i int) time.Duration {
		if i == 0 {
			return 110 * time.Second
		}
		return 0
	})
	for _, id := range s.honest {
		if s.diverged(id) {
			t.Errorf("%s says that it has diverged", id)
		}
	}
	s.wiped("XB")
	s.caught(s.honest, evidence.KindTwoBlocks)
	s.hold()
}
