package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"time"
)

// changed is why a node has to start anew: the network says something else of
// its authority than when it started.
type changed struct {
	why     string
	outlook *outlook           // what is known beyond this node's own ledger; nil: nothing
	alone   bool               // the others do not speak any more with the node as it is
	guess   ed25519.PrivateKey // to be tried as the node key; nil: the one that the network names
	guesses int
}

// How often, and how many times, a node that starts anew tries to get back the
// addresses that it has just let go of.
const (
	reopenEvery = 250 * time.Millisecond
	reopenTries = 20
)

// Run runs a node until ctx ends or it fails, and starts it anew, in the same
// process and at the same address, where the network says something else of its
// authority than before: admitted, of another role, with another key, expelled.
// up, if not nil, is told of each one that has started, in order; the one before
// has stopped by then.
func Run(ctx context.Context, cfg Config, up func(*Node)) error {
	return RunWith(ctx, cfg, up, nil)
}

// RunWith is Run; and failed, if not nil, is told of the fault of a node that
// cannot go on, which is closed when failed returns: until then it says what is wrong.
func RunWith(ctx context.Context, cfg Config, up func(*Node), failed func(error)) error {
	cfg = cfg.Defaults()
	if cfg.Passphrase != nil {
		cfg.Passphrase = sync.OnceValues(cfg.Passphrase) // it is typed once, however often the node starts
	}
	for tries := 0; ; {
		n, err := Start(cfg)
		if err != nil && cfg.door != nil && errors.Is(err, ErrPortInUse) && tries < reopenTries && sleep(ctx, reopenEvery) == nil {
			// What this process has just let go of, it will get again.
			cfg.Logger.Warn("an address of this node's own is not free yet", "err", err)
			tries++
			next, err := cfg.door.reopen()
			if err != nil {
				return err
			}
			next.keep.Store(true)
			cfg.door = next
			continue
		}
		if err != nil {
			if cfg.door != nil {
				cfg.door.keep.Store(false)
				err = errors.Join(err, cfg.door.Close())
			}
			return err
		}
		tries = 0
		n.listener.keep.Store(false)
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
			if failed != nil {
				failed(fault)
			}
		case again = <-n.superseded:
			cfg.Logger.Info("node starts anew", "why", again.why)
			n.listener.keep.Store(true)
			if again.alone {
				// What waits to be ordered would wait in vain; as it is told to, it comes again.
				n.courier.cutOff()
			}
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
		cfg.outlook, cfg.guess, cfg.guesses = again.outlook, again.guess, again.guesses
		cfg.Found = false
		if cfg.door, err = n.listener.reopen(); err != nil {
			return err
		}
		cfg.door.keep.Store(true) // until the next has started
	}
}

// become starts this node anew where the network says something else of its
// authority than when it started. Where that is a key that is not here yet, it
// goes on as it is, says what is missing, and looks for it.
func (n *Node) become(me self, o *outlook) error {
	if n.me.same(me) {
		n.lacks.Store(nil)
		return nil
	}
	if me.active() {
		if _, _, err := n.keysFor(me); errors.Is(err, ErrNotInNetwork) {
			if n.lacks.Swap(&lack{me: me, outlook: o, err: err}) == nil {
				n.log.Warn("the network has come to name a key that is not here; looking for it", "err", err)
			}
			return nil
		} else if err != nil {
			return err
		}
	}
	n.supersede(changed{why: n.me.changes(me), outlook: o, alone: !me.active() || !me.Node.Equal(n.me.Node)})
	return nil
}

// lack is a key that the network names for this authority, and that its node has not.
type lack struct {
	me      self     // as the network has it
	outlook *outlook // that says so; nil: the ledger
	err     error    // which key
}

// lackEvery is how often a key that is missing is looked for. A file that is
// encrypted takes a while to open.
const lackEvery = 2 * time.Second

// findKeys looks for a key that is missing, until ctx ends.
func (n *Node) findKeys(ctx context.Context) {
	for sleep(ctx, lackEvery) == nil {
		l := n.lacks.Load()
		if l == nil {
			continue
		}
		if err := n.become(l.me, l.outlook); err != nil {
			n.log.Warn("a key that is missing cannot be looked for", "err", err)
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
