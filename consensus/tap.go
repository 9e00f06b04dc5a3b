package consensus

//lint:file-ignore SA1019 Raft sets and reads its deprecated Leader and Candidate beside Addr, so an honest message has them too.

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"concordat/ledger"
)

// tap is the node's transport with an ear on it. Raft does not tell when a
// majority was last heard, how far a follower has got or what the leader has
// committed, and each of these is something that we promise to say. It also
// declines what Raft is not to do: pipelining, snapshots, committing on a
// message's word what the message does not vouch for, and, while this node has no
// memory (C18), voting.
type tap struct {
	raft.Transport
	prevote raft.WithPreVote
	self    raft.ServerID
	term    func() uint64 // Raft's current term; 0 until Raft runs
	in      chan raft.RPC

	// Set before listen runs; zero in tests of the tap alone.
	log       *slog.Logger
	logs      raft.LogStore
	leads     func() bool
	stopping  <-chan struct{} // closed when Raft is told to stop
	heartbeat time.Duration   // between two questions to a follower that is behind
	batch     int             // entries in one message
	fellBack  func()          // the leader says that its log begins after ours ends
	aside     func() bool     // this node neither leads nor stands for election (C20)
	entries   func([]*raft.Log)
	place     func() enrolled // the newest membership in the log

	gate gate
	base atomic.Pointer[ledger.Position] // our log may begin after it; nil: it is whole

	once sync.Once
	done chan struct{} // closed by Close

	mu     sync.Mutex
	peers  map[raft.ServerID]*peer
	leader word         // the newest word of the leader's that is not yet known to be fulfilled
	newest announcement // what followers are to hear of
}

// peer is what we know of a follower while we lead.
type peer struct {
	term  uint64    // in which the rest was learnt
	heard time.Time // when the last request was sent that it answered in our favour
	match uint64    // its log is ours up to here
	told  uint64    // it knows that all is committed up to here

	refused time.Time // since when it does not take our entries (C20); zero: it does

	appending  int           // messages of Raft's own under way, heartbeats aside
	announcing chan struct{} // closed at the end of the announcement under way; nil if there is none
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

func newTap(t raft.Transport, self raft.ServerID, term func() uint64) *tap {
	return &tap{Transport: t, prevote: t.(raft.WithPreVote), self: self, term: term, in: make(chan raft.RPC), done: make(chan struct{}), peers: map[raft.ServerID]*peer{}}
}

// listen hands requests on to Raft. It ends with Close.
func (t *tap) listen() {
	for {
		var rpc raft.RPC
		select {
		case rpc = <-t.Transport.Consumer():
		case <-t.done:
			return
		}
		switch c := rpc.Command.(type) {
		case *raft.InstallSnapshotRequest:
			if t.fellBack != nil {
				t.fellBack()
			}
			rpc.Respond(nil, ErrSnapshot)
			continue
		case *raft.AppendEntriesRequest:
			if t.gate.shut() {
				rpc.Respond(nil, errAbstains)
				continue
			}
			t.note(c)
			if t.entries != nil {
				t.entries(c.Entries)
			}
			above, err := t.aboveBase(clamped(c))
			if err != nil {
				rpc.Respond(nil, err)
				continue
			}
			rpc.Command = above
		case *raft.RequestVoteRequest:
			if !t.gate.votes() {
				rpc.Respond(&raft.RequestVoteResponse{RPCHeader: t.header(), Term: t.term()}, nil)
				continue
			}
		case *raft.RequestPreVoteRequest:
			if !t.gate.votes() {
				rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: t.header(), Term: t.term()}, nil)
				continue
			}
		case *raft.TimeoutNowRequest:
			err := t.mayStand()
			if err == nil && t.place != nil && !t.place().votes(t.self) {
				err = errNoVote // Raft itself does not look
			}
			if err != nil {
				rpc.Respond(nil, err)
				continue
			}
		}
		select {
		case t.in <- rpc:
		case <-t.done:
			rpc.Respond(nil, raft.ErrTransportShutdown)
			return
		}
	}
}

// header is what Raft puts into its own answers.
func (t *tap) header() raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(t.self), Addr: t.EncodePeer(t.self, t.LocalAddr())}
}

// clamped is a rule of the Raft paper that hashicorp/raft v1.7.3 leaves out
// (C13): a message commits nothing beyond the last entry that it vouches for.
// Raft reads its commit index later than the log's end that it sends up to, so
// a follower that comes back with an entry of its own at that place would
// apply what nobody else has.
func clamped(c *raft.AppendEntriesRequest) *raft.AppendEntriesRequest {
	out := *c // the transport may still hold it
	out.LeaderCommitIndex = min(c.LeaderCommitIndex, c.PrevLogEntry+uint64(len(c.Entries)))
	return &out
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

// What others hear of a node that does not stand for election when it is told to.
var (
	errNoVote = errors.New("this node has no vote")
	errGuess  = errors.New("this node has the membership from no leader yet, and does not stand for election")
)

// mayStand is why this node may not be elected: it abstains (C18), only guesses
// at the membership (C22), or stands aside (C20); nil if it may.
func (t *tap) mayStand() error {
	if !t.gate.votes() {
		return errAbstains
	}
	if t.place != nil && t.place().guessed() {
		return errGuess
	}
	if t.stepsAside() {
		return errAside
	}
	return nil
}

func (t *tap) stepsAside() bool { return t.aside != nil && t.aside() }

// RequestPreVote asks for a pre-vote, unless this node may not stand.
func (t *tap) RequestPreVote(id raft.ServerID, at raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	if err := t.mayStand(); err != nil {
		return err
	}
	return t.prevote.RequestPreVote(id, at, args, resp)
}

// RequestVote asks for a vote, unless this node may not stand. Raft gets
// here only by way of pre-votes, or because a leader told it to stand, and
// neither comes through.
func (t *tap) RequestVote(id raft.ServerID, at raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	if err := t.mayStand(); err != nil {
		return err
	}
	return t.Transport.RequestVote(id, at, args, resp)
}

// AppendEntries is what a leader says. One that stands aside says nothing more,
// and so loses its lease: Raft has no other way to step down that needs no heir.
func (t *tap) AppendEntries(id raft.ServerID, at raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if t.stepsAside() {
		return errAside
	}
	heartbeat := args.PrevLogEntry == 0 && len(args.Entries) == 0
	if !heartbeat {
		defer t.beginAppend(id, args.Term)()
	}
	sent := time.Now()
	err := t.Transport.AppendEntries(id, at, args, resp)
	t.noteAnswer(id, args, resp, err)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.learnLocked(id, args, resp, sent) && !heartbeat {
		p := t.peers[id]
		p.appending-- // this one has ended
		t.announceLocked(id, at, p)
		p.appending++
	}
	return nil
}

// beginAppend lets an announcement under way go first, for a moment, and keeps
// new ones back until the function that it returns is called.
func (t *tap) beginAppend(id raft.ServerID, term uint64) (end func()) {
	t.mu.Lock()
	p := t.peerLocked(id, term)
	p.appending++
	announcing := p.announcing
	t.mu.Unlock()
	if announcing != nil {
		timer := time.NewTimer(yield)
		select {
		case <-announcing:
		case <-timer.C:
		case <-t.done:
		}
		timer.Stop()
	}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		p.appending--
	}
}

// peerLocked is what we know of a follower, forgotten at each newer term.
func (t *tap) peerLocked(id raft.ServerID, term uint64) *peer {
	p := t.peers[id]
	if p == nil || p.term < term {
		p = &peer{term: term}
		t.peers[id] = p
	}
	return p
}

// learnLocked takes in what an answer says of a follower, and reports whether it follows.
func (t *tap) learnLocked(id raft.ServerID, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse, sent time.Time) bool {
	p := t.peerLocked(id, args.Term)
	if resp.Term > args.Term || p.term > args.Term {
		return false
	}
	if sent.After(p.heard) {
		p.heard = sent
	}
	if !resp.Success {
		p.match = min(p.match, resp.LastLog) // one that lost its log says so
		p.told = min(p.told, p.match)
		return false
	}
	p.match = max(p.match, args.PrevLogEntry+uint64(len(args.Entries)))
	p.told = max(p.told, min(args.LeaderCommitIndex, p.match))
	return true
}

// forget is for a server that is one no more.
func (t *tap) forget(id raft.ServerID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.peers, id)
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
		if t.gate.shut() {
			rpc.Respond(nil, errAbstains)
			return
		}
		if c, ok := rpc.Command.(*raft.AppendEntriesRequest); ok {
			rpc.Command = clamped(c)
		}
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
func (t *tap) majorityHeard(term uint64, voters []raft.Server, now time.Time) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	var times []time.Time
	for _, s := range voters {
		switch p := t.peers[s.ID]; {
		case s.ID == t.self:
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
func (t *tap) beat(s raft.Server, term uint64) error {
	h := t.header()
	req := raft.AppendEntriesRequest{RPCHeader: h, Term: term, Leader: h.Addr}
	var resp raft.AppendEntriesResponse
	if err := t.AppendEntries(s.ID, s.Address, &req, &resp); err != nil {
		return err
	}
	if !resp.Success || resp.Term > term {
		return fmt.Errorf("%s is in term %d", s.ID, resp.Term)
	}
	return nil
}
