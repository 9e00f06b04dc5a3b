package ledger

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"concordat/ledger/checkpoint"
)

// maxIdleIterators bounds how many iterators a pin keeps ready.
const maxIdleIterators = 16

// pin is the store as it was right after one commit, shared by all views of
// that moment and closed with the last of them. Its iterators are kept ready,
// since making one costs more than a look-up.
type pin struct {
	store *store
	head  Head
	snap  *pebble.Snapshot

	certified *checkpoint.Certified // the newest of that moment; set before the pin is shared
	refs      atomic.Int64          // the ledger's own, and one for each view

	mu   sync.Mutex
	idle []*pebble.Iterator

	beside     any // what View.Beside made
	besideOnce sync.Once
}

// pin pins the store as it is now. head is what the store's head says, which
// only the caller can know to be so.
func (s *store) pin(head Head) (*pin, error) {
	p := &pin{store: s, head: head}
	p.refs.Store(1)
	err := s.guard(func() error {
		p.snap = s.db.NewSnapshot()
		return nil
	})
	return p, err
}

func (p *pin) release() error {
	if p.refs.Add(-1) > 0 {
		return nil
	}
	// Closing takes Pebble's lock, which a broken store may hold for ever; it
	// will not be closed either.
	if p.store.fault.get() != nil {
		return nil
	}
	var errs []error
	for _, it := range p.idle {
		errs = append(errs, it.Close())
	}
	return errors.Join(append(errs, p.snap.Close())...)
}

// withIterator lends an iterator to fn, which leaves it where it likes. What
// cannot be read breaks the store (L6).
func (p *pin) withIterator(fn func(*pebble.Iterator) error) error {
	p.mu.Lock()
	var it *pebble.Iterator
	if n := len(p.idle); n > 0 {
		it, p.idle = p.idle[n-1], p.idle[:n-1]
	}
	p.mu.Unlock()
	if it == nil {
		// UseL6Filters: nearly all keys are in the last level, and nearly all
		// that is looked up is absent. DB.Get would never ask its filters.
		var err error
		if it, err = p.snap.NewIter(&pebble.IterOptions{UseL6Filters: true}); err != nil {
			return p.store.fault.read(err)
		}
	}
	err := fn(it)
	if bad := it.Error(); bad != nil {
		// It is not closed: that may wait for a lock which the store, broken
		// now, never lets go of.
		return p.store.fault.read(bad)
	}
	p.mu.Lock()
	if len(p.idle) < maxIdleIterators {
		p.idle = append(p.idle, it)
		it = nil
	}
	p.mu.Unlock()
	if it != nil {
		return errors.Join(err, it.Close())
	}
	return err
}

// get returns a copy of the value under key; nil if there is none.
func (p *pin) get(key []byte) (value []byte, err error) {
	err = p.withIterator(func(it *pebble.Iterator) error {
		if !it.SeekPrefixGE(key) || !bytes.Equal(it.Key(), key) {
			return nil
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		value = append([]byte{}, v...) // never nil: an empty value is there
		return nil
	})
	return value, err
}

// scan calls fn for each key under prefix from start on, in order. The slices
// are good until fn returns.
func (p *pin) scan(prefix, start []byte, fn func(key, value []byte) (bool, error)) error {
	return p.withIterator(func(it *pebble.Iterator) error {
		var ok bool
		if isWholePrefix(prefix) {
			ok = it.SeekPrefixGE(start)
		} else {
			ok = it.SeekGE(start)
		}
		for ; ok && bytes.HasPrefix(it.Key(), prefix); ok = it.Next() {
			v, err := it.ValueAndErr()
			if err != nil {
				return err
			}
			if more, err := fn(it.Key(), v); err != nil || !more {
				return err
			}
		}
		return nil
	})
}

// any reports whether there is a key that begins with prefix, which is a whole
// prefix (isWholePrefix): nearly always the filters know that there is none.
func (p *pin) any(prefix []byte) (is bool, err error) {
	err = p.withIterator(func(it *pebble.Iterator) error {
		is = it.SeekPrefixGE(prefix) && bytes.HasPrefix(it.Key(), prefix)
		return nil
	})
	return is, err
}

// last returns the greatest key under prefix that is at most limit, and its value; nil if there is none.
func (p *pin) last(prefix, limit []byte) (key, value []byte, err error) {
	err = p.withIterator(func(it *pebble.Iterator) error {
		// The successor of limit is limit with a zero byte after it.
		if !it.SeekLT(append(bytes.Clone(limit), 0)) || !bytes.HasPrefix(it.Key(), prefix) {
			return nil
		}
		v, err := it.ValueAndErr()
		key, value = bytes.Clone(it.Key()), append([]byte{}, v...)
		return err
	})
	return key, value, err
}

// Get implements state.Reader over the table of the state.
func (p *pin) Get(key []byte) ([]byte, error) { return p.get(keyOf(tableState, key)) }

// Any implements state.Prober over the table of the state.
func (p *pin) Any(prefix []byte) (bool, error) {
	full := keyOf(tableState, prefix)
	if isWholePrefix(full) {
		return p.any(full)
	}
	some := false
	err := p.scan(full, full, func([]byte, []byte) (bool, error) {
		some = true
		return false, nil
	})
	return some, err
}

// Scan implements state.Reader over the table of the state.
func (p *pin) Scan(prefix []byte, fn func(key, value []byte) (bool, error)) error {
	full := keyOf(tableState, prefix)
	return p.scan(full, full, func(k, v []byte) (bool, error) { return fn(k[1:], v) })
}
