package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"concordat/ledger/state"
)

// fault is the first failure of the store, and there is only one: it stays.
type fault struct {
	dir  string // of the ledger
	once sync.Once
	err  error         // set before done is closed, never after
	done chan struct{} // closed when the store has failed
}

func newFault(dir string) *fault { return &fault{dir: dir, done: make(chan struct{})} }

// set records err as what broke the store, unless something has before.
func (f *fault) set(err error) {
	f.once.Do(func() {
		f.err = corruption(err)
		close(f.done)
	})
}

// get returns nil, or what broke the store, wrapping ErrBroken.
func (f *fault) get() error {
	select {
	case <-f.done:
		return f.broken(f.err)
	default:
		return nil
	}
}

// broken says of err that it broke the store, and what to do.
func (f *fault) broken(err error) error {
	remedy := "stop the node, make the disk good (space, permissions, hardware) and start it again: it replays what is missing"
	if errors.Is(err, ErrCorrupt) {
		// Callers of the API read this too: it names the directory as the node's
		// own papers do, without the path to it.
		remedy = "stop the node, " + rebuild(filepath.Join(filepath.Base(filepath.Dir(f.dir)), filepath.Base(f.dir)))
	}
	return fmt.Errorf("%w: %w; %s", ErrBroken, err, remedy)
}

// opening says of err that it kept the ledger from being opened, and what to
// do. If the store broke over it, that is the reason.
func (f *fault) opening(err error) error {
	if broken := f.get(); broken != nil {
		if err = broken; errors.Is(err, ErrCorrupt) {
			err = f.err // it was never whole: there is nothing to stop
		}
	}
	err = fmt.Errorf("opening the ledger in %s: %w", f.dir, err)
	if errors.Is(err, ErrCorrupt) {
		err = fmt.Errorf("%w; %s", err, rebuild(f.dir))
	}
	return err
}

// read takes what failed while the store was read, and breaks the store by it
// (L6): who cannot read what it wrote cannot vouch for what follows from it.
func (f *fault) read(err error) error {
	err = fmt.Errorf("reading the ledger: %w", corruption(err))
	f.set(err)
	return f.broken(err)
}

// blame passes err on, and breaks the store if err says that what was read
// contradicts itself (L6).
func (f *fault) blame(err error) error {
	if err == nil || errors.Is(err, ErrBroken) {
		return err
	}
	if err = corruption(err); !errors.Is(err, ErrCorrupt) {
		return err
	}
	f.set(err)
	return f.broken(err)
}

// rebuild is what to do about a corrupt ledger. Starting again as it is fails
// again, and no copy need be had: the order makes the ledger, and the node
// keeps the order.
func rebuild(dir string) string {
	return fmt.Sprintf("move %s away (only that) and start the node again: it makes its ledger anew from its log of the order", dir)
}

// corruption makes an error that tells of corruption, by whatever name, wrap
// ErrCorrupt, and takes out of its text what Pebble put there for programs.
func corruption(err error) error {
	if errors.Is(err, ErrCorrupt) {
		return err
	}
	if info := pebble.ExtractDataCorruptionInfo(err); info != nil {
		return corruptFile(*info)
	}
	if pebble.IsCorruptionError(err) || errors.Is(err, state.ErrCorrupt) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// corruptFile says which of Pebble's files is corrupt. Pebble's own words name
// most files, by number.
func corruptFile(i pebble.DataCorruptionInfo) error {
	return fmt.Errorf("%w: %s: %w", ErrCorrupt, filepath.Base(i.Path), i.Details)
}

// corruptAtOpen is corruption for an error of pebble.Open, which compares the
// files that are there with those that ought to be, and does not mark as
// corruption what it then finds: in Pebble v2.1.7, files that are missing (the
// directory itself is there, we made it) and files of another length.
func corruptAtOpen(err error) error {
	if errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "object size mismatch") {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return corruption(err)
}
