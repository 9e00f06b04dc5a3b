package tiles

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"concordat/ledger"
	"concordat/ledger/merkle"
)

// Tile gives the first width hashes of a tile.
func Tile(v merkle.TileReader, t merkle.Tile, width int) ([]byte, error) {
	data, err := v.ReadTile(t, width)
	if err != nil {
		return nil, err
	}
	if len(data) < width*merkle.HashSize {
		return nil, fmt.Errorf("tile %s has %d bytes, %d are needed", t.Path(width), len(data), width*merkle.HashSize)
	}
	return data[:width*merkle.HashSize], nil
}

// Entries gives an entry bundle: the first width statements from index*256 on,
// each after its length.
func Entries(v interface {
	Statements(ledger.Filter) ([]ledger.Entry, error)
}, index uint64, width int) ([]byte, error) {
	first := index * merkle.TileWidth
	entries, err := v.Statements(ledger.Filter{From: first, Limit: width})
	if err != nil {
		return nil, err
	}
	total := 0
	for i, e := range entries {
		if e.Index != first+uint64(i) {
			return nil, fmt.Errorf("statement %d came where %d belongs", e.Index, first+uint64(i))
		}
		total += 2 + len(e.Raw())
	}
	if len(entries) != width {
		return nil, fmt.Errorf("there are %d statements from %d on, %d are needed", len(entries), first, width)
	}
	data := make([]byte, 0, total)
	for _, e := range entries {
		raw := e.Raw() // at most statement.MaxSize bytes, which 16 bits hold
		data = binary.BigEndian.AppendUint16(data, uint16(len(raw)))
		data = append(data, raw...)
	}
	return data, nil
}

// Local reads a log from a view of a ledger instead of over HTTP, such as that
// of a stopped node: it is a Source of package client/audit.
type Local struct {
	View View
	Note []byte // the newest certified note; nil: there is none
}

// Checkpoint gives the certified note. The error is fs.ErrNotExist if there is none.
func (l Local) Checkpoint(context.Context) ([]byte, error) {
	if l.Note == nil {
		return nil, fmt.Errorf("no checkpoint is certified: %w", fs.ErrNotExist)
	}
	return l.Note, nil
}

// Tile gives the first width hashes of a tile.
func (l Local) Tile(_ context.Context, t merkle.Tile, width int) ([]byte, error) {
	return Tile(l.View, t, width)
}

// Entries gives an entry bundle.
func (l Local) Entries(_ context.Context, index uint64, width int) ([]byte, error) {
	return Entries(l.View, index, width)
}

// Attachment gives an attachment. The error is fs.ErrNotExist if it was erased.
func (l Local) Attachment(_ context.Context, digest [32]byte) ([]byte, error) {
	a, err := l.View.Attachment(digest)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, fmt.Errorf("attachment %x: %w", digest, fs.ErrNotExist)
	}
	return a, err
}
