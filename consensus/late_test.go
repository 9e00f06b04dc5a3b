package consensus

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"concordat/ledger"
)

// TestAbsurdTermsAreNoAnswer: a validator that tells a term which cannot be does not
// raise a wiped node's; it is waited for, and no longer than one that is silent.
func TestAbsurdTermsAreNoAnswer(t *testing.T) {
	t.Parallel()
	const most = 5000
	c := startCluster(t, "XA", "XB", "XC", "XD")
	said := map[uint64]ledger.Candidate{}
	cand := c.net.risk(t, "XA", 0)
	said[c.must(cand)[0]] = cand
	c.agree(said)
	liar, e := c.followers()[0], c.followers()[1]
	for _, absurd := range []uint64{most + 1, math.MaxUint64} {
		at := e.applied()
		e.kill()
		e.wipe(false)
		e.adopt(at, true)
		e.tune = func(conf *Config) {
			conf.silenceForTest = time.Second
			conf.MaxTerm = func() uint64 { return most }
			ask := conf.PeerTerm
			conf.PeerTerm = func(ctx context.Context, id string) (uint64, error) {
				if id == liar.id {
					return absurd, nil
				}
				return ask(ctx, id)
			}
		}
		e.start()
		until(t, "it names who has not answered", func() bool {
			return strings.Contains(e.node.Status().Abstaining, liar.id+" has not answered")
		})
		until(t, "it may vote again", func() bool { return e.node.Status().Abstaining == "" })
		if got := e.node.Term(); got > most {
			t.Errorf("told %d it is in term %d, at most %d", absurd, got, most)
		}
		c.agree(said)
	}
}

// TestFloorStaysPlausible: the margin for those who are silent ends at the highest
// plausible term.
func TestFloorStaysPlausible(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC", "XD", "XE")
	c.must(c.net.risk(t, "XA", 0))
	c.agree(nil)
	gone, e := c.followers()[0], c.followers()[1]
	gone.kill()
	at := e.applied()
	e.kill()
	e.wipe(false)
	most := c.leader().node.Term() + 3
	e.adopt(at, true)
	e.tune = func(conf *Config) {
		conf.silenceForTest = 100 * time.Millisecond
		conf.MaxTerm = func() uint64 { return most }
	}
	e.start()
	until(t, "it may vote again", func() bool { return e.node.Status().Abstaining == "" })
	if rec, err := readRejoin(&sealedStable{StableStore: e.node.bolt}); err != nil || rec.Floor != most {
		t.Errorf("its floor is %d, want %d (%v)", rec.Floor, most, err)
	}
}

// TestFoundingLate: a node that is told to found a network which the others have
// founded, and which has nothing to catch up with, gets everything by the order,
// and has no vote before.
func TestFoundingLate(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC")
	late := c.member("XC")
	for _, m := range c.members {
		if m != late {
			m.start()
		}
	}
	said := map[uint64]ledger.Candidate{}
	cand := c.net.risk(t, "XA", 0)
	said[c.must(cand)[0]] = cand
	c.wires.isolate(late.addr(), true)
	late.tune = func(conf *Config) { conf.Late = true }
	late.start()
	if late.node.Status().Abstaining == "" || late.node.tap.gate.get() != rejoinUnheard {
		t.Error("it may vote, though it may have voted and forgotten")
	}
	c.wires.isolate(late.addr(), false)
	until(t, "it may vote", func() bool { return late.node.Status().Abstaining == "" })
	c.agree(said)
	// It is a voter like any other, and a restart does not found again.
	late.stop()
	late.start()
	if why := late.node.Status().Abstaining; why != "" {
		t.Errorf("after a restart: %s", why)
	}
	c.followers()[0].kill()
	cand = c.net.risk(t, "XB", 0)
	said[c.must(cand)[0]] = cand
	c.agree(said)
}
