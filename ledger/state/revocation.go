package state

import (
	"slices"

	"concordat/ledger/statement"
)

// revoke writes one event per hash, blindly (ST8): a batch of 65,536 hashes
// costs one arena of keys and reads only the totals. All events share one value.
func (a *act) revoke(b *statement.Batch, undo bool, attachment []byte) ([]Write, Verdict, error) {
	totals, err := loadTotals(a.r, a.by, b.HashType)
	if err != nil {
		return nil, Verdict{}, err
	}
	totals.Batches++
	if undo {
		totals.Undone += b.Count
	} else {
		totals.Revoked += b.Count
	}

	n, size := len(attachment)/statement.HashSize, revocationKeySize(a.by)
	writes := make([]Write, 0, n+2)
	keys := make([]byte, 0, n*size)
	value := encode(event{Undo: undo, Expires: b.Expires})
	kind := hashTypeByte(b.HashType)
	for hash := range slices.Chunk(attachment, statement.HashSize) {
		at := len(keys)
		keys = appendRevocationKey(keys, hash, kind, a.by, a.index)
		writes = append(writes, Write{Key: keys[at:len(keys):len(keys)], Value: value})
	}
	return append(writes,
		Write{Key: batchKey(a.index), Value: encode(Batch{
			Authority: a.by, HashType: b.HashType, Undo: undo,
			Count: b.Count, Digest: b.Digest, Expires: b.Expires, Reason: b.Reason,
		})},
		Write{Key: totalsKey(a.by, b.HashType), Value: encode(totals)},
	), Verdict{}, nil
}
