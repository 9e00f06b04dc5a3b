package state

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// sums holds what a whole state must agree in: what one record says in one
// number or list, and many others one by one. Dump shows it every entry, in the
// order of the keys, and then asks.
type sums struct {
	counts   counts
	hashes   map[uint64]batchHashes // by index of the batch
	said     map[string]Totals      // what the batches add up to, by key of totals
	totals   map[string]Totals      // what the totals say
	revoking uint64                 // batches that revoke
	numbered uint64                 // what the running number says
	vouching governed               // what the records of the network's own affairs say
}

// batchHashes is how many hashes a batch came with, and how many are there.
type batchHashes struct{ count, there uint64 }

func newSums() *sums {
	return &sums{
		counts: counts{}, hashes: map[uint64]batchHashes{},
		said: map[string]Totals{}, totals: map[string]Totals{}, vouching: newGoverned(),
	}
}

// see takes in one entry that describe has found to be as it must be.
func (s *sums) see(key, value []byte) error {
	switch key[0] {
	case tagBatch:
		return s.seeBatch(key, value)
	case tagOrdinals:
		o, err := parse[ordinals](key, value)
		if err != nil {
			return err
		}
		s.numbered = o.Last
	case tagRevocation:
		_, _, index, err := splitRevocationKey(key)
		if err != nil {
			return err
		}
		b := s.hashes[index]
		b.there++
		s.hashes[index] = b
	case tagTotals:
		var t Totals
		if err := decode(fmt.Sprintf("totals under key %x", key), value, &t); err != nil {
			return err
		}
		s.totals[string(key)] = t
	}
	if err := s.vouching.see(key, value); err != nil {
		return err
	}
	return s.counts.see(key, value)
}

func (s *sums) seeBatch(key, value []byte) error {
	b, err := parseBatch(key, value)
	if err != nil {
		return err
	}
	index := binary.BigEndian.Uint64(key[1:])
	s.hashes[index] = batchHashes{count: b.Count}
	of := string(totalsKey(b.Authority, b.HashType))
	t := s.said[of]
	t.Batches++
	if b.Undo {
		t.Undone += b.Count
	} else {
		t.Revoked += b.Count
		s.revoking++
		if b.Ordinal != s.revoking {
			return fmt.Errorf("%w: batch %d has the running number %d, and is the %dth that revokes", ErrCorrupt, index, b.Ordinal, s.revoking)
		}
	}
	s.said[of] = t
	return nil
}

// check checks ST12 to ST18, when all has been seen.
func (s *sums) check() error {
	if err := s.counts.check(); err != nil {
		return err
	}
	for _, index := range slices.Sorted(maps.Keys(s.hashes)) {
		if b := s.hashes[index]; b.there != 0 && b.there != b.count {
			return fmt.Errorf("%w: of the %d hashes of batch %d there are %d; want all or, once erased, none", ErrCorrupt, b.count, index, b.there)
		}
	}
	if s.revoking != s.numbered {
		return fmt.Errorf("%w: the running number of batches that revoke is %d, and there are %d", ErrCorrupt, s.numbered, s.revoking)
	}
	for _, key := range slices.Sorted(maps.Keys(s.said)) {
		if s.said[key] != s.totals[key] {
			return fmt.Errorf("%w: the totals under key %x are %+v, and the batches come to %+v", ErrCorrupt, key, s.totals[key], s.said[key])
		}
	}
	if len(s.totals) != len(s.said) {
		return fmt.Errorf("%w: totals under %d keys, and batches for %d", ErrCorrupt, len(s.totals), len(s.said))
	}
	return s.vouching.check()
}
