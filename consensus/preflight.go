package consensus

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// The buckets that raft-boltdb keeps.
var boltLogs, boltConf = []byte("logs"), []byte("conf")

// lockPatience is how long another process gets to let go of the file.
const lockPatience = time.Second

// openBolt opens Raft's log. It syncs every write (NoSync would lose votes and
// acknowledged entries), and keeps its list of free pages in memory as a map:
// written out, the list alone would make a commit slow once the file has been
// large. The price is a walk over the file's pages at the start, and preflight's
// before it.
func openBolt(dir string, noSyncForTest bool) (_ *raftboltdb.BoltStore, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of raft's log: %w", err)
	}
	path := filepath.Join(dir, logFile)
	if err := preflight(path); err != nil {
		return nil, explainOpen(path, err)
	}
	defer func() {
		// bbolt panics where its own walk finds what preflight has not.
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

// preflight walks through an existing file, read-only, before bbolt does so for
// writing. bbolt maps the file into memory and believes what it reads there: a
// file cut short, or a page that points nowhere, ends the process with SIGBUS
// in a goroutine of bbolt's. Here such a fault is an error, in this goroutine.
func preflight(path string) (err error) {
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
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockPatience, ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.Begin(false)
	if err != nil {
		return err
	}
	if info.Size() < tx.Size() {
		err = fmt.Errorf("%w: %s has %d bytes, %d belong to it: it was cut short; %s", ErrCorrupt, path, info.Size(), tx.Size(), mendCorrupt)
	} else if what := walk(tx); what != nil {
		err = fmt.Errorf("%w: %s: %w; %s", ErrCorrupt, path, what, mendCorrupt)
	}
	return errors.Join(err, tx.Rollback())
}

// walk reads every key, and with them every page that leads to one, and says
// what is wrong with them. The entries have their own seals.
func walk(tx *bbolt.Tx) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a page cannot be read (%.200v)", p)
		}
	}()
	buckets, touched := 0, byte(0)
	err = tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
		buckets++
		logs := bytes.Equal(name, boltLogs)
		if !logs && !bytes.Equal(name, boltConf) {
			return fmt.Errorf("there is a bucket %.20q", name)
		}
		var last []byte
		return b.ForEach(func(key, value []byte) error {
			if logs && len(key) != 8 || value == nil {
				return fmt.Errorf("an entry's key is %.20x", key)
			}
			if bytes.Compare(key, last) <= 0 {
				return fmt.Errorf("key %.20x comes after %.20x", key, last)
			}
			last = key
			if len(value) > 0 {
				touched ^= value[len(value)-1] // a fault, if that is beyond the file
			}
			return nil
		})
	})
	runtime.KeepAlive(touched)
	if err == nil && buckets == 1 { // none: the crash that came between bbolt's first page and raft-boltdb's buckets
		err = errors.New("one of its two buckets is missing")
	}
	return err
}
