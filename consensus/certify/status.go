package certify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// Status is where certification stands, as this node sees it.
type Status struct {
	Head  uint64                // the ledger's size
	Final *checkpoint.Certified // nil before the first
	// KnownAhead is the size of a certified checkpoint that this node's ledger
	// has not reached; 0: it knows of none.
	KnownAhead uint64
	Validators int
	Quorum     int

	Vouching bool     // this node co-signs
	Why      []string // why it does not, for a person

	// NotFinalSince is since when nothing new is final although there is
	// something new, or the head was not confirmed again in time. Zero: all is
	// final. While statements keep coming it is a fraction of a second ago.
	NotFinalSince time.Time
	NotFinal      []string // why, for a person; filled when it lasts
	// Missing are the validators that have not co-signed the head, this node included.
	Missing []Peer
	Peers   []Peer // all validators, this node included, by id

	Signed     uint64    // the size that this node signed last
	SignedTime time.Time // the time in that signature
}

// Peer is a validator as this node sees it.
type Peer struct {
	ID        statement.Region
	Suspended bool
	Heard     time.Time // when its node last answered; zero: never
	Mute      bool      // it does not answer
	// Echoed is the size that it last said it holds, and when; Other says that
	// our ledger has another root there.
	Echoed     uint64
	EchoedRoot merkle.Hash
	EchoedAt   time.Time
	Other      bool
	// Cosigned is the greatest size that it co-signed on our history or beyond our head, and the time in that signature.
	Cosigned   uint64
	CosignedAt time.Time
}

// Status says where certification stands, and why it does not go on.
func (c *Certifier) Status() Status {
	may := c.cfg.May()
	clock := c.cfg.Now()
	now := time.Now()
	c.mu.Lock()
	newest := map[string]mark{}
	for _, p := range c.peers {
		if n := len(p.echoes); n > 0 {
			newest[p.id] = p.echoes[n-1].mark
		}
	}
	c.mu.Unlock()
	other := map[string]bool{}
	for id, m := range newest {
		if stands, err := c.stands(m); err == nil { // a ledger that fails is said below
			other[id] = stands == foreign
		}
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	s := Status{Final: c.final, Validators: len(c.vs), Quorum: c.vs.Quorum(), Signed: c.signed.size}
	if head := c.pins.newest(); head != nil {
		s.Head = head.size
	}
	if c.ahead != nil {
		s.KnownAhead = c.ahead.Checkpoint().Size
	}
	if c.signed.size > 0 {
		s.SignedTime = time.Unix(c.signed.time, 0).UTC()
	}
	s.Why = c.whyLocked(may, clock)
	s.Vouching = len(s.Why) == 0
	for _, v := range c.vs {
		p := c.peerLocked(v, other)
		s.Peers = append(s.Peers, p)
		if p.Cosigned < s.Head || p.Suspended {
			s.Missing = append(s.Missing, p)
		}
	}
	switch {
	case !c.openSince.IsZero():
		s.NotFinalSince = c.progressLocked()
	case c.final != nil && now.Sub(c.finalAt) > 2*c.cfg.RefreshEvery+2*stalled:
		s.NotFinalSince = c.finalAt.Add(c.cfg.RefreshEvery)
	}
	if !s.NotFinalSince.IsZero() && now.Sub(s.NotFinalSince) >= stalled {
		s.NotFinal = c.notFinalLocked(s)
	}
	return s
}

func (c *Certifier) peerLocked(v checkpoint.Validator, other map[string]bool) Peer {
	out := Peer{ID: v.ID, Suspended: v.Suspended}
	if r := c.records[v.ID]; r != nil {
		for _, l := range r.recent {
			if l.kind == kindCosign && l.size >= out.Cosigned {
				out.Cosigned, out.CosignedAt = l.size, l.at
			}
		}
	}
	if v.ID == c.cfg.Self {
		out.Heard = time.Now()
		if n := len(c.mine); n > 0 {
			e := c.mine[n-1]
			out.Echoed, out.EchoedRoot, out.EchoedAt = e.size, e.root, e.at
		}
		return out
	}
	if p := c.peers[string(v.ID)]; p != nil {
		out.Heard, out.Other = p.heard, other[p.id]
		out.Mute = p.mute(time.Now(), c.cfg.RefreshEvery+silent)
		if n := len(p.echoes); n > 0 {
			e := p.echoes[n-1]
			out.Echoed, out.EchoedRoot, out.EchoedAt = e.size, e.root, e.at
		}
	}
	return out
}

// whyLocked lists why this node does not co-sign.
func (c *Certifier) whyLocked(may error, clock time.Time) []string {
	why := c.blockedLocked(may)
	if c.signer == nil {
		return why
	}
	if head := c.pins.newest(); head != nil && head.size < c.signed.size {
		why = append(why, fmt.Sprintf("its ledger has %d statements, and it has signed size %d: it signs again when it has caught up", head.size, c.signed.size))
	}
	if f := c.historyFaultLocked(); f != "" {
		why = append(why, f)
	}
	if c.signError != nil {
		why = append(why, fmt.Sprintf("it cannot sign: %v", c.signError))
	}
	if ahead := time.Unix(c.signed.time, 0).Sub(clock); ahead > clockSlack {
		why = append(why, fmt.Sprintf("it has signed a time %v ahead of its clock, and a signature's time never runs back: the others do not count it until then", ahead.Round(time.Second)))
	}
	return why
}

// historyFaultLocked says that what was signed is not in this ledger.
func (c *Certifier) historyFaultLocked() string {
	c.facts.mu.Lock()
	f, ok := c.facts.seen[c.signed.size]
	c.facts.mu.Unlock()
	if !ok || c.signed.size == 0 || f.root == c.signed.root {
		return ""
	}
	return fmt.Sprintf("this validator signed the root %x at size %d, and its ledger has %x there: this ledger is another history; it never signs it",
		c.signed.root[:8], c.signed.size, f.root[:8])
}

// notFinalLocked says why nothing becomes final, naming validators.
func (c *Certifier) notFinalLocked(s Status) []string {
	_, listens := c.vs.Find(c.cfg.Self) // others are not told what validators hold
	var mute, otherHistory, behind, unsigned, early, suspended []string
	for _, p := range s.Peers {
		id := string(p.ID)
		switch {
		case p.Suspended:
			suspended = append(suspended, id)
		case p.ID == c.cfg.Self:
		case p.Mute:
			mute = append(mute, id)
		case c.earlyLocked(p.ID, s.Head):
			early = append(early, id)
		case p.Other:
			otherHistory = append(otherHistory, fmt.Sprintf("%s holds another history at size %d", id, p.Echoed))
		case listens && p.Echoed < s.Head:
			behind = append(behind, fmt.Sprintf("%s (%d)", id, p.Echoed))
		case p.Cosigned < s.Head:
			unsigned = append(unsigned, id)
		}
	}
	n := len(s.Peers)
	var out []string
	say := func(list []string, words string) {
		if len(list) > 0 {
			out = append(out, fmt.Sprintf("%d of %d validators %s: %s; %d are needed", len(list), n, words, strings.Join(list, ", "), s.Quorum))
		}
	}
	say(mute, "do not answer")
	out = append(out, otherHistory...)
	say(suspended, "are suspended by evidence")
	say(early, fmt.Sprintf("have co-signed with a time more than %v ahead of this node's clock, which does not count (compare the clocks)", clockSlack))
	say(behind, fmt.Sprintf("have not said that they hold size %d, only less", s.Head))
	if listens {
		say(unsigned, fmt.Sprintf("hold size %d and have not co-signed it", s.Head))
	} else {
		say(unsigned, fmt.Sprintf("have not co-signed size %d", s.Head))
	}
	if listens && !s.Vouching {
		out = append(out, fmt.Sprintf("this validator, %s, does not vouch: %s", c.cfg.Self, strings.Join(s.Why, "; ")))
	}
	if s.KnownAhead > s.Head {
		out = append(out, fmt.Sprintf("this ledger has %d statements, and %d are certified elsewhere: it has to catch up", s.Head, s.KnownAhead))
	}
	if len(out) == 0 {
		out = append(out, "all validators answer; the round is under way")
	}
	return slices.Clip(out)
}

// earlyLocked reports that all that a validator co-signed of a size is of a
// time too far ahead of our clock.
func (c *Certifier) earlyLocked(id statement.Region, size uint64) bool {
	r := c.records[id]
	if r == nil {
		return false
	}
	early := false
	for _, l := range r.recent {
		if l.size == size && l.kind == kindCosign {
			return false
		}
		early = early || l.size == size && l.kind == kindEarly
	}
	return early
}
