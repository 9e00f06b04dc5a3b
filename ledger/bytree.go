package ledger

import (
	"fmt"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// byTree judges what the state cannot judge by itself, of a statement that it
// has accepted at t.next: digests of the state, and roots of the tree (L11, L14).
func (t *trial) byTree(body statement.Body) (v state.Verdict, err error) {
	switch b := body.(type) {
	case *statement.SealState:
		// By the state as it was stored: one that comes after others in its block
		// is out of place, whatever it says.
		if len(t.seen) > 0 {
			return notAlone(), nil
		}
		if v, err = t.seal(t.next, b); err == nil && v.Accepted() {
			others := notAlone()
			t.closed = &others
		}
	case *statement.HandOver:
		return t.handsOver(b)
	case *statement.Recover:
		if len(t.seen) > 0 {
			return recoveryNotAlone(), nil
		}
		if v, err = t.recovers(b); err == nil && v.Accepted() {
			others := recoveryNotAlone()
			t.closed = &others
		}
	}
	return v, err
}

// rootAt is the root of the tree at a size up to t.next. It is of the statements
// alone, wherever blocks end: a graft may divide them otherwise (L2).
func (t *trial) rootAt(size uint64) (merkle.Hash, error) {
	if size <= t.size {
		return merkle.Root(t.tree, size)
	}
	leaves := make([]merkle.Hash, size-t.size)
	for i := range leaves {
		leaves[i] = merkle.LeafHash(t.taken[i].Raw())
	}
	_, root, err := merkle.Append(t.tree, t.size, leaves)
	return root, err
}

// handsOver holds a handover's checkpoint against the tree. Who has signed it is
// for the state, which has both sets of validators.
func (t *trial) handsOver(b *statement.HandOver) (state.Verdict, error) {
	note, err := checkpoint.ParseNote(b.Note)
	if err != nil || note.Checkpoint.Size > t.next {
		return handoverMismatch("its note is no checkpoint of the %d statements before it", t.next), nil
	}
	c := note.Checkpoint
	root, err := t.rootAt(c.Size)
	if err != nil {
		return state.Verdict{}, err
	}
	if root != c.Root {
		return handoverMismatch("its checkpoint says that the first %d statements have root %x; here they have %x", c.Size, c.Root, root), nil
	}
	return state.Verdict{}, nil
}

func handoverMismatch(format string, a ...any) state.Verdict {
	return state.Verdict{
		Name: state.HandoverMismatch, Message: fmt.Sprintf(format, a...),
		Hint: "make it of a certified checkpoint of this ledger",
	}
}

// recovers holds a recovery's plan against the tree, and against those who
// certify before it, as a stranger will who walks through it: the state knows
// only the newest of them.
func (t *trial) recovers(b *statement.Recover) (state.Verdict, error) {
	if b.Plan.Size != t.next {
		return recoveryMismatch("it is planned for %d statements, and there are %d", b.Plan.Size, t.next), nil
	}
	root, err := t.rootAt(t.next)
	if err != nil {
		return state.Verdict{}, err
	}
	if root != b.Plan.Root {
		return recoveryMismatch("its plan says that the %d statements have root %x; here they have %x", b.Plan.Size, b.Plan.Root, root), nil
	}
	before, err := state.View{Reader: &t.over}.ElectorateAt(t.next)
	if err != nil {
		return state.Verdict{}, err
	}
	if _, err := receipt.Recovering(t.network, b, before.Sets...); err != nil {
		return recoveryMismatch("%v", err), nil
	}
	return state.Verdict{}, nil
}

func recoveryMismatch(format string, a ...any) state.Verdict {
	return state.Verdict{
		Name: state.RecoveryMismatch, Message: fmt.Sprintf(format, a...),
		Hint: "make the plan of the ledger that the network goes on with, and have a majority sign it",
	}
}

func recoveryNotAlone() state.Verdict {
	return state.Verdict{
		Name: state.RecoveryMisplaced, Message: "a recovery is alone in its block, and here it is not",
		Hint: "make a block of the recovery, and another of the rest",
	}
}
