package catchup

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"concordat/ledger/merkle"
)

// tree is the tree under one certified root, read from peers' tiles. A tile is
// kept when it was found to lead to the root; those of leaves are used once and
// are not. Its methods may be called by any number of goroutines.
type tree struct {
	tlog.Tree
	mu   sync.Mutex
	kept map[tlog.Tile][]byte
	old  []tlog.Tile // kept, in the order in which they came
}

const (
	tileHeight = 8
	// keptTiles bounds the tiles kept: the right edge, and for each piece that is
	// being fetched one tile a level. 8 KiB each.
	keptTiles = 256
)

func newTree(size uint64, root merkle.Hash) *tree {
	return &tree{Tree: tlog.Tree{N: int64(size), Hash: root}, kept: map[tlog.Tile][]byte{}}
}

func (t *tree) get(tile tlog.Tile) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept[tile]
}

func (t *tree) keep(tile tlog.Tile, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept[tile] != nil {
		return
	}
	if len(t.old) >= keptTiles {
		delete(t.kept, t.old[0])
		t.old = t.old[1:]
	}
	t.kept[tile] = data
	t.old = append(t.old, tile)
}

// onePeer reads a tree from one peer, so that what does not verify is that
// peer's: what is kept has been verified before. It implements tlog.TileReader.
type onePeer struct {
	ctx     context.Context
	peers   *peers
	name    string
	tree    *tree
	fetched int                  // tiles that came from the peer
	leaves  map[tlog.Tile][]byte // tiles of level 0 that were verified
	err     error                // of reading from the peer
}

func (o *onePeer) Height() int { return tileHeight }

// ReadTiles implements tlog.TileReader.
func (o *onePeer) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	data, o.err = o.readTiles(tiles)
	return data, o.err
}

func (o *onePeer) readTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	var missing []int
	for i, t := range tiles {
		if out[i] = o.tree.get(t); out[i] == nil {
			missing = append(missing, i)
		}
	}
	for len(missing) > 0 {
		some := missing[:min(len(missing), MaxTiles)]
		missing = missing[len(some):]
		var q tilesRequest
		for _, i := range some {
			q.Tiles = append(q.Tiles, tileRef{Level: uint8(tiles[i].L), Index: uint64(tiles[i].N), Width: uint64(tiles[i].W)})
		}
		var a tilesAnswer
		if err := o.peers.call(o.ctx, o.name, TilesProtocol, &q, &a); err != nil {
			return nil, err
		}
		if len(a.Tiles) != len(some) {
			return nil, lie("%d tiles, asked for %d", len(a.Tiles), len(some))
		}
		for j, i := range some {
			if n := q.Tiles[j].bytes(); len(a.Tiles[j]) != n {
				return nil, lie("tile %s of %d bytes, want %d", tiles[i].Path(), len(a.Tiles[j]), n)
			}
			out[i] = a.Tiles[j]
			o.fetched++
		}
	}
	return out, nil
}

// SaveTiles implements tlog.TileReader: these were verified.
func (o *onePeer) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, t := range tiles {
		if t.L == 0 {
			if o.leaves == nil {
				o.leaves = map[tlog.Tile][]byte{}
			}
			o.leaves[t] = data[i]
		}
		// Of the leaves only the right edge is needed again.
		if t.L > 0 || t.W < merkle.TileWidth {
			o.tree.keep(t, data[i])
		}
	}
}

// read calls fn with the tree's verified hashes, read from one peer.
func (t *tree) read(ctx context.Context, p *peers, name string, fn func(tlog.HashReader, *onePeer) error) error {
	o := &onePeer{ctx: ctx, peers: p, name: name, tree: t}
	err := fn(tlog.TileHashReader(t.Tree, o), o)
	switch {
	case o.err != nil:
		return o.err
	case err != nil && o.fetched > 0:
		// All else was verified before.
		return lie("tiles that do not lead to the root of size %d: %w", t.N, err)
	}
	return err
}

// leaves gives the leaf hashes from one index up to another, verified.
func (t *tree) leaves(ctx context.Context, p *peers, name string, s span) ([]merkle.Hash, error) {
	var indexes []int64
	var tiles []tlog.Tile
	for n := s.from / merkle.TileWidth; n <= (s.to-1)/merkle.TileWidth; n++ {
		width := merkle.Tile{Index: n}.Width(uint64(t.N))
		tiles = append(tiles, tlog.Tile{H: tileHeight, N: int64(n), W: width})
		indexes = append(indexes, tlog.StoredHashIndex(0, int64(n*merkle.TileWidth)))
	}
	out := make([]merkle.Hash, 0, s.to-s.from)
	err := t.read(ctx, p, name, func(r tlog.HashReader, o *onePeer) error {
		if _, err := r.ReadHashes(indexes); err != nil {
			return err
		}
		for _, tile := range tiles {
			data := o.leaves[tile]
			if len(data) != tile.W*merkle.HashSize {
				return fmt.Errorf("tile %s was not read", tile.Path()) // a fault of the program
			}
			for i := range uint64(tile.W) {
				if at := uint64(tile.N)*merkle.TileWidth + i; s.from <= at && at < s.to {
					out = append(out, merkle.Hash(data[i*merkle.HashSize:]))
				}
			}
		}
		return nil
	})
	return out, err
}

// rootAt gives the root that the tree had at a smaller size.
func (t *tree) rootAt(ctx context.Context, p *peers, name string, size uint64) (root merkle.Hash, err error) {
	err = t.read(ctx, p, name, func(r tlog.HashReader, _ *onePeer) error {
		root, err = tlog.TreeHash(int64(size), r)
		return err
	})
	return root, err
}
