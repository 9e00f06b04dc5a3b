package seal

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"concordat/ledger/revoked"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// Batch is a batch of revocation hashes and the statement that it came with.
type Batch struct {
	Index uint64
	state.Batch
}

// Batches follows which batches the revoked set holds, from seal to seal. It
// keeps a hundred bytes for each batch that is not spent, and no hash. It is for
// one goroutine at a time.
type Batches struct {
	bits   int
	sealed bool           // there was a seal
	params revoked.Params // of the last seal
	at     statement.Time // of the last seal
	all    []followed     // those not spent at the last seal, in the order of the log
}

type followed struct {
	Batch
	in bool // its hashes are in the shards
}

// NewBatches follows the batches of a ledger from its founding on, for seals
// with a false-positive rate of at most 2^-falsePositiveBits: revoked.DefaultBits
// is every network's.
func NewBatches(falsePositiveBits int) (*Batches, error) {
	if _, err := revoked.ParamsFor(0, falsePositiveBits); err != nil {
		return nil, err
	}
	return &Batches{bits: falsePositiveBits}, nil
}

// Put takes note of the batches among the state's writes. They come in the
// order of the log: what is not above all before is an error.
func (b *Batches) Put(writes []state.Write) error {
	return state.View{Reader: written(writes)}.Batches(func(index uint64, batch state.Batch) (bool, error) {
		return true, b.Add(index, batch)
	})
}

// Add takes note of one batch.
func (b *Batches) Add(index uint64, batch state.Batch) error {
	if n := len(b.all); n > 0 && b.all[n-1].Index >= index {
		return fmt.Errorf("batch %d after batch %d: batches come in the order of the log", index, b.all[n-1].Index)
	}
	batch.Reason = "" // not needed here, and the longest part
	b.all = append(b.all, followed{Batch: Batch{index, batch}})
	return nil
}

// Resume says that a seal for the time at was the last one, and was made before
// any further Put: for whoever kept the shards and comes back to them. absent
// are the batches that could not be put in then (Commit).
func (b *Batches) Resume(at statement.Time, absent []uint64) error {
	p, err := b.Plan(at)
	if err != nil {
		return err
	}
	return b.Commit(p, absent)
}

// Plan is what a seal does to the revoked set. It stays right until the next
// Put or Commit.
type Plan struct {
	At      statement.Time
	Summary revoked.Summary // of the set as it will be
	// Rebuild: all shards are made anew, because their number changes or there
	// are none yet. Then Add is all that the set holds, and Drop is empty.
	Rebuild   bool
	Add, Drop []Batch // in the order of the log
}

// Plan finds what a seal for the time at would do. It changes nothing. A time
// before that of the last seal is an error: what was dropped does not come back.
func (b *Batches) Plan(at statement.Time) (*Plan, error) {
	if b.sealed && at < b.at {
		return nil, fmt.Errorf("a seal for %s after one for %s: seals do not go back", at, b.at)
	}
	p := &Plan{At: at}
	spent := state.SpentAt(at)
	var held []Batch
	for _, f := range b.all {
		switch gone := spent(f.Batch.Batch); {
		case gone && f.in:
			p.Drop = append(p.Drop, f.Batch)
			continue
		case gone:
			continue
		case !f.in:
			p.Add = append(p.Add, f.Batch)
		}
		held = append(held, f.Batch)
		if f.Undo {
			p.Summary.Undos += f.Count
		} else {
			p.Summary.Entries += f.Count
		}
	}
	var err error
	if p.Summary.Params, err = revoked.ParamsFor(p.Summary.Entries+p.Summary.Undos, b.bits); err != nil {
		return nil, err
	}
	if !b.sealed || p.Summary.Params != b.params {
		p.Rebuild, p.Add, p.Drop = true, held, nil
	}
	return p, nil
}

// Commit says that a planned seal was made, and its shards are the ones from
// now on. absent are the batches that Plan.Shards could not put in; the next
// plan tries them again.
func (b *Batches) Commit(p *Plan, absent []uint64) error {
	spent := state.SpentAt(p.At)
	b.all = slices.DeleteFunc(b.all, func(f followed) bool { return spent(f.Batch.Batch) })
	missing := make(map[uint64]bool, len(absent))
	for _, i := range absent {
		if _, found := slices.BinarySearchFunc(b.all, i, func(f followed, i uint64) int { return cmp.Compare(f.Index, i) }); !found {
			return fmt.Errorf("batch %d is said to be absent from a set that does not hold it", i)
		}
		missing[i] = true
	}
	for i := range b.all {
		b.all[i].in = !missing[b.all[i].Index]
	}
	b.sealed, b.params, b.at = true, p.Summary.Params, p.At
	return nil
}

// Attachments gives the hashes of a batch as they travelled beside its
// statement; nil if they have been erased.
type Attachments func(Batch) ([]byte, error)

// Shards computes the shards that the seal changes, and calls emit for each in
// ascending order: all of them if the plan is to rebuild, else those whose
// bytes change. old gives a shard as the last seal left it; it is not called
// to rebuild.
//
// absent are the batches that the set should hold and whose hashes have been
// erased. Then the shards lack them, and are not what the seal is about.
func (p *Plan) Shards(old func(i int) ([]byte, error), attachments Attachments, emit func(i int, shard []byte) error) (absent []uint64, err error) {
	changes := make([]revoked.Change, p.Summary.Shards())
	dropped, forgotten := map[uint64]bool{}, map[uint64]bool{} // whose hashes are gone already
	for _, b := range p.Drop {
		hashes, err := p.hashes(b, attachments)
		switch {
		case err != nil:
			return nil, err
		case hashes == nil && b.Undo:
			forgotten[b.Index] = true
		case hashes == nil:
			dropped[b.Ordinal] = true
		case b.Undo:
			p.each(hashes, func(i int, key uint64, h statement.RevocationHash) {
				changes[i].Forget = append(changes[i].Forget, revoked.Undo{Hash: h, Index: b.Index})
			})
		default:
			p.each(hashes, func(i int, key uint64, _ statement.RevocationHash) {
				changes[i].Remove = append(changes[i].Remove, revoked.Entry{Key: key, Ordinal: b.Ordinal})
			})
		}
	}
	if p.Rebuild { // room for all, so that the largest step does not take twice the memory
		each := int(p.Summary.Entries)/len(changes)*9/8 + 8
		for i := range changes {
			changes[i].Insert = make([]revoked.Entry, 0, each)
		}
	}
	for _, b := range p.Add {
		hashes, err := p.hashes(b, attachments)
		switch {
		case err != nil:
			return nil, err
		case hashes == nil:
			absent = append(absent, b.Index)
		case b.Undo:
			p.each(hashes, func(i int, key uint64, h statement.RevocationHash) {
				changes[i].Undo = append(changes[i].Undo, revoked.Undo{Hash: h, Index: b.Index})
			})
		default:
			p.each(hashes, func(i int, key uint64, _ statement.RevocationHash) {
				changes[i].Insert = append(changes[i].Insert, revoked.Entry{Key: key, Ordinal: b.Ordinal})
			})
		}
	}
	everywhere := len(dropped)+len(forgotten) > 0
	for i, c := range changes {
		if !p.Rebuild && !everywhere && len(c.Insert)+len(c.Remove)+len(c.Undo)+len(c.Forget) == 0 {
			continue
		}
		c.Drop, c.DropUndos = dropped, forgotten
		var before []byte
		if !p.Rebuild {
			if before, err = old(i); err != nil {
				return nil, fmt.Errorf("reading shard %d of the revoked set: %w", i, err)
			}
		}
		after, err := revoked.Update(p.Summary.Params, before, c)
		if err != nil {
			return nil, fmt.Errorf("shard %d of the revoked set: %w", i, err)
		}
		changes[i] = revoked.Change{} // what was changed is not needed again
		if !p.Rebuild && bytes.Equal(before, after) {
			continue
		}
		if err := emit(i, after); err != nil {
			return nil, err
		}
	}
	return absent, nil
}

// hashes gives a batch's hashes, if they are its own.
func (p *Plan) hashes(b Batch, attachments Attachments) ([]byte, error) {
	hashes, err := attachments(b)
	if err != nil {
		return nil, fmt.Errorf("reading the hashes of batch %d: %w", b.Index, err)
	}
	if hashes == nil {
		return nil, nil
	}
	said := statement.Batch{Count: b.Count, Digest: b.Digest}
	if err := said.CheckAttachment(hashes); err != nil {
		return nil, fmt.Errorf("the hashes of batch %d: %w", b.Index, err)
	}
	return hashes, nil
}

// each calls fn for each hash with its key and shard.
func (p *Plan) each(hashes []byte, fn func(shard int, key uint64, h statement.RevocationHash)) {
	for raw := range slices.Chunk(hashes, statement.HashSize) {
		h := statement.RevocationHash(raw)
		key := revoked.Key(h)
		fn(p.Summary.ShardOf(key), key, h)
	}
}

// written shows writes as a state: only for Scan, in the writes' own order,
// which for batches is that of the log.
type written []state.Write

// Get implements state.Reader.
func (w written) Get(key []byte) ([]byte, error) {
	for _, one := range slices.Backward(w) {
		if bytes.Equal(one.Key, key) {
			return one.Value, nil
		}
	}
	return nil, nil
}

// Scan implements state.Reader.
func (w written) Scan(prefix []byte, fn func(key, value []byte) (bool, error)) error {
	for _, one := range w {
		if one.Value == nil || !bytes.HasPrefix(one.Key, prefix) {
			continue
		}
		if more, err := fn(one.Key, one.Value); err != nil || !more {
			return err
		}
	}
	return nil
}
