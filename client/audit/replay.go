package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"concordat/ledger/merkle"
	"concordat/ledger/seal"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// replay applies a log's statements to a state in memory.
type replay struct {
	Config
	network statement.NetworkID
	size    uint64
	checker *statement.Checker
	state   *state.Memory // without the entries of single hashes, on which nothing rests (ST8)
	sealed  *seal.Memory
	tree    *tree
	kinds   map[statement.Kind]uint64
	batches *batches
	changes changing

	// unrevised are the statements whose repetition no revision shows.
	unrevised map[statement.Hash]uint64
	seals     Seals
	lastSeal  statement.Time
}

func newReplay(c Config, size uint64) *replay {
	r := &replay{
		Config: c, network: c.Genesis.ID(), size: size,
		// Nothing is seen twice, so there is nothing to remember.
		checker: statement.NewChecker(1), state: state.NewMemory(nil), sealed: seal.NewMemory(),
		tree: &tree{source: c.Source, total: size}, kinds: map[statement.Kind]uint64{},
		batches:   newBatches(c),
		unrevised: map[statement.Hash]uint64{},
	}
	return r
}

func (r *replay) wrong(index uint64, what error) error {
	return &Tampering{Index: index, Size: r.size, What: what}
}

// run replays the log.
func (r *replay) run(ctx context.Context) error {
	if err := r.put(state.Found(r.Genesis)); err != nil {
		return err
	}
	chunks := (r.size + merkle.TileWidth - 1) / merkle.TileWidth
	for c, err := range inOrder(ctx, chunks, r.Workers, r.fetchChunk) {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err == nil {
			err = r.replay(ctx, c)
		}
		if err != nil {
			return err
		}
		if r.Progress != nil {
			r.Progress(c.first+uint64(len(c.said)), r.size)
		}
	}
	return nil
}

func (r *replay) put(writes []state.Write) error {
	kept := writes[:0:0]
	for _, w := range writes {
		if state.Sealed(w.Key) {
			kept = append(kept, w)
		}
	}
	r.state.Put(kept)
	return r.sealed.Put(kept)
}

// replay applies a chunk's statements, and then says what was wrong after them.
func (r *replay) replay(ctx context.Context, c *chunk) error {
	verified, err := r.verify(c.said)
	if err != nil {
		return err
	}
	i := 0
	for a, err := range r.batches.of(ctx, c) {
		if err != nil {
			return err
		}
		if err := r.statement(ctx, c.first+uint64(i), c.said[i], verified[i], a); err != nil {
			return err
		}
		i++
	}
	if c.wrong != nil {
		return r.wrong(c.first+uint64(len(c.said)), c.wrong)
	}
	return r.tree.add(ctx, c.leaves)
}

// verify verifies a chunk's signatures at once, by the keys that the state
// holds before it. Of those that fail, or whose key is made within the chunk,
// it gives nil, for statement to look into.
func (r *replay) verify(us []*statement.Unverified) ([]*statement.Verified, error) {
	type signer struct {
		issuer statement.Region
		kid    statement.KeyID
		use    statement.KeyUse
	}
	known := map[signer]ed25519.PublicKey{}
	keys := make([]ed25519.PublicKey, len(us))
	for i, u := range us {
		said := u.Statement()
		who := signer{said.Issuer, u.KeyID(), said.Kind().SignedWith()}
		key, asked := known[who]
		if !asked {
			var err error
			if key, _, err = state.SigningKey(r.state, who.issuer, who.kid, said.Kind()); err != nil {
				return nil, err
			}
			known[who] = key
		}
		keys[i] = key
	}
	verified, _ := r.checker.VerifyAll(us, keys) // why not is for statement to say
	return verified, nil
}

// statement judges one statement as every replica did, and applies it.
func (r *replay) statement(ctx context.Context, index uint64, u *statement.Unverified, v *statement.Verified, a attachment) error {
	said := u.Statement()
	if v == nil {
		key, verdict, err := state.SigningKey(r.state, said.Issuer, u.KeyID(), said.Kind())
		if err != nil {
			return err
		}
		if !verdict.Accepted() {
			return r.wrong(index, refused{verdict})
		}
		if v, err = u.Verify(key); err != nil {
			return r.wrong(index, err)
		}
	}
	if !said.Kind().HasRevision() {
		if before, again := r.unrevised[u.Hash()]; again {
			return r.wrong(index, fmt.Errorf("it is statement %d again", before))
		}
		r.unrevised[u.Hash()] = index
	}
	if a.wrong != nil {
		return r.wrong(index, a.wrong)
	}
	writes, verdict, err := state.ApplyErased(r.state, index, v)
	if err != nil {
		return err
	}
	if !verdict.Accepted() {
		return r.wrong(index, refused{verdict})
	}
	if body, is := said.Body.(*statement.SealState); is {
		if err := r.checkSeal(ctx, index, body); err != nil {
			return err
		}
	}
	if wrong, err := r.changes.check(r.network, state.View{Reader: r.state}, said.Body); err != nil {
		return err
	} else if wrong != nil {
		return r.wrong(index, fmt.Errorf("%s: %w", said.Kind(), wrong))
	}
	if said.Kind().HasAttachment() {
		r.batches.keep(index, &said, a)
	}
	r.kinds[said.Kind()]++
	if err := r.put(writes); err != nil {
		return err
	}
	return r.changes.took(state.View{Reader: r.state}, merkle.LeafHash(u.Raw()), said.Kind())
}

// checkSeal recomputes a seal. Its place, its time and its validators are for
// the state to judge.
func (r *replay) checkSeal(ctx context.Context, index uint64, s *statement.SealState) error {
	got, err := r.sealed.Seal(s.At, func(b seal.Batch) ([]byte, error) { return r.batches.again(ctx, b.Index, b.Digest) })
	if err != nil {
		var lie *lied
		if errors.As(err, &lie) {
			return r.wrong(lie.index, lie)
		}
		return fmt.Errorf("recomputing the seal at %d: %w", index, err)
	}
	switch {
	case got.Records != s.Records:
		return r.wrong(index, refused{state.Verdict{Name: state.SealMismatch,
			Message: fmt.Sprintf("its records' root is %x, the statements make %x", s.Records, got.Records)}})
	case len(got.Unverifiable) > 0:
		r.seals.Partial++
	case got.Revoked != s.Revoked:
		return r.wrong(index, refused{state.Verdict{Name: state.SealMismatch,
			Message: fmt.Sprintf("its revoked hashes' root is %x, the statements make %x", s.Revoked, got.Revoked)}})
	default:
		r.seals.Whole++
	}
	r.lastSeal = s.At
	return nil
}

// refused says that the ledger's rules refuse a statement, which no honest
// validator would have ordered.
type refused struct{ verdict state.Verdict }

// Error implements error.
func (r refused) Error() string { return "the ledger's rules refuse it: " + r.verdict.String() }
