package merkle_test

import (
	"fmt"
	"testing"

	"concordat/ledger/merkle"

	"pgregory.net/rapid"
)

// uniform is the tree, of any size, in which all leaves are the zero hash: the
// tiles of a level are then all alike, so a tree of 2^60 leaves needs no store.
type uniform struct{}

// perfect is the root of the uniform tree of 2^i leaves.
var perfect = func() (p [61]merkle.Hash) {
	for i := 1; i < len(p); i++ {
		p[i] = modelNode(p[i-1], p[i-1])
	}
	return p
}()

func (uniform) ReadTile(t merkle.Tile, width int) ([]byte, error) {
	if t.Width(merkle.MaxSize) < width || width < 1 {
		return nil, fmt.Errorf("no tree has %s", t.Path(width))
	}
	data := make([]byte, 0, merkle.TileWidth*merkle.HashSize)
	for range width {
		data = append(data, perfect[8*t.Level][:]...)
	}
	return data, nil
}

// uniformRoot is modelRoot for the uniform tree.
func uniformRoot(size uint64) merkle.Hash {
	if size == 0 {
		return modelRoot(nil)
	}
	k, level := uint64(1), 0
	for k*2 <= size {
		k, level = k*2, level+1
	}
	if k == size {
		return perfect[level]
	}
	return modelNode(perfect[level], uniformRoot(size-k))
}

// genHuge draws sizes over the whole range, and close to powers of two often.
func genHuge(most uint64) *rapid.Generator[uint64] {
	return rapid.OneOf(
		rapid.Uint64Range(0, most),
		rapid.Custom(func(t *rapid.T) uint64 {
			at := uint64(1) << rapid.IntRange(0, 60).Draw(t, "power")
			return min(at+rapid.Uint64Range(0, 600).Draw(t, "over")-min(at, 300), most)
		}),
	)
}

// All levels of tiles, up to the greatest tree: what the other tests, which
// store their leaves, cannot reach.
func TestHugeTrees(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 600).Draw(rt, "leaves")
		size := genHuge(merkle.MaxSize-uint64(n)).Draw(rt, "size")
		writes, root, err := merkle.Append(uniform{}, size, make([]merkle.Hash, n))
		if err != nil {
			rt.Fatalf("Append(%d, %d leaves): %v", size, n, err)
		}
		after := size + uint64(n)
		if want := uniformRoot(after); root != want {
			rt.Fatalf("Append(%d, %d leaves): root %x, want %x", size, n, root, want)
		}
		for _, w := range writes {
			want, err := uniform{}.ReadTile(w.Tile, w.Tile.Width(after))
			if err != nil {
				rt.Fatal(err)
			}
			if string(w.Data) != string(want) {
				rt.Fatalf("Append(%d, %d leaves): tile %s is wrong", size, n, w.Tile.Path(w.Tile.Width(after)))
			}
		}

		size = max(after, 1)
		root = uniformRoot(size)
		index := genHuge(size-1).Draw(rt, "index")
		proof, err := merkle.InclusionProof(uniform{}, index, size)
		if err != nil {
			rt.Fatalf("InclusionProof(%d, %d): %v", index, size, err)
		}
		if err := merkle.VerifyInclusion(index, size, merkle.Hash{}, proof, root); err != nil {
			rt.Fatal(err)
		}
		old := genHuge(size).Draw(rt, "old")
		proof, err = merkle.ConsistencyProof(uniform{}, old, size)
		if err != nil {
			rt.Fatalf("ConsistencyProof(%d, %d): %v", old, size, err)
		}
		if len(proof) > merkle.MaxProof {
			rt.Fatalf("ConsistencyProof(%d, %d) has %d hashes, MaxProof is %d", old, size, len(proof), merkle.MaxProof)
		}
		if err := merkle.VerifyConsistency(old, size, uniformRoot(old), root, proof); err != nil {
			rt.Fatal(err)
		}
	})
}
