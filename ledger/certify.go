package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"

	"concordat/ledger/checkpoint"
	"concordat/ledger/state"
)

// Certify keeps a certified checkpoint, if it tells more than the one that is
// kept: a larger size, or the same at a later time. It is on the disk, with all
// blocks below it, before anybody is shown it: what this node has called final
// it calls final after any crash. Errors wrap ErrNotFound if the ledger does not have so
// much yet, ErrConflict if it has another root at that size, ErrNoBlockEnd if
// no block ends there, what package checkpoint says if by this ledger's
// validators it is not certified, or ErrBroken.
func (l *Ledger) Certify(c *checkpoint.Certified) error {
	v := l.View()
	if v.err != nil {
		return v.err
	}
	err := l.certifiable(v, c)
	if err := errors.Join(v.blame(err), v.Close()); err != nil {
		return err
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	if !checkpoint.Newer(c, l.Certified()) {
		return nil
	}
	b := batchWriter{b: l.store.db.NewBatch()}
	b.set(keyCertified, c.Note())
	l.mu.Lock()
	newest, closed := l.sealNewest, l.current == nil
	covers := newest.coveredBy(c)
	l.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if covers {
		b.set(keyCovered, append(binary.BigEndian.AppendUint64(nil, newest.index), c.Note()...))
	}
	if b.err != nil {
		return b.err
	}
	if err := l.store.commit(b.b); err != nil {
		return err
	}
	if err := l.store.sync(); err != nil {
		return err
	}
	l.mu.Lock()
	l.certified = c
	var was *sealPin
	if covers {
		was = l.sealCovered
		newest.certified = c
		newest.pin.refs.Add(1)
		l.sealCovered = &sealPin{index: newest.index, pin: newest.pin, certified: c}
	}
	head := l.current.head // nobody closes the ledger while writing
	l.mu.Unlock()
	return errors.Join(was.release(), l.show(head, nil))
}

// certifiable says why the ledger cannot keep c.
func (l *Ledger) certifiable(v *View, c *checkpoint.Certified) error {
	cp := c.Checkpoint()
	if _, ours := checkpoint.Lineage(l.genesis.Network, cp.Origin); !ours {
		return fmt.Errorf("%w: the certificate is of log %q, this one is %q", ErrOtherNetwork, cp.Origin, l.genesis.Network)
	}
	root, err := v.RootAt(cp.Size)
	if err != nil {
		return err
	}
	if root != cp.Root {
		return fmt.Errorf("%w: at size %d a quorum has certified root %x, the ledger has %x", ErrConflict, cp.Size, cp.Root, root)
	}
	if _, err := v.PositionOf(cp.Size); err != nil {
		return err
	}
	// It was verified, and who knows with whose keys; so the ledger never keeps
	// what it would not read again.
	_, err = readCertified(v.State(), c.Note())
	return err
}

// readCertified reads a note and verifies it with those who certify its size, as
// the state knows them that comes after it: whoever they are today, and in
// the lineage that the size belongs to.
func readCertified(st state.View, note []byte) (*checkpoint.Certified, error) {
	n, err := checkpoint.ParseNote(note)
	if err != nil {
		return nil, err
	}
	e, err := st.ElectorateAt(n.Checkpoint.Size)
	if err != nil {
		return nil, err
	}
	return n.CertifyBy(e)
}

// Certified is the newest certified checkpoint that the ledger keeps; nil
// before the first.
func (l *Ledger) Certified() *checkpoint.Certified {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.certified
}

// Certified is the newest certified checkpoint that the ledger kept when the
// view was made; nil if it had none. Its size is at most the view's.
func (v *View) Certified() *checkpoint.Certified {
	if v.pin == nil {
		return nil
	}
	return v.pin.certified
}

// sealPin is the ledger as one seal left it, kept for as long as a bundle may
// be made of it. Each sealPin holds its pin.
type sealPin struct {
	index     uint64
	pin       *pin
	certified *checkpoint.Certified // covers the seal; nil until one does; under Ledger.mu
}

// coveredBy reports whether c is to be kept for the seal: the first certificate
// that covers it, and every later one of the tree that ends with it, which says
// that there is still nothing else.
func (s *sealPin) coveredBy(c *checkpoint.Certified) bool {
	if s == nil {
		return false
	}
	size := c.Checkpoint().Size
	return size == s.index+1 || size > s.index && s.certified == nil
}

func (s *sealPin) release() error {
	if s == nil {
		return nil
	}
	return s.pin.release()
}

// coveredSeal holds the ledger as the newest certified seal left it, to be
// released; nil before the first.
func (l *Ledger) coveredSeal() *sealPin {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sealCovered == nil {
		return nil
	}
	l.sealCovered.pin.refs.Add(1)
	held := *l.sealCovered
	return &held
}

// loadCertified reads the certificates that a ledger kept. What is certified is
// always in the ledger (L12).
func (l *Ledger) loadCertified(p *pin) error {
	note, err := p.get(keyCertified)
	if err != nil {
		return err
	}
	st := state.View{Reader: p}
	if note != nil {
		if l.certified, err = readCertified(st, note); err != nil {
			return fmt.Errorf("%w: the newest certified checkpoint: %w", ErrCorrupt, err)
		}
		p.certified = l.certified
	}
	s, err := p.sealed()
	if err != nil || s == nil {
		return err
	}
	p.refs.Add(1)
	l.sealNewest = &sealPin{index: s.index, pin: p}
	covered, err := p.get(keyCovered)
	switch {
	case err != nil:
		return err
	case len(covered) < 8 || binary.BigEndian.Uint64(covered) != s.index:
		return nil // no note has covered it yet
	}
	c, err := readCertified(st, covered[8:])
	if err != nil {
		return fmt.Errorf("%w: the checkpoint that covers seal %d: %w", ErrCorrupt, s.index, err)
	}
	p.refs.Add(1)
	l.sealNewest.certified = c
	l.sealCovered = &sealPin{index: s.index, pin: p, certified: c}
	return nil
}
