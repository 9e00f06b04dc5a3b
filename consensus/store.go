package consensus

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

var (
	// ErrLocked: another process has Raft's log open.
	ErrLocked = errors.New("raft's log is in use")
	// ErrStorage: Raft's log or votes cannot be written; the node must stop.
	ErrStorage = errors.New("raft's storage is broken")
	// errStalled: a write to Raft's log has missed its deadline.
	errStalled = errors.New("a write to raft's log has missed its deadline")
)

const (
	logFile = "raft.db"
	// cachedLogs is how many of the newest entries are kept in memory for followers that lag a little.
	cachedLogs = 64
	// hopeless is how many deadlines a late write gets before the node gives up hope.
	hopeless = 10
)

// guard keeps the deadline of writes (C9) for both stores, which share a file
// and a lock. At most one write is late; until it is settled, none begins.
type guard struct {
	deadline time.Duration
	log      *slog.Logger
	fault    *fault
	closed   <-chan struct{} // closed when Raft is told to stop

	mu        sync.Mutex
	late      chan struct{} // closed when the late write is settled; nil if none is late
	lateSince time.Time
}

// stalled says since when a write is late; zero if none is.
func (g *guard) stalled() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.late == nil {
		return time.Time{}
	}
	return g.lateSince
}

func (g *guard) pending() chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.late
}

// write makes one write to the log. Where it misses the deadline, the error
// tells Raft that it did not happen; if it happens yet, undo makes that true.
// A write without undo is not survived.
func (g *guard) write(what string, op, undo func() error) error {
	if g.pending() != nil {
		return fmt.Errorf("%w: %s waits for an earlier one", errStalled, what)
	}
	began := time.Now()
	done := make(chan error, 1)
	go func() { done <- op() }()
	timer := time.NewTimer(g.deadline)
	defer timer.Stop()
	select {
	case err := <-done:
		if err != nil {
			g.fault.set(fmt.Errorf("%w: %s: %w; free space or replace the disk, then start the node again", ErrStorage, what, err))
		}
		return err
	case <-timer.C:
	}
	late := make(chan struct{})
	g.mu.Lock()
	g.late, g.lateSince = late, began
	g.mu.Unlock()
	g.log.Error("raft's log is stalled; this node gives up leadership", "write", what, "deadline", g.deadline)
	go g.settle(what, began, done, undo, late)
	return fmt.Errorf("%w: %s took more than %v", errStalled, what, g.deadline)
}

// settle waits for a late write and makes the store what Raft thinks it is.
func (g *guard) settle(what string, began time.Time, done <-chan error, undo func() error, late chan struct{}) {
	if undo == nil {
		g.fault.set(fmt.Errorf("%w: %s took more than %v, and cannot be undone", ErrStorage, what, g.deadline))
	}
	end := time.NewTimer(time.Duration(hopeless) * g.deadline)
	defer end.Stop()
	var err error
	select {
	case err = <-done:
	case <-end.C:
		g.fault.set(fmt.Errorf("%w: %s has not ended after %v; see to the disk, then start the node again", ErrStorage, what, time.Since(began).Round(time.Second)))
		err = <-done
	}
	if err == nil && undo != nil {
		// If we crash before this line, the entry is in the log as if this
		// node had crashed right after it wrote it as a leader: an entry that
		// nobody acknowledged, which the others may keep or overwrite.
		err = undo()
	}
	if err != nil {
		g.fault.set(fmt.Errorf("%w: %s, late: %w", ErrStorage, what, err))
		return // nothing is written any more: late stays
	}
	g.log.Warn("raft's log writes again", "write", what, "took", time.Since(began).Round(time.Millisecond))
	g.mu.Lock()
	g.late = nil
	g.mu.Unlock()
	close(late)
}

// logStore is Raft's log under guard.
type logStore struct {
	raft.LogStore
	guard   *guard
	lengths *lengths
	roll    *roll
	// cut is set while entries were deleted and none stored since. Raft then
	// thinks that its log is longer than it is (appendEntries in v1.7.3), and
	// would never get past a write that fails.
	cut bool
}

func (s *logStore) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

func (s *logStore) StoreLogs(logs []*raft.Log) error {
	first, last := logs[0].Index, logs[len(logs)-1].Index
	what := fmt.Sprintf("storing entries %d to %d", first, last)
	err := s.guard.write(what,
		func() error { return s.LogStore.StoreLogs(logs) },
		func() error { return s.LogStore.DeleteRange(first, last) })
	if err != nil && s.cut {
		s.guard.fault.set(fmt.Errorf("%w: %s, after a cut: %w", ErrStorage, what, err))
	}
	s.cut = s.cut && err != nil
	if err == nil {
		for _, l := range logs {
			s.lengths.put(l.Index, len(l.Data)+entryOverhead)
		}
		s.roll.stored(logs)
	}
	return err
}

// entryOverhead is about what bbolt and raft-boltdb store beside an entry's data.
const entryOverhead = 128

// DeleteRange is Raft's: it deletes at the log's end, where another leader's
// entries are to come.
func (s *logStore) DeleteRange(first, last uint64) error {
	err := s.guard.write(fmt.Sprintf("deleting entries %d to %d", first, last),
		func() error { return s.LogStore.DeleteRange(first, last) }, nil)
	if err == nil {
		s.cut = true
		s.lengths.deleted(first, last)
		s.roll.cut(first)
	}
	return err
}

// cutFront is ours: it deletes at the log's begin. Nobody waits for it, and it is
// right whenever it happens, so that it has no deadline. While a write is late it waits.
func (s *logStore) cutFront(first, last uint64) error {
	if late := s.guard.pending(); late != nil {
		select {
		case <-late:
		case <-s.guard.closed:
			return ErrClosed
		}
	}
	err := s.LogStore.DeleteRange(first, last)
	if err == nil {
		s.lengths.deleted(first, last)
	}
	return err
}

// GetLog tells the fault of an entry that is not what was stored, whoever reads it.
func (s *logStore) GetLog(index uint64, into *raft.Log) error {
	err := s.LogStore.GetLog(index, into)
	if errors.Is(err, ErrCorrupt) {
		s.guard.fault.set(err)
	}
	if err == nil {
		s.roll.read(into)
	}
	return err
}

// stableStore is Raft's term and vote under guard. Raft panics where a term
// cannot be stored, and there is nothing better to do with an error here: so a
// write that is slow is waited for (no leader's work depends on it), and one
// that fails tells the fault and ends Raft's goroutine, with its deferred calls.
type stableStore struct {
	raft.StableStore
	guard *guard
}

func (s *stableStore) Get(key []byte) ([]byte, error) {
	value, err := s.StableStore.Get(key)
	return value, s.read(err)
}

func (s *stableStore) GetUint64(key []byte) (uint64, error) {
	value, err := s.StableStore.GetUint64(key)
	return value, s.read(err)
}

// read tells the fault of a vote that is not what was stored. Raft, which gets
// the error too, grants none.
func (s *stableStore) read(err error) error {
	if errors.Is(err, ErrCorrupt) {
		s.guard.fault.set(err)
	}
	return err
}

func (s *stableStore) Set(key, value []byte) error {
	return s.write(key, func() error { return s.StableStore.Set(key, value) })
}

func (s *stableStore) SetUint64(key []byte, value uint64) error {
	// Raft writes the term that it has just read when it starts.
	if have, err := s.GetUint64(key); err == nil && have == value {
		return nil
	}
	return s.write(key, func() error { return s.StableStore.SetUint64(key, value) })
}

func (s *stableStore) write(key []byte, op func() error) error {
	if late := s.guard.pending(); late != nil {
		select {
		case <-late:
		case <-s.guard.closed:
			runtime.Goexit()
		}
	}
	done := make(chan error, 1)
	began := time.Now()
	go func() { done <- op() }()
	for deadline := s.guard.deadline; ; deadline *= hopeless {
		timer := time.NewTimer(deadline)
		select {
		case err := <-done:
			timer.Stop()
			if err == nil {
				return nil
			}
			s.guard.fault.set(fmt.Errorf("%w: storing %s: %w; free space or replace the disk, then start the node again", ErrStorage, key, err))
			runtime.Goexit()
		case <-s.guard.closed:
			timer.Stop()
			runtime.Goexit()
		case <-timer.C:
			if deadline > s.guard.deadline {
				s.guard.fault.set(fmt.Errorf("%w: storing %s has not ended after %v; see to the disk, then start the node again", ErrStorage, key, time.Since(began).Round(time.Second)))
				runtime.Goexit()
			}
			s.guard.log.Error("raft's term or vote takes long to store", "key", string(key), "deadline", s.guard.deadline)
		}
	}
}
