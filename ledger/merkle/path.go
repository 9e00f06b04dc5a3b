package merkle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrPath is wrapped by the errors of [ParsePath] and [ParseEntriesPath].
var ErrPath = errors.New("merkle: not a tile path")

const (
	hashPrefix    = "tile/"
	entriesPrefix = "tile/entries/"

	// maxPathLen bounds what the parsers look at. The longest path that they
	// accept, that of a partial entry bundle with the greatest index, has 43 bytes.
	maxPathLen = 64

	// maxTileIndex is the greatest index of a tile in a tree of [MaxSize], at
	// level 0.
	maxTileIndex = MaxSize/TileWidth - 1
)

// Path returns the path of the tile at the given width, relative to the log's
// prefix and without a leading slash, as C2SP tlog-tiles spells it:
// "tile/0/x001/234" for a full tile, "tile/0/x001/234.p/17" for one of 17
// hashes. A width outside of 1 to [TileWidth] gives a path that [ParsePath]
// refuses.
func (t Tile) Path(width int) string {
	b := make([]byte, 0, maxPathLen)
	b = append(b, hashPrefix...)
	b = strconv.AppendUint(b, uint64(t.Level), 10)
	b = append(b, '/')
	return string(appendIndex(b, t.Index, width))
}

// EntriesPath returns the path of an entry bundle, which holds the entries
// whose hashes are those of the tile of level 0 with the same index:
// "tile/entries/x001/234", or with ".p/17" when it has 17 entries only.
func EntriesPath(index uint64, width int) string {
	b := make([]byte, 0, maxPathLen)
	b = append(b, entriesPrefix...)
	return string(appendIndex(b, index, width))
}

// ParsePath is the inverse of [Tile.Path] and accepts nothing else (M6): a tile
// that a tree of at most [MaxSize] may have, with a width of 1 to [TileWidth].
// Errors wrap [ErrPath]. Whether the tile exists is for the caller to say, by
// [Tile.Width].
func ParsePath(path string) (t Tile, width int, err error) {
	rest, ok := strings.CutPrefix(path, hashPrefix)
	if !ok || len(path) > maxPathLen {
		return Tile{}, 0, badPath(path)
	}
	level, rest, ok := strings.Cut(rest, "/")
	if !ok || len(level) != 1 || level[0] < '0' || level[0] > '0'+maxTileLevel {
		return Tile{}, 0, badPath(path)
	}
	t.Level = level[0] - '0'
	t.Index, width, ok = parseIndex(rest)
	if !ok || width > t.Width(MaxSize) || t.Path(width) != path {
		return Tile{}, 0, badPath(path)
	}
	return t, width, nil
}

// ParseEntriesPath is the inverse of [EntriesPath] and accepts nothing else
// (M6). Errors wrap [ErrPath].
func ParseEntriesPath(path string) (index uint64, width int, err error) {
	rest, ok := strings.CutPrefix(path, entriesPrefix)
	if !ok || len(path) > maxPathLen {
		return 0, 0, badPath(path)
	}
	index, width, ok = parseIndex(rest)
	if !ok || EntriesPath(index, width) != path {
		return 0, 0, badPath(path)
	}
	return index, width, nil
}

// appendIndex appends the index in groups of three digits, each but the last
// after an x, and the width if it is not full. The groups keep a directory of
// tiles below a thousand names of each sort.
func appendIndex(b []byte, index uint64, width int) []byte {
	scale := uint64(1)
	for index/scale >= 1000 {
		scale *= 1000
	}
	for ; scale > 1; scale /= 1000 {
		b = fmt.Appendf(b, "x%03d/", index/scale%1000)
	}
	b = fmt.Appendf(b, "%03d", index%1000)
	if width != TileWidth {
		b = append(b, ".p/"...)
		b = strconv.AppendInt(b, int64(width), 10)
	}
	return b
}

// parseIndex reads what appendIndex writes, and more than that: leading zeros,
// plus signs and the like are left to the caller, who spells the result again
// and compares. Only the bounds are final.
func parseIndex(s string) (index uint64, width int, ok bool) {
	groups, partial, isPartial := strings.Cut(s, ".p/")
	width = TileWidth
	if isPartial {
		w, err := strconv.Atoi(partial)
		if err != nil || w < 1 || w >= TileWidth {
			return 0, 0, false
		}
		width = w
	}
	for group := range strings.SplitSeq(groups, "/") {
		n, err := strconv.ParseUint(strings.TrimPrefix(group, "x"), 10, 16)
		if err != nil || n > 999 {
			return 0, 0, false
		}
		// At every step index is at most maxTileIndex, so this cannot overflow.
		if index = index*1000 + n; index > maxTileIndex {
			return 0, 0, false
		}
	}
	return index, width, true
}

func badPath(path string) error {
	shown := path
	if len(shown) > maxPathLen {
		shown = shown[:maxPathLen] + "…"
	}
	return fmt.Errorf("%w: %q; expected like tile/0/x001/234 or tile/entries/x001/234.p/17, level 0 to %d, index to %d",
		ErrPath, shown, maxTileLevel, uint64(maxTileIndex))
}
