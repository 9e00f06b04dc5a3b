package merkle

import "golang.org/x/mod/sumdb/tlog"

// treeReader lets tlog read the nodes of the tree of one size out of tiles. It
// lives for one call of this package and keeps the tiles that it has read:
// tlog asks for all the nodes of a proof at once, and comes back to the tiles
// of the right edge.
type treeReader struct {
	tiles TileReader
	size  uint64
	read  []readTileData
}

type readTileData struct {
	tile Tile
	data []byte
}

// ReadHashes implements [tlog.HashReader].
func (r *treeReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		at := tlog.TileForIndex(tileHeight, index)
		tile := Tile{Level: uint8(at.L), Index: uint64(at.N)}
		data, err := r.readTile(tile)
		if err != nil {
			return nil, err
		}
		at.W = len(data) / HashSize
		if hashes[i], err = tlog.HashFromTile(at, data, index); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

// readTile returns the tile at the width that it has in this tree, not the
// least that would do: a store that keeps a file per width has that one.
func (r *treeReader) readTile(tile Tile) ([]byte, error) {
	// At most two tiles per level: a walk is quicker than a map.
	for i := range r.read {
		if r.read[i].tile == tile {
			return r.read[i].data, nil
		}
	}
	data, err := readTile(r.tiles, tile, tile.Width(r.size))
	if err != nil {
		return nil, err
	}
	r.read = append(r.read, readTileData{tile, data})
	return data, nil
}
