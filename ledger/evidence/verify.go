package evidence

import (
	"errors"
	"fmt"

	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// Verify returns nil if p convicts its culprit, who is one of the validators,
// of a network of this name and id. Its checkpoints are of one lineage of the
// network, whichever (checkpoint.Origin): each is another log. The validators are
// those whose keys count, at the time that the caller asks about; who has only
// the genesis walks to them (package receipt). Errors wrap ErrProvesNothing.
func (p Proof) Verify(name string, network statement.NetworkID, vs checkpoint.Validators) error {
	culprit, ok := vs.Find(p.culprit)
	if !ok {
		return nothing("%.40q is no validator of this network", p.culprit)
	}
	switch p.kind {
	case KindTwoRoots, KindTwoHistories:
		// The culprit alone: another's key must not stand in for its.
		alone := checkpoint.Validators{culprit}
		for i, s := range []SignedCheckpoint{p.first, p.second} {
			if _, ours := checkpoint.Lineage(name, s.Checkpoint.Origin); !ours {
				return nothing("checkpoint %d is of the log %.110q, not of %.110q", i+1, s.Checkpoint.Origin, name)
			}
			if err := verifyLine(alone, s); err != nil {
				return nothing("checkpoint %d: %w", i+1, err)
			}
		}
		if a, b := p.first.Checkpoint.Origin, p.second.Checkpoint.Origin; a != b {
			return nothing("one checkpoint is of the log %q and one of %q: after a recovery the history may be another", a, b)
		}
		if p.kind == KindTwoRoots {
			return p.verifyTwoRoots()
		}
		return p.verifyTwoHistories()
	case KindTwoBlocks:
		return p.verifyTwoBlocks(network, culprit)
	}
	return nothing("kind %.40q is not known", p.kind)
}

func verifyLine(alone checkpoint.Validators, s SignedCheckpoint) error {
	_, err := alone.VerifyCosignature(s.Checkpoint, s.Line)
	if errors.Is(err, checkpoint.ErrUnknownSigner) {
		_, err = alone.VerifyLog(s.Checkpoint, s.Line)
	}
	return err
}

func (p Proof) verifyTwoRoots() error {
	a, b := p.first.Checkpoint, p.second.Checkpoint
	switch {
	case a.Size != b.Size:
		return nothing("the sizes are %d and %d; two roots convict only at one size", a.Size, b.Size)
	case a.Root == b.Root: // E2
		return nothing("both have the root %x; the same may be signed again", a.Root)
	}
	return nil
}

// verifyTwoHistories rests on RFC 6962: to one root at one size leads one
// consistency proof only, from one root at the older size. So a validator that
// signed a tree and its continuation cannot be given another beginning (E3).
func (p Proof) verifyTwoHistories() error {
	older, newer := p.first.Checkpoint, p.second.Checkpoint
	switch {
	case older.Size == 0:
		return nothing("every history begins with the empty tree")
	case older.Size >= newer.Size:
		return nothing("size %d is not above size %d", newer.Size, older.Size)
	case older.Root == p.prefix:
		return nothing("the newer tree begins with the older one: that is one history")
	}
	if err := merkle.VerifyConsistency(older.Size, newer.Size, p.prefix, newer.Root, p.consistency); err != nil {
		return nothing("it does not show what the newer tree was at size %d: %w", older.Size, err)
	}
	return nil
}

func (p Proof) verifyTwoBlocks(network statement.NetworkID, culprit checkpoint.Validator) error {
	if err := block.CheckRivals(p.blocks[0], p.blocks[1], culprit.Node); err != nil {
		return fmt.Errorf("%w: %w", ErrProvesNothing, err)
	}
	for i, b := range p.blocks {
		h, err := b.Claimed()
		switch {
		case err != nil:
			return nothing("block %d: %w", i+1, err)
		case h.Network != network:
			return nothing("block %d is of the network %s, not of %s", i+1, h.Network, network)
		case h.Proposer != culprit.ID:
			return nothing("block %d names %s as its proposer, not %s", i+1, h.Proposer, culprit.ID)
		}
	}
	return nil
}
