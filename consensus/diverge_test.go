package consensus

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger"
)

// wrongOnce is a ledger that makes something else of the next block, once, as
// one does whose disk or code is not what the others have.
type wrongOnce struct {
	Ledger
	next atomic.Bool
}

func (w *wrongOnce) Apply(pos ledger.Position, raw []byte) (ledger.Applied, error) {
	if w.next.CompareAndSwap(true, false) {
		raw = append([]byte(nil), raw...)
		raw[len(raw)/2] ^= 1
	}
	return w.Ledger.Apply(pos, raw)
}

func TestDivergedNodeVouchesForNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC", "XD")
	odd := c.member("XD")
	var wrong *wrongOnce
	odd.tune = func(c *Config) {
		wrong = &wrongOnce{Ledger: c.Ledger}
		c.Ledger = wrong
	}
	for _, m := range c.members {
		m.start()
	}
	said := map[uint64]ledger.Candidate{}
	say := func(i int) {
		t.Helper()
		cand := c.net.risk(t, "XA", i)
		said[c.must(cand)[0]] = cand
	}
	say(0)
	c.agree(said)
	if c.leader() == odd {
		if err := odd.node.await(odd.node.raft.LeadershipTransfer()); err != nil {
			t.Fatal(err)
		}
		c.leader(odd)
	}
	until(t, "the follower is up to date", func() bool { return odd.node.Status().CaughtUp })
	wrong.next.Store(true)
	say(1) // refused there, which says nothing yet
	say(2) // builds on what it has not
	until(t, "the odd one notices", func() bool { return odd.node.Status().Diverged != "" })
	s := odd.node.Status()
	if s.CaughtUp || s.DivergedSince.IsZero() || time.Since(s.DivergedSince) > patience {
		t.Errorf("diverged, it says %+v", s)
	}
	for range 3 {
		say(len(said))
	}
	if later := odd.node.Status(); !later.Contact.Equal(s.Contact) || later.CaughtUp {
		t.Errorf("its contact moved on from %v to %v while it was astray", s.Contact, later.Contact)
	}
	index, err := c.leader(odd).node.ReadIndex(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := odd.node.WaitApplied(context.Background(), index); !errors.Is(err, ErrDiverged) {
		t.Errorf("a read of what it has not: %v, want ErrDiverged", err)
	}

	// A restart forgets nothing.
	odd.stop()
	odd.start()
	if s := odd.node.Status(); s.Diverged == "" || s.CaughtUp {
		t.Errorf("restarted, it says %+v", s)
	}

	// Whatever is done to make it lead, it acknowledges nothing.
	for round := range 7 {
		if leader := c.leader(); leader != odd {
			_ = leader.node.await(leader.node.raft.LeadershipTransferToServer("XD", odd.addr())) // it may hand over before that ends
		}
		out, err := odd.node.Submit(context.Background(), []ledger.Candidate{c.net.risk(t, "XB", round)})
		if err == nil {
			t.Fatalf("round %d: a diverged leader acknowledged %+v", round, out)
		}
		if !isPassing(err) {
			t.Errorf("round %d: %v, want an error that says to try again", round, err)
		}
		if _, err := odd.node.ReadIndex(context.Background()); err == nil {
			t.Errorf("round %d: it gives a read point", round)
		}
	}
	for range 3 {
		say(100 + len(said))
	}
	if err := odd.node.fault.get(); err != nil {
		t.Errorf("a divergence stopped the process: %v", err)
	}
	odd.stop()
	say(200)
	c.agree(said)

	// What the manual says mends it: the ledger is moved away, and made again from Raft's log.
	odd.disk = vfs.NewMem()
	odd.start()
	say(300)
	c.agree(said)
	until(t, "it is up to date again", func() bool { s := odd.node.Status(); return s.CaughtUp && s.Diverged == "" })
}

// TestOneLiarStopsNobody: one signed block that fits nowhere marks every node.
// They go on all the same, as soon as there is something to say.
func TestOneLiarStopsNobody(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC", "XD")
	said := map[uint64]ledger.Candidate{}
	cand := c.net.risk(t, "XA", 0)
	said[c.must(cand)[0]] = cand
	c.agree(said)
	liar := c.leader()
	head := liar.ledger.Head()
	head.Size += 3
	lie := c.net.sealed(t, liar.id, liar.node.Term(), head, c.net.risk(t, "XA", 50))
	if err := liar.node.raft.Apply(lie, brisk.Patience).Error(); err != nil {
		t.Fatal(err)
	}
	marked := func() (n int) {
		for _, m := range c.up() {
			if m.node.Status().Diverged != "" {
				n++
			}
		}
		return n
	}
	until(t, "all are marked", func() bool { return marked() == len(c.members) })
	if _, err := liar.node.ReadIndex(context.Background()); !errors.Is(err, ErrDiverged) && !errors.Is(err, ErrNotLeader) {
		t.Errorf("a marked leader gives a read point: %v", err)
	}
	liar.kill()
	for i := range 3 {
		cand := c.net.risk(t, "XB", i)
		said[c.must(cand)[0]] = cand
	}
	until(t, "nobody is marked", func() bool { return marked() == 0 })
	until(t, "all are up to date", func() bool {
		for _, m := range c.up() {
			if !m.node.Status().CaughtUp {
				return false
			}
		}
		return true
	})
	liar.start()
	cand = c.net.risk(t, "XC", 0)
	said[c.must(cand)[0]] = cand
	c.agree(said)
}

// TestKnownWrongDoesNotPropose: a node that is told from outside that its ledger
// is wrong is given leadership again and again. It says so, proposes nothing, and
// hands on; the others are not marked.
func TestKnownWrongDoesNotPropose(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC", "XD")
	odd := c.member("XD")
	var why atomic.Pointer[string]
	odd.tune = func(c *Config) {
		c.Diverged = func() string {
			if s := why.Load(); s != nil {
				return *s
			}
			return ""
		}
	}
	for _, m := range c.members {
		m.start()
	}
	said := map[uint64]ledger.Candidate{}
	say := func() {
		t.Helper()
		cand := c.net.risk(t, "XA", len(said))
		said[c.must(cand)[0]] = cand
	}
	say()
	if leader := c.leader(); leader != odd {
		if err := leader.node.await(leader.node.raft.LeadershipTransferToServer("XD", odd.addr())); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the odd one reigns", func() bool { return odd.node.reign.Load() != nil })
	blocks := odd.node.blocks.Load()
	text := "a quorum has certified another history"
	why.Store(&text)
	for range 2 * len(c.members) {
		if _, err := odd.node.Submit(context.Background(), []ledger.Candidate{c.net.risk(t, "XB", len(said))}); err == nil || !isPassing(err) {
			t.Errorf("it answers a submission with %v", err)
		}
		c.leader(odd)
		say()
		leader := c.leader(odd)
		_ = leader.node.await(leader.node.raft.LeadershipTransferToServer("XD", odd.addr())) // it may hand over before that ends
	}
	if s := odd.node.Status(); s.Diverged != text || s.DivergedSince.IsZero() || s.CaughtUp {
		t.Errorf("it says %+v", s)
	}
	if n := odd.node.blocks.Load(); n != blocks {
		t.Errorf("it ordered %d blocks", n-blocks)
	}
	for _, m := range c.up() {
		if s := m.node.Status(); m != odd && s.Diverged != "" {
			t.Errorf("%s is marked: %s", m.id, s.Diverged)
		}
	}
	c.leader(odd)
	say()
	c.agree(said)
}

func TestMark(t *testing.T) {
	net := newTestNetwork(t, "XA", "XB")
	c := Config{Self: "XA", Servers: make([]Server, 2), Logger: testLog()}
	woken := 0
	a := newAstray(c, func() { woken++ })
	block := func(by string) []byte {
		return net.sealed(t, by, 1, ledger.Head{Size: 4}, net.risk(t, by, 0))
	}
	pos := ledger.Position{Index: 7, Term: 1}
	for _, refusal := range []string{ledger.RefusedMalformed, ledger.RefusedProposer, ledger.RefusedTerm, ledger.RefusedNetwork, ledger.RefusedBefore} {
		a.see(pos, block("XB"), ledger.Applied{Refused: refusal})
		if why, _ := a.get(); why != "" {
			t.Errorf("%s marks the node: %s", refusal, why)
		}
	}
	a.see(pos, block("XB"), ledger.Applied{Refused: ledger.RefusedBase, Detail: "the sizes differ"})
	a.see(pos, block("XB"), ledger.Applied{Refused: ledger.RefusedBase})
	why, since := a.get()
	if why == "" || since.IsZero() || woken != 1 {
		t.Fatalf("marked %q since %v, the proposer was woken %d times", why, since, woken)
	}
	for turn := range 2 {
		if !a.yields(2) || a.desperate(2) != (turn == 1) {
			t.Errorf("turn %d: not handed over, or desperate at the wrong time", turn)
		}
	}
	if a.yields(2) {
		t.Error("leadership is handed over for ever")
	}
	a.see(pos, block("XA"), ledger.Applied{Count: 1})
	if why, _ := a.get(); why == "" {
		t.Error("a block of its own takes the mark away")
	}
	a.see(pos, block("XB"), ledger.Applied{Count: 1})
	if why, since := a.get(); why != "" || !since.IsZero() || a.turns != 0 {
		t.Errorf("a block that fits leaves %q", why)
	}
	alone := newAstray(Config{Self: "XA", Servers: []Server{{ID: "XA"}}, Logger: testLog()}, func() {})
	alone.see(pos, block("XA"), ledger.Applied{Refused: ledger.RefusedBase})
	if why, _ := alone.get(); why != "" {
		t.Error("a single validator is marked, and nobody could take that away")
	}
}
