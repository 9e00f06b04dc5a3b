package consensus

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
	"pgregory.net/rapid"

	"concordat/ledger"
)

func TestLengths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newLengths()
		model := map[uint64]int{}
		first, last := uint64(1), uint64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1: // an entry, which may take the place of what is there
				at := last + 1
				if last >= first {
					at = rapid.Uint64Range(first, last+1).Draw(t, "at")
				}
				for i := at; i <= last; i++ {
					delete(model, i)
				}
				size := rapid.IntRange(1, 100).Draw(t, "size")
				s.put(at, size)
				model[at], last = size, at
			case 2: // off the begin
				if last > first {
					to := rapid.Uint64Range(first, last-1).Draw(t, "to")
					s.deleted(first, to)
					for i := first; i <= to; i++ {
						delete(model, i)
					}
					first = to + 1
				}
			case 3: // off the end
				if last > first {
					from := rapid.Uint64Range(first+1, last).Draw(t, "from")
					s.deleted(from, last)
					for i := from; i <= last; i++ {
						delete(model, i)
					}
					last = from - 1
				}
			}
		}
		if last < first {
			return
		}
		entries, bytes := rapid.Uint64Range(1, 20).Draw(t, "entries"), rapid.Int64Range(1, 900).Draw(t, "bytes")
		want, n, sum := last, uint64(0), int64(0)
		for want >= first && n+1 <= entries && sum+int64(model[want]) <= bytes {
			n, sum, want = n+1, sum+int64(model[want]), want-1
		}
		if got := s.surplus(entries, bytes); got != want {
			t.Fatalf("of %d to %d, %d entries of %d bytes are kept: surplus up to %d, want %d", first, last, entries, bytes, got, want)
		}
	})
}

// certifiedAt is a Certified that a test can move.
type certifiedAt struct{ index atomic.Uint64 }

func (a *certifiedAt) get() (ledger.Position, bool) {
	i := a.index.Load()
	return ledger.Position{Index: i, Term: 1}, i > 0
}

func TestLogStaysBounded(t *testing.T) {
	t.Parallel()
	blocks := 2000
	if raceEnabled {
		blocks = 600
	}
	c := newCluster(t, "XA")
	m := c.member("XA")
	var certified certifiedAt
	m.tune = func(c *Config) {
		c.noSyncForTest = true
		c.AnchorEvery, c.KeepLogEntries = 50, 100
		c.Certified = certified.get
	}
	m.start()
	size := func() int64 {
		info, err := os.Stat(filepath.Join(m.dir, "data", logFile))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	made := 0
	more := func(n int) {
		for range n {
			c.must(c.net.risk(t, "XA", made))
			made++
			if certified.index.Load() > 0 {
				certified.index.Store(m.applied())
			}
		}
	}
	first := func() uint64 {
		i, err := m.node.bolt.FirstIndex()
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	more(300)
	if got := first(); got != 1 {
		t.Errorf("nothing is certified, and the log begins with %d", got)
	}
	certified.index.Store(40)
	until(t, "the log is cut up to what is certified", func() bool { more(1); return first() > 1 })
	if n := m.node.raft.LastIndex(); first() > n-100 {
		t.Errorf("the log has entries %d to %d, want at least 100", first(), n)
	}
	m.stop()
	certified.index.Store(0)
	m.start()
	c.leader()
	certified.index.Store(m.applied())
	// In steps, for a busy machine may cut late: what is bounded is what the log
	// keeps, and the file is as large as the log was at its longest.
	steps := func(n int) {
		for range n / 100 {
			more(100)
			until(t, "what is beyond the bounds is gone", func() bool {
				more(1)
				return m.node.raft.LastIndex()-first() < 100+2*50
			})
		}
	}
	steps(blocks / 2)
	half := size()
	steps(blocks / 2)
	if now := size(); now > 2*half { // bbolt doubles a small file
		t.Errorf("after %d blocks the file has %d bytes, after %d %d", blocks/2, half, blocks, now)
	}
	var l raft.Log
	if err := m.node.logs.GetLog(first()-1, &l); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("an entry that was cut off: %v, want raft's own error", err)
	}

	// Closed or killed: nothing is delivered again, and the log goes on.
	head := m.ledger.Head()
	for _, down := range []func(){m.stop, m.kill} {
		down()
		m.start()
		c.leader()
		if got := m.node.fsm.delivered.Load(); got != 0 || m.ledger.Head() != head {
			t.Errorf("%d entries were delivered again; the ledger stands at %+v, want %+v", got, m.ledger.Head(), head)
		}
	}
	// The ledger's disk is lost: the log does not have it all any more.
	m.stop()
	m.disk = vfs.NewMem()
	if err := m.tryStart(); !errors.Is(err, ErrGap) {
		t.Fatalf("the ledger is lost, and the log is cut: %v, want ErrGap", err)
	}
	if err := m.tryStart(); !errors.Is(err, ErrGap) {
		t.Fatalf("and again: %v, want ErrGap", err)
	}
	// Its peers have it: caught up with to any place that the log goes on from.
	if err := m.tryAdopt(20, false); !errors.Is(err, ErrGap) {
		t.Errorf("adopting before the log's begin: %v, want ErrGap", err)
	}
	m.adopt(head.Applied.Index-10, false)
	m.start()
	c.leader()
	if got := m.ledger.Head(); got != head {
		t.Errorf("the ledger came back at %+v, want %+v", got, head)
	}
	more(3)
	c.agree(nil)
}

// TestLargeEntriesAreCutByBytes: entries of a megabyte would else fill a disk.
func TestLargeEntriesAreCutByBytes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA")
	m := c.member("XA")
	m.tune = func(c *Config) {
		c.noSyncForTest = true
		c.KeepLogBytes = 2 << 20
		c.Certified = func() (ledger.Position, bool) { return ledger.Position{Index: m.applied(), Term: 1}, true }
	}
	m.start()
	blocks := 24 // about half a megabyte each
	if raceEnabled {
		blocks = 12
	}
	for i := range blocks {
		c.must(c.net.revoke(t, "XA", i*16000, 16000))
	}
	until(t, "the log is within its bound", func() bool {
		m.node.lengths.mu.Lock()
		defer m.node.lengths.mu.Unlock()
		return m.node.lengths.total <= 2<<20+1<<20
	})
	info, err := os.Stat(filepath.Join(m.dir, "data", logFile))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 8<<20 {
		t.Errorf("12 MB went through the log, of which 2 are kept; the file has %d bytes", info.Size())
	}
	c.agree(nil)
}
