package node

import (
	"bytes"
	"context"
	"errors"
	"os"
	"time"

	"concordat/client/authority"
	"concordat/ledger/state"
)

// promoteEvery is how often it is looked whether a key of keys/next may take its
// place, at most.
const promoteEvery = 500 * time.Millisecond

// uses are the keys that a node has a use for, by what they are for. The others
// are the operator's, who moves them with `concordat authority rotate`.
var uses = map[authority.Role]state.Use{authority.Node: state.Node, authority.Cosign: state.Cosign}

// promoteKeys moves the keys that the ledger has come to name from keys/next to
// their place, until ctx ends: an operator whose governance key is on another
// machine need not. Whatever interrupts it, KeyFor finds every key meanwhile.
func (n *Node) promoteKeys(ctx context.Context) {
	told := ""
	for {
		grown, certified := n.ledger.Changed(), n.certifier.Changed()
		if err := n.promoteDue(); err != nil && err.Error() != told {
			told = err.Error()
			n.log.Warn("a new key was not moved to its place; the node has it all the same", "err", err)
		}
		select {
		case <-grown:
		case <-certified:
		case <-ctx.Done():
			return
		}
		if sleep(ctx, promoteEvery) != nil {
			return
		}
	}
}

// promoteDue promotes each key of keys/next that the ledger names, beyond doubt:
// the statement is final, and no validators hand over. Until then the key before
// it is needed, and stays where an operator expects it.
func (n *Node) promoteDue() error {
	var faults []error
	for role, use := range uses {
		if !exists(n.dir.NextPath(role)) {
			continue
		}
		named, err := n.namedFor(use)
		if err != nil || named == nil {
			faults = append(faults, err)
			continue
		}
		next, err := n.dir.Next(role)
		switch {
		case errors.Is(err, authority.ErrNoNext):
			continue // the operator was quicker
		case err == nil && !bytes.Equal(next.Public(), named):
			continue // it is to replace the one that the ledger names
		case err == nil:
			err = n.dir.Promote(role, named)
			if errors.Is(err, os.ErrNotExist) || errors.Is(err, authority.ErrNoNext) {
				continue // the operator was quicker
			}
		}
		if err == nil {
			n.log.Info("a new key is in its place, the one before it in keys/former", "role", role)
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// namedFor gives this authority's key for a use where nothing can change any more
// what the ledger says of it; nil while something can.
func (n *Node) namedFor(use state.Use) ([]byte, error) {
	certified := n.FinalSize()
	view := n.ledger.View()
	defer n.release(view)
	v := view.State()
	if _, pending, err := v.PendingHandover(); err != nil || pending {
		return nil, err
	}
	a, is, err := v.Authority(n.me.ID)
	if err != nil || !is {
		return nil, err
	}
	for _, k := range a.Keys {
		if k.Use == use && k.Until == 0 && k.From <= certified {
			return k.Public, nil
		}
	}
	return nil, nil
}
