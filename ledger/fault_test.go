package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// onDisk makes a ledger with some statements in a directory of its own, all in
// Pebble's tables, and closes it. It gives the blocks that made it.
func onDisk(t *testing.T, n *network) (o Options, blocks [][]byte, head Head) {
	t.Helper()
	o = small(vfs.Default)
	o.Dir = filepath.Join(t.TempDir(), "data", "ledger")
	l := n.open(t, o)
	for i := range 8 {
		raw := n.seal(t, l.Head(), 1, n.revoke(t, "XC", testHashes(i*300, 300), "lost"))
		must(t, l, Position{uint64(i + 1), 1}, raw)
		blocks = append(blocks, raw)
	}
	if err := l.store.db.Flush(); err != nil {
		t.Fatal(err)
	}
	head = l.Head()
	closeLedger(t, l)
	return o, blocks, head
}

// file gives the one file of Pebble's that fits, or the newest of several.
func file(t *testing.T, o Options, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(o.Dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("%d files fit %q; %v", len(names), pattern, err)
	}
	return slices.Max(names)
}

// saysOnce checks that an error is one line, made for people, that says what helps and no more.
func saysOnce(t *testing.T, err error, remedy string) {
	t.Helper()
	text := err.Error()
	for _, not := range []string{"\n", "<corruption detail carrier>", "backup", "make the disk good", "join again"} {
		if strings.Contains(text, not) {
			t.Errorf("it says %q:\n%s", not, text)
		}
	}
	for _, once := range []string{remedy, ErrCorrupt.Error()} {
		if n := strings.Count(text, once); n != 1 {
			t.Errorf("it says %q %d times:\n%s", once, n, text)
		}
	}
}

// Whatever happened to the files of a ledger, opening it says that it is
// corrupt, and what helps; and that does help.
func TestOpenCorrupt(t *testing.T) {
	n := newNetwork(t, "corrupt.test")
	flip := func(t *testing.T, name string, at func(size int) int) {
		t.Helper()
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		data[at(len(data))] ^= 0x10
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(t *testing.T, name string) {
		t.Helper()
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		damage func(*testing.T, Options)
	}{
		{"a byte of a table's end", func(t *testing.T, o Options) {
			flip(t, file(t, o, "*.sst"), func(size int) int { return size - 20 })
		}},
		{"a byte of every block of a table", func(t *testing.T, o Options) { scribble(t, o.FS, file(t, o, "*.sst")) }},
		{"a missing table", func(t *testing.T, o Options) { remove(t, file(t, o, "*.sst")) }},
		{"a short table", func(t *testing.T, o Options) {
			if err := os.Truncate(file(t, o, "*.sst"), 100); err != nil {
				t.Fatal(err)
			}
		}},
		{"a missing manifest", func(t *testing.T, o Options) { remove(t, file(t, o, "MANIFEST-*")) }},
		{"our own record", func(t *testing.T, o Options) {
			l := n.open(t, o)
			if err := l.store.db.Delete(indexKey(tableEntry, 7), pebble.Sync); err != nil {
				t.Fatal(err)
			}
			closeLedger(t, l)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o, blocks, head := onDisk(t, n)
			tt.damage(t, o)
			for range 2 { // starting it again as it is changes nothing
				l, err := Open(n.doc, o)
				if !errors.Is(err, ErrCorrupt) || errors.Is(err, ErrBroken) {
					t.Fatalf("got %v and %v; want ErrCorrupt alone", l, err)
				}
				saysOnce(t, err, "move "+o.Dir+" away")
			}
			if err := os.Rename(o.Dir, o.Dir+".corrupt"); err != nil {
				t.Fatal(err)
			}
			l := n.open(t, o)
			for i, raw := range blocks {
				must(t, l, Position{uint64(i + 1), 1}, raw)
			}
			if l.Head() != head {
				t.Errorf("made anew, the ledger has head %v; it had %v", l.Head(), head)
			}
			closeLedger(t, l)
		})
	}
}

func all(_, _ []byte) (bool, error) { return true, nil }

// breaks checks that a read broke the ledger, for good.
func breaks(t *testing.T, l *Ledger, read error, cause error) {
	t.Helper()
	if !errors.Is(read, ErrBroken) || !errors.Is(read, cause) {
		t.Errorf("reading gave %v; want ErrBroken for %v", read, cause)
	}
	select {
	case <-l.Broken():
	default:
		t.Fatal("the ledger is not broken by what it could not read")
	}
	_, apply := l.Apply(Position{1000, 1}, nil)
	_, judge := l.Judge(nil)
	for what, err := range map[string]error{
		"Apply": apply, "Judge": judge, "Flush": l.Flush(), "Hold": l.Hold(Candidate{Raw: []byte("x")}),
		"Wait": l.Wait(t.Context(), 1000), "Err": l.Err(), "Close": l.Close(),
	} {
		if !errors.Is(err, ErrBroken) || !errors.Is(err, cause) {
			t.Errorf("%s, then, gave %v; want ErrBroken for %v", what, err, cause)
		}
	}
}

// A ledger that finds out, while it serves, that it cannot read what it wrote is broken (L6).
func TestCorruptWhileServing(t *testing.T) {
	n := newNetwork(t, "serving.test")
	t.Run("a table", func(t *testing.T) {
		o, _, _ := onDisk(t, n)
		l := n.open(t, o)
		scribble(t, o.FS, file(t, o, "*.sst"))
		v := l.View()
		err := v.Scan(nil, all)
		closeView(t, v)
		breaks(t, l, err, ErrCorrupt)
		saysOnce(t, l.Err(), "stop the node, move data/ledger away")
		if err != nil {
			saysOnce(t, err, "stop the node, move data/ledger away")
			if strings.Contains(err.Error(), o.Dir) {
				t.Errorf("it tells callers of the API where the directory is: %v", err)
			}
		}
	})
	t.Run("a disk that cannot be read", func(t *testing.T) {
		o, _, _ := onDisk(t, n)
		bad := &errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileReadAt || op.Kind == errorfs.OpFileRead {
				return syscall.EIO
			}
			return nil
		})}
		o.FS = errorfs.Wrap(o.FS, bad)
		l := n.open(t, o)
		bad.On()
		v := l.View()
		err := v.Scan(nil, all)
		closeView(t, v)
		breaks(t, l, err, syscall.EIO)
		if err == nil || errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "make the disk good") {
			t.Errorf("it says %v", err)
		}
	})
	ours := []struct {
		name string
		key  []byte
		read func(*Ledger, *View) error
	}{
		{"a statement", indexKey(tableEntry, 3), func(_ *Ledger, v *View) error { _, err := v.ByIndex(3); return err }},
		{"a listed statement", indexKey(tableEntry, 3), func(_ *Ledger, v *View) error {
			_, err := v.Statements(Filter{Authority: "XC"})
			return err
		}},
		{"a block", indexKey(tableBlock, 3), func(_ *Ledger, v *View) error { _, err := v.BlockOf(3); return err }},
		{"a tile", append([]byte{tableTile, 0}, make([]byte, 8)...), func(_ *Ledger, v *View) error { _, err := v.RootAt(5); return err }},
		{"what is held", heldKey(hashOf(nil), 0), func(l *Ledger, _ *View) error { _, err := l.Held(); return err }},
	}
	for _, tt := range ours {
		t.Run(tt.name, func(t *testing.T) {
			o, _, _ := onDisk(t, n)
			l := n.open(t, o)
			if err := l.store.db.Set(tt.key, []byte{1}, nil); err != nil {
				t.Fatal(err)
			}
			if err := l.show(l.Head(), nil); err != nil { // views of what is there now
				t.Fatal(err)
			}
			v := l.View()
			err := tt.read(l, v)
			closeView(t, v)
			breaks(t, l, err, ErrCorrupt)
		})
	}
}

// Nobody but the node's own user gets to the ledger's files.
func TestDirectoryIsPrivate(t *testing.T) {
	o, _, _ := onDisk(t, newNetwork(t, "private.test"))
	info, err := os.Stat(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, want 0700", info.Mode().Perm())
	}
}
