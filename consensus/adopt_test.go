package consensus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"concordat/ledger"
)

func TestWipedNodeRejoins(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC", "XD")
	said := map[uint64]ledger.Candidate{}
	say := func(i int) {
		cand := c.net.risk(t, "XA", i)
		said[c.must(cand)[0]] = cand
	}
	for i := range 5 {
		say(i)
	}
	c.agree(said)
	m := c.followers()[0]
	m.kill()
	m.wipe(true)
	if err := m.tryAdopt(0, true); !errors.Is(err, ErrAdopt) {
		t.Errorf("adopting nothing: %v, want ErrAdopt", err)
	}
	m.wipe(true)
	say(10)
	at := c.leader().applied() - 3
	m.tune = func(c *Config) { c.Found = false } // nothing is founded anew
	if err := m.tryStart(); !errors.Is(err, ErrNotFounded) {
		t.Errorf("a wiped node: %v, want ErrNotFounded", err)
	}
	if err := m.tryAdopt(at, false); !errors.Is(err, ErrStateLost) {
		t.Errorf("adopting with votes that are not there: %v, want ErrStateLost", err)
	}
	m.adopt(at, true)
	m.start()
	say(11)
	until(t, "it may vote again", func() bool { return m.node.Status().Abstaining == "" })
	c.agree(said)
	if m.node.fsm.delivered.Load() == 0 {
		t.Error("it got nothing from raft, though it began below the others")
	}
	// And it counts: with one other down, the three that are left order on.
	for _, f := range c.followers() {
		if f != m {
			f.kill()
			defer f.start()
			break
		}
	}
	say(12)
	m.stop()
	m.start()
	if why := m.node.Status().Abstaining; why != "" {
		t.Errorf("after a restart it abstains again: %s", why)
	}
	say(13)
	c.agree(said)
}

// TestAdoptCrashes ends Adopt at each of its steps, as a crash would, and then
// either just starts the node, or, where that says so, adopts again.
func TestAdoptCrashes(t *testing.T) {
	t.Parallel()
	for _, rejoin := range []bool{true, false} {
		t.Run(fmt.Sprintf("rejoin=%v", rejoin), func(t *testing.T) {
			t.Parallel()
			c := startCluster(t, "XA", "XB", "XC")
			said := map[uint64]ledger.Candidate{}
			crashed := errors.New("crash")
			m := c.followers()[0]
			i := 0
			for step := 0; ; step++ {
				for range 3 {
					cand := c.net.risk(t, "XA", i)
					said[c.must(cand)[0]] = cand
					i++
				}
				c.agree(said)
				before := m.applied()
				m.kill()
				if rejoin {
					m.wipe(false)
				} else {
					m.disk = vfs.NewMem()
				}
				at, passed, name := 0, false, ""
				m.tune = func(c *Config) {
					c.crashForTest = func(s string) error {
						if at++; at == step+1 {
							passed, name = true, s
							return crashed
						}
						return nil
					}
				}
				err := m.tryAdopt(before-1, rejoin)
				m.tune = nil
				if !passed {
					if err != nil {
						t.Fatalf("adopting without a crash: %v", err)
					}
				} else if !errors.Is(err, crashed) {
					t.Fatalf("after %q: %v", name, err)
				}
				switch err := m.tryStart(); {
				case err == nil:
				case errors.Is(err, ErrStateLost) && rejoin, errors.Is(err, ErrGap):
					m.adopt(before, rejoin)
					m.start()
				default:
					t.Fatalf("starting after %q: %v", name, err)
				}
				if rejoin == (m.node.absence == nil) {
					t.Errorf("after %q: rejoin %v, abstains: %q", name, rejoin, m.node.absence.why())
				}
				until(t, "it may vote again", func() bool { return m.node.Status().Abstaining == "" })
				c.agree(said)
				if !passed {
					if step < 5 {
						t.Fatalf("Adopt has %d steps where a test can crash it", step)
					}
					return
				}
			}
		})
	}
}

// TestAnchorWithoutItsLedger: an anchor is durable, and the log cut below it, but
// the ledger is not there yet. Raft would begin at the anchor, and skip.
func TestAnchorWithoutItsLedger(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	said := map[uint64]ledger.Candidate{}
	for i := range 4 {
		cand := c.net.risk(t, "XA", i)
		said[c.must(cand)[0]] = cand
	}
	c.agree(said)
	m := c.followers()[0]
	at := m.applied()
	m.kill()
	m.disk = vfs.NewMem()
	m.adopt(at, false) // the log is whole: it stays
	// Now the log is emptied too, as for one who is far behind.
	m.openLedger()
	conf := m.config()
	bolt, err := openBolt(conf.Dir, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := conf.Transport.(*wire).Close(); err != nil {
		t.Fatal(err)
	}
	if err := bolt.DeleteRange(1, at+100); err != nil {
		t.Fatal(err)
	}
	if err := bolt.Close(); err != nil {
		t.Fatal(err)
	}
	m.closeLedger()
	whole := m.disk
	for name, disk := range map[string]vfs.FS{"a new disk": vfs.NewMem()} {
		m.disk = disk
		if err := m.tryStart(); !errors.Is(err, ErrGap) {
			t.Fatalf("with %s: %v, want ErrGap", name, err)
		}
		m.openLedger()
		m.catchUp(at - 1)
		m.closeLedger()
		if err := m.tryStart(); !errors.Is(err, ErrGap) {
			t.Fatalf("with a ledger that lacks one block: %v, want ErrGap", err)
		}
	}
	m.disk = whole
	m.start()
	c.must(c.net.risk(t, "XB", 1))
	c.agree(said)
	// And from the lesser ledger, by catching up again.
	m.kill()
	m.disk = vfs.NewMem()
	if err := m.tryStart(); !errors.Is(err, ErrGap) {
		t.Fatalf("%v, want ErrGap", err)
	}
	m.adopt(at+1, false)
	m.start()
	if why := m.node.Status().Abstaining; why != "" {
		t.Errorf("its votes were there, and it abstains: %s", why)
	}
	c.agree(said)
}

// TestOlderCopyOfRaftsLog: its votes are those of an earlier day.
func TestOlderCopyOfRaftsLog(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	said := map[uint64]ledger.Candidate{}
	say := func(i int) {
		cand := c.net.risk(t, "XA", i)
		said[c.must(cand)[0]] = cand
	}
	say(0)
	c.agree(said)
	m := c.followers()[0]
	m.stop()
	older, err := os.ReadFile(m.raftFile())
	if err != nil {
		t.Fatal(err)
	}
	m.start()
	say(1)
	say(2)
	c.agree(said)
	m.stop()
	if err := os.WriteFile(m.raftFile(), older, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.tryStart(); !errors.Is(err, ErrLedgerAhead) {
		t.Fatalf("%v, want ErrLedgerAhead", err)
	}
	// Without its ledger as well: the anchors tell.
	whole := m.disk
	m.disk = vfs.NewMem()
	if err := m.tryStart(); !errors.Is(err, ErrLedgerAhead) {
		t.Fatalf("without the ledger: %v, want ErrLedgerAhead", err)
	}
	m.disk = whole
	m.adopt(^uint64(0), true)
	m.start()
	if m.node.absence == nil {
		t.Error("it does not abstain")
	}
	say(3)
	until(t, "it may vote again", func() bool { return m.node.Status().Abstaining == "" })
	c.agree(said)
}

// TestWipedNodeElectsNobodyWhoLacksWhatItHad is the classical loss: an entry is
// committed on A, B and E; E is wiped; C, D and E would elect C, which lacks it.
func TestWipedNodeElectsNobodyWhoLacksWhatItHad(t *testing.T) {
	t.Parallel()
	for name, heard := range map[string]bool{"it hears a minority": false, "it has heard all, and the leader is gone": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			electsNobody(t, heard)
		})
	}
}

func electsNobody(t *testing.T, heard bool) {
	c := startCluster(t, "XA", "XB", "XC", "XD", "XE")
	said := map[uint64]ledger.Candidate{}
	cand := c.net.risk(t, "XA", 0)
	said[c.must(cand)[0]] = cand
	c.agree(said)
	a := c.leader()
	rest := c.followers()
	b, e, lagging := rest[0], rest[1], rest[2:]
	certified := a.applied()
	for _, l := range lagging {
		c.wires.isolate(l.addr(), true)
	}
	for i := range 3 {
		cand := c.net.risk(t, "XB", i)
		said[c.must(cand)[0]] = cand
	}
	until(t, "all that is acknowledged is on three", func() bool { return b.ledger.Head() == a.ledger.Head() && e.ledger.Head() == a.ledger.Head() })
	// E loses everything, and those who have it go away; E can reach C and D only.
	e.kill()
	e.wipe(true)
	a.kill()
	b.kill()
	for _, l := range lagging {
		c.wires.isolate(l.addr(), false)
	}
	for _, gone := range []*member{a, b} {
		c.wires.isolate(gone.addr(), true)
	}
	e.adopt(certified, true)
	e.tune = func(c *Config) {
		c.silenceForTest = 300 * time.Millisecond
		if heard {
			ask := c.PeerTerm
			c.PeerTerm = func(ctx context.Context, id string) (uint64, error) {
				if id == a.id || id == b.id {
					return 2, nil // as they said before they went
				}
				return ask(ctx, id)
			}
		}
	}
	e.start()
	if heard {
		until(t, "it has heard all", func() bool { return e.node.tap.gate.get() == rejoinSilent })
	}
	// It is in the way of nobody who asks, and helps nobody either: the three of
	// them have a majority, and must not elect a leader.
	end := time.Now().Add(8 * brisk.Heartbeat)
	for time.Now().Before(end) {
		for _, m := range []*member{lagging[0], lagging[1], e} {
			if m.node.raft.State() == raft.Leader {
				t.Fatalf("%s was elected, by a node that has forgotten what it stored", m.id)
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	if why := e.node.Status().Abstaining; !strings.Contains(why, "votes") {
		t.Errorf("it abstains because of %q", why)
	}
	// One who has it all returns: they elect that one, nothing is lost, and E votes again.
	c.wires.isolate(a.addr(), false)
	a.start()
	c.agree(said)
	until(t, "it may vote again", func() bool { return e.node.Status().Abstaining == "" })
	cand = c.net.risk(t, "XC", 0)
	said[c.must(cand)[0]] = cand
	c.wires.isolate(b.addr(), false)
	b.start()
	c.agree(said)
}

// TestUnheardNodeAcknowledgesNothing: it may have voted in a later term than the
// leader's that it hears first.
func TestUnheardNodeAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC", "XD", "XE")
	said := map[uint64]ledger.Candidate{}
	cand := c.net.risk(t, "XA", 0)
	said[c.must(cand)[0]] = cand
	c.agree(said)
	a := c.leader()
	rest := c.followers()
	b, e, cc, d := rest[0], rest[1], rest[2], rest[3]
	at := a.applied()
	e.kill()
	e.wipe(false)
	// A and B on one side, with E; C and D on the other.
	for _, x := range []*member{a, b, e} {
		for _, y := range []*member{cc, d} {
			c.wires.oneWay(x.addr(), y.addr(), true)
			c.wires.oneWay(y.addr(), x.addr(), true)
		}
	}
	e.adopt(at, true)
	e.start()
	until(t, "it says whom it has not heard", func() bool {
		why := e.node.Status().Abstaining
		return strings.Contains(why, cc.id) && strings.Contains(why, d.id)
	})
	ctx, cancel := context.WithTimeout(context.Background(), 4*brisk.Heartbeat)
	defer cancel()
	if out, err := a.node.Submit(ctx, []ledger.Candidate{c.net.risk(t, "XB", 0)}); err == nil {
		t.Fatalf("%v was acknowledged by a majority of which one may have promised itself to another leader", out)
	}
	if e.applied() != at {
		t.Error("it has stored something")
	}
	// All can be heard again: at once it acknowledges, in a term that is none that it may have voted in.
	floor := uint64(0)
	for _, x := range []*member{a, b, e} {
		for _, y := range []*member{cc, d} {
			c.wires.oneWay(x.addr(), y.addr(), false)
			c.wires.oneWay(y.addr(), x.addr(), false)
		}
	}
	for _, m := range []*member{a, b, cc, d} {
		floor = max(floor, m.node.Term())
	}
	until(t, "it may vote again", func() bool { return e.node.Status().Abstaining == "" })
	if rec, err := readRejoin(&sealedStable{StableStore: e.node.bolt}); err != nil || rec.Phase != rejoinDone || rec.Floor < floor || e.node.Term() < rec.Floor {
		t.Errorf("it stands in term %d with %+v (%v); the others were in %d", e.node.Term(), rec, err, floor)
	}
	c.agree(nil)
}

// TestSilenceIsNotWaitedForForever: one who is down for good does not keep a wiped
// node from its vote; its term may be a little above all others'.
func TestSilenceIsNotWaitedForForever(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC", "XD", "XE")
	said := map[uint64]ledger.Candidate{}
	cand := c.net.risk(t, "XA", 0)
	said[c.must(cand)[0]] = cand
	c.agree(said)
	gone, e := c.followers()[0], c.followers()[1]
	gone.kill()
	e.kill()
	e.wipe(false)
	term := c.leader().node.Term()
	e.adopt(c.leader().applied(), true)
	e.tune = func(c *Config) { c.silenceForTest = 300 * time.Millisecond }
	e.start()
	until(t, "it may vote again", func() bool { return e.node.Status().Abstaining == "" })
	if got := e.node.Term(); got < term+termMargin {
		t.Errorf("it is in term %d, want at least %d more than the others' %d", got, termMargin, term)
	}
	cand = c.net.risk(t, "XB", 0)
	said[c.must(cand)[0]] = cand
	gone.start()
	c.agree(said)
}

// TestVoteOfTheFloorIsSpent: Raft itself would vote once in the term that it stands in.
func TestVoteOfTheFloorIsSpent(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	c.must(c.net.risk(t, "XA", 0))
	c.agree(nil)
	m := c.followers()[0]
	at := m.applied()
	m.kill()
	m.wipe(false)
	m.adopt(at, true)
	m.start()
	until(t, "it may vote again", func() bool { return m.node.Status().Abstaining == "" })
	floor := m.node.Term()
	for _, o := range c.members {
		c.wires.isolate(o.addr(), true) // nobody else is heard from here on
	}
	until(t, "it knows no leader", func() bool { _, id := m.node.Leader(); return id == "" })
	vote := func(term uint64) bool {
		answer := make(chan raft.RPCResponse, 1)
		other := c.members[0]
		if other == m {
			other = c.members[1]
		}
		m.node.tap.Transport.(*wire).in <- raft.RPC{RespChan: answer, Command: &raft.RequestVoteRequest{
			RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(other.id), Addr: []byte(other.addr())},
			Term:      term, LastLogIndex: 1 << 40, LastLogTerm: term,
		}}
		return (<-answer).Response.(*raft.RequestVoteResponse).Granted
	}
	if m.node.Term() != floor {
		t.Fatalf("its term went from %d to %d", floor, m.node.Term())
	}
	if vote(floor) {
		t.Errorf("it voted in term %d, in which it may have voted before", floor)
	}
	if !vote(floor + 1) {
		t.Errorf("it does not vote in term %d, which is new", floor+1)
	}
	for _, o := range c.members {
		c.wires.isolate(o.addr(), false)
	}
	c.agree(nil)
}

func TestAdoptAsksForWhatItNeeds(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB")
	m := c.member("XA")
	if err := Adopt(Config{Self: "XZ"}, ledger.Position{Index: 1, Term: 1}, true); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "MarkerPath") {
		t.Errorf("%v, want ErrConfig with all that is missing", err)
	}
	m.openLedger()
	defer m.closeLedger()
	conf := m.config()
	conf.Transport = nil
	if err := Adopt(conf, ledger.Position{Index: 7, Term: 1}, true); !errors.Is(err, ErrAdopt) {
		t.Errorf("where the ledger does not stand: %v, want ErrAdopt", err)
	}
	if err := os.WriteFile(filepath.Join(m.dir, "founded"), []byte(markerFormat+"\n00\nXA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	raw := c.net.sealed(t, "XA", 2, m.ledger.Head(), c.net.risk(t, "XA", 1))
	if out, err := m.ledger.Apply(ledger.Position{Index: 3, Term: 2}, raw); err != nil || out.Refused != "" {
		t.Fatal(out, err)
	}
	if err := Adopt(conf, m.ledger.Head().Applied, true); !errors.Is(err, ErrOtherNetwork) {
		t.Errorf("with the marker of another network: %v, want ErrOtherNetwork", err)
	}
}
