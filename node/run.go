package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// changed is why a node has to start anew: the network says something else of
// its authority than when it started.
type changed struct {
	why     string
	outlook *outlook // what is known beyond this node's own ledger; nil: nothing
}

// Run runs a node until ctx ends or it fails, and starts it anew, in the same
// process and at the same address, where the network says something else of its
// authority than before: admitted, of another role, with another key, expelled.
// up, if not nil, is told of each one that has started, in order; the one before
// has stopped by then.
func Run(ctx context.Context, cfg Config, up func(*Node)) error {
	cfg = cfg.Defaults()
	if cfg.Passphrase != nil {
		cfg.Passphrase = sync.OnceValues(cfg.Passphrase) // it is typed once, however often the node starts
	}
	for {
		n, err := Start(cfg)
		if err != nil {
			if cfg.door != nil {
				cfg.door.keep.Store(false)
				err = errors.Join(err, cfg.door.Close())
			}
			return err
		}
		if up != nil {
			up(n)
		}
		var again *changed
		var fault error
		select {
		case <-ctx.Done():
			cfg.Logger.Info("node stops", "why", context.Cause(ctx))
		case fault = <-n.Failed():
			cfg.Logger.Error("node cannot go on", "err", fault)
		case again = <-n.superseded:
			cfg.Logger.Info("node starts anew", "why", again.why)
			n.listener.keep.Store(true)
		}
		if err := n.Close(); err != nil {
			if again != nil {
				n.listener.keep.Store(false)
				err = errors.Join(err, n.listener.Close())
			}
			return errors.Join(fault, fmt.Errorf("stopping the node: %w", err))
		}
		if again == nil {
			return fault
		}
		cfg.outlook = again.outlook
		cfg.Found = false
		if cfg.door, err = n.listener.reopen(); err != nil {
			return err
		}
	}
}

// supersede asks Run to start this node anew. Without Run nothing happens but
// that it says so: who started the node by itself has to look at Superseded.
func (n *Node) supersede(c changed) {
	select {
	case n.superseded <- &c:
	default: // once is enough
	}
}
