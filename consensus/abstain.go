package consensus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// A node without its memory (C18). What it voted and what it stored are promises
// that others count on; it has forgotten them, and rejoins in two steps. DESIGN.md
// has the argument.
//
//  1. Unheard: it does not know in which terms it voted, and says nothing at all:
//     no vote, no candidacy, and no acknowledgement, for even that would break a
//     promise made in a later term. It asks all others for their terms. No term in
//     which it voted for one of them is above that one's own.
//  2. Silent: its term is at least all those, and it votes for nobody in them. It
//     stores and acknowledges; but it may lack what it had stored before, and so
//     must not help to elect one who lacks it too. It votes again once it has
//     everything up to a point that the leader named after the rejoin.

// errAbstains is what others hear of a node that abstains.
var errAbstains = errors.New("this node lost its votes and abstains")

const (
	// deadSilence is how long those who do not answer are waited for, where the
	// others are enough. No candidacy lasts that long: it ends, and another term
	// begins, when Profile.Election has passed at most twice.
	deadSilence = time.Minute
	// termMargin is how far the term of one who was not heard may be above all
	// that were. Terms rise with elections, which a majority takes part in, so
	// that one more than another's would be much.
	termMargin = 1000
	// askPatience is how long one question may take.
	askPatience = 5 * time.Second
)

// The phases of a rejoin, in the order in which they are gone through.
const (
	rejoinUnheard = "unheard"
	rejoinSilent  = "silent"
	rejoinDone    = "done"
)

// rejoinRecord is in raft.db; zero for a node that never lost anything.
type rejoinRecord struct {
	Phase string `json:"phase"`
	// Floor is the term up to which this node never votes again; from the second
	// phase on Raft's own term is at least that.
	Floor uint64 `json:"floor,omitempty"`
}

func (r rejoinRecord) abstains() bool { return r.Phase == rejoinUnheard || r.Phase == rejoinSilent }

// gate is what a node may say.
type gate struct{ phase atomic.Pointer[string] }

func (g *gate) set(phase string) { g.phase.Store(&phase) }

func (g *gate) get() string {
	if p := g.phase.Load(); p != nil {
		return *p
	}
	return ""
}

// shut reports that not even entries may be acknowledged.
func (g *gate) shut() bool { return g.get() == rejoinUnheard }

// votes reports that this node may vote, and be voted for.
func (g *gate) votes() bool {
	p := g.get()
	return p != rejoinUnheard && p != rejoinSilent
}

// abstention is a node's way back to its vote; nil for one that has it.
type abstention struct {
	n      *Node
	stable raft.StableStore
	rec    rejoinRecord

	mu    sync.Mutex
	words string // why it abstains, for Status
}

func (a *abstention) say(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.words = fmt.Sprintf(format, args...)
}

// why says why this node abstains; "" if it does not.
func (a *abstention) why() string {
	if a == nil {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.words
}

// run goes through what is left of the two steps. It ends when the node closes;
// the next start goes on.
func (a *abstention) run() {
	n := a.n
	n.log.Warn("this node has no memory of its votes; it abstains until it has caught up with what it may have promised", "phase", a.rec.Phase)
	if a.rec.Phase == rejoinUnheard && !a.hear() {
		return
	}
	if !a.fulfil() {
		return
	}
	a.rec.Phase = rejoinDone
	if !a.note() {
		return
	}
	n.tap.gate.set(rejoinDone)
	a.say("")
	n.changed.tell()
	n.log.Info("this node votes again", "above_term", a.rec.Floor)
}

// note stores how far this node has got; a failure is the node's fault.
func (a *abstention) note() bool {
	if err := writeRejoin(a.stable, a.rec); err != nil {
		a.n.fault.set(err)
		return false
	}
	return true
}

func (a *abstention) sleep() bool { return a.n.nap() }

// nap waits a moment, and reports that the node is still open.
func (n *Node) nap() bool {
	timer := time.NewTimer(min(n.cfg.Profile.Heartbeat, time.Second))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-n.closing:
	case <-n.fault.done:
	}
	return n.open()
}

// hear finds the floor, and has Raft stand on it.
func (a *abstention) hear() bool {
	n := a.n
	began := time.Now()
	silence := deadSilence
	if n.cfg.silenceForTest > 0 {
		silence = n.cfg.silenceForTest
	}
	var others []string
	for _, s := range n.voters() {
		if string(s.ID) != n.cfg.Self {
			others = append(others, string(s.ID))
		}
	}
	// A leader that this node helped to elect has a majority, it included, that is
	// in its term: of so many, one is among them.
	voters := len(others) + 1
	enough := voters - (voters/2 + 1) + 1
	heard := map[string]uint64{}
	for {
		a.ask(others, heard)
		if !n.open() {
			return false
		}
		floor := n.raft.CurrentTerm()
		var missing []string
		for _, id := range others {
			if term, ok := heard[id]; ok {
				floor = max(floor, term)
			} else {
				missing = append(missing, id)
			}
		}
		switch {
		case len(missing) == 0:
			a.rec.Floor = floor
		case time.Since(began) >= silence && len(heard) >= enough:
			// The bound is beyond what any honest node has reached.
			a.rec.Floor = max(floor, min(floor+termMargin, n.maxTerm()))
		default:
			a.say("it lost its votes, and acknowledges nothing until it has heard the terms of all other validators; %s has not answered", strings.Join(missing, ", "))
			if !a.sleep() {
				return false
			}
			continue
		}
		return a.stand()
	}
}

// ask asks those who were not heard yet, all at once.
func (a *abstention) ask(others []string, heard map[string]uint64) {
	ctx, cancel := a.n.context(askPatience)
	defer cancel()
	type answer struct {
		id   string
		term uint64
		err  error
	}
	answers := make(chan answer, len(others))
	asked := 0
	for _, id := range others {
		if _, ok := heard[id]; ok {
			continue
		}
		asked++
		go func() {
			term, err := a.n.cfg.PeerTerm(ctx, id)
			answers <- answer{id, term, err}
		}()
	}
	for range asked {
		select {
		case r := <-answers:
			switch most := a.n.maxTerm(); {
			case r.err != nil:
				a.n.log.Debug("a validator did not tell its term", "id", r.id, "err", r.err)
			case r.term > most:
				// Raft would store it, and nobody would follow this node any more, nor it anybody.
				a.n.log.Warn("a validator tells a term that cannot be, which counts as no answer", "id", r.id, "term", r.term, "at_most", most)
			default:
				heard[r.id] = r.term
			}
		case <-ctx.Done():
			return
		}
	}
}

// abstained takes the place of a candidate in Raft's vote: it is nobody's address.
const abstained = "abstained"

// stand makes the floor hold: Raft's term is at least it, and its vote in that
// term is spent. Nothing but this writes the vote meanwhile: Raft hears of no
// candidate, and is none. A crash anywhere in between begins again with hear.
func (a *abstention) stand() bool {
	n := a.n
	if err := errors.Join(a.stable.Set(keyLastVoteCand, []byte(abstained)), a.stable.SetUint64(keyLastVoteTerm, a.rec.Floor)); err != nil {
		n.fault.set(fmt.Errorf("%w: storing the vote: %w", ErrStorage, err))
		return false
	}
	for n.raft.CurrentTerm() < a.rec.Floor {
		if most := n.maxTerm(); a.rec.Floor > most { // the clock was set back meanwhile
			a.say("it lost its votes, and may have voted up to term %d; by this node's clock none can be above %d: is it right?", a.rec.Floor, most)
		} else if err := n.tap.raiseTerm(a.rec.Floor, n.voters()); err != nil {
			n.log.Debug("raft's term was not raised", "floor", a.rec.Floor, "err", err)
		}
		if n.raft.CurrentTerm() < a.rec.Floor && !a.sleep() {
			return false
		}
	}
	a.rec.Phase = rejoinSilent
	if !a.note() {
		return false
	}
	n.log.Info("this node knows in which terms it may have voted; it follows, and votes for nobody yet", "floor", a.rec.Floor)
	a.say("it lost its votes, and votes for nobody until it has what the leader has; no leader has answered yet")
	n.tap.gate.set(rejoinSilent)
	return true
}

// maxTerm is the highest plausible term.
func (n *Node) maxTerm() uint64 {
	if n.cfg.MaxTerm == nil {
		return math.MaxUint64 - termMargin
	}
	return n.cfg.MaxTerm()
}

// raiseTerm moves Raft's term up by Raft's own hand, durably: with a vote request
// of that term, which cannot be granted, because the vote in it is spent and the
// candidate's log is empty.
func (t *tap) raiseTerm(term uint64, voters []raft.Server) error {
	at := slices.IndexFunc(voters, func(s raft.Server) bool { return s.ID != t.self })
	if at < 0 {
		return errors.New("there is no other voter")
	}
	answer := make(chan raft.RPCResponse, 1)
	req := &raft.RequestVoteRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(voters[at].ID), Addr: []byte(voters[at].Address)},
		Term:      term,
	}
	select {
	case t.in <- raft.RPC{Command: req, RespChan: answer}:
	case <-t.done:
		return raft.ErrTransportShutdown
	case <-t.stopping:
		return raft.ErrTransportShutdown
	}
	select {
	case r := <-answer:
		if resp, ok := r.Response.(*raft.RequestVoteResponse); ok && resp.Granted {
			panic("consensus: raft granted a vote that was spent") // nobody asked for it: it binds nobody
		}
		return r.Error
	case <-t.done:
		return raft.ErrTransportShutdown
	case <-t.stopping:
		return raft.ErrTransportShutdown
	}
}

// fulfil waits until this node has what it may have stored before. The leader's
// log ends beyond it: whatever this node stored for that leader was in that log,
// and what it stored for an earlier one and was committed is too. So has every
// leader after it, which counts only what is stored for itself.
func (a *abstention) fulfil() bool {
	n := a.n
	for {
		ctx, cancel := n.context(askPatience)
		frontier, err := n.cfg.LeaderFrontier(ctx, n.guessedAfter())
		cancel()
		if !n.open() {
			return false
		}
		if err != nil {
			n.log.Debug("no leader has named a frontier", "err", err)
			a.say("it lost its votes, and votes for nobody until it has what the leader has; no leader has answered yet")
		} else {
			has := n.raft.AppliedIndex()
			if has >= frontier && !n.roll.newest().guessed() {
				return true
			}
			a.say("it lost its votes, and votes for nobody until it has entry %d, which the leader named; it has %d", frontier, n.raft.AppliedIndex())
		}
		// Asked again: entries that were named may yet be replaced by another leader's.
		if !a.sleep() {
			return false
		}
		if err == nil && n.raft.AppliedIndex() >= frontier && !n.roll.newest().guessed() {
			return true
		}
	}
}

// guessedAfter is the entry behind which this node needs a membership of the
// leader's (C22); 0 if it has one.
func (n *Node) guessedAfter() uint64 {
	if n.roll.newest().guessed() {
		return n.adopted
	}
	return 0
}

// findPlace is for a node that has its votes, or never had any, and only guesses at
// the membership (C22): it follows and votes, and does not stand for election. It
// asks the leader to write the membership again until it has it, or the node closes.
func (n *Node) findPlace() {
	n.log.Info("this node takes the membership from its ledger, and does not stand for election until a leader has confirmed it")
	for n.roll.newest().guessed() {
		ctx, cancel := n.context(askPatience)
		if _, err := n.cfg.LeaderFrontier(ctx, n.adopted); err != nil && n.open() {
			n.log.Debug("no leader has written the membership again", "err", err)
		}
		cancel()
		if n.roll.newest().guessed() && !n.nap() {
			return
		}
	}
	n.changed.tell()
	n.log.Info("this node has the membership from a leader", "entry", n.roll.newest().Index)
}

// context ends with the node, or after a time.
func (n *Node) context(d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	go func() {
		select {
		case <-n.closing:
		case <-n.fault.done:
		case <-ctx.Done():
		}
		cancel()
	}()
	return ctx, cancel
}
