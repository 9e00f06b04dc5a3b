package audit

import (
	"context"

	"concordat/ledger/merkle"
)

// Source is where a log is read from: a node, or the directory of one that is
// stopped. What it does not have it answers with an error that is
// fs.ErrNotExist; every other error means that it could not be asked. It is
// asked by several goroutines at once.
type Source interface {
	// Checkpoint gives the newest certified note.
	Checkpoint(ctx context.Context) ([]byte, error)
	// Tile gives the first width hashes of a tile, 32 bytes each. More may come, and are ignored.
	Tile(ctx context.Context, t merkle.Tile, width int) ([]byte, error)
	// Entries gives the first width statements from index*256 on, each after its
	// length in two bytes, big-endian (C2SP tlog-tiles). More may come.
	Entries(ctx context.Context, index uint64, width int) ([]byte, error)
	// Attachment gives the attachment with that SHA-256.
	Attachment(ctx context.Context, digest [32]byte) ([]byte, error)
}
