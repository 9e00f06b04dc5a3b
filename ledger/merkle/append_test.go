package merkle_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"testing"

	"concordat/ledger/merkle"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// edgeSizes are the sizes at which tiles begin, fill and make a parent.
var edgeSizes = []int{0, 1, 2, 3, 255, 256, 257, 511, 512, 513}

// genSize draws a size of at most 2000, the edges often.
func genSize() *rapid.Generator[int] {
	return rapid.OneOf(rapid.SampledFrom(edgeSizes), rapid.IntRange(0, 2000))
}

// Same leaves, any batches: the model's root and tiles after every batch, and
// those that tlog would store and publish (M1, M2, M3, M4).
func TestAppendAgainstModel(t *testing.T) {
	leaves := fixtureLeaves()
	rapid.Check(t, func(rt *rapid.T) {
		size := genSize().Draw(rt, "size")
		s := newStore()
		for int(s.size) < size {
			most := size - int(s.size)
			batch := rapid.OneOf(rapid.IntRange(1, min(most, 3)), rapid.IntRange(1, most)).Draw(rt, "batch")
			root := s.append(t, leaves[s.size:][:batch])
			if want := modelRoot(leaves[:s.size]); root != want {
				rt.Fatalf("root of size %d is %x, the model has %x", s.size, root, want)
			}
		}
		compareTiles(t, s, leaves[:size])
	})
}

// The sizes at which level 1 fills and level 2 begins, in batches to 10,000.
func TestAppendLargeBatches(t *testing.T) {
	leaves := fixtureLeaves()
	const seed = 6962
	rng := rand.New(rand.NewPCG(seed, seed))
	for _, size := range []int{65_535, 65_536, 65_537, len(leaves)} {
		want := modelRoot(leaves[:size])
		for _, most := range []int{10_000, 700} {
			s := newStore()
			var root merkle.Hash
			for int(s.size) < size {
				batch := min(1+rng.IntN(most), size-int(s.size))
				root = s.append(t, leaves[s.size:][:batch])
			}
			if root != want {
				t.Errorf("seed %d: root of size %d in batches to %d is %x, the model has %x", seed, size, most, root, want)
			}
			compareTiles(t, s, leaves[:size])
		}
	}
}

// compareTiles compares the store with the model and with tlog, tile by tile.
func compareTiles(t *testing.T, s *store, leaves []merkle.Hash) {
	t.Helper()
	if want := modelTiles(leaves); !maps.EqualFunc(s.tiles, want, bytes.Equal) {
		t.Errorf("size %d: the %d tiles differ from the model's %d", len(leaves), len(s.tiles), len(want))
	}
	stored := tlogHashes(t, leaves)
	published := tlog.NewTiles(8, 0, int64(len(leaves)))
	if len(published) != len(s.tiles) {
		t.Errorf("size %d: %d tiles, tlog publishes %d", len(leaves), len(s.tiles), len(published))
	}
	for _, tile := range published {
		want, err := tlog.ReadTileData(tile, stored)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.tiles[merkle.Tile{Level: uint8(tile.L), Index: uint64(tile.N)}]; !bytes.Equal(got, want) {
			t.Errorf("size %d: %s differs from tlog's", len(leaves), tile.Path())
		}
	}
	root, err := tlog.TreeHash(int64(len(leaves)), stored)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := merkle.Root(s, uint64(len(leaves))); err != nil || got != root {
		t.Errorf("Root(%d) = %x, %v; tlog has %x", len(leaves), got, err, root)
	}
}

// tlogHashes stores the leaves in tlog's own order, without tiles.
func tlogHashes(t *testing.T, leaves []merkle.Hash) tlog.HashReader {
	t.Helper()
	var stored []tlog.Hash
	r := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = stored[x]
		}
		return out, nil
	})
	for n, leaf := range leaves {
		hashes, err := tlog.StoredHashesForRecordHash(int64(n), leaf, r)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hashes...)
	}
	return r
}

// The root of every earlier size stays what it was, though the store holds
// wider tiles by now (M5).
func TestRootPinnedToSize(t *testing.T) {
	leaves := fixtureLeaves()[:1100]
	s := newStore()
	s.append(t, leaves)
	for size := 0; size <= len(leaves); size++ {
		got, err := merkle.Root(s, uint64(size))
		if want := modelRoot(leaves[:size]); err != nil || got != want {
			t.Fatalf("Root(%d) of a store of %d = %x, %v; want %x", size, len(leaves), got, err, want)
		}
	}
}

// A crash may leave tiles of a batch whose size was never stored: appending
// again from the old size gives the same bytes, whatever lies beyond it (M5).
func TestAppendOverTornWrite(t *testing.T) {
	leaves := fixtureLeaves()
	rapid.Check(t, func(rt *rapid.T) {
		size := genSize().Draw(rt, "size")
		torn := rapid.IntRange(1, 600).Draw(rt, "torn")
		again := rapid.IntRange(1, 600).Draw(rt, "again")
		s := newStore()
		s.append(t, leaves[:size])
		want, wantRoot, err := merkle.Append(s, uint64(size), leaves[10_000:][:again])
		if err != nil {
			rt.Fatal(err)
		}
		s.append(t, leaves[size:][:torn])
		got, root, err := merkle.Append(s, uint64(size), leaves[10_000:][:again])
		if err != nil || root != wantRoot || fmt.Sprint(got) != fmt.Sprint(want) {
			rt.Fatalf("appending %d to %d over the tiles of size %d: %v, root %x, want %x", again, size, s.size, err, root, wantRoot)
		}
	})
}

// Append must neither keep nor change what the reader handed it.
func TestAppendLeavesReaderBytesAlone(t *testing.T) {
	leaves := fixtureLeaves()
	s := newStore()
	s.append(t, leaves[:100])
	tile := merkle.Tile{}
	roomy := make([]byte, 100*merkle.HashSize, merkle.TileWidth*merkle.HashSize)
	copy(roomy, s.tiles[tile])
	s.tiles[tile] = roomy
	writes, _, err := merkle.Append(s, 100, leaves[100:110])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(roomy[:cap(roomy)][100*merkle.HashSize:], make([]byte, 156*merkle.HashSize)) {
		t.Error("Append wrote into the reader's slice")
	}
	clear(roomy)
	if bytes.Equal(writes[0].Data[:merkle.HashSize], make([]byte, merkle.HashSize)) {
		t.Error("what Append returned is the reader's slice")
	}
}

func TestAppendNothing(t *testing.T) {
	s := newStore()
	writes, root, err := merkle.Append(s, 0, nil)
	if err != nil || len(writes) != 0 || root != merkle.EmptyRoot() {
		t.Errorf("to the empty tree: %d writes, root %x, %v", len(writes), root, err)
	}
	want := s.append(t, fixtureLeaves()[:300])
	writes, root, err = merkle.Append(s, 300, nil)
	if err != nil || len(writes) != 0 || root != want {
		t.Errorf("to a tree of 300: %d writes, root %x, want %x, %v", len(writes), root, want, err)
	}
}

var errDisk = errors.New("disk on fire")

type brokenReader struct {
	data []byte
	err  error
}

func (b brokenReader) ReadTile(merkle.Tile, int) ([]byte, error) { return b.data, b.err }

func TestReaderFaults(t *testing.T) {
	calls := map[string]func(r merkle.TileReader) error{
		"Append": func(r merkle.TileReader) error {
			_, _, err := merkle.Append(r, 300, make([]merkle.Hash, 1))
			return err
		},
		"Append nothing": func(r merkle.TileReader) error { _, _, err := merkle.Append(r, 300, nil); return err },
		"Append, edge": func(r merkle.TileReader) error {
			_, _, err := merkle.Append(r, 65_536, make([]merkle.Hash, 1))
			return err
		},
		"Root":             func(r merkle.TileReader) error { _, err := merkle.Root(r, 300); return err },
		"InclusionProof":   func(r merkle.TileReader) error { _, err := merkle.InclusionProof(r, 7, 300); return err },
		"ConsistencyProof": func(r merkle.TileReader) error { _, err := merkle.ConsistencyProof(r, 7, 300); return err },
	}
	for name, call := range calls {
		if err := call(brokenReader{err: errDisk}); !errors.Is(err, merkle.ErrTile) || !errors.Is(err, errDisk) {
			t.Errorf("%s with a broken reader: %v", name, err)
		}
		if err := call(brokenReader{data: make([]byte, merkle.HashSize-1)}); !errors.Is(err, merkle.ErrTile) {
			t.Errorf("%s with a short tile: %v", name, err)
		}
	}
}

func TestSizeBounds(t *testing.T) {
	u := uniform{}
	for _, size := range []uint64{merkle.MaxSize + 1, 1 << 62, 1 << 63, math.MaxUint64} {
		if _, err := merkle.Root(u, size); !errors.Is(err, merkle.ErrRange) {
			t.Errorf("Root(%d): %v", size, err)
		}
		if _, _, err := merkle.Append(u, size, nil); !errors.Is(err, merkle.ErrRange) {
			t.Errorf("Append(%d): %v", size, err)
		}
		if _, err := merkle.InclusionProof(u, 0, size); !errors.Is(err, merkle.ErrRange) {
			t.Errorf("InclusionProof(0, %d): %v", size, err)
		}
		if _, err := merkle.ConsistencyProof(u, 1, size); !errors.Is(err, merkle.ErrRange) {
			t.Errorf("ConsistencyProof(1, %d): %v", size, err)
		}
		if err := merkle.VerifyInclusion(0, size, merkle.Hash{}, nil, merkle.Hash{}); !errors.Is(err, merkle.ErrRange) {
			t.Errorf("VerifyInclusion(0, %d): %v", size, err)
		}
		if err := merkle.VerifyConsistency(1, size, merkle.Hash{}, merkle.Hash{}, nil); !errors.Is(err, merkle.ErrRange) {
			t.Errorf("VerifyConsistency(1, %d): %v", size, err)
		}
	}
	if _, _, err := merkle.Append(u, merkle.MaxSize, make([]merkle.Hash, 1)); !errors.Is(err, merkle.ErrRange) {
		t.Errorf("Append beyond MaxSize: %v", err)
	}
}

func TestWidth(t *testing.T) {
	for _, c := range []struct {
		level uint8
		index uint64
		size  uint64
		want  int
	}{
		{0, 0, 0, 0}, {0, 0, 1, 1}, {0, 0, 255, 255}, {0, 0, 256, 256}, {0, 0, 257, 256},
		{0, 1, 256, 0}, {0, 1, 257, 1}, {1, 0, 255, 0}, {1, 0, 256, 1}, {1, 0, 70_000, 256},
		{1, 1, 70_000, 17}, {2, 0, 65_535, 0}, {2, 0, 65_536, 1}, {7, 0, merkle.MaxSize, 16},
		{8, 0, math.MaxUint64, 0}, {63, 0, math.MaxUint64, 0}, {255, math.MaxUint64, math.MaxUint64, 0},
	} {
		if got := (merkle.Tile{Level: c.level, Index: c.index}).Width(c.size); got != c.want {
			t.Errorf("tile %d/%d at size %d has width %d, want %d", c.level, c.index, c.size, got, c.want)
		}
	}
}
