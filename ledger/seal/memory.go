package seal

import (
	"concordat/ledger/merkle"
	"concordat/ledger/revoked"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// Memory holds the shards in memory: for an auditor, who replays a log and
// recomputes every seal in it.
type Memory struct {
	dirty   map[string][]byte // records written since the last seal; nil: deleted
	records [RecordShards][]byte
	batches *Batches
	summary revoked.Summary
	shards  [][]byte
	// The hashes of the shards, so that a seal hashes those that changed.
	recordLeaves  []merkle.Hash
	revokedLeaves []merkle.Hash
}

// NewMemory returns the shards of a state without anything in it; what the
// founding document writes (state.Found) is to be Put like all else.
func NewMemory() *Memory {
	m, err := NewMemoryWith(revoked.DefaultBits)
	if err != nil {
		panic(err) // the default is within the bounds
	}
	return m
}

// NewMemoryWith is NewMemory for a false-positive rate of at most 2^-falsePositiveBits.
func NewMemoryWith(falsePositiveBits int) (*Memory, error) {
	b, err := NewBatches(falsePositiveBits)
	if err != nil {
		return nil, err
	}
	m := &Memory{dirty: map[string][]byte{}, batches: b, recordLeaves: make([]merkle.Hash, RecordShards)}
	for i := range m.recordLeaves {
		m.recordLeaves[i] = merkle.LeafHash(nil)
	}
	return m, nil
}

// Put takes note of the state's writes, in the order in which they were made.
func (m *Memory) Put(writes []state.Write) error {
	for _, w := range writes {
		if state.Sealed(w.Key) {
			m.dirty[string(w.Key)] = w.Value
		}
	}
	return m.batches.Put(writes)
}

// Sealed is what a seal says, or should say.
type Sealed struct {
	Records, Revoked merkle.Hash
	// Unverifiable are the batches (indexes of their statements) that the seal
	// covers and whose hashes have been erased. If there are any, nobody who
	// lacks them can compute Revoked, and it is not what the seal should say.
	Unverifiable []uint64
}

// Seal computes the seal of the state as it stands, for the time at. After an
// error the Memory must not be used.
func (m *Memory) Seal(at statement.Time, attachments Attachments) (Sealed, error) {
	if err := m.sealRecords(); err != nil {
		return Sealed{}, err
	}
	p, err := m.batches.Plan(at)
	if err != nil {
		return Sealed{}, err
	}
	if p.Rebuild {
		m.shards = make([][]byte, p.Summary.Shards())
		m.revokedLeaves = make([]merkle.Hash, 1+len(m.shards))
	}
	absent, err := p.Shards(func(i int) ([]byte, error) { return m.shards[i], nil }, attachments, func(i int, shard []byte) error {
		m.shards[i], m.revokedLeaves[1+i] = shard, merkle.LeafHash(shard)
		return nil
	})
	if err != nil {
		return Sealed{}, err
	}
	if err := m.batches.Commit(p, absent); err != nil {
		return Sealed{}, err
	}
	m.summary = p.Summary
	m.revokedLeaves[0] = merkle.LeafHash(m.summary.Leaf())
	return Sealed{Records: Root(m.recordLeaves), Revoked: Root(m.revokedLeaves), Unverifiable: absent}, nil
}

func (m *Memory) sealRecords() error {
	changes := make(map[int][]state.Write)
	for key, value := range m.dirty { // in any order: Merge sorts
		i := ShardOf([]byte(key))
		changes[i] = append(changes[i], state.Write{Key: []byte(key), Value: value})
	}
	for i, c := range changes { // in any order: each is a shard of its own
		shard, err := Merge(m.records[i], c)
		if err != nil {
			return err
		}
		m.records[i], m.recordLeaves[i] = shard, merkle.LeafHash(shard)
	}
	clear(m.dirty)
	return nil
}

// Records gives a shard of the records as of the last seal.
func (m *Memory) Records(i int) []byte { return m.records[i] }

// Summary and Revoked give the revoked set as of the last seal.
func (m *Memory) Summary() revoked.Summary { return m.summary }

// Revoked gives a shard of the revoked set as of the last seal.
func (m *Memory) Revoked(i int) []byte { return m.shards[i] }
