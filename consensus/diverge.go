package consensus

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"concordat/ledger"
	"concordat/ledger/block"
)

// ErrDiverged: this node's ledger may not be what the others have, so it
// vouches for nothing until it has seen that it is.
var ErrDiverged = errors.New("this node's ledger may have diverged from the others'")

// astray is the mark of C15. A leader signs a block for its own term and for
// the ledger as it has it, with all that earlier leaders got committed (C3,
// C4); an honest one's block fits every ledger that is right. So where one does
// not fit (ledger.RefusedBase: a validator signed it for this very term, on a
// size or root that is not ours), either somebody lies or this ledger is wrong,
// and from here the two look alike. What tells them apart is the next block of
// another validator that does fit: it takes the mark away. A block of our own
// does not, as it fits whatever we have.
//
// The process goes on, because one signed block of a liar would else stop every
// node; and it votes, stores and follows, because Raft's log is not in doubt.
type astray struct {
	self  string
	alone bool // there is no other validator to agree with
	log   *slog.Logger
	wake  func() // tells the proposer

	mu    sync.Mutex
	why   string // "": not astray
	since time.Time
	turns int // how often leadership was handed over since the last block that does not fit
}

func newAstray(c Config, wake func()) *astray {
	return &astray{self: c.Self, alone: len(c.Servers) == 1, log: c.Logger, wake: wake}
}

// get says why this node is astray, and since when; "" if it is not.
func (a *astray) get() (why string, since time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.why, a.since
}

// see takes note of what became of a block.
func (a *astray) see(pos ledger.Position, raw []byte, out ledger.Applied) {
	misfit := out.Refused == ledger.RefusedBase
	if why, _ := a.get(); a.alone || !misfit && (why == "" || out.Refused != "" || out.Count == 0) {
		return
	}
	b, err := block.Parse(raw)
	if err != nil {
		return // not so: the ledger has parsed it
	}
	proposer := string(b.Header().Proposer)
	if !misfit && proposer == a.self {
		return
	}
	a.mu.Lock()
	was := a.why
	if !misfit {
		a.why, a.since, a.turns = "", time.Time{}, 0
		a.mu.Unlock()
		a.log.Info("a block fits this ledger again: it is what the others have", "proposer", proposer, "index", pos.Index, "term", pos.Term)
		return
	}
	a.turns = 0 // others go on without us, and still differently
	if was == "" {
		a.since = time.Now()
		a.why = fmt.Sprintf("the block that %s signed for term %d, entry %d, does not fit this ledger: %s; either somebody lies, or this ledger is not what the others have",
			proposer, pos.Term, pos.Index, out.Detail)
	}
	why := a.why
	a.mu.Unlock()
	if was == "" {
		a.log.Error("this node may have diverged; until a block of another validator fits, it vouches for nothing and does not propose", "why", why)
		a.wake()
	}
}

// recall sets the mark again after a restart, where the last block of all did
// not fit. It runs before Raft.
func (a *astray) recall(l Ledger, logs raft.LogStore) error {
	at := l.Head().Applied
	first, err := logs.FirstIndex()
	if err != nil {
		return fmt.Errorf("reading raft's log: %w", err)
	}
	if at.Index == 0 || at.Index < first {
		return nil
	}
	var last raft.Log
	if err := logs.GetLog(at.Index, &last); err != nil {
		return fmt.Errorf("looking at the last block: %w", err)
	}
	if last.Type != raft.LogCommand || len(last.Data) == 0 {
		return nil
	}
	out, err := l.Apply(at, last.Data) // it was applied before: nothing changes
	if err != nil {
		return fmt.Errorf("looking at entry %d again: %w", at.Index, err)
	}
	a.see(at, last.Data, out)
	return nil
}

// yields reports that a leader is to hand leadership over instead of reigning,
// and counts that it does: with another leader it will be seen who is right.
func (a *astray) yields(voters int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.why == "" || a.turns >= voters {
		return false
	}
	a.turns++
	return true
}

// desperate reports that leadership has come back as often as there are voters,
// and nobody has proposed anything: one liar's block can mark all at once, and
// then somebody has to begin. This node does, with one block, and vouches for
// nothing in it: to those whose ledgers are as ours is it takes the mark away,
// to all others we are the one who is wrong.
func (a *astray) desperate(voters int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.turns >= voters
}

// handOver gives leadership to another, and else waits a moment.
func (n *Node) handOver() {
	if err := n.await(n.raft.LeadershipTransfer()); err != nil {
		n.log.Debug("leadership was not handed over", "err", err)
		n.pause()
	}
}
