package ledger

import (
	"errors"
	"fmt"
	"time"

	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// Erase forgets the hashes of batches that are spent: their attachments, and
// what the state says of each hash. Statements, proofs, batches' own records
// and totals stay, and so do all seals that anybody will still want to verify.
// A batch is spent when a certified seal has left it out (state.SpentAt) and,
// by this node's clock, it expired margin ago: so that neither a quorum's
// clocks nor one's own can forget too early alone. At most limit batches are
// erased (0: all that are spent), oldest first; erased says how many were.
// Other work goes on between any two. A crash erases the last of them or does
// not; calling again goes on. Errors wrap ErrBroken or ErrClosed.
func (l *Ledger) Erase(now time.Time, margin time.Duration, limit int) (erased int, err error) {
	todo, err := l.spent(now, margin, limit)
	if err != nil {
		return 0, err
	}
	for _, b := range todo {
		if err := l.erase(b); err != nil {
			return erased, fmt.Errorf("erasing the batch of statement %d: %w", b.index, err)
		}
		erased++
	}
	return erased, nil
}

// spentBatch is a batch to be erased.
type spentBatch struct {
	index uint64
	state.Batch
	size  uint64 // of the ledger when it was looked at
	alone bool   // then no batch had the same attachment, but for those that are erased before it
}

// spent finds what Erase may erase, in the order of the log: so no batch that
// undoes goes before those that it undoes.
func (l *Ledger) spent(now time.Time, margin time.Duration, limit int) (out []spentBatch, err error) {
	covered := l.coveredSeal()
	if covered == nil {
		return nil, l.Err()
	}
	s, err := covered.pin.sealed()
	if err := errors.Join(err, covered.release()); err != nil || s == nil {
		return nil, l.store.fault.blame(err)
	}
	at := min(s.at, statement.Time(now.Add(-margin).Unix()))

	v := l.View()
	if v.err != nil {
		return nil, v.err
	}
	erased, err := v.pin.erasedBatches()
	if err == nil {
		users := map[[32]byte]int{} // how many batches that are not erased have an attachment
		isSpent := state.SpentAt(at)
		err = v.State().Batches(func(index uint64, b state.Batch) (bool, error) {
			spent := isSpent(b)
			if erased[index] {
				return true, nil
			}
			users[b.Digest]++
			if spent && (limit <= 0 || len(out) < limit) {
				out = append(out, spentBatch{index: index, Batch: b, size: v.Head().Size})
			}
			return true, nil
		})
		for i := range out {
			users[out[i].Digest]--
			out[i].alone = users[out[i].Digest] == 0
		}
	}
	return out, errors.Join(v.blame(err), v.Close())
}

// erasedBatches gives the indexes of the batches whose hashes were erased.
func (p *pin) erasedBatches() (map[uint64]bool, error) {
	out := map[uint64]bool{}
	prefix := []byte{tableErased}
	err := p.scan(prefix, prefix, func(k, v []byte) (bool, error) {
		if len(k) != 1+8 || len(v) != 32 {
			return false, fmt.Errorf("%w: mark of an erased batch %x has %d bytes, want 32", ErrCorrupt, k, len(v))
		}
		out[lastIndex(k)] = true
		return true, nil
	})
	return out, err
}

// erase erases one batch, in one batch of the store (L1).
func (l *Ledger) erase(b spentBatch) error {
	l.applying.Lock()
	defer l.applying.Unlock()
	v := l.View()
	if v.err != nil {
		return v.err
	}
	w, err := l.erasure(v, b)
	if err := errors.Join(v.blame(err), v.Close()); err != nil {
		return err
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.store.commit(w.b); err != nil {
		return err
	}
	return l.show(l.Head(), nil)
}

func (l *Ledger) erasure(v *View, b spentBatch) (*batchWriter, error) {
	hashes, err := v.Attachment(b.Digest)
	if err != nil {
		if errors.Is(err, ErrNotFound) {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err) // a batch that is not erased has it
		}
		return nil, err
	}
	w := &batchWriter{b: l.store.db.NewBatch()}
	for _, key := range state.ExpandedKeys(b.index, b.Batch, hashes) {
		w.delete(keyOf(tableState, key))
	}
	w.set(indexKey(tableErased, b.index), b.Digest[:])
	if b.alone {
		if alone, err := b.stillAlone(v); err != nil {
			return nil, err
		} else if alone {
			w.set(attachmentKey(b.Digest), nil)
		}
	}
	return w, w.err
}

// stillAlone looks again for others that have the attachment, if they may have
// come since. Nothing is applied meanwhile.
func (b *spentBatch) stillAlone(v *View) (bool, error) {
	if v.Head().Size == b.size {
		return true, nil
	}
	erased, err := v.pin.erasedBatches()
	if err != nil {
		return false, err
	}
	alone := true
	err = v.State().Batches(func(index uint64, other state.Batch) (bool, error) {
		alone = other.Digest != b.Digest || index == b.index || erased[index]
		return alone, nil
	})
	return alone, err
}
