package consensus

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"concordat/ledger"
)

func TestReadIndexSeesWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	for i := range 10 {
		index := c.must(c.net.risk(t, "XA", i))[0]
		leader := c.leader()
		point, err := leader.node.ReadIndex(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range c.members {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			if err := m.node.WaitApplied(ctx, point); err != nil {
				t.Fatalf("%s: %v", m.id, err)
			}
			cancel()
			if size := m.ledger.Head().Size; size <= index {
				t.Errorf("%s has %d statements at the read point, statement %d was acknowledged before", m.id, size, index)
			}
		}
	}
	follower := c.followers()[0]
	var who *NotLeader
	if _, err := follower.node.ReadIndex(context.Background()); !errors.As(err, &who) || who.Leader != c.leader().id {
		t.Errorf("a follower's read point: %v, want the leader's name", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := follower.node.WaitApplied(ctx, 1<<40); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for what does not come: %v", err)
	}
}

func TestReadsShareRounds(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	leader := c.leader()
	var mu sync.Mutex
	asked := 0
	c.wires.mu.Lock()
	c.wires.watch = func(from, _ raft.ServerAddress, command any) {
		if a, ok := command.(*raft.AppendEntriesRequest); ok && from == leader.addr() && a.PrevLogEntry == 0 && len(a.Entries) == 0 {
			mu.Lock()
			asked++
			mu.Unlock()
		}
	}
	c.wires.mu.Unlock()
	var wg sync.WaitGroup
	const readers = 500
	for range readers {
		wg.Go(func() {
			if _, err := leader.node.ReadIndex(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	if asked > readers {
		t.Errorf("%d reads took %d heartbeats", readers, asked)
	}
}

// TestDeposedLeaderGivesNoReadPoint: an answer that was on its way when the
// question was asked does not count.
func TestDeposedLeaderGivesNoReadPoint(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	c.must(c.net.risk(t, "XA", 0))
	old := c.leader()
	c.wires.isolate(old.addr(), true)
	c.leader(old)
	index := c.must(c.net.risk(t, "XA", 1))[0]
	if point, err := old.node.ReadIndex(context.Background()); err == nil {
		t.Errorf("a deposed leader gave read point %d after statement %d was acknowledged elsewhere", point, index)
	}
}

func TestFollowerThatLagsIsNotFresh(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	c.must(c.net.risk(t, "XA", 0))
	leader := c.leader()
	lagging := c.followers()[0]
	until(t, "it is caught up", func() bool { return lagging.node.Status().CaughtUp })
	// Entries do not reach it any more; nothing else does.
	c.wires.oneWay(leader.addr(), lagging.addr(), true)
	cut := time.Now()
	c.must(c.net.risk(t, "XA", 1))
	until(t, "it knows that it is cut off", func() bool { return !lagging.node.Status().Quorum })
	if s := lagging.node.Status(); s.Contact.After(cut.Add(brisk.Heartbeat)) {
		t.Errorf("its contact is %v after the cut", s.Contact.Sub(cut))
	}
	c.wires.oneWay(leader.addr(), lagging.addr(), false)
	until(t, "it is fresh again", func() bool { s := lagging.node.Status(); return s.Quorum && s.Contact.After(cut.Add(brisk.Heartbeat)) })
	c.agree(nil)
	s := c.leader().node.Status()
	if s.Role != "leader" || len(s.Peers) != 2 || !s.CaughtUp || s.Applied != s.Commit {
		t.Errorf("the leader's status is %+v", s)
	}
	until(t, "the leader knows how far the others are", func() bool {
		s := c.leader().node.Status()
		return len(s.Peers) == 2 && s.Peers[0].Match >= s.Commit && s.Peers[1].Match >= s.Commit
	})
}

// TestWordOfTheLeader: what a transport cut down does not make a node fresh.
func TestWordOfTheLeader(t *testing.T) {
	tap := newTap(newWires().attach("a"), "XA", func() uint64 { return 3 })
	defer tap.Close()
	entries := []*raft.Log{{Index: 11}, {Index: 12}}
	for _, c := range []struct {
		what string
		req  raft.AppendEntriesRequest
		want bool
	}{
		{"a heartbeat", raft.AppendEntriesRequest{Term: 3}, false},
		{"as much as the message vouches for", raft.AppendEntriesRequest{Term: 3, PrevLogEntry: 10, Entries: entries, LeaderCommitIndex: 12}, false},
		{"an older term's", raft.AppendEntriesRequest{Term: 2, PrevLogEntry: 12, LeaderCommitIndex: 12}, false},
		{"less than the message vouches for", raft.AppendEntriesRequest{Term: 3, PrevLogEntry: 10, Entries: entries, LeaderCommitIndex: 11}, true},
	} {
		tap.note(&c.req)
		if _, ok := tap.fulfilled(1 << 40); ok != c.want {
			t.Errorf("%s: taken for all that is committed: %v, want %v", c.what, ok, c.want)
		}
	}
	tap.note(&raft.AppendEntriesRequest{Term: 3, PrevLogEntry: 12, LeaderCommitIndex: 12})
	if _, ok := tap.fulfilled(11); ok {
		t.Error("fulfilled before it is applied")
	}
	tap.note(&raft.AppendEntriesRequest{Term: 3, PrevLogEntry: 13, LeaderCommitIndex: 13})
	if _, ok := tap.fulfilled(12); !ok {
		t.Error("a newer word hides that an older one is fulfilled")
	}
}

// TestFrontierHoldsWhatIsNotCommittedYet: a follower that lost its memory may have
// stored an entry which the leader will commit on the strength of that (C18).
func TestFrontierHoldsWhatIsNotCommittedYet(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	c.must(c.net.risk(t, "XA", 0))
	c.agree(nil)
	leader := c.leader()
	c.wires.mu.Lock()
	c.wires.drop = func(_, _ raft.ServerAddress, command any) bool {
		a, ok := command.(*raft.AppendEntriesRequest)
		return ok && len(a.Entries) > 0
	}
	c.wires.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		_, err := leader.node.Submit(context.Background(), []ledger.Candidate{c.net.risk(t, "XA", 1)})
		done <- err
	}()
	read, err := leader.node.ReadIndex(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the frontier is beyond what may be read", func() bool {
		frontier, err := leader.node.Frontier(context.Background(), 0)
		return err == nil && frontier > read && frontier == leader.node.raft.LastIndex()
	})
	c.wires.mu.Lock()
	c.wires.drop = nil
	c.wires.mu.Unlock()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := c.followers()[0].node.Frontier(context.Background(), 0); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a follower's frontier: %v, want ErrNotLeader", err)
	}
}
