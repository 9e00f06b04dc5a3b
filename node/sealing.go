package node

import (
	"fmt"
	"time"

	"concordat/ledger"
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
	switch {
	case base.Size == 0: // the genesis says what there is
		return nil, nil
	case sealed && base.Size == last.Index+1: // nothing was said since
		return nil, nil
	case at.Sub(since) < n.cfg.Vouch.Seal:
		return nil, nil
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

// sayAsNode signs a statement that a node makes by itself.
func (n *Node) sayAsNode(body statement.Body) (*statement.Verified, error) {
	return statement.Sign(statement.Statement{
		Network: n.network, Issuer: n.me.ID, Body: body,
	}, n.nodeKey)
}
