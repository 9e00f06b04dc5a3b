package consensus

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"concordat/ledger"
)

// TestGrowAndShrink: 1, 4, 7, and the other 4, while statements are being ordered.
func TestGrowAndShrink(t *testing.T) {
	t.Parallel()
	all := []string{"XA", "XB", "XC", "XD", "XE", "XF", "XG"}
	c, r := newRosterCluster(t, 1, all...)
	c.watched()
	c.member("XA").start()
	c.becomes("XA ()")
	c.must(c.net.risk(t, "XB", 0))
	stop := c.load("XA")
	c.decide(r, all[:4], nil)
	for _, id := range all[1:4] {
		c.member(id).join()
	}
	c.becomes("XA XB XC XD ()")
	c.decide(r, all, nil)
	for _, id := range all[4:] {
		c.member(id).join()
	}
	c.becomes("XA XB XC XD XE XF XG ()")
	c.decide(r, all[3:], nil) // the leader may be among those who go
	c.becomes("XD XE XF XG ()")
	for _, id := range all[:3] {
		c.member(id).stop()
	}
	said := stop()
	c.agree(said)
	for _, m := range c.up() {
		if s := m.node.Status(); len(s.Members) != 4 || s.Config == 0 || len(s.Lagging) > 0 {
			t.Errorf("%s: %+v", m.id, s)
		}
	}
	if len(said) < 20 {
		t.Errorf("only %d statements were ordered meanwhile", len(said))
	}
}

// TestReplaceEveryone replaces each of the founders, of which each has led in
// between or may have, by one who never ran before.
func TestReplaceEveryone(t *testing.T) {
	t.Parallel()
	c, r := newRosterCluster(t, 4, "XA", "XB", "XC", "XD", "XE", "XF", "XG", "XH")
	c.watched()
	for _, m := range c.members[:4] {
		m.start()
	}
	c.must(c.net.risk(t, "XB", 0))
	stop := c.load("XA")
	now := []string{"XA", "XB", "XC", "XD"}
	for i, id := range []string{"XE", "XF", "XG", "XH"} {
		old := now[0]
		now = append(now[1:], id)
		c.decide(r, now, nil)
		c.member(id).join()
		c.becomes(strings.Join(now, " ") + " ()")
		c.member(old).stop()
		if i == 1 { // the new ones count
			c.member("XC").kill()
			c.must(c.net.risk(t, "XC", 0))
			c.member("XC").start()
		}
	}
	c.agree(stop())
}

func TestFollowersFollow(t *testing.T) {
	t.Parallel()
	c, r := newRosterCluster(t, 3, "XA", "XB", "XC", "XD")
	for _, m := range c.members[:3] {
		m.start()
	}
	c.must(c.net.risk(t, "XA", 0))
	c.decide(r, []string{"XA", "XB", "XC"}, []string{"XD"})
	d := c.member("XD").join()
	c.becomes("XA XB XC (XD)")
	c.must(c.net.risk(t, "XA", 1))
	c.agree(nil)
	until(t, "it knows its place", func() bool {
		s := d.node.Status()
		return s.Abstaining == "" && s.Config > 0 && s.CaughtUp && len(s.Lagging) == 0
	})
	if s := d.node.Status(); s.Members[3] != (MemberStatus{ID: "XD", Address: string(d.addr())}) {
		t.Errorf("it sees %+v", s.Members)
	}
	// Told to take over, it does not; and by itself it never stands.
	answer := make(chan raft.RPCResponse, 1)
	d.node.tap.Transport.(*wire).in <- raft.RPC{RespChan: answer, Command: &raft.TimeoutNowRequest{}}
	if r := <-answer; !errors.Is(r.Error, errNoVote) {
		t.Errorf("told to take over it says %v, want %v", r.Error, errNoVote)
	}
	term := d.node.Term()
	c.wires.isolate(d.addr(), true)
	until(t, "it hears nobody", func() bool { return d.node.Status().Leader == "" })
	time.Sleep(3 * brisk.Heartbeat)
	if s := d.node.Status(); s.Role != "follower" || s.Term != term {
		t.Errorf("alone it is %s in term %d, want follower in %d", s.Role, s.Term, term)
	}
	c.wires.isolate(d.addr(), false)
	// A quorum of three needs no fourth, and gets no help of it.
	c.followers()[0].kill()
	if c.up()[0] == d || len(c.up()) != 3 {
		t.Fatal("the wrong one is down")
	}
	c.must(c.net.risk(t, "XA", 2))
}

// TestLeaderLosesItsVote: it hands over, and the next one takes its vote.
func TestLeaderLosesItsVote(t *testing.T) {
	t.Parallel()
	c, r := newRosterCluster(t, 4, "XA", "XB", "XC", "XD")
	c.watched()
	for _, m := range c.members {
		m.start()
	}
	c.must(c.net.risk(t, "XA", 0))
	left := []string{"XA", "XB", "XC", "XD"}
	for step := range 2 {
		l := c.leader()
		var rest []string
		for _, id := range left {
			if id != l.id {
				rest = append(rest, id)
			}
		}
		stop := c.load("X" + string(rune('A'+step)))
		term := l.node.Term()
		if step == 0 {
			c.decide(r, rest, []string{l.id})
			c.becomes(strings.Join(rest, " ") + " (" + l.id + ")")
			left = rest
		} else {
			c.decide(r, rest, nil)
			c.becomes(strings.Join(rest, " ") + " ()")
		}
		if now := c.leader(); now == l || now.node.Term() != term+1 {
			t.Errorf("%s leads in term %d after %s in %d: it was not handed over", now.id, now.node.Term(), l.id, term)
		}
		said := stop()
		if step == 0 {
			c.agree(said)
		}
	}
}

// TestSlowOneDoesNotVote: a vote is given to whoever has caught up, and is told of.
func TestSlowOneDoesNotVote(t *testing.T) {
	t.Parallel()
	c, r := newRosterCluster(t, 3, "XA", "XB", "XC", "XD")
	for _, m := range c.members[:3] {
		m.start()
	}
	c.must(c.net.risk(t, "XA", 0))
	d := c.member("XD").join()
	c.wires.mu.Lock()
	c.wires.drop = func(_, to raft.ServerAddress, command any) bool { // its heartbeats get through
		a, ok := command.(*raft.AppendEntriesRequest)
		return ok && to == d.addr() && len(a.Entries) > 0
	}
	c.wires.mu.Unlock()
	c.decide(r, []string{"XA", "XB", "XC", "XD"}, nil)
	c.becomes("XA XB XC (XD)")
	for i := range 5 {
		c.must(c.net.risk(t, "XB", i))
	}
	until(t, "it is told what it waits for", func() bool {
		s := c.leader().node.Status()
		return len(s.Lagging) == 1 && strings.Contains(s.Lagging[0], "XD is to vote once it has caught up")
	})
	s := c.leader().node.Status()
	if m := s.Members[3]; m.Voter || m.Behind == 0 {
		t.Errorf("it is %+v", m)
	}
	if err := c.leader().node.Transfer(context.Background(), "XD"); !errors.Is(err, ErrTransfer) || !strings.Contains(err.Error(), "no vote") {
		t.Errorf("leadership for one without a vote: %v", err)
	}
	c.wires.mu.Lock()
	c.wires.drop = nil
	c.wires.mu.Unlock()
	c.becomes("XA XB XC XD ()")
	c.agree(nil)
}

// TestNewAddress: a node comes back with another key, be it the leader's.
func TestNewAddress(t *testing.T) {
	t.Parallel()
	c, r := newRosterCluster(t, 3, "XA", "XB", "XC")
	for _, m := range c.members {
		m.start()
	}
	said := map[uint64]ledger.Candidate{}
	for i := range 3 {
		cand := c.net.risk(t, "XA", i)
		said[c.must(cand)[0]] = cand
		m := c.leader()
		m.stop()
		m.moved = "-moved"
		c.decide(r, []string{"XA", "XB", "XC"}, nil)
		m.start()
		until(t, "all know where it is", func() bool {
			for _, o := range c.up() {
				s := o.node.Status()
				for _, at := range s.Members {
					if at.ID == m.id && at.Address != string(m.addr()) {
						return false
					}
				}
			}
			return true
		})
		c.agree(said)
	}
}

// TestChangesInPartitions: the leader is cut off with a change that reached nobody,
// or one other, and is stopped there, as often as not.
func TestChangesInPartitions(t *testing.T) {
	t.Parallel()
	c, r := newRosterCluster(t, 4, "XA", "XB", "XC", "XD", "XE")
	c.watched()
	for _, m := range c.members[:4] {
		m.start()
	}
	c.must(c.net.risk(t, "XB", 0))
	c.decide(r, []string{"XA", "XB", "XC", "XD"}, []string{"XE"})
	c.member("XE").join()
	c.becomes("XA XB XC XD (XE)")
	stop := c.load("XA")
	votes := false
	for round := range 6 {
		l := c.leader()
		one := c.followers()[round%3]
		var seen atomic.Bool
		c.wires.mu.Lock()
		c.wires.drop = func(from, to raft.ServerAddress, command any) bool {
			a, ok := command.(*raft.AppendEntriesRequest)
			if !ok || from != l.addr() {
				return false
			}
			for _, e := range a.Entries {
				if e.Type == raft.LogConfiguration {
					seen.Store(true)
				}
			}
			return seen.Load() && (to != one.addr() || round%2 == 0)
		}
		c.wires.mu.Unlock()
		if votes = !votes; votes {
			c.decide(r, []string{"XA", "XB", "XC", "XD", "XE"}, nil)
		} else {
			c.decide(r, []string{"XA", "XB", "XC", "XD"}, []string{"XE"})
		}
		until(t, "a change is on its way", seen.Load)
		if round >= 2 {
			l.kill()
		}
		c.leader(l)
		if round >= 2 {
			l.start()
		}
		c.wires.mu.Lock()
		c.wires.drop = nil
		c.wires.mu.Unlock()
		if votes {
			c.becomes("XA XB XC XD XE ()")
		} else {
			c.becomes("XA XB XC XD (XE)")
		}
	}
	c.agree(stop())
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	c, _ := newRosterCluster(t, 4, "XA", "XB", "XC", "XD")
	for _, m := range c.members {
		m.start()
	}
	c.must(c.net.risk(t, "XA", 0))
	c.agree(nil)
	l := c.leader()
	rest := c.followers()
	ctx := context.Background()
	for to, want := range map[string]string{l.id: "leads already", "XQ": "none of the 4 servers"} {
		if err := l.node.Transfer(ctx, to); !errors.Is(err, ErrTransfer) || !strings.Contains(err.Error(), want) {
			t.Errorf("to %s: %v, want ErrTransfer: %s", to, err, want)
		}
	}
	if err := rest[0].node.Transfer(ctx, ""); !errors.Is(err, ErrNotLeader) {
		t.Errorf("by a follower: %v, want ErrNotLeader", err)
	}
	to := rest[1]
	if err := l.node.Transfer(ctx, to.id); err != nil {
		t.Fatal(err)
	}
	if now := c.leader(); now != to {
		t.Errorf("%s leads, want %s", now.id, to.id)
	}
	gone := rest[2]
	gone.kill()
	until(t, "it is missed", func() bool {
		err := to.node.Transfer(ctx, gone.id)
		return errors.Is(err, ErrTransfer) && strings.Contains(err.Error(), "has not answered")
	})
	if err := to.node.Transfer(ctx, ""); err != nil {
		t.Fatal(err)
	}
	until(t, "another leads", func() bool { return c.leader() != to })
	c.must(c.net.risk(t, "XA", 1))
	// One that hears, and lacks what it would need.
	l, lagging := c.leader(), c.followers()[0]
	for range 2 {
		if lagging == gone {
			lagging = c.followers()[1]
		}
	}
	c.wires.mu.Lock()
	c.wires.drop = func(_, to raft.ServerAddress, command any) bool {
		a, ok := command.(*raft.AppendEntriesRequest)
		return ok && to == lagging.addr() && len(a.Entries) > 0
	}
	c.wires.mu.Unlock()
	gone.start()
	for i := range brisk.MaxAppend + 1 {
		c.must(c.net.risk(t, "XB", i))
	}
	if err := l.node.Transfer(ctx, lagging.id); !errors.Is(err, ErrTransfer) || !strings.Contains(err.Error(), "entries behind, at most 64") {
		t.Errorf("to one that is behind: %v", err)
	}
	c.wires.mu.Lock()
	c.wires.drop = nil
	c.wires.mu.Unlock()
	c.agree(nil)
}

func TestRotation(t *testing.T) {
	t.Parallel()
	c, r := newRosterCluster(t, 3, "XA", "XB", "XC")
	for _, m := range c.members {
		tune := m.tune
		m.tune = func(conf *Config) {
			tune(conf)
			conf.RotateLeader = brisk.Election
		}
		m.start()
	}
	_ = r
	stop := c.load("XA")
	led := map[string]bool{}
	until(t, "each has led", func() bool {
		if l := c.leading(); l != nil {
			led[l.id] = true
		}
		return len(led) == 3
	})
	c.agree(stop())
}

// TestStaleGuess is the accident that C22 is about. XA was away while the network
// became another one; of its old peers, two are cut off from the new ones too. It
// catches up to the newest entry, and its ledger's word on the members is the old
// one. By that it would have a majority: itself and any of the two.
func TestStaleGuess(t *testing.T) {
	t.Parallel()
	for name, wiped := range map[string]bool{"with its votes": false, "without": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			staleGuess(t, wiped)
		})
	}
}

func staleGuess(t *testing.T, wiped bool) {
	c, r := newRosterCluster(t, 3, "XA", "XB", "XC", "XD", "XE", "XF", "XG")
	c.watched()
	for _, m := range c.members[:3] {
		m.start()
	}
	c.must(c.net.risk(t, "XB", 0))
	c.agree(nil)
	a, olds, news := c.member("XA"), c.members[1:3], c.members[3:]
	r.mu.Lock()
	for _, m := range c.members[:3] {
		r.seen[m.id] = r.now
	}
	r.mu.Unlock()
	a.kill()
	r.mu.Lock()
	delete(r.seen, "XB") // they go on for now
	delete(r.seen, "XC")
	r.mu.Unlock()
	c.decide(r, []string{"XA", "XB", "XC", "XD", "XE", "XF", "XG"}, nil)
	for _, m := range news {
		m.fresh = true // one of the old ones is down
		m.join()
	}
	c.becomes("XA XB XC XD XE XF XG ()")
	until(t, "one of the new ones leads", func() bool {
		l := c.leader()
		if l.id >= "XD" {
			return true
		}
		if err := l.node.Transfer(context.Background(), "XD"); err != nil && !errors.Is(err, ErrTransfer) && !errors.Is(err, ErrNotLeader) {
			t.Fatal(err)
		}
		return false
	})
	for _, old := range olds {
		for _, m := range news {
			c.wires.oneWay(old.addr(), m.addr(), true)
			c.wires.oneWay(m.addr(), old.addr(), true)
		}
	}
	r.mu.Lock()
	founders := Membership{}
	for _, m := range c.members[:3] {
		founders.Voters = append(founders.Voters, Server{ID: m.id, Address: string(m.addr())})
	}
	r.seen["XA"], r.seen["XB"], r.seen["XC"] = founders, founders, founders
	r.mu.Unlock()
	c.decide(r, []string{"XA", "XD", "XE", "XF", "XG"}, nil)
	c.becomes("XA XD XE XF XG ()")
	said := map[uint64]ledger.Candidate{}
	for i := range 3 {
		cand := c.net.risk(t, "XD", i)
		said[c.must(cand)[0]] = cand
	}
	for _, m := range news {
		c.wires.oneWay(a.addr(), m.addr(), true)
		c.wires.oneWay(m.addr(), a.addr(), true)
	}
	until(t, "the old ones know no leader", func() bool {
		return olds[0].node.Status().Leader == "" && olds[1].node.Status().Leader == ""
	})
	var stood atomic.Bool
	c.wires.mu.Lock()
	c.wires.drop = func(from, _ raft.ServerAddress, command any) bool {
		switch command.(type) {
		case *raft.RequestPreVoteRequest, *raft.RequestVoteRequest:
			if from == a.addr() {
				stood.Store(true)
			}
		}
		return false
	}
	c.wires.mu.Unlock()
	if wiped {
		a.wipe(false)
	} else {
		a.disk = vfs.NewMem()
	}
	a.adopt(c.leader().applied(), wiped)
	a.start()
	if s := a.node.Status(); s.Config != 0 || len(s.Members) != 3 {
		t.Fatalf("it does not guess: %+v", s)
	}
	for end := time.Now().Add(6 * brisk.Heartbeat); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if stood.Load() || a.node.raft.State() != raft.Follower {
			t.Fatalf("it stands for election by a guess: %+v", a.node.Status())
		}
	}
	// The danger is real: they would have let it.
	var head raft.Log
	if err := c.leader().node.logs.GetLog(c.leader().applied(), &head); err != nil {
		t.Fatal(err)
	}
	for _, old := range olds {
		answer := make(chan raft.RPCResponse, 1)
		old.node.tap.Transport.(*wire).in <- raft.RPC{RespChan: answer, Command: &raft.RequestPreVoteRequest{
			RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(a.id), Addr: []byte(a.addr())},
			Term:      max(old.node.Term(), head.Term) + 1, LastLogIndex: head.Index, LastLogTerm: head.Term,
		}}
		if r := <-answer; r.Error != nil || !r.Response.(*raft.RequestPreVoteResponse).Granted {
			t.Errorf("%s would not have: %+v", old.id, r)
		}
	}
	if err := a.node.tap.RequestVote("XB", olds[0].addr(), &raft.RequestVoteRequest{}, &raft.RequestVoteResponse{}); err == nil {
		t.Error("a vote request of its gets out")
	}
	// The leader can be heard again, and says who takes part.
	for _, m := range news {
		c.wires.oneWay(a.addr(), m.addr(), false)
		c.wires.oneWay(m.addr(), a.addr(), false)
	}
	until(t, "it knows who takes part", func() bool {
		s := a.node.Status()
		return s.Config > 0 && len(s.Members) == 5 && s.Abstaining == "" && s.CaughtUp
	})
	for _, old := range olds {
		old.stop()
	}
	// And it is one of them.
	r.mu.Lock()
	delete(r.seen, "XA")
	r.mu.Unlock()
	until(t, "it leads", func() bool {
		err := c.leader().node.Transfer(context.Background(), "XA")
		return c.leader() == a || err == nil && c.leader() == a
	})
	cand := c.net.risk(t, "XD", 9)
	said[c.must(cand)[0]] = cand
	c.agree(said)
}

// TestMembershipOutlivesTheLog: what was cut off held the newest membership, and the
// ledger is lost, so that anchors are dropped.
func TestMembershipOutlivesTheLog(t *testing.T) {
	t.Parallel()
	c, r := newRosterCluster(t, 2, "XA", "XB", "XC", "XD")
	for _, m := range c.members {
		tune := m.tune
		m.tune = func(conf *Config) {
			tune(conf)
			conf.AnchorEvery, conf.KeepLogEntries = 10, 5
			conf.Certified = func() (ledger.Position, bool) { return conf.Ledger.Head().Applied, true }
		}
	}
	c.member("XA").start()
	c.member("XB").start()
	c.must(c.net.risk(t, "XA", 0))
	c.decide(r, []string{"XA", "XB", "XC"}, []string{"XD"})
	c.member("XC").join()
	c.member("XD").join()
	c.becomes("XA XB XC (XD)")
	conf := c.leader().node.Status().Config
	said := map[uint64]ledger.Candidate{}
	m := c.followers()[0]
	until(t, "the membership is cut off", func() bool {
		cand := c.net.risk(t, "XA", 1+len(said))
		said[c.must(cand)[0]] = cand
		first, err := m.node.logs.FirstIndex()
		return err == nil && first > conf+1 && len(said)%7 == 0
	})
	c.agree(said)
	m.kill()
	// The ledger is one that ends within the log, and before every anchor.
	m.disk = vfs.NewMem()
	m.openLedger()
	first, last := m.logRange()
	at := m.catchUp((first + last) / 2)
	m.closeLedger()
	if at.Index < first {
		t.Fatalf("the ledger ends with %d, the log begins with %d", at.Index, first)
	}
	m.start()
	want := c.leader().node.roll.newest()
	if got := m.node.roll.newest(); got.Index != want.Index || len(got.Conf.Servers) != 4 {
		t.Errorf("its membership is %+v, want %+v", got, want)
	}
	c.agree(maps.Clone(said))
}

// logRange is what a member that is down has in its log.
func (m *member) logRange() (first, last uint64) {
	m.c.t.Helper()
	bolt, err := openBolt(m.raftDir(), true, nil)
	if err != nil {
		m.c.t.Fatal(err)
	}
	first, err = bolt.FirstIndex()
	if err != nil {
		m.c.t.Fatal(err)
	}
	if last, err = bolt.LastIndex(); err != nil {
		m.c.t.Fatal(err)
	}
	if err := bolt.Close(); err != nil {
		m.c.t.Fatal(err)
	}
	return first, last
}
