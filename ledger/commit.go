package ledger

import (
	"crypto/sha256"
	"encoding/binary"

	"concordat/ledger/merkle"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

func hashOf(raw []byte) statement.Hash { return sha256.Sum256(raw) }

// commit writes what an entry changes in one batch (L1), and shows it. b is
// nil where only the position moves. A crash before the batch is whole on disk
// loses all of it, and Raft's log brings the entry again.
func (l *Ledger) commit(head Head, b *admitted, grown []merkle.TileWrite) error {
	w := batchWriter{b: l.store.db.NewBatch()}
	w.set(keyHead, head.encode())
	if b != nil {
		w.block(b, grown)
	}

	l.holding.Lock()
	defer l.holding.Unlock()
	var freed []statement.Hash
	if b != nil {
		for _, h := range b.hashes() {
			if at, is := l.held[h]; is {
				w.delete(heldKey(h, at.place)) // L9
				freed = append(freed, h)
			}
		}
	}
	if w.err != nil {
		return w.err
	}
	if err := l.store.commit(w.b); err != nil {
		return err
	}
	for _, h := range freed {
		l.heldSum -= l.held[h].size
		delete(l.held, h)
	}
	l.heldNow.Store(int64(len(l.held)))
	return l.show(head, b != nil)
}

// show makes what was committed the newest view, before the lock on what is
// held is let go (L9).
func (l *Ledger) show(head Head, grew bool) error {
	p, err := l.store.pin(head)
	if err != nil {
		return err
	}
	l.mu.Lock()
	old := l.current
	l.current = p
	if grew {
		close(l.changed)
		l.changed = make(chan struct{})
	}
	l.mu.Unlock()
	return old.release()
}

// block adds all that a block writes.
func (w *batchWriter) block(b *admitted, grown []merkle.TileWrite) {
	var at [8]byte
	for i, it := range b.items {
		index := b.record.First + uint64(i)
		said := it.Statement.Statement()
		hash := it.Statement.Hash()
		w.set(indexKey(tableEntry, index), it.Statement.Raw())
		binary.BigEndian.PutUint64(at[:], index)
		w.set(hashKey(hash), at[:])
		table, name := authorityListing(said.Issuer)
		w.set(listingKey(table, name, index), []byte(said.Kind()))
		table, name = kindListing(said.Kind())
		w.set(listingKey(table, name, index), []byte(said.Issuer))
		if it.Attachment != nil {
			digest := sha256.Sum256(it.Attachment)
			w.set(keyOf(tableAttachment, digest[:]), it.Attachment)
		}
	}
	w.set(indexKey(tableBlock, b.record.First), b.record.encode())
	for _, t := range grown {
		w.set(tileKey(t.Tile), t.Data)
	}
	if w.err == nil {
		w.err = b.over.each(func(s state.Write) error {
			w.state([]state.Write{s})
			return w.err
		})
	}
}
