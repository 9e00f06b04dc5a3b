package consensus

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"concordat/ledger"
)

// reset begins a member that is down anew, after the block that ends its ledger.
func (m *member) reset(with Membership, crash func(string) error) error {
	m.c.t.Helper()
	m.openLedger()
	defer m.closeLedger()
	c := m.config()
	if err := c.Transport.(*wire).Close(); err != nil {
		m.c.t.Fatal(err)
	}
	return Reset(Config{
		Self: c.Self, Network: c.Network, Dir: c.Dir, MarkerPath: c.MarkerPath, Ledger: m.ledger, Logger: c.Logger, crashForTest: crash,
	}, with, m.ledger.Head().Applied)
}

// recovered gives the survivors, who are down, the block that a recovery begins
// with, in a term that none of them knows.
func (c *cluster) recovered(time int, survivors ...*member) (at ledger.Position) {
	c.t.Helper()
	for _, m := range survivors {
		term, err := TermOf(m.raftDir())
		if err != nil {
			c.t.Fatal(err)
		}
		at.Term = max(at.Term, term+1)
	}
	var raw []byte
	for _, m := range survivors {
		m.openLedger()
		if raw == nil {
			at.Index = m.ledger.Head().Applied.Index + 1
			raw = c.net.sealed(c.t, m.id, at.Term, m.ledger.Head(), c.net.risk(c.t, m.id, 900+time))
		}
		if out, err := (recording{m.ledger, c.history}).Apply(at, raw); err != nil || out.Refused != "" {
			c.t.Fatalf("%s: the recovery's block: %+v, %v", m.id, out, err)
		}
		m.closeLedger()
	}
	return at
}

func (m *member) raftDir() string { return filepath.Join(m.dir, "data") }

// survivors is a cluster of four, of which two are left, with equal ledgers.
func survivors(t *testing.T) (c *cluster, r *roster, said map[uint64]ledger.Candidate, a, b *member) {
	t.Helper()
	c, r = newRosterCluster(t, 4, "XA", "XB", "XC", "XD")
	for _, m := range c.members {
		m.start()
	}
	said = map[uint64]ledger.Candidate{}
	for i := range 5 {
		cand := c.net.risk(t, "XA", i)
		said[c.must(cand)[0]] = cand
	}
	c.agree(said)
	c.member("XC").kill()
	c.member("XD").kill()
	a, b = c.member("XA"), c.member("XB")
	a.stop()
	b.stop()
	return c, r, said, a, b
}

// TestResetAfterTheLossOfAMajority: two of four go on, and two new ones come in.
func TestResetAfterTheLossOfAMajority(t *testing.T) {
	t.Parallel()
	c, r, said, a, b := survivors(t)
	at := c.recovered(0, a, b)
	c.decide(r, []string{"XA", "XB"}, nil)
	for _, m := range []*member{a, b} {
		if err := m.reset(r.now, nil); err != nil {
			t.Fatalf("%s: %v", m.id, err)
		}
		if term, err := TermOf(m.raftDir()); err != nil || term < at.Term+termMargin {
			t.Errorf("%s is in term %d (%v), want well above %d", m.id, term, err, at.Term)
		}
		m.start()
	}
	// One of the lost comes back as it was: it is nobody's peer, and disturbs nobody.
	lost := c.member("XC").start()
	c.becomes("XA XB ()")
	cand := c.net.risk(t, "XB", 1)
	said[c.must(cand)[0]] = cand
	if lost.node.Status().Role == "leader" || lost.ledger.Head().Size >= a.ledger.Head().Size {
		t.Errorf("one who is lost got %+v", lost.ledger.Head())
	}
	lost.kill()
	for _, id := range []string{"XC", "XD"} {
		m := c.member(id)
		m.wipe(true)
		m.disk = vfs.NewMem()
		m.adopt(c.leader().applied(), true)
		c.decide(r, append([]string{"XA", "XB", "XC", "XD"}[:2:2], id), nil)
		m.start()
		c.becomes("XA XB " + id + " ()")
		if id == "XC" {
			m.stop()
			c.decide(r, []string{"XA", "XB"}, nil)
			c.becomes("XA XB ()")
		}
	}
	c.agree(said)
	// Once more, for the same place, it is nothing; and elsewhere it is refused.
	a.stop()
	a.openLedger()
	err := Reset(Config{Self: "XA", Network: c.net.id, Dir: a.raftDir(), MarkerPath: a.dir + "/founded", Ledger: a.ledger}, r.now, at)
	a.closeLedger()
	if !errors.Is(err, ErrAdopt) {
		t.Errorf("where the ledger does not stand: %v, want ErrAdopt", err)
	}
	a.start()
	c.agree(said)
}

func TestResetIsDoneOnce(t *testing.T) {
	t.Parallel()
	c, r, _, a, b := survivors(t)
	c.recovered(0, a, b)
	c.decide(r, []string{"XA", "XB"}, nil)
	if err := a.reset(Membership{Voters: r.now.Voters[1:]}, nil); !errors.Is(err, ErrConfig) {
		t.Errorf("without itself: %v, want ErrConfig", err)
	}
	if err := a.reset(r.now, nil); err != nil {
		t.Fatal(err)
	}
	vote := func() (uint64, uint64) {
		bolt, err := openBolt(a.raftDir(), true, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer bolt.Close() //nolint:errcheck // it was only read
		s := &sealedStable{StableStore: bolt}
		term, err := s.GetUint64(keyCurrentTerm)
		if err != nil {
			t.Fatal(err)
		}
		last, err := bolt.LastIndex()
		if err != nil {
			t.Fatal(err)
		}
		return term, last
	}
	term, _ := vote()
	a.start()
	until(t, "it asks for votes", func() bool { return a.node.Status().Role == "candidate" })
	a.kill()
	if err := a.reset(r.now, nil); err != nil {
		t.Fatal(err)
	}
	if again, _ := vote(); again != term {
		t.Errorf("a second reset takes it from term %d to %d", term, again)
	}
	if err := b.reset(r.now, nil); err != nil {
		t.Fatal(err)
	}
	a.start()
	b.start()
	c.must(c.net.risk(t, "XB", 1))
	c.agree(nil)
}

// TestResetCrashes ends Reset at each of its steps, as a crash would; then the node
// is started, which goes on, or Reset is called again.
func TestResetCrashes(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("again=%v", again), func(t *testing.T) {
			t.Parallel()
			c, r, said, a, b := survivors(t)
			crashed := errors.New("crash")
			for step := 0; ; step++ {
				c.recovered(step, a, b)
				c.decide(r, []string{"XA", "XB"}, nil)
				if err := b.reset(r.now, nil); err != nil {
					t.Fatal(err)
				}
				at, passed, name := 0, false, ""
				err := a.reset(r.now, func(s string) error {
					if at++; at == step+1 {
						passed, name = true, s
						return crashed
					}
					return nil
				})
				if passed != errors.Is(err, crashed) || !passed && err != nil {
					t.Fatalf("after %q: %v", name, err)
				}
				if again {
					if err := a.reset(r.now, nil); err != nil {
						t.Fatalf("again, after %q: %v", name, err)
					}
				}
				a.start()
				b.start()
				c.becomes("XA XB ()")
				cand := c.net.risk(t, "XB", step)
				said[c.must(cand)[0]] = cand
				if s := a.node.Status(); s.Abstaining != "" || len(s.Members) != 2 {
					t.Errorf("after %q: %+v", name, s)
				}
				c.agree(said)
				a.stop()
				b.stop()
				if !passed {
					if step < 8 {
						t.Fatalf("Reset has %d steps where a test can crash it", step)
					}
					return
				}
			}
		})
	}
}

// TestPlan is the order of changes, on paper.
func TestPlan(t *testing.T) {
	t.Parallel()
	servers := func(ids string) (out []Server) {
		for _, id := range ids {
			out = append(out, Server{ID: string(id), Address: "at " + string(id)})
		}
		return out
	}
	for _, c := range []struct {
		name                     string
		have, wantV, wantF       string // in have, capitals vote; self is A
		down, behind, heir, said string
		unsettled, uncertified   bool
	}{
		{name: "as it should be", have: "ABC", wantV: "ABC"},
		{name: "a new observer", have: "ABC", wantV: "ABC", wantF: "D", said: "D gets the order"},
		{name: "a new validator comes in without a vote", have: "ABC", wantV: "ABCD", said: "D gets the order"},
		{name: "and then votes", have: "ABCd", wantV: "ABCD", said: "D votes"},
		{name: "but not before it has caught up", have: "ABCd", wantV: "ABCD", behind: "D"},
		{name: "nor before that is certified", have: "ABCd", wantV: "ABCD", uncertified: true},
		{name: "one change at a time", have: "ABCd", wantV: "ABCD", unsettled: true},
		{name: "in before votes", have: "ABCd", wantV: "ABCDE", said: "E gets the order"},
		{name: "votes before removals", have: "ABCd", wantV: "ABD", said: "D votes"},
		{name: "no removal of one who answers, for one who has not caught up", have: "ABCd", wantV: "ABD", behind: "D"},
		{name: "but of one who does not", have: "ABCd", wantV: "ABD", behind: "D", down: "C", said: "C is removed"},
		{name: "removals last", have: "ABCD", wantV: "ABD", said: "C is removed"},
		{name: "the dead first", have: "ABCDE", wantV: "ABC", down: "E", said: "E is removed"},
		{name: "demoted", have: "ABCD", wantV: "ABD", wantF: "C", said: "C votes no more"},
		{name: "not below a majority that answers", have: "ABC", wantV: "AC", down: "C"},
		{name: "the last two", have: "AB", wantV: "A", said: "B is removed"},
		{name: "not by what is not certified", have: "ABCD", wantV: "ABD", uncertified: true},
		{name: "the leader hands over first", have: "ABCD", wantV: "BC", heir: "B", said: "B leads instead"},
		{name: "after who comes in", have: "ABCd", wantV: "BCD", heir: "B", said: "D votes"},
		{name: "if there is anybody", have: "AB", wantV: "B", down: "B"},
		{name: "an observer leaves", have: "ABCd", wantV: "ABC", said: "D is removed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			have := enrolled{Index: 7}
			for _, id := range c.have {
				s := raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress("at " + string(id))}
				if id >= 'a' {
					s = raft.Server{Suffrage: raft.Nonvoter, ID: raft.ServerID(id - 32), Address: raft.ServerAddress("at " + string(id-32))}
				}
				have.Conf.Servers = append(have.Conf.Servers, s)
			}
			in := func(ids string) func(string) bool {
				return func(id string) bool {
					for _, i := range ids {
						if string(i) == id {
							return true
						}
					}
					return false
				}
			}
			next, open := plan(Membership{Voters: servers(c.wantV), Followers: servers(c.wantF)}, sight{
				self: "A", have: have, settled: !c.unsettled, vouched: !c.uncertified, heir: c.heir,
				healthy: func(id string) bool { return !in(c.down)(id) },
				ready: func(id string) error {
					if in(c.behind)(id) {
						return errors.New("it is behind")
					}
					return nil
				},
			})
			said := ""
			if next.verb != nothing {
				said = next.String()
			}
			if said != c.said {
				t.Errorf("the next change is %q, want %q; open: %v", said, c.said, open)
			}
			if same := c.name == "as it should be"; same != (len(open) == 0) {
				t.Errorf("open: %v", open)
			}
		})
	}
}

// TestLaggingIsToldLate: what is being changed is no news; what does not get done is.
func TestLaggingIsToldLate(t *testing.T) {
	t.Parallel()
	var o office
	now := time.Now()
	o.tell([]difference{{"XA", "XA waits"}}, now, time.Second)
	if w := o.words(); len(w) != 0 {
		t.Errorf("told at once: %q", w)
	}
	o.tell([]difference{{"XA", "XA waits still"}, {"XB", "XB waits"}}, now.Add(time.Second), time.Second)
	if w := o.words(); len(w) != 1 || w[0] != "XA waits still" {
		t.Errorf("after a while: %q", w)
	}
	o.tell(nil, now.Add(2*time.Second), time.Second)
	o.tell([]difference{{"XA", "XA waits again"}}, now.Add(3*time.Second), time.Second)
	if w := o.words(); len(w) != 0 {
		t.Errorf("it was done in between: %q", w)
	}
}
