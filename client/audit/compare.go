package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"

	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
	"concordat/ledger/genesis"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
)

// Comparison is what two checkpoints of one history are.
type Comparison struct {
	Older, Newer Signed // the smaller first
}

// Compare finds out whether two nodes tell one history: whether the smaller of
// their checkpoints is the beginning of the larger one. It compares checkpoints
// and proofs, not statements: Run each of them for that. validators are those
// whose signatures count; nil: those to whom the genesis leads, by the steps that
// the sources show (Guide). The error is a *Fork, or a *Tampering where a node's
// tiles are not what its checkpoint says or its checkpoint is not certified.
func Compare(ctx context.Context, doc *genesis.Document, validators checkpoint.Validators, a, b Source) (*Comparison, error) {
	h := newHistorian(doc)
	if validators != nil {
		h.trust[0].Validators = validators
	} else if err := h.learn(ctx, a, b); err != nil {
		return nil, err
	}
	first, err := h.newest(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("the first log: %w", err)
	}
	second, err := h.newest(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("the second log: %w", err)
	}
	older, newer, from, to, which := first, second, a, b, "the second log"
	if first.Checkpoint.Size > second.Checkpoint.Size {
		older, newer, from, to, which = second, first, b, a, "the first log"
	}
	var fork *Fork
	if err := h.relate(ctx, older, newer, from, to); errors.As(err, &fork) {
		return nil, fork // whatever its sides are
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", which, err)
	}
	// One history is worth nothing without a quorum for it.
	if err := first.uncertified(); err != nil {
		return nil, fmt.Errorf("the first log: %w", err)
	}
	if err := second.uncertified(); err != nil {
		return nil, fmt.Errorf("the second log: %w", err)
	}
	return &Comparison{Older: older, Newer: newer}, nil
}

// CheckReceipt finds out whether a node still tells the history in which a
// receipt was given. The error is a *Fork, a *Tampering, ErrBehind if the node
// has certified less than the receipt proves, ErrLeftBehind, or that of receipt.Verify.
func CheckReceipt(ctx context.Context, doc *genesis.Document, s Source, r receipt.Receipt) (*Comparison, error) {
	v, err := receipt.Verify(doc, r)
	if err != nil {
		return nil, err
	}
	h := newHistorian(doc)
	if err := h.walk(r.Steps); err != nil {
		return nil, err
	}
	given := h.trust[len(h.trust)-1]
	if err := h.learn(ctx, s); err != nil {
		return nil, err
	}
	if at := h.at(v.Certified.Checkpoint().Size); at.Lineage > given.Lineage {
		return nil, fmt.Errorf("%w: it is of lineage %d and size %d, and lineage %d began at size %d or below",
			ErrLeftBehind, given.Lineage, v.Certified.Checkpoint().Size, at.Lineage, at.Least-1)
	}
	older, err := h.signed(checkpoint.Assemble(v.Certified.Checkpoint(), lines(v.Certified)), given)
	if err != nil {
		return nil, err
	}
	newer, err := h.newest(ctx, s)
	if err != nil {
		return nil, err
	}
	if have, want := newer.Checkpoint.Size, older.Checkpoint.Size; have < want {
		return nil, fmt.Errorf("%w: it has certified %d statements, the receipt's checkpoint has %d", ErrBehind, have, want)
	}
	if err := h.relate(ctx, older, newer, nil, s); err != nil {
		return nil, err
	}
	if err := newer.uncertified(); err != nil {
		return nil, err
	}
	return &Comparison{Older: older, Newer: newer}, nil
}

// lines are the signature lines of a certified note.
func lines(c *checkpoint.Certified) []string {
	_, all, err := checkpoint.SplitNote(c.Note())
	if err != nil {
		return nil // Certified made it
	}
	return all
}

// Guide is a Source that shows the way from the genesis to those who certify its
// newest checkpoint. What it shows is verified; who shows nothing, or too little,
// is believed only as far as others lead.
type Guide interface {
	// Steps gives the changes of validators, oldest first (receipt.Receipt.Steps).
	Steps(ctx context.Context) ([]receipt.Step, error)
}

// historian compares checkpoints of one network.
type historian struct {
	doc     *genesis.Document
	network statement.NetworkID
	trust   []receipt.Trust // the founding one, and after each step
}

func newHistorian(doc *genesis.Document) *historian {
	return &historian{doc: doc, network: doc.ID(), trust: []receipt.Trust{receipt.Founding(doc)}}
}

// learn follows the steps of the source that shows most.
func (h *historian) learn(ctx context.Context, sources ...Source) error {
	for _, s := range sources {
		g, is := s.(Guide)
		if !is {
			continue
		}
		steps, err := g.Steps(ctx)
		if err != nil {
			return err
		}
		if err := h.walk(steps); err != nil {
			return &Tampering{What: fmt.Errorf("the changes of validators that it shows: %w", err)}
		}
	}
	return nil
}

// walk follows steps from the genesis, if they lead further than those known.
func (h *historian) walk(steps []receipt.Step) error {
	trust := []receipt.Trust{receipt.Founding(h.doc)}
	for i, s := range steps {
		next, err := trust[i].Step(s)
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		trust = append(trust, next)
	}
	now, then := trust[len(trust)-1].Lineage, h.trust[len(h.trust)-1].Lineage
	if now > then || now == then && len(trust) > len(h.trust) {
		h.trust = trust
	}
	return nil
}

// at is who certifies a size, as far as is known.
func (h *historian) at(size uint64) receipt.Trust {
	out := h.trust[0]
	for _, t := range h.trust[1:] {
		if t.Least <= size {
			out = t
		}
	}
	return out
}

// newest reads a source's checkpoint and verifies its lines.
func (h *historian) newest(ctx context.Context, s Source) (Signed, error) {
	note, err := fetchNote(ctx, s)
	if err != nil {
		return Signed{}, err
	}
	return h.signed(note, h.at(note.Checkpoint.Size))
}

// signed verifies a note's lines with those who certify its size. A known key that
// fails spoils the note.
func (h *historian) signed(n *checkpoint.Note, trust receipt.Trust) (Signed, error) {
	c := n.Checkpoint
	tampered := func(err error) (Signed, error) {
		return Signed{}, &Tampering{Index: c.Size, Size: c.Size, What: fmt.Errorf("the checkpoint: %w", err)}
	}
	if c.Origin != trust.Origin() {
		return tampered(fmt.Errorf("it is of log %q, this network's is %q at that size", c.Origin, trust.Origin()))
	}
	validators := trust.Validators
	by := map[statement.Region]evidence.SignedCheckpoint{}
	for _, line := range n.Lines {
		cosignature, err := validators.VerifyCosignature(c, line)
		if err == nil {
			by[cosignature.By] = evidence.SignedCheckpoint{By: cosignature.By, Checkpoint: c, Line: line}
			continue
		}
		if errors.Is(err, checkpoint.ErrUnknownSigner) {
			var who statement.Region
			if who, err = validators.VerifyLog(c, line); err == nil {
				if _, has := by[who]; !has { // a co-signature says more
					by[who] = evidence.SignedCheckpoint{By: who, Checkpoint: c, Line: line}
				}
				continue
			}
		}
		if !errors.Is(err, checkpoint.ErrUnknownSigner) {
			return tampered(err)
		}
	}
	s := Signed{Checkpoint: c}
	for _, v := range validators {
		if l, has := by[v.ID]; has {
			s.Lines = append(s.Lines, l)
		}
	}
	s.Certified, s.why = n.Certify(validators)
	return s, nil
}

// uncertified says that too few have signed; nil: enough have.
func (s Signed) uncertified() error {
	if s.Certified != nil {
		return nil
	}
	return &Tampering{Index: s.Checkpoint.Size, Size: s.Checkpoint.Size, What: fmt.Errorf("the checkpoint: %w", s.why)}
}

// relate proves that older is the beginning of newer, by the tiles of the
// newer's source, or that there are two histories. The older's source may be
// nil: then the first difference is not looked for.
func (h *historian) relate(ctx context.Context, older, newer Signed, from, to Source) error {
	o, n := older.Checkpoint, newer.Checkpoint
	if o == n {
		return nil
	}
	tiles := &sourceTiles{ctx: ctx, source: to, size: n.Size}
	root, err := merkle.Root(tiles, n.Size)
	if err != nil {
		return err
	}
	if root != n.Root {
		return &Tampering{Index: n.Size, Size: n.Size, What: fmt.Errorf("the tiles make root %x, the checkpoint says %x", root, n.Root)}
	}
	prefix, err := merkle.Root(tiles, o.Size)
	if err != nil {
		return err
	}
	consistency, err := merkle.ConsistencyProof(tiles, o.Size, n.Size)
	if err != nil {
		return err
	}
	if err := merkle.VerifyConsistency(o.Size, n.Size, prefix, n.Root, consistency); err != nil {
		return &Tampering{Index: o.Size, Size: n.Size, What: fmt.Errorf("the tiles contradict one another: %w", err)}
	}
	if prefix == o.Root {
		return nil
	}
	fork := &Fork{Older: older, Newer: newer, Evidence: h.convict(older, newer, prefix, consistency)}
	if from != nil {
		fork.First, fork.Known = firstDifference(&sourceTiles{ctx: ctx, source: from, size: o.Size}, tiles, o)
	}
	return fork
}

// convict makes the evidence against each validator that signed both sides.
func (h *historian) convict(older, newer Signed, prefix merkle.Hash, consistency []merkle.Hash) []evidence.Proof {
	var out []evidence.Proof
	for _, o := range older.Lines {
		i := slices.IndexFunc(newer.Lines, func(n evidence.SignedCheckpoint) bool { return n.By == o.By })
		if i < 0 {
			continue
		}
		p := evidence.TwoHistories(o, newer.Lines[i], prefix, consistency)
		if older.Checkpoint.Size == newer.Checkpoint.Size {
			p = evidence.TwoRoots(o, newer.Lines[i])
		}
		if p.Verify(h.doc.Network, h.network, h.at(newer.Checkpoint.Size).Validators) == nil { // accuse nobody without
			out = append(out, p)
		}
	}
	return out
}

// firstDifference finds the first statement in which two trees differ. It is
// false if the older side's tiles are not what its checkpoint says.
func firstDifference(a, b merkle.TileReader, older checkpoint.Checkpoint) (uint64, bool) {
	if root, err := merkle.Root(a, older.Size); err != nil || root != older.Root {
		return 0, false
	}
	var failed error
	// The least size at which the roots differ is one more than the index.
	size := sort.Search(int(older.Size), func(n int) bool {
		mine, err := merkle.Root(a, uint64(n))
		theirs, err2 := merkle.Root(b, uint64(n))
		failed = errors.Join(failed, err, err2)
		return mine != theirs
	})
	if failed != nil || size == 0 {
		return 0, false
	}
	return uint64(size) - 1, true
}

// sourceTiles reads a source's tiles for proofs, each at the width that it has
// at the certified size, and keeps them while it lives: a comparison reads the
// edges of a few sizes, not the tree.
type sourceTiles struct {
	ctx    context.Context
	source Source
	size   uint64
	read   map[merkle.Tile][]byte
}

// ReadTile implements merkle.TileReader.
func (s *sourceTiles) ReadTile(t merkle.Tile, _ int) ([]byte, error) {
	if data, is := s.read[t]; is {
		return data, nil
	}
	width := t.Width(s.size)
	data, err := s.source.Tile(s.ctx, t, width)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(data) < width*merkle.HashSize {
		return nil, &Tampering{Index: s.size, Size: s.size, What: fmt.Errorf("tile %s is withheld, in part or whole", t.Path(width))}
	}
	if err != nil {
		return nil, err
	}
	if s.read == nil {
		s.read = map[merkle.Tile][]byte{}
	}
	s.read[t] = data
	return data, nil
}
