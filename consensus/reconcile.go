package consensus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// How Raft's membership follows the ledger's (C21). The leader compares the two
// whenever it is told to, and every now and then; plan says what the next change
// is, if one can be made now, and what is still to come.

// maxServers is how many a membership has at most: transports refuse more.
const maxServers = 128

// verb is a kind of change of Raft's membership.
type verb int

const (
	nothing verb = iota
	admit        // without a vote
	readdress
	promote
	cede // the leader is to lose its vote, and hands over first
	demote
	remove
)

var verbs = map[verb]string{
	admit: "gets the order", readdress: "has another address", promote: "votes", cede: "leads instead", demote: "votes no more", remove: "is removed",
}

// change is one step from Raft's membership to the ledger's.
type change struct {
	verb   verb
	server Server
}

func (c change) String() string { return c.server.ID + " " + verbs[c.verb] }

// sight is what a leader knows that a change depends on.
type sight struct {
	self    string
	have    enrolled
	settled bool               // the newest membership is committed
	vouched bool               // what the ledger wants is certified
	healthy func(string) bool  // heard just now
	ready   func(string) error // nil: caught up; else what is missing, in words
	heir    string             // who could lead instead; "" if nobody
}

// difference is one thing that Raft's membership is not as the ledger has it.
type difference struct{ id, why string }

// plan gives the first change that can be made now, and all that is to be changed
// with what each waits for. New ones come in before anything else, votes are given
// before they are taken, and removals come last.
func plan(want Membership, s sight) (next change, open []difference) {
	can := s.settled
	take := func(v verb, of Server, why string) {
		open = append(open, difference{of.ID, why})
		if can && next.verb == nothing {
			next = change{verb: v, server: of}
		}
	}
	wait := func(id, format string, args ...any) {
		open = append(open, difference{id, fmt.Sprintf(format, args...)})
	}
	in := map[string]raft.Server{}
	for _, h := range s.have.Conf.Servers {
		in[string(h.ID)] = h
	}
	for _, w := range inOrder(want.Voters, want.Followers) {
		h, is := in[w.ID]
		switch {
		case !is && len(in) >= maxServers:
			wait(w.ID, "%s cannot get the order: there are %d servers, the most that there can be", w.ID, len(in))
		case !is:
			take(admit, w, w.ID+" does not get the order yet")
		case string(h.Address) != w.Address:
			take(readdress, w, fmt.Sprintf("%s is known at %s, and is at %s now", w.ID, h.Address, w.Address))
		}
	}
	pending := 0 // votes that are to be given yet
	for _, w := range inOrder(want.Voters, nil) {
		h, is := in[w.ID]
		if is && h.Suffrage == raft.Voter {
			continue
		}
		pending++
		if !is || string(h.Address) != w.Address {
			continue
		}
		switch err := s.ready(w.ID); {
		case !s.vouched:
			wait(w.ID, "%s is to vote once it is certified that it may", w.ID)
		case err != nil:
			wait(w.ID, "%s is to vote once it has caught up: %v", w.ID, err)
		default:
			take(promote, w, w.ID+" does not vote yet")
		}
	}
	if !s.have.votes(raft.ServerID(s.self)) {
		return next, open // it does not lead for long
	}
	voters := s.have.voters()
	if _, votes, _ := want.server(s.self); !votes {
		if s.heir == "" {
			wait(s.self, "%s leads and is to vote no more, and there is nobody to hand over to", s.self)
		} else {
			take(cede, Server{ID: s.heir}, s.self+" leads and is to vote no more")
		}
	}
	for _, alive := range []bool{false, true} { // without the dead, the living are more of a majority
		for _, v := range voters {
			id := string(v.ID)
			_, votes, is := want.server(id)
			if votes || id == s.self || s.healthy(id) != alive {
				continue
			}
			step := demote
			if !is {
				step = remove
			}
			switch up, of := s.without(voters, id); {
			case !s.vouched:
				wait(id, "%s votes, until it is certified that it may not", id)
			case up < of/2+1:
				wait(id, "%s votes, since without it %d of %d would answer, and that is no majority", id, up, of)
			case alive && pending > 0 && of < len(want.Voters):
				wait(id, "%s votes, until those who take its place do", id)
			default:
				take(step, Server{ID: id, Address: string(v.Address)}, id+" votes, and is to vote no more")
			}
		}
	}
	for _, h := range s.have.Conf.Servers {
		if _, _, is := want.server(string(h.ID)); !is && h.Suffrage != raft.Voter {
			take(remove, Server{ID: string(h.ID), Address: string(h.Address)}, fmt.Sprintf("%s gets the order, and is a member no more", h.ID))
		}
	}
	return next, open
}

// without is how many of how many voters would answer if one were none.
func (s sight) without(voters []raft.Server, id string) (up, of int) {
	for _, v := range voters {
		if string(v.ID) == id {
			continue
		}
		of++
		if string(v.ID) == s.self || s.healthy(string(v.ID)) {
			up++
		}
	}
	return up, of
}

// inOrder is both lists as one, ascending: the next change is the same whoever leads.
func inOrder(a, b []Server) []Server {
	out := slices.Concat(a, b)
	slices.SortFunc(out, func(x, y Server) int { return strings.Compare(x.ID, y.ID) })
	return out
}

// office is a leader's time in office, of the goroutine that reconciles; what is
// told to others is under the lock.
type office struct {
	nudge chan struct{} // of one element

	term   uint64
	retire time.Time            // when it hands over; zero: never
	want   Membership           // as last seen
	seen   uint64               // the last block that was applied when want was first seen
	races  map[string]race      // of those who are to vote
	open   map[string]time.Time // what is still open, by id, and since when

	mu        sync.Mutex
	lagging   []string
	refreshed time.Time // when the membership was last written again as it was
}

// race is one try of a follower to catch up: it is ready when it has, in less time
// than an election takes, all that the leader had when the race began.
type race struct {
	goal  uint64
	began time.Time
	won   bool // the last one
}

// Reconcile says that the ledger's membership may have changed.
func (n *Node) Reconcile() {
	select {
	case n.office.nudge <- struct{}{}:
	default:
	}
}

// reconcile runs until the node closes.
func (n *Node) reconcile() {
	every := max(n.cfg.Profile.Heartbeat/10, 10*time.Millisecond)
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		changed := n.Changed()
		select {
		case <-timer.C:
		case <-n.office.nudge:
		case <-changed:
		case <-n.closing:
			return
		case <-n.fault.done:
			return
		}
		next := 10 * every
		if r := n.reign.Load(); r == nil || !n.reigns(r.term) {
			n.office.leave()
		} else if n.govern(r.term) {
			next = every
		}
		timer.Reset(next)
	}
}

// leave ends a time in office.
func (o *office) leave() {
	o.term, o.open = 0, nil
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lagging = nil
}

// govern makes the next change, if there is one, and reports that something is
// still open.
func (n *Node) govern(term uint64) bool {
	o := &n.office
	now := time.Now()
	if o.term != term {
		o.leave()
		o.term, o.retire, o.want, o.races = term, time.Time{}, Membership{}, map[string]race{}
		if d := n.cfg.RotateLeader; d > 0 {
			o.retire = now.Add(d + rand.N(d/4+1)) // not all leaders of a busy day at the same hour
		}
	}
	want, err := n.cfg.members()
	if err != nil || len(want.Voters) == 0 {
		if err == nil {
			err = fmt.Errorf("it names no validator")
		}
		n.log.Error("what the ledger says of the members cannot be followed", "err", err)
		o.tell([]difference{{why: fmt.Sprintf("the ledger's members cannot be followed: %v", err)}}, now, 0)
		return false
	}
	pos, _ := n.fsm.position()
	if !want.equal(o.want) {
		o.want, o.seen = want, pos.Index
	}
	s := n.sight(term, now)
	next, open := plan(want, s)
	o.tell(open, now, n.cfg.Profile.Patience)
	switch {
	case next.verb != nothing:
		if err := n.make(next, s.have.Index); err != nil {
			n.log.Debug("raft's membership was not changed", "change", next.String(), "err", err)
			n.pause()
		} else {
			n.log.Info("raft's membership follows the ledger's", "change", next.String(), "term", term)
			n.Reconcile() // there may be more to do
		}
	case len(open) == 0 && s.settled && !o.retire.IsZero() && now.After(o.retire) && s.heir != "":
		n.log.Info("this node has led for long enough, and hands over", "to", s.heir, "term", term, "after", n.cfg.RotateLeader)
		o.retire = now.Add(n.cfg.RotateLeader / 8) // if it fails, not again at once
		if err := n.make(change{verb: cede, server: Server{ID: s.heir}}, 0); err != nil {
			n.log.Info("leadership was not handed over", "to", s.heir, "err", err)
		}
	}
	return len(open) > 0
}

// tell keeps what has been open for a while, for Status.
func (o *office) tell(open []difference, now time.Time, after time.Duration) {
	was := o.open
	o.open = map[string]time.Time{}
	var words []string
	for _, d := range open {
		since, is := was[d.id]
		if !is {
			since = now
		}
		o.open[d.id] = since
		if now.Sub(since) >= after {
			words = append(words, d.why)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lagging = words
}

func (o *office) words() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.lagging)
}

// sight looks how things stand.
func (n *Node) sight(term uint64, now time.Time) sight {
	o := &n.office
	commit, last := n.raft.CommitIndex(), n.raft.LastIndex()
	have := n.roll.newest()
	s := sight{self: n.cfg.Self, have: have, settled: !have.guessed() && have.Index <= commit, vouched: true}
	if n.cfg.Certified != nil && n.cfg.Members != nil {
		at, ok := n.cfg.Certified()
		s.vouched = o.seen == 0 || ok && at.Index >= o.seen
	}
	s.healthy = func(id string) bool { return n.heard(id, term, now) }
	s.ready = func(id string) error {
		if !s.healthy(id) {
			return fmt.Errorf("it does not answer")
		}
		p := n.tap.peer(raft.ServerID(id), term)
		r, racing := o.races[id]
		if !racing || p.match >= r.goal {
			won := racing && now.Sub(r.began) <= n.cfg.Profile.Election || p.match >= last
			r = race{goal: last, began: now, won: won}
			o.races[id] = r
		} else if now.Sub(r.began) > n.cfg.Profile.Election {
			r.won = false
			o.races[id] = r
		}
		if !r.won {
			return fmt.Errorf("it has entry %d of %d", p.match, last)
		}
		// Whoever does not know yet that it may vote would not hear it as a leader.
		for _, v := range append(have.voters(), raft.Server{ID: raft.ServerID(id)}) {
			if other := string(v.ID); other != s.self && s.healthy(other) && n.tap.peer(v.ID, term).told < o.seen {
				return fmt.Errorf("%s does not know yet that entry %d is committed", other, o.seen)
			}
		}
		return nil
	}
	for id := range o.races {
		if have.votes(raft.ServerID(id)) {
			delete(o.races, id)
		}
	}
	s.heir = n.heir(o.want, have, term, now)
	return s
}

// heard reports that a server answered just now, or is this node.
func (n *Node) heard(id string, term uint64, now time.Time) bool {
	return id == n.cfg.Self || now.Sub(n.tap.peer(raft.ServerID(id), term).heard) <= 2*n.cfg.Profile.Heartbeat
}

// make has Raft make a change, upon the membership of an entry and no other.
func (n *Node) make(c change, on uint64) error {
	ctx, cancel := n.context(n.cfg.Profile.Patience)
	defer cancel()
	id, at := raft.ServerID(c.server.ID), raft.ServerAddress(c.server.Address)
	soon := n.cfg.Profile.Heartbeat
	var f raft.Future
	switch c.verb {
	case admit:
		f = n.raft.AddNonvoter(id, at, on, soon)
	case readdress:
		if n.roll.newest().votes(id) {
			f = n.raft.AddVoter(id, at, on, soon)
		} else {
			f = n.raft.AddNonvoter(id, at, on, soon)
		}
	case promote:
		f = n.raft.AddVoter(id, at, on, soon)
	case demote:
		f = n.raft.DemoteVoter(id, on, soon)
	case remove:
		f = n.raft.RemoveServer(id, on, soon)
	case cede:
		return n.Transfer(ctx, c.server.ID)
	}
	err := n.awaitIn(ctx, f)
	if c.verb == remove && err == nil {
		n.tap.forget(id) // should it come back, it may have lost what it had
	}
	return err
}

// awaitIn is await, ended by ctx as well.
func (n *Node) awaitIn(ctx context.Context, f raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- f.Error() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-n.fault.done:
		return n.fault.get()
	case <-n.closing:
		return n.closedError()
	}
}

// refreshEvery bounds how often the membership is written again as it is. Anybody
// who may ask for a frontier can ask for it at will.
const refreshEvery = time.Second

// refresh makes sure that a membership stands in the log behind an entry that one
// who rejoins has adopted: what that one takes for the membership is a guess (C22).
func (n *Node) refresh(ctx context.Context, adopted uint64) error {
	have := n.roll.newest()
	switch last := n.raft.LastIndex(); {
	case have.Index > adopted:
		return nil
	case adopted > last:
		return fmt.Errorf("%w: entry %d is said to be adopted, and this leader's log ends with %d", ErrAdopt, adopted, last)
	}
	o := &n.office
	o.mu.Lock()
	soon := time.Since(o.refreshed) < refreshEvery
	if !soon {
		o.refreshed = time.Now()
	}
	o.mu.Unlock()
	if soon {
		return fmt.Errorf("%w: the membership was written again a moment ago", ErrBusy)
	}
	for _, s := range have.Conf.Servers {
		if string(s.ID) != n.cfg.Self || s.Suffrage != raft.Voter {
			continue
		}
		if err := n.awaitIn(ctx, n.raft.AddVoter(s.ID, s.Address, have.Index, n.cfg.Profile.Heartbeat)); err != nil {
			return fmt.Errorf("%w: writing the membership again: %w", ErrNoQuorum, err)
		}
		return nil
	}
	return fmt.Errorf("%w: it has no vote in the membership of entry %d", ErrNotLeader, have.Index)
}

// memberStatus is the membership as Status tells it.
func (n *Node) memberStatus(leads bool, term uint64) (out []MemberStatus) {
	last := n.raft.LastIndex()
	for _, s := range n.roll.newest().Conf.Servers {
		m := MemberStatus{ID: string(s.ID), Address: string(s.Address), Voter: s.Suffrage == raft.Voter}
		if leads && m.ID != n.cfg.Self {
			m.Behind = last - min(last, n.tap.peer(s.ID, term).match)
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b MemberStatus) int { return strings.Compare(a.ID, b.ID) })
	return out
}
