package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/merkle"
	"concordat/ledger/seal"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// Ledger is a ledger on disk. Its methods may be called by any number of
// goroutines; entries are applied one after another.
type Ledger struct {
	genesis *genesis.Document
	network statement.NetworkID
	options Options
	store   *store

	// The locks are taken in this order.
	applying sync.Mutex // held by whoever makes the ledger another, from beginning to end
	batches  *seal.Batches
	sealed   atomic.Pointer[sealing] // the last that was computed; written while applying
	outgrown error                   // ErrLevel, once it ended the ledger's growth; while applying

	writing sync.Mutex                 // held while a batch is committed and shown
	held    map[statement.Hash]holding // what is held
	heldBy  map[statement.Region]share // the same by authority; none that has nothing
	heldSum int                        // the bytes of its records
	heldEnd uint64                     // the place of the next that is held
	heldNow atomic.Int64               // len(held), for those who must not wait

	mu          sync.Mutex // held for moments only: no view ever waits for a commit (L7)
	current     *pin       // the newest; nil when closed
	changed     chan struct{}
	certified   *checkpoint.Certified // the newest
	sealNewest  *sealPin              // nil before the first seal
	sealCovered *sealPin              // the newest under a certified checkpoint
}

// Open opens the ledger of the network that doc founds, and founds it if there
// is none (unless Options.MustExist). What a crash left is recovered: the
// ledger stands at some earlier position, and Head().Applied says at which
// (L1). Errors wrap ErrOtherNetwork, ErrLocked, ErrMissing, ErrCorrupt,
// ErrBroken or ErrLevel where they are that.
func Open(doc *genesis.Document, o Options) (*Ledger, error) {
	o = o.withDefaults()
	// Pebble makes its files readable for all; nobody else gets to them.
	if err := o.FS.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the ledger's directory: %w", err)
	}
	s, err := openStore(o)
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		genesis: doc, network: doc.ID(), options: o, store: s,
		changed: make(chan struct{}), held: map[statement.Hash]holding{}, heldBy: map[statement.Region]share{},
	}
	switch err := l.load(); {
	case err == nil:
		return l, nil
	case l.Err() != nil: // a broken store is not closed, and why it is broken is said once
		return nil, errors.Join(s.fault.opening(err), s.fence.abandon())
	default:
		return nil, errors.Join(s.fault.opening(err), l.Close())
	}
}

// load founds the ledger or checks the one that is there.
func (l *Ledger) load() error {
	bare, err := l.store.pin(Head{Root: merkle.EmptyRoot()})
	if err != nil {
		return err
	}
	l.current = bare
	id, err := bare.get(keyGenesis)
	if err != nil {
		return err
	}
	if id == nil {
		if err := l.found(); err != nil {
			return err
		}
	} else if !bytes.Equal(id, l.network[:]) {
		return fmt.Errorf("%w: its genesis is %x, the one given is %s (%s); give the genesis that this directory was founded with, or another directory",
			ErrOtherNetwork, id, l.network, l.genesis.Network)
	}
	p, err := l.store.pin(Head{})
	if err != nil {
		return err
	}
	l.current = p
	if err := bare.release(); err != nil {
		return err
	}
	if have, err := p.get(keyFormat); err != nil {
		return err
	} else if string(have) != format {
		return fmt.Errorf("%w: its format is %q, this release reads %q: another release wrote it", ErrCorrupt, have, format)
	}
	raw, err := p.get(keyHead)
	if err != nil {
		return err
	}
	if p.head, err = decodeHead(raw); err != nil {
		return err
	}
	root, err := merkle.Root(tiles{p}, p.head.Size)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if root != p.head.Root {
		return fmt.Errorf("%w: the tree of %d statements has root %x, the head says %x", ErrCorrupt, p.head.Size, root, p.head.Root)
	}
	if err := checkEdge(p); err != nil {
		return err
	}
	if err := checkLevel(p); err != nil {
		return err
	}
	if err := l.loadBatches(p); err != nil {
		return err
	}
	if err := l.loadCertified(p); err != nil {
		return err
	}
	return l.loadHeld(p)
}

// checkEdge checks that the entries end where the head says.
func checkEdge(p *pin) error {
	key, _, err := p.last([]byte{tableEntry}, indexKey(tableEntry, ^uint64(0)))
	if err != nil {
		return err
	}
	n := uint64(0)
	if key != nil {
		n = lastIndex(key) + 1
	}
	if n != p.head.Size {
		return fmt.Errorf("%w: the statements end before %d, the head says %d", ErrCorrupt, n, p.head.Size)
	}
	return nil
}

// found writes the state before the first statement, in one durable batch.
func (l *Ledger) found() error {
	stray := false
	err := l.current.scan(nil, nil, func(k, _ []byte) (bool, error) {
		stray = true
		return false, nil
	})
	if err != nil {
		return err
	}
	if stray {
		return fmt.Errorf("%w: it holds keys and no genesis", ErrCorrupt)
	}
	if l.options.MustExist {
		return fmt.Errorf("%w: the store was never founded", ErrMissing)
	}
	b := l.store.db.NewBatch()
	w := batchWriter{b: b}
	w.set(keyFormat, []byte(format))
	w.set(keyGenesis, l.network[:])
	w.set(keyHead, Head{Root: merkle.EmptyRoot()}.encode())
	founding := state.Found(l.genesis)
	w.state(founding)
	w.dirty(founding)
	if w.err != nil {
		return w.err
	}
	if err := l.store.commit(b); err != nil {
		return err
	}
	return l.store.sync()
}

// Head is where the ledger stands.
func (l *Ledger) Head() Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil {
		return Head{}
	}
	return l.current.head
}

// Network is the network whose ledger it is.
func (l *Ledger) Network() statement.NetworkID { return l.network }

// Flush makes what is applied durable (L8): Raft's log may then be cut up to
// Head().Applied as it was before the call.
func (l *Ledger) Flush() error {
	l.mu.Lock()
	closed := l.current == nil
	l.mu.Unlock()
	if closed {
		return ErrClosed
	}
	return l.store.sync()
}

// Broken is closed when the store fails; Err then says why. The node must stop (L6).
func (l *Ledger) Broken() <-chan struct{} { return l.store.fault.done }

// Err is nil, or what broke the ledger, wrapping ErrBroken.
func (l *Ledger) Err() error { return l.store.fault.get() }

// Changed gives a channel that is closed when the ledger next grows. Take it
// before looking at the head, so that nothing is missed.
func (l *Ledger) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// Wait waits until the ledger has at least size statements.
func (l *Ledger) Wait(ctx context.Context, size uint64) error {
	for {
		changed := l.Changed()
		if l.Head().Size >= size {
			return nil
		}
		select {
		case <-changed:
		case <-l.Broken():
			return l.Err()
		case <-ctx.Done():
			return fmt.Errorf("waiting for %d statements: %w", size, context.Cause(ctx))
		}
	}
}

// Close closes the ledger. Views still open must have been closed before.
func (l *Ledger) Close() error {
	l.applying.Lock()
	defer l.applying.Unlock()
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	p, newest, covered := l.current, l.sealNewest, l.sealCovered
	l.current, l.sealNewest, l.sealCovered = nil, nil, nil
	l.mu.Unlock()
	if p == nil {
		return nil
	}
	return errors.Join(newest.release(), covered.release(), p.release(), l.store.close())
}

// batchWriter fills a batch and keeps the first error.
type batchWriter struct {
	b   *pebble.Batch
	err error
}

func (w *batchWriter) set(key, value []byte) {
	if w.err == nil {
		w.err = w.b.Set(key, value, nil)
	}
}

func (w *batchWriter) delete(key []byte) {
	if w.err == nil {
		w.err = w.b.Delete(key, nil)
	}
}

// state writes to the state's table.
func (w *batchWriter) state(writes []state.Write) {
	var key []byte
	for _, s := range writes {
		// A batch copies; one buffer serves for all keys.
		key = append(append(key[:0], tableState), s.Key...)
		if s.Value == nil {
			w.delete(key)
		} else {
			w.set(key, s.Value)
		}
	}
}

// dirty notes which records the next seal has to look at.
func (w *batchWriter) dirty(writes []state.Write) {
	var key []byte
	for _, s := range writes {
		if state.Sealed(s.Key) {
			key = append(append(key[:0], tableDirty), s.Key...)
			w.set(key, nil)
		}
	}
}
