package merkle

import (
	"errors"
	"fmt"
)

// TileWidth is the number of hashes in a full tile.
const TileWidth = 1 << tileHeight

// tileHeight is the number of the tree's levels in one level of tiles.
const tileHeight = 8

// maxTileLevel is the highest level that a tile of a tree of [MaxSize] has.
const maxTileLevel = 7

var (
	// ErrRange is wrapped by errors that refuse a size, an index or a tile
	// outside of the tree. The caller asked for what does not exist (yet).
	ErrRange = errors.New("merkle: out of range")

	// ErrTile is wrapped by errors about tiles that a [TileReader] could not
	// read or returned with too few bytes. The reader's own error is wrapped too.
	ErrTile = errors.New("merkle: tile unavailable")
)

// Tile names one tile: the hashes Index*256 to Index*256+255 of the tree's
// level 8*Level, of which level 0 are the leaves. A tile says nothing of its
// width, which depends on the tree's size; see [Tile.Width].
type Tile struct {
	Level uint8
	Index uint64
}

// Width returns how many hashes the tile has in a tree of the given size, 0 to
// [TileWidth]. With 0 there is no such tile: an empty one is never stored.
func (t Tile) Width(size uint64) int {
	if t.Level > maxTileLevel {
		// Also keeps the shift below 64, where Go would make it 0 anyway.
		return 0
	}
	nodes := size >> (tileHeight * uint(t.Level)) // complete nodes at the tile's level
	full := nodes / TileWidth
	switch {
	case t.Index < full:
		return TileWidth
	case t.Index == full:
		return int(nodes % TileWidth)
	default:
		return 0
	}
}

// TileReader reads tiles that [Append] gave to be stored.
//
// ReadTile returns the tile's bytes, [HashSize] per hash, at least width of
// them; more are allowed and ignored (M5), so a store may keep each tile only
// once, at the greatest width that it has reached. A missing or shorter tile is
// an error. The bytes are not kept or changed. It need not be safe for
// concurrent use unless its owner uses it so.
type TileReader interface {
	ReadTile(t Tile, width int) ([]byte, error)
}

// TileWrite is a tile to store: Data is all of its bytes, [HashSize] for each
// hash that it now has, and replaces what was stored for it before. Data
// belongs to the receiver.
type TileWrite struct {
	Tile Tile
	Data []byte
}

// readTile reads the first width hashes of t.
func readTile(r TileReader, t Tile, width int) ([]byte, error) {
	data, err := r.ReadTile(t, width)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrTile, t.Path(width), err)
	}
	if len(data) < width*HashSize {
		return nil, fmt.Errorf("%w: %s: the store returned %d bytes, %d are needed; it has lost the end of the tile",
			ErrTile, t.Path(width), len(data), width*HashSize)
	}
	return data[:width*HashSize], nil
}

func checkSize(size uint64) error {
	if size > MaxSize {
		return fmt.Errorf("%w: tree size %d, the greatest is %d", ErrRange, size, uint64(MaxSize))
	}
	return nil
}
