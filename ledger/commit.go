package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"concordat/ledger/block"
	"concordat/ledger/merkle"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

func hashOf(raw []byte) statement.Hash { return sha256.Sum256(raw) }

// change is what the blocks make of the ledger that are committed at once: one
// for an entry of the order, any number of grafted ones.
type change struct {
	first   uint64 // the index of the first item
	time    int64  // of the last block
	items   []item
	records []Block
	grown   []merkle.TileWrite
	over    *overlay
	sealed  *sealing // what the one statement sealed, if it is a seal
}

// item is a statement on its way into the ledger.
type item struct {
	block.Item
	hash   statement.Hash
	digest [32]byte // of its attachment, if its kind has one
	erased bool     // the attachment is not to be had any more
}

func newItem(u *statement.Unverified, attachment []byte) item {
	it := item{Item: block.Item{Statement: u, Attachment: attachment}, hash: u.Hash()}
	said := u.Statement()
	it.digest, _ = attachmentDigest(&said)
	return it
}

func (c *change) leaves() []merkle.Hash {
	out := make([]merkle.Hash, len(c.items))
	for i, it := range c.items {
		out[i] = merkle.LeafHash(it.Statement.Raw())
	}
	return out
}

func (c *change) hashes() []statement.Hash {
	out := make([]statement.Hash, len(c.items))
	for i, it := range c.items {
		out[i] = it.hash
	}
	return out
}

// commit writes what an entry or a graft changes in one batch (L1), and shows
// it. c is nil where only the position moves. A crash before the batch is whole
// on disk loses all of it, and Raft's log, or a peer, brings it again.
func (l *Ledger) commit(head Head, c *change) error {
	w := batchWriter{b: l.store.db.NewBatch()}
	w.set(keyHead, head.encode())
	if c != nil {
		w.change(c)
	}

	l.writing.Lock()
	defer l.writing.Unlock()
	var freed []statement.Hash
	if c != nil {
		for _, it := range c.items {
			if at, is := l.held[it.hash]; is {
				w.delete(heldKey(it.hash, at.place)) // L9
				freed = append(freed, it.hash)
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
		l.uncountHeld(h)
	}
	if err := l.follow(c); err != nil {
		return err
	}
	return l.show(head, c)
}

// follow takes note, for the next seal, of what was committed.
func (l *Ledger) follow(c *change) error {
	if c == nil {
		return nil
	}
	if c.sealed != nil {
		if err := l.batches.Commit(c.sealed.plan, c.sealed.absent); err != nil {
			return err
		}
	}
	return state.View{Reader: &overlay{groups: c.over.groups}}.Batches(func(index uint64, b state.Batch) (bool, error) {
		return true, l.batches.Add(index, b)
	})
}

// show makes what was committed the newest view, while writing: so what is held
// is let go of before somebody else looks (L9).
func (l *Ledger) show(head Head, c *change) error {
	p, err := l.store.pin(head)
	if err != nil {
		return err
	}
	var was *sealPin
	l.mu.Lock()
	p.certified = l.certified
	old := l.current
	l.current = p
	if c != nil && c.sealed != nil {
		was = l.sealNewest
		p.refs.Add(1)
		l.sealNewest = &sealPin{index: c.sealed.size, pin: p}
	}
	if c != nil && len(c.items) > 0 {
		close(l.changed)
		l.changed = make(chan struct{})
	}
	l.mu.Unlock()
	return errors.Join(old.release(), was.release())
}

// change adds all that blocks write.
func (w *batchWriter) change(c *change) {
	var at [8]byte
	for i, it := range c.items {
		index := c.first + uint64(i)
		said := it.Statement.Statement()
		w.set(indexKey(tableEntry, index), it.Statement.Raw())
		binary.BigEndian.PutUint64(at[:], index)
		w.set(hashKey(it.hash), at[:])
		table, name := authorityListing(said.Issuer)
		w.set(listingKey(table, name, index), []byte(said.Kind()))
		table, name = kindListing(said.Kind())
		w.set(listingKey(table, name, index), []byte(said.Issuer))
		switch {
		case it.Attachment != nil:
			w.set(attachmentKey(it.digest), it.Attachment)
		case it.erased:
			w.erased(index, it.digest)
		}
	}
	for _, b := range c.records {
		w.set(indexKey(tableBlock, b.First), b.encode())
	}
	for _, t := range c.grown {
		w.set(tileKey(t.Tile), t.Data)
	}
	if c.sealed != nil {
		w.sealed(c.sealed) // before what is dirty from now on
	}
	for i := range c.over.groups {
		w.state(c.over.groups[i].writes)
		w.dirty(c.over.groups[i].writes)
	}
}
