package certify

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// TestFourFiveFour: a fifth comes, and later the first goes. The fifth signs as
// soon as it is one, as it was there before; who goes signs until the others have
// taken over, and nothing after.
func TestFourFiveFour(t *testing.T) {
	inEras(t, 81, "XA XB XC XD", func(t *testing.T, w *world) {
		xe := w.members["XE"]
		xe.joins = true
		w.start("XA", "XB", "XC", "XD", "XE", "XZ")
		up := []string{"XA", "XB", "XC", "XD", "XE", "XZ"}
		w.final(w.grow(2).size, up...)
		w.wait("XE knows that it has signed nothing", func() bool { return !xe.quarantined() })

		began := time.Now()
		change := w.changes("XA", "XB", "XC", "XD", "XE")
		w.apply()
		w.final(change.size, up...)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the change was final after %v", took)
		}
		if s := w.members["XB"].cert.Status(); len(s.Sets) != 2 || s.Sets[0].Quorum != 3 || s.Sets[1].Quorum != 4 || s.Validators != 5 || !s.Peers[4].Entering {
			t.Errorf("status while they change: %+v", s)
		}
		w.handsOver(up...)
		w.members["XB"].stop()
		w.final(w.grow(1).size, "XA", "XC", "XD", "XE", "XZ") // four of five, with the fifth
		w.start("XB")
		w.apply()

		change = w.changes("XB", "XC", "XD", "XE")
		w.apply()
		w.final(change.size, up...)
		w.wait("who goes signs still", func() bool { return slices.Contains(w.signedBy("XA", 0), change.size) })
		if s := w.members["XB"].cert.Status(); !s.Peers[0].Leaving {
			t.Errorf("XA does not leave: %+v", s.Peers[0])
		}
		over := w.handsOver(up...)
		w.follows("XB")
		for range 3 {
			w.final(w.grow(1).size, up...)
		}
		time.Sleep(30 * time.Second)
		if late := w.signedBy("XA", over.size); len(late) > 0 {
			t.Errorf("XA signed sizes %v after the others took over at %d", late, over.size)
		}
		if s := w.members["XA"].cert.Status(); s.Vouching || s.Why[0] != "XA is no validator" {
			t.Errorf("XA: %q", s.Why)
		}
		if s := w.members["XB"].cert.Status(); len(s.Sets) != 1 || s.Quorum != 3 || len(s.Missing) > 0 {
			t.Errorf("status after it: %+v", s)
		}
	})
}

// TestBothQuorums: between the change and the handover neither set certifies
// without the other, and Status says which one lacks whom.
func TestBothQuorums(t *testing.T) {
	inEras(t, 82, "XA XB XC XD", func(t *testing.T, w *world) {
		w.start("XA", "XB", "XC", "XD", "XE")
		before := w.grow(1)
		w.final(before.size, "XA", "XB", "XC", "XD")
		w.isolate("XD", true)
		w.isolate("XE", true)
		change := w.changes("XA", "XB", "XC", "XE", "XF")
		w.apply()
		time.Sleep(20 * time.Second)
		s := w.members["XA"].cert.Status()
		if got := s.Final.Checkpoint().Size; got != before.size {
			t.Errorf("three of the former four, and three of five, made size %d final", got)
		}
		if want := "2 of 5 validators after the change do not answer: XE, XF; 4 are needed"; !contains(s.NotFinal, want) {
			t.Errorf("it says %q, want %q", s.NotFinal, want)
		}
		// Now the new are there, and one of the former is not.
		w.isolate("XE", false)
		w.isolate("XC", true)
		w.start("XF")
		w.apply()
		time.Sleep(20 * time.Second)
		if got := finalSize(w.members["XA"].cert); got != before.size {
			t.Errorf("two of the former four made size %d final", got)
		}
		w.isolate("XC", false)
		w.final(change.size, "XA", "XB", "XC", "XE")
		w.isolate("XD", false)
		w.handsOver("XA", "XB", "XC", "XD", "XE", "XF")
		w.final(w.grow(1).size, "XA", "XB", "XC", "XD", "XE", "XF")
	})
}

// TestReplaceTheDead: one is gone for good, and another takes its place.
func TestReplaceTheDead(t *testing.T) {
	inEras(t, 83, "XA XB XC XD", func(t *testing.T, w *world) {
		w.members["XE"].joins = true
		w.start("XA", "XB", "XC", "XE")
		up := []string{"XA", "XB", "XC", "XE"}
		w.final(w.grow(1).size, up...)
		w.changes("XA", "XB", "XC", "XE")
		w.apply()
		w.handsOver(up...)
		w.members["XA"].stop()
		w.final(w.grow(1).size, "XB", "XC", "XE")
	})
}

// TestAllRotate: each validator in turn gets new keys, and restarts with both
// until the handover; then the former sign nothing more.
func TestAllRotate(t *testing.T) {
	inEras(t, 84, "XA XB XC XD", func(t *testing.T, w *world) {
		up := []string{"XA", "XB", "XC", "XD", "XZ"}
		w.start(up...)
		w.final(w.grow(1).size, up...)
		specs := []string{"XA", "XB", "XC", "XD"}
		for i, id := range []string{"XA", "XB", "XC", "XD"} {
			specs[i] = id + "/2"
			w.changes(specs...)
			w.apply()
			w.members[id].newKeys("2", "")
			w.handsOver(up...)
			x := w.members["XZ"].cert.Final()
			w.members[id].newKeys("2")
			w.final(w.grow(1).size, up...)
			t.Logf("%s: %d co-signatures at size %d", id, len(x.Cosigners()), x.Checkpoint().Size)
		}
		// All of them count with their new keys alone.
		w.wait("all sign", func() bool { return len(w.members["XZ"].cert.Final().Cosigners()) == 4 })
		for _, s := range w.members["XZ"].cert.Final().Cosigners() {
			if _, err := setOf(specs...).VerifyCosignature(w.members["XZ"].cert.Final().Checkpoint(), s.Line); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestBothKeysSign: with one down, both sets need the one that rotates: each of
// its words is by both keys, and its file keeps all lines.
func TestBothKeysSign(t *testing.T) {
	inEras(t, 85, "XA XB XC XD", func(t *testing.T, w *world) {
		w.start("XA", "XB", "XC", "XZ")
		up := []string{"XA", "XB", "XC", "XZ"}
		w.final(w.grow(1).size, up...)
		change := w.changes("XA", "XB", "XC/2", "XD")
		w.apply()
		xc := w.members["XC"]
		time.Sleep(5 * time.Second)
		if got := finalSize(w.members["XA"].cert); got >= change.size {
			t.Fatal("final without the new key")
		}
		xc.newKeys("2", "")
		w.final(change.size, up...)
		if n := len(xc.remembers().lines); n != 4 {
			t.Errorf("the signer keeps %d lines", n)
		}
		// A crash changes nothing of it.
		xc.crash(rand.New(rand.NewPCG(1, 1)))
		w.start("XC")
		w.apply()
		w.handsOver(up...)
		xc.newKeys("2")
		w.final(w.grow(1).size, up...)
	})
}

// TestLeaderCrashesInTheHandover: it comes back, and all goes on.
func TestLeaderCrashesInTheHandover(t *testing.T) {
	inEras(t, 86, "XA XB XC XD", func(t *testing.T, w *world) {
		w.members["XE"].joins = true
		up := []string{"XA", "XB", "XC", "XD", "XE"}
		w.start(up...)
		w.final(w.grow(1).size, up...)
		change := w.changes("XA", "XB", "XC", "XD", "XE")
		w.apply("XA", "XC")
		time.Sleep(50 * time.Millisecond)
		w.members["XA"].crash(rand.New(rand.NewPCG(1, 1)))
		w.apply("XB", "XD", "XE")
		w.final(change.size, "XB", "XC", "XD", "XE")
		w.start("XA")
		w.apply()
		w.handsOver(up...)
		w.members["XA"].crash(rand.New(rand.NewPCG(1, 1)))
		w.final(w.grow(1).size, "XB", "XC", "XD", "XE")
		w.start("XA")
		w.apply()
		w.final(w.grow(1).size, up...)
	})
}

// TestLaggard: a node whose ledger ends before two changes hears what is signed
// beyond them, by whom it does not know, and has it as soon as its ledger is there.
func TestLaggard(t *testing.T) {
	inEras(t, 87, "XA XB XC XD", func(t *testing.T, w *world) {
		for _, id := range []string{"XE", "XF", "XG", "XH"} {
			w.members[id].joins = true
		}
		w.start()
		w.final(w.grow(1).size)
		w.wait("the new know that they have signed nothing", func() bool {
			return !slices.ContainsFunc([]string{"XE", "XF", "XG", "XH"}, func(id string) bool { return w.members[id].quarantined() })
		})
		up := w.others("XD", "XZ")
		follow := func() { w.apply(up...) }
		for _, set := range []string{"XB XC XD XE", "XC XD XE XF", "XD XE XF XG", "XE XF XG XH"} {
			w.changes(strings.Fields(set)...)
			follow()
			w.handsOver(up...)
		}
		top := w.chain.add(1)
		follow()
		w.final(top.size, up...)
		time.Sleep(5 * time.Second)
		for _, id := range []string{"XD", "XZ"} {
			if err := w.members[id].cert.Diverged(); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		w.apply()
		began := time.Now()
		w.final(top.size, "XD", "XZ")
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestComesLate: a new validator that starts only after the change cannot know
// that it is new: it waits until the others have certified something without it.
// Where they cannot without it, nothing that it forgot could harm.
func TestComesLate(t *testing.T) {
	for _, c := range []struct{ before, after string }{
		{"XA XB XC XD", "XA XB XC XD XE"},
		{"XA XB XC XD", "XA XB XC XE"},
		{"XA XB", "XA XB XE"},
		{"XA", "XA XE"},
	} {
		t.Run(c.after, func(t *testing.T) {
			inEras(t, 88, c.before, func(t *testing.T, w *world) {
				up := strings.Fields(c.before)
				w.start(up...)
				w.final(w.grow(1).size, up...)
				change := w.changes(strings.Fields(c.after)...)
				w.apply()
				time.Sleep(10 * time.Second)
				xe := w.members["XE"]
				xe.joins = true
				w.start("XE")
				w.apply("XE")
				w.final(change.size, append(up, "XE")...)
				w.wait("XE signs", func() bool { return xe.cert.Status().Signed >= change.size && xe.cert.Status().Vouching })
				w.handsOver(append(up, "XE")...)
			})
		})
	}
}

// TestTraitorAtTheChange: the leader shows the change to some, and to another a
// history without it, in which the former certify alone. Only one of the two is
// ever certified, and the traitor is caught.
func TestTraitorAtTheChange(t *testing.T) {
	inEras(t, 89, "XA XB XC XD", func(t *testing.T, w *world) {
		xa := w.puppet("XA")
		w.members["XE"].joins = true
		w.start("XB", "XC", "XD", "XE")
		first := w.chain.add(1)
		w.apply()
		xa.cosigns(first, "XB", "XC", "XD", "XE")
		w.final(first.size, "XB", "XC", "XD", "XE")
		w.wait("XE knows that it has signed nothing", func() bool { return !w.members["XE"].quarantined() })

		other := w.chain.fork("F")
		change := w.changes("XA", "XB", "XC", "XE") // without XD
		rival := other.add(1)
		w.apply("XB", "XC", "XE")
		w.members["XD"].follow(other)
		for range 10 {
			xa.cosigns(change, "XB", "XC", "XE")
			xa.cosigns(rival, "XD")
			time.Sleep(500 * time.Millisecond)
		}
		w.final(change.size, "XB", "XC", "XE")
		if got := finalSize(w.members["XD"].cert); got != first.size {
			t.Errorf("XD calls size %d final", got)
		}
		w.wait("XD knows that it was fooled", func() bool { return w.members["XD"].cert.Diverged() != nil })
		w.caught("XA", "two-roots")
	})
}

// TestForgottenKeyRotates: what a key has signed is not known, and the others
// cannot do without it: a new key, which by what they said has signed nothing,
// signs at once; the former never again.
func TestForgottenKeyRotates(t *testing.T) {
	inEras(t, 90, "XA XB XC XD", func(t *testing.T, w *world) {
		up := []string{"XA", "XB", "XC", "XD"}
		w.start(up...)
		w.final(w.grow(2).size, up...)
		xb := w.members["XB"]
		w.members["XD"].stop()
		xb.loses()
		xb.restarts(true)
		// XD is away: nothing can be certified without XB, which waits for that.
		w.wait("XB waits", func() bool { return xb.quarantined() })
		time.Sleep(5 * time.Second) // it has heard how far XA and XC are
		w.start("XD")
		w.wait("XB has heard all", func() bool {
			return contains(xb.cert.Status().Why, "it waits for their signatures") || !xb.quarantined()
		})
		w.members["XD"].stop()
		change := w.changes("XA", "XB/2", "XC", "XD")
		w.apply("XA", "XB", "XC")
		if !xb.quarantined() {
			t.Fatal("XB signs already")
		}
		seen := len(w.signedBy("XB", 0))
		xb.newKeys("2", "")
		w.wait("XB signs with its new key", func() bool { return xb.cert.Status().Vouching })
		if former := string(setOf("XB")[0].Cosign); !slices.Contains(xb.remembers().silent, former) || len(w.signedBy("XB", 0)) != seen {
			t.Error("its former key is not silent")
		}
		w.start("XD") // the former set needs three that remember
		w.apply()
		w.final(change.size, up...)
	})
}

// TestSuspendedOfASize: a suspension counts for the sizes that have it.
func TestSuspendedOfASize(t *testing.T) {
	inEras(t, 91, "XA XB XC XD", func(t *testing.T, w *world) {
		up := []string{"XA", "XB", "XC", "XD"}
		w.start(up...)
		before := w.grow(1)
		w.final(before.size, up...)
		set := setOf(up...)
		set[3].Suspended = true
		m := w.next(w.chain, testOrigin, set)
		w.apply()
		w.final(m.size, up...)
		if s := w.members["XD"].cert.Status(); s.Vouching || !strings.Contains(s.Why[0], "XD is suspended") {
			t.Errorf("%q", s.Why)
		}
		time.Sleep(20 * time.Second)
		for _, s := range w.members["XA"].cert.Final().Cosigners() {
			if s.By == statement.Region("XD") {
				t.Error("a suspended one counts")
			}
		}
		if late := w.signedBy("XD", m.size); len(late) > 0 {
			t.Errorf("XD signed %v", late)
		}
	})
}

// TestTheLedgersOwnChange: who certifies is what the ledger's state says, and not
// the tests' eras: a validator rotates its co-signing key by a statement, and
// what comes after it takes both keys' words until a handover.
func TestTheLedgersOwnChange(t *testing.T) {
	inBubble(t, 92, func(t *testing.T, w *world) {
		w.start("XA", "XB", "XC", "XZ")
		up := []string{"XA", "XB", "XC", "XZ"}
		w.final(w.grow(1).size, up...)
		fresh := testKey("XA/cosign2")
		change := w.chain.block([][]byte{w.chain.say("XA/governance", 1, &statement.RotateOwnKey{
			NewKey: statement.ProveKey(w.doc.ID(), "XA", statement.UseCosign, fresh),
		})})
		w.also = []checkpoint.Validators{setOf("XA/2")}
		w.apply(up...)
		time.Sleep(5 * time.Second)
		if got := finalSize(w.members["XB"].cert); got >= change.size {
			t.Error("final without the new key, where it is needed")
		}
		xa := w.members["XA"]
		xa.stop()
		w.tune = func(c *Config) {
			if c.Self == "XA" {
				c.Cosign, c.Former = fresh, []Keys{{c.Cosign, c.Node}}
			}
		}
		w.start("XA")
		w.final(change.size, up...)
		w.final(w.grow(1).size, up...)
		if n := len(w.members["XZ"].cert.Final().Cosigners()); n != 4 {
			t.Errorf("%d co-signatures, want those of three and of one's other key", n)
		}
		// A seal lists the new key, both sets certify it, and a statement says so.
		w.chain.time = 1_600_000_000_000
		seal, err := w.chain.ledger.MakeSeal(1_600_000_000)
		if err != nil {
			t.Fatal(err)
		}
		sealed := w.chain.block([][]byte{w.chain.say("XA/node", 0, &seal)})
		w.apply(up...)
		w.final(sealed.size, up...)
		over := w.chain.block([][]byte{w.chain.say("XA/node", 0, &statement.HandOver{Seal: sealed.size - 1, Note: w.members["XZ"].cert.Final().Note()})})
		w.apply(up...)
		w.tune = func(c *Config) {
			if c.Self == "XA" {
				c.Cosign = fresh
			}
		}
		xa.stop()
		w.start("XA")
		w.final(over.size, up...)
		w.final(w.grow(1).size, up...)
		if x := w.members["XZ"].cert.Final(); len(x.Cosigners()) != 3 || len(w.members["XB"].cert.Status().Sets) != 1 {
			t.Errorf("%d co-signatures after the handover", len(x.Cosigners()))
		}
	})
}
