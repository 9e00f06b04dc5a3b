package catchup

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"sync"

	"concordat/ledger/checkpoint"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
)

// belief is whose checkpoints are believed: those whom this ledger names, and
// those to whom they have handed over since, step by step, as peers show (C7).
// Its methods may be called by any number of goroutines.
type belief struct {
	cfg   *Config
	peers *peers

	mu    sync.Mutex
	chain []receipt.Trust // the ledger's own, and after each step beyond it
	own   uint64          // steps that lead to the first of the chain
	// elsewhere: the chain begins with the genesis, because what peers show does
	// not go on from where this ledger is: it is of another history, and that is
	// for the roots to say.
	elsewhere bool
	nodes     []checkpoint.Validators // those whom this ledger names beside the chain
}

func newBelief(cfg *Config, p *peers) *belief { return &belief{cfg: cfg, peers: p} }

// refresh begins where the ledger is by now; what is believed beyond it stays.
func (b *belief) refresh() (err error) {
	v := b.cfg.Ledger.View()
	defer func() { err = errors.Join(err, v.Close()) }()
	size := v.Head().Size
	now, err := v.State().ElectorateAt(size)
	if err != nil {
		return err
	}
	steps, err := v.Steps(size)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes = now.Sets
	own := uint64(len(steps))
	if len(b.chain) == 0 || own != b.own && !b.elsewhere {
		t, err := receipt.Walk(b.cfg.Doc, steps)
		if err != nil {
			return fmt.Errorf("the way from the genesis to this ledger's validators: %w", err)
		}
		b.chain = append([]receipt.Trust{t}, b.chain[min(uint64(len(b.chain)), own-b.own+1):]...)
		b.own = own
	}
	for i := range b.chain {
		b.chain[i].Validators = suspendedAs(b.chain[i].Validators, now.Sets[0])
	}
	return nil
}

// suspendedAs marks those who are suspended as far as this ledger knows.
func suspendedAs(vs, known checkpoint.Validators) checkpoint.Validators {
	out := slices.Clone(vs)
	for i := range out {
		v, is := known.Find(out[i].ID)
		out[i].Suspended = is && v.Suspended && bytes.Equal(v.Cosign, out[i].Cosign)
	}
	return out
}

// newest are those who are believed to certify now.
func (b *belief) newest() checkpoint.Validators {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.chain[len(b.chain)-1].Validators
}

// keys are the node keys that an authority is known to have had, from where this
// ledger is on.
func (b *belief) keys(id statement.Region) (out []ed25519.PublicKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	sets := slices.Clone(b.nodes)
	for _, t := range b.chain {
		sets = append(sets, t.Validators)
	}
	for _, set := range sets {
		if v, is := set.Find(id); is {
			out = append(out, v.Node)
		}
	}
	return out
}

// certified verifies a peer's note. Where the validators have changed since this
// ledger, the peer has to show the steps to those who signed it. The error is a
// lie, or says why the peer could not be asked.
func (b *belief) certified(ctx context.Context, name string, raw []byte) (*checkpoint.Certified, error) {
	n, err := checkpoint.ParseNote(raw)
	if err != nil {
		return nil, lie("its newest certified checkpoint: %w", err)
	}
	c, err := b.judge(n)
	if err == nil || !errors.Is(err, receipt.ErrRefused) {
		return c, err
	}
	if errors.Is(err, receipt.ErrOtherNetwork) {
		return nil, lie("its newest certified checkpoint: %w", err)
	}
	var shown error
	for _, afresh := range []bool{false, true} {
		if shown = b.learn(ctx, name, n, afresh); shown == nil {
			if c, err = b.judge(n); err == nil {
				return c, nil
			}
		} else if !errors.Is(shown, errLie) {
			return nil, shown
		}
	}
	if errors.Is(err, receipt.ErrOtherLineage) && b.abandoned(n.Checkpoint) {
		return nil, fmt.Errorf("%w: its newest certified checkpoint is of a lineage that the network has left; it was away when the others recovered", errHasNot)
	}
	if shown != nil {
		return nil, shown
	}
	return nil, lie("its newest certified checkpoint: %w", err)
}

// abandoned reports whether a checkpoint is of a lineage that a recovery has ended
// below its size.
func (b *belief) abandoned(c checkpoint.Checkpoint) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	lineage, _ := checkpoint.Lineage(b.cfg.Doc.Network, c.Origin)
	return lineage < b.at(c.Size).Lineage
}

// at is who is believed to certify a size: a newer one knows better. Only while locked.
func (b *belief) at(size uint64) receipt.Trust {
	out := b.chain[0]
	for _, t := range b.chain[1:] {
		if t.Least <= size {
			out = t
		}
	}
	return out
}

// judge verifies a note with those who are believed at its size. Errors are of
// the ledger, or wrap receipt.ErrRefused.
func (b *belief) judge(n *checkpoint.Note) (_ *checkpoint.Certified, err error) {
	v := b.cfg.Ledger.View()
	defer func() { err = errors.Join(err, v.Close()) }()
	size := n.Checkpoint.Size
	if size <= v.Head().Size {
		e, err := v.State().ElectorateAt(size)
		if err != nil {
			return nil, err
		}
		if c, err := n.CertifyBy(e); err == nil {
			return c, nil
		}
	}
	b.mu.Lock()
	trust := b.at(size)
	b.mu.Unlock()
	return trust.Certify(n)
}

// learn follows the steps that a peer shows beyond those that are believed;
// afresh: all from the genesis, which are kept if they lead to who signed the
// note, in a newer lineage. Errors are lies, or say why the peer could not be asked.
func (b *belief) learn(ctx context.Context, name string, n *checkpoint.Note, afresh bool) error {
	b.mu.Lock()
	chain, have := slices.Clone(b.chain), b.own+uint64(len(b.chain))-1
	b.mu.Unlock()
	if afresh {
		chain, have = []receipt.Trust{receipt.Founding(b.cfg.Doc)}, 0
	}
	first := have + 1 - uint64(len(chain))
	for more := true; more; {
		var a stepsAnswer
		if err := b.peers.call(ctx, name, StepsProtocol, &stepsRequest{Have: have}, &a); err != nil {
			return err
		}
		if have += uint64(len(a.Steps)); have > receipt.MaxSteps {
			return lie("%d changes of validators, at most %d", have, receipt.MaxSteps)
		}
		for _, raw := range a.Steps {
			s, err := receipt.ParseStep(raw)
			if err != nil {
				return lie("a change of validators: %w", err)
			}
			next, err := chain[len(chain)-1].Step(s)
			if err != nil {
				return lie("a change of validators: %w", err)
			}
			chain = append(chain, next)
		}
		more = len(a.Steps) > 0
	}
	if afresh {
		if _, err := chain[len(chain)-1].Certify(n); err != nil {
			return lie("its newest certified checkpoint: %w", err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	// Somebody else may have learnt as much meanwhile, of one history; and another
	// history counts only if a recovery made it.
	newer := chain[len(chain)-1].Lineage > b.chain[len(b.chain)-1].Lineage
	if afresh && newer || !afresh && first == b.own && len(chain) > len(b.chain) {
		b.chain, b.own, b.elsewhere = chain, first, b.elsewhere || afresh
	}
	return nil
}
