package p2p

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/multiformats/go-multiaddr"
)

func TestDialPlan(t *testing.T) {
	tcp, quic := multiaddr.StringCast("/ip4/192.0.2.1/tcp/1"), multiaddr.StringCast("/ip4/192.0.2.1/udp/1/quic-v1")
	both := []multiaddr.Multiaddr{quic, nil, tcp}
	refused := fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
	silent := context.DeadlineExceeded
	type attempt struct {
		at   time.Duration
		want string
		err  error // of the attempt
	}
	for name, c := range map[string]struct {
		addrs      []multiaddr.Multiaddr
		preferQUIC bool
		attempts   []attempt
	}{
		"tcp only":      {both[1:], false, []attempt{{0, "tcp", silent}, {time.Hour, "tcp", silent}}},
		"quic only":     {both[:2], false, []attempt{{0, "quic", silent}, {time.Hour, "quic", silent}}},
		"no address":    {nil, false, []attempt{{0, "", nil}}},
		"node is down":  {both, false, []attempt{{0, "tcp", refused}, {30 * time.Second, "tcp", refused}, {59 * time.Second, "tcp", refused}}},
		"down for long": {both, false, []attempt{{0, "tcp", refused}, {60 * time.Second, "tcp quic", refused}, {61 * time.Second, "tcp", refused}, {120 * time.Second, "tcp quic", nil}, {121 * time.Second, "tcp", nil}}},
		"tcp is filtered": {both, false, []attempt{
			{0, "tcp", silent}, {4 * time.Second, "tcp", silent}, {5 * time.Second, "tcp quic", silent}, {10 * time.Second, "tcp quic", nil}, {time.Hour, "tcp", silent},
		}},
		"filtered, then down": {both, false, []attempt{{0, "tcp", silent}, {4 * time.Second, "tcp", refused}, {6 * time.Second, "tcp", refused}}},
		"quic is filtered":    {both, true, []attempt{{0, "quic", silent}, {5 * time.Second, "quic tcp", nil}, {6 * time.Second, "quic", silent}}},
		"quic, node is down":  {both, true, []attempt{{0, "quic", silent}, {5 * time.Second, "quic tcp", refused}, {30 * time.Second, "quic", silent}, {64 * time.Second, "quic", silent}, {65 * time.Second, "quic tcp", refused}}},
	} {
		var p dialPlan
		start := time.Unix(1e9, 0)
		for _, a := range c.attempts {
			addrs, all := p.choose(c.addrs, c.preferQUIC, start.Add(a.at))
			var got []string
			for _, addr := range addrs {
				if isQUIC(addr) {
					got = append(got, "quic")
				} else {
					got = append(got, "tcp")
				}
			}
			if s := strings.Join(got, " "); s != a.want || all != strings.Contains(a.want, " ") {
				t.Errorf("%s: after %v dials %q (both: %v), want %q", name, a.at, s, all, a.want)
			}
			p.note(addrs, all, a.err, start.Add(a.at))
		}
	}
}

// The plan stands on libp2p telling a refused port from others.
func TestClosedPortIsNoReasonForQUIC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := multiaddr.StringCast(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", l.Addr().(*net.TCPAddr).Port))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig("XB")
	cfg.Listen = []multiaddr.Multiaddr{listenQUIC}
	b := newTestHost(t, cfg)
	a := newTestHost(t, testConfig("XA"))
	members := []Member{testMember(t, "XA"), testMember(t, "XB", append(b.host.Addrs(), closed)...)}
	for _, h := range []*Host{a, b} {
		if err := h.SetMembers(members); err != nil {
			t.Fatal(err)
		}
	}
	r := a.remotes[b.ID()]
	eventually(t, "an attempt was refused", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.plan.refused && r.dialErr != nil
	})
	if st := a.Peers()[1]; st.Connected || !strings.Contains(st.Problem, "refused") || strings.Contains(st.Problem, "quic") {
		t.Errorf("%+v", st)
	}
	r.mu.Lock()
	r.plan.failing = time.Now().Add(-otherAfterRefusal) // as if a minute had passed
	r.mu.Unlock()
	if err := a.AwaitConnected(testContext(t), "XB"); err != nil {
		t.Fatal(err)
	}
}

// An exchange without an answer casts doubt on its connection. Nothing is closed
// that answers a question.
func TestSlowIsNotDead(t *testing.T) {
	a, b := pair(t, func(c *Config) { c.KeepAlive = 200 * time.Millisecond })
	x := newHostile(t, "XC") // it does not know our pings, and is alive nevertheless
	members := append(a.Members(), testMember(t, "XC"))
	if err := a.SetMembers(members); err != nil {
		t.Fatal(err)
	}
	if err := x.connect(a); err != nil {
		t.Fatal(err)
	}
	if err := a.AwaitConnected(testContext(t), "XC"); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	b.Handle("slow", 10, func(context.Context, Member, []byte) ([]byte, error) {
		<-release
		return nil, nil
	})
	defer close(release)
	before := append(a.links.to(b.ID()), a.links.to(x.host.ID())...)
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
		if _, err := a.Call(ctx, "XB", "slow", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		cancel()
	}
	for _, l := range before {
		asked := time.Now()
		eventually(t, "the connection is asked again", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.heard.After(asked)
		})
		if l.conn.IsClosed() {
			t.Errorf("closed a connection with %s that answers", l.conn.RemotePeer())
		}
	}
	for _, st := range a.Peers() {
		if !st.Self && (!st.Connected || st.Problem != "") {
			t.Errorf("%+v", st)
		}
	}
}

// A question behind bytes of ours has the time that they may take.
func TestPatienceFollowsTheBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(nil)
		if got := l.patience(time.Second); got != time.Second {
			t.Errorf("idle: %v", got)
		}
		l.sending(2 * slowest)
		l.sending(slowest)
		time.Sleep(time.Second)
		if got := l.patience(time.Second); got.Round(time.Millisecond) != 3*time.Second {
			t.Errorf("a second after three seconds' worth of bytes: %v, want 3s", got)
		}
		if got := l.quiet(); got != time.Second {
			t.Errorf("quiet for %v, want 1s: what we send is no sign of life", got)
		}
		l.answered()
		if got := l.patience(time.Second); got != time.Second || l.quiet() != 0 {
			t.Errorf("answered: %v, quiet for %v", got, l.quiet())
		}
		l.sending(1000 * slowest)
		if got := l.patience(time.Second); got != time.Second+maxCongestion {
			t.Errorf("very busy: %v, want %v", got, time.Second+maxCongestion)
		}
	})
}

// A leader's entries wait for a member that is away, so that Raft's back-off does
// not grow; anyone else's fail at once.
func TestEntriesWaitForAMember(t *testing.T) {
	a := newTestHost(t, testConfig("XA"))
	b := testMember(t, "XB")
	members := []Member{testMember(t, "XA"), b}
	if err := a.SetMembers(members); err != nil {
		t.Fatal(err)
	}
	leader := make(chan raft.ServerID, 1)
	leader <- ""
	tr := a.Transport(RaftConfig{
		Term: func() uint64 { return 1 },
		Leader: func() (raft.ServerAddress, raft.ServerID) {
			id := <-leader
			leader <- id
			return "", id
		},
	})
	send := func() error {
		var resp raft.AppendEntriesResponse
		req := &raft.AppendEntriesRequest{RPCHeader: headerOf(members[0]), Term: 1, PrevLogEntry: 1, PrevLogTerm: 1}
		return tr.AppendEntries("XB", raft.ServerAddress(b.Peer.String()), req, &resp)
	}
	if err := send(); !errors.Is(err, ErrUnreachable) {
		t.Fatalf("a follower's entries: %v, want ErrUnreachable", err)
	}
	for _, c := range []struct {
		name string
		end  func()
		want error
	}{
		{"no longer leads", func() { <-leader; leader <- "" }, ErrUnreachable},
		{"the member is removed", func() { noError(t, a.SetMembers(members[:1])) }, ErrNotMember},
		{"the transport is closed", func() { noError(t, tr.Close()) }, ErrClosed},
	} {
		noError(t, a.SetMembers(members))
		<-leader
		leader <- "XA"
		done := make(chan error, 1)
		go func() { done <- send() }()
		select {
		case err := <-done:
			t.Fatalf("%s: did not wait: %v", c.name, err)
		case <-time.After(2 * leadingCheck): // it would fail within a millisecond
		}
		c.end()
		if err := <-done; !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestListenOnAllOrNone(t *testing.T) {
	for _, listen := range []multiaddr.Multiaddr{listenTCP, listenQUIC} {
		cfg := testConfig("XA")
		cfg.Listen = []multiaddr.Multiaddr{listen}
		a := newTestHost(t, cfg)
		taken := a.host.Addrs()[0]
		cfg = testConfig("XB")
		cfg.Listen = []multiaddr.Multiaddr{listenTCP, taken}
		if _, err := New(cfg); !errors.Is(err, ErrAddressInUse) || !strings.Contains(err.Error(), taken.String()+":") {
			t.Errorf("%s, free port and taken one: %v, want ErrAddressInUse that names it", taken, err)
		}
	}
	cfg := testConfig("XA")
	cfg.Listen = []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/192.0.2.1/tcp/0")} // of no machine: RFC 5737
	if _, err := New(cfg); !errors.Is(err, ErrListen) {
		t.Errorf("another machine's address: %v, want ErrListen", err)
	}
	cfg.Listen = []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/udp/1")}
	if _, err := New(cfg); !errors.Is(err, ErrConfig) {
		t.Errorf("neither TCP nor QUIC: %v, want ErrConfig", err)
	}
}

// A member that connects again may have been restarted: its old connection is asked
// at once, and closed if nobody answers there.
func TestNewConnectionCastsDoubtOnTheOld(t *testing.T) {
	cfg := testConfig("XA")
	cfg.KeepAlive = 3 * time.Second
	a := newTestHost(t, cfg)
	if err := a.SetMembers([]Member{testMember(t, "XA"), testMember(t, "XB")}); err != nil {
		t.Fatal(err)
	}
	before, after := newHostile(t, "XB"), newHostile(t, "XB") // one identity
	noError(t, before.connect(a))
	eventually(t, "first connection", func() bool { return len(a.links.to(before.host.ID())) == 1 })
	old := a.links.to(before.host.ID())[0]
	before.host.Network().SetStreamHandler(func(network.Stream) {}) // it says nothing any more
	start := time.Now()
	noError(t, after.connect(a))
	eventually(t, "the old connection is closed", old.conn.IsClosed)
	if took := time.Since(start); took < cfg.KeepAlive/2-100*time.Millisecond || took >= cfg.KeepAlive {
		t.Errorf("closed after %v, want %v", took, cfg.KeepAlive/2)
	}
	eventually(t, "the new connection is the one", func() bool {
		l := a.links.to(before.host.ID())
		return len(l) == 1 && l[0] != old && a.Peers()[1].Connected
	})
}
