package consensus

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// tap is the node's transport with an ear on it. Raft does not tell when a
// majority was last heard, how far a follower has got or what the leader has
// committed, and each of these is something that we promise to say. It also
// declines what Raft is not to do: pipelining, and snapshots.
type tap struct {
	raft.Transport
	prevote raft.WithPreVote
	term    func() uint64 // Raft's current term; 0 until Raft runs
	in      chan raft.RPC

	once sync.Once
	done chan struct{} // closed by Close

	mu     sync.Mutex
	peers  map[raft.ServerID]*peer
	leader word // the newest word of the leader's that is not yet known to be fulfilled
}

// peer is what we know of a follower while we lead.
type peer struct {
	term  uint64    // in which the rest was learnt
	heard time.Time // when the last request was sent that it answered in our favour
	match uint64    // its log is ours up to here
}

// word is what a leader said is committed, and when we heard it.
type word struct {
	commit uint64
	at     time.Time
}

var _ interface {
	raft.Transport
	raft.WithPreVote
	raft.WithClose
} = (*tap)(nil)

func newTap(t raft.Transport, term func() uint64) *tap {
	n := &tap{Transport: t, prevote: t.(raft.WithPreVote), term: term, in: make(chan raft.RPC), done: make(chan struct{}), peers: map[raft.ServerID]*peer{}}
	go n.listen(t.Consumer())
	return n
}

// listen hands requests on to Raft. It ends with Close.
func (t *tap) listen(from <-chan raft.RPC) {
	for {
		var rpc raft.RPC
		select {
		case rpc = <-from:
		case <-t.done:
			return
		}
		switch c := rpc.Command.(type) {
		case *raft.InstallSnapshotRequest:
			rpc.Respond(nil, ErrSnapshot)
			continue
		case *raft.AppendEntriesRequest:
			t.note(c)
		}
		select {
		case t.in <- rpc:
		case <-t.done:
			rpc.Respond(nil, raft.ErrTransportShutdown)
			return
		}
	}
}

// note keeps what the leader says is committed. A transport may cut that down
// to what the message itself vouches for (as the Raft paper has it), so that a
// follower far behind would think itself up to date: only a message that says
// less than it could, or that has nothing to add to our log, says all.
func (t *tap) note(c *raft.AppendEntriesRequest) {
	whole := len(c.Entries) == 0 || c.LeaderCommitIndex < c.PrevLogEntry+uint64(len(c.Entries))
	if c.LeaderCommitIndex == 0 || !whole || c.Term < t.term() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.leader.at.IsZero() {
		t.leader = word{c.LeaderCommitIndex, time.Now()}
	}
}

// fulfilled reports when the leader's last word was heard, if commit, which is
// all applied, has reached it, and makes room for the next.
func (t *tap) fulfilled(commit uint64) (at time.Time, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.leader.at.IsZero() || commit < t.leader.commit {
		return time.Time{}, false
	}
	at, t.leader = t.leader.at, word{}
	return at, true
}

// told is the highest index that we know to be committed from the leader's word.
func (t *tap) told() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.leader.commit
}

func (t *tap) Consumer() <-chan raft.RPC { return t.in }

// AppendEntriesPipeline declines, whatever the transport can do: with more than
// one AppendEntries in flight, one that fails in the follower's store can leave
// Raft waiting for ever (hashicorp/raft #612).
func (t *tap) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// InstallSnapshot declines: see C8.
func (t *tap) InstallSnapshot(raft.ServerID, raft.ServerAddress, *raft.InstallSnapshotRequest, *raft.InstallSnapshotResponse, io.Reader) error {
	return ErrSnapshot
}

func (t *tap) RequestPreVote(id raft.ServerID, at raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	return t.prevote.RequestPreVote(id, at, args, resp)
}

func (t *tap) AppendEntries(id raft.ServerID, at raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	sent := time.Now()
	if err := t.Transport.AppendEntries(id, at, args, resp); err != nil {
		return err
	}
	if resp.Term > args.Term {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.peers[id]
	if p == nil || p.term < args.Term {
		p = &peer{term: args.Term}
		t.peers[id] = p
	}
	if p.term > args.Term {
		return nil
	}
	if sent.After(p.heard) {
		p.heard = sent
	}
	if resp.Success {
		p.match = max(p.match, args.PrevLogEntry+uint64(len(args.Entries)))
	}
	return nil
}

// SetHeartbeatHandler gives each heartbeat a goroutine of its own: one that
// brings a new term waits for the disk, and may end there (stableStore), and
// neither may take the transport's goroutine with it.
func (t *tap) SetHeartbeatHandler(fn func(raft.RPC)) {
	if fn == nil {
		t.Transport.SetHeartbeatHandler(nil)
		return
	}
	t.Transport.SetHeartbeatHandler(func(rpc raft.RPC) {
		handled := make(chan struct{})
		go func() {
			defer close(handled)
			fn(rpc)
		}()
		select {
		case <-handled:
		case <-t.done:
		}
	})
}

// Close ends the transport. Raft calls it when it has shut down.
func (t *tap) Close() error {
	var err error
	t.once.Do(func() {
		close(t.done)
		if c, ok := t.Transport.(raft.WithClose); ok {
			err = c.Close()
		}
	})
	return err
}

// majorityHeard is when a majority of the voters, this node among them, was
// last known to follow it in term; zero if that has not been so.
func (t *tap) majorityHeard(term uint64, self raft.ServerID, voters []raft.Server, now time.Time) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	var times []time.Time
	for _, s := range voters {
		switch p := t.peers[s.ID]; {
		case s.ID == self:
			times = append(times, now)
		case p == nil || p.term != term:
			times = append(times, time.Time{})
		default:
			times = append(times, p.heard)
		}
	}
	if len(times) == 0 {
		return time.Time{}
	}
	slices.SortFunc(times, func(a, b time.Time) int { return b.Compare(a) })
	return times[len(times)/2]
}

// peer is what is known of a follower in term.
func (t *tap) peer(id raft.ServerID, term uint64) peer {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.peers[id]; p != nil && p.term == term {
		return *p
	}
	return peer{}
}

// beat sends one heartbeat, as Raft's own are, and reports whether the peer
// follows this node in term.
func (t *tap) beat(s raft.Server, term uint64, self raft.ServerID) error {
	addr := t.EncodePeer(self, t.LocalAddr())
	req := raft.AppendEntriesRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(self), Addr: addr},
		Term:      term, Leader: addr,
	}
	var resp raft.AppendEntriesResponse
	if err := t.AppendEntries(s.ID, s.Address, &req, &resp); err != nil {
		return err
	}
	if !resp.Success || resp.Term > term {
		return fmt.Errorf("%s is in term %d", s.ID, resp.Term)
	}
	return nil
}
