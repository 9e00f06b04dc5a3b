package consensus

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// lockPatience is how long another process gets to let go of the file.
const lockPatience = time.Second

// openBolt opens Raft's log. It syncs every write (NoSync would lose votes and
// acknowledged entries), and keeps its list of free pages in memory as a map:
// written out, the list alone would make a commit slow once the file has been
// large. The price is a walk over the file's pages at the start, and preflight's
// before it.
//
// sizes, if it is not nil, gets the length of every entry in the file.
func openBolt(dir string, noSyncForTest bool, sizes *lengths) (_ *raftboltdb.BoltStore, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of raft's log: %w", err)
	}
	path := filepath.Join(dir, logFile)
	if err := preflight(path, sizes); err != nil {
		return nil, explainOpen(path, err)
	}
	defer func() {
		// bbolt panics where its own walk, which is preflight's, finds something.
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %s: %.300v; %s", ErrCorrupt, path, p, mendCorrupt)
		}
	}()
	b, err := raftboltdb.New(raftboltdb.Options{Path: path, NoSync: noSyncForTest, BoltOptions: &bbolt.Options{
		Timeout: lockPatience, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	}})
	if err != nil {
		return nil, explainOpen(path, err)
	}
	return b, nil
}

func explainOpen(path string, err error) error {
	switch {
	case errors.Is(err, ErrCorrupt):
		return err
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%w: %s; is this node running already?", ErrLocked, path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("opening raft's log: %w; it must belong to the user that runs the node", err)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %s is no bbolt file (%w); %s", ErrCorrupt, path, err, mendCorrupt)
	}
	return fmt.Errorf("%w: opening raft's log %s: %w", ErrStorage, path, err)
}

// preflight looks through an existing file before bbolt does. bbolt maps it into
// memory and believes what it reads there, in goroutines of its own: a file cut
// short, or a page that points nowhere, would end the process without a word
// that helps anybody.
func preflight(path string, sizes *lengths) (err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil // to be made
	}
	if err != nil {
		return err
	}
	if least := int64(2 * 4096); info.Size() < least { // two meta pages, the smallest that bbolt makes here
		return fmt.Errorf("%w: %s has %d bytes, at least %d belong to it: it was cut short; %s", ErrCorrupt, path, info.Size(), least, mendCorrupt)
	}
	// Read-only, bbolt looks at its meta pages, and nothing else until it is
	// asked. It also holds the file's lock while we read.
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockPatience, ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.Begin(false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	if info.Size() < tx.Size() {
		return fmt.Errorf("%w: %s has %d bytes, %d belong to it: it was cut short; %s", ErrCorrupt, path, info.Size(), tx.Size(), mendCorrupt)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size := int64(db.Info().PageSize)
	w := &walk{file: f, pageSize: size, pages: uint64(tx.Size() / size), seen: map[uint64]bool{0: true, 1: true}, sizes: sizes}
	if what := w.root(uint64(tx.Cursor().Bucket().Root())); what != nil {
		return fmt.Errorf("%w: %s: %w; %s", ErrCorrupt, path, what, mendCorrupt)
	}
	return nil
}
