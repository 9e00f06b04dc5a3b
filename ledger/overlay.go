package ledger

import (
	"bytes"
	"slices"
	"strings"

	"concordat/ledger/state"
)

// overlay is the state as it will be: writes that are not stored yet, over a
// Reader. It belongs to one goroutine.
//
// Writes are kept by the first byte of their key, and a group is indexed only
// when something reads it: a revocation writes tens of thousands of keys that
// no later statement ever reads.
type overlay struct {
	base   state.Reader // nil: nothing beneath
	groups [256]group
}

type group struct {
	writes  []state.Write
	index   map[string]int // key → its newest write, for writes[:indexed]
	indexed int
}

func (g *group) lookup(key []byte) (state.Write, bool) {
	if len(g.writes) == 0 {
		return state.Write{}, false
	}
	g.catchUp()
	at, ok := g.index[string(key)]
	if !ok {
		return state.Write{}, false
	}
	return g.writes[at], true
}

func (g *group) catchUp() {
	if g.index == nil {
		g.index = make(map[string]int, len(g.writes))
	}
	for ; g.indexed < len(g.writes); g.indexed++ {
		g.index[string(g.writes[g.indexed].Key)] = g.indexed
	}
}

func (o *overlay) add(writes []state.Write) {
	for _, w := range writes {
		g := &o.groups[firstByte(w.Key)]
		g.writes = append(g.writes, w)
	}
}

// Get implements state.Reader.
func (o *overlay) Get(key []byte) ([]byte, error) {
	if w, ok := o.groups[firstByte(key)].lookup(key); ok {
		return w.Value, nil
	}
	if o.base == nil {
		return nil, nil
	}
	return o.base.Get(key)
}

// Scan implements state.Reader.
func (o *overlay) Scan(prefix []byte, fn func(key, value []byte) (bool, error)) error {
	ahead := o.matching(prefix)
	stopped := false
	// give hands over the writes below limit (all, if limit is nil).
	give := func(limit []byte) error {
		for len(ahead) > 0 && !stopped && (limit == nil || bytes.Compare(ahead[0].Key, limit) < 0) {
			w := ahead[0]
			ahead = ahead[1:]
			if w.Value == nil {
				continue
			}
			more, err := fn(w.Key, w.Value)
			stopped = !more
			if err != nil {
				return err
			}
		}
		return nil
	}
	if o.base != nil {
		err := o.base.Scan(prefix, func(k, v []byte) (bool, error) {
			if err := give(k); err != nil || stopped {
				return false, err
			}
			if len(ahead) > 0 && bytes.Equal(ahead[0].Key, k) {
				w := ahead[0]
				ahead = ahead[1:]
				if w.Value == nil {
					return true, nil
				}
				v = w.Value
			}
			more, err := fn(k, v)
			stopped = !more
			return more, err
		})
		if err != nil || stopped {
			return err
		}
	}
	return give(nil)
}

// matching gives the newest write of each key under prefix, in order.
func (o *overlay) matching(prefix []byte) []state.Write {
	var out []state.Write
	from, to := 0, len(o.groups)
	if len(prefix) > 0 {
		from, to = int(prefix[0]), int(prefix[0])+1
	}
	for i := from; i < to; i++ {
		g := &o.groups[i]
		if len(g.writes) == 0 {
			continue
		}
		g.catchUp()
		// The map's order does not show: what is collected is sorted below.
		for key, at := range g.index {
			if strings.HasPrefix(key, string(prefix)) {
				out = append(out, g.writes[at])
			}
		}
	}
	slices.SortFunc(out, func(a, b state.Write) int { return bytes.Compare(a.Key, b.Key) })
	return out
}

func firstByte(key []byte) byte {
	if len(key) == 0 {
		return 0
	}
	return key[0]
}

// remembering is a state that does not change, and remembers what it was asked:
// every statement asks for the network, its issuer and that one's keys. It
// belongs to one goroutine.
type remembering struct {
	state.Reader
	found map[string][]byte // at most rememberMost
}

const rememberMost = 1024

// Get implements state.Reader.
func (r *remembering) Get(key []byte) ([]byte, error) {
	if v, is := r.found[string(key)]; is {
		return v, nil
	}
	v, err := r.Reader.Get(key)
	if err == nil && v != nil && len(r.found) < rememberMost {
		r.found[string(key)] = v
	}
	return v, err
}
