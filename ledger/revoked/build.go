package revoked

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"concordat/ledger/statement"
)

// Entry is one hash of one batch that revokes.
type Entry struct {
	Key     uint64 // Key of the hash
	Ordinal uint64 // of the batch, less than 2^56
}

// Undo is one hash of one batch that undoes. It is kept in full.
type Undo struct {
	Hash  statement.RevocationHash
	Index uint64 // of the statement
}

// undoSize is the length of an Undo in a shard: hash, then index, big-endian.
const undoSize = statement.HashSize + 8

// maxOrdinalBits bounds the width of an ordinal.
const maxOrdinalBits = 56

// contents is what one shard holds, in the order in which it holds it: entries
// with the local part of their keys by key and ordinal, none forgotten if two
// are the same; undos by hash and index.
type contents struct {
	entries []Entry
	undos   []Undo
}

func compareEntries(a, b Entry) int {
	if a.Key != b.Key { // not cmp.Or: this is what building a large set spends its time on
		return cmp.Compare(a.Key, b.Key)
	}
	return cmp.Compare(a.Ordinal, b.Ordinal)
}

func compareUndos(a, b Undo) int {
	return cmp.Or(bytes.Compare(a.Hash[:], b.Hash[:]), cmp.Compare(a.Index, b.Index))
}

// Build gives the bytes of a shard with entries and undos, in any order; all
// must belong in that shard. Nothing in it is nothing: an empty shard has no bytes.
func Build(p Params, entries []Entry, undos []Undo) ([]byte, error) {
	return Update(p, nil, Change{Insert: entries, Undo: undos})
}

// lowBits is how many bits of a key are kept as they are; the bits above are
// counted in unary. With n keys spread evenly this takes the least: between two
// and three bits for each key beyond log2(2^keyBits/n).
func lowBits(keyBits uint8, n int) int { return max(int(keyBits)-bits.Len64(uint64(n-1)), 0) }

// encode writes a shard (RV3).
func (c *contents) encode(p Params) ([]byte, error) {
	n := len(c.entries)
	if n == 0 && len(c.undos) == 0 {
		return nil, nil
	}
	if n > maxEntries || len(c.undos) > maxEntries {
		return nil, fmt.Errorf("%w: %d entries and %d undos, at most %d of each in one shard", ErrParams, n, len(c.undos), maxEntries)
	}
	out := binary.AppendUvarint(nil, uint64(n))
	out = binary.AppendUvarint(out, uint64(len(c.undos)))
	if n > 0 {
		base, most := c.entries[0].Ordinal, uint64(0)
		for _, e := range c.entries {
			base, most = min(base, e.Ordinal), max(most, e.Ordinal)
		}
		width := bits.Len64(most - base)
		if most >= 1<<maxOrdinalBits {
			return nil, fmt.Errorf("%w: ordinal %d, want less than 2^%d", ErrParams, most, maxOrdinalBits)
		}
		out = binary.AppendUvarint(out, base)
		out = append(out, byte(width))

		low := lowBits(p.KeyBits, n)
		lows, highs := make([]byte, fill(n*low)), make([]byte, fill(n+1<<(int(p.KeyBits)-low)))
		ordinals := make([]byte, fill(n*width))
		for i, e := range c.entries {
			put(lows, i, low, e.Key&(1<<low-1))
			at := int(e.Key>>low) + i
			highs[at>>3] |= 1 << (at & 7)
			put(ordinals, i, width, e.Ordinal-base)
		}
		out = append(append(append(out, lows...), highs...), ordinals...)
	}
	for i, u := range c.undos {
		if i > 0 && c.undos[i-1] == u {
			return nil, fmt.Errorf("%w: one undo twice, by statement %d", ErrParams, u.Index)
		}
		out = append(out, u.Hash[:]...)
		out = binary.BigEndian.AppendUint64(out, u.Index)
	}
	return out, nil
}

// Change is what is to come into a shard and to go from it.
type Change struct {
	Insert, Remove []Entry // all belong in the shard
	Undo, Forget   []Undo
	// Drop names batches all of whose entries go, for whoever does not have
	// their hashes any more; DropUndos names statements that undid.
	Drop, DropUndos map[uint64]bool
}

// Update gives the bytes of a shard after a change. It needs none of the hashes
// that stay. Taking out what is not there is ErrAbsent; a shard that is not
// one, ErrMalformed.
func Update(p Params, shard []byte, ch Change) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	var have contents
	if len(shard) > 0 {
		s, err := open(p, shard)
		if err != nil {
			return nil, err
		}
		have = s.contents()
	}
	if len(ch.Drop) > 0 {
		have.entries = slices.DeleteFunc(have.entries, func(e Entry) bool { return ch.Drop[e.Ordinal] })
	}
	if len(ch.DropUndos) > 0 {
		have.undos = slices.DeleteFunc(have.undos, func(u Undo) bool { return ch.DropUndos[u.Index] })
	}
	var out contents
	var err error
	if out.entries, err = merge(have.entries, p.sorted(ch.Insert), p.sorted(ch.Remove), compareEntries); err != nil {
		return nil, err
	}
	byHash := func(u []Undo) []Undo { return slices.SortedFunc(slices.Values(u), compareUndos) }
	if out.undos, err = merge(have.undos, byHash(ch.Undo), byHash(ch.Forget), compareUndos); err != nil {
		return nil, err
	}
	return out.encode(p)
}

// sorted gives entries as a shard holds them.
func (p Params) sorted(entries []Entry) []Entry {
	out := make([]Entry, len(entries))
	for i, e := range entries {
		out[i] = Entry{p.local(e.Key), e.Ordinal}
	}
	slices.SortFunc(out, compareEntries)
	return out
}

// merge adds to what there is and takes from it, all in order. What comes and
// goes at once must have been there before it came.
func merge[T any](have, come, gone []T, compare func(a, b T) int) ([]T, error) {
	if len(come) == 0 && len(gone) == 0 {
		return have, nil
	}
	out := make([]T, 0, len(have)+len(come))
	for _, h := range have {
		if len(gone) > 0 {
			switch c := compare(gone[0], h); {
			case c == 0:
				gone = gone[1:]
				continue
			case c < 0:
				return nil, fmt.Errorf("%w: %T %+v", ErrAbsent, h, gone[0])
			}
		}
		for len(come) > 0 && compare(come[0], h) < 0 {
			out, come = append(out, come[0]), come[1:]
		}
		out = append(out, h)
	}
	if len(gone) > 0 {
		return nil, fmt.Errorf("%w: %T %+v", ErrAbsent, gone[0], gone[0])
	}
	return append(out, come...), nil
}
