package p2p

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"github.com/libp2p/go-libp2p/core/peer"
)

// The two protocols of Raft. Elections and heartbeats have streams of their own,
// so that they never wait behind entries.
const (
	heartbeatProtocol = "raft-hb/1"
	entriesProtocol   = "raft-ae/1"
)

const (
	// minRPCTimeout is the least time that a heartbeat or vote gets. Raft's own
	// heartbeat timeout alone may be shorter than one lost packet costs, and then
	// every hiccup becomes an election.
	minRPCTimeout = time.Second
	// minEntriesTimeout is the least time that entries get: their receiver syncs
	// its disk before it answers.
	minEntriesTimeout = 10 * time.Second
	// maxControlFrame is the most bytes of a vote, a heartbeat or an answer.
	maxControlFrame = 4 << 10
	// heartbeatStreams lets a heartbeat, a vote, a pre-vote and a leadership
	// transfer be under way together; entriesStreams lets a new leader's entries
	// pass those of the previous term.
	heartbeatStreams = 4
	entriesStreams   = 2
)

// ErrSnapshot is returned for every InstallSnapshot. A snapshot over Raft would be
// state that nobody has verified: whoever is behind the leader's log is told so
// (RaftConfig.Behind), and catches up from its peers' ledgers.
var ErrSnapshot = errors.New("p2p: snapshots do not travel over Raft: a follower that is behind the leader's log is told so, and catches up from its peers' ledgers")

// RaftConfig is what the transport needs to know of Raft.
type RaftConfig struct {
	// Term returns the term that this node vouches for: Raft's current term, or a
	// higher one that it learnt in a way that it trusts, such as a certified
	// checkpoint. Required; called for each message, from any goroutine; it may
	// return 0 until Raft runs.
	Term func() uint64
	// Founded is when the network was founded, as its genesis says: the same on all
	// nodes, since the highest plausible term grows from there. Zero means
	// [DefaultFounded], which is right if it is zero everywhere.
	Founded time.Time
	// Now is the clock; nil means time.Now. A clock that is ahead lets a hostile
	// peer raise this node's term above what the others find plausible, for as long
	// as the clock is ahead.
	Now func() time.Time
	// Transfers is how often one peer may hand leadership to this node, and ask for
	// its vote though a leader lives, because it was handed leadership. Zero means
	// 2, and one in 10 s.
	Transfers Rate
	// TermRaises is how often one peer's messages may raise our term or end our
	// leading. Honest peers need one for each election. Zero means 8, and one in a
	// second or in a HeartbeatTimeout, whichever is shorter, but at most 8 in a
	// second: [TermsPerSecond] of them would keep up with the highest plausible term.
	TermRaises Rate
	// Leader returns the leader that Raft follows, as raft.Raft's LeaderWithID
	// does. Only the leader may ask for a transfer of leadership: without Leader,
	// nobody may, and TermRaises does not cover the end of our leading.
	Leader func() (raft.ServerAddress, raft.ServerID)
	// Entry, if set, judges the data of commands before Raft stores them; it is not
	// to be kept or changed. It must be cheap. What it refuses the leader sends
	// again and again, and nothing after it gets here meanwhile: so it may refuse
	// what is not right yet, by a clock say, and is to let pass what never will
	// be: the ledger refuses that at every node alike.
	Entry func(data []byte) error
	// Behind, if set, is called when the leader says that its log begins after ours
	// ends (P12). It must not block. Any leader may claim it, at any rate.
	Behind func()
	// KnowsServer, if set, accepts servers in membership entries beside those of the
	// authorities that the Host has had as members since its start: of the expelled,
	// when Raft replays its history to a node that was away. Without it such a node
	// is stuck at an entry that names one.
	KnowsServer func(raft.ServerID, raft.ServerAddress) bool
	// HeartbeatTimeout is Raft's. Heartbeats and votes get this long or a second,
	// whichever is more; entries ten seconds at least.
	HeartbeatTimeout time.Duration
}

// withDefaults returns c with its zero fields filled in.
func (c RaftConfig) withDefaults() RaftConfig {
	if c.Founded.IsZero() {
		c.Founded = DefaultFounded
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Transfers = c.Transfers.or(Rate{2, 10 * time.Second})
	every := time.Second
	if c.HeartbeatTimeout > 0 {
		every = max(min(every, c.HeartbeatTimeout), minRaise)
	}
	c.TermRaises = c.TermRaises.or(Rate{8, every})
	return c
}

var (
	_ raft.Transport   = (*Transport)(nil)
	_ raft.WithPreVote = (*Transport)(nil)
	_ raft.WithClose   = (*Transport)(nil)
)

// Transport carries Raft's messages between members, and keeps from Raft what no
// honest peer sends. It implements raft.Transport with the interfaces that
// hashicorp/raft v1.7.3 looks for besides, WithPreVote and WithClose. (WithPeers is
// for loopback transports in its tests.)
//
// ServerID is the authority, ServerAddress the peer id; multiaddrs never reach
// Raft, so a node may move without a change of Raft's membership. Messages go to the
// authority's node as the members have it, also while Raft's membership has an older
// peer id there: a change of many keys at once could not be ordered otherwise.
type Transport struct {
	host *Host
	cfg  RaftConfig
	pace *pace

	consumer  chan raft.RPC
	heartbeat atomic.Pointer[func(raft.RPC)]
	rpc       time.Duration // for heartbeats and votes
	entries   time.Duration // for one frame of entries

	ctx    context.Context
	cancel context.CancelCauseFunc

	served sync.WaitGroup // streams being served; Add only with mu held and not closed

	mu        sync.Mutex
	closed    bool
	appending map[peer.ID]bool // has an AppendEntries of this peer's in Raft's hands
}

// Transport returns Raft's transport over this host, answering from now on. There
// can be one at a time: after its Close, which Raft calls when it shuts down,
// another may be made. A missing Term, or a second transport, is a fault of the
// program and panics.
func (h *Host) Transport(cfg RaftConfig) *Transport {
	if cfg.Term == nil {
		panic("p2p: RaftConfig.Term is required")
	}
	cfg = cfg.withDefaults()
	h.mu.Lock()
	if h.handlers[heartbeatProtocol] {
		h.mu.Unlock()
		panic("p2p: the host has a Raft transport already: close it first")
	}
	h.handlers[heartbeatProtocol] = true
	h.handlers[entriesProtocol] = true
	h.mu.Unlock()

	t := &Transport{
		host:      h,
		cfg:       cfg,
		pace:      newPace(cfg.Transfers, cfg.TermRaises),
		consumer:  make(chan raft.RPC),
		rpc:       max(cfg.HeartbeatTimeout, minRPCTimeout),
		entries:   max(cfg.HeartbeatTimeout, minEntriesTimeout),
		appending: make(map[peer.ID]bool),
	}
	t.ctx, t.cancel = context.WithCancelCause(h.ctx)
	h.serve(heartbeatProtocol, service{
		at:       atRequest,
		maxFrame: maxControlFrame,
		admit:    t.admitControl,
		answer:   t.answerControl,
		enter:    t.enter,
		leave:    t.served.Done,
	})
	h.serve(entriesProtocol, service{
		at:       atRequest,
		maxFrame: h.cfg.MaxFrame,
		admit:    admitKinds(kindAppendEntries),
		answer:   t.answerEntries,
		enter:    t.enter,
		leave:    t.served.Done,
	})
	return t
}

// enter counts one more stream that Close waits for; false once closed.
func (t *Transport) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.served.Add(1)
	return true
}

// Close stops answering and sending, and waits until no request of a peer's is in
// progress. Raft's own requests in progress fail with ErrClosed. The host stays
// open. Raft calls Close at the end of its shutdown; a second Close does nothing.
func (t *Transport) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	t.mu.Unlock()
	t.cancel(fmt.Errorf("%w: Raft's transport", ErrClosed))
	t.host.stopServing(heartbeatProtocol, entriesProtocol)
	t.served.Wait()
	t.host.release(heartbeatProtocol, entriesProtocol)
	return nil
}

// release frees names for another Handle or Transport.
func (h *Host) release(names ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range names {
		delete(h.handlers, name)
	}
}

// stopServing unregisters protocols and resets their streams.
func (h *Host) stopServing(names ...string) {
	for _, name := range names {
		h.host.RemoveStreamHandler(h.protocol(name))
		h.closePool(name)
	}
	h.mu.Lock()
	streams := slices.Collect(maps.Keys(h.inbound))
	h.mu.Unlock()
	for _, s := range streams {
		if slices.ContainsFunc(names, func(name string) bool { return s.Protocol() == h.protocol(name) }) {
			s.Reset() // its error adds nothing: the stream is gone either way
		}
	}
}

// Consumer implements raft.Transport.
func (t *Transport) Consumer() <-chan raft.RPC { return t.consumer }

// LocalAddr implements raft.Transport: the peer id.
func (t *Transport) LocalAddr() raft.ServerAddress {
	return raft.ServerAddress(t.host.ID().String())
}

// EncodePeer implements raft.Transport. Addresses are peer ids, which do not change.
func (t *Transport) EncodePeer(_ raft.ServerID, addr raft.ServerAddress) []byte { return []byte(addr) }

// DecodePeer implements raft.Transport.
func (t *Transport) DecodePeer(b []byte) raft.ServerAddress { return raft.ServerAddress(b) }

// SetHeartbeatHandler implements raft.Transport. fn gets heartbeats that have
// passed the same filters as everything else.
func (t *Transport) SetHeartbeatHandler(fn func(raft.RPC)) {
	if fn == nil {
		t.heartbeat.Store(nil)
		return
	}
	t.heartbeat.Store(&fn)
}

// AppendEntriesPipeline implements raft.Transport by declining: see DESIGN.md. With
// more than one AppendEntries in flight, one that fails in the follower's log store
// can leave Raft's pipeline waiting for ever, heartbeats going on as if all were
// well (hashicorp/raft #612). Big blocks make up for the lost overlap.
func (t *Transport) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// AppendEntries implements raft.Transport. Entries that do not fit one frame
// together are sent in several requests, one after the other, each of which is a
// proper AppendEntries: Raft counts entries, not bytes, and would otherwise offer
// the same batch again and again. The answer is that of the last one sent.
func (t *Transport) AppendEntries(id raft.ServerID, _ raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if isHeartbeat(args) {
		return t.request(heartbeatProtocol, id, t.rpc, args, args.Term, resp)
	}
	if err := t.awaitReturn(id); err != nil {
		return err
	}
	part := *args
	for {
		frame, n, err := encodeAppendEntries(&part, t.host.cfg.MaxFrame)
		if err != nil {
			return err
		}
		if err := t.send(entriesProtocol, id, t.entries, frame, args.Term, resp); err != nil {
			return err
		}
		if n == len(part.Entries) || !resp.Success || resp.Term > args.Term {
			return nil
		}
		last := part.Entries[n-1]
		part.PrevLogEntry, part.PrevLogTerm, part.Entries = last.Index, last.Term, part.Entries[n:]
	}
}

// leadingCheck is how often a leader that waits for a member looks whether it
// still leads: Raft has no other way to tell.
const leadingCheck = 50 * time.Millisecond

// awaitReturn waits until there is a connection with a member, for as long as this
// node leads and the member is one. Raft answers each failure by waiting longer,
// up to 10 s (hashicorp/raft v1.7.3, replicateTo), which a member that is back
// would then wait for its entries; heartbeats, which do fail, keep the count of
// who is there.
func (t *Transport) awaitReturn(id raft.ServerID) error {
	tick := time.NewTicker(leadingCheck)
	defer tick.Stop()
	for {
		t.host.mu.Lock()
		changed := t.host.changed
		t.host.mu.Unlock()
		m, r, err := t.host.lookup(string(id))
		if err != nil || t.host.connectedWith(m.Peer) || !t.leads() {
			return err
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-r.done:
		case <-t.ctx.Done():
			return context.Cause(t.ctx)
		}
	}
}

// leads reports whether Raft says that this node leads.
func (t *Transport) leads() bool {
	if t.cfg.Leader == nil {
		return false
	}
	_, id := t.cfg.Leader()
	m, ok := t.host.roster.Load().byPeer[t.host.ID()]
	return ok && string(id) == m.Authority
}

// RequestVote implements raft.Transport.
func (t *Transport) RequestVote(id raft.ServerID, _ raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	return t.request(heartbeatProtocol, id, t.rpc, args, args.Term, resp)
}

// RequestPreVote implements raft.WithPreVote.
func (t *Transport) RequestPreVote(id raft.ServerID, _ raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	return t.request(heartbeatProtocol, id, t.rpc, args, args.Term, resp)
}

// TimeoutNow implements raft.Transport.
func (t *Transport) TimeoutNow(id raft.ServerID, _ raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	return t.request(heartbeatProtocol, id, t.rpc, args, 0, resp)
}

// InstallSnapshot implements raft.Transport by telling the follower that our log
// begins after its own ends (P12), and by refusing, without reading data. The error
// is ErrSnapshot where the follower has heard it.
func (t *Transport) InstallSnapshot(id raft.ServerID, _ raft.ServerAddress, _ *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, _ io.Reader) error {
	notice := endFrame(beginFrame(nil, kindInstallSnapshot), 0)
	err := t.send(heartbeatProtocol, id, t.rpc, notice, 0, resp)
	var refused *RefusedError
	if err == nil || errors.As(err, &refused) && refused.Reason == RefusedSnapshot {
		return ErrSnapshot
	}
	return err
}

func (t *Transport) request(proto string, id raft.ServerID, timeout time.Duration, command any, term uint64, resp any) error {
	frame, _, err := encodeRequest(command, t.host.cfg.MaxFrame)
	if err != nil {
		return err
	}
	return t.send(proto, id, timeout, frame, term, resp)
}

// send carries one frame to a member and its answer into resp, if the answer
// passes the filters.
func (t *Transport) send(proto string, id raft.ServerID, timeout time.Duration, frame []byte, term uint64, resp any) error {
	m, r, err := t.host.lookup(string(id))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.ctx, timeout)
	defer cancel()
	streams := heartbeatStreams
	if proto == entriesProtocol {
		streams = entriesStreams
	}
	start := time.Now()
	k, body, err := t.host.pool(m, r, proto, streams).exchange(ctx, frame, maxControlFrame)
	if err == nil {
		err = decodeReply(k, body, resp)
	}
	if err == nil {
		err = t.judgeReply(m, term, resp)
	}
	if err != nil {
		if reasonOf(err) != 0 {
			t.host.refusals.note(atReply, m.Authority, err)
		}
		return err
	}
	if proto == heartbeatProtocol && k == kindAppendEntries|kindReply {
		t.host.host.Peerstore().RecordLatency(m.Peer, time.Since(start))
	}
	return nil
}

// judge decides whether Raft gets a request: by what it says (P5), and by how often
// its sender may unsettle us (P10). good is as in filter.request.
func (t *Transport) judge(from Member, command any) (good int, err error) {
	now := t.cfg.Now()
	f := t.filter(now)
	good, err = f.request(from, command)
	if err != nil && !forNow(err) {
		return 0, err
	}
	if err := t.pace.request(from, f, command, now); err != nil {
		return 0, err
	}
	return good, err
}

// judgeReply does the same for an answer to a request of the given term.
func (t *Transport) judgeReply(from Member, asked uint64, resp any) error {
	now := t.cfg.Now()
	f := t.filter(now)
	term, err := f.reply(from, asked, resp)
	if err != nil {
		return err
	}
	return t.pace.reply(from, max(f.term, asked), term, now)
}

// filter returns the filter for one message. The term is read before the leader: a
// leader that is known then is that of this term or of a later one.
func (t *Transport) filter(now time.Time) filter {
	f := filter{
		term: t.cfg.Term(), highest: PlausibleTerm(t.cfg.Founded, now), self: t.host.ID().String(),
		checker: t.cfg.Entry, knows: t.knows,
	}
	if t.cfg.Leader != nil {
		addr, _ := t.cfg.Leader()
		f.leader = string(addr)
	}
	return f
}

func (t *Transport) knows(s server) bool {
	return t.host.knows(s.id) || t.cfg.KnowsServer != nil && t.cfg.KnowsServer(raft.ServerID(s.id), raft.ServerAddress(s.address))
}

// admitKinds returns a check for a frame's kind, made before its body is read.
func admitKinds(kinds ...kind) func(Member, kind) error {
	return func(from Member, k kind) error {
		if !from.Voter {
			return refuse(RefusedNotVoter, "%s is no validator", from.Authority)
		}
		if k == kindInstallSnapshot {
			return refuse(RefusedSnapshot, "%s would send a snapshot: it says that its log begins after ours ends", from.Authority)
		}
		for _, want := range kinds {
			if k == want {
				return nil
			}
		}
		return refuse(RefusedKind, "request of kind %#x on this stream", uint8(k))
	}
}

// admitControl is the check for heartbeats' streams. A snapshot's body is not even
// read. That it comes at all says that its sender's log begins after ours ends (P12).
func (t *Transport) admitControl(from Member, k kind) error {
	if k == kindInstallSnapshot && from.Voter && t.cfg.Behind != nil && t.filter(t.cfg.Now()).leader == from.Peer.String() {
		t.cfg.Behind()
	}
	return admitKinds(kindAppendEntries, kindRequestVote, kindRequestPreVote, kindTimeoutNow)(from, k)
}

// answerControl serves heartbeats and elections.
func (t *Transport) answerControl(ctx context.Context, from Member, k kind, body []byte) ([]byte, error) {
	command, err := decodeRequest(k, body)
	if err != nil {
		return nil, err
	}
	if _, err := t.judge(from, command); err != nil {
		return nil, err
	}
	c, appends := command.(*raft.AppendEntriesRequest)
	if appends && !isHeartbeat(c) {
		return nil, refuse(RefusedKind, "entries on the heartbeats' stream")
	}
	if fn := t.heartbeat.Load(); appends && fn != nil {
		return encodeResponse(t.beat(*fn, command))
	}
	return encodeResponse(t.deliver(ctx, command))
}

// answerEntries serves AppendEntries with entries, or with a commit index.
func (t *Transport) answerEntries(ctx context.Context, from Member, k kind, body []byte) ([]byte, error) {
	command, err := decodeRequest(k, body)
	if err != nil {
		return nil, err
	}
	c, ok := command.(*raft.AppendEntriesRequest)
	if !ok {
		return nil, refuse(RefusedKind, "a %T on the entries' stream", command)
	}
	good, later := t.judge(from, c)
	if later != nil && !forNow(later) {
		return nil, later
	}
	if !t.beginAppend(from.Peer) {
		return nil, refuse(RefusedBusy, "an AppendEntries of %s's is still with Raft", from.Authority)
	}
	defer t.endAppend(from.Peer) // Raft has answered by then, or the transport is closed
	// A membership entry may name a server that this node has not heard of only
	// because the block that admits it is not committed here yet. Refusing all of
	// the batch would keep the leader's commit index from this node, and so that
	// block, for ever. A command that is refused today may be right when our clock
	// has caught up. What precedes the entry is beyond reproach: Raft gets that
	// much, and the leader is told to come again.
	c.Entries = c.Entries[:good]
	clampCommit(c)
	resp, err := t.deliver(ctx, c)
	if r, ok := resp.(*raft.AppendEntriesResponse); later != nil && ok && r.Success {
		return nil, later
	}
	return encodeResponse(resp, err)
}

// clampCommit is the rule of the Raft paper that hashicorp/raft leaves out: a
// message vouches for our log up to its last entry, so nothing above may be
// committed because of it.
func clampCommit(c *raft.AppendEntriesRequest) {
	c.LeaderCommitIndex = min(c.LeaderCommitIndex, c.PrevLogEntry+uint64(len(c.Entries)))
}

// beginAppend takes the one place that a peer has for AppendEntries in Raft's
// hands, so that a sender who gave up waiting cannot pile up more.
func (t *Transport) beginAppend(p peer.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.appending[p] {
		return false
	}
	t.appending[p] = true
	return true
}

func (t *Transport) endAppend(p peer.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.appending, p)
}

// deliver hands a request to Raft's main loop and waits for the answer, for as
// long as the transport is open: giving up earlier would lose track of it.
func (t *Transport) deliver(ctx context.Context, command any) (any, error) {
	answer := make(chan raft.RPCResponse, 1)
	select {
	case t.consumer <- raft.RPC{Command: command, RespChan: answer}:
	case <-t.ctx.Done():
		return nil, context.Cause(t.ctx)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case r := <-answer:
		return answered(r)
	case <-t.ctx.Done():
		return nil, context.Cause(t.ctx)
	}
}

// beat runs Raft's heartbeat handler, which answers before it returns, or not at
// all when Raft is shutting down.
func (t *Transport) beat(fn func(raft.RPC), command any) (any, error) {
	answer := make(chan raft.RPCResponse, 1)
	fn(raft.RPC{Command: command, RespChan: answer})
	select {
	case r := <-answer:
		return answered(r)
	default:
		return nil, refuse(RefusedUnavailable, "Raft is shutting down")
	}
}

func answered(r raft.RPCResponse) (any, error) {
	if r.Error != nil {
		return nil, refuse(RefusedUnavailable, "Raft: %v", r.Error)
	}
	return r.Response, nil
}

func encodeResponse(response any, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return encodeReply(response)
}
