package p2p

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"github.com/multiformats/go-multiaddr"
)

// testFounded is when the clusters of these tests were founded: just now, so that
// the highest plausible term is low.
var testFounded = time.Now()

// logFSM remembers the commands that it was given.
type logFSM struct {
	mu       sync.Mutex
	commands []string
}

func (f *logFSM) Apply(l *raft.Log) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commands = append(f.commands, string(l.Data))
	return nil
}

func (f *logFSM) Snapshot() (raft.FSMSnapshot, error) { return nil, fmt.Errorf("no snapshots here") }
func (f *logFSM) Restore(io.ReadCloser) error         { return fmt.Errorf("no snapshots here") }

func (f *logFSM) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.commands)
}

// raftNode is one real hashicorp/raft on one host. Its store outlives it.
type raftNode struct {
	authority string
	store     *raft.InmemStore
	listen    []multiaddr.Multiaddr
	members   []Member
	key       string // of its second life; "": the authority's

	host  *Host
	trans *Transport
	raft  *raft.Raft
	fsm   *logFSM
}

func raftConfig(authority string) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(authority)
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = 300*time.Millisecond, 300*time.Millisecond, 150*time.Millisecond
	c.CommitTimeout = 5 * time.Millisecond
	c.Logger = hclog.NewNullLogger()
	return c
}

// start opens the host and Raft; members must be known.
func (n *raftNode) startRaft(t testing.TB) {
	t.Helper()
	var running atomic.Pointer[raft.Raft]
	n.fsm = &logFSM{}
	n.trans = n.host.Transport(RaftConfig{
		Term: func() uint64 {
			if r := running.Load(); r != nil {
				return r.CurrentTerm()
			}
			return 0
		},
		Leader: func() (raft.ServerAddress, raft.ServerID) {
			if r := running.Load(); r != nil {
				return r.LeaderWithID()
			}
			return "", ""
		},
		Entry: func(data []byte) error {
			if string(data) == "malformed" {
				return fmt.Errorf("no block header")
			}
			return nil
		},
		HeartbeatTimeout: raftConfig("").HeartbeatTimeout,
		Founded:          testFounded,
	})
	r, err := raft.NewRaft(raftConfig(n.authority), n.fsm, n.store, n.store, raft.NewDiscardSnapshotStore(), n.trans)
	if err != nil {
		t.Fatal(err)
	}
	running.Store(r)
	n.raft = r
}

func (n *raftNode) stop(t testing.TB) {
	t.Helper()
	if n.raft == nil {
		return
	}
	if err := n.raft.Shutdown().Error(); err != nil {
		t.Errorf("shut down %s: %v", n.authority, err)
	}
	if err := n.host.Close(); err != nil {
		t.Errorf("close %s: %v", n.authority, err)
	}
	n.raft = nil
}

// restart starts the node again on its store, at its address.
func (n *raftNode) restart(t testing.TB) {
	t.Helper()
	cfg := testConfig(cmp.Or(n.key, n.authority))
	cfg.Listen, cfg.Members = n.listen, n.members
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n.host = h
	n.startRaft(t)
}

// newCluster starts a node for each authority; absent are voters that nobody runs,
// or somebody hostile.
func newCluster(t testing.TB, change func(*Config), absent []Member, names ...string) map[string]*raftNode {
	t.Helper()
	hosts := make(map[string]*Host)
	nodes := make(map[string]*raftNode)
	for _, a := range names {
		cfg := testConfig(a)
		if change != nil {
			change(&cfg)
		}
		h, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		hosts[a] = h
		nodes[a] = &raftNode{authority: a, store: raft.NewInmemStore(), listen: h.host.Addrs(), host: h}
	}
	members := introduce(t, hosts, absent...)
	var conf raft.Configuration
	for _, m := range members {
		if m.Voter {
			conf.Servers = append(conf.Servers, raft.Server{ID: raft.ServerID(m.Authority), Address: raft.ServerAddress(m.Peer.String())})
		}
	}
	for _, n := range nodes {
		n.members = members
		_, trans := raft.NewInmemTransport(raft.ServerAddress(n.host.ID().String()))
		if err := raft.BootstrapCluster(raftConfig(n.authority), n.store, n.store, raft.NewDiscardSnapshotStore(), trans, conf); err != nil {
			t.Fatal(err)
		}
		n.startRaft(t)
		t.Cleanup(func() { n.stop(t) })
	}
	return nodes
}

func leaderOf(t testing.TB, nodes map[string]*raftNode) *raftNode {
	t.Helper()
	var leader *raftNode
	eventually(t, "a leader is elected", func() bool {
		for _, n := range nodes {
			if n.raft != nil && n.raft.State() == raft.Leader && n.raft.VerifyLeader().Error() == nil {
				leader = n
				return true
			}
		}
		return false
	})
	return leader
}

// commit applies one command wherever the leader is.
func commit(t testing.TB, nodes map[string]*raftNode, command string) {
	t.Helper()
	eventually(t, "command is committed: "+command, func() bool {
		return leaderOf(t, nodes).raft.Apply([]byte(command), time.Second).Error() == nil
	})
}

func agree(t testing.TB, nodes map[string]*raftNode, want int) {
	t.Helper()
	var first []string
	eventually(t, fmt.Sprintf("all nodes have %d commands", want), func() bool {
		first = nil
		for _, n := range nodes {
			got := n.fsm.all()
			if len(got) < want {
				return false
			}
			if first == nil {
				first = got
			} else if !slices.Equal(first, got) {
				return false
			}
		}
		return true
	})
}

func TestRaftCluster(t *testing.T) {
	nodes := newCluster(t, nil, nil, "XA", "XB", "XC")
	leader := leaderOf(t, nodes)
	start := time.Now()
	futures := make([]raft.ApplyFuture, 1000)
	for i := range futures {
		futures[i] = leader.raft.Apply(fmt.Appendf(nil, "entry %d", i), patience)
	}
	for i, f := range futures {
		if err := f.Error(); err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
	}
	t.Logf("1000 entries in %v", time.Since(start))
	agree(t, nodes, 1000)

	// A follower goes away, misses entries, comes back on its store, and catches up.
	var follower *raftNode
	for _, n := range nodes {
		if n != leader {
			follower = n
		}
	}
	follower.stop(t)
	for i := range 100 {
		if err := leader.raft.Apply(fmt.Appendf(nil, "missed %d", i), patience).Error(); err != nil {
			t.Fatal(err)
		}
	}
	follower.restart(t)
	agree(t, nodes, 1100)

	// Leadership moves when asked: TimeoutNow from the leader is heard.
	target := testMember(t, follower.authority)
	if err := leader.raft.LeadershipTransferToServer(raft.ServerID(target.Authority), raft.ServerAddress(target.Peer.String())).Error(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the follower leads", func() bool { return follower.raft.State() == raft.Leader })

	// Without it, the others elect one of themselves.
	follower.stop(t)
	commit(t, nodes, "after the leader's end")
	follower.restart(t)
	agree(t, nodes, 1101)
	for _, n := range nodes {
		for name, count := range n.host.Refused() {
			if name != "request/unavailable" && name != "connection/not-member" {
				t.Errorf("%s refused an honest peer: %s %d times", n.authority, name, count)
			}
		}
	}
	for _, st := range leader.host.Peers() {
		if !st.Self && st.Connected && st.Authority != follower.authority && st.RoundTrip == 0 {
			t.Errorf("no round trip to %s", st.Authority)
		}
	}
}

// Three nodes over QUIC, with frames so small that batches are split.
func TestRaftClusterQUICSmallFrames(t *testing.T) {
	nodes := newCluster(t, func(c *Config) {
		c.Listen = []multiaddr.Multiaddr{listenQUIC}
		c.PreferQUIC = true
		c.MaxFrame = 64 << 10
	}, nil, "XA", "XB", "XC")
	leader := leaderOf(t, nodes)
	big := make([]byte, 30<<10)
	futures := make([]raft.ApplyFuture, 40)
	for i := range futures {
		futures[i] = leader.raft.Apply(append(big, byte(i)), patience)
	}
	for i, f := range futures {
		if err := f.Error(); err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
	}
	agree(t, nodes, len(futures))
}

// An observer's node gets the order and answers, asks for nothing of Raft's, and
// gets a vote once the members say so.
func TestRaftObserver(t *testing.T) {
	observer := testMember(t, "XD")
	nodes := newCluster(t, nil, nil, "XA", "XB", "XC")
	cfg := testConfig("XD")
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d := &raftNode{authority: "XD", store: raft.NewInmemStore(), listen: h.host.Addrs(), host: h}
	observer.Addrs, observer.Voter = h.host.Addrs(), false
	d.members = append(slices.Clone(nodes["XA"].members), observer)
	tell := func() {
		for _, n := range nodes {
			n.members = d.members
			if err := n.host.SetMembers(d.members); err != nil {
				t.Fatal(err)
			}
		}
	}
	leader := leaderOf(t, nodes)
	nodes["XD"] = d
	tell()
	d.startRaft(t)
	t.Cleanup(func() { d.stop(t) })
	at := raft.ServerAddress(observer.Peer.String())
	if err := leader.raft.AddNonvoter("XD", at, 0, patience).Error(); err != nil {
		t.Fatal(err)
	}
	commit(t, nodes, "for the observer too")
	agree(t, nodes, 1)
	ask := func() error {
		vote := &raft.RequestVoteRequest{RPCHeader: headerOf(observer), Term: d.raft.CurrentTerm(), LastLogIndex: 1, LastLogTerm: 1}
		return d.trans.RequestVote(raft.ServerID(leader.authority), "", vote, &raft.RequestVoteResponse{})
	}
	var refused *RefusedError
	if err := ask(); !errors.As(err, &refused) || refused.Reason != RefusedNotVoter {
		t.Fatalf("an observer's vote request: %v, want a refusal", err)
	}
	d.members[len(d.members)-1].Voter = true
	tell()
	if err := ask(); err != nil {
		t.Fatalf("a validator's vote request: %v", err)
	}
	if err := leaderOf(t, nodes).raft.AddVoter("XD", at, 0, patience).Error(); err != nil {
		t.Fatal(err)
	}
	if err := leaderOf(t, nodes).raft.LeadershipTransferToServer("XD", at).Error(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it leads", func() bool { return d.raft.State() == raft.Leader })
	commit(t, nodes, "by who was an observer")
	agree(t, nodes, 2)
}

// Most validators get new node keys before Raft's membership has any of them: the
// leader reaches them by what the members say, and then tells Raft.
func TestRaftNewKeys(t *testing.T) {
	nodes := newCluster(t, nil, nil, "XA", "XB", "XC")
	commit(t, nodes, "before")
	leader := leaderOf(t, nodes)
	members := slices.Clone(leader.members)
	for _, n := range nodes {
		if n == leader {
			continue
		}
		n.stop(t)
		n.key = "the new key of " + n.authority
		for i, m := range members {
			if m.Authority == n.authority {
				m.Peer = testMember(t, n.key).Peer
				m.Addrs = n.listen
				members[i] = m
			}
		}
	}
	for _, n := range nodes {
		n.members = members
		if n != leader {
			n.restart(t)
		}
	}
	if err := leader.host.SetMembers(members); err != nil {
		t.Fatal(err)
	}
	commit(t, nodes, "after")
	agree(t, nodes, 2)
	for _, m := range members {
		if err := leaderOf(t, nodes).raft.AddVoter(raft.ServerID(m.Authority), raft.ServerAddress(m.Peer.String()), 0, patience).Error(); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, nodes, "with the new keys")
	agree(t, nodes, 3)
}
