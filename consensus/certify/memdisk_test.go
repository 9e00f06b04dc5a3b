package certify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
)

// memDisk is a disk in memory that loses, in a crash, what was not synced: the
// content of files, and names in directories.
type memDisk struct {
	mu      sync.Mutex
	names   map[string]*memFile // as running processes see them
	durable map[string]*memFile // as a crash leaves them
	locked  map[string]bool
	fault   func(op string) (err error, done bool) // nil: none; done: it fails after it was done
	ops     []string
}

type memFile struct{ data, durable []byte }

func newMemDisk() *memDisk {
	return &memDisk{names: map[string]*memFile{}, durable: map[string]*memFile{}, locked: map[string]bool{}}
}

var errDisk = errors.New("the disk fails")

// do does one step, with the fault that the test wants.
func (d *memDisk) do(op string, fn func()) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ops = append(d.ops, op)
	if d.fault == nil {
		fn()
		return nil
	}
	err, done := d.fault(op)
	if err == nil || done {
		fn()
	}
	return err
}

func (d *memDisk) Read(path string) (b []byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[path]
	if f == nil {
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return bytes.Clone(f.data), nil
}

func (d *memDisk) Create(path string) (diskFile, error) {
	f := &memFile{}
	if err := d.do("create", func() { d.names[path] = f }); err != nil {
		return nil, err
	}
	return &memHandle{d, f}, nil
}

type memHandle struct {
	d *memDisk
	f *memFile
}

func (h *memHandle) Write(b []byte) (int, error) {
	err := h.d.do("write", func() { h.f.data = append(h.f.data, b...) })
	return len(b), err
}
func (h *memHandle) Sync() error {
	return h.d.do("sync", func() { h.f.durable = bytes.Clone(h.f.data) })
}
func (h *memHandle) Close() error { return h.d.do("close", func() {}) }

func (d *memDisk) Rename(from, to string) error {
	return d.do("rename", func() { d.names[to] = d.names[from]; delete(d.names, from) })
}

func (d *memDisk) SyncDir(string) error {
	return d.do("syncdir", func() { d.durable = maps.Clone(d.names) })
}

func (d *memDisk) Lock(path string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked[path] {
		return nil, fmt.Errorf("%w: %s", ErrLocked, path)
	}
	d.locked[path] = true
	return unlock(func() { d.mu.Lock(); defer d.mu.Unlock(); delete(d.locked, path) }), nil
}

type unlock func()

func (u unlock) Close() error { u(); return nil }

// crashed is the disk as a power failure now would leave it. Names that were
// not synced are there or not, by chance; contents that were not are cut.
func (d *memDisk) crashed(rng *rand.Rand) *memDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	from := d.durable
	if rng.IntN(2) == 0 {
		from = d.names
	}
	out := newMemDisk()
	for _, name := range slices.Sorted(maps.Keys(from)) {
		f := from[name]
		data := bytes.Clone(f.durable)
		if rest := f.data[min(len(data), len(f.data)):]; len(rest) > 0 {
			data = append(data, rest[:rng.IntN(len(rest)+1)]...)
		}
		out.names[name] = &memFile{data, bytes.Clone(data)}
	}
	out.durable = maps.Clone(out.names)
	return out
}

func (d *memDisk) failing(fault func(op string) (error, bool)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}
