package ledger

import (
	"errors"
	"fmt"
	"io"

	"concordat/ledger/bundle"
	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// SealCertificate tells of the newest seal that is under a certified
// checkpoint: the size that it seals, and the checkpoint: the newest of the tree
// that ends with the seal, or else the first of a larger one. ok is false before
// the first.
func (l *Ledger) SealCertificate() (size uint64, c *checkpoint.Certified, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sealCovered == nil {
		return 0, nil, false
	}
	return l.sealCovered.index, l.sealCovered.certified, true
}

// Bundle writes the state as the newest certified seal has it, with the proof
// that it is so (package bundle), and gives its size. Whoever has the bundle of
// the size since gets what has changed after it; everybody else (0, or no seal
// of that size) the whole. It reads a pinned state, and neither waits for what
// is applied meanwhile nor mixes with it. The error wraps ErrNotFound before
// the first certified seal, or while the ledger lacks hashes that it covers;
// or it is w's.
func (l *Ledger) Bundle(w io.Writer, since uint64) (size uint64, err error) {
	covered := l.coveredSeal()
	if covered == nil {
		if err := l.Err(); err != nil {
			return 0, err
		}
		return 0, fmt.Errorf("%w: no seal is certified yet; the first comes within minutes of the first statements", ErrNotFound)
	}
	v := l.View()
	if v.err == nil {
		err = l.writeBundle(w, v, covered, since)
	} else {
		err = v.err
	}
	return covered.index, errors.Join(v.blame(err), v.Close(), covered.release())
}

// writeBundle writes the bundle of a seal. v is a view of now, which has the
// tree that the certificate is of.
func (l *Ledger) writeBundle(w io.Writer, v *View, covered *sealPin, since uint64) error {
	s, err := covered.pin.sealed()
	if err != nil {
		return err
	}
	if s == nil || s.index != covered.index {
		return fmt.Errorf("%w: the tables of the sealed state are not those of seal %d", ErrCorrupt, covered.index)
	}
	if len(s.absent) > 0 {
		return fmt.Errorf("the hashes of %d batches, first that of statement %d, which seal %d covers: %w; another node has them", len(s.absent), s.absent[0], s.index, ErrErased)
	}
	sealed, err := v.Receipt(s.index, covered.certified.Note())
	if err != nil {
		return err
	}
	if since != 0 {
		if is, err := v.isSeal(since); err != nil {
			return err
		} else if !is || since > s.index {
			since = 0
		}
	}
	records, err := covered.pin.changedShards(tableRecords)
	if err != nil {
		return err
	}
	revoked, err := covered.pin.changedShards(tableRevoked)
	if err != nil {
		return err
	}
	changed := func(last map[int]uint64) func(int) (bool, error) {
		return func(i int) (bool, error) { return last[i] > since, nil }
	}
	return bundle.Write(w, bundle.Header{
		Since:   since,
		Receipt: sealed,
		Summary: s.summary,
	},
		bundle.Shards{Read: covered.pin.recordShard, Changed: changed(records)},
		bundle.Shards{Read: covered.pin.revokedShard, Changed: changed(revoked)})
}

// isSeal reports whether the statement at index is a seal.
func (v *View) isSeal(index uint64) (bool, error) {
	if index >= v.pin.head.Size {
		return false, nil
	}
	e, err := v.ByIndex(index)
	if err != nil {
		return false, err
	}
	return e.Statement().Body.Kind() == statement.Seal, nil
}

// changedShards gives, of every shard that was ever changed, the seal that changed it last.
func (p *pin) changedShards(table byte) (map[int]uint64, error) {
	out := map[int]uint64{}
	err := p.eachLeaf(table, func(i int, leaf shardLeaf) error {
		out[i] = leaf.changed
		return nil
	})
	return out, err
}
