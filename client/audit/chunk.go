package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// chunk is one entry bundle as it was fetched, with what can be said of it
// without the state.
type chunk struct {
	first  uint64 // index of its first statement
	said   []*statement.Unverified
	leaves []byte // their hashes, as the tile has them too

	// wrong is what is wrong with statement first+len(said), after which
	// nothing was looked at; nil: all is well.
	wrong error
}

// fetchChunk fetches an entry bundle and its tile. An error says that the
// source could not be asked.
func (r *replay) fetchChunk(ctx context.Context, index uint64) (*chunk, error) {
	at := merkle.Tile{Index: index}
	width := at.Width(r.size)
	c := &chunk{first: index * merkle.TileWidth}
	raw, have, err := r.fetchEntries(ctx, index, width)
	if err != nil {
		return nil, err
	}
	hashes, err := r.Source.Tile(ctx, at, have)
	if errors.Is(err, fs.ErrNotExist) {
		hashes, err = nil, nil
		if have > 0 {
			c.wrong = fmt.Errorf("tile %s is withheld", at.Path(have))
			return c, nil
		}
	}
	if err != nil {
		return nil, err
	}
	for i := range have {
		if c.wrong = c.take(&raw, hashes, i); c.wrong != nil {
			return c, nil
		}
	}
	switch {
	case have < width:
		c.wrong = fmt.Errorf("it is withheld, though the checkpoint counts %d statements", r.size)
	case width == merkle.TileWidth && len(raw) > 0:
		c.wrong = fmt.Errorf("bundle %s goes on after its last statement", merkle.EntriesPath(index, width))
	}
	return c, nil
}

// take reads the i-th entry and compares it with its hash in the tile.
func (c *chunk) take(raw *[]byte, hashes []byte, i int) error {
	if len(*raw) < 2 {
		return errors.New("its bundle ends before it")
	}
	size := int(binary.BigEndian.Uint16(*raw))
	if len(*raw) < 2+size {
		return errors.New("its bundle ends within it")
	}
	entry := (*raw)[2 : 2+size : 2+size]
	*raw = (*raw)[2+size:]
	leaf := merkle.LeafHash(entry)
	switch theirs := hashes[min(len(hashes), i*merkle.HashSize):]; {
	case len(theirs) < merkle.HashSize:
		return errors.New("its tile ends before it")
	case !bytes.Equal(leaf[:], theirs[:merkle.HashSize]):
		return fmt.Errorf("its hash is %x, the tree has %x", leaf, theirs[:merkle.HashSize])
	}
	u, err := statement.Parse(entry)
	if err != nil {
		return err
	}
	c.said = append(c.said, u)
	c.leaves = append(c.leaves, leaf[:]...)
	return nil
}

// fetchEntries fetches an entry bundle of width entries. A source that says it
// has none is asked for less, to find the first entry that it withholds.
func (r *replay) fetchEntries(ctx context.Context, index uint64, width int) (raw []byte, have int, err error) {
	raw, err = r.Source.Entries(ctx, index, width)
	if !errors.Is(err, fs.ErrNotExist) {
		return raw, width, err
	}
	raw, err = nil, nil
	have, short := 0, width // it has the one, and not the other
	for short-have > 1 {
		middle := (have + short) / 2
		some, err := r.Source.Entries(ctx, index, middle)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			short = middle
		case err != nil:
			return nil, 0, err
		default:
			raw, have = some, middle
		}
	}
	return raw, have, err
}
