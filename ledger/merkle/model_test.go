package merkle_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"concordat/ledger/merkle"
)

// This file is the model: RFC 6962 section 2.1 written down as the RFC has it,
// too simple to be wrong, and a store that holds Append to its invariants.

// modelRoot is MTH(D[n]), over leaf hashes.
func modelRoot(leaves []merkle.Hash) merkle.Hash {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	k := split(len(leaves))
	return modelNode(modelRoot(leaves[:k]), modelRoot(leaves[k:]))
}

// modelPath is PATH(m, D[n]).
func modelPath(m int, leaves []merkle.Hash) []merkle.Hash {
	if len(leaves) == 1 {
		return nil
	}
	k := split(len(leaves))
	if m < k {
		return append(modelPath(m, leaves[:k]), modelRoot(leaves[k:]))
	}
	return append(modelPath(m-k, leaves[k:]), modelRoot(leaves[:k]))
}

// modelProof is SUBPROOF(m, D[n], b); PROOF(m, D[n]) is modelProof(m, leaves, true).
func modelProof(m int, leaves []merkle.Hash, b bool) []merkle.Hash {
	if m == len(leaves) {
		if b {
			return nil
		}
		return []merkle.Hash{modelRoot(leaves)}
	}
	k := split(len(leaves))
	if m <= k {
		return append(modelProof(m, leaves[:k], b), modelRoot(leaves[k:]))
	}
	return append(modelProof(m-k, leaves[k:], false), modelRoot(leaves[:k]))
}

// modelTiles are the tiles of C2SP tlog-tiles: hash j of tile N at level L is
// the root over the leaves from (256N+j)·256^L, 256^L of them.
func modelTiles(leaves []merkle.Hash) map[merkle.Tile][]byte {
	tiles := map[merkle.Tile][]byte{}
	span := 1
	for level := uint8(0); span <= len(leaves); level++ {
		for i := 0; (i+1)*span <= len(leaves); i++ {
			h := modelRoot(leaves[i*span : (i+1)*span])
			t := merkle.Tile{Level: level, Index: uint64(i / 256)}
			tiles[t] = append(tiles[t], h[:]...)
		}
		span *= 256
	}
	return tiles
}

// split is the largest power of two smaller than n.
func split(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}

func modelNode(l, r merkle.Hash) merkle.Hash {
	return sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...))
}

// fixtureLeaves are the leaves of all the trees in these tests: entry i is the
// number i.
var fixtureLeaves = sync.OnceValue(func() []merkle.Hash {
	leaves := make([]merkle.Hash, 70_000)
	for i := range leaves {
		leaves[i] = merkle.LeafHash(binary.BigEndian.AppendUint64(nil, uint64(i)))
	}
	return leaves
})

// store is a TileReader that keeps what it is told to, and objects when Append
// reads or writes what its invariants forbid.
type store struct {
	tiles map[merkle.Tile][]byte
	size  uint64
	reads map[merkle.Tile]int // since the last append
}

func newStore() *store {
	return &store{tiles: map[merkle.Tile][]byte{}, reads: map[merkle.Tile]int{}}
}

func (s *store) ReadTile(t merkle.Tile, width int) ([]byte, error) {
	s.reads[t]++
	data, ok := s.tiles[t]
	if !ok {
		return nil, fmt.Errorf("no tile %s", t.Path(width))
	}
	return data, nil
}

// append appends leaves as a ledger would, checking M3, M4 and the order (M8).
func (s *store) append(t testing.TB, leaves []merkle.Hash) merkle.Hash {
	t.Helper()
	clear(s.reads)
	writes, root, err := merkle.Append(s, s.size, leaves)
	if err != nil {
		t.Fatalf("Append(%d, %d leaves): %v", s.size, len(leaves), err)
	}
	levels := map[uint8]int{}
	for tile, n := range s.reads {
		levels[tile.Level]++
		if w := tile.Width(s.size); w == 0 || w == merkle.TileWidth || n != 1 {
			t.Fatalf("M4: Append(%d, %d leaves) read %s, of width %d, %d times", s.size, len(leaves), tile.Path(256), w, n)
		}
	}
	for level, n := range levels {
		if n > 1 {
			t.Fatalf("M4: Append(%d, %d leaves) read %d tiles of level %d", s.size, len(leaves), n, level)
		}
	}
	after := s.size + uint64(len(leaves))
	for i, w := range writes {
		if i > 0 {
			if p := writes[i-1].Tile; p.Level > w.Tile.Level || p.Level == w.Tile.Level && p.Index >= w.Tile.Index {
				t.Fatalf("M8: %v written after %v", w.Tile, p)
			}
		}
		before := s.tiles[w.Tile]
		switch {
		case len(before) == merkle.TileWidth*merkle.HashSize:
			t.Fatalf("M3: full tile %s written again", w.Tile.Path(256))
		case len(w.Data) <= len(before) || !bytes.HasPrefix(w.Data, before):
			t.Fatalf("M3: tile %s did not grow from its %d bytes", w.Tile.Path(256), len(before))
		case len(w.Data) != w.Tile.Width(after)*merkle.HashSize:
			t.Fatalf("tile %s has %d bytes, at size %d it has width %d", w.Tile.Path(256), len(w.Data), after, w.Tile.Width(after))
		}
		s.tiles[w.Tile] = w.Data
	}
	s.size = after
	return root
}
