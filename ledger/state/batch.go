package state

import (
	"encoding/binary"
	"fmt"

	"concordat/ledger/statement"
)

// Batch is what was said with a batch of revocation hashes, the hashes apart.
type Batch struct {
	Authority statement.Region   `cbor:"1,keyasint"`
	HashType  statement.HashType `cbor:"2,keyasint"`
	Undo      bool               `cbor:"3,keyasint,omitempty"`
	Count     uint64             `cbor:"4,keyasint"`
	Digest    [32]byte           `cbor:"5,keyasint"` // SHA-256 of the attachment
	Expires   statement.Time     `cbor:"6,keyasint"`
	Reason    string             `cbor:"7,keyasint"`
	Ordinal   uint64             `cbor:"8,keyasint,omitempty"` // the batch is the ledger's so-manyth that revokes, from 1; 0 for one that undoes
	// IssuedBefore spares codes issued at that time or later; 0: it spares none.
	IssuedBefore statement.Time `cbor:"9,keyasint,omitempty"`
}

// Totals counts what an authority said in batches of one type of hash. A hash
// in two batches counts twice.
type Totals struct {
	Batches uint64 `cbor:"1,keyasint"` // of both kinds
	Revoked uint64 `cbor:"2,keyasint"` // hashes
	Undone  uint64 `cbor:"3,keyasint"` // hashes
}

// ordinals is the running number of the batches that revoke: how many there
// ever were. It never falls, so that no number means two batches.
type ordinals struct {
	Last uint64 `cbor:"1,keyasint"`
}

func (o *ordinals) key() []byte { return ordinalsKey() }

func (o *ordinals) check() error {
	if o.Last == 0 {
		return fmt.Errorf("0 batches that revoke; then there is no number")
	}
	return nil
}

func (o *ordinals) words() string {
	return fmt.Sprintf("so far %s of revocations", count(o.Last, "batch", "batches"))
}

// event is the value under a revocation's key. It is short because there are
// millions; the reason is in the batch.
type event struct {
	_       struct{} `cbor:",toarray"`
	Undo    bool
	Expires statement.Time
}

// sparing is the event of a batch that spares codes issued later: the check of a
// code then reads no batch for it. An event without IssuedBefore is never
// written so: events have been written as two elements since level 1.
type sparing struct {
	_            struct{} `cbor:",toarray"`
	Undo         bool
	Expires      statement.Time
	IssuedBefore statement.Time
}

// sparingHead opens a sparing: an array of three.
const sparingHead = 0x83

// event is the value under the key of each hash in the batch.
func (b *Batch) event() []byte {
	if b.IssuedBefore == 0 {
		return encode(event{Undo: b.Undo, Expires: b.Expires})
	}
	return encode(sparing{Undo: b.Undo, Expires: b.Expires, IssuedBefore: b.IssuedBefore})
}

// decodeEvent reads what event gives.
func decodeEvent(value []byte) (sparing, error) {
	const what = "revocation event"
	if len(value) > 0 && value[0] == sparingHead {
		var e sparing
		if err := decode(what, value, &e); err != nil {
			return sparing{}, err
		}
		if e.IssuedBefore <= 0 {
			return sparing{}, fmt.Errorf("%w: %s that spares what was issued from %d on", ErrCorrupt, what, e.IssuedBefore)
		}
		return e, nil
	}
	var e event
	if err := decode(what, value, &e); err != nil {
		return sparing{}, err
	}
	return sparing{Undo: e.Undo, Expires: e.Expires}, nil
}

// A batch and totals hold only a part of their key, so they are read apart.

func loadBatch(r Reader, index uint64) (*Batch, error) {
	value, err := r.Get(batchKey(index))
	if err != nil {
		return nil, fmt.Errorf("reading batch %d: %w", index, err)
	}
	if value == nil {
		return nil, nil
	}
	return parseBatch(batchKey(index), value)
}

// parseBatch reads the batch that stands under a key that begins with tagBatch.
func parseBatch(key, value []byte) (*Batch, error) {
	if len(key) != 1+8 {
		return nil, fmt.Errorf("%w: batch key %x has %d bytes, want 9", ErrCorrupt, key, len(key))
	}
	index := binary.BigEndian.Uint64(key[1:])
	b := new(Batch)
	if err := decode(fmt.Sprintf("batch %d", index), value, b); err != nil {
		return nil, err
	}
	if b.IssuedBefore < 0 || b.Undo && b.IssuedBefore != 0 {
		return nil, fmt.Errorf("%w: batch %d undoes: %v, and spares what was issued from %d on; one that undoes spares nothing", ErrCorrupt, index, b.Undo, b.IssuedBefore)
	}
	if b.Undo != (b.Ordinal == 0) {
		return nil, fmt.Errorf("%w: batch %d undoes: %v, and has ordinal %d; those that revoke have one, from 1", ErrCorrupt, index, b.Undo, b.Ordinal)
	}
	return b, nil
}

func loadTotals(r Reader, authority statement.Region, t statement.HashType) (Totals, error) {
	var out Totals
	value, err := r.Get(totalsKey(authority, t))
	if err != nil {
		return out, fmt.Errorf("reading the totals of %s: %w", authority, err)
	}
	if value == nil {
		return out, nil
	}
	err = decode(fmt.Sprintf("totals of %s", authority), value, &out)
	return out, err
}
