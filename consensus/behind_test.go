package consensus

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"concordat/ledger"
)

// shortLogs keeps little of the log, and cuts at once.
func shortLogs(c *cluster) {
	for _, m := range c.members {
		m.tune = func(c *Config) {
			c.noSyncForTest = true
			c.AnchorEvery, c.KeepLogEntries = 20, 10
			c.Certified = func() (ledger.Position, bool) { h := m.ledger.Head().Applied; return h, h.Index > 0 }
		}
	}
}

func (m *member) awaitBehind() {
	m.c.t.Helper()
	select {
	case <-m.node.Behind():
	case <-time.After(patience):
		m.c.t.Fatalf("%s is not told that it is behind", m.id)
	}
}

// TestFollowerBehindTheCut: the leader's log begins after the follower's ends. The
// follower is told, catches up elsewhere, and goes on with the same leader.
func TestFollowerBehindTheCut(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC")
	shortLogs(c)
	for _, m := range c.members {
		m.start()
	}
	said := map[uint64]ledger.Candidate{}
	made := 0
	say := func(n int) {
		for range n {
			cand := c.net.risk(t, "XA", made)
			said[c.must(cand)[0]] = cand
			made++
		}
	}
	say(5)
	c.agree(said)
	leader, m := c.leader(), c.followers()[0]
	term := leader.node.Term()
	m.kill()
	at := uint64(0)
	until(t, "the leader's log is cut above the follower's, and its cache is past it", func() bool {
		say(10)
		first, err := leader.node.bolt.FirstIndex()
		at = first
		return err == nil && first > 5+2*cachedLogs
	})
	m.start()
	m.awaitBehind()
	say(3) // nobody else is held up
	if m.applied() >= at {
		t.Fatalf("it got to %d, the leader's log begins with %d", m.applied(), at)
	}
	m.stop()
	// It may catch up to any place that the leader's log goes on from: below its
	// newest anchor, which Raft would want to begin with, too.
	first, err := leader.node.bolt.FirstIndex()
	if err != nil {
		t.Fatal(err)
	}
	m.adopt(first, false)
	m.start()
	c.agree(said)
	if why := m.node.Status().Abstaining; why != "" {
		t.Errorf("it kept its votes, and abstains: %s", why)
	}
	if leader.node.Term() != term || c.leader() != leader {
		t.Error("leadership moved because of a follower that was behind")
	}
	// In the other role: with an emptied log as its own, it leads.
	for _, o := range c.members {
		if o != m && o != leader {
			o.kill()
			defer o.start()
		}
	}
	until(t, "it leads", func() bool {
		if c.leading() != m {
			_ = leader.node.await(leader.node.raft.LeadershipTransfer())
		}
		return c.leading() == m
	})
	say(2)
	c.agree(said)
}

// TestFollowerAheadOfTheAnchor: it comes back above the newest anchor of a leader
// that thinks it far below.
func TestFollowerAheadOfTheAnchor(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC")
	shortLogs(c)
	for _, m := range c.members {
		m.start()
	}
	said := map[uint64]ledger.Candidate{}
	made := 0
	say := func() {
		cand := c.net.risk(t, "XA", made)
		said[c.must(cand)[0]] = cand
		made++
	}
	say()
	c.agree(said)
	leader, m := c.leader(), c.followers()[0]
	m.kill()
	until(t, "the leader's log is cut, and its cache is past the follower", func() bool {
		say()
		first, err := leader.node.bolt.FirstIndex()
		return err == nil && first > 5+2*cachedLogs
	})
	m.start()
	m.awaitBehind() // the leader has learnt how short its log is
	m.stop()
	for range 3 {
		say()
	}
	m.adopt(leader.applied(), false)
	m.start()
	say()
	c.agree(said)
}

func TestBehindIsNotToldTooOften(t *testing.T) {
	t.Parallel()
	b := behind{told: make(chan struct{}, 1)}
	now := time.Now()
	heard := 0
	for i := range 1000 {
		b.note(now.Add(time.Duration(i) * behindEvery / 100)) // ten times as long as the pause
		select {
		case <-b.told:
			heard++
		default:
		}
	}
	if heard != 10 {
		t.Errorf("of 1000 claims in %v, %d got through, want 10", 10*behindEvery, heard)
	}
}

// TestMessagesBelowTheBase: what lies below the log's begin is committed, and is
// neither looked for nor written again.
func TestMessagesBelowTheBase(t *testing.T) {
	w := newWires()
	tap := newTap(w.attach("a"), "XA", func() uint64 { return 6 })
	go tap.listen()
	defer tap.Close()
	tap.rebase(ledger.Position{Index: 50, Term: 5})
	entries := func(from, to, term uint64) (out []*raft.Log) {
		for i := from; i <= to; i++ {
			out = append(out, &raft.Log{Index: i, Term: term})
		}
		return out
	}
	for _, c := range []struct {
		name             string
		prev, term       uint64
		entries          []*raft.Log
		wantPrev, commit uint64
		want             int // entries
		refused          bool
	}{
		{"above", 51, 5, entries(52, 53, 6), 51, 53, 2, false},
		{"right after", 50, 5, entries(51, 52, 6), 0, 52, 2, false},
		{"a question at the base", 50, 5, nil, 0, 50, 0, false},
		{"across", 48, 5, entries(49, 52, 5), 0, 52, 2, false},
		{"below", 10, 2, entries(11, 20, 3), 0, 20, 0, false},
		{"from the first on", 0, 0, entries(1, 51, 5), 0, 51, 1, false},
		{"another entry at the base", 50, 4, entries(51, 52, 6), 0, 0, 0, true},
		{"another entry across the base", 49, 4, entries(50, 52, 4), 0, 0, 0, true},
	} {
		rpc, r := deliver(t, tap, &raft.AppendEntriesRequest{Term: 6, PrevLogEntry: c.prev, PrevLogTerm: c.term, Entries: c.entries, LeaderCommitIndex: 99})
		if c.refused {
			if r.Error == nil {
				t.Errorf("%s: it got through: %+v", c.name, rpc.Command)
			}
			continue
		}
		got, ok := rpc.Command.(*raft.AppendEntriesRequest)
		if !ok {
			t.Errorf("%s: %v", c.name, r.Error)
			continue
		}
		if got.PrevLogEntry != c.wantPrev || len(got.Entries) != c.want || got.LeaderCommitIndex != c.commit {
			t.Errorf("%s: raft gets %d entries after %d and commit %d, want %d after %d and %d",
				c.name, len(got.Entries), got.PrevLogEntry, got.LeaderCommitIndex, c.want, c.wantPrev, c.commit)
		}
	}
}

// TestAbstainingTap: no vote, no candidacy; and, at first, no acknowledgement.
func TestAbstainingTap(t *testing.T) {
	w := newWires()
	tap := newTap(w.attach("a"), "XA", func() uint64 { return 6 })
	go tap.listen()
	defer tap.Close()
	tap.SetHeartbeatHandler(func(rpc raft.RPC) { rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil) })
	other := w.attach("b")
	defer other.Close()
	beat := func() error {
		var r raft.AppendEntriesResponse
		return other.AppendEntries("XA", "a", &raft.AppendEntriesRequest{Term: 6}, &r)
	}
	for _, phase := range []string{rejoinUnheard, rejoinSilent} {
		tap.gate.set(phase)
		_, r := deliver(t, tap, &raft.RequestVoteRequest{Term: 9})
		if v, ok := r.Response.(*raft.RequestVoteResponse); !ok || v.Granted || v.Term != 6 || string(v.ID) != "XA" {
			t.Errorf("%s: a vote: %+v %v", phase, r.Response, r.Error)
		}
		_, r = deliver(t, tap, &raft.RequestPreVoteRequest{Term: 9})
		if v, ok := r.Response.(*raft.RequestPreVoteResponse); !ok || v.Granted || v.Term != 6 {
			t.Errorf("%s: a pre-vote: %+v %v", phase, r.Response, r.Error)
		}
		if _, r = deliver(t, tap, &raft.TimeoutNowRequest{}); !errors.Is(r.Error, errAbstains) {
			t.Errorf("%s: leadership: %v", phase, r.Error)
		}
		if err := errors.Join(tap.RequestVote("XB", "b", nil, nil), tap.RequestPreVote("XB", "b", nil, nil)); err == nil || strings.Count(err.Error(), errAbstains.Error()) != 2 {
			t.Errorf("%s: standing for election: %v", phase, err)
		}
		rpc, r := deliver(t, tap, &raft.AppendEntriesRequest{Term: 6, PrevLogEntry: 3, PrevLogTerm: 1})
		if shut := phase == rejoinUnheard; shut != errors.Is(r.Error, errAbstains) || shut == (rpc.Command != nil) {
			t.Errorf("%s: entries: %v %v", phase, rpc.Command, r.Error)
		}
		if shut := phase == rejoinUnheard; shut != (beat() != nil) {
			t.Errorf("%s: a heartbeat: %v", phase, beat())
		}
	}
	tap.gate.set(rejoinDone)
	if rpc, _ := deliver(t, tap, &raft.RequestVoteRequest{Term: 9}); rpc.Command == nil {
		t.Error("it votes again, and raft does not hear of it")
	}
}
