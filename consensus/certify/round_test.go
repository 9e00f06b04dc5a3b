package certify

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger/genesis"
)

// TestRound: what is applied is certified at all members, the observer included,
// within a fraction of a second; and an unchanged head again and again.
func TestRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, testDoc(), 1)
		w.start()
		defer w.stop()
		began := time.Now()
		top := w.chain.add(3)
		w.apply()
		w.final(top.size)
		if took := time.Since(began); took > 300*time.Millisecond {
			t.Errorf("certified after %v", took)
		}
		x := w.members["XZ"].cert.Final()
		if got := x.Checkpoint(); got.Root != top.root || got.Size != top.size || got.Origin != testOrigin {
			t.Errorf("final is %+v", got)
		}
		if n := len(x.Cosigners()); n < 3 {
			t.Errorf("%d co-signers", n)
		}
		v, release, ok := w.members["XB"].cert.FinalView()
		if !ok || v.Head().Size != top.size {
			t.Errorf("the final view is of %v, %v", v, ok)
		} else {
			release()
		}
		// All four are gathered.
		w.wait("all have co-signed", func() bool { return len(w.members["XC"].cert.Final().Cosigners()) == 4 })
		first := w.members["XC"].cert.Final().Time()
		time.Sleep(40 * time.Second)
		if age := time.Since(w.members["XC"].cert.Final().Time()); age > 20*time.Second {
			t.Errorf("the head was last confirmed %v ago; first %v", age, first)
		}
		if s := w.members["XC"].cert.Status(); !s.Vouching || !s.NotFinalSince.IsZero() || len(s.Missing) != 0 {
			t.Errorf("status: %+v", s)
		}
		w.check()
	})
}

// inBubble runs a test in virtual time, with a network that is stopped at its end.
func inBubble(t *testing.T, seed uint64, fn func(t *testing.T, w *world)) {
	t.Helper()
	inBubbleOf(t, testDoc(), seed, fn)
}

func inBubbleOf(t *testing.T, doc *genesis.Document, seed uint64, fn func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, doc, seed)
		defer w.stop()
		fn(t, w)
	})
}

// TestOneDown: with one of four down certification goes on, whoever it is.
func TestOneDown(t *testing.T) {
	for _, down := range []string{"XA", "XD"} {
		inBubble(t, 2, func(t *testing.T, w *world) {
			w.start()
			w.final(w.grow(1).size)
			w.members[down].stop()
			up := w.others(down)
			began := time.Now()
			for range 5 {
				w.final(w.grow(2).size, up...)
			}
			if took := time.Since(began); down != "XA" && took > 3*time.Second {
				t.Errorf("five rounds without %s took %v", down, took)
			}
			// It comes back, and has what it missed.
			w.start(down)
			w.apply()
			w.final(w.chain.ledger.Head().Size)
			s := w.members[up[0]].cert.Status()
			if !s.NotFinalSince.IsZero() || len(s.NotFinal) > 0 {
				t.Errorf("not final since %v: %q", s.NotFinalSince, s.NotFinal)
			}
		})
	}
}

// TestTwoDown: with two of four down nothing is final; Status says since when,
// why and who; and it goes on by itself when one returns.
func TestTwoDown(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, w *world) {
		w.start()
		before := w.grow(1)
		w.final(before.size)
		w.members["XC"].stop()
		w.members["XD"].stop()
		since := time.Now()
		top := w.grow(1)
		time.Sleep(20 * time.Second)
		w.check()
		for _, id := range []string{"XA", "XB", "XZ"} {
			s := w.members[id].cert.Status()
			if got := s.Final.Checkpoint().Size; got != before.size {
				t.Errorf("%s: size %d is final", id, got)
			}
			if d := s.NotFinalSince.Sub(since); d < -100*time.Millisecond || d > time.Second {
				t.Errorf("%s: not final since %v after it was so", id, d)
			}
			if want := "2 of 4 validators do not answer: XC, XD; 3 are needed"; len(s.NotFinal) == 0 || s.NotFinal[0] != want {
				t.Errorf("%s says %q, want %q first", id, s.NotFinal, want)
			}
			if id != "XZ" && !s.Vouching {
				t.Errorf("%s does not vouch: %q", id, s.Why)
			}
		}
		back := time.Now()
		w.start("XD")
		w.apply()
		w.final(top.size, "XA", "XB", "XD", "XZ")
		if took := time.Since(back); took > 5*time.Second {
			t.Errorf("it took %v to go on", took)
		}
		w.final(w.grow(1).size, "XA", "XB", "XD", "XZ")
	})
}

// TestIdleTwoDown: where nothing is new, that the head is not confirmed any more is said too.
func TestIdleTwoDown(t *testing.T) {
	inBubble(t, 4, func(t *testing.T, w *world) {
		w.start()
		w.final(w.grow(1).size)
		w.members["XB"].stop()
		w.members["XC"].stop()
		time.Sleep(2 * time.Minute)
		s := w.members["XA"].cert.Status()
		if want := "2 of 4 validators do not answer: XB, XC; 3 are needed"; s.NotFinalSince.IsZero() || len(s.NotFinal) == 0 || s.NotFinal[0] != want {
			t.Errorf("since %v: %q", s.NotFinalSince, s.NotFinal)
		}
		w.start("XB")
		w.wait("the head is confirmed", func() bool {
			return time.Since(w.members["XA"].cert.Final().Time()) < 10*time.Second
		})
	})
}

// TestNobodyLeads: a leader that orders and does not mark, or none at all, costs a second.
func TestNobodyLeads(t *testing.T) {
	inBubble(t, 5, func(t *testing.T, w *world) {
		w.leader = ""
		w.start()
		for range 3 {
			began := time.Now()
			w.final(w.grow(1).size)
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it took %v", took)
			}
		}
		time.Sleep(2 * time.Minute)
		if age := time.Since(w.members["XB"].cert.Final().Time()); age > 35*time.Second {
			t.Errorf("the head was last confirmed %v ago", age)
		}
	})
}

// TestLongLinks: on slow links every mark still gets its quorum, at the pace of
// the links and not of a timer.
func TestLongLinks(t *testing.T) {
	inBubble(t, 6, func(t *testing.T, w *world) {
		w.faults = faults{delay: 300 * time.Millisecond}
		w.start()
		certified := map[uint64]bool{}
		for range 200 {
			w.grow(1)
			time.Sleep(50 * time.Millisecond)
			certified[finalSize(w.members["XC"].cert)] = true
			w.check()
		}
		if len(certified) < 10 {
			t.Errorf("%d checkpoints in 10 s", len(certified))
		}
		w.final(w.chain.ledger.Head().Size)
	})
}

// TestBehind: a node that missed everything learns of the newest certificate
// before its ledger is there, and has it as soon as it is.
func TestBehind(t *testing.T) {
	inBubble(t, 7, func(t *testing.T, w *world) {
		w.start("XA", "XB", "XC", "XZ")
		top := w.grow(3)
		w.final(top.size, "XA", "XB", "XC")
		w.start("XD")
		xd := w.members["XD"].cert
		w.wait("XD knows what is certified", func() bool { return xd.Status().KnownAhead == top.size })
		if s := xd.Status(); s.Final != nil {
			t.Errorf("final is %v", s.Final.Checkpoint())
		}
		// The others are gone: it has kept what it learnt.
		w.isolate("XD", true)
		w.apply("XD")
		w.final(top.size, "XD")
		if s := xd.Status(); s.KnownAhead != 0 {
			t.Errorf("known ahead is %d", s.KnownAhead)
		}
	})
}

// TestWaitFinal: it waits for what is not final, and ends with its context.
func TestWaitFinal(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, w *world) {
		w.start()
		c := w.members["XB"].cert
		if err := c.WaitFinal(t.Context(), 0); err != nil {
			t.Errorf("nothing is always final: %v", err)
		}
		if v, release, ok := c.FinalView(); !ok || v.Head().Size != 0 {
			t.Error("the founding state is not final")
		} else {
			release()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := c.WaitFinal(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("there is nothing: %v", err)
		}
		done := make(chan error, 1)
		top := w.chain.add(2)
		go func() { done <- c.WaitFinal(t.Context(), top.size) }()
		w.apply()
		if err := <-done; err != nil {
			t.Error(err)
		}
		v, release, ok := c.FinalView()
		if !ok || v.Head().Size < top.size {
			t.Fatal("what was waited for is not to be seen")
		}
		// What was lent stays, whatever comes.
		for range 3 {
			w.final(w.grow(1).size)
		}
		if v.Head().Size != top.size {
			t.Errorf("the view is of size %d", v.Head().Size)
		}
		if _, err := v.ByIndex(0); err != nil {
			t.Error(err)
		}
		release()
		release()
		go func() { done <- c.WaitFinal(t.Context(), 1000) }()
		synctest.Wait()
		w.members["XB"].stop()
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

// TestRestart: all nodes at once, and one by one, go on where they were; the
// final checkpoint and its view are there at once.
func TestRestart(t *testing.T) {
	inBubble(t, 9, func(t *testing.T, w *world) {
		w.start()
		top := w.grow(2)
		w.final(top.size)
		for _, id := range w.ids {
			w.members[id].stop()
		}
		w.start()
		for _, id := range w.ids {
			c := w.members[id].cert
			if finalSize(c) != top.size {
				t.Errorf("%s: size %d is final", id, finalSize(c))
			}
			v, release, ok := c.FinalView()
			if !ok || v.Head().Size != top.size {
				t.Errorf("%s has no view of what is final", id)
				continue
			}
			release()
		}
		w.final(w.grow(1).size)
	})
}

// TestMayNot: who may not vouch neither echoes nor signs, and says why.
func TestMayNot(t *testing.T) {
	inBubble(t, 10, func(t *testing.T, w *world) {
		w.members["XB"].may = func() error { return errors.New("the disk is slow") }
		w.start()
		w.final(w.grow(1).size)
		s := w.members["XB"].cert.Status()
		if s.Vouching || len(s.Why) != 1 || s.Why[0] != "the disk is slow" || s.Signed != 0 {
			t.Errorf("%+v", s)
		}
		if p := w.members["XA"].cert.Status().Peers[1]; p.ID != "XB" || p.Echoed != 0 || p.Cosigned != 0 {
			t.Errorf("XA has of XB: %+v", p)
		}
		if len(w.vouched["XB"]) > 0 {
			t.Error("XB signed")
		}
	})
}

// TestClocks: a validator whose clock is ten minutes fast does not count, and knows;
// one whose clock is set back goes on with the time that it had.
func TestClocks(t *testing.T) {
	inBubble(t, 11, func(t *testing.T, w *world) {
		w.members["XB"].skew.Store(int64(10 * time.Minute))
		w.start()
		w.final(w.grow(1).size, "XA", "XC", "XD")
		w.members["XC"].skew.Store(int64(-10 * time.Minute))
		w.final(w.grow(1).size, "XA", "XD")
		time.Sleep(time.Minute)
		want := "3 of 4 validators have co-signed with a time more than 5m0s ahead of this node's clock, which does not count (compare the clocks): XA, XB, XD; 3 are needed"
		if s := w.members["XC"].cert.Status(); len(s.NotFinal) == 0 || s.NotFinal[0] != want {
			t.Errorf("XC says %q", s.NotFinal)
		}
		for _, sig := range w.members["XA"].cert.Final().Cosigners() {
			if sig.By == "XB" {
				t.Error("a co-signature from the future counts")
			}
		}
		w.members["XB"].skew.Store(0)
		time.Sleep(2 * time.Second)
		if s := w.members["XB"].cert.Status(); s.Vouching || len(s.Why) != 1 {
			t.Errorf("XB: %q", s.Why)
		}
		time.Sleep(10 * time.Minute)
		if s := w.members["XB"].cert.Status(); !s.Vouching {
			t.Errorf("XB ten minutes later: %q", s.Why)
		}
		w.wait("XB counts again", func() bool { return len(w.members["XA"].cert.Final().Cosigners()) == 4 })
	})
}

// TestOlderLedger: a ledger from a backup, with a signer file that is not: it
// signs nothing below what it signed, and goes on when it has caught up.
func TestOlderLedger(t *testing.T) {
	inBubble(t, 12, func(t *testing.T, w *world) {
		w.start()
		w.final(w.grow(2).size)
		xb := w.members["XB"]
		xb.ledger.Flush()
		backup := xb.fs.CrashClone(vfs.CrashCloneCfg{})
		top := w.grow(2)
		w.final(top.size)
		w.wait("XB has signed it", func() bool { return xb.cert.Status().Signed == top.size })
		xb.stop()
		w.members["XC"].stop()
		xb.fs = backup
		w.start("XB")
		time.Sleep(10 * time.Second)
		s := xb.cert.Status()
		if s.Vouching || len(s.Why) != 1 || !strings.Contains(s.Why[0], "it has signed size 4") || s.KnownAhead != 4 {
			t.Errorf("XB: %+v", s)
		}
		w.apply()
		w.final(w.grow(1).size, "XA", "XB", "XD")
		if len(xb.convicted())+len(w.members["XA"].convicted()) > 0 {
			t.Error("an honest validator was caught")
		}
	})
}

// TestOtherLedger: the ledger was replaced by another history's; what it signed
// before is not in it, and it never signs again.
func TestOtherLedger(t *testing.T) {
	inBubble(t, 13, func(t *testing.T, w *world) {
		w.start()
		other := w.chain.fork("OTHER")
		other.term = 2 // so nobody has signed two blocks
		top := w.grow(2)
		w.final(top.size)
		xb := w.members["XB"]
		w.wait("XB has signed it", func() bool { return xb.cert.Status().Signed == top.size })
		xb.stop()
		xb.fs = vfs.NewCrashableMem()
		other.add(2)
		other.add(3)
		w.isolate("XB", true)
		xb.ledger = openLedger(t, w.doc, xb.fs)
		xb.follow(other)
		w.start("XB")
		w.wait("XB knows", func() bool {
			s := xb.cert.Status()
			return !s.Vouching && strings.Contains(s.Why[0], "another history")
		})
		w.isolate("XB", false)
		w.final(w.grow(1).size, "XA", "XC", "XD")
		w.wait("XB has diverged", func() bool {
			return strings.Contains(strings.Join(xb.cert.Status().Why, " "), "has diverged")
		})
		time.Sleep(10 * time.Second)
		if n := xb.cert.Status().Signed; n != top.size {
			t.Errorf("XB signed size %d", n)
		}
		for _, id := range w.ids {
			if len(w.members[id].convicted()) > 0 {
				t.Errorf("%s caught %v", id, w.members[id].convicted())
			}
		}
	})
}

// TestNeverASecondHistory: all others begin another history, signer files and
// all. The one that has kept its own does not go along, though a quorum echoes.
func TestNeverASecondHistory(t *testing.T) {
	inBubble(t, 16, func(t *testing.T, w *world) {
		w.lost = true
		w.start()
		other := w.chain.fork("OTHER")
		other.term = 2
		top := w.grow(2)
		w.final(top.size)
		xb := w.members["XB"]
		w.wait("XB has signed it", func() bool { return xb.cert.Status().Signed == top.size })
		other.add(2)
		next := other.add(3)
		for _, id := range w.ids {
			m := w.members[id]
			m.stop()
			m.fs = vfs.NewCrashableMem()
			if id != "XB" {
				m.disk, m.evil = newMemDisk(), true
			}
			m.ledger = openLedger(t, w.doc, m.fs)
			m.follow(other)
		}
		w.start()
		w.wait("the others certify the other history", func() bool { return finalSize(w.members["XA"].cert) == next.size })
		time.Sleep(20 * time.Second)
		if s := xb.cert.Status(); s.Vouching || s.Signed != top.size || !strings.Contains(strings.Join(s.Why, " "), "this ledger is another history") {
			t.Errorf("XB signed size %d: %q", s.Signed, s.Why)
		}
	})
}

// TestSignerFails: a disk that fails costs this node's voice, not its ears, and
// it says so; it goes on when the disk does.
func TestSignerFails(t *testing.T) {
	inBubble(t, 15, func(t *testing.T, w *world) {
		w.start()
		w.final(w.grow(1).size)
		xb := w.members["XB"]
		xb.disk.failing(func(string) (error, bool) { return errDisk, false })
		w.final(w.grow(1).size)
		w.wait("XB says so", func() bool { return !xb.cert.Status().Vouching })
		if s := xb.cert.Status(); !strings.Contains(s.Why[0], errDisk.Error()) {
			t.Errorf("%q", s.Why)
		}
		xb.disk.failing(nil)
		w.wait("XB signs again", func() bool { return xb.cert.Status().Vouching })
		w.members["XC"].stop()
		w.final(w.grow(1).size, "XA", "XB", "XD")
	})
}

// grow adds a block and has all nodes apply it.
func (w *world) grow(n int) mark {
	w.t.Helper()
	m := w.chain.add(n)
	w.apply()
	return m
}

func (w *world) others(but ...string) []string {
	return slices.DeleteFunc(slices.Clone(w.ids), func(id string) bool { return slices.Contains(but, id) })
}

// TestOldSizesAreNoProgress: that an old size is signed again, often, neither
// keeps validators from marking a new one where no leader does, nor hides that it
// is not final.
func TestOldSizesAreNoProgress(t *testing.T) {
	inBubble(t, 41, func(t *testing.T, w *world) {
		w.tune = func(c *Config) { c.RefreshEvery = time.Second }
		w.faults = faults{delay: 2 * time.Millisecond}
		w.start("XA", "XB", "XC")
		w.final(w.grow(1).size, "XA", "XB", "XC")
		time.Sleep(3 * time.Second) // the leader has it signed again, and all answer one another
		w.mu.Lock()
		w.leader = "nobody"
		w.mu.Unlock()
		for range 5 {
			time.Sleep(3 * time.Second)
			began := time.Now()
			w.final(w.grow(1).size, "XA", "XB", "XC")
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("certified after %v", took)
			}
		}
		w.members["XC"].stop()
		w.chain.add(1)
		w.apply("XA", "XB")
		time.Sleep(10 * time.Second)
		if s := w.members["XA"].cert.Status(); time.Since(s.NotFinalSince) < 8*time.Second || len(s.NotFinal) == 0 {
			t.Errorf("with two of four down, nothing is final since %v ago: %q", time.Since(s.NotFinalSince), s.NotFinal)
		}
	})
}
