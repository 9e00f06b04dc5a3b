package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"concordat/ledger/merkle"
)

// tree grows as the statements come, and compares the tiles above the leaves
// with the source's. It keeps the right edge only.
type tree struct {
	source Source
	total  uint64        // the size that it will have
	size   uint64        // the leaves so far
	edge   [][]byte      // of each level, the hashes of the tile that is not full
	row    []merkle.Hash // scratch
}

// add appends the leaves of one tile, full but for the last of all, which were
// compared with the source's already.
func (t *tree) add(ctx context.Context, leaves []byte) error {
	t.size += uint64(len(leaves) / merkle.HashSize)
	return t.grow(ctx, 0, leaves)
}

// grow appends to a level, and to the one above what a full tile makes there.
func (t *tree) grow(ctx context.Context, level int, hashes []byte) error {
	if level == len(t.edge) {
		t.edge = append(t.edge, nil)
	}
	t.edge[level] = append(t.edge[level], hashes...)
	full := t.edge[level]
	if len(full) < merkle.TileWidth*merkle.HashSize {
		return nil
	}
	if level > 0 {
		index := t.size>>(8*(level+1)) - 1
		if err := t.compare(ctx, merkle.Tile{Level: uint8(level), Index: index}, full); err != nil {
			return err
		}
	}
	node := t.nodeOver(full)
	t.edge[level] = full[:0]
	return t.grow(ctx, level+1, node[:])
}

// nodeOver is the hash over a full tile.
func (t *tree) nodeOver(full []byte) merkle.Hash {
	t.row = t.row[:0]
	for i := 0; i < len(full); i += merkle.HashSize {
		t.row = append(t.row, merkle.Hash(full[i:]))
	}
	for n := len(t.row); n > 1; n /= 2 {
		for i := range n / 2 {
			t.row[i] = merkle.NodeHash(t.row[2*i], t.row[2*i+1])
		}
	}
	return t.row[0]
}

// finish compares the tiles that are not full, and gives the root.
func (t *tree) finish(ctx context.Context) (merkle.Hash, error) {
	for level := 1; level < len(t.edge); level++ {
		if len(t.edge[level]) == 0 {
			continue
		}
		at := merkle.Tile{Level: uint8(level), Index: t.size >> (8 * (level + 1))}
		if err := t.compare(ctx, at, t.edge[level]); err != nil {
			return merkle.Hash{}, err
		}
	}
	return merkle.Root(t, t.size)
}

// ReadTile implements merkle.TileReader: Root reads the right edge.
func (t *tree) ReadTile(at merkle.Tile, _ int) ([]byte, error) { return t.edge[at.Level], nil }

// compare compares a tile with the source's.
func (t *tree) compare(ctx context.Context, at merkle.Tile, mine []byte) error {
	width := len(mine) / merkle.HashSize
	theirs, err := t.source.Tile(ctx, at, width)
	if errors.Is(err, fs.ErrNotExist) {
		return t.wrong(at, 0, fmt.Errorf("tile %s is withheld", at.Path(width)))
	}
	if err != nil {
		return err
	}
	if len(theirs) < len(mine) {
		return t.wrong(at, len(theirs)/merkle.HashSize, fmt.Errorf("tile %s is cut off", at.Path(width)))
	}
	for i := range width {
		if a, b := mine[i*merkle.HashSize:][:merkle.HashSize], theirs[i*merkle.HashSize:][:merkle.HashSize]; !bytes.Equal(a, b) {
			return t.wrong(at, i, fmt.Errorf("tile %s has hash %x, the statements below it make %x", at.Path(width), b, a))
		}
	}
	return nil
}

// wrong blames the first statement under a hash of a tile.
func (t *tree) wrong(at merkle.Tile, i int, what error) error {
	return &Tampering{Index: (at.Index*merkle.TileWidth + uint64(i)) << (8 * at.Level), Size: t.total, What: what}
}
