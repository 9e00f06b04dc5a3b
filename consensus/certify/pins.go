package certify

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"concordat/ledger"
	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
)

// pin is a view of the ledger that is kept until nobody needs it.
type pin struct {
	view *ledger.View
	size uint64
	refs int // under Certifier.mu; one is the list's
}

// pins are views of the heads that the ledger had: the newest that is certified,
// and those after it. They are under Certifier.mu.
type pins struct {
	list []*pin // ascending by size
}

func (p *pins) newest() *pin {
	if len(p.list) == 0 {
		return nil
	}
	return p.list[len(p.list)-1]
}

// upTo gives the greatest pin of at most size; nil if there is none.
func (p *pins) upTo(size uint64) *pin {
	for _, x := range slices.Backward(p.list) {
		if x.size <= size {
			return x
		}
	}
	return nil
}

func (p *pins) hold(x *pin) { x.refs++ }

// trim drops what nobody will ask for: below the newest that is final, and the
// oldest after it where there are too many. It gives what is to be closed.
func (p *pins) trim(final uint64) (drop []*ledger.View) {
	first := 0
	for i, x := range p.list {
		if x.size <= final {
			first = i
		}
	}
	keep := p.list[first:]
	drop = unref(drop, p.list[:first])
	if over := len(keep) - maxPins; over > 0 {
		from := 0
		if keep[0].size <= final {
			from = 1
		}
		drop = unref(drop, keep[from:from+over])
		keep = slices.Concat(keep[:from], keep[from+over:])
	}
	p.list = slices.Clone(keep)
	return drop
}

func unref(drop []*ledger.View, list []*pin) []*ledger.View {
	for _, x := range list {
		if x.refs--; x.refs == 0 {
			drop = append(drop, x.view)
		}
	}
	return drop
}

// clear lets go of all, and gives what is to be closed. Views that were lent
// are closed by who gives them back last.
func (p *pins) clear() []*ledger.View {
	drop := unref(nil, p.list)
	p.list = nil
	return drop
}

func closeAll(views []*ledger.View) error {
	var errs []error
	for _, v := range views {
		errs = append(errs, v.Close())
	}
	return errors.Join(errs...)
}

// letGo releases a pin that was held.
func (c *Certifier) letGo(p *pin) {
	c.mu.Lock()
	drop := unref(nil, []*pin{p})
	c.mu.Unlock()
	c.drop(drop)
}

// drop closes views, outside of mu: it takes the store's locks.
func (c *Certifier) drop(views []*ledger.View) {
	if err := closeAll(views); err != nil {
		c.breaks(err)
	}
}

// newest holds the newest view for as long as fn runs. fn is not called once closed.
func (c *Certifier) newest(fn func(*ledger.View) error) error {
	c.mu.Lock()
	p := c.pins.newest()
	if p == nil {
		c.mu.Unlock()
		return ErrClosed
	}
	c.pins.hold(p)
	c.mu.Unlock()
	defer c.letGo(p)
	return fn(p.view)
}

// advance pins the ledger's head, if it has grown.
func (c *Certifier) advance(now time.Time) error {
	v := c.cfg.Ledger.View()
	size := v.Head().Size
	c.mu.Lock()
	p := c.pins.newest()
	c.mu.Unlock()
	if p != nil && p.size >= size {
		return v.Close()
	}
	by, err := c.cfg.electorateAt(v, size)
	if err != nil {
		return errors.Join(err, v.Close())
	}
	c.mu.Lock()
	c.pins.list = append(c.pins.list, &pin{view: v, size: size, refs: 1})
	c.latest = by
	if c.openSince.IsZero() && size > c.finalSizeLocked() {
		c.openSince = now
	}
	drop := c.pins.trim(c.finalSizeLocked())
	c.mu.Unlock()
	c.drop(drop)
	c.wakeJudge.wake()
	c.wakeSign.wake()
	return nil
}

// fact is what the ledger is at one size.
type fact struct {
	root merkle.Hash
	end  bool // a block ends here
	// digest is the SHA-256 of that block's header, unsigned; zero if none ends here.
	digest merkle.Hash
	by     checkpoint.Electorate // who certifies this size
}

// facts remembers some: a ledger never changes what it was at a size.
type facts struct {
	mu   sync.Mutex
	seen map[uint64]fact
}

// at gives what our ledger is at a size; ok is false if it is shorter.
func (c *Certifier) at(size uint64) (f fact, ok bool, err error) {
	c.facts.mu.Lock()
	f, ok = c.facts.seen[size]
	c.facts.mu.Unlock()
	if ok {
		return f, true, nil
	}
	err = c.newest(func(v *ledger.View) error {
		if size > v.Head().Size {
			return nil
		}
		var err error
		if f, err = factOf(v, size); err != nil {
			return err
		}
		f.by, err = c.cfg.electorateAt(v, size)
		ok = err == nil
		return err
	})
	if err != nil {
		return fact{}, false, fmt.Errorf("looking at size %d: %w", size, err)
	}
	if ok {
		c.facts.mu.Lock()
		if len(c.facts.seen) >= maxFacts || c.facts.seen == nil {
			c.facts.seen = map[uint64]fact{}
		}
		c.facts.seen[size] = f
		c.facts.mu.Unlock()
	}
	return f, ok, nil
}

func factOf(v *ledger.View, size uint64) (fact, error) {
	root, err := v.RootAt(size)
	if err != nil {
		return fact{}, err
	}
	if size == 0 {
		return fact{root: root, end: true}, nil
	}
	b, err := v.BlockOf(size - 1)
	if err != nil || b.First+b.Count != size {
		return fact{root: root}, err
	}
	return fact{root: root, end: true, digest: sha256.Sum256(b.Proof.Header)}, nil
}

// digests gives the digests of the headers of the blocks that end at some marks,
// as far as they are at hand.
func (c *Certifier) digests(marks []mark) []merkle.Hash {
	out := make([]merkle.Hash, len(marks))
	c.facts.mu.Lock()
	defer c.facts.mu.Unlock()
	for i, m := range marks {
		out[i] = c.facts.seen[m.size].digest
	}
	return out
}

// stands says how a mark stands to our ledger.
func (c *Certifier) stands(m mark) (verdict, error) {
	f, ok, err := c.at(m.size)
	switch {
	case err != nil:
		return unjudged, err
	case !ok:
		return unjudged, nil
	case f.root != m.root:
		return foreign, nil
	}
	return ours, nil
}

// verdict is how a mark stands to our ledger.
type verdict uint8

const (
	unjudged verdict = iota // our ledger is shorter
	ours                    // it has that root
	foreign                 // it has another
)
