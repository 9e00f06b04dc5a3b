package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"concordat/ledger/merkle"
	"concordat/ledger/revoked"
	"concordat/ledger/seal"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// The tables of the sealed state hold it as the newest seal found it, whatever
// was written since: the records, each in its shard; the shards of the revoked
// set; for every shard its hash, and the seal that changed it last. They change
// in the batch that applies a seal and never else (L11). tableDirty names the
// records that were written since.

// sealed is the record under keySealed: what the tables hold.
type sealed struct {
	index   uint64 // of the seal
	at      statement.Time
	summary revoked.Summary
	absent  []uint64 // batches that the revoked set lacks, since their hashes were erased
}

const sealedFixed = 8 + 8 + 1 + 1 + 8 + 8

func (s sealed) encode() []byte {
	b := make([]byte, 0, sealedFixed+8*len(s.absent))
	b = binary.BigEndian.AppendUint64(b, s.index)
	b = binary.BigEndian.AppendUint64(b, uint64(s.at))
	b = append(b, s.summary.ShardBits, s.summary.KeyBits)
	b = binary.BigEndian.AppendUint64(b, s.summary.Entries)
	b = binary.BigEndian.AppendUint64(b, s.summary.Undos)
	for _, i := range s.absent {
		b = binary.BigEndian.AppendUint64(b, i)
	}
	return b
}

func decodeSealed(b []byte) (s sealed, err error) {
	if len(b) < sealedFixed || (len(b)-sealedFixed)%8 != 0 {
		return s, fmt.Errorf("%w: the record of the newest seal has %d bytes, want %d and eight for each batch that is missing", ErrCorrupt, len(b), sealedFixed)
	}
	s.index = binary.BigEndian.Uint64(b)
	s.at = statement.Time(binary.BigEndian.Uint64(b[8:]))
	s.summary.ShardBits, s.summary.KeyBits = b[16], b[17]
	s.summary.Entries = binary.BigEndian.Uint64(b[18:])
	s.summary.Undos = binary.BigEndian.Uint64(b[26:])
	for rest := b[sealedFixed:]; len(rest) > 0; rest = rest[8:] {
		s.absent = append(s.absent, binary.BigEndian.Uint64(rest))
	}
	if err := s.summary.Check(); err != nil {
		return s, fmt.Errorf("%w: the record of the newest seal: %w", ErrCorrupt, err)
	}
	return s, nil
}

// sealed is what the tables hold; nil before the first seal.
func (p *pin) sealed() (*sealed, error) {
	raw, err := p.get(keySealed)
	if err != nil || raw == nil {
		return nil, err
	}
	s, err := decodeSealed(raw)
	return &s, err
}

func recordShardPrefix(i int) []byte {
	return binary.BigEndian.AppendUint16([]byte{tableRecords}, uint16(i))
}

func recordKey(key []byte) []byte { return append(recordShardPrefix(seal.ShardOf(key)), key...) }

func revokedKey(i int) []byte { return binary.BigEndian.AppendUint32([]byte{tableRevoked}, uint32(i)) }

func leafKey(table byte, i int) []byte {
	return binary.BigEndian.AppendUint32([]byte{tableLeaf, table}, uint32(i))
}

// shardLeaf is what tableLeaf has of a shard. A shard that it does not have is
// empty, and has been from the beginning.
type shardLeaf struct {
	hash    merkle.Hash
	changed uint64 // index of the seal that changed it last, here or elsewhere (sealing.healed)
}

func (s shardLeaf) encode() []byte {
	return binary.BigEndian.AppendUint64(append([]byte{}, s.hash[:]...), s.changed)
}

// eachLeaf calls fn for every shard of a table that has a leaf, in order.
func (p *pin) eachLeaf(table byte, fn func(i int, leaf shardLeaf) error) error {
	prefix := []byte{tableLeaf, table}
	return p.scan(prefix, prefix, func(k, v []byte) (bool, error) {
		if len(k) != 2+4 || len(v) != merkle.HashSize+8 {
			return false, fmt.Errorf("%w: leaf of a shard %x has %d bytes", ErrCorrupt, k, len(v))
		}
		leaf := shardLeaf{merkle.Hash(v[:merkle.HashSize]), binary.BigEndian.Uint64(v[merkle.HashSize:])}
		return true, fn(int(binary.BigEndian.Uint32(k[2:])), leaf)
	})
}

// leaves gives the hashes of all shards, by table.
func (p *pin) leaves() (map[byte][]merkle.Hash, error) {
	count := map[byte]int{tableRecords: seal.RecordShards}
	s, err := p.sealed()
	if err != nil {
		return nil, err
	}
	if s != nil {
		count[tableRevoked] = s.summary.Shards()
	}
	empty := merkle.LeafHash(nil)
	out := map[byte][]merkle.Hash{}
	for table, n := range count { // in any order: each is apart
		hashes := make([]merkle.Hash, n)
		for i := range hashes {
			hashes[i] = empty
		}
		err := p.eachLeaf(table, func(i int, leaf shardLeaf) error {
			if i >= n {
				return fmt.Errorf("%w: shard %d of table %q, of which there are %d", ErrCorrupt, i, table, n)
			}
			hashes[i] = leaf.hash
			return nil
		})
		if err != nil {
			return nil, err
		}
		out[table] = hashes
	}
	return out, nil
}

// recordShard gives the bytes of a shard of records as of the newest seal.
func (p *pin) recordShard(i int) (shard []byte, err error) {
	prefix := recordShardPrefix(i)
	err = p.scan(prefix, prefix, func(k, v []byte) (bool, error) {
		shard = seal.AppendRecord(shard, k[len(prefix):], v)
		return true, nil
	})
	return shard, err
}

// revokedShard gives a shard of the revoked set as of the newest seal.
func (p *pin) revokedShard(i int) ([]byte, error) { return p.get(revokedKey(i)) }

// hashesOf gives the hashes of a batch; nil if they were erased.
func (p *pin) hashesOf(b seal.Batch) ([]byte, error) {
	a, err := p.get(attachmentKey(b.Digest))
	switch {
	case err != nil:
		return nil, err
	case a == nil:
		return nil, fmt.Errorf("%w: attachment %x of statement %d is missing", ErrCorrupt, b.Digest, b.Index)
	case len(a) == 0:
		return nil, nil
	}
	return a, nil
}

// dirty gives the sealed records that were written since the newest seal, as
// they are now, in the order of their keys; a nil value is one that is gone.
func (p *pin) dirty() ([]state.Write, error) {
	var out []state.Write
	prefix := []byte{tableDirty}
	err := p.withIterator(func(records *pebble.Iterator) error {
		return p.scan(prefix, prefix, func(k, _ []byte) (bool, error) {
			w := state.Write{Key: bytes.Clone(k[1:])}
			key := keyOf(tableState, w.Key)
			// The keys ascend, so the iterator never goes back, and mostly has not far to go.
			if records.SeekGE(key) && bytes.Equal(records.Key(), key) {
				v, err := records.ValueAndErr()
				if err != nil {
					return false, err
				}
				w.Value = append([]byte{}, v...)
			}
			out = append(out, w)
			return true, nil
		})
	})
	return out, err
}

// sealed writes the tables as a seal leaves them, and forgets what was dirty.
func (w *batchWriter) sealed(s *sealing) {
	w.deleteTable([]byte{tableDirty})
	for _, c := range s.changed {
		if c.Value == nil {
			w.delete(recordKey(c.Key))
		} else {
			w.set(recordKey(c.Key), c.Value)
		}
	}
	if s.plan.Rebuild {
		w.deleteTable([]byte{tableRevoked})
		w.deleteTable([]byte{tableLeaf, tableRevoked})
	}
	for i, leaf := range s.healed {
		w.set(leafKey(tableRevoked, i), shardLeaf{leaf, s.size}.encode())
	}
	for _, c := range s.shards {
		w.set(leafKey(c.table, c.i), shardLeaf{c.leaf, s.size}.encode())
		if c.table != tableRevoked {
			continue
		}
		if len(c.data) > 0 {
			w.set(revokedKey(c.i), c.data)
		} else {
			w.delete(revokedKey(c.i))
		}
	}
	w.set(keySealed, sealed{index: s.size, at: s.at, summary: s.plan.Summary, absent: s.absent}.encode())
}

// deleteTable deletes all keys with a prefix, which ends below 0xff.
func (w *batchWriter) deleteTable(prefix []byte) {
	if w.err == nil {
		end := bytes.Clone(prefix)
		end[len(end)-1]++
		w.err = w.b.DeleteRange(prefix, end, nil)
	}
}

// loadBatches makes out which batches the tables hold.
func (l *Ledger) loadBatches(p *pin) error {
	var err error
	if l.batches, err = seal.NewBatches(revoked.DefaultBits); err != nil {
		return err
	}
	s, err := p.sealed()
	if err != nil {
		return err
	}
	resume := func(before uint64) error {
		if s == nil || s.index > before {
			return nil
		}
		last := *s
		s = nil
		if err := l.batches.Resume(last.at, last.absent); err != nil {
			return fmt.Errorf("%w: the record of the newest seal: %w", ErrCorrupt, err)
		}
		return nil
	}
	err = state.View{Reader: p}.Batches(func(index uint64, b state.Batch) (bool, error) {
		if err := resume(index); err != nil {
			return false, err
		}
		return true, l.batches.Add(index, b)
	})
	if err != nil {
		return err
	}
	return resume(p.head.Size)
}
