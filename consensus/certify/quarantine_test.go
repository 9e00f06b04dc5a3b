package certify

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// loses stops a validator and takes its signer file away.
func (m *member) loses() {
	m.w.t.Helper()
	m.stop()
	m.disk = newMemDisk()
}

// wiped is loses, and the ledger too.
func (m *member) wiped() {
	m.w.t.Helper()
	m.loses()
	m.fs = vfs.NewCrashableMem()
}

// restarts starts a validator and says whether it has run before.
func (m *member) restarts(ran bool) {
	m.w.t.Helper()
	m.w.tune = func(c *Config) { c.Ran = ran && string(c.Self) == m.id }
	m.w.start(m.id)
	m.w.tune = nil
}

func (m *member) quarantined() bool {
	return contains(m.cert.Status().Why, "signer file is lost")
}

func contains(list []string, words string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, words) })
}

// TestNewIsNotLost: a new network's validators sign at once, and whoever stopped
// before anything was signed is still new.
func TestNewIsNotLost(t *testing.T) {
	inBubble(t, 61, func(t *testing.T, w *world) {
		w.start()
		for _, id := range w.ids {
			w.members[id].stop()
		}
		for _, id := range w.ids {
			w.members[id].restarts(true) // as its marker says: its file says more
		}
		began := time.Now()
		w.final(w.grow(1).size)
		w.wait("all have signed", func() bool { return len(w.members["XA"].cert.Final().Cosigners()) == 4 })
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestSawOthersSign: who has seen the others certify something before it signed
// anything has lost nothing, and its word counts after a restart.
func TestSawOthersSign(t *testing.T) {
	inBubble(t, 63, func(t *testing.T, w *world) {
		var held atomic.Bool
		held.Store(true)
		w.tune = func(c *Config) {
			if c.Self == "XA" {
				c.May = func() error {
					if held.Load() {
						return errors.New("not yet")
					}
					return nil
				}
			}
		}
		w.start()
		top := w.grow(2)
		w.final(top.size)
		xa := w.members["XA"]
		if signed := xa.cert.Status().Signed; signed != 0 {
			t.Fatalf("it has signed size %d", signed)
		}
		held.Store(false)
		w.wait("XA takes note of it", func() bool { return xa.cert.Status().Signed >= top.size })
		xa.stop()
		xa.restarts(true)
		if xa.quarantined() {
			t.Errorf("it is taken for one that forgot: %q", xa.cert.Status().Why)
		}
		w.members["XC"].stop() // its word is needed now
		w.final(w.grow(1).size, "XA", "XB", "XD")
	})
}

// TestLostSigner: who lost the signer's file signs nothing until the others have
// certified something without it, and signs again by itself from then on;
// whether it knows that it has run, learns that it joins, or finds a signature
// of its own that it did not know (F10).
func TestLostSigner(t *testing.T) {
	for _, c := range []struct {
		name       string
		wiped, ran bool
		joins      bool
	}{
		{name: "its ledger has what it signed"},
		{name: "it has run", ran: true, wiped: true},
		{name: "it joins", joins: true, wiped: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, 62, func(t *testing.T, w *world) {
				w.start()
				top := w.grow(2)
				w.final(top.size)
				w.wait("all have signed", func() bool { return len(w.members["XA"].cert.Final().Cosigners()) == 4 })
				xb := w.members["XB"]
				if xb.loses(); c.wiped {
					xb.fs = vfs.NewCrashableMem()
				}
				seen := len(w.vouched["XB"])
				xb.restarts(c.ran)
				if c.joins {
					xb.cert.Joins()
				}
				w.apply("XB")
				w.wait("XB knows that it forgot", xb.quarantined)
				w.wait("XB signs again", func() bool { return xb.cert.Status().Vouching })
				w.mu.Lock()
				for _, v := range w.vouched["XB"][seen:] {
					if v.size < top.size {
						t.Errorf("XB signed size %d", v.size)
					}
				}
				w.mu.Unlock()
				w.members["XC"].stop() // its word is needed now
				w.final(w.grow(1).size, "XA", "XB", "XD")
			})
		})
	}
}

// TestQuarantineLasts: while the others are too few it stays, over restarts too,
// says what is missing, and helps nobody to a quorum.
func TestQuarantineLasts(t *testing.T) {
	inBubble(t, 63, func(t *testing.T, w *world) {
		w.start()
		first := w.grow(1)
		w.final(first.size)
		xb := w.members["XB"]
		w.members["XD"].stop()
		xb.loses()
		xb.restarts(true)
		next := w.chain.add(1)
		w.apply("XA", "XB", "XC")
		time.Sleep(time.Minute)
		if s := xb.cert.Status(); !contains(s.Why, "3 of 4 must be there, and XD have not answered yet") {
			t.Errorf("%q", s.Why)
		}
		if got := finalSize(w.members["XA"].cert); got != first.size {
			t.Errorf("size %d is final", got)
		}
		xb.stop()
		xb.restarts(false) // it does not matter any more what the node thinks
		time.Sleep(time.Minute)
		if !xb.quarantined() {
			t.Error("a restart ended it")
		}
		w.start("XD")
		w.apply("XD")
		w.final(next.size, "XA", "XB", "XC", "XD")
		w.wait("XB signs again", func() bool { return xb.cert.Status().Vouching })
	})
}

// TestForgottenFork: the leader shows one block to XB and XC, which XB signs and
// XC, being told by nobody else, does not yet; and another to XD. XB loses all
// that it had. Neither the other block, nor the certificate below both, made
// anew without it, has it sign again: with its forgotten signature XC could
// certify the one block, and with a new one XD the other.
func TestForgottenFork(t *testing.T) {
	inBubble(t, 64, func(t *testing.T, w *world) {
		w.tune = func(c *Config) { c.RefreshEvery = time.Second }
		xa := w.puppet("XA")
		w.start("XB", "XC", "XD")
		honest := []string{"XB", "XC", "XD"}
		first := w.chain.add(1)
		w.apply()
		xa.cosigns(first, honest...)
		w.final(first.size, honest...)

		other := w.chain.fork("F")
		left, right := w.chain.add(1), other.add(1)
		w.apply("XB", "XC")
		xb := w.members["XB"]
		w.wait("XB signs the one", func() bool {
			xa.echoes("XB", left)
			return xb.cert.Status().Signed == left.size
		})
		if s := w.members["XC"].cert.Status(); s.Signed != first.size {
			t.Fatalf("XC has signed size %d", s.Signed)
		}

		xb.wiped()
		time.Sleep(2 * time.Second) // signatures tell seconds
		w.members["XD"].follow(other)
		w.tune = func(c *Config) { c.RefreshEvery, c.Ran = time.Second, true }
		w.start("XB")
		xb.follow(other)
		began := time.Now()
		// XA says that it has no more than what was final, and signs that with the others.
		w.mu.Lock()
		xa.serve = func(_, name string, _ []byte) ([]byte, error) {
			if name == HeadProtocol {
				return encodeHead(first.size), nil
			}
			return nil, nil
		}
		w.mu.Unlock()
		for range 40 {
			xa.cosigns(first, honest...)
			xa.echoes("XB", right)
			xa.echoes("XD", right)
			time.Sleep(500 * time.Millisecond)
		}
		for _, id := range []string{"XC", "XD"} {
			x := w.members[id].cert
			if f := x.Final(); f.Checkpoint().Size != first.size || !f.Time().After(began) {
				t.Errorf("%s has size %d certified at %v: nothing was tried", id, f.Checkpoint().Size, f.Time())
			}
		}
		if s := xb.cert.Status(); s.Signed > first.size || !contains(s.Why, "it waits for their signatures on size 2 or more") {
			t.Errorf("XB signed size %d: %q", s.Signed, s.Why)
		}
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, v := range w.vouched["XB"] {
			if v.at >= began.Unix() {
				t.Errorf("XB signed %+v", v)
			}
		}
	})
}

// TestQuarantineRules: what is asked of whom before it ends.
func TestQuarantineRules(t *testing.T) {
	began := dawn
	m, before, after := markAt(10, "a"), dawn.Add(-time.Second), dawn.Add(time.Second)
	by := checkpoint.Electorate{Origin: testOrigin, Sets: []checkpoint.Validators{(&world{doc: testDoc()}).validators()}}
	c := &Certifier{cfg: Config{Self: "XA"}, began: began, latest: by, signed: signed{mark: markAt(4, "a"), quarantine: true}}
	set := func(size uint64, at time.Time, v verdict, heads ...uint64) (mark, bool) {
		c.records, c.heads = nil, nil
		c.facts.seen = map[uint64]fact{size: {root: m.root, end: true, by: by}}
		key := func(id string) string { return string(publicOf(testKey(id + "/cosign"))) }
		for i, id := range []string{"XB", "XC", "XD"} {
			if c.records == nil {
				c.records, c.heads = map[statement.Region]*record{}, map[statement.Region]uint64{}
			}
			r := c.recordLocked(statement.Region(id))
			r.add(signedLine{mark{size, m.root}, id, kindCosign, after, v, key(id)})
			if i == 2 {
				r.recent[0].at = at
			}
			if i < len(heads) {
				c.heads[statement.Region(id)] = heads[i]
			}
		}
		// Its own, from before, counts for nothing.
		c.recordLocked("XA").add(signedLine{mark{size, m.root}, "XA", kindCosign, after, v, key("XA")})
		x, ok, err := c.safe()
		if err != nil {
			t.Fatal(err)
		}
		return x, ok
	}
	for name, x := range map[string]struct {
		size  uint64
		at    time.Time
		v     verdict
		heads []uint64
		safe  bool
	}{
		"all is well":                {10, after, ours, []uint64{9, 10, 8}, true},
		"one signed before":          {10, before, ours, []uint64{9, 10, 8}, false},
		"one had more":               {10, after, ours, []uint64{9, 11, 8}, false},
		"one has not said":           {10, after, ours, []uint64{9, 10}, false},
		"our ledger is shorter":      {10, after, unjudged, []uint64{9, 10, 8}, false},
		"less than is known signed":  {3, after, ours, []uint64{3, 3, 3}, false},
		"another root of what was":   {4, after, ours, []uint64{4, 4, 4}, false},
		"nobody had more than known": {10, after, ours, []uint64{4, 4, 4}, true},
	} {
		got, ok := set(x.size, x.at, x.v, x.heads...)
		if ok != x.safe || ok && got != m {
			t.Errorf("%s: %v %v", name, got, ok)
		}
	}
	if _, ok := (&Certifier{latest: by, heads: map[statement.Region]uint64{"XA": 1, "XB": 1, "XC": 1}, cfg: Config{Self: "XA"}}).floorLocked(); ok {
		t.Error("its own head counts")
	}
}

// TestSignerBegins: what is made of the file, or of none, at each start.
func TestSignerBegins(t *testing.T) {
	for _, x := range []struct {
		name                  string
		there, ran, certified bool
		lost                  bool
	}{
		{name: "new"},
		{name: "lost", ran: true, lost: true},
		{name: "lost, but for the ledger", certified: true, lost: true},
		{name: "ran, and nobody signed anything", there: true, ran: true},
		{name: "took the ledger over, and stopped", there: true, ran: true, certified: true, lost: true},
	} {
		d := newMemDisk()
		if x.there {
			if err := mustSigner(t, signerConfig(d)).begin(false, false); err != nil {
				t.Fatal(err)
			}
			d.locked = map[string]bool{}
		}
		s := mustSigner(t, signerConfig(d))
		if err := s.begin(x.ran, x.certified); err != nil {
			t.Fatal(err)
		}
		_, err := s.sign(markAt(10, "a"), dawn, testVoice)
		again := mustSigner(t, signerConfig(d.crashed(rand.New(rand.NewPCG(1, 1)))))
		if errors.Is(err, errQuarantine) != x.lost || again.last.quarantine != x.lost {
			t.Errorf("%s: signing gives %v; after a crash quarantine is %v", x.name, err, again.last.quarantine)
		}
	}
}
