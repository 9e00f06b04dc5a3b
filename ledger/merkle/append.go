package merkle

import "golang.org/x/mod/sumdb/tlog"

// Append computes what adding leaves to the tree of the given size changes: the
// tiles to store, each whole, and the new root. It stores nothing itself.
//
// The tiles come in order of level, then index. The caller stores them in one
// atomic step with the new size; because tiles only grow (M3), a store that
// cannot do that may also write the tiles first and the size after, and a crash
// between the two leaves the old tree readable as it was (M5).
//
// It reads the right edge only (M4). Without leaves, no tile changes and the
// root is that of the tree as it is. Errors wrap [ErrRange] or [ErrTile].
func Append(r TileReader, size uint64, leaves []Hash) (writes []TileWrite, root Hash, err error) {
	if err := checkSize(size); err != nil {
		return nil, Hash{}, err
	}
	after := size + uint64(len(leaves)) // cannot overflow: both are below 2^63
	if err := checkSize(after); err != nil {
		return nil, Hash{}, err
	}

	// Each full tile of a level is one node of the next, so the nodes that a
	// level gains come out of the tiles that the level below filled.
	nodes := leaves
	for level := uint8(0); len(nodes) > 0; level++ {
		have := size >> (tileHeight * uint(level)) // complete nodes of this level until now
		var parents []Hash
		for len(nodes) > 0 {
			tile := Tile{Level: level, Index: have / TileWidth}
			width := int(have % TileWidth)
			n := min(len(nodes), TileWidth-width)

			// The reader's bytes are its own: always a fresh slice.
			data := make([]byte, 0, (width+n)*HashSize)
			if width > 0 {
				old, err := readTile(r, tile, width)
				if err != nil {
					return nil, Hash{}, err
				}
				data = append(data, old...)
			}
			for i := range nodes[:n] {
				data = append(data, nodes[i][:]...)
			}
			writes = append(writes, TileWrite{Tile: tile, Data: data})
			if width+n == TileWidth {
				parents = append(parents, fullTileHash(data))
			}
			have += uint64(n)
			nodes = nodes[n:]
		}
		nodes = parents
	}

	root, err = Root(pending{writes, r}, after)
	if err != nil {
		return nil, Hash{}, err
	}
	return writes, root, nil
}

// Root returns the root of the tree of the given size (M1), from the tiles of
// its right edge (M4). Errors wrap [ErrRange] or [ErrTile].
func Root(r TileReader, size uint64) (Hash, error) {
	if err := checkSize(size); err != nil {
		return Hash{}, err
	}
	return tlog.TreeHash(int64(size), &treeReader{tiles: r, size: size})
}

// fullTileHash returns the node over the [TileWidth] hashes of a full tile.
func fullTileHash(data []byte) Hash {
	var row [TileWidth]Hash
	for i := range row {
		row[i] = Hash(data[i*HashSize:])
	}
	for width := TileWidth; width > 1; width /= 2 {
		for i := range width / 2 {
			row[i] = NodeHash(row[2*i], row[2*i+1])
		}
	}
	return row[0]
}

// pending reads tiles as they will be once writes are stored.
type pending struct {
	writes []TileWrite
	stored TileReader
}

// ReadTile implements [TileReader].
func (p pending) ReadTile(t Tile, width int) ([]byte, error) {
	// The right edge is what is asked for, and of each level it was written
	// last: from the end, few tiles are passed over.
	for i := len(p.writes) - 1; i >= 0; i-- {
		if p.writes[i].Tile == t {
			return p.writes[i].Data, nil
		}
	}
	return p.stored.ReadTile(t, width)
}
