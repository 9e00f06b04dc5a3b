package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"concordat/ledger/state"
	"concordat/ledger/statement"
)

var (
	// ErrNotListed: a bundle cannot list the revoked hashes. It can only be asked
	// about one at a time.
	ErrNotListed = errors.New("a bundle does not list revoked hashes; ask for one hash at a time")
	// ErrPast: the question is about a time for which the bundle does not know all.
	ErrPast = errors.New("the bundle does not reach back that far")
)

// State is the state at the bundle's size, to ask and to decide with. Of
// revocation hashes it knows those in batches that counted at the seal's time,
// and shows their entries as the state has them (state.Expand).
func (b *Bundle) State() state.View { return state.View{Reader: reader{b}} }

// Answers refuses a time before the seal's, with ErrPast: revocations that had
// expired by then are not in the bundle, and would be missed.
func (b *Bundle) Answers(at time.Time) error {
	if at.Before(b.seal.At.Time()) {
		return fmt.Errorf("%w: it answers for %s and later, and the question is about %s; ask a node", ErrPast, b.seal.At, statement.TimeOf(at))
	}
	return nil
}

// reader is a state.Reader over the shards.
type reader struct{ b *Bundle }

// entryPrefix begins the keys of the entries of single hashes, hashEnd ends the hash in them.
var (
	entryPrefix = state.RevocationPrefix(statement.RevocationHash{})[:1]
	hashEnd     = len(state.RevocationPrefix(statement.RevocationHash{}))
)

// Get implements state.Reader.
func (r reader) Get(key []byte) ([]byte, error) {
	if !state.Sealed(key) {
		if len(key) < hashEnd {
			return nil, nil // no key is so short
		}
		entries, err := r.entries(key)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if bytes.Equal(e.Key, key) {
				return e.Value, nil
			}
		}
		return nil, nil
	}
	i, found := slices.BinarySearchFunc(r.b.records, key, compareRecord)
	if !found {
		return nil, nil
	}
	return r.b.records[i].value, nil
}

// Scan implements state.Reader. A prefix that begins the entries of more than
// one hash is ErrNotListed.
func (r reader) Scan(prefix []byte, fn func(key, value []byte) (bool, error)) error {
	if bytes.HasPrefix(entryPrefix, prefix) || !state.Sealed(prefix) && len(prefix) < hashEnd {
		return ErrNotListed
	}
	if !state.Sealed(prefix) {
		entries, err := r.entries(prefix)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !bytes.HasPrefix(e.Key, prefix) {
				continue
			}
			if more, err := fn(e.Key, e.Value); err != nil || !more {
				return err
			}
		}
		return nil
	}
	at, _ := slices.BinarySearchFunc(r.b.records, prefix, compareRecord)
	for _, rec := range r.b.records[at:] {
		if !bytes.HasPrefix(rec.key, prefix) {
			return nil
		}
		if more, err := fn(rec.key, rec.value); err != nil || !more {
			return err
		}
	}
	return nil
}

func compareRecord(r record, key []byte) int { return bytes.Compare(r.key, key) }

// entries gives what the state has, or had it not been for a false positive
// would not have, of the hash that a key names: in the order of the keys.
func (r reader) entries(key []byte) ([]state.Write, error) {
	h := statement.RevocationHash(key[hashEnd-statement.HashSize : hashEnd])
	ordinals := r.b.revoked.AppendBatches(nil, h)
	indexes := r.b.revoked.AppendUndone(nil, h)
	for _, o := range slices.Compact(ordinals) { // twice: two hashes of one batch look the same
		index, known := r.b.byOrdinal[o]
		if !known {
			return nil, fmt.Errorf("%w: the revoked set names batch number %d, which the records do not have", state.ErrCorrupt, o)
		}
		indexes = append(indexes, index)
	}
	out := make([]state.Write, 0, len(indexes))
	for _, index := range indexes {
		batch, known := r.b.batches[index]
		if !known {
			return nil, fmt.Errorf("%w: the revoked set names statement %d, which has no batch in the records", state.ErrCorrupt, index)
		}
		out = append(out, state.Expand(index, batch, h))
	}
	slices.SortFunc(out, func(a, b state.Write) int { return bytes.Compare(a.Key, b.Key) })
	return out, nil
}
