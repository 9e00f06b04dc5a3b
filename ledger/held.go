package ledger

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"

	"concordat/ledger/statement"
)

// Hold keeps a statement, and what came beside it, until it is ordered or
// dropped: the node has promised that it will not be lost. When Hold returns
// it is on disk (L8). One that is in the ledger already needs no holding, and
// nothing is kept (L9). The caller has judged it; Hold only keeps it. Errors
// wrap ErrHeldFull or ErrBroken.
func (l *Ledger) Hold(c Candidate) error {
	hash := statement.Hash(sha256.Sum256(c.Raw))
	if err := l.hold(hash, c); err != nil {
		return err
	}
	return l.store.sync()
}

func (l *Ledger) hold(hash statement.Hash, c Candidate) error {
	l.holding.Lock()
	defer l.holding.Unlock()
	if _, is := l.held[hash]; is {
		return nil // a sync is still due: the first one may be on its way
	}
	// Apply publishes a block before it lets go of this lock, so a statement
	// is either seen here or will be taken away there (L9).
	if _, known, err := l.known(hash); err != nil || known {
		return err
	}
	record := c.encode()
	if l.heldSum+len(record) > l.options.HeldBytes {
		return fmt.Errorf("%w: %d statements in %d bytes, at most %d bytes; try again when some are ordered",
			ErrHeldFull, len(l.held), l.heldSum, l.options.HeldBytes)
	}
	b := l.store.db.NewBatch()
	w := batchWriter{b: b}
	w.set(heldKey(hash), record)
	if w.err != nil {
		return w.err
	}
	if err := l.store.commit(b); err != nil {
		return err
	}
	l.held[hash] = len(record)
	l.heldSum += len(record)
	return nil
}

// known looks a statement up in the newest view.
func (l *Ledger) known(hash statement.Hash) (uint64, bool, error) {
	v := l.View()
	if v.err != nil {
		return 0, false, v.err
	}
	index, known, err := v.pin.indexOf(hash)
	return index, known, errors.Join(err, v.Close())
}

// Drop lets go of a held statement that will not be ordered: it was refused.
func (l *Ledger) Drop(hash statement.Hash) error {
	l.holding.Lock()
	defer l.holding.Unlock()
	n, is := l.held[hash]
	if !is {
		return nil
	}
	b := l.store.db.NewBatch()
	w := batchWriter{b: b}
	w.delete(heldKey(hash))
	if w.err != nil {
		return w.err
	}
	// Not synced: after a crash it may be held again, and be refused again.
	if err := l.store.commit(b); err != nil {
		return err
	}
	delete(l.held, hash)
	l.heldSum -= n
	return nil
}

// Held gives what is held, in the order of the hashes.
func (l *Ledger) Held() ([]Candidate, error) {
	// The current pin is of the last block; what is held may be newer.
	p, err := l.store.pin(l.Head())
	if err != nil {
		return nil, err
	}
	var out []Candidate
	err = p.scan([]byte{tableHeld}, []byte{tableHeld}, func(k, v []byte) (bool, error) {
		c, err := decodeCandidate(k, bytes.Clone(v))
		out = append(out, c)
		return true, err
	})
	return out, errors.Join(err, p.release())
}
