package merkle_test

import (
	"errors"
	"slices"
	"testing"

	"concordat/ledger/merkle"

	"golang.org/x/mod/sumdb/tlog"
)

// Whatever is accepted is spelled as we would spell it (M6), and tlog, given
// the height that C2SP leaves out, reads the same.
func FuzzParsePath(f *testing.F) {
	for _, path := range hostilePaths {
		if len(path) < 100 {
			f.Add(path)
		}
	}
	f.Add("tile/0/000")
	f.Add("tile/3/x001/x234/067.p/8")
	f.Add("tile/entries/x001/x234/067.p/8")
	f.Fuzz(func(t *testing.T, path string) {
		tile, width, err := merkle.ParsePath(path)
		if err != nil && !errors.Is(err, merkle.ErrPath) {
			t.Fatalf("ParsePath(%q): unnamed error %v", path, err)
		}
		if err == nil {
			if got := tile.Path(width); got != path {
				t.Fatalf("ParsePath accepts %q, which is spelled %q", path, got)
			}
			want, err := tlog.ParseTilePath("tile/8/" + path[len("tile/"):])
			if err != nil || want != (tlog.Tile{H: 8, L: int(tile.Level), N: int64(tile.Index), W: width}) {
				t.Fatalf("ParsePath(%q) = %v, %d; tlog has %v, %v", path, tile, width, want, err)
			}
		}
		index, width, entriesErr := merkle.ParseEntriesPath(path)
		if entriesErr != nil {
			if !errors.Is(entriesErr, merkle.ErrPath) {
				t.Fatalf("ParseEntriesPath(%q): unnamed error %v", path, entriesErr)
			}
			return
		}
		if got := merkle.EntriesPath(index, width); got != path {
			t.Fatalf("ParseEntriesPath accepts %q, which is spelled %q", path, got)
		}
		if err == nil {
			t.Fatalf("%q is both a hash tile and an entry bundle", path)
		}
	})
}

// fuzzSize is the size of the tree about which the fuzzer makes claims: over a
// tile's edge, and uneven.
const fuzzSize = 300

// A claim about the tree of fuzzSize and its true root is accepted if and only
// if it is true and the proof is the genuine one (M7). The fuzzer starts from
// genuine proofs, so it works on mutations of them.
func FuzzVerifyInclusion(f *testing.F) {
	leaves := fixtureLeaves()[:fuzzSize]
	root := modelRoot(leaves)
	for _, index := range []int{0, 1, 127, 128, 255, 256, 298, 299} {
		f.Add(uint64(index), leaves[index][:], joinHashes(modelPath(index, leaves)))
	}
	f.Fuzz(func(t *testing.T, index uint64, leaf, proofBytes []byte) {
		proof := cutHashes(proofBytes)
		err := merkle.VerifyInclusion(index, fuzzSize, firstHash(leaf), proof, root)
		genuine := index < fuzzSize && firstHash(leaf) == leaves[index] && slices.Equal(proof, modelPath(int(index), leaves))
		checkVerdict(t, err, genuine)
	})
}

// As FuzzVerifyInclusion, for trees of which the larger is the true one.
func FuzzVerifyConsistency(f *testing.F) {
	leaves := fixtureLeaves()[:fuzzSize]
	root := modelRoot(leaves)
	for _, old := range []int{0, 1, 2, 127, 128, 255, 256, 257, 299, 300} {
		oldRoot := modelRoot(leaves[:old])
		f.Add(uint64(old), oldRoot[:], joinHashes(consistencyModel(old, leaves)))
	}
	f.Fuzz(func(t *testing.T, old uint64, oldRoot, proofBytes []byte) {
		proof := cutHashes(proofBytes)
		err := merkle.VerifyConsistency(old, fuzzSize, firstHash(oldRoot), root, proof)
		genuine := old <= fuzzSize && firstHash(oldRoot) == modelRoot(leaves[:old]) && slices.Equal(proof, consistencyModel(int(old), leaves))
		checkVerdict(t, err, genuine)
	})
}

// Any sizes, roots and proofs at all: no panic, no endless loop (M7).
func FuzzVerifyNeverPanics(f *testing.F) {
	f.Add(uint64(0), uint64(0), []byte{}, []byte{}, []byte{})
	f.Add(uint64(1<<62-1), uint64(1<<62), []byte{1}, []byte{2}, make([]byte, 62*merkle.HashSize))
	f.Add(uint64(1<<60-1), uint64(1<<60), []byte{1}, []byte{2}, make([]byte, 60*merkle.HashSize))
	f.Add(uint64(1<<63), uint64(1<<64-1), []byte{1}, []byte{2}, make([]byte, 64*merkle.HashSize))
	f.Fuzz(func(t *testing.T, a, size uint64, x, root, proofBytes []byte) {
		proof := cutHashes(proofBytes)
		for _, err := range []error{
			merkle.VerifyInclusion(a, size, firstHash(x), proof, firstHash(root)),
			merkle.VerifyConsistency(a, size, firstHash(x), firstHash(root), proof),
		} {
			if err != nil && !errors.Is(err, merkle.ErrProof) && !errors.Is(err, merkle.ErrRange) {
				t.Fatalf("unnamed error %v", err)
			}
		}
	})
}

func checkVerdict(t *testing.T, err error, genuine bool) {
	t.Helper()
	switch {
	case genuine && err != nil:
		t.Fatalf("genuine proof refused: %v", err)
	case !genuine && err == nil:
		t.Fatal("accepted, though the claim is false or the proof is not the genuine one")
	case err != nil && !errors.Is(err, merkle.ErrProof) && !errors.Is(err, merkle.ErrRange):
		t.Fatalf("unnamed error %v", err)
	}
}

func consistencyModel(old int, leaves []merkle.Hash) []merkle.Hash {
	if old == 0 {
		return nil
	}
	return modelProof(old, leaves, true)
}

func joinHashes(hashes []merkle.Hash) (b []byte) {
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

// cutHashes pads the last hash with zeros, so that no byte goes unseen.
func cutHashes(b []byte) (hashes []merkle.Hash) {
	for chunk := range slices.Chunk(b, merkle.HashSize) {
		hashes = append(hashes, firstHash(chunk))
	}
	return hashes
}

func firstHash(b []byte) (h merkle.Hash) {
	copy(h[:], b)
	return h
}
