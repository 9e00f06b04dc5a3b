package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/seal"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// sealedReplay makes the tables of the sealed state again in memory.
type sealedReplay struct {
	shards *seal.Memory
	last   sealed // index, time and absent batches of the newest seal
	seals  map[uint64]bool
	dirty  map[string]struct{}
	err    error // the first of put
}

func newSealedReplay(founding []state.Write) sealedReplay {
	s := sealedReplay{shards: seal.NewMemory(), seals: map[uint64]bool{}, dirty: map[string]struct{}{}}
	s.put(founding)
	return s
}

func (s *sealedReplay) put(writes []state.Write) {
	for _, w := range writes {
		if state.Sealed(w.Key) {
			s.dirty[string(w.Key)] = struct{}{}
		}
	}
	if err := s.shards.Put(writes); err != nil && s.err == nil {
		s.err = err
	}
}

// seal recomputes a seal from what was replayed. A seal of long ago may cover
// hashes that were erased since; then only its records can be held against it.
func (r *replay) seal(h block.Header, said *statement.SealState) (state.Verdict, error) {
	if at := sealTimeOf(h.Time); said.At != at {
		return mismatch(fmt.Sprintf("it is for %s, and its block for %s", said.At, at)), nil
	}
	made, err := r.sealed.shards.Seal(said.At, r.pin.hashesOf)
	if err != nil {
		return state.Verdict{}, err
	}
	s := sealing{size: said.Size, records: made.Records, revoked: made.Revoked, absent: made.Unverifiable}
	if why := s.check(said); why != "" {
		return mismatch(why), nil
	}
	r.sealed.last = sealed{index: said.Size, at: said.At, summary: r.sealed.shards.Summary(), absent: made.Unverifiable}
	r.sealed.seals[said.Size] = true
	clear(r.sealed.dirty)
	return state.Verdict{}, nil
}

// compareSealed checks that the tables of the sealed state are as the newest
// seal left them, and that nothing is erased that is not spent.
func (r *replay) compareSealed() error {
	size := r.pin.head.Size
	have, err := r.pin.sealed()
	if err != nil {
		return &CheckError{Index: size, What: err}
	}
	if err := r.checkErased(); err != nil {
		return err
	}
	if !r.sealed.has() {
		if have != nil {
			return wrong(size, "it has the tables of seal %d, and there is no seal", have.index)
		}
		return r.compareDirty()
	}
	last := r.sealed.last
	if have == nil || have.index != last.index || have.at != last.at || have.summary != last.summary || !slices.Equal(have.absent, last.absent) {
		return wrong(last.index, "the tables of the sealed state are not those of the newest seal: %+v, want %+v", have, last)
	}
	for table, n := range map[byte]int{tableRecords: seal.RecordShards, tableRevoked: last.summary.Shards()} {
		if err := r.compareShards(table, n); err != nil {
			return err
		}
	}
	return r.compareDirty()
}

// checkErased checks that what is erased is spent by the newest seal (L13). A
// ledger that is being grafted may not have that seal yet.
func (r *replay) checkErased() error {
	if len(r.erased) == 0 || r.grafted {
		return nil
	}
	spent := state.SpentAt(r.sealed.last.at)
	return state.View{Reader: r.mem}.Batches(func(index uint64, b state.Batch) (bool, error) {
		if _, erased := slices.BinarySearch(r.erased, index); !spent(b) && erased {
			return false, wrong(index, "its hashes are erased, and count until %s; the newest seal is for %s", b.Expires, r.sealed.last.at)
		}
		return true, nil
	})
}

func (s *sealedReplay) has() bool { return len(s.seals) > 0 }

func (r *replay) compareShards(table byte, n int) error {
	at := r.sealed.last.index
	hashes := make([]merkle.Hash, n)
	err := r.pin.eachLeaf(table, func(i int, leaf shardLeaf) error {
		if i >= n || !r.sealed.seals[leaf.changed] {
			return wrong(at, "shard %d of table %q was changed by seal %d; there are %d shards, and is there such a seal?", i, table, leaf.changed, n)
		}
		hashes[i] = leaf.hash
		return nil
	})
	if err != nil {
		return err
	}
	made, stored := r.sealed.shards.Records, r.pin.recordShard
	if table == tableRevoked {
		made, stored = r.sealed.shards.Revoked, r.pin.revokedShard
	}
	keys := 0
	for i := range n {
		want := made(i)
		have, err := stored(i)
		if err != nil {
			return err
		}
		leaf := hashes[i]
		if leaf == (merkle.Hash{}) {
			leaf = merkle.LeafHash(nil) // it never changed from empty
		}
		if !bytes.Equal(have, want) || merkle.LeafHash(want) != leaf {
			return wrong(at, "shard %d of table %q is not what the newest seal found", i, table)
		}
		switch {
		case table == tableRevoked:
			keys += min(len(want), 1)
		default:
			if err := seal.Each(want, func(_, _ []byte) error { keys++; return nil }); err != nil {
				return err
			}
		}
	}
	err = r.pin.scan([]byte{table}, []byte{table}, func(_, _ []byte) (bool, error) {
		keys--
		return true, nil
	})
	if err == nil && keys != 0 {
		err = wrong(at, "table %q lacks %d keys (less than 0: has more than it should)", table, keys)
	}
	return err
}

// compareDirty checks that exactly the records written since the newest seal are marked.
func (r *replay) compareDirty() error {
	size, marked := r.pin.head.Size, 0
	prefix := []byte{tableDirty}
	err := r.pin.scan(prefix, prefix, func(k, _ []byte) (bool, error) {
		marked++
		if _, is := r.sealed.dirty[string(k[1:])]; !is {
			return false, wrong(size, "key %x of the state is marked as written since the newest seal, and was not", k[1:])
		}
		return true, nil
	})
	if err == nil && marked != len(r.sealed.dirty) {
		err = wrong(size, "%d keys of the state are marked as written since the newest seal, want %d", marked, len(r.sealed.dirty))
	}
	return err
}

// checkCertificates verifies the notes that are kept with the validators and
// the tree that were replayed.
func (r *replay) checkCertificates() error {
	for _, key := range [][]byte{keyCertified, keyCovered} {
		note, err := r.pin.get(key)
		if err != nil {
			return err
		}
		if note == nil {
			continue
		}
		var covers uint64
		if bytes.Equal(key, keyCovered) {
			if len(note) < 8 {
				return wrong(r.head.Size, "%s has %d bytes", key, len(note))
			}
			covers, note = binary.BigEndian.Uint64(note)+1, note[8:]
		}
		c, err := readCertified(state.View{Reader: r.mem}, note)
		if err != nil {
			return &CheckError{Index: r.head.Size, What: fmt.Errorf("certified checkpoint: %w", err)}
		}
		if err := r.checkCertified(c, covers); err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) checkCertified(c *checkpoint.Certified, covers uint64) error {
	cp := c.Checkpoint()
	if cp.Size > r.head.Size || cp.Size < covers || covers > 0 && !r.sealed.seals[covers-1] {
		return wrong(r.head.Size, "a certified checkpoint is of size %d, there are %d statements, and it is to cover the seal before %d", cp.Size, r.head.Size, covers)
	}
	root, err := merkle.Root(r.tiles, cp.Size)
	if err != nil {
		return &CheckError{Index: cp.Size, What: err}
	}
	if root != cp.Root { // its origin was held against the lineage when it was read
		return wrong(cp.Size, "at this size root %x is certified; replayed, it has %x", cp.Root, root)
	}
	return nil
}
