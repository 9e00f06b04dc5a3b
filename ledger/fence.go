package ledger

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fence stands between Pebble and the file system and makes the first write
// that fails the last that is tried (L6).
//
// Pebble does not stop there by itself: it retries a failed flush for ever, it
// ends the process where a write to the log of writes or to the manifest
// fails, and after a failed sync of the manifest it would delete tables that
// the manifest on disk may already name. Once a write failed we do not know
// what the disk holds, so the goroutine that made it, and every one that comes
// to write after it, waits here for good. They are few, the node is about to
// stop, and reads go on. Opening the ledger again, with what then is on the
// disk, is Pebble's ordinary recovery.
type fence struct {
	vfs.FS
	fault *fault

	mu    sync.Mutex
	locks []io.Closer // of directories; abandon gives them back
}

// enter lets a write through unless one has failed before.
func (f *fence) enter() {
	select {
	case <-f.fault.done:
		select {}
	default:
	}
}

// leave stops the one whose write failed.
func (f *fence) leave(what, name string, err error) {
	if err == nil {
		return
	}
	f.fault.set(fmt.Errorf("%s %s: %w", what, f.FS.PathBase(name), err))
	select {}
}

// Create makes a file. Pebble's markers are files whose names name another file
// (the manifest in force), and Pebble v2.1.7 makes one before it has synced
// the directory that the other is in: after a crash, the marker may be there
// and what it names not, and the store cannot be opened. So before a marker is
// made, the directory is synced.
func (f *fence) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f.enter()
	if strings.HasPrefix(f.FS.PathBase(name), "marker.") {
		f.leave("syncing the directory of", name, f.syncDir(f.FS.PathDir(name)))
	}
	file, err := f.FS.Create(name, c)
	f.leave("creating", name, err)
	return &fencedFile{file, f, name}, nil
}

func (f *fence) syncDir(name string) error {
	dir, err := f.FS.OpenDir(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (f *fence) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f.enter()
	file, err := f.FS.OpenReadWrite(name, c, opts...)
	f.leave("opening", name, err)
	return &fencedFile{file, f, name}, nil
}

func (f *fence) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f.enter()
	file, err := f.FS.ReuseForWrite(from, to, c)
	f.leave("reusing", to, err)
	return &fencedFile{file, f, to}, nil
}

// brokenPause is how long opening a file for reading takes once the store is broken.
const brokenPause = 100 * time.Millisecond

// Open opens a file for reading. Pebble v2.1.7 collects statistics of a table
// that it cannot read again and again, without a pause, for as long as the
// process lives: a broken ledger would take a whole processor from the node
// that is about to stop. So there is a pause. The files that views read from
// are mostly open already.
func (f *fence) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	select {
	case <-f.fault.done:
		time.Sleep(brokenPause)
	default:
	}
	return f.FS.Open(name, opts...)
}

// OpenDir gives a directory, which is written by being synced.
func (f *fence) OpenDir(name string) (vfs.File, error) {
	dir, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &fencedFile{dir, f, name}, nil
}

func (f *fence) Link(from, to string) error {
	f.enter()
	f.leave("linking", to, f.FS.Link(from, to))
	return nil
}

func (f *fence) Rename(from, to string) error {
	f.enter()
	f.leave("renaming", to, f.FS.Rename(from, to))
	return nil
}

// Remove may fail for what is not there, which harms nothing.
func (f *fence) Remove(name string) error {
	f.enter()
	err := f.FS.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f.leave("removing", name, err)
	return nil
}

// Lock remembers the lock. A lock that cannot be had is no fault of the disk.
func (f *fence) Lock(name string) (io.Closer, error) {
	l, err := f.FS.Lock(name)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.locks = append(f.locks, l)
	return l, nil
}

// Unwrap implements vfs.FS.
func (f *fence) Unwrap() vfs.FS { return f.FS }

// abandon gives back the locks of a store that is broken and cannot be closed.
// It is safe because nothing of that store can write any more.
func (f *fence) abandon() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, l := range f.locks {
		errs = append(errs, l.Close())
	}
	f.locks = nil
	return errors.Join(errs...)
}

// fencedFile is a file behind the fence.
type fencedFile struct {
	vfs.File
	fence *fence
	name  string
}

func (f *fencedFile) Write(p []byte) (int, error) {
	f.fence.enter()
	n, err := f.File.Write(p)
	f.fence.leave("writing", f.name, err)
	return n, nil
}

func (f *fencedFile) WriteAt(p []byte, off int64) (int, error) {
	f.fence.enter()
	n, err := f.File.WriteAt(p, off)
	f.fence.leave("writing", f.name, err)
	return n, nil
}

// Close fails where the file system reports only now that a write was lost.
func (f *fencedFile) Close() error {
	f.fence.leave("closing", f.name, f.File.Close())
	return nil
}

func (f *fencedFile) Sync() error {
	f.fence.enter()
	f.fence.leave("syncing", f.name, f.File.Sync())
	return nil
}

func (f *fencedFile) SyncData() error {
	f.fence.enter()
	f.fence.leave("syncing", f.name, f.File.SyncData())
	return nil
}

func (f *fencedFile) SyncTo(length int64) (bool, error) {
	f.fence.enter()
	full, err := f.File.SyncTo(length)
	f.fence.leave("syncing", f.name, err)
	return full, nil
}
