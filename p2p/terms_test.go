package p2p

import (
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"
)

func TestHighestTerm(t *testing.T) {
	founded := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		age  time.Duration
		want uint64
	}{
		{0, TermSlack}, {-time.Hour, TermSlack}, {math.MinInt64, TermSlack},
		{time.Second / TermsPerSecond, TermSlack + 1}, {time.Second, TermSlack + TermsPerSecond},
		{24 * time.Hour, TermSlack + 86400*TermsPerSecond},
	} {
		if got := PlausibleTerm(founded, founded.Add(c.age)); got != c.want {
			t.Errorf("%v after the founding: %d, want %d", c.age, got, c.want)
		}
	}
	for _, founded := range []time.Time{{}, time.Unix(-1<<40, 0)} { // so long ago that durations saturate
		if got := PlausibleTerm(founded, time.Now()); got > MaxTerm || got < TermSlack {
			t.Errorf("founded %v: %d", founded, got)
		}
	}
	if (RaftConfig{}).withDefaults().Founded != DefaultFounded {
		t.Error("no default for Founded")
	}
}

func TestTermBounds(t *testing.T) {
	for _, c := range []struct {
		term, ours, highest uint64
		ok                  bool
	}{
		{1, 0, 100, true}, {100, 0, 100, true}, {101, 0, 100, false},
		{101, 100, 100, true}, {102, 100, 100, false}, // the next one, whatever the clock says
		{5, 5000, 100, true}, {5001, 5000, 100, true}, {5002, 5000, 100, false},
		{MaxTerm, MaxTerm - 1, 100, true}, {MaxTerm + 1, MaxTerm, MaxTerm, false}, {MaxTerm + 1, math.MaxUint64, MaxTerm, false},
	} {
		if err := (filter{highest: c.highest}).checkTerm(c.term, c.ours); (err == nil) != c.ok {
			t.Errorf("term %d where ours is %d, the highest %d: %v", c.term, c.ours, c.highest, err)
		}
	}
}

// Whatever one honest node lets through, or makes itself in elections from there,
// another one lets through as soon as its clock shows the same time, whatever term
// it has (P10).
func TestHonestTermsMeet(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		founded := time.Unix(rapid.Int64Range(0, 4e9).Draw(r, "founded"), 0)
		now := founded.Add(time.Duration(rapid.Int64Range(-1e15, 1e18).Draw(r, "age")))
		f := filter{highest: PlausibleTerm(founded, now)}
		term := rapid.Uint64Max(2*f.highest).Draw(r, "term")
		if f.checkTerm(term, 0) != nil {
			r.Skip("not plausible")
		}
		elections := rapid.Uint64Max(10_000).Draw(r, "elections")
		later := now.Add(time.Duration(elections) * time.Second)
		if now.Before(founded) {
			later = founded.Add(time.Duration(elections) * time.Second)
		}
		g := filter{highest: PlausibleTerm(founded, later)}
		if err := g.checkTerm(term+elections, rapid.Uint64Max(term).Draw(r, "ours")); err != nil {
			r.Fatal(err)
		}
	})
}

func TestBucket(t *testing.T) {
	rate := Rate{Burst: 3, Every: time.Second}
	now := time.Unix(1, 0)
	var b bucket
	for _, c := range []struct {
		wait time.Duration
		want []bool
	}{
		{0, []bool{true, true, true, false, false}},
		{time.Second - 1, []bool{false}},
		{1, []bool{true, false}},
		{time.Hour, []bool{true, true, true, false}}, // no more than Burst is saved
	} {
		now = now.Add(c.wait)
		for i, want := range c.want {
			if got := b.take(rate, now); got != want {
				t.Errorf("after %v, no. %d: %v", c.wait, i, got)
			}
		}
	}
}

// unsettled returns two ends, of which XB is at term 7, follows XA, and has a clock
// that the test moves. XB's Raft says no to everything, and adopts terms.
func unsettled(t *testing.T) (a, b *end, leader *atomic.Value, sleep func(time.Duration)) {
	t.Helper()
	ha, hb := pair(t, nil)
	var clock atomic.Int64
	leader = new(atomic.Value)
	leader.Store(raft.ServerAddress(ha.ID().String()))
	ends := make([]*end, 2)
	for i, h := range []*Host{ha, hb} {
		e := &end{Member: testMember(t, authorities(2)[i]), host: h}
		e.term.Store(7)
		e.trans = h.Transport(RaftConfig{
			Term: e.term.Load, Founded: testFounded,
			Now:       func() time.Time { return testFounded.Add(time.Duration(clock.Load())) },
			Leader:    func() (raft.ServerAddress, raft.ServerID) { return leader.Load().(raft.ServerAddress), "" },
			Transfers: Rate{2, 10 * time.Second}, TermRaises: Rate{3, time.Second},
		})
		ends[i] = e
	}
	a, b = ends[0], ends[1]
	go func() {
		for {
			select {
			case rpc := <-b.trans.Consumer():
				head := headerOf(b.Member)
				switch c := rpc.Command.(type) {
				case *raft.AppendEntriesRequest:
					b.term.Store(max(c.Term, b.term.Load()))
					rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: head, Term: b.term.Load()}, nil)
				case *raft.RequestVoteRequest:
					b.term.Store(max(c.Term, b.term.Load()))
					rpc.Respond(&raft.RequestVoteResponse{RPCHeader: head, Term: b.term.Load()}, nil)
				case *raft.RequestPreVoteRequest:
					rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: head, Term: b.term.Load()}, nil)
				case *raft.TimeoutNowRequest:
					rpc.Respond(&raft.TimeoutNowResponse{}, nil)
				}
			case <-b.trans.ctx.Done():
				return
			}
		}
	}()
	return a, b, leader, func(d time.Duration) { clock.Add(int64(d)) }
}

// wantReason checks that a request got an answer (0), or was refused.
func wantReason(t *testing.T, what string, err error, want Refusal) {
	t.Helper()
	var refused *RefusedError
	var got Refusal
	if errors.As(err, &refused) {
		got = refused.Reason
	} else if err != nil {
		got = reasonOf(err) // of a reply
	}
	if got != want || (err == nil) != (want == 0) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestPeerRaisesTerms(t *testing.T) {
	a, b, leader, sleep := unsettled(t)
	a.term.Store(100) // so that XB's answers unsettle nobody
	head := headerOf(a.Member)
	beat := func(term uint64) error {
		return a.trans.AppendEntries(b.id(), b.addr(), &raft.AppendEntriesRequest{RPCHeader: head, Term: term}, &raft.AppendEntriesResponse{})
	}
	vote := func(term uint64) error {
		return a.trans.RequestVote(b.id(), b.addr(), &raft.RequestVoteRequest{RPCHeader: head, Term: term}, &raft.RequestVoteResponse{})
	}
	wantReason(t, "a heartbeat of a new term", beat(8), 0)
	wantReason(t, "a vote in a new term", vote(9), 0)
	wantReason(t, "entries of a new term", a.trans.AppendEntries(b.id(), b.addr(),
		&raft.AppendEntriesRequest{RPCHeader: head, Term: 10, Entries: []*raft.Log{{Index: 1, Term: 10, Type: raft.LogNoop}}}, &raft.AppendEntriesResponse{}), 0)
	wantReason(t, "the fourth new term", beat(11), RefusedTermRate)
	wantReason(t, "or by a vote", vote(11), RefusedTermRate)
	if got := b.term.Load(); got != 10 {
		t.Fatalf("term %d, want 10", got)
	}
	for range 10 {
		wantReason(t, "the same term", beat(10), 0)
		wantReason(t, "an older one", beat(9), 0)
		wantReason(t, "a pre-vote", a.trans.RequestPreVote(b.id(), b.addr(), &raft.RequestPreVoteRequest{RPCHeader: head, Term: 11}, &raft.RequestPreVoteResponse{}), 0)
	}
	sleep(time.Second)
	wantReason(t, "a second later", beat(11), 0)
	wantReason(t, "but once", beat(12), RefusedTermRate)

	// Nor may it unseat us as often as it likes by claiming to lead in our term.
	sleep(time.Second)
	leader.Store(raft.ServerAddress(b.Peer.String()))
	for term := uint64(20); term < 23; term++ {
		b.term.Store(term)
		want := RefusedTermRate
		if term == 20 {
			want = 0
		}
		wantReason(t, "a rival in our term", beat(term), want)
	}
	if n := b.host.Refused()["request/term-too-often"]; n != 5 {
		t.Errorf("%d refusals were counted, want 5", n)
	}
}

func TestPeerAnswersWithTerms(t *testing.T) {
	a, b, _, sleep := unsettled(t)
	b.term.Store(50)
	ask := func() error {
		return a.trans.AppendEntries(b.id(), b.addr(), &raft.AppendEntriesRequest{RPCHeader: headerOf(a.Member), Term: 7}, &raft.AppendEntriesResponse{})
	}
	for range 3 {
		wantReason(t, "a term above ours", ask(), 0)
	}
	wantReason(t, "the fourth", ask(), RefusedTermRate)
	a.term.Store(50)
	wantReason(t, "once the term is ours", ask(), 0)
	a.term.Store(7)
	wantReason(t, "and again above", ask(), RefusedTermRate)
	sleep(time.Second)
	wantReason(t, "a second later", ask(), 0)
	if n := a.host.Refused()["reply/term-too-often"]; n != 2 {
		t.Errorf("%d refusals were counted, want 2", n)
	}
	b.term.Store(PlausibleTerm(testFounded, testFounded.Add(time.Minute)))
	wantReason(t, "an absurd term", ask(), RefusedTerm)
	sleep(time.Hour)
	wantReason(t, "an hour later", ask(), 0)
}

func TestPeerTransfersTooOften(t *testing.T) {
	a, b, _, sleep := unsettled(t)
	head := headerOf(a.Member)
	vote := func() error {
		return a.trans.RequestVote(b.id(), b.addr(), &raft.RequestVoteRequest{RPCHeader: head, Term: 7, LeadershipTransfer: true}, &raft.RequestVoteResponse{})
	}
	timeout := func() error {
		return a.trans.TimeoutNow(b.id(), b.addr(), &raft.TimeoutNowRequest{RPCHeader: head}, &raft.TimeoutNowResponse{})
	}
	for range 2 {
		wantReason(t, "a transfer to the peer", vote(), 0)
		wantReason(t, "a transfer to us", timeout(), 0)
	}
	wantReason(t, "the third to the peer", vote(), RefusedTransferRate)
	wantReason(t, "the third to us", timeout(), RefusedTransferRate)
	wantReason(t, "an ordinary vote", a.trans.RequestVote(b.id(), b.addr(), &raft.RequestVoteRequest{RPCHeader: head, Term: 7}, &raft.RequestVoteResponse{}), 0)
	sleep(10 * time.Second)
	wantReason(t, "ten seconds later", vote(), 0)
	wantReason(t, "and to us", timeout(), 0)
	wantReason(t, "but once", vote(), RefusedTransferRate)
}

// One hostile validator takes the terms of honest nodes as far apart as they let
// it. When it is gone they elect a leader, and do so again after a restart: with
// four validators, that takes all three of them.
func TestTermsDrivenApart(t *testing.T) {
	mallory := testMember(t, "XD")
	nodes := newCluster(t, nil, []Member{mallory}, "XA", "XB", "XC")
	commit(t, nodes, "before")
	x := newHostile(t, "XD")
	for _, n := range nodes {
		if err := x.connect(n.host); err != nil {
			t.Fatal(err)
		}
	}
	send := func(victim *raftNode, command any) (Refusal, error) {
		k, body, err := x.send(victim.host, heartbeatProtocol, frameOf(t, command))
		if err == nil && k == kindRefused {
			return Refusal(body[0]), nil
		}
		return 0, err
	}
	transfer := func(victim *raftNode, term uint64) Refusal {
		why, err := send(victim, &raft.RequestVoteRequest{RPCHeader: headerOf(mallory), Term: term, LeadershipTransfer: true})
		if err != nil {
			t.Fatal(err)
		}
		return why
	}
	if why := transfer(nodes["XA"], PlausibleTerm(testFounded, time.Now().Add(time.Minute))); why != RefusedTerm {
		t.Fatalf("a term of the next minute: %v", why)
	}
	// XC first, and XA last: each hears of the others' terms soon.
	for _, drive := range []struct {
		victim string
		term   uint64
	}{{"XC", 942}, {"XB", 5882}, {"XA", PlausibleTerm(testFounded, time.Now())}} {
		victim := nodes[drive.victim]
		if why := transfer(victim, drive.term); why != 0 {
			t.Fatalf("%s refuses term %d: %v", drive.victim, drive.term, why)
		}
		if got := victim.raft.CurrentTerm(); got < drive.term {
			t.Fatalf("%s is at term %d, should be at %d", drive.victim, got, drive.term)
		}
	}
	// It goes on as fast as it can, and is held to its pace.
	const messages = 60
	for _, n := range nodes {
		before, began := n.raft.CurrentTerm(), time.Now()
		raised := 0
		for i := range uint64(messages) {
			if why := transfer(n, n.raft.CurrentTerm()+1+i%2); why == 0 {
				raised++
			}
			why, err := send(n, &raft.AppendEntriesRequest{RPCHeader: headerOf(mallory), Term: n.raft.CurrentTerm() + 1})
			if err == nil && why == 0 {
				raised++
			}
		}
		cfg := n.trans.cfg
		if most := cfg.Transfers.Burst + cfg.TermRaises.Burst + int(time.Since(began)/cfg.TermRaises.Every) + 1; raised > most {
			t.Errorf("%s took %d of %d messages, at most %d (terms %d to %d)", n.authority, raised, 2*messages, most, before, n.raft.CurrentTerm())
		}
	}
	if err := x.host.Close(); err != nil {
		t.Fatal(err)
	}

	terms := func() (out []uint64) {
		for _, name := range authorities(3) {
			out = append(out, nodes[name].raft.CurrentTerm())
		}
		return out
	}
	start := time.Now()
	apart := terms()
	commit(t, nodes, "after")
	agree(t, nodes, 2)
	t.Logf("terms %v, and %v after %v", apart, terms(), time.Since(start))
	for _, n := range nodes {
		n.stop(t)
	}
	for _, n := range nodes {
		n.restart(t)
	}
	commit(t, nodes, "after a restart")
	agree(t, nodes, 3)
	for _, n := range nodes {
		for name := range n.host.Refused() {
			if name == "request/absurd-term" || name == "reply/absurd-term" {
				t.Errorf("%s refuses an honest peer's term: %v", n.authority, n.host.Refused())
			}
		}
	}
}
