package ledger

import (
	"bytes"
	"fmt"

	"concordat/ledger/merkle"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// View is the ledger at one size. It never changes, whatever is applied
// meanwhile (L7), may be used by several goroutines, and must be closed, once.
// Who hands it to somebody that may outlast him gives a view of its own (Retain).
type View struct {
	pin *pin
	err error // of a view of a closed ledger: every read gives it
}

// View pins the ledger as it is now. It takes no I/O.
func (l *Ledger) View() *View {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil {
		return &View{err: ErrClosed}
	}
	l.current.refs.Add(1)
	return &View{pin: l.current}
}

// Retain gives another view of the same, with a Close of its own. v must not be
// closed yet.
func (v *View) Retain() *View {
	if v.pin != nil {
		v.pin.refs.Add(1)
	}
	return &View{pin: v.pin, err: v.err}
}

// Close lets the view go. An error is one of the store.
func (v *View) Close() error {
	if v.pin == nil {
		return nil
	}
	return v.pin.release()
}

// Head is what the view is of.
func (v *View) Head() Head {
	if v.pin == nil {
		return Head{}
	}
	return v.pin.head
}

// State shows the state at the view's size.
func (v *View) State() state.View { return state.View{Reader: v} }

// Beside gives what is kept beside the ledger at the view's size, for all views
// of that moment, until the last is closed: what made made, the first time that
// it was asked for. It is for what takes time to work out of the ledger, and
// always comes out alike; for one kind of thing, since there is one place. A view
// of a closed ledger keeps nothing.
func (v *View) Beside(made func() any) any {
	if v.pin == nil {
		return made()
	}
	v.pin.besideOnce.Do(func() { v.pin.beside = made() })
	return v.pin.beside
}

// Get implements state.Reader.
func (v *View) Get(key []byte) ([]byte, error) {
	if v.err != nil {
		return nil, v.err
	}
	return v.pin.Get(key)
}

// Any implements state.Prober.
func (v *View) Any(prefix []byte) (bool, error) {
	if v.err != nil {
		return false, v.err
	}
	return v.pin.Any(prefix)
}

// Scan implements state.Reader.
func (v *View) Scan(prefix []byte, fn func(key, value []byte) (bool, error)) error {
	if v.err != nil {
		return v.err
	}
	return v.pin.Scan(prefix, fn)
}

// Entry is a statement in its place. That it was signed, and by a key of its
// issuer, was judged when it was applied (L4).
type Entry struct {
	Index uint64
	*statement.Unverified
}

// ByIndex gives the statement at index. The error wraps ErrNotFound if the
// view has no such index.
func (v *View) ByIndex(index uint64) (Entry, error) {
	if v.err != nil {
		return Entry{}, v.err
	}
	if index >= v.pin.head.Size {
		return Entry{}, fmt.Errorf("%w: statement %d; there are %d, counted from 0", ErrNotFound, index, v.pin.head.Size)
	}
	raw, err := v.pin.get(indexKey(tableEntry, index))
	if err != nil {
		return Entry{}, err
	}
	e, err := parseEntry(index, raw)
	return e, v.blame(err)
}

// blame breaks the ledger if err says that what the view read contradicts itself.
func (v *View) blame(err error) error { return v.pin.store.fault.blame(err) }

func parseEntry(index uint64, raw []byte) (Entry, error) {
	if raw == nil {
		return Entry{}, fmt.Errorf("%w: statement %d is missing", ErrCorrupt, index)
	}
	u, err := statement.Parse(raw)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: statement %d: %w", ErrCorrupt, index, err)
	}
	return Entry{index, u}, nil
}

// IndexOf gives the index of the statement with that hash. The error wraps
// ErrNotFound if the view has none.
func (v *View) IndexOf(h statement.Hash) (uint64, error) {
	if v.err != nil {
		return 0, v.err
	}
	index, known, err := v.pin.indexOf(h)
	if err == nil && !known {
		err = fmt.Errorf("%w: statement %s", ErrNotFound, h)
	}
	return index, v.blame(err)
}

func (p *pin) indexOf(h statement.Hash) (index uint64, known bool, err error) {
	key := hashKey(h)
	value, err := p.get(key)
	if err != nil || value == nil {
		return 0, false, err
	}
	index, err = decodeIndex(key, value)
	return index, err == nil, err
}

// ByHash gives the statement with that hash. The error wraps ErrNotFound if the view has none.
func (v *View) ByHash(h statement.Hash) (Entry, error) {
	index, err := v.IndexOf(h)
	if err != nil {
		return Entry{}, err
	}
	return v.ByIndex(index)
}

// ReadTile implements merkle.TileReader.
func (v *View) ReadTile(t merkle.Tile, width int) ([]byte, error) {
	if v.err != nil {
		return nil, v.err
	}
	data, err := tiles{v.pin}.ReadTile(t, width)
	return data, v.blame(err)
}

// Inclusion proves that the statement at index is in the tree of the given
// size, which is at most the view's.
func (v *View) Inclusion(index, size uint64) ([]merkle.Hash, error) {
	if err := v.covers(size); err != nil {
		return nil, err
	}
	return merkle.InclusionProof(v, index, size)
}

// Consistency proves that the tree of old statements is the beginning of that
// of size, which is at most the view's.
func (v *View) Consistency(old, size uint64) ([]merkle.Hash, error) {
	if err := v.covers(size); err != nil {
		return nil, err
	}
	return merkle.ConsistencyProof(v, old, size)
}

// RootAt gives the root that the tree had at a size, at most the view's.
func (v *View) RootAt(size uint64) (merkle.Hash, error) {
	if err := v.covers(size); err != nil {
		return merkle.Hash{}, err
	}
	return merkle.Root(v, size)
}

func (v *View) covers(size uint64) error {
	if v.err != nil {
		return v.err
	}
	if size > v.pin.head.Size {
		return fmt.Errorf("%w: a tree of %d statements; there are %d", ErrNotFound, size, v.pin.head.Size)
	}
	return nil
}

// tiles reads the tree of a pin.
type tiles struct{ *pin }

// ReadTile implements merkle.TileReader.
func (t tiles) ReadTile(tile merkle.Tile, width int) ([]byte, error) {
	data, err := t.get(tileKey(tile))
	if err != nil {
		return nil, err
	}
	if len(data) < width*merkle.HashSize {
		return nil, fmt.Errorf("%w: tile %s has %d bytes, want %d", ErrCorrupt, tile.Path(width), len(data), width*merkle.HashSize)
	}
	return data, nil
}

// Filter says which statements are wanted.
type Filter struct {
	From      uint64           // the first index that is wanted
	Limit     int              // at most so many; 0 or less: MaxPage
	Kind      statement.Kind   // "": all
	Authority statement.Region // "": all
}

// MaxPage bounds what one call of Statements gives.
const MaxPage = 1000

// Statements gives the statements that f wants, in order. To go on, ask again
// from the index after the last; nothing more is there when none come.
func (v *View) Statements(f Filter) ([]Entry, error) {
	if v.err != nil {
		return nil, v.err
	}
	if f.Limit <= 0 || f.Limit > MaxPage {
		f.Limit = MaxPage
	}
	if f.Kind == "" && f.Authority == "" {
		return v.page(f)
	}
	// One listing is walked, and the other condition is in its value.
	table, name := authorityListing(f.Authority)
	want := []byte(f.Kind)
	if f.Authority == "" {
		table, name = kindListing(f.Kind)
		want = nil
	}
	var indexes []uint64
	prefix := listingPrefix(table, name)
	err := v.pin.scan(prefix, listingKey(table, name, f.From), func(k, value []byte) (bool, error) {
		if len(want) == 0 || bytes.Equal(value, want) {
			indexes = append(indexes, lastIndex(k))
		}
		return len(indexes) < f.Limit, nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]Entry, 0, len(indexes))
	for _, i := range indexes {
		e, err := v.ByIndex(i)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func (v *View) page(f Filter) ([]Entry, error) {
	var out []Entry
	err := v.pin.scan([]byte{tableEntry}, indexKey(tableEntry, f.From), func(k, raw []byte) (bool, error) {
		e, err := parseEntry(lastIndex(k), bytes.Clone(raw))
		out = append(out, e)
		return len(out) < f.Limit, err
	})
	return out, v.blame(err)
}
