package node

import (
	"maps"
	"slices"
	"sync"

	"concordat/ledger"
	"concordat/ledger/evidence"
	"concordat/ledger/statement"
)

// accused is the evidence that this node holds and that is not known to be in
// its ledger yet: one piece for each culprit, as the ledger has it. Everybody may
// ask for it, and often, while what is held may be a hundred thousand statements:
// those are read for it once, at the start.
type accused struct {
	mu sync.Mutex
	of map[statement.Region]accusation // by culprit
}

// accusation is one piece of evidence, and the statement that it is in.
type accusation struct {
	statement statement.Hash
	issuer    statement.Region
	proof     evidence.Proof
}

// said is a statement in either of its two states.
type said interface {
	Statement() statement.Statement
	Hash() statement.Hash
}

// add takes a statement that is held, if it is evidence. This node's own goes
// before what others have handed in.
func (a *accused) add(s said, self statement.Region) error {
	st := s.Statement()
	body, is := st.Body.(*statement.ReportEvidence)
	if !is {
		return nil
	}
	p, err := evidence.Parse(body.Proof)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of == nil {
		a.of = map[statement.Region]accusation{}
	}
	if have, known := a.of[body.Culprit]; !known || st.Issuer == self && have.issuer != self {
		a.of[body.Culprit] = accusation{s.Hash(), st.Issuer, p}
	}
	return nil
}

// by reports whether there is evidence against a validator by that issuer.
func (a *accused) by(culprit, issuer statement.Region) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.of[culprit].issuer == issuer
}

// drop lets go of a statement that is not held any more, and was not ordered.
func (a *accused) drop(h statement.Hash) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.of, func(_ statement.Region, x accusation) bool { return x.statement == h })
}

// without gives what there is, in the order of the culprits, and forgets those
// whom the ledger has.
func (a *accused) without(logged map[statement.Region]bool) []evidence.Proof {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.of, func(culprit statement.Region, _ accusation) bool { return logged[culprit] })
	out := make([]evidence.Proof, 0, len(a.of))
	for _, culprit := range slices.Sorted(maps.Keys(a.of)) {
		out = append(out, a.of[culprit].proof)
	}
	return out
}

// hold keeps a statement on this node's disk until it is ordered or refused.
func (n *Node) hold(s said, c ledger.Candidate) error {
	if err := n.ledger.Hold(c); err != nil {
		return err
	}
	if err := n.accused.add(s, n.me.ID); err != nil {
		n.log.Warn("held evidence cannot be read, and is not listed before it is ordered", "hash", s.Hash(), "err", err)
	}
	return nil
}

// recallAccused finds the evidence among what an earlier run of the node held.
func (n *Node) recallAccused() error {
	return n.ledger.EachHeld(func(c ledger.Candidate) bool {
		u, err := statement.Parse(c.Raw)
		if err == nil {
			err = n.accused.add(u, n.me.ID)
		}
		if err != nil { // the keeper says what becomes of it
			n.log.Warn("a held statement cannot be read", "err", err)
		}
		return true
	})
}
