package merkle_test

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"concordat/ledger/merkle"
)

const million = 1_000_000

// millionTree is a tree of a million leaves, in memory: the figures are those
// of hashing and copying, without a store's reads.
var millionTree = sync.OnceValues(func() (memory, merkle.Hash) {
	m := memory{}
	var root merkle.Hash
	leaves := make([]merkle.Hash, 10_000)
	for size := uint64(0); size < million; size += uint64(len(leaves)) {
		for i := range leaves {
			leaves[i] = merkle.LeafHash(binary.BigEndian.AppendUint64(nil, size+uint64(i)))
		}
		writes, r, err := merkle.Append(m, size, leaves)
		if err != nil {
			panic(err)
		}
		for _, w := range writes {
			m[w.Tile] = w.Data
		}
		root = r
	}
	return m, root
})

// memory is a plain store.
type memory map[merkle.Tile][]byte

func (m memory) ReadTile(t merkle.Tile, width int) ([]byte, error) {
	data, ok := m[t]
	if !ok {
		return nil, fmt.Errorf("no tile %s", t.Path(width))
	}
	return data, nil
}

// BenchmarkAppend adds leaves to a tree of a million. The tiles are not
// stored, so every round does the same.
func BenchmarkAppend(b *testing.B) {
	m, _ := millionTree()
	for _, n := range []int{1, 512, 10_000} {
		b.Run(fmt.Sprintf("leaves=%d", n), func(b *testing.B) {
			leaves := fixtureLeaves()[:n]
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := merkle.Append(m, million, leaves); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "leaves/s")
		})
	}
}

func BenchmarkInclusionProof(b *testing.B) {
	m, _ := millionTree()
	b.ReportAllocs()
	index := uint64(0)
	for b.Loop() {
		index = (index + 314_159) % million
		if _, err := merkle.InclusionProof(m, index, million); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyInclusion(b *testing.B) {
	m, root := millionTree()
	const index = 271_828
	leaf := merkle.LeafHash(binary.BigEndian.AppendUint64(nil, index))
	proof, err := merkle.InclusionProof(m, index, million)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := merkle.VerifyInclusion(index, million, leaf, proof, root); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkConsistencyProof(b *testing.B) {
	m, _ := millionTree()
	b.ReportAllocs()
	old := uint64(0)
	for b.Loop() {
		old = (old+314_159)%(million-1) + 1
		if _, err := merkle.ConsistencyProof(m, old, million); err != nil {
			b.Fatal(err)
		}
	}
}
