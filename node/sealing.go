package node

import (
	"errors"
	"fmt"
	"time"

	"concordat/ledger"
	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// seal makes a seal of the state when one is due: the digest that every replica
// recomputes before it applies it, and that bundles are verified by. Consensus
// asks while this node leads, between two blocks.
func (n *Node) seal(base ledger.Head, at time.Time) (*ledger.Candidate, error) {
	view := n.ledger.View()
	defer n.release(view)
	last, sealed, err := view.State().LastSeal()
	if err != nil {
		return nil, err
	}
	since := n.started
	if sealed {
		since = last.At.Time()
	}
	handover, err := n.handsOver(view)
	if err != nil {
		return nil, err
	}
	switch {
	case base.Size == 0: // the genesis says what there is
		return nil, nil
	case sealed && base.Size == last.Index+1: // nothing was said since
		return nil, nil
	case handover: // those who take over are listed in a seal
	case n.roster.newest.Load() > last.Index+1 && at.Sub(since) >= memberSeal:
		// Who joins, or was away, learns of the members from a bundle.
	case at.Sub(since) < n.cfg.Vouch.Seal:
		return nil, nil
	}
	certified := n.ledger.Certified()
	if certified == nil { // and what is under no checkpoint nobody can use
		return nil, nil
	}
	if ahead := at.Sub(certified.Time()); ahead > n.clockRoom() {
		return nil, fmt.Errorf("%w: it would be for %s, and the newest certified checkpoint is of %s, at most %s apart: either nothing was certified since, or the clock of this node is ahead, or that of a leader before it was",
			errClockAhead, stamp(at), stamp(certified.Time()), n.clockRoom())
	}
	began := time.Now()
	body, err := n.ledger.MakeSeal(statement.Time(at.Unix()))
	if err != nil {
		return nil, fmt.Errorf("sealing the state at size %d: %w", base.Size, err)
	}
	v, err := n.sayAsNode(&body)
	if err != nil {
		return nil, err
	}
	n.log.Debug("sealed the state", "size", base.Size, "took", time.Since(began))
	return &ledger.Candidate{Raw: v.Raw()}, nil
}

// memberSeal is how soon after a seal there is another because the members have changed.
const memberSeal = time.Second

// errClockAhead: a seal of that time would leave out revocations that still count.
var errClockAhead = errors.New("no seal is made ahead of the quorum's clocks")

// clockRoom is how far this node's clock may be ahead of what the quorum's clocks
// have last been seen to show: the unchanged ledger is co-signed every so often,
// and a round that was missed is no wrong clock. With the refresh that networks
// have it stays well below bundle.SealAhead; where it is more, what bounds a seal's
// time is that the others refuse a block from the future (clockSlack).
func (n *Node) clockRoom() time.Duration { return 2*n.cfg.Vouch.Refresh + time.Minute }

// clockAhead is by how much this node's clock is ahead of the quorum's, if that is
// so much that no seals could be made with it; else 0. Such a leader's blocks
// will be refused soon, too.
func (n *Node) clockAhead() time.Duration {
	if ahead := aheadOf(n.certifier.Final(), n.me.ID); ahead > n.clockRoom() {
		return ahead
	}
	return 0
}

// aheadOf is how much later a validator's co-signature is than the quorum's time
// in the same note; 0 where it is not later, or not there. It does not grow while
// nothing is certified, as the age of the note does: nobody signs again before a
// quorum has said anew what it holds.
func aheadOf(c *checkpoint.Certified, id statement.Region) time.Duration {
	if c == nil {
		return 0
	}
	for _, s := range c.Cosigners() {
		if s.By == id {
			return max(s.At.Sub(c.Time()), 0)
		}
	}
	return 0
}

// sayAsNode signs a statement that a node makes by itself.
func (n *Node) sayAsNode(body statement.Body) (*statement.Verified, error) {
	return statement.Sign(statement.Statement{
		Network: n.network, Issuer: n.me.ID, Body: body,
	}, n.nodeKey)
}
