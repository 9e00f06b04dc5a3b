package consensus

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"concordat/ledger"
)

// fsm hands Raft's committed entries to the ledger (C6). Its Apply and Snapshot
// belong to one goroutine of Raft's. It does not implement raft.BatchingFSM:
// an entry is a batch already.
type fsm struct {
	cfg    Config
	fault  *fault
	astray *astray

	delivered atomic.Uint64 // entries that Raft handed over, for tests

	mu      sync.Mutex
	applied ledger.Position
	changed chan struct{} // closed when applied moves on
}

func newFSM(c Config, f *fault, a *astray) *fsm {
	return &fsm{cfg: c, fault: f, astray: a, applied: c.Ledger.Head().Applied, changed: make(chan struct{})}
}

// applyResult is what the proposer gets back through Raft's future.
type applyResult struct {
	applied ledger.Applied
	term    uint64
	err     error
}

func (f *fsm) Apply(l *raft.Log) any {
	f.delivered.Add(1)
	if err := f.fault.get(); err != nil {
		return applyResult{err: err}
	}
	raw := l.Data
	if len(raw) == 0 {
		// An empty command is one that no honest node makes; nil and empty must
		// not differ, because how Raft decodes it is not the same everywhere.
		raw = []byte{}
	}
	pos := ledger.Position{Index: l.Index, Term: l.Term}
	out, err := f.cfg.Ledger.Apply(pos, raw)
	if err != nil {
		err = fmt.Errorf("applying entry %d of term %d: %w", l.Index, l.Term, err)
		f.fault.set(err)
		return applyResult{err: err}
	}
	switch {
	case out.Duplicate || out.Refused == "":
	case out.Culprit != "":
		f.cfg.Logger.Error("a block was refused, which proves its proposer wrong", "proposer", out.Culprit, "refusal", out.Refused, "detail", out.Detail, "index", l.Index, "term", l.Term)
	default:
		f.cfg.Logger.Warn("a block was refused", "refusal", out.Refused, "detail", out.Detail, "index", l.Index, "term", l.Term)
	}
	if out.Refused != "" && !out.Duplicate && f.cfg.Refused != nil {
		f.cfg.Refused(raw)
	}
	f.astray.see(pos, raw, out) // before anybody who waits for this entry goes on
	f.mu.Lock()
	if pos.Index > f.applied.Index {
		f.applied = pos
	}
	close(f.changed)
	f.changed = make(chan struct{})
	f.mu.Unlock()
	return applyResult{applied: out, term: l.Term}
}

// position is where the ledger stands, and a channel that is closed when it moves on.
func (f *fsm) position() (ledger.Position, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.applied, f.changed
}

// Snapshot notes where the ledger stands. Raft calls no Apply meanwhile.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if err := f.fault.get(); err != nil {
		return nil, err
	}
	return &anchorSnapshot{f.cfg, anchorOf(f.cfg, f.cfg.Ledger.Head())}, nil
}

// Restore is never right: see C8.
func (f *fsm) Restore(r io.ReadCloser) error {
	if err := r.Close(); err != nil {
		return err
	}
	return ErrSnapshot
}

type anchorSnapshot struct {
	cfg    Config
	anchor anchor
}

// Persist flushes before it writes (C8): an anchor that outlived what it says
// would let a restart skip entries that the ledger lost.
func (s *anchorSnapshot) Persist(sink raft.SnapshotSink) error {
	if err := s.cfg.Ledger.Flush(); err != nil {
		return fmt.Errorf("flushing the ledger: %w", err)
	}
	return s.anchor.write(sink)
}

func (s *anchorSnapshot) Release() {}
