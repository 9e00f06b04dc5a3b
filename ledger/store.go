package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// formatVersion is the version of Pebble's own files. It is raised by a
// release of the ledger, never by a release of Pebble.
const formatVersion = pebble.FormatTableFormatV6

// store is Pebble behind the fence: it fails once, and then for good (L6).
type store struct {
	db    *pebble.DB
	fence *fence
	fault *fault
}

// openStore opens Pebble. Errors wrap ErrLocked, ErrMissing, ErrBroken or ErrCorrupt where they are that.
func openStore(o Options) (*store, error) {
	fault := newFault(o.Dir)
	s := &store{fault: fault, fence: &fence{FS: o.FS, fault: fault}}
	logger := storeLogger{o.Logger, fault}
	// Pebble takes its memory tables out of the cache: with a cache of their
	// size, nothing would ever be cached.
	cache := pebble.NewCache(o.CacheBytes + 4*int64(o.MemTableBytes))
	defer cache.Unref()
	opts := &pebble.Options{
		FS:                 s.fence,
		Comparer:           comparer,
		FormatMajorVersion: formatVersion,
		Cache:              cache,
		MemTableSize:       o.MemTableBytes,
		ErrorIfNotExists:   o.MustExist,
		Logger:             logger,
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) {
				if !errors.Is(err, pebble.ErrCancelledCompaction) {
					fault.set(err)
				}
			},
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				fault.set(corruptFile(i))
			},
		},
		CompactionConcurrencyRange: func() (int, int) { return 1, 2 },
	}
	for i := range opts.Levels {
		l := &opts.Levels[i]
		l.FilterPolicy = bloom.FilterPolicy(10)
		l.BlockSize = 8 << 10
		l.IndexBlockSize = 64 << 10
		// Statements, hashes and tiles are mostly random bytes: what there is
		// to gain is in the keys, and quick compression finds it.
		l.Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}

	err := s.guard(func() (err error) {
		s.db, err = pebble.Open(o.Dir, opts)
		return err
	})
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, ErrBroken):
		return nil, errors.Join(fault.opening(err), s.fence.abandon())
	case errors.Is(err, pebble.ErrDBDoesNotExist):
		err = fmt.Errorf("%w; is the disk there, and is this the right directory?", ErrMissing)
	case errors.Is(corruptAtOpen(err), ErrCorrupt):
		err = corruptAtOpen(err)
	case len(s.fence.locks) == 0 && lockConflict(o.FS, o.Dir):
		err = fmt.Errorf("%w: another node runs on this directory: stop it, or give this one its own (%w)", ErrLocked, err)
	}
	return nil, fault.opening(err)
}

// lockConflict reports whether somebody holds the lock of dir now.
func lockConflict(fs vfs.FS, dir string) bool {
	if _, err := fs.Stat(dir); err != nil {
		return false
	}
	l, err := pebble.LockDirectory(dir, fs)
	if err != nil {
		return true
	}
	return l.Close() != nil
}

// guard runs fn, which may write, and returns when it does or when the store
// fails: a write that failed never returns (fence).
func (s *store) guard(fn func() error) error {
	if err := s.fault.get(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				// Pebble panics where it cannot go on.
				s.fault.set(fmt.Errorf("store: %v", p))
			}
		}()
		done <- fn()
	}()
	select {
	case err := <-done:
		// A fault and a success may come together; then the fault is what counts.
		if broken := s.fault.get(); broken != nil {
			return broken
		}
		return err
	case <-s.fault.done:
		return s.fault.get()
	}
}

// commit applies b. Any error breaks the store.
func (s *store) commit(b *pebble.Batch) error {
	err := s.guard(func() error { return b.Commit(pebble.NoSync) })
	if err != nil {
		s.fault.set(err)
		return s.fault.get()
	}
	return nil
}

// sync makes everything committed so far durable (L8).
func (s *store) sync() error {
	err := s.guard(func() error { return s.db.LogData(nil, pebble.Sync) })
	if err != nil {
		s.fault.set(err)
		return s.fault.get()
	}
	return nil
}

// close closes Pebble. A broken store cannot be closed, since closing writes:
// it is left as it is, and its directory given free for whoever opens it next.
func (s *store) close() error {
	err := s.guard(s.db.Close)
	if broken := s.fault.get(); broken != nil {
		return errors.Join(broken, s.fence.abandon())
	}
	return err
}

// storeLogger passes on what Pebble says.
type storeLogger struct {
	log   *slog.Logger
	fault *fault
}

// Infof drops: Pebble tells of every flush and compaction.
func (l storeLogger) Infof(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug-4) {
		l.log.Log(context.Background(), slog.LevelDebug-4, fmt.Sprintf(format, args...))
	}
}

func (l storeLogger) Errorf(format string, args ...any) {
	l.log.Error("store", "error", fmt.Sprintf(format, args...))
}

// Fatalf is how Pebble says that it cannot go on: its own logger ends the
// process here. We break the store and stop the goroutine where it is, since
// what Pebble does after Fatalf is not made to be run.
func (l storeLogger) Fatalf(format string, args ...any) {
	err := fmt.Errorf("store: "+format, args...)
	l.log.Error("store failed", "error", err)
	l.fault.set(err)
	select {}
}
