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
	// Validators and Quorum are of those who certify the head; while validators
	// change, of those after the change. Sets has both.
	Validators int
	Quorum     int
	Sets       []Set

	Vouching bool     // this node co-signs
	Why      []string // why it does not, for a person

	// NotFinalSince is since when nothing new is final although there is
	// something new, or the head was not confirmed again in time. Zero: all is
	// final. While statements keep coming it is a fraction of a second ago.
	NotFinalSince time.Time
	NotFinal      []string // why, for a person; filled when it lasts
	// Missing are the validators that have not co-signed the head, this node included.
	Missing []Peer
	Peers   []Peer // all validators, this node included, by id; while they change, those before and after

	Signed     uint64    // the size that this node signed last
	SignedTime time.Time // the time in that signature
}

// Set is a set of validators of which a quorum certifies. While validators
// change there are two, those before the change and then those after it, and a
// checkpoint takes a quorum of each.
type Set struct {
	Validators int
	Quorum     int
	Missing    []statement.Region // have not co-signed the head with the key that this set has for them
}

// Peer is a validator as this node sees it.
type Peer struct {
	ID        statement.Region
	Suspended bool
	// Leaving is a validator that certifies only until the others have taken over
	// (or its former keys do); Entering one that certifies only beside the former.
	Leaving, Entering bool
	Heard             time.Time // when its node last answered; zero: never
	Mute              bool      // it does not answer
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
	newestSet := c.latest.Newest()
	s := Status{Final: c.final, Validators: len(newestSet), Quorum: newestSet.Quorum(), Signed: c.signed.size}
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
	for _, vs := range c.latest.Sets {
		s.Sets = append(s.Sets, c.setLocked(vs, s.Head))
	}
	for _, v := range members(c.latest) {
		p := c.peerLocked(v, other)
		p.Leaving, p.Entering = c.changesLocked(v.ID)
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

// setLocked says how far a set is with the head.
func (c *Certifier) setLocked(vs checkpoint.Validators, head uint64) Set {
	out := Set{Validators: len(vs), Quorum: vs.Quorum()}
	for _, v := range vs {
		r := c.records[v.ID]
		if v.Suspended || r == nil || !slices.ContainsFunc(r.recent, func(l signedLine) bool {
			return l.kind == kindCosign && l.size >= head && l.key == string(v.Cosign)
		}) {
			out.Missing = append(out.Missing, v.ID)
		}
	}
	return out
}

// changesLocked says whether a validator leaves, or is about to enter.
func (c *Certifier) changesLocked(id statement.Region) (leaving, entering bool) {
	if len(c.latest.Sets) < 2 {
		return false, false
	}
	_, before := c.latest.Sets[0].Find(id)
	_, after := c.latest.Newest().Find(id)
	return before && !after, after && !before
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
	var why []string
	if _, err := c.voiceLocked(c.latest); err != nil {
		why = append(why, err.Error())
	}
	why = append(why, c.blockedLocked(may)...)
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
	var out []string
	for i, vs := range c.latest.Sets {
		out = append(out, c.lackingLocked(s, i, vs)...)
	}
	for _, p := range s.Peers {
		if p.Other && p.ID != c.cfg.Self && !p.Mute && !p.Suspended {
			out = append(out, fmt.Sprintf("%s holds another history at size %d", p.ID, p.Echoed))
		}
	}
	if _, listens := find(c.latest, c.cfg.Self); listens && !s.Vouching {
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

// lackingLocked says what a set lacks.
func (c *Certifier) lackingLocked(s Status, set int, vs checkpoint.Validators) []string {
	_, listens := find(c.latest, c.cfg.Self) // others are not told what validators hold
	var mute, behind, unsigned, early, suspended []string
	for _, p := range s.Peers {
		v, in := vs.Find(p.ID)
		if !in {
			continue
		}
		id := string(p.ID)
		switch {
		case v.Suspended:
			suspended = append(suspended, id)
		case p.ID == c.cfg.Self:
		case p.Mute:
			mute = append(mute, id)
		case c.earlyLocked(p.ID, s.Head):
			early = append(early, id)
		case p.Other: // said for all sets at once
		case listens && p.Echoed < s.Head:
			behind = append(behind, fmt.Sprintf("%s (%d)", id, p.Echoed))
		case slices.Contains(s.Sets[set].Missing, p.ID):
			unsigned = append(unsigned, id)
		}
	}
	who := "validators"
	if len(s.Sets) > 1 {
		who = [...]string{"validators before the change", "validators after the change"}[min(set, 1)]
	}
	var out []string
	say := func(list []string, words string) {
		if len(list) > 0 {
			out = append(out, fmt.Sprintf("%d of %d %s %s: %s; %d are needed", len(list), len(vs), who, words, strings.Join(list, ", "), vs.Quorum()))
		}
	}
	say(mute, "do not answer")
	say(suspended, "are suspended by evidence or vote")
	say(early, fmt.Sprintf("have co-signed with a time more than %v ahead of this node's clock, which does not count (compare the clocks)", clockSlack))
	say(behind, fmt.Sprintf("have not said that they hold size %d, only less", s.Head))
	if listens {
		say(unsigned, fmt.Sprintf("hold size %d and have not co-signed it", s.Head))
	} else {
		say(unsigned, fmt.Sprintf("have not co-signed size %d", s.Head))
	}
	return out
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
