package ledger

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// isWrite reports whether an operation changes what a crash leaves.
func isWrite(op errorfs.Op) bool {
	switch op.Kind {
	case errorfs.OpCreate, errorfs.OpLink, errorfs.OpRemove, errorfs.OpRename, errorfs.OpReuseForWrite,
		errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
		return true
	}
	return false
}

// countWrites counts the writes that pass, from 0, and asks fn about each.
type countWrites struct {
	n  atomic.Int64
	fn func(n int64, op errorfs.Op) error
}

// MaybeError implements errorfs.Injector.
func (c *countWrites) MaybeError(op errorfs.Op) error {
	if !isWrite(op) {
		return nil
	}
	return c.fn(c.n.Add(1)-1, op)
}

// String implements errorfs.Injector.
func (c *countWrites) String() string { return "countWrites" }

// keptFS makes writes and asks inj only then: a write that fails and is
// nevertheless on the disk, as a lost answer of a disk controller leaves it.
type keptFS struct {
	vfs.FS
	inj errorfs.Injector
}

func (k *keptFS) after(err error, kind errorfs.OpKind, name string) error {
	if err != nil {
		return err
	}
	return k.inj.MaybeError(errorfs.Op{Kind: kind, Path: name})
}

func (k *keptFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := k.FS.Create(name, c)
	return &keptFile{f, k, name}, k.after(err, errorfs.OpCreate, name)
}

func (k *keptFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := k.FS.ReuseForWrite(from, to, c)
	return &keptFile{f, k, to}, k.after(err, errorfs.OpReuseForWrite, to)
}

func (k *keptFS) OpenDir(name string) (vfs.File, error) {
	f, err := k.FS.OpenDir(name)
	return &keptFile{f, k, name}, err
}

func (k *keptFS) Link(from, to string) error {
	return k.after(k.FS.Link(from, to), errorfs.OpLink, to)
}

func (k *keptFS) Rename(from, to string) error {
	return k.after(k.FS.Rename(from, to), errorfs.OpRename, to)
}

func (k *keptFS) Remove(name string) error {
	return k.after(k.FS.Remove(name), errorfs.OpRemove, name)
}

type keptFile struct {
	vfs.File
	fs   *keptFS
	name string
}

func (f *keptFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.fs.after(err, errorfs.OpFileWrite, f.name)
}

func (f *keptFile) Sync() error { return f.fs.after(f.File.Sync(), errorfs.OpFileSync, f.name) }

func (f *keptFile) SyncData() error {
	return f.fs.after(f.File.SyncData(), errorfs.OpFileSyncData, f.name)
}

func (f *keptFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.fs.after(err, errorfs.OpFileSyncTo, f.name)
}
