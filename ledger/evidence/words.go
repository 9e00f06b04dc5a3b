package evidence

import (
	"fmt"
	"time"

	"concordat/ledger/checkpoint"
)

// Words says in a sentence what the proof shows, for a person. It is true of a
// proof that Verify has taken.
func (p Proof) Words() string {
	switch p.kind {
	case KindTwoRoots:
		return fmt.Sprintf("%s signed two different roots for one size of the log %s: at size %d both %x%s and %x%s.",
			p.culprit, p.first.Checkpoint.Origin, p.first.Checkpoint.Size,
			p.first.Checkpoint.Root, signedAt(p.first), p.second.Checkpoint.Root, signedAt(p.second))
	case KindTwoHistories:
		return fmt.Sprintf("%s signed two sizes of the log %s that are not one history: at size %d the root %x%s, and at size %d the root %x%s of a tree whose first %d entries have the root %x.",
			p.culprit, p.first.Checkpoint.Origin, p.first.Checkpoint.Size, p.first.Checkpoint.Root, signedAt(p.first),
			p.second.Checkpoint.Size, p.second.Checkpoint.Root, signedAt(p.second), p.first.Checkpoint.Size, p.prefix)
	case KindTwoBlocks:
		// Both say the same of term and size, or Verify takes no such proof.
		h, err := p.blocks[0].Claimed()
		if err != nil {
			return fmt.Sprintf("%s signed two different blocks.", p.culprit)
		}
		return fmt.Sprintf("%s signed two different blocks for one place: term %d of Raft, building on size %d.", p.culprit, h.Term, h.Size)
	}
	return "This says nothing."
}

// signedAt tells the time of a co-signature; the log's own signature has none.
func signedAt(s SignedCheckpoint) string {
	at, ok := checkpoint.CosignatureTime(s.Line)
	if !ok {
		return ""
	}
	return " (" + at.Format(time.RFC3339) + ")"
}
