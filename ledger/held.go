package ledger

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"

	"concordat/ledger/statement"
)

// holding is where a held statement is kept.
type holding struct {
	place uint64 // grows with every one that is held
	size  int    // of its record
	by    statement.Region
}

// share is what is held of one authority's statements.
type share struct{ statements, bytes int }

// Hold keeps a statement, and what came beside it, until it is ordered or
// dropped: the node has promised that it will not be lost. When Hold returns
// it is on disk (L8). One that is in the ledger already needs no holding, and
// nothing is kept (L9). The caller has judged it; Hold only keeps it. What one
// authority says has its own bound beside that of all together, so that none
// fills the room of the others. Errors wrap ErrHeldFull or ErrBroken.
func (l *Ledger) Hold(c Candidate) error {
	hash := statement.Hash(sha256.Sum256(c.Raw))
	if err := l.hold(hash, issuerOf(c.Raw), c); err != nil {
		return err
	}
	return l.store.sync()
}

// issuerOf is whose statement it is; nobody's, "", where it cannot be read:
// whoever offers what is held says what is wrong with it.
func issuerOf(raw []byte) statement.Region {
	u, err := statement.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Statement().Issuer
}

func (l *Ledger) hold(hash statement.Hash, by statement.Region, c Candidate) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if _, is := l.held[hash]; is {
		return nil // a sync is still due: the first one may be on its way
	}
	// Apply publishes a block before it lets go of this lock, so a statement
	// is either seen here or will be taken away there (L9).
	if _, known, err := l.known(hash); err != nil || known {
		return err
	}
	record := c.encode()
	if own := l.heldBy[by]; own.statements >= l.options.HeldStatementsEach || own.bytes+len(record) > l.options.HeldBytesEach {
		return fmt.Errorf("%w of %s: %d statements in %d bytes, at most %d in %d of one authority; try again when some are ordered",
			ErrHeldFull, by, own.statements, own.bytes, l.options.HeldStatementsEach, l.options.HeldBytesEach)
	}
	if len(l.held) >= l.options.HeldStatements || l.heldSum+len(record) > l.options.HeldBytes {
		return fmt.Errorf("%w: %d statements in %d bytes, at most %d in %d; try again when some are ordered",
			ErrHeldFull, len(l.held), l.heldSum, l.options.HeldStatements, l.options.HeldBytes)
	}
	b := l.store.db.NewBatch()
	w := batchWriter{b: b}
	at := holding{l.heldEnd, len(record), by}
	w.set(heldKey(hash, at.place), record)
	if w.err != nil {
		return w.err
	}
	if err := l.store.commit(b); err != nil {
		return err
	}
	l.heldEnd++
	l.countHeld(hash, at)
	return nil
}

// countHeld counts a statement among those held, while writing.
func (l *Ledger) countHeld(hash statement.Hash, at holding) {
	l.held[hash] = at
	l.heldSum += at.size
	own := l.heldBy[at.by]
	l.heldBy[at.by] = share{own.statements + 1, own.bytes + at.size}
	l.heldNow.Store(int64(len(l.held)))
}

// uncountHeld takes one out of the count, while writing.
func (l *Ledger) uncountHeld(hash statement.Hash) {
	at, is := l.held[hash]
	if !is {
		return
	}
	delete(l.held, hash)
	l.heldSum -= at.size
	if own := l.heldBy[at.by]; own.statements > 1 {
		l.heldBy[at.by] = share{own.statements - 1, own.bytes - at.size}
	} else {
		delete(l.heldBy, at.by)
	}
	l.heldNow.Store(int64(len(l.held)))
}

// loadHeld counts what an earlier run has held.
func (l *Ledger) loadHeld(p *pin) error {
	return p.scan([]byte{tableHeld}, []byte{tableHeld}, func(k, v []byte) (bool, error) {
		hash, place, err := splitHeldKey(k)
		if err != nil {
			return false, err
		}
		c, err := decodeCandidate(k, v)
		if err != nil {
			return false, err
		}
		l.countHeld(hash, holding{place, len(v), issuerOf(bytes.Clone(c.Raw))})
		l.heldEnd = place + 1 // the last one's counts: they come in the order of their places
		return true, nil
	})
}

// known looks a statement up in the newest view.
func (l *Ledger) known(hash statement.Hash) (uint64, bool, error) {
	v := l.View()
	if v.err != nil {
		return 0, false, v.err
	}
	index, known, err := v.pin.indexOf(hash)
	return index, known, errors.Join(v.blame(err), v.Close())
}

// Drop lets go of a held statement that will not be ordered: it was refused.
func (l *Ledger) Drop(hash statement.Hash) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	at, is := l.held[hash]
	if !is {
		return nil
	}
	b := l.store.db.NewBatch()
	w := batchWriter{b: b}
	w.delete(heldKey(hash, at.place))
	if w.err != nil {
		return w.err
	}
	// Not synced: after a crash it may be held again, and be refused again.
	if err := l.store.commit(b); err != nil {
		return err
	}
	l.uncountHeld(hash)
	return nil
}

// Held gives what is held, oldest first: a statement may rest on one that was
// held before it.
func (l *Ledger) Held() ([]Candidate, error) { return l.OldestHeld(math.MaxInt, math.MaxInt) }

// OldestHeld gives the oldest that are held: at most so many, and no more once
// they have so many bytes together.
func (l *Ledger) OldestHeld(most, bytesEnough int) ([]Candidate, error) {
	var out []Candidate
	size := 0
	err := l.EachHeld(func(c Candidate) bool {
		out = append(out, c)
		size += c.size()
		return len(out) < most && size < bytesEnough
	})
	return out, err
}

// EachHeld gives what is held one by one, oldest first, until fn has enough.
// It reads and decodes all of it: it is for a start, and not for every question.
func (l *Ledger) EachHeld(fn func(Candidate) bool) error { return l.eachHeld([]byte{tableHeld}, fn) }

// HeldByHash gives the statement with that hash, if it is held.
func (l *Ledger) HeldByHash(hash statement.Hash) (c Candidate, is bool, err error) {
	l.writing.Lock()
	at, is := l.held[hash]
	l.writing.Unlock()
	if !is {
		return c, false, nil
	}
	is = false
	err = l.eachHeld(heldKey(hash, at.place), func(found Candidate) bool {
		// It may have been let go since; then another is the first from there on.
		if hashOf(found.Raw) == hash {
			c, is = found, true
		}
		return false
	})
	return c, is, err
}

// StillHeld reports which of some statements are held, in their order.
func (l *Ledger) StillHeld(hashes []statement.Hash) []bool {
	l.writing.Lock()
	defer l.writing.Unlock()
	out := make([]bool, len(hashes))
	for i, h := range hashes {
		_, out[i] = l.held[h]
	}
	return out
}

// HeldCount is how many statements are held. It waits for nothing.
func (l *Ledger) HeldCount() int { return int(l.heldNow.Load()) }

// eachHeld reads what is held, from a key on, until fn has enough.
func (l *Ledger) eachHeld(from []byte, fn func(Candidate) bool) error {
	// The current pin is of the last block; what is held may be newer.
	p, err := l.store.pin(l.Head())
	if err != nil {
		return err
	}
	err = p.scan([]byte{tableHeld}, from, func(k, v []byte) (bool, error) {
		c, err := decodeCandidate(k, bytes.Clone(v))
		if err != nil {
			return false, err
		}
		return fn(c), nil
	})
	return errors.Join(l.store.fault.blame(err), p.release())
}
