package revoked

import (
	"fmt"

	"concordat/ledger/statement"
)

// Set is a whole set in memory, to look hashes up in. It does not change, and
// may be asked concurrently.
type Set struct {
	Summary
	shards []Shard
}

// Load reads a set: shard gives the bytes of each, which the set keeps. Every
// shard is checked, and that together they are what the summary says. Errors
// wrap ErrMalformed or ErrParams.
func Load(s Summary, shard func(i int) []byte) (*Set, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	set := &Set{Summary: s, shards: make([]Shard, s.Shards())}
	var entries, undos uint64
	for i := range set.shards {
		var err error
		if set.shards[i], err = Open(s.Params, i, shard(i)); err != nil {
			return nil, fmt.Errorf("shard %d: %w", i, err)
		}
		e, u := set.shards[i].Count()
		entries, undos = entries+uint64(e), undos+uint64(u)
	}
	if entries != s.Entries || undos != s.Undos {
		return nil, fmt.Errorf("%w: the shards hold %d entries and %d undos, said to be %d and %d", ErrMalformed, entries, undos, s.Entries, s.Undos)
	}
	return set, nil
}

// AppendBatches appends the ordinals of the batches that may hold a hash,
// ascending; one may be there twice.
func (s *Set) AppendBatches(to []uint64, h statement.RevocationHash) []uint64 {
	key := Key(h)
	return s.shards[s.ShardOf(key)].AppendBatches(to, key)
}

// AppendUndone appends the indexes of the statements that undid a hash, ascending.
func (s *Set) AppendUndone(to []uint64, h statement.RevocationHash) []uint64 {
	return s.shards[s.ShardOf(Key(h))].AppendUndone(to, h)
}
