package ledger

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// tell applies the story to l, with a flush now and then, and tells durable
// how many entries Flush or Certify has vouched for. It ends at the first error.
func (s *story) tell(l *Ledger, durable func(entries int)) error {
	for i, e := range s.entries {
		if _, err := l.Apply(e.pos, e.raw); err != nil {
			return err
		}
		if i%3 == 1 {
			if err := l.Certify(e.cert); err != nil {
				return err
			}
			durable(i + 1)
		}
		if i%5 == 2 {
			if _, err := l.Erase(storyForgets.Time(), 0, 1); err != nil {
				return err
			}
		}
		switch {
		case i%7 == 3:
			if err := l.Flush(); err != nil {
				return err
			}
			durable(i + 1)
		case i%11 == 5: // Pebble writes its tables
			if err := l.store.guard(l.store.db.Flush); err != nil {
				return err
			}
		}
	}
	return nil
}

// A crash before any write, with any part of what was not synced, leaves a
// ledger at an earlier entry, not before the last Flush or Certify; and what was lost,
// applied again, gives the same ledger (L1, L2, L8).
func TestCrash(t *testing.T) {
	const seed = 3
	s := newStory(t, seed, 20)
	for _, percent := range []int{0, 30, 70, 100} {
		t.Run(fmt.Sprintf("unsynced %d percent", percent), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, uint64(percent)))
			type crash struct {
				fs      *vfs.MemFS
				write   int64
				durable int
			}
			var (
				mu      sync.Mutex
				crashes []crash
				durable = -1 // -1: not even founded
			)
			disk := vfs.NewCrashableMem()
			fs := errorfs.Wrap(disk, &countWrites{fn: func(n int64, op errorfs.Op) error {
				mu.Lock()
				defer mu.Unlock()
				if n > 25 && rng.IntN(100) >= 8 {
					return nil
				}
				crashes = append(crashes, crash{
					disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}), n, durable,
				})
				return nil
			}})
			l := s.net.open(t, s.options(fs))
			vouch := func(n int) {
				mu.Lock()
				defer mu.Unlock()
				durable = n
			}
			vouch(0)
			if err := s.tell(l, vouch); err != nil {
				t.Fatal(err)
			}
			closeLedger(t, l)
			mu.Lock()
			defer mu.Unlock()
			if len(crashes) < 20 {
				t.Fatalf("only %d crashes in %d entries", len(crashes), len(s.entries))
			}
			beyond := 0 // crashes that kept more than Flush had vouched for
			for _, c := range crashes {
				t.Logf("crash before write %d, %d entries durable", c.write, c.durable)
				l := s.net.open(t, s.options(c.fs))
				at := s.whole(t, l)
				if at < c.durable-1 {
					t.Fatalf("the ledger stands after entry %d; Flush had returned for %d", at, c.durable-1)
				}
				if at > c.durable-1 {
					beyond++
				}
				s.goOn(t, l)
				closeLedger(t, l)
			}
			if percent == 100 && beyond == 0 {
				t.Error("every crash lost all that was not flushed: the test does not test what it should")
			}
		})
	}
}

// A crash while a ledger is founded, or opened again, leaves one that can be
// opened. Here the store names its own files, and what a directory holds
// matters; so every write is crashed at, many ways.
func TestCrashWhileOpening(t *testing.T) {
	s := newStory(t, 5, 4)
	rng := rand.New(rand.NewPCG(5, 0))
	var (
		mu      sync.Mutex
		crashes []*vfs.MemFS
		watch   bool
	)
	disk := vfs.NewCrashableMem()
	fs := errorfs.Wrap(disk, &countWrites{fn: func(int64, errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		for percent := 10; watch && percent < 100; percent += 10 {
			crashes = append(crashes, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}))
		}
		return nil
	}})
	watching := func(on bool) {
		mu.Lock()
		defer mu.Unlock()
		watch = on
	}
	for range 2 {
		watching(true)
		l := s.net.open(t, s.options(fs))
		watching(false)
		s.goOn(t, l)
		closeLedger(t, l)
	}
	for i, fs := range crashes {
		l, err := Open(s.net.doc, s.options(fs))
		if err != nil {
			t.Fatalf("crash %d of %d: %v", i, len(crashes), err)
		}
		s.whole(t, l)
		closeLedger(t, l)
	}
	t.Logf("%d crashes", len(crashes))
}

// A disk that fails at the n-th write: the ledger says so, refuses everything
// from then on, and is right when it is opened again, whether the write was
// lost or is on the disk after all (L6).
func TestFailedWrite(t *testing.T) {
	s := newStory(t, 4, 16)
	modes := map[string]func(vfs.FS, errorfs.Injector) vfs.FS{
		"lost": func(fs vfs.FS, inj errorfs.Injector) vfs.FS { return errorfs.Wrap(fs, inj) },
		"kept": func(fs vfs.FS, inj errorfs.Injector) vfs.FS { return &keptFS{fs, inj} },
	}
	for mode, wrap := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			count := &countWrites{fn: func(int64, errorfs.Op) error { return nil }}
			l := s.net.open(t, s.options(wrap(vfs.NewMem(), count)))
			if err := s.tell(l, func(int) {}); err != nil {
				t.Fatal(err)
			}
			closeLedger(t, l)
			total := count.n.Load()
			if total < 80 {
				t.Fatalf("only %d writes", total)
			}
			broke := 0
			for at := int64(0); at < total; at += 1 + at/12 {
				if failWrite(t, s, wrap, at) {
					broke++
				}
			}
			t.Logf("of %d writes, %d were failed and noticed", total, broke)
			if broke < 20 {
				t.Errorf("only %d failures were noticed", broke)
			}
		})
	}
}

func failWrite(t *testing.T, s *story, wrap func(vfs.FS, errorfs.Injector) vfs.FS, at int64) (broke bool) {
	t.Helper()
	disk := vfs.NewCrashableMem()
	fs := wrap(disk, &countWrites{fn: func(n int64, op errorfs.Op) error {
		if n == at {
			return syscall.ENOSPC
		}
		return nil
	}})
	durable := -1
	l, err := Open(s.net.doc, s.options(fs))
	if err == nil {
		durable = 0
		err = s.tell(l, func(n int) { durable = n })
		if err != nil {
			refusesAll(t, s, l)
			if closed := l.Close(); !errors.Is(closed, ErrBroken) {
				t.Errorf("write %d failed; closing gave %v", at, closed)
			}
		} else if err = l.Close(); err != nil && !errors.Is(err, ErrBroken) {
			t.Errorf("write %d failed; closing gave %v", at, err)
		}
	}
	if err != nil {
		broke = true
		if !errors.Is(err, ErrBroken) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("write %d failed with ENOSPC; the ledger said %v", at, err)
		}
	}
	// Opened again after the machine lost power, and after the process alone stopped.
	lost := disk.CrashClone(vfs.CrashCloneCfg{})
	for name, fs := range map[string]vfs.FS{"crashed": lost, "stopped": disk} {
		l, err := Open(s.net.doc, s.options(fs))
		if err != nil {
			t.Fatalf("write %d failed; %s, opening again: %v", at, name, err)
		}
		if got := s.whole(t, l); got < durable-1 {
			t.Fatalf("write %d failed; %s, the ledger stands after entry %d; Flush had returned for %d", at, name, got, durable-1)
		}
		s.goOn(t, l)
		closeLedger(t, l)
	}
	return broke
}

// refusesAll checks that a broken ledger changes nothing, and shows what it showed.
func refusesAll(t *testing.T, s *story, l *Ledger) {
	t.Helper()
	head := l.Head()
	last := s.entries[len(s.entries)-1]
	_, apply := l.Apply(Position{last.pos.Index + 1, last.pos.Term}, nil)
	_, judge := l.Judge(nil)
	_, graft := l.Graft(GraftBlock{})
	_, seal := l.MakeSeal(storyForgets)
	for what, err := range map[string]error{
		"Apply": apply, "Judge": judge, "Flush": l.Flush(), "Hold": l.Hold(Candidate{Raw: []byte("x")}), "Err": l.Err(),
		"Graft": graft, "MakeSeal": seal, "Adopt": l.Adopt(Position{1, 1}),
	} {
		if !errors.Is(err, ErrBroken) {
			t.Errorf("%s on a broken ledger gave %v", what, err)
		}
	}
	select {
	case <-l.Broken():
	default:
		t.Error("Broken is open on a broken ledger")
	}
	if l.Head() != head {
		t.Error("a broken ledger moved")
	}
	s.whole(t, l)
}
