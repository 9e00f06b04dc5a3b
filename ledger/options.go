package ledger

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger/statement"
)

var (
	// ErrBroken: the store failed, and the ledger can no longer vouch that what
	// it would do next reaches the disk. It stays broken until it is opened
	// again; the node must stop (L6).
	ErrBroken = errors.New("ledger is broken")
	// ErrCorrupt: what the store holds contradicts itself.
	ErrCorrupt = errors.New("ledger is corrupt")
	// ErrOtherNetwork: the directory holds the ledger of another network (L10).
	ErrOtherNetwork = errors.New("ledger of another network")
	// ErrLocked: another process has the ledger open.
	ErrLocked = errors.New("ledger is in use")
	// ErrMissing: there is no ledger where one has to be (Options.MustExist).
	ErrMissing = errors.New("no ledger here")
	// ErrClosed: the ledger was closed.
	ErrClosed = errors.New("ledger is closed")
	// ErrNotFound: the ledger, at this size, has no such thing.
	ErrNotFound = errors.New("not in the ledger")
	// ErrOrder: an entry came with a position that cannot follow the last one.
	ErrOrder = errors.New("entry out of order")
	// ErrErased: the ledger had it, and has forgotten it since it expired. It is
	// an ErrNotFound.
	ErrErased = fmt.Errorf("%w: it has expired and was erased", ErrNotFound)
	// ErrNoBlockEnd: no block ends at that size, so no position in the order has it.
	ErrNoBlockEnd = errors.New("no block ends there")
	// ErrConflict: a certificate, or a block of the order, says other than the
	// ledger has. The one or the other is of another history.
	ErrConflict = errors.New("it contradicts the ledger")
	// ErrGraft: a block that was to be grafted is not one that follows here. Who
	// brought it erred or lies; the ledger is as good as before.
	ErrGraft = errors.New("block cannot be grafted")
	// ErrDiverged: the state that the ledger has is not the one that a seal below
	// a certified checkpoint names.
	ErrDiverged = errors.New("the state has diverged from what is certified")
	// ErrHeldFull: no more statements are held until some are ordered.
	ErrHeldFull = errors.New("too much is held already")
)

// Options say where the ledger is and what it may use.
type Options struct {
	// Dir is the directory; it is made if it is not there.
	Dir string
	// FS is the file system. Default: the real one.
	FS vfs.FS
	// MustExist refuses to found a ledger where there is none: for a node that
	// has run before, so that a lost disk is noticed and not papered over.
	MustExist bool
	// CacheBytes bounds the cache of blocks read. Default: 64 MiB.
	CacheBytes int64
	// MemTableBytes bounds what is gathered in memory before it is written as
	// a table. Default: 16 MiB.
	MemTableBytes uint64
	// HeldBytes bounds the statements and attachments held. Default: 256 MiB.
	HeldBytes int
	// HeldStatements bounds how many statements are held. Default: 100,000.
	HeldStatements int
	// HeldBytesEach and HeldStatementsEach bound what is held of one authority's
	// statements. Default: a quarter of what may be held in all.
	HeldBytesEach      int
	HeldStatementsEach int
	// Checker verifies signatures. Give the one that the node verifies
	// submissions with, so that nothing is verified twice. Default: its own.
	Checker *statement.Checker
	// Logger gets what the store reports. Default: slog.Default.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = 16 << 20
	}
	if o.HeldBytes == 0 {
		o.HeldBytes = 256 << 20
	}
	if o.HeldStatements == 0 {
		o.HeldStatements = 100_000
	}
	if o.HeldBytesEach == 0 {
		o.HeldBytesEach = max(o.HeldBytes/4, 1)
	}
	if o.HeldStatementsEach == 0 {
		o.HeldStatementsEach = max(o.HeldStatements/4, 1)
	}
	if o.Checker == nil {
		o.Checker = statement.NewChecker(1 << 16)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}
