package consensus

import (
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// Status is the order as this node sees it.
type Status struct {
	Role   string // "leader", "follower", "candidate" or "stopped"
	Term   uint64
	Leader string // authority; "" if none is known
	// Applied is up to where everything committed is applied here; Commit is
	// up to where this node knows the log to be committed.
	Applied, Commit uint64
	// Contact is when this node last knew that it had applied all that was
	// committed: a leader, when a majority last followed it; a follower, when
	// it heard how far the leader had got, and it has got there since. Zero if
	// that has not been so since the start.
	Contact time.Time
	// CaughtUp: Contact is not zero, a leader is known, and Diverged is empty.
	CaughtUp bool
	// Diverged says, in a sentence, why this ledger may not be what the others
	// have (C15); empty if nothing speaks for that. While it is set, since
	// DivergedSince, Contact stands still and ReadIndex and WaitApplied answer ErrDiverged.
	Diverged      string
	DivergedSince time.Time
	// Abstaining says, in a sentence, why this node votes for nobody and does
	// not stand for election (C18), and what it waits for; empty if it may vote.
	Abstaining string
	// Refused says, in words, who did not take this node's blocks while it led, so
	// that it stepped down (C20); RefusedSince is when that began. It is "" again when
	// this node's clock was seen to agree with another's, or the others took a block.
	Refused      string
	RefusedSince time.Time
	// Quorum: a leader is known that was heard recently, or this node leads and
	// has heard a majority recently. NoQuorumSince is when that ended; zero
	// while it is so.
	Quorum        bool
	NoQuorumSince time.Time
	// StalledSince is when a write to Raft's log began that has missed its
	// deadline; zero if none has.
	StalledSince time.Time
	// Waiting is how many statements wait to be proposed.
	Waiting int
	// Members are those who get the order, as this node's newest membership has
	// them, ascending by id. Config is the entry that it stands in; 0 while it is only
	// taken from the ledger, and no leader has confirmed it (C22).
	Members []MemberStatus
	Config  uint64
	// Lagging says, in a sentence each, what Raft's membership has not been for more
	// than a moment (Profile.Patience) and the ledger's is, and what it waits for.
	// Only a leader knows; and one that has none from a leader says that.
	Lagging []string
	// Peers are the other voters; what is known of them only a leader knows.
	Peers []Peer
}

// MemberStatus is one server of Raft's membership.
type MemberStatus struct {
	ID, Address string
	Voter       bool
	Behind      uint64 // entries that it is not known to have; only a leader knows
}

// Peer is another voter as a leader sees it.
type Peer struct {
	ID    string
	Heard time.Time // when it last followed this leader; zero if it has not
	Match uint64    // up to where its log is known to be the leader's
}

// knowledge is what Status remembers from look to look.
type knowledge struct {
	mu      sync.Mutex
	contact time.Time
	lost    time.Time // since when there is no quorum; zero if there is one
	clear   uint64    // no block up to here is unapplied
	leader  string    // as last logged
}

// Status says how things are now.
func (n *Node) Status() Status {
	now := time.Now()
	state := n.raft.State()
	_, leader := n.raft.LeaderWithID()
	s := Status{
		Role: role(state), Term: n.raft.CurrentTerm(), Leader: string(leader), Waiting: n.queue.waiting(), StalledSince: n.guard.stalled(),
		Abstaining: n.absence.why(),
	}
	k := &n.known
	k.mu.Lock()
	defer k.mu.Unlock()
	s.Commit = n.raft.CommitIndex()
	n.clearLocked(s.Commit)
	pos, _ := n.fsm.position()
	s.Applied = max(k.clear, pos.Index)
	s.Commit = max(s.Commit, s.Applied, n.tap.told())

	s.Diverged, s.DivergedSince = n.astray.get()
	agrees := s.Diverged == ""
	s.Refused, s.RefusedSince = n.aside.get()
	s.Config, s.Lagging = n.roll.newest().Index, n.office.words()
	s.Members = n.memberStatus(state == raft.Leader, s.Term)
	if s.Config == 0 {
		s.Lagging = append(s.Lagging, n.cfg.Self+" takes the membership from its ledger, and does not stand for election until a leader has confirmed it")
	}

	self := raft.ServerID(n.cfg.Self)
	heard := n.raft.LastContact()
	if state == raft.Leader {
		voters := n.voters()
		heard = n.tap.majorityHeard(s.Term, voters, now)
		for _, v := range voters {
			if v.ID != self {
				p := n.tap.peer(v.ID, s.Term)
				s.Peers = append(s.Peers, Peer{ID: string(v.ID), Heard: p.heard, Match: p.match})
			}
		}
		if r := n.reign.Load(); r != nil && r.term == s.Term && agrees && heard.After(k.contact) {
			k.contact = heard
		}
	} else if at, ok := n.tap.fulfilled(k.clear); ok && agrees && at.After(k.contact) {
		k.contact = at
	}
	s.Contact = k.contact
	s.CaughtUp = !s.Contact.IsZero() && s.Leader != "" && agrees
	s.Quorum = s.Leader != "" && !heard.IsZero() && now.Sub(heard) <= 2*n.cfg.Profile.Heartbeat && n.fault.get() == nil
	switch {
	case s.Quorum:
		k.lost = time.Time{}
	case k.lost.IsZero():
		k.lost = now
	}
	s.NoQuorumSince = k.lost
	return s
}

// clearLocked moves k.clear up to commit if every block up to there is applied.
// Between the last block and the end of the log there may be entries that carry
// none, which the ledger never sees (C6): the log is asked.
func (n *Node) clearLocked(commit uint64) {
	k := &n.known
	pos, _ := n.fsm.position()
	k.clear = max(k.clear, pos.Index)
	for i := commit; i > k.clear; i-- {
		var l raft.Log
		if err := n.logs.GetLog(i, &l); err != nil || l.Type == raft.LogCommand {
			return // not applied yet, or, on an error, not known to be
		}
	}
	k.clear = max(k.clear, commit)
}

func role(s raft.RaftState) string {
	if s == raft.Shutdown {
		return "stopped"
	}
	return strings.ToLower(s.String())
}

// watch looks at the status often enough that its times are good to a quarter
// of a heartbeat, and logs what changes.
func (n *Node) watch() {
	tick := time.NewTicker(max(n.cfg.Profile.Heartbeat/4, 5*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-n.observed:
			n.changed.tell()
		case <-n.fault.done:
			n.stopRaft() // nobody is led, and nobody's vote is taken, by a node that cannot keep its word
			n.changed.tell()
			return
		case <-n.closing:
			return
		}
		n.lookAside()
		s := n.Status()
		n.lookBehind(s)
		n.known.mu.Lock()
		was := n.known.leader
		n.known.leader = s.Leader
		n.known.mu.Unlock()
		if s.Leader != was && s.Leader != n.cfg.Self { // of itself, lead tells
			if s.Leader == "" {
				n.log.Warn("no leader is known", "term", s.Term, "was", was)
			} else {
				n.log.Info("following", "leader", s.Leader, "term", s.Term)
			}
		}
	}
}

// news is a channel that is closed and replaced at each piece of news.
type news struct {
	mu sync.Mutex
	ch chan struct{}
}

func (e *news) next() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ch == nil {
		e.ch = make(chan struct{})
	}
	return e.ch
}

func (e *news) tell() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ch != nil {
		close(e.ch)
		e.ch = nil
	}
}
