package p2p

//lint:file-ignore SA1019 Raft sets and reads its deprecated Leader and Candidate beside Addr, so an honest message has them too.

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// These are the promises of raft.Transport, kept by a pair of ours with the test in
// the place of Raft.

type end struct {
	Member
	host  *Host
	trans *Transport
	term  atomic.Uint64
}

// transports returns two ends at term 7.
func transports(t testing.TB, change func(*Config)) (a, b *end) {
	t.Helper()
	ha, hb := pair(t, change)
	ends := make([]*end, 2)
	for i, h := range []*Host{ha, hb} {
		e := &end{Member: testMember(t, authorities(2)[i]), host: h}
		e.term.Store(7)
		e.trans = h.Transport(RaftConfig{Term: e.term.Load, Leader: func() (raft.ServerAddress, raft.ServerID) {
			return raft.ServerAddress(testMember(t, "XA").Peer.String()), "XA"
		}})
		ends[i] = e
	}
	return ends[0], ends[1]
}

func (e *end) id() raft.ServerID        { return raft.ServerID(e.Authority) }
func (e *end) addr() raft.ServerAddress { return raft.ServerAddress(e.Peer.String()) }

// answer takes one request from the consumer, as Raft does, and answers it.
func (e *end) answer(t testing.TB, response any, err error) <-chan any {
	t.Helper()
	got := make(chan any, 1)
	go func() {
		select {
		case rpc := <-e.trans.Consumer():
			got <- rpc.Command
			rpc.Respond(response, err)
		case <-time.After(patience):
			t.Error("no request came")
			close(got)
		}
	}()
	return got
}

func someEntries(first uint64, data ...string) []*raft.Log {
	var out []*raft.Log
	for i, d := range data {
		out = append(out, &raft.Log{Index: first + uint64(i), Term: 7, Type: raft.LogCommand, Data: []byte(d), AppendedAt: time.Unix(1600000000, 42).UTC()})
	}
	return out
}

func TestTransportCarriesRequests(t *testing.T) {
	a, b := transports(t, nil)
	if a.trans.LocalAddr() != a.addr() || a.trans.DecodePeer(a.trans.EncodePeer(a.id(), a.addr())) != a.addr() {
		t.Error("addresses are not peer ids")
	}
	head, answerHead := headerOf(a.Member), headerOf(b.Member)

	ae := &raft.AppendEntriesRequest{RPCHeader: head, Term: 7, Leader: head.Addr, PrevLogEntry: 4, PrevLogTerm: 6, LeaderCommitIndex: 5, Entries: someEntries(5, "one", "", "three")}
	wantAE := raft.AppendEntriesResponse{RPCHeader: answerHead, Term: 7, LastLog: 7, Success: true, NoRetryBackoff: true}
	got := b.answer(t, &wantAE, nil)
	var respAE raft.AppendEntriesResponse
	if err := a.trans.AppendEntries(b.id(), b.addr(), ae, &respAE); err != nil {
		t.Fatal(err)
	}
	command := (<-got).(*raft.AppendEntriesRequest)
	for _, e := range command.Entries {
		if e.Data == nil {
			e.Data = []byte{}
		}
	}
	if !reflect.DeepEqual(command, ae) {
		t.Errorf("got %+v, want %+v", command, ae)
	}
	if !reflect.DeepEqual(respAE, wantAE) {
		t.Errorf("got %+v, want %+v", respAE, wantAE)
	}

	rv := &raft.RequestVoteRequest{RPCHeader: head, Term: 8, Candidate: head.Addr, LastLogIndex: 7, LastLogTerm: 7, LeadershipTransfer: true}
	wantRV := raft.RequestVoteResponse{RPCHeader: answerHead, Term: 8, Granted: true}
	got = b.answer(t, &wantRV, nil)
	var respRV raft.RequestVoteResponse
	if err := a.trans.RequestVote(b.id(), b.addr(), rv, &respRV); err != nil {
		t.Fatal(err)
	}
	if command := <-got; !reflect.DeepEqual(command, rv) || !reflect.DeepEqual(respRV, wantRV) {
		t.Errorf("got %+v and %+v", command, respRV)
	}

	pv := &raft.RequestPreVoteRequest{RPCHeader: head, Term: 8, LastLogIndex: 7, LastLogTerm: 7}
	wantPV := raft.RequestPreVoteResponse{RPCHeader: answerHead, Term: 7}
	got = b.answer(t, &wantPV, nil)
	var respPV raft.RequestPreVoteResponse
	if err := a.trans.RequestPreVote(b.id(), b.addr(), pv, &respPV); err != nil {
		t.Fatal(err)
	}
	if command := <-got; !reflect.DeepEqual(command, pv) || !reflect.DeepEqual(respPV, wantPV) {
		t.Errorf("got %+v and %+v", command, respPV)
	}

	tn := &raft.TimeoutNowRequest{RPCHeader: head}
	got = b.answer(t, &raft.TimeoutNowResponse{}, nil)
	if err := a.trans.TimeoutNow(b.id(), b.addr(), tn, &raft.TimeoutNowResponse{}); err != nil {
		t.Fatal(err)
	}
	if command := <-got; !reflect.DeepEqual(command, tn) {
		t.Errorf("got %+v", command)
	}

	// Raft's own errors come back as such.
	b.answer(t, nil, raft.ErrUnsupportedProtocol)
	if err := a.trans.RequestVote(b.id(), b.addr(), rv, &respRV); !errors.Is(err, ErrRefused) {
		t.Errorf("an error of Raft's: %v", err)
	}
}

func TestTransportHeartbeatsTakeTheFastPath(t *testing.T) {
	a, b := transports(t, nil)
	beats := make(chan any, 10)
	b.trans.SetHeartbeatHandler(func(rpc raft.RPC) {
		beats <- rpc.Command
		rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: headerOf(b.Member), Term: 7, Success: true}, nil)
	})
	// An AppendEntries hangs in Raft's main loop; heartbeats and votes go on.
	rpcs := make(chan raft.RPC)
	go func() { rpcs <- <-b.trans.Consumer() }()
	hung := make(chan error)
	head := headerOf(a.Member)
	ae := &raft.AppendEntriesRequest{RPCHeader: head, Term: 7, Entries: someEntries(1, "x")}
	go func() { hung <- a.trans.AppendEntries(b.id(), b.addr(), ae, &raft.AppendEntriesResponse{}) }()
	rpc := <-rpcs
	beat := &raft.AppendEntriesRequest{RPCHeader: head, Term: 7, Leader: head.Addr}
	for range 3 {
		var resp raft.AppendEntriesResponse
		if err := a.trans.AppendEntries(b.id(), b.addr(), beat, &resp); err != nil || !resp.Success {
			t.Fatal(resp, err)
		}
		if got := <-beats; !reflect.DeepEqual(got, beat) {
			t.Fatalf("got %+v", got)
		}
	}
	// The sender cannot put a second one into Raft's hands meanwhile.
	if err := a.trans.AppendEntries(b.id(), b.addr(), ae, &raft.AppendEntriesResponse{}); err == nil || err.(*RefusedError).Reason != RefusedBusy {
		t.Fatalf("second AppendEntries: %v", err)
	}
	rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: headerOf(b.Member), Term: 7, Success: true}, nil)
	if err := <-hung; err != nil {
		t.Fatal(err)
	}
	// A handler that does not answer, as when Raft shuts down, is no answer.
	b.trans.SetHeartbeatHandler(func(raft.RPC) {})
	if err := a.trans.AppendEntries(b.id(), b.addr(), beat, &raft.AppendEntriesResponse{}); !errors.Is(err, ErrRefused) {
		t.Fatalf("unanswered heartbeat: %v", err)
	}
	// Without a handler they go the common way.
	b.trans.SetHeartbeatHandler(nil)
	got := b.answer(t, &raft.AppendEntriesResponse{RPCHeader: headerOf(b.Member), Term: 7}, nil)
	if err := a.trans.AppendEntries(b.id(), b.addr(), beat, &raft.AppendEntriesResponse{}); err != nil {
		t.Fatal(err)
	}
	<-got
}

func TestTransportSplitsWhatDoesNotFit(t *testing.T) {
	a, b := transports(t, func(c *Config) { c.MaxFrame = 64 << 10 })
	big := string(bytes.Repeat([]byte("x"), 25<<10))
	ae := &raft.AppendEntriesRequest{RPCHeader: headerOf(a.Member), Term: 7, PrevLogEntry: 1, PrevLogTerm: 3, LeaderCommitIndex: 9, Entries: someEntries(2, big, big, big, big, big)}
	want := slices.Clone(ae.Entries)
	parts := make(chan *raft.AppendEntriesRequest, 10)
	go func() {
		for rpc := range b.trans.Consumer() {
			c := rpc.Command.(*raft.AppendEntriesRequest)
			parts <- c
			rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: headerOf(b.Member), Term: 7, LastLog: c.PrevLogEntry + uint64(len(c.Entries)), Success: len(parts) < 3}, nil)
			if len(parts) == 3 {
				return
			}
		}
	}()
	var resp raft.AppendEntriesResponse
	if err := a.trans.AppendEntries(b.id(), b.addr(), ae, &resp); err != nil {
		t.Fatal(err)
	}
	if resp.LastLog != 6 || resp.Success {
		t.Errorf("the answer is not the last part's: %+v", resp)
	}
	prev, prevTerm := uint64(1), uint64(3)
	for i, n := range []int{2, 2, 1} {
		var c *raft.AppendEntriesRequest
		select {
		case c = <-parts:
		case <-time.After(patience):
			t.Fatalf("part %d did not come", i)
		}
		if c.PrevLogEntry != prev || c.PrevLogTerm != prevTerm || len(c.Entries) != n {
			t.Fatalf("part %d: %d entries after (%d, %d)", i, len(c.Entries), c.PrevLogEntry, c.PrevLogTerm)
		}
		if bound := prev + uint64(n); c.LeaderCommitIndex > bound {
			t.Errorf("part %d commits %d, but ends at %d", i, c.LeaderCommitIndex, bound)
		}
		prev, prevTerm = prev+uint64(n), 7
	}
	if !reflect.DeepEqual(ae.Entries, want) || ae.PrevLogEntry != 1 {
		t.Error("Raft's request was changed")
	}
	// One that fails ends the series.
	got := b.answer(t, &raft.AppendEntriesResponse{RPCHeader: headerOf(b.Member), Term: 7, LastLog: 0}, nil)
	if err := a.trans.AppendEntries(b.id(), b.addr(), ae, &resp); err != nil || resp.Success {
		t.Fatal(resp, err)
	}
	<-got
	// The largest entry fits, and one byte more does not.
	for extra, ok := range []bool{true, false} {
		one := &raft.AppendEntriesRequest{RPCHeader: headerOf(a.Member), Term: 7, Entries: []*raft.Log{{Index: 1, Term: 7, Data: make([]byte, a.host.MaxEntry()+extra)}}}
		_, _, err := encodeAppendEntries(one, a.host.cfg.MaxFrame)
		if ok != (err == nil) || !ok && !errors.Is(err, ErrTooLarge) {
			t.Errorf("entry of MaxEntry+%d: %v", extra, err)
		}
	}
}

// A membership entry with a server that this node does not know yet waits; what
// precedes it gets through, so that this node can learn of the server.
func TestUnknownServerWaits(t *testing.T) {
	a, b := transports(t, nil)
	newcomer := testMember(t, "XC")
	conf := raft.Configuration{Servers: []raft.Server{{ID: a.id(), Address: a.addr()}, {ID: "XC", Address: raft.ServerAddress(newcomer.Peer.String())}}}
	entries := append(someEntries(5, "admits XC"), &raft.Log{Index: 6, Term: 7, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(conf)}, someEntries(7, "later")[0])
	ae := &raft.AppendEntriesRequest{RPCHeader: headerOf(a.Member), Term: 7, PrevLogEntry: 4, PrevLogTerm: 7, LeaderCommitIndex: 7, Entries: entries}
	success := &raft.AppendEntriesResponse{RPCHeader: headerOf(b.Member), Term: 7, LastLog: 5, Success: true}

	got := b.answer(t, success, nil)
	err := a.trans.AppendEntries(b.id(), b.addr(), ae, &raft.AppendEntriesResponse{})
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Reason != RefusedServer {
		t.Fatalf("leader got %v, want a refusal of the server", err)
	}
	c := (<-got).(*raft.AppendEntriesRequest)
	if len(c.Entries) != 1 || c.Entries[0].Index != 5 || c.LeaderCommitIndex != 5 {
		t.Fatalf("Raft got %d entries and commit index %d, want the first and 5", len(c.Entries), c.LeaderCommitIndex)
	}
	// When the logs do not match, that is the answer: the leader must go back.
	got = b.answer(t, &raft.AppendEntriesResponse{RPCHeader: headerOf(b.Member), Term: 7, LastLog: 2, NoRetryBackoff: true}, nil)
	var resp raft.AppendEntriesResponse
	if err := a.trans.AppendEntries(b.id(), b.addr(), ae, &resp); err != nil || resp.Success || resp.LastLog != 2 {
		t.Fatalf("%+v, %v", resp, err)
	}
	<-got
	// Once the newcomer is known, all of it gets through; also after it has left.
	for _, members := range [][]Member{append(b.host.Members(), newcomer), b.host.Members()} {
		if err := b.host.SetMembers(members); err != nil {
			t.Fatal(err)
		}
		got = b.answer(t, success, nil)
		if err := a.trans.AppendEntries(b.id(), b.addr(), ae, &resp); err != nil {
			t.Fatal(err)
		}
		if c := (<-got).(*raft.AppendEntriesRequest); len(c.Entries) != 3 || c.LeaderCommitIndex != 7 {
			t.Fatalf("Raft got %d entries", len(c.Entries))
		}
	}
}

func TestTransportDeclines(t *testing.T) {
	a, b := transports(t, nil)
	if _, err := a.trans.AppendEntriesPipeline(b.id(), b.addr()); !errors.Is(err, raft.ErrPipelineReplicationNotSupported) {
		t.Errorf("pipeline: %v", err)
	}
	data := bytes.NewBufferString("state")
	if err := a.trans.InstallSnapshot(b.id(), b.addr(), &raft.InstallSnapshotRequest{Size: 5}, &raft.InstallSnapshotResponse{}, data); !errors.Is(err, ErrSnapshot) || data.Len() != 5 {
		t.Errorf("snapshot: %v, %d of 5 bytes unread", err, data.Len())
	}
	vote := &raft.RequestVoteRequest{RPCHeader: headerOf(a.Member), Term: 8}
	if err := a.trans.RequestVote("XQ", b.addr(), vote, &raft.RequestVoteResponse{}); !errors.Is(err, ErrNotMember) {
		t.Errorf("unknown id: %v", err)
	}
	if err := a.trans.RequestVote(a.id(), a.addr(), vote, &raft.RequestVoteResponse{}); err == nil {
		t.Error("a message to itself got somewhere")
	}
	mustPanic(t, "second transport", func() { a.host.Transport(RaftConfig{Term: a.term.Load}) })
	mustPanic(t, "no Term", func() { a.host.Transport(RaftConfig{}) })
}

func TestTransportDeadline(t *testing.T) {
	a, b := transports(t, nil)
	if a.trans.rpc != minRPCTimeout || a.trans.entries != minEntriesTimeout {
		t.Fatalf("timeouts %v and %v for no heartbeat timeout", a.trans.rpc, a.trans.entries)
	}
	a.trans.rpc = 50 * time.Millisecond
	vote := &raft.RequestVoteRequest{RPCHeader: headerOf(a.Member), Term: 8}
	start := time.Now()
	if err := a.trans.RequestVote(b.id(), b.addr(), vote, &raft.RequestVoteResponse{}); err == nil {
		t.Fatal("an answer from nobody")
	}
	if d := time.Since(start); d > patience/2 {
		t.Errorf("took %v", d)
	}
	a.trans.rpc = time.Second
	rpc := <-b.trans.Consumer() // the one that was given up on
	rpc.Respond(&raft.RequestVoteResponse{RPCHeader: headerOf(b.Member), Term: 8}, nil)
	got := b.answer(t, &raft.RequestVoteResponse{RPCHeader: headerOf(b.Member), Term: 8, Granted: true}, nil)
	var resp raft.RequestVoteResponse
	if err := a.trans.RequestVote(b.id(), b.addr(), vote, &resp); err != nil || !resp.Granted {
		t.Fatalf("after a timeout: %+v, %v", resp, err)
	}
	<-got
}

func TestTransportClose(t *testing.T) {
	a, b := transports(t, nil)
	head := headerOf(a.Member)
	vote := &raft.RequestVoteRequest{RPCHeader: head, Term: 8}
	failed := make(chan error)
	go func() { failed <- a.trans.RequestVote(b.id(), b.addr(), vote, &raft.RequestVoteResponse{}) }()
	rpc := <-b.trans.Consumer() // in progress, and never answered
	for range 2 {
		if err := b.trans.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-failed; err == nil {
		t.Error("an answer from a closed transport")
	}
	rpc.Respond(nil, nil) // late, and harmless
	if err := b.trans.RequestVote(a.id(), a.addr(), &raft.RequestVoteRequest{RPCHeader: headerOf(b.Member), Term: 8}, &raft.RequestVoteResponse{}); !errors.Is(err, ErrClosed) {
		t.Errorf("request on a closed transport: %v", err)
	}
	// Raft may start again over the same host, as often as it likes: to catch up
	// with the others, a node closes it and opens it again.
	for round := range 3 {
		b.trans = b.host.Transport(RaftConfig{Term: b.term.Load})
		// The streams of before are dead, which a finds out with the first message on each.
		twice := func(what string, do func() error) {
			t.Helper()
			err := do()
			if err != nil && round > 0 {
				err = do()
			}
			if err != nil {
				t.Fatalf("round %d: %s: %v", round, what, err)
			}
		}
		got := b.answer(t, &raft.RequestVoteResponse{RPCHeader: headerOf(b.Member), Term: 8}, nil)
		twice("vote", func() error { return a.trans.RequestVote(b.id(), b.addr(), vote, &raft.RequestVoteResponse{}) })
		<-got
		got = b.answer(t, &raft.AppendEntriesResponse{RPCHeader: headerOf(b.Member), Term: 7, Success: true}, nil)
		ae := &raft.AppendEntriesRequest{RPCHeader: head, Term: 7, Entries: someEntries(1, "x")}
		twice("entries", func() error { return a.trans.AppendEntries(b.id(), b.addr(), ae, &raft.AppendEntriesResponse{}) })
		<-got
		got = a.answer(t, &raft.RequestVoteResponse{RPCHeader: headerOf(a.Member), Term: 8}, nil)
		if err := b.trans.RequestVote(a.id(), a.addr(), &raft.RequestVoteRequest{RPCHeader: headerOf(b.Member), Term: 8}, &raft.RequestVoteResponse{}); err != nil {
			t.Fatalf("round %d: the other way: %v", round, err)
		}
		<-got
		if err := b.trans.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRefusedEntryComesWhenItIsRight: what comes before it gets through at once, and
// the rest when our clock has caught up (P13).
func TestRefusedEntryComesWhenItIsRight(t *testing.T) {
	a, b := transports(t, nil)
	if err := b.trans.Close(); err != nil {
		t.Fatal(err)
	}
	var clock atomic.Int64
	b.trans = b.host.Transport(RaftConfig{Term: b.term.Load, Entry: func(data []byte) error {
		if at := int64(data[0]); at > clock.Load() {
			return fmt.Errorf("its time is %d, the clock says %d", at, clock.Load())
		}
		return nil
	}})
	ae := &raft.AppendEntriesRequest{RPCHeader: headerOf(a.Member), Term: 7, PrevLogEntry: 4, PrevLogTerm: 7, LeaderCommitIndex: 7, Entries: someEntries(5, "\x00", "\x09", "\x00")}
	success := &raft.AppendEntriesResponse{RPCHeader: headerOf(b.Member), Term: 7, Success: true}
	before := b.host.Refused()["request/entry"]
	for range 3 { // the leader comes again and again
		got := b.answer(t, success, nil)
		err := a.trans.AppendEntries(b.id(), b.addr(), ae, &raft.AppendEntriesResponse{})
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Reason != RefusedEntry {
			t.Fatalf("the leader got %v, want a refusal of the entry", err)
		}
		if c := (<-got).(*raft.AppendEntriesRequest); len(c.Entries) != 1 || c.LeaderCommitIndex != 5 {
			t.Fatalf("Raft got %d entries and commit index %d, want the first and 5", len(c.Entries), c.LeaderCommitIndex)
		}
	}
	if n := b.host.Refused()["request/entry"] - before; n != 3 {
		t.Errorf("%d refusals were counted, want 3", n)
	}
	clock.Store(9)
	got := b.answer(t, success, nil)
	if err := a.trans.AppendEntries(b.id(), b.addr(), ae, &raft.AppendEntriesResponse{}); err != nil {
		t.Fatal(err)
	}
	if c := (<-got).(*raft.AppendEntriesRequest); len(c.Entries) != 3 || c.LeaderCommitIndex != 7 {
		t.Errorf("Raft got %d entries and commit index %d, want all three and 7", len(c.Entries), c.LeaderCommitIndex)
	}
}

// TestOnlyTheLeaderSaysThatWeAreBehind (P12).
func TestOnlyTheLeaderSaysThatWeAreBehind(t *testing.T) {
	a, b := transports(t, nil) // both take XA, which is a, for the leader
	var heard atomic.Int32
	leader := a.addr()
	again := func(e *end, id raft.ServerID) {
		if err := e.trans.Close(); err != nil {
			t.Fatal(err)
		}
		e.trans = e.host.Transport(RaftConfig{Term: e.term.Load, Behind: func() { heard.Add(1) }, Leader: func() (raft.ServerAddress, raft.ServerID) { return leader, id }})
	}
	again(a, a.id())
	again(b, a.id())
	say := func(from, to *end) {
		t.Helper()
		if err := from.trans.InstallSnapshot(to.id(), to.addr(), &raft.InstallSnapshotRequest{}, &raft.InstallSnapshotResponse{}, nil); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%v, want ErrSnapshot", err)
		}
	}
	say(a, b)
	if n := heard.Load(); n != 1 {
		t.Errorf("the leader said it once, and %d were heard", n)
	}
	say(b, a)
	if n := heard.Load(); n != 1 {
		t.Error("it was heard from another than the leader")
	}
	if n := b.host.Refused()["request/snapshot"]; n != 1 {
		t.Errorf("%d refusals were counted, want 1", n)
	}
	if err := b.trans.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.trans.InstallSnapshot(b.id(), b.addr(), &raft.InstallSnapshotRequest{}, &raft.InstallSnapshotResponse{}, nil); err == nil || errors.Is(err, ErrSnapshot) {
		t.Errorf("with nobody to hear it: %v, want why", err)
	}
}

func BenchmarkAppendEntries(bench *testing.B) {
	a, b := transports(bench, nil)
	go func() {
		for rpc := range b.trans.Consumer() {
			rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: headerOf(b.Member), Term: 7, Success: true}, nil)
		}
	}()
	ae := &raft.AppendEntriesRequest{RPCHeader: headerOf(a.Member), Term: 7, Entries: someEntries(1, string(make([]byte, 64<<10)))}
	var resp raft.AppendEntriesResponse
	bench.SetBytes(64 << 10)
	for bench.Loop() {
		if err := a.trans.AppendEntries(b.id(), b.addr(), ae, &resp); err != nil {
			bench.Fatal(err)
		}
	}
}
