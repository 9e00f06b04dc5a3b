package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/revoked"
	"concordat/ledger/seal"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

var (
	// ErrRefused: the bundle is not what the network of the genesis vouches for.
	ErrRefused = errors.New("bundle refused")
	// ErrDelta: it is a delta where a whole bundle is wanted, or one for another bundle.
	ErrDelta = errors.New("delta does not fit")
	// ErrOlder: what is to replace a bundle is older than it.
	ErrOlder = errors.New("older than the bundle at hand")
)

// SealAhead is how much later than the certificate a seal's time may be, for
// the difference of clocks. A seal further ahead would have left out
// revocations that still count.
const SealAhead = 5 * time.Minute

// Bundle is a verified bundle. It does not change, and may be asked concurrently.
type Bundle struct {
	file      *Unverified // whole
	verified  *receipt.Verified
	seal      *statement.SealState
	records   []record // by key
	revoked   *revoked.Set
	batches   map[uint64]state.Batch // by the index of the statement
	byOrdinal map[uint64]uint64      // index of the statement, for each batch that revokes
}

type record struct{ key, value []byte }

// Verify verifies a whole bundle with the genesis of its network, and nothing
// else: it walks the handovers, checks that a quorum co-signs the checkpoint and
// that the seal is in its tree, and recomputes both of the seal's roots. Errors
// wrap ErrRefused (and receipt's own errors), or ErrDelta.
func (u *Unverified) Verify(doc *genesis.Document) (*Bundle, error) {
	if since, is := u.Delta(); is {
		return nil, fmt.Errorf("%w: this one only has what changed since size %d; use it to update a bundle of that size, or get a whole one", ErrDelta, since)
	}
	b := &Bundle{file: u}
	if err := b.verifySeal(doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err := b.verifyRoots(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err := b.load(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return b, nil
}

func (b *Bundle) verifySeal(doc *genesis.Document) error {
	v, err := receipt.Verify(doc, b.file.head.Receipt)
	if err != nil {
		return err
	}
	said := v.Statement.Statement()
	s, ok := said.Body.(*statement.SealState)
	switch {
	case !ok:
		return fmt.Errorf("statement %d is a %s, want a seal", v.Index, said.Kind())
	case s.Size != v.Index:
		return fmt.Errorf("the seal in statement %d is of size %d; a seal stands where its size ends", v.Index, s.Size)
	}
	if certified := v.Certified.Time(); s.At.Time().After(certified.Add(SealAhead)) {
		return fmt.Errorf("the seal is for %s, more than %s after it was certified, at %s: it leaves out revocations that still count",
			s.At, SealAhead, statement.TimeOf(certified))
	}
	b.verified, b.seal = v, s
	return nil
}

// verifyRoots checks that the shards are those of the seal (B3).
func (b *Bundle) verifyRoots() error {
	hash := func(leaves []merkle.Hash, p part) merkle.Hash {
		for _, s := range p.shards {
			leaves = append(leaves, merkle.LeafHash(s.bytes))
		}
		return seal.Root(leaves)
	}
	records := hash(make([]merkle.Hash, 0, b.file.records.n), b.file.records)
	if records != b.seal.Records {
		return fmt.Errorf("the records are not those of the seal: root %x, want %x", records, b.seal.Records)
	}
	first := append(make([]merkle.Hash, 0, 1+b.file.revoked.n), merkle.LeafHash(b.file.head.Summary.Leaf()))
	if set := hash(first, b.file.revoked); set != b.seal.Revoked {
		return fmt.Errorf("the revoked hashes are not those of the seal: root %x, want %x", set, b.seal.Revoked)
	}
	return nil
}

// load reads the shards. What a quorum has sealed is well formed, so an error
// here means that a quorum was at fault, or this program.
func (b *Bundle) load() error {
	for _, s := range b.file.records.shards {
		err := seal.Each(s.bytes, func(key, value []byte) error {
			if !state.Sealed(key) {
				return fmt.Errorf("%w: key %x is not that of a record", seal.ErrShard, key)
			}
			b.records = append(b.records, record{key, value})
			return nil
		})
		if err != nil {
			return fmt.Errorf("shard %d of the records: %w", s.i, err)
		}
	}
	slices.SortFunc(b.records, func(x, y record) int { return bytes.Compare(x.key, y.key) })
	for i := 1; i < len(b.records); i++ {
		if bytes.Equal(b.records[i-1].key, b.records[i].key) {
			return fmt.Errorf("%w: key %x is in two shards", seal.ErrShard, b.records[i].key)
		}
	}
	var err error
	if b.revoked, err = revoked.Load(b.file.head.Summary, func(i int) []byte { return b.file.revoked.shards[i].bytes }); err != nil {
		return fmt.Errorf("the revoked set: %w", err)
	}
	b.batches, b.byOrdinal = make(map[uint64]state.Batch), make(map[uint64]uint64)
	return b.State().Batches(func(index uint64, batch state.Batch) (bool, error) {
		b.batches[index] = batch
		if !batch.Undo {
			b.byOrdinal[batch.Ordinal] = index
		}
		return true, nil
	})
}

// Update brings a bundle up to date with a delta, or with a whole newer bundle,
// and gives the new one; b stays as it is. The result is verified like any
// other, and its bytes are those of the whole bundle (B4). A delta since b's
// own size may bring nothing but a newer certificate. Errors wrap ErrDelta,
// ErrOlder or ErrRefused.
func (b *Bundle) Update(u *Unverified, doc *genesis.Document) (*Bundle, error) {
	whole := u
	if since, is := u.Delta(); is {
		var err error
		if whole, err = b.merge(u, since); err != nil {
			return nil, err
		}
	}
	next, err := whole.Verify(doc)
	if err != nil {
		return nil, err
	}
	if next.Lineage() > b.Lineage() {
		return next, nil // it begins where the network recovered, which may be below what b has
	}
	if next.Lineage() < b.Lineage() || next.Size() < b.Size() || next.Size() == b.Size() && next.verified.Certified.Time().Before(b.verified.Certified.Time()) {
		return nil, fmt.Errorf("%w: size %d of lineage %d, certified at %s; the one at hand has size %d of lineage %d, certified at %s", ErrOlder,
			next.Size(), next.Lineage(), statement.TimeOf(next.verified.Certified.Time()), b.Size(), b.Lineage(), statement.TimeOf(b.verified.Certified.Time()))
	}
	return next, nil
}

// merge puts a delta over the shards of b. The result holds nothing of either.
func (b *Bundle) merge(u *Unverified, since uint64) (*Unverified, error) {
	if b.Size() < since {
		return nil, fmt.Errorf("%w: it has what changed since size %d, and the bundle at hand is of size %d", ErrDelta, since, b.Size())
	}
	if b.file.head.Summary.Params != u.head.Summary.Params && !u.revoked.whole() {
		return nil, fmt.Errorf("%w: the revoked set is divided in another way than in the bundle at hand, and the delta does not have all of it", ErrDelta)
	}
	over := func(old, new part) Shards {
		return Shards{Read: func(i int) ([]byte, error) {
			at, found := slices.BinarySearchFunc(new.shards, i, func(f framed, i int) int { return f.i - i })
			if found {
				return new.shards[at].bytes, nil
			}
			return old.shards[i].bytes, nil
		}}
	}
	head := u.head
	head.Since = 0
	var out bytes.Buffer
	if err := Write(&out, head, over(b.file.records, u.records), over(b.file.revoked, u.revoked)); err != nil {
		return nil, err
	}
	return Parse(out.Bytes())
}

// Write writes the whole bundle as it was read.
func (b *Bundle) Write(w io.Writer) error {
	all := func(p part) Shards {
		return Shards{Read: func(i int) ([]byte, error) { return p.shards[i].bytes, nil }}
	}
	return Write(w, b.file.head, all(b.file.records), all(b.file.revoked))
}

// Size is how many statements the state is made of: all those before the seal.
func (b *Bundle) Size() uint64 { return b.seal.Size }

// Seal is what the seal says.
func (b *Bundle) Seal() statement.SealState { return *b.seal }

// Certified is the checkpoint that vouches for the seal.
func (b *Bundle) Certified() *checkpoint.Certified { return b.verified.Certified }

// Validators are those who vouch for it, as the genesis and the steps in it lead to them.
func (b *Bundle) Validators() checkpoint.Validators { return b.verified.Validators }

// Lineage is the network's: 1, and one more with each recovery.
func (b *Bundle) Lineage() uint64 { return b.verified.Lineage }

// Receipt proves the seal by itself, without the bundle.
func (b *Bundle) Receipt() receipt.Receipt { return b.file.head.Receipt }

// Summary says how much the revoked set holds and how often it errs (Rate).
func (b *Bundle) Summary() revoked.Summary { return b.file.head.Summary }
