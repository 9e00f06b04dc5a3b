package consensus

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// deliver sends a request to a tap's transport and gives what comes out of the tap.
func deliver(t *testing.T, tap *tap, command any) (raft.RPC, raft.RPCResponse) {
	t.Helper()
	answer := make(chan raft.RPCResponse, 1)
	tap.Transport.(*wire).in <- raft.RPC{Command: command, RespChan: answer}
	select {
	case rpc := <-tap.Consumer():
		return rpc, raft.RPCResponse{}
	case r := <-answer:
		return raft.RPC{}, r
	case <-time.After(patience):
		t.Fatal("nothing came out")
	}
	panic("unreachable")
}

// TestMessageCommitsOnlyWhatItNames: a leader of a new term may say "commit 54"
// beside "after entry 52 I have nothing for you"; a follower with an entry 53
// of its own, from a term that nobody else saw, must not apply that (C13).
func TestMessageCommitsOnlyWhatItNames(t *testing.T) {
	w := newWires()
	tap := newTap(w.attach("a"), "XA", func() uint64 { return 6 })
	go tap.listen()
	defer tap.Close()
	for _, c := range []struct {
		entries, commit, want uint64
	}{{0, 54, 52}, {1, 54, 53}, {4, 54, 54}, {0, 40, 40}} {
		sent := &raft.AppendEntriesRequest{Term: 6, PrevLogEntry: 52, LeaderCommitIndex: c.commit, Entries: make([]*raft.Log, c.entries)}
		rpc, _ := deliver(t, tap, sent)
		if got := rpc.Command.(*raft.AppendEntriesRequest).LeaderCommitIndex; got != c.want {
			t.Errorf("after entry 52, with %d entries and commit %d: raft is told %d, want %d", c.entries, c.commit, got, c.want)
		}
		if sent.LeaderCommitIndex != c.commit {
			t.Error("the sender's request was changed")
		}
	}
}

func TestSnapshotsAndPipelinesAreDeclined(t *testing.T) {
	w := newWires()
	tap := newTap(w.attach("a"), "XA", func() uint64 { return 6 })
	go tap.listen()
	if _, r := deliver(t, tap, &raft.InstallSnapshotRequest{Term: 6}); !errors.Is(r.Error, ErrSnapshot) {
		t.Errorf("a snapshot from a peer: %v, want ErrSnapshot", r.Error)
	}
	if err := tap.InstallSnapshot("XB", "b", &raft.InstallSnapshotRequest{Term: 6}, &raft.InstallSnapshotResponse{}, nil); !errors.Is(err, ErrSnapshot) {
		t.Errorf("sending a snapshot: %v, want ErrSnapshot", err)
	}
	if _, err := tap.AppendEntriesPipeline("XB", "b"); !errors.Is(err, raft.ErrPipelineReplicationNotSupported) {
		t.Errorf("a pipeline: %v", err)
	}
	if err := tap.Close(); err != nil {
		t.Error(err)
	}
	if err := tap.RequestVote("XB", "b", nil, nil); !errors.Is(err, raft.ErrTransportShutdown) {
		t.Errorf("after the close: %v", err)
	}
}

// TestFollowersHearOfACommitAtOnce: not only when Raft's timer is over.
func TestFollowersHearOfACommitAtOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC")
	for _, m := range c.members {
		m.tune = func(c *Config) { c.Profile.Commit = c.Profile.Heartbeat }
		m.start()
	}
	c.must(c.net.risk(t, "XA", 0))
	c.agree(nil)
	const rounds = 10
	began := time.Now()
	for i := range rounds {
		index := c.must(c.net.risk(t, "XA", 1+i))[0]
		for _, m := range c.members {
			until(t, "all have it", func() bool { return m.ledger.Head().Size > index })
		}
	}
	if took := time.Since(began); took > rounds*brisk.Heartbeat {
		t.Errorf("%d statements took %v to be seen by all; raft's timer alone tells within %v to %v each", rounds, took, brisk.Heartbeat, 2*brisk.Heartbeat)
	}
}

func TestRaftsNoiseIsQuiet(t *testing.T) {
	for msg, want := range map[string]string{
		"failed to heartbeat to":         "DEBUG",
		"failed to contact":              "DEBUG",
		"failed to save current term: x": "ERROR",
	} {
		if got := level(hclog.Error, msg).String(); got != want {
			t.Errorf("%q is told at %s, want %s", msg, got, want)
		}
	}
	if got := level(hclog.Warn, "something new").String(); got != "WARN" {
		t.Errorf("a warning that we do not know is told at %s", got)
	}
}
