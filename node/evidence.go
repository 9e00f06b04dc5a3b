package node

import (
	"fmt"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/evidence"
	"concordat/ledger/statement"
)

// caught gets evidence against a validator into the ledger. It is held on this
// node's disk from here on, and offered until it is ordered, or refused because
// another node was first. After an error it is called again.
func (n *Node) caught(p evidence.Proof) error {
	log := n.log.With("culprit", p.Culprit(), "kind", p.Kind())
	log.Error("a validator signed two histories; the evidence goes into the ledger", "words", p.Words())
	if n.accused.by(p.Culprit(), n.me.ID) { // found anew after a restart; one piece of ours is enough
		n.keeper.nudge()
		return nil
	}
	v, err := n.sayAsNode(&statement.ReportEvidence{Culprit: p.Culprit(), Proof: p.Encode()})
	if err != nil {
		return fmt.Errorf("putting it into a statement: %w", err)
	}
	if err := n.hold(v, ledger.Candidate{Raw: v.Raw()}); err != nil {
		return fmt.Errorf("holding it: %w", err)
	}
	n.keeper.nudge()
	return nil
}

// sawBlock looks whether a block that was refused is one of two that its
// proposer signed for one place.
func (n *Node) sawBlock(raw []byte) {
	if proof, err := block.PeekProof(raw); err == nil {
		n.certifier.SawBlock(proof)
	}
}

// Evidence lists who is proved to have signed two histories: what the ledger
// has, and what is on its way there.
func (n *Node) Evidence(v *ledger.View) ([]client.Culprit, error) {
	records, err := v.State().Evidence()
	if err != nil {
		return nil, err
	}
	out := []client.Culprit{}
	logged := map[statement.Region]bool{}
	for _, r := range records {
		p, err := evidence.Parse(r.Proof)
		if err != nil {
			return nil, err
		}
		index := r.Index
		logged[r.Culprit] = true
		out = append(out, n.culprit(p, &index))
	}
	for _, p := range n.accused.without(logged) {
		out = append(out, n.culprit(p, nil))
	}
	return out, nil
}

func (n *Node) culprit(p evidence.Proof, index *uint64) client.Culprit {
	return client.Culprit{
		Region: string(p.Culprit()), Kind: string(p.Kind()), Words: p.Words(), Statement: index,
		Proof: evidence.EncodeFile(p, n.network),
	}
}
