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
// Where the network has other ways to tell (Config.Diverged), it is this ledger
// that is wrong, and no block takes the mark away. Such a node must not lead: the
// blocks that it would sign for its own history fit nobody else's, so that all who
// are right would be marked for as long as it leads.
//
// The process goes on, because one signed block of a liar would else stop every
// node; and it votes, stores and follows, because Raft's log is not in doubt.
type astray struct {
	self  string
	alone func() bool // there is no other validator to agree with
	log   *slog.Logger
	wake  func()        // tells the proposer
	known func() string // Config.Diverged; may be nil

	mu    sync.Mutex
	why   string // "": not astray
	since time.Time
	found time.Time // when known first said so
	turns int       // how often leadership was handed over since the last block that does not fit
}

func newAstray(c Config, wake func()) *astray {
	return &astray{self: c.Self, alone: c.alone, log: c.Logger, wake: wake, known: c.Diverged}
}

// certain says why this ledger is known to be wrong; "" if it is not known to be.
func (a *astray) certain() string {
	if a.known == nil {
		return ""
	}
	return a.known()
}

// get says why this node is astray, and since when; "" if it is not.
func (a *astray) get() (why string, since time.Time) {
	why = a.certain()
	a.mu.Lock()
	defer a.mu.Unlock()
	if why == "" {
		return a.why, a.since
	}
	if a.found.IsZero() {
		a.found = time.Now()
	}
	return why, a.found
}

// see takes note of what became of a block.
func (a *astray) see(pos ledger.Position, raw []byte, out ledger.Applied) {
	misfit := out.Refused == ledger.RefusedBase
	a.mu.Lock()
	marked := a.why != ""
	a.mu.Unlock()
	if a.alone() || !misfit && (!marked || out.Refused != "" || out.Count == 0) {
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
	last, err := logs.LastIndex()
	if err != nil {
		return fmt.Errorf("reading raft's log: %w", err)
	}
	if at.Index == 0 || at.Index < first || at.Index > last {
		return nil // cut off, or nothing came since Adopt emptied the log
	}
	var newest raft.Log
	if err := logs.GetLog(at.Index, &newest); err != nil {
		return fmt.Errorf("looking at the last block: %w", err)
	}
	if newest.Type != raft.LogCommand || len(newest.Data) == 0 {
		return nil
	}
	out, err := l.Apply(at, newest.Data) // it was applied before: nothing changes
	if err != nil {
		return fmt.Errorf("looking at entry %d again: %w", at.Index, err)
	}
	a.see(at, newest.Data, out)
	return nil
}

// yields reports that a leader is to hand leadership over instead of reigning,
// and counts that it does: with another leader it will be seen who is right.
func (a *astray) yields(voters int) bool {
	if a.certain() != "" {
		return true
	}
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
	if a.certain() != "" {
		return false
	}
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
