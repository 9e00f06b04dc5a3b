package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"concordat/ledger/merkle"
	"concordat/ledger/state"
)

// RecordShards is the number of shards of the records.
const RecordShards = 1024

// ErrShard: the bytes are not a shard of records in its one encoding.
var ErrShard = errors.New("malformed shard of records")

// ShardOf is the shard of a record: the first ten bits of the SHA-256 of its key.
func ShardOf(key []byte) int {
	sum := sha256.Sum256(key)
	return int(binary.BigEndian.Uint16(sum[:]) >> 6)
}

// Merge makes changes to a shard of records. A change without a value deletes;
// of two with one key the later counts. All must belong in the shard, and be
// Sealed. The shard's bytes are not changed; without any change they are
// returned themselves.
func Merge(shard []byte, changes []state.Write) ([]byte, error) {
	sorted := slices.Clone(changes)
	slices.SortStableFunc(sorted, func(a, b state.Write) int { return bytes.Compare(a.Key, b.Key) })
	last := sorted[:0]
	for i, w := range sorted {
		if i+1 == len(sorted) || !bytes.Equal(w.Key, sorted[i+1].Key) {
			last = append(last, w)
		}
	}
	if len(last) == 0 {
		return shard, nil
	}
	size := len(shard)
	for _, w := range last {
		size += len(w.Key) + len(w.Value) + 2*binary.MaxVarintLen32
	}
	out := make([]byte, 0, size)
	next := func() {
		if w := last[0]; w.Value != nil {
			out = AppendRecord(out, w.Key, w.Value)
		}
		last = last[1:]
	}
	err := Each(shard, func(key, value []byte) error {
		for len(last) > 0 && bytes.Compare(last[0].Key, key) < 0 {
			next()
		}
		if len(last) > 0 && bytes.Equal(last[0].Key, key) {
			next()
			return nil
		}
		out = AppendRecord(out, key, value)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for len(last) > 0 {
		next()
	}
	return out, nil
}

// AppendRecord appends a record to the bytes of a shard, whose keys ascend.
func AppendRecord(to, key, value []byte) []byte {
	to = append(binary.AppendUvarint(to, uint64(len(key))), key...)
	return append(binary.AppendUvarint(to, uint64(len(value))), value...)
}

// Each calls fn for every record of a shard, in the order of the keys, and
// returns fn's error, or one that wraps ErrShard. What fn gets is part of the
// shard's bytes.
func Each(shard []byte, fn func(key, value []byte) error) error {
	var before []byte
	for rest := shard; len(rest) > 0; {
		var key, value []byte
		var err error
		if key, rest, err = cut(rest); err != nil {
			return fmt.Errorf("key after %x: %w", before, err)
		}
		if value, rest, err = cut(rest); err != nil {
			return fmt.Errorf("value of %x: %w", key, err)
		}
		if before != nil && bytes.Compare(before, key) >= 0 {
			return fmt.Errorf("%w: key %x after %x", ErrShard, key, before)
		}
		if err := fn(key, value); err != nil {
			return err
		}
		before = key
	}
	return nil
}

// cut takes what stands first, after its length; nothing is never written.
func cut(b []byte) (first, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	switch {
	case size <= 0 || size > 1 && b[size-1] == 0:
		return nil, nil, fmt.Errorf("%w: no length in its shortest form", ErrShard)
	case n == 0:
		return nil, nil, fmt.Errorf("%w: it is empty", ErrShard)
	case n > uint64(len(b)-size):
		return nil, nil, fmt.Errorf("%w: %d bytes left where it takes %d", ErrShard, len(b)-size, n)
	}
	end := size + int(n)
	return b[size:end:end], b[end:], nil
}

// Root is the RFC 6962 tree hash over leaves, given by their hashes
// (merkle.LeafHash of each shard's bytes; an empty shard is an empty leaf).
func Root(leaves []merkle.Hash) merkle.Hash {
	if len(leaves) == 0 {
		return merkle.EmptyRoot()
	}
	// Level by level; a node without a sibling moves up as it is.
	level := slices.Clone(leaves)
	for len(level) > 1 {
		n := len(level) / 2
		for i := range n {
			level[i] = merkle.NodeHash(level[2*i], level[2*i+1])
		}
		if len(level)%2 == 1 {
			level[n] = level[len(level)-1]
			n++
		}
		level = level[:n]
	}
	return level[0]
}
