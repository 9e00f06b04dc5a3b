package p2p

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/multiformats/go-multiaddr"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	cfg := testConfig("XA")
	cfg.Listen = []multiaddr.Multiaddr{listenTCP, listenQUIC}
	a := newTestHost(t, cfg) // it has no members: everybody is a stranger
	b := newTestHost(t, testConfig("XB"))
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := multiaddr.StringCast("/ip4/127.0.0.1/tcp/" + nobody.Addr().String()[len("127.0.0.1:"):])
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := testContext(t)
	for _, addr := range a.host.Addrs() {
		for range 3 {
			if err := Probe(ctx, a.ID(), []multiaddr.Multiaddr{addr}); err != nil {
				t.Errorf("at %s: %v", addr, err)
			}
		}
	}
	if err := Probe(ctx, a.ID(), append([]multiaddr.Multiaddr{closed}, a.host.Addrs()...)); err != nil {
		t.Errorf("with one address of several where nothing is: %v", err)
	}
	for _, c := range []struct {
		name  string
		addrs []multiaddr.Multiaddr
		want  string
	}{
		{"nowhere", nil, "no address"},
		{"a closed port", []multiaddr.Multiaddr{closed}, "refused"},
		{"another node", b.host.Addrs(), b.ID().String()},
		{"itself, and another node", append(b.host.Addrs(), a.host.Addrs()...), b.ID().String()},
		{"no address of ours", []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/udp/9")}, "neither TCP nor QUIC"},
	} {
		if err := Probe(ctx, a.ID(), c.addrs); !errors.Is(err, ErrProbe) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want ErrProbe with %q", c.name, err, c.want)
		}
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := Probe(over, a.ID(), a.host.Addrs()); !errors.Is(err, ErrProbe) {
		t.Errorf("when it is over: %v", err)
	}
}

// A member is found at its new address as soon as the members have it.
func TestNewAddressIsDialledAtOnce(t *testing.T) {
	t.Parallel()
	cfg := testConfig("XA")
	cfg.DialBackoff = time.Minute
	a, b := newTestHost(t, cfg), newTestHost(t, testConfig("XB"))
	wrong := testMember(t, "XB", multiaddr.StringCast("/ip4/127.0.0.1/tcp/1"))
	if err := a.SetMembers([]Member{testMember(t, "XA"), wrong}); err != nil {
		t.Fatal(err)
	}
	if err := b.SetMembers([]Member{testMember(t, "XA"), wrong}); err != nil { // it has no address of XA's
		t.Fatal(err)
	}
	eventually(t, "it was looked for where it is not", func() bool {
		for _, p := range a.Peers() {
			if p.Authority == "XB" && p.Problem != "" {
				return true
			}
		}
		return false
	})
	if err := a.SetMembers([]Member{testMember(t, "XA"), testMember(t, "XB", b.host.Addrs()...)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := a.AwaitConnected(ctx, "XB"); err != nil {
		t.Fatal(err)
	}
}
