package consensus

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"concordat/ledger/block"
)

// A leader whose entries the others do not take (C20). A follower's transport may
// refuse an entry for now, by its clock; Raft sends it again for ever, and its
// heartbeats keep the others from electing somebody else. A transport says what
// happened with an error that has a method EntryRefused. Where most of the others
// refuse, this leader falls silent, which ends its leading, and does not stand for
// election for a while: the others elect one whose log ends before that entry,
// and it is overwritten.
//
// There is nobody to hand leadership to: Raft hands it only to one who has all of
// our log, and whoever took that entry would be refused it by the others too. So
// where this node's vote is needed for a majority, or that of another who took the
// entry, the order stands still until its time has come.

const (
	// asideFor is how long a leader that was refused does not stand for election,
	// unless it sees before that its clock agrees with the others'.
	asideFor = 30 * time.Second
	// clocksAgree is how near the time of another's new block is to this node's
	// clock, if both clocks are right.
	clocksAgree = 30 * time.Second
)

// errAside is what comes of whatever a node would send as a leader or candidate
// while it stands aside.
var errAside = errors.New("the others refused this node's blocks, and it does not lead for a while")

// entryRefused reports that an error says that a follower does not take an entry now.
func entryRefused(err error) bool {
	var refusal interface{ EntryRefused() bool }
	return errors.As(err, &refusal) && refusal.EntryRefused()
}

// aside is a node's standing aside. The zero value stands where it may.
type aside struct {
	mu     sync.Mutex
	why    string // for Status; "" if nothing was refused, or the clock was seen to agree since
	since  time.Time
	until  time.Time // it does not lead, or stand for election, before
	blocks uint64    // ordered by this node when it was refused
}

// now reports that this node neither leads nor stands for election.
func (a *aside) now() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Before(a.until)
}

// get says why this node stood aside, and since when it was refused; "" if not.
func (a *aside) get() (why string, since time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.why, a.since
}

func (a *aside) step(why string, since time.Time, blocks uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.why, a.since, a.until, a.blocks = why, since, time.Now().Add(asideFor), blocks
}

// over ends it, and reports that there was something to end.
func (a *aside) over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.why != ""
	a.why, a.since, a.until = "", time.Time{}, time.Time{}
	return was
}

// orderedSince reports that a block of this node's was ordered since it was refused.
func (a *aside) orderedSince(blocks uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.why != "" && blocks > a.blocks
}

// lookAside is called every now and then: it has a leader step down that most of
// the others have refused for longer than an election takes twice.
func (n *Node) lookAside() {
	if n.aside.orderedSince(n.blocks.Load()) {
		n.aside.over()
	}
	if n.aside.now() || !n.leads() {
		return
	}
	term := n.raft.CurrentTerm()
	by, since := n.tap.refusedBy(term, n.voters())
	if len(by) == 0 || time.Since(since) < 2*n.cfg.Profile.Election {
		return
	}
	n.aside.step(fmt.Sprintf("%s did not take them while it led in term %d", strings.Join(by, ", "), term), since, n.blocks.Load())
	n.log.Error("the others refuse this node's blocks; it steps down, so that another can lead. Is this machine's clock right?",
		"refused_by", by, "since", since, "term", term, "stands_again_in", asideFor)
	n.changed.tell()
}

// seeClock looks at entries that another leader sends: it has sealed the newest
// block just now, by its clock.
func (n *Node) seeClock(entries []*raft.Log) {
	if why, _ := n.aside.get(); why == "" {
		return
	}
	at := len(entries) - 1
	for ; at >= 0 && entries[at].Type != raft.LogCommand; at-- {
	}
	if at < 0 {
		return
	}
	h, err := block.PeekHeader(entries[at].Data)
	if err != nil || string(h.Proposer) == n.cfg.Self {
		return
	}
	if apart := n.cfg.Now().Sub(time.UnixMilli(h.Time)); apart.Abs() <= clocksAgree && n.aside.over() {
		n.log.Info("this node's clock agrees with the time of another's block; it may lead again", "proposer", h.Proposer, "apart", apart)
	}
}

// noteAnswer keeps whether a follower takes this leader's entries.
func (t *tap) noteAnswer(id raft.ServerID, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse, err error) {
	if len(args.Entries) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.peerLocked(id, args.Term)
	switch {
	case p.term != args.Term:
	case err == nil && resp.Success:
		p.refused = time.Time{}
	case entryRefused(err) && p.refused.IsZero():
		p.refused = time.Now()
	}
}

// refusedBy lists the voters who refuse this leader's entries in term, and since
// when most of the others have; nobody where these are not most of them.
func (t *tap) refusedBy(term uint64, voters []raft.Server) (by []string, since time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var times []time.Time
	others := 0
	for _, s := range voters {
		if s.ID == t.self {
			continue
		}
		others++
		if p := t.peers[s.ID]; p != nil && p.term == term && !p.refused.IsZero() {
			by, times = append(by, string(s.ID)), append(times, p.refused)
		}
	}
	most := others/2 + 1
	if len(by) < most {
		return nil, time.Time{}
	}
	slices.SortFunc(times, time.Time.Compare)
	slices.Sort(by)
	return by, times[most-1]
}
