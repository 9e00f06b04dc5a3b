package merkle_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"concordat/ledger/merkle"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// Every proof of every tree of up to 70 leaves, out of a store that has grown
// far beyond (M5), is the model's, and verifies here and with tlog (M1, M7).
func TestProofsAgainstModel(t *testing.T) {
	leaves := fixtureLeaves()[:600]
	s := newStore()
	s.append(t, leaves)
	for size := 1; size <= 70; size++ {
		for index := range size {
			checkInclusion(t, s, leaves[:size], index)
		}
		for old := 0; old <= size; old++ {
			checkConsistency(t, s, leaves[:size], old)
		}
	}
}

// The same at the edges of tiles and anywhere in between.
func TestProofsAgainstModelRandom(t *testing.T) {
	leaves := fixtureLeaves()
	s := newStore()
	s.append(t, leaves)
	rapid.Check(t, func(rt *rapid.T) {
		size := max(1, genSize().Draw(rt, "size"))
		checkInclusion(rt, s, leaves[:size], rapid.IntRange(0, size-1).Draw(rt, "index"))
		checkConsistency(rt, s, leaves[:size], rapid.IntRange(0, size).Draw(rt, "old"))
	})
	for _, size := range []int{65_535, 65_536, 65_537, 70_000} {
		for _, at := range []int{255, 65_279, size - 1} {
			checkInclusion(t, s, leaves[:size], at)
			checkConsistency(t, s, leaves[:size], at)
		}
	}
}

// failer is what *testing.T and *rapid.T have in common here.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func checkInclusion(t failer, s *store, leaves []merkle.Hash, index int) {
	t.Helper()
	size, root := uint64(len(leaves)), modelRoot(leaves)
	proof, err := merkle.InclusionProof(s, uint64(index), size)
	if err != nil {
		t.Fatalf("InclusionProof(%d, %d): %v", index, size, err)
	}
	if !slices.Equal(proof, modelPath(index, leaves)) {
		t.Fatalf("InclusionProof(%d, %d) is not the model's", index, size)
	}
	if err := merkle.VerifyInclusion(uint64(index), size, leaves[index], proof, root); err != nil {
		t.Fatalf("VerifyInclusion: %v", err)
	}
	if err := tlog.CheckRecord(tlogProof(proof), int64(size), root, int64(index), leaves[index]); err != nil {
		t.Fatalf("tlog.CheckRecord(%d, %d): %v", index, size, err)
	}
}

func checkConsistency(t failer, s *store, leaves []merkle.Hash, old int) {
	t.Helper()
	size, root, oldRoot := uint64(len(leaves)), modelRoot(leaves), modelRoot(leaves[:old])
	proof, err := merkle.ConsistencyProof(s, uint64(old), size)
	if err != nil {
		t.Fatalf("ConsistencyProof(%d, %d): %v", old, size, err)
	}
	var want []merkle.Hash
	if old > 0 {
		want = modelProof(old, leaves, true)
	}
	if !slices.Equal(proof, want) {
		t.Fatalf("ConsistencyProof(%d, %d) is not the model's", old, size)
	}
	if err := merkle.VerifyConsistency(uint64(old), size, oldRoot, root, proof); err != nil {
		t.Fatalf("VerifyConsistency: %v", err)
	}
	if old == 0 {
		return // tlog knows no empty tree
	}
	if err := tlog.CheckTree(tlogProof(proof), int64(size), root, int64(old), oldRoot); err != nil {
		t.Fatalf("tlog.CheckTree(%d, %d): %v", old, size, err)
	}
}

func tlogProof(hashes []merkle.Hash) (p []tlog.Hash) {
	for _, h := range hashes {
		p = append(p, h)
	}
	return p
}

// No proof of a true claim but the genuine one, and no proof of a false claim,
// is accepted (M7): every single change to every part of small proofs.
func TestMutatedProofsRefused(t *testing.T) {
	leaves := fixtureLeaves()[:20]
	s := newStore()
	s.append(t, leaves)
	for size := 1; size <= len(leaves); size++ {
		root := modelRoot(leaves[:size])
		for index := range size {
			proof := modelPath(index, leaves[:size])
			for what, p := range mutations(proof) {
				refuse(t, merkle.VerifyInclusion(uint64(index), uint64(size), leaves[index], p, root),
					"inclusion of %d in %d, proof with %s", index, size, what)
			}
			refuse(t, merkle.VerifyInclusion(uint64(index), uint64(size), flip(leaves[index]), proof, root),
				"inclusion of %d in %d, another leaf", index, size)
			refuse(t, merkle.VerifyInclusion(uint64(index), uint64(size), leaves[index], proof, flip(root)),
				"inclusion of %d in %d, another root", index, size)
			for other := range size {
				if other != index {
					refuse(t, merkle.VerifyInclusion(uint64(other), uint64(size), leaves[index], proof, root),
						"inclusion of %d in %d, claimed at %d", index, size, other)
				}
			}
		}
		for old := 0; old <= size; old++ {
			oldRoot := modelRoot(leaves[:old])
			proof := []merkle.Hash(nil)
			if old > 0 {
				proof = modelProof(old, leaves[:size], true)
			}
			for what, p := range mutations(proof) {
				refuse(t, merkle.VerifyConsistency(uint64(old), uint64(size), oldRoot, root, p),
					"consistency of %d with %d, proof with %s", old, size, what)
			}
			refuse(t, merkle.VerifyConsistency(uint64(old), uint64(size), flip(oldRoot), root, proof),
				"consistency of %d with %d, another old root", old, size)
			if old > 0 { // anything continues the empty tree
				refuse(t, merkle.VerifyConsistency(uint64(old), uint64(size), oldRoot, flip(root), proof),
					"consistency of %d with %d, another root", old, size)
			}
			for other := 0; other <= size; other++ {
				if other != old {
					refuse(t, merkle.VerifyConsistency(uint64(other), uint64(size), oldRoot, root, proof),
						"consistency of %d with %d, claimed of %d", old, size, other)
				}
			}
		}
	}
	refuse(t, merkle.VerifyConsistency(0, 0, merkle.EmptyRoot(), leaves[0], nil), "two roots of size 0")
}

func refuse(t *testing.T, err error, format string, args ...any) {
	t.Helper()
	if !errors.Is(err, merkle.ErrProof) {
		t.Errorf(format+": %v", append(args, err)...)
	}
}

func flip(h merkle.Hash) merkle.Hash {
	h[17] ^= 4
	return h
}

// mutations returns the proofs that differ from p in one place.
func mutations(p []merkle.Hash) map[string][]merkle.Hash {
	m := map[string][]merkle.Hash{
		"a hash more":     append(slices.Clone(p), merkle.EmptyRoot()),
		"a hash before":   append([]merkle.Hash{merkle.EmptyRoot()}, p...),
		"very many":       make([]merkle.Hash, 10_000),
		"one beyond most": append(slices.Clone(p), make([]merkle.Hash, merkle.MaxProof)...),
	}
	for i := range p {
		n := string(rune('a' + i))
		q := slices.Clone(p)
		q[i] = flip(q[i])
		m["a bit changed in "+n] = q
		m["none of "+n] = slices.Delete(slices.Clone(p), i, i+1)
		m["twice "+n] = slices.Insert(slices.Clone(p), i, p[i])
		if i > 0 {
			q := slices.Clone(p)
			q[i-1], q[i] = q[i], q[i-1]
			m["places changed before "+n] = q
		}
	}
	return m
}

func TestProofBounds(t *testing.T) {
	s := newStore()
	s.append(t, fixtureLeaves()[:300])
	for _, c := range [][2]uint64{{0, 0}, {300, 300}, {math.MaxUint64, 300}, {1 << 63, 300}} {
		if _, err := merkle.InclusionProof(s, c[0], c[1]); !errors.Is(err, merkle.ErrRange) {
			t.Errorf("InclusionProof(%d, %d): %v", c[0], c[1], err)
		}
		if err := merkle.VerifyInclusion(c[0], c[1], merkle.Hash{}, nil, merkle.Hash{}); !errors.Is(err, merkle.ErrRange) {
			t.Errorf("VerifyInclusion(%d, %d): %v", c[0], c[1], err)
		}
	}
	for _, c := range [][2]uint64{{1, 0}, {301, 300}, {math.MaxUint64, 300}} {
		if _, err := merkle.ConsistencyProof(s, c[0], c[1]); !errors.Is(err, merkle.ErrRange) {
			t.Errorf("ConsistencyProof(%d, %d): %v", c[0], c[1], err)
		}
		if err := merkle.VerifyConsistency(c[0], c[1], merkle.Hash{}, merkle.Hash{}, nil); !errors.Is(err, merkle.ErrRange) {
			t.Errorf("VerifyConsistency(%d, %d): %v", c[0], c[1], err)
		}
	}
	// A tree that the store does not have yet.
	if _, err := merkle.InclusionProof(s, 299, 301); !errors.Is(err, merkle.ErrTile) {
		t.Errorf("InclusionProof in a tree beyond the store: %v", err)
	}
}
