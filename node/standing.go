package node

import (
	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition"
)

// stands is how this node's authority stands, as answers tell it (client.AsOf).
func (s *self) stands() string {
	if !s.Member {
		return client.StandingApplicant
	}
	return string(s.Standing)
}

// stateOf is the state that this node's checks read.
func (n *Node) stateOf(v *ledger.View) recognition.State {
	if n.me.Standing != state.StandingExpelled {
		return remembered(v)
	}
	return expelled{remembered(v), &n.me}
}

// remembered is the state at a view, with what checks have read of it before:
// while nothing is ordered, every check reads the same.
func remembered(v *ledger.View) recognition.State {
	m := v.Beside(func() any { return recognition.NewRecall() }).(*recognition.Recall)
	return m.Over(v.State())
}

// expelled is the state of a node whose authority was expelled. The others cut
// it off with that vote, which often never reaches its ledger: it knows by a
// bundle, and its checks are to know it, too.
type expelled struct {
	recognition.State
	me *self
}

// Authority implements recognition.State.
func (e expelled) Authority(r statement.Region) (state.Authority, bool, error) {
	a, is, err := e.State.Authority(r)
	if err == nil && is && r == e.me.ID && a.Present() {
		a.Standing, a.StandingBy = e.me.Standing, e.me.By
	}
	return a, is, err
}
