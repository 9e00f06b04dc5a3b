package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

func TestOpenRefuses(t *testing.T) {
	n := newNetwork(t, "open.test")
	other := newNetwork(t, "other.test")
	filled := func(t *testing.T) vfs.FS {
		fs := vfs.NewMem()
		l := n.open(t, small(fs))
		must(t, l, Position{1, 1}, n.seal(t, l.Head(), 1, n.say(t, "XA", 1, grant("XB")), n.say(t, "XB", 1, grant("XA"))))
		closeLedger(t, l)
		return fs
	}
	// damaged changes a ledger's store behind its back.
	damaged := func(t *testing.T, change func(*pebble.DB) error) vfs.FS {
		fs := filled(t)
		l := n.open(t, small(fs))
		if err := change(l.store.db); err != nil {
			t.Fatal(err)
		}
		closeLedger(t, l)
		return fs
	}
	tests := []struct {
		name string
		want error
		says string
		open func(t *testing.T) error
	}{
		{"another network's", ErrOtherNetwork, n.id.String(), func(t *testing.T) error {
			_, err := Open(other.doc, small(filled(t)))
			return err
		}},
		{"one in use", ErrLocked, "stop it", func(t *testing.T) error {
			fs := vfs.NewMem()
			l := n.open(t, small(fs))
			defer closeLedger(t, l)
			_, err := Open(n.doc, small(fs))
			return err
		}},
		{"one in use on a real disk", ErrLocked, "stop it", func(t *testing.T) error {
			o := small(vfs.Default)
			o.Dir = filepath.Join(t.TempDir(), "ledger")
			l := n.open(t, o)
			defer closeLedger(t, l)
			_, err := Open(n.doc, o)
			return err
		}},
		{"none where one must be", ErrMissing, "right directory", func(t *testing.T) error {
			o := small(vfs.NewMem())
			o.MustExist = true
			_, err := Open(n.doc, o)
			return err
		}},
		{"a full disk", ErrBroken, "no space left", func(t *testing.T) error {
			full := errorfs.InjectorFunc(func(op errorfs.Op) error {
				if isWrite(op) {
					return syscall.ENOSPC
				}
				return nil
			})
			_, err := Open(n.doc, small(errorfs.Wrap(vfs.NewMem(), full)))
			return err
		}},
		{"a file in its place", syscall.ENOTDIR, "directory", func(t *testing.T) error {
			path := filepath.Join(t.TempDir(), "ledger")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			o := small(vfs.Default)
			o.Dir = path
			_, err := Open(n.doc, o)
			return err
		}},
		{"a head with another root", ErrCorrupt, "root", func(t *testing.T) error {
			_, err := Open(n.doc, small(damaged(t, func(db *pebble.DB) error {
				v, closer, err := db.Get(keyHead)
				if err != nil {
					return err
				}
				h, err := decodeHead(v)
				if err != nil {
					return err
				}
				h.Root[0] ^= 1
				return errors.Join(closer.Close(), db.Set(keyHead, h.encode(), pebble.Sync))
			})))
			return err
		}},
		{"a changed tile", ErrCorrupt, "root", func(t *testing.T) error {
			_, err := Open(n.doc, small(damaged(t, func(db *pebble.DB) error {
				return db.Set(append([]byte{tableTile, 0}, make([]byte, 8)...), make([]byte, 64), pebble.Sync)
			})))
			return err
		}},
		{"a missing last statement", ErrCorrupt, "end before 1", func(t *testing.T) error {
			_, err := Open(n.doc, small(damaged(t, func(db *pebble.DB) error {
				return db.Delete(indexKey(tableEntry, 1), pebble.Sync)
			})))
			return err
		}},
		{"no head", ErrCorrupt, "head has 0 bytes", func(t *testing.T) error {
			_, err := Open(n.doc, small(damaged(t, func(db *pebble.DB) error { return db.Delete(keyHead, pebble.Sync) })))
			return err
		}},
		{"no genesis", ErrCorrupt, "no genesis", func(t *testing.T) error {
			_, err := Open(n.doc, small(damaged(t, func(db *pebble.DB) error { return db.Delete(keyGenesis, pebble.Sync) })))
			return err
		}},
		{"another release's", ErrCorrupt, "another release wrote it", func(t *testing.T) error {
			_, err := Open(n.doc, small(damaged(t, func(db *pebble.DB) error {
				return db.Set(keyFormat, []byte("concordat-ledger/9"), pebble.Sync)
			})))
			return err
		}},
		{"a changed table of Pebble's", ErrCorrupt, "", func(t *testing.T) error {
			fs := damaged(t, func(db *pebble.DB) error { return db.Flush() })
			names, err := fs.List("ledger")
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				if strings.HasSuffix(name, ".sst") {
					scribble(t, fs, fs.PathJoin("ledger", name))
				}
			}
			l, err := Open(n.doc, small(fs))
			if err == nil { // the damage is where opening does not read
				err = errors.Join(l.Check(t.Context()), l.Close())
			}
			return err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.open(t)
			if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v; want %v, saying %q", err, tt.want, tt.says)
			}
		})
	}
}

// scribble flips bits all over a file.
func scribble(t *testing.T, fs vfs.FS, name string) {
	t.Helper()
	f, err := fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, info.Size())
	if _, err := f.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(data)-512; i += 64 {
		data[i] ^= 0x20
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// A disk that is full for a while breaks the ledger for good; opened again when
// there is room, it goes on (L6). Apply must say so, not wait for room.
func TestFullDisk(t *testing.T) {
	n := newNetwork(t, "full.test")
	toggle := &errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if isWrite(op) && op.Kind != errorfs.OpRemove {
			return syscall.ENOSPC
		}
		return nil
	})}
	disk := vfs.NewMem()
	l := n.open(t, small(errorfs.Wrap(disk, toggle)))
	must(t, l, Position{1, 1}, n.seal(t, l.Head(), 1, n.say(t, "XA", 1, grant("XB"))))
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	toggle.On()
	var err error
	for i := uint64(2); err == nil; i++ {
		if i > 1000 {
			t.Fatal("a thousand blocks on a full disk, and no error")
		}
		_, err = l.Apply(Position{i, 1}, n.seal(t, l.Head(), 1, n.revoke(t, "XA", testHashes(int(i)*500, 500), "lost")))
	}
	if !errors.Is(err, ErrBroken) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "space") {
		t.Errorf("a full disk gave %v", err)
	}
	toggle.Off()
	if _, err := l.Apply(Position{2000, 1}, nil); !errors.Is(err, ErrBroken) {
		t.Errorf("with room again, the broken ledger gave %v", err)
	}
	v := l.View()
	if _, err := v.ByIndex(0); err != nil {
		t.Errorf("a broken ledger does not show what it has: %v", err)
	}
	closeView(t, v)
	if err := l.Close(); !errors.Is(err, ErrBroken) {
		t.Errorf("closing gave %v", err)
	}
	l = n.open(t, small(disk))
	check(t, l)
	if l.Head().Size == 0 {
		t.Error("what was flushed is gone")
	}
	closeLedger(t, l)
}
