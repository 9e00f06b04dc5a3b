package merkle_test

import (
	"errors"
	"strings"
	"testing"

	"concordat/ledger/merkle"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

func TestPaths(t *testing.T) {
	for _, c := range []struct {
		tile  merkle.Tile
		width int
		path  string
	}{
		{merkle.Tile{}, 256, "tile/0/000"},
		{merkle.Tile{}, 1, "tile/0/000.p/1"},
		{merkle.Tile{Level: 1}, 255, "tile/1/000.p/255"},
		{merkle.Tile{Index: 999}, 256, "tile/0/999"},
		{merkle.Tile{Index: 1000}, 256, "tile/0/x001/000"},
		{merkle.Tile{Index: 1_234_067}, 256, "tile/0/x001/x234/067"}, // C2SP's example
		{merkle.Tile{Level: 3, Index: 1_234_067}, 8, "tile/3/x001/x234/067.p/8"},
		{merkle.Tile{Level: 7}, 16, "tile/7/000.p/16"},
		{merkle.Tile{Index: merkle.MaxSize/256 - 1}, 256, "tile/0/x004/x503/x599/x627/x370/495"},
	} {
		if got := c.tile.Path(c.width); got != c.path {
			t.Errorf("%v at %d has the path %s, want %s", c.tile, c.width, got, c.path)
		}
		if tile, width, err := merkle.ParsePath(c.path); err != nil || tile != c.tile || width != c.width {
			t.Errorf("ParsePath(%s) = %v, %d, %v", c.path, tile, width, err)
		}
		if c.tile.Level != 0 {
			continue
		}
		entries := strings.Replace(c.path, "tile/0/", "tile/entries/", 1)
		if got := merkle.EntriesPath(c.tile.Index, c.width); got != entries {
			t.Errorf("entries %d at %d have the path %s, want %s", c.tile.Index, c.width, got, entries)
		}
		if index, width, err := merkle.ParseEntriesPath(entries); err != nil || index != c.tile.Index || width != c.width {
			t.Errorf("ParseEntriesPath(%s) = %d, %d, %v", entries, index, width, err)
		}
	}
}

// hostilePaths are near misses; neither parser accepts one.
var hostilePaths = []string{
	"", "tile", "tile/", "tile/0", "tile/0/", "tile//000", "/tile/0/000", "tile/0/000/", "tile/0//000", "tile/0/000 ",
	"Tile/0/000", "tile/00/000", "tile/+0/000", "tile/-1/000", "tile/0x0/000", "tile/data/000", "tile/64/000", "tile/8/000", "tile/256/000",
	"tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/+00", "tile/0/-01", "tile/0/0_0", "tile/0/٠٠٠", "tile/0/x00", "tile/0/abc",
	"tile/0/x000", "tile/0/x000/000", "tile/0/x000/x001/000", "tile/0/001/000", "tile/0/x001/x000", "tile/0/X001/000", "tile/0/xx01/000",
	"tile/0/x001", "tile/0/x1/000", "tile/0/1000", "tile/0/../000", "tile/0/./000", "tile/0/x001/..", "tile/0/%30%30%30",
	"tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/257", "tile/0/000.p/-1", "tile/0/000.p/+1",
	"tile/0/000.p/01", "tile/0/000.p/1/", "tile/0/000.p/1/1", "tile/0/000.p/1.p/1", "tile/0/000.P/1", "tile/0/000.p/99999999999999999999",
	"tile/0/x001.p/1/000", "tile/0/x001.p/1", "tile/7/000", "tile/7/000.p/17", "tile/7/001.p/1",
	"tile/0/x004/x503/x599/x627/x370/496", "tile/1/x004/x503/x599/x627/x370/495", "tile/0/x018/x446/x744/x073/x709/x551/615",
	"tile/0/" + strings.Repeat("x001/", 12) + "000", "tile/0/" + strings.Repeat("x", 1<<20),
	"tile/entries", "tile/entries/", "tile/entries/0", "tile/entries/x000/000", "tile/entries/000.p/256", "tile/entries/000.p/0",
	"tile/entries/0/000", "tile/entries/x004/x503/x599/x627/x370/496", "checkpoint",
}

func TestHostilePaths(t *testing.T) {
	for _, path := range hostilePaths {
		if tile, width, err := merkle.ParsePath(path); !errors.Is(err, merkle.ErrPath) {
			t.Errorf("ParsePath(%.80q) = %v, %d, %v", path, tile, width, err)
		} else if len(err.Error()) > 300 {
			t.Errorf("ParsePath(%.80q): an error of %d bytes", path, len(err.Error()))
		}
		if index, width, err := merkle.ParseEntriesPath(path); !errors.Is(err, merkle.ErrPath) {
			t.Errorf("ParseEntriesPath(%.80q) = %d, %d, %v", path, index, width, err)
		}
	}
	for _, width := range []int{-1, 0, 257, 1 << 40} {
		if path := (merkle.Tile{}).Path(width); pathAccepted(path) {
			t.Errorf("width %d gives %s, which is accepted", width, path)
		}
	}
}

func pathAccepted(path string) bool {
	_, _, err := merkle.ParsePath(path)
	return err == nil
}

// Of any tile: the path is tlog's, but for the height that C2SP fixes, and
// comes back as what it was (M6).
func TestPathRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		level := rapid.IntRange(0, 6).Draw(rt, "level")
		tile := merkle.Tile{
			Level: uint8(level),
			Index: rapid.Uint64Range(0, merkle.MaxSize>>(8*(level+1))-1).Draw(rt, "index"),
		}
		width := rapid.IntRange(1, 256).Draw(rt, "width")
		path := tile.Path(width)
		want := tlog.Tile{H: 8, L: level, N: int64(tile.Index), W: width}.Path()
		if "tile/8/"+strings.TrimPrefix(path, "tile/") != want {
			rt.Fatalf("path %s, tlog has %s", path, want)
		}
		if got, w, err := merkle.ParsePath(path); err != nil || got != tile || w != width {
			rt.Fatalf("ParsePath(%s) = %v, %d, %v", path, got, w, err)
		}
	})
}
