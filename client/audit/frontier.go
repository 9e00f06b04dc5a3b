package audit

import (
	"fmt"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// frontier is a tree of which nothing is kept but what its next roots need: the
// roots of the full trees that it is made of, the largest first.
type frontier struct {
	size  uint64
	roots []merkle.Hash
}

func (f *frontier) add(leaf merkle.Hash) {
	for n := f.size; n&1 == 1; n >>= 1 {
		last := len(f.roots) - 1
		leaf = merkle.NodeHash(f.roots[last], leaf)
		f.roots = f.roots[:last]
	}
	f.roots = append(f.roots, leaf)
	f.size++
}

func (f *frontier) root() merkle.Hash {
	if f.size == 0 {
		return merkle.EmptyRoot()
	}
	root := f.roots[len(f.roots)-1]
	for i := len(f.roots) - 2; i >= 0; i-- {
		root = merkle.NodeHash(f.roots[i], root)
	}
	return root
}

// changing holds handovers and recoveries against the tree of the statements
// before them, which the state does not know.
type changing struct {
	tree  frontier
	roots map[uint64]merkle.Hash // by size, from the seal on that a handover waits for; nil: none does
}

// took notes a statement that was applied. st is the state after it.
func (c *changing) took(st state.View, leaf merkle.Hash, kind statement.Kind) error {
	c.tree.add(leaf)
	switch kind {
	case statement.Seal, statement.Handover, statement.NetworkRecovery:
		pending, is, err := st.PendingHandover()
		switch {
		case err != nil:
			return err
		case !is || pending.SealedAt == nil:
			c.roots = nil
		case c.roots == nil:
			c.roots = map[uint64]merkle.Hash{}
		}
	}
	if c.roots != nil {
		c.roots[c.tree.size] = c.tree.root()
	}
	return nil
}

// check says what is wrong with a statement that the state has accepted; st is
// the state before it.
func (c *changing) check(network statement.NetworkID, st state.View, body statement.Body) (wrong, err error) {
	switch b := body.(type) {
	case *statement.HandOver:
		note, err := checkpoint.ParseNote(b.Note)
		if err != nil {
			return fmt.Errorf("its note: %w", err), nil
		}
		at := note.Checkpoint
		if root, is := c.roots[at.Size]; !is || root != at.Root {
			return fmt.Errorf("its checkpoint says that the first %d statements have root %x, and they make %x", at.Size, at.Root, root), nil
		}
	case *statement.Recover:
		if root := c.tree.root(); b.Plan.Size != c.tree.size || b.Plan.Root != root {
			return fmt.Errorf("its plan is of %d statements with root %x, and the %d before it make %x", b.Plan.Size, b.Plan.Root, c.tree.size, root), nil
		}
		before, err := st.ElectorateAt(c.tree.size)
		if err != nil {
			return nil, err
		}
		_, wrong := receipt.Recovering(network, b, before.Sets...)
		return wrong, nil
	}
	return nil, nil
}
