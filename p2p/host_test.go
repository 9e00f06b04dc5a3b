package p2p

import (
	"context"
	"crypto/ed25519"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

func TestConfigReportsAllFaults(t *testing.T) {
	err := Config{
		MaxFrame: 1, MaxCalls: -1, StreamsPerProtocol: 1000, MaxMemory: 1, DialTimeout: 1,
		Listen:  []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/udp/1")},
		Members: []Member{{Authority: "XA"}},
	}.Validate()
	for _, field := range []string{"Key", "Network", "MaxFrame", "MaxCalls", "StreamsPerProtocol", "MaxMemory", "DialTimeout", "listen address", "XA"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("no complaint about %s in: %v", field, err)
		}
	}
	if !errors.Is(err, ErrMembers) {
		t.Errorf("not ErrMembers: %v", err)
	}
	if _, err := New(Config{}); err == nil {
		t.Error("New took an empty config")
	}
	if _, err := PeerID(ed25519.PublicKey("short")); err == nil {
		t.Error("PeerID took a short key")
	}
}

func TestSetMembersRefusesUnusableSets(t *testing.T) {
	h := newTestHost(t, testConfig("XA"))
	a, b := testMember(t, "XA"), testMember(t, "XB")
	if err := h.SetMembers([]Member{a, b}); err != nil {
		t.Fatal(err)
	}
	same := b
	same.Authority = "XC"
	for name, set := range map[string][]Member{
		"one peer twice":      {a, b, same},
		"one authority twice": {a, b, {Authority: "XB", Peer: testMember(t, "XC").Peer}},
		"no authority":        {{Peer: b.Peer}},
		"no peer":             {{Authority: "XB"}},
		"too many":            make([]Member, maxMembers+1),
		"too many addresses":  {{Authority: "XB", Peer: b.Peer, Addrs: make([]multiaddr.Multiaddr, maxAddresses+1)}},
		"peer id too long":    {{Authority: "XB", Peer: peer.ID(strings.Repeat("x", 200))}},
	} {
		if err := h.SetMembers(set); !errors.Is(err, ErrMembers) {
			t.Errorf("%s: got %v, want ErrMembers", name, err)
		}
	}
	if got := len(h.Members()); got != 2 {
		t.Errorf("%d members after refused sets, want the 2 from before", got)
	}
}

func TestStrangerIsGated(t *testing.T) {
	a, b := pair(t, nil)
	x := newHostile(t, "stranger")
	// The handshake may end on the stranger's side before it learns that it was
	// gated, so the error may come with its first stream.
	if err := x.connect(a); err == nil {
		s, err := x.host.NewStream(testContext(t), a.ID(), a.protocol(heartbeatProtocol))
		if err == nil {
			_, err = s.Write([]byte{0})
			if err == nil {
				_, err = s.Read(make([]byte, 1))
			}
		}
		if err == nil {
			t.Fatal("a stranger got a stream")
		}
	}
	eventually(t, "the gater counts the stranger", func() bool { return a.Refused()["connection/not-member"] > 0 })
	if n := len(a.host.Network().ConnsToPeer(x.host.ID())); n != 0 {
		t.Fatalf("%d connections with a stranger", n)
	}
	// Nor do we dial one.
	err := a.host.Connect(testContext(t), peer.AddrInfo{ID: x.host.ID(), Addrs: x.host.Addrs()})
	if err == nil {
		t.Fatal("dialled a stranger")
	}
	if err := a.AwaitConnected(testContext(t), "XB"); err != nil {
		t.Fatal(err)
	}
	_ = b
}

func TestRemovedMemberIsDisconnectedAtOnce(t *testing.T) {
	a, b := pair(t, nil)
	a.Handle("echo", 10, func(_ context.Context, _ Member, r []byte) ([]byte, error) { return r, nil })
	if _, err := b.Call(testContext(t), "XA", "echo", []byte("x")); err != nil {
		t.Fatal(err)
	}
	members := a.Members()
	if err := a.SetMembers([]Member{testMember(t, "XA")}); err != nil {
		t.Fatal(err)
	}
	if n := len(a.host.Network().ConnsToPeer(b.ID())); n != 0 {
		t.Fatalf("%d connections with a removed member when SetMembers has returned", n)
	}
	if err := b.AwaitDisconnected(testContext(t), "XA"); err != nil {
		t.Fatal(err)
	}
	// The removed member keeps dialling, in vain.
	eventually(t, "the gater counts the removed member", func() bool { return a.Refused()["connection/not-member"] > 0 })
	if _, err := a.Call(testContext(t), "XB", "echo", nil); !errors.Is(err, ErrNotMember) {
		t.Fatalf("call to a removed member: %v", err)
	}
	// Back in the set, it is reached again.
	if err := a.SetMembers(members); err != nil {
		t.Fatal(err)
	}
	if err := a.AwaitConnected(testContext(t), "XB"); err != nil {
		t.Fatal(err)
	}
}

func TestTwoNetworksNeverTalk(t *testing.T) {
	other := testConfig("XB")
	other.Network[0] ^= 1
	hosts := map[string]*Host{"XA": newTestHost(t, testConfig("XA")), "XB": newTestHost(t, other)}
	introduce(t, hosts) // members of both, so even their connection is allowed
	for _, h := range hosts {
		h.Handle("echo", 10, func(_ context.Context, _ Member, r []byte) ([]byte, error) { return r, nil })
	}
	if _, err := hosts["XA"].Call(testContext(t), "XB", "echo", nil); !errors.Is(err, ErrUnreachable) {
		t.Fatalf("call into another network: %v, want ErrUnreachable", err)
	}
}

func TestTransportPreference(t *testing.T) {
	for _, quic := range []bool{false, true} {
		hosts := make(map[string]*Host)
		for _, authority := range []string{"XA", "XB"} {
			cfg := testConfig(authority)
			cfg.Listen = []multiaddr.Multiaddr{listenTCP, listenQUIC}
			cfg.PreferQUIC = quic
			hosts[authority] = newTestHost(t, cfg)
		}
		introduce(t, hosts)
		want := "tcp"
		if quic {
			want = "quic"
		}
		st := hosts["XA"].Peers()[1]
		if st.Authority != "XB" || !st.Connected || st.Transport != want || st.Since.IsZero() || st.Problem != "" {
			t.Errorf("PreferQUIC %v: %+v, want %s", quic, st, want)
		}
		c := hosts["XA"].host.Network().ConnsToPeer(hosts["XB"].ID())[0].ConnState()
		if !quic && (c.Security != "/tls/1.0.0" || c.StreamMultiplexer != "/yamux/1.0.0") {
			t.Errorf("TCP with %s and %s, want TLS and yamux", c.Security, c.StreamMultiplexer)
		}
		for _, a := range hosts["XA"].Addrs() {
			if _, err := peer.AddrInfoFromP2pAddr(a); err != nil {
				t.Errorf("address %v: %v", a, err)
			}
		}
	}
}

func TestKeepsTryingToConnect(t *testing.T) {
	a := newTestHost(t, testConfig("XA"))
	b, err := New(testConfig("XB"))
	if err != nil {
		t.Fatal(err)
	}
	addrs := b.host.Addrs()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.SetMembers([]Member{testMember(t, "XA"), testMember(t, "XB", addrs...)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a failed attempt is shown", func() bool { return a.Peers()[1].Problem != "" })
	if _, err := a.Call(testContext(t), "XB", "echo", nil); !errors.Is(err, ErrUnreachable) {
		t.Fatalf("call to a member that is down: %v", err)
	}
	// It comes up, knowing no address of ours, so that only our dialling connects.
	cfg := testConfig("XB")
	cfg.Listen = addrs
	cfg.Members = []Member{testMember(t, "XA"), testMember(t, "XB")}
	b = newTestHost(t, cfg)
	if err := a.AwaitConnected(testContext(t), "XB"); err != nil {
		t.Fatal(err)
	}
	// It loses the connection, and gets it back.
	if err := b.host.Network().ClosePeer(a.ID()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "connected again", func() bool {
		return b.host.Network().Connectedness(a.ID()) == network.Connected && a.Peers()[1].Connected
	})
}

func TestPortInUse(t *testing.T) {
	a := newTestHost(t, testConfig("XA"))
	cfg := testConfig("XB")
	cfg.Listen = a.host.Addrs()
	if _, err := New(cfg); !errors.Is(err, ErrAddressInUse) || !strings.Contains(err.Error(), cfg.Listen[0].String()) {
		t.Fatalf("second host on one port: %v", err)
	}
}

func TestDialIgnoresWhatPeersSayOfThemselves(t *testing.T) {
	a, b := pair(t, nil)
	lure := multiaddr.StringCast("/ip4/127.0.0.1/tcp/1")
	a.host.Peerstore().AddAddr(b.ID(), lure, 1<<40)
	r := a.remotes[b.ID()]
	if err := a.dial(testContext(t), r); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(a.host.Peerstore().Addrs(b.ID()), lure.Equal) {
		t.Fatal("an address that is not in the ledger's record stayed in the peerstore")
	}
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	owned := func() int {
		buf := make([]byte, 1<<20)
		return strings.Count(string(buf[:runtime.Stack(buf, true)]), "concordat/p2p.(*Host).")
	}
	hosts := make(map[string]*Host)
	for _, authority := range authorities(3) {
		h, err := New(testConfig(authority))
		if err != nil {
			t.Fatal(err)
		}
		hosts[authority] = h
	}
	introduce(t, hosts)
	started := make(chan struct{})
	hosts["XA"].Handle("wait", 10, func(ctx context.Context, _ Member, _ []byte) ([]byte, error) {
		close(started)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	failed := make(chan error)
	ctx := testContext(t)
	go func() {
		_, err := hosts["XB"].Call(ctx, "XA", "wait", nil)
		failed <- err
	}()
	<-started
	if owned() == 0 {
		t.Fatal("the test cannot see the goroutines that it counts")
	}
	for authority, h := range hosts {
		if err := h.Close(); err != nil {
			t.Errorf("%s: %v", authority, err)
		}
		if err := h.Close(); err != nil {
			t.Errorf("%s: second close: %v", authority, err)
		}
	}
	if err := <-failed; err == nil {
		t.Error("a call to a closed host succeeded")
	}
	eventually(t, "no goroutine of a host is left", func() bool { return owned() == 0 })
	h := hosts["XA"]
	if _, err := h.Call(ctx, "XB", "wait", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("call on a closed host: %v", err)
	}
	if err := h.SetMembers(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("SetMembers on a closed host: %v", err)
	}
	if err := h.AwaitConnected(ctx, "XB"); !errors.Is(err, ErrClosed) {
		t.Errorf("AwaitConnected on a closed host: %v", err)
	}
}

func TestMembersAreAllowListed(t *testing.T) {
	a := newTestHost(t, testConfig("XA"))
	at := multiaddr.StringCast("/ip4/192.0.2.7/tcp/4001")
	b := testMember(t, "XB", at, multiaddr.StringCast("/dns4/node.example/tcp/4001"))
	stranger := testMember(t, "XC").Peer
	if err := a.SetMembers([]Member{testMember(t, "XA"), b}); err != nil {
		t.Fatal(err)
	}
	if !a.allow.AllowedPeerAndMultiaddr(b.Peer, at) {
		t.Error("a member at its address is not allow-listed")
	}
	if a.allow.AllowedPeerAndMultiaddr(stranger, at) {
		t.Error("a stranger at a member's address is allow-listed")
	}
	if err := a.SetMembers([]Member{testMember(t, "XA")}); err != nil {
		t.Fatal(err)
	}
	if a.allow.AllowedPeerAndMultiaddr(b.Peer, at) {
		t.Error("a removed member is still allow-listed")
	}
}
