package state

import (
	"slices"

	"concordat/ledger/statement"
)

// revoke writes one event per hash, blindly (ST8): a batch of 65,536 hashes
// costs one arena of keys and reads only totals and the running number. All
// events share one value.
func (a *act) revoke(b *statement.Batch, undo bool, attachment []byte) ([]Write, Verdict, error) {
	totals, err := loadTotals(a.r, a.by, b.HashType)
	if err != nil {
		return nil, Verdict{}, err
	}
	said := Batch{
		Authority: a.by, HashType: b.HashType, Undo: undo,
		Count: b.Count, Digest: b.Digest, Expires: b.Expires, Reason: b.Reason, IssuedBefore: b.IssuedBefore,
	}
	totals.Batches++
	if undo {
		totals.Undone += b.Count
	} else {
		totals.Revoked += b.Count
	}

	keys := ExpandedKeys(a.index, said, attachment)
	writes := make([]Write, 0, len(keys)+3)
	value := said.event()
	for _, key := range keys {
		writes = append(writes, Write{Key: key, Value: value})
	}
	if !undo {
		numbered, err := load[ordinals](a.r, ordinalsKey())
		if err != nil {
			return nil, Verdict{}, err
		}
		if numbered == nil {
			numbered = new(ordinals)
		}
		numbered.Last++
		said.Ordinal = numbered.Last
		writes = append(writes, put(numbered))
	}
	return append(writes,
		Write{Key: batchKey(a.index), Value: encode(said)},
		Write{Key: totalsKey(a.by, b.HashType), Value: encode(totals)},
	), Verdict{}, nil
}

// Expand is the entry that one hash has, or had, by the batch of the statement
// at index. A bundle, which has the batches and a filter over the hashes, shows
// the state's entries with it.
func Expand(index uint64, b Batch, h statement.RevocationHash) Write {
	key := make([]byte, 0, revocationKeySize(b.Authority))
	return Write{Key: appendRevocationKey(key, h[:], hashTypeByte(b.HashType), b.Authority, index), Value: b.event()}
}

// ExpandedKeys are the keys of all hashes in the batch of the statement at
// index: what erasing the batch deletes. attachment is the batch's. The keys
// are the caller's, in one piece of memory.
func ExpandedKeys(index uint64, b Batch, attachment []byte) [][]byte {
	n := len(attachment) / statement.HashSize
	out, arena := make([][]byte, 0, n), make([]byte, 0, n*revocationKeySize(b.Authority))
	kind := hashTypeByte(b.HashType)
	for hash := range slices.Chunk(attachment, statement.HashSize) {
		at := len(arena)
		arena = appendRevocationKey(arena, hash, kind, b.Authority, index)
		out = append(out, arena[at:len(arena):len(arena)])
	}
	return out
}

// Sealed reports whether what stands under a key is among the records that a
// seal covers: all but the entries of single hashes, which a seal covers as a
// set of its own, and which are erased after their expiry.
func Sealed(key []byte) bool { return len(key) == 0 || key[0] != tagRevocation }

// SpentAt returns a function that is to be told of every batch in the order of
// the log, and says of each whether it is spent: whether no check for the time
// at, or any later one, can need its hashes. A batch that revokes is spent when
// it has expired. One that undoes is spent when it has expired and nothing
// before it that it could still cancel is left: to forget it earlier would bring
// revocations back.
func SpentAt(at statement.Time) func(b Batch) bool {
	type said struct {
		by statement.Region
		of statement.HashType
	}
	alive := map[said]bool{} // batches that revoke and are not spent
	return func(b Batch) bool {
		this := said{b.Authority, b.HashType}
		if !b.Undo && at < b.Expires {
			alive[this] = true
		}
		return at >= b.Expires && (!b.Undo || !alive[this])
	}
}
