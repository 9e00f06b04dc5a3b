package node

import (
	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/evidence"
	"concordat/ledger/statement"
)

// caught gets evidence against a validator into the ledger. It is held on this
// node's disk from here on, and offered until it is ordered, or refused because
// another node was first.
func (n *Node) caught(p evidence.Proof) {
	log := n.log.With("culprit", p.Culprit(), "kind", p.Kind())
	log.Error("a validator signed two histories; the evidence goes into the ledger", "words", p.Words())
	v, err := n.sayAsNode(&statement.ReportEvidence{Culprit: p.Culprit(), Proof: p.Encode()})
	if err != nil {
		log.Error("evidence cannot be put into a statement", "err", err)
		return
	}
	if err := n.ledger.Hold(ledger.Candidate{Raw: v.Raw()}); err != nil {
		log.Error("evidence cannot be held", "err", err)
		return
	}
	n.keeper.nudge()
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
	held, err := n.ledger.Held()
	if err != nil {
		return nil, err
	}
	for _, c := range held {
		u, err := statement.Parse(c.Raw)
		if err != nil {
			return nil, err
		}
		body, is := u.Statement().Body.(*statement.ReportEvidence)
		if !is || logged[body.Culprit] {
			continue
		}
		p, err := evidence.Parse(body.Proof)
		if err != nil {
			return nil, err
		}
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
