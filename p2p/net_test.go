package p2p

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
)

// patience is how long a test waits for what should take milliseconds.
const patience = 15 * time.Second

var testNetwork = sha256.Sum256([]byte("p2p test network"))

// testKey is the node key of an authority; it is no secret.
func testKey(authority string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("p2p test node " + authority))
	return ed25519.NewKeyFromSeed(seed[:])
}

func testMember(t testing.TB, authority string, addrs ...multiaddr.Multiaddr) Member {
	t.Helper()
	id, err := PeerID(testKey(authority).Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return Member{Authority: authority, Peer: id, Addrs: addrs, Voter: true}
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// listenTCP lets the system choose a port.
var listenTCP = multiaddr.StringCast("/ip4/127.0.0.1/tcp/0")
var listenQUIC = multiaddr.StringCast("/ip4/127.0.0.1/udp/0/quic-v1")

// testConfig is a config for authority's node, without members.
func testConfig(authority string) Config {
	return Config{
		Key: testKey(authority), Network: testNetwork, Logger: quiet(),
		Listen: []multiaddr.Multiaddr{listenTCP}, DialBackoff: 500 * time.Millisecond,
	}
}

func newTestHost(t testing.TB, cfg Config) *Host {
	t.Helper()
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return h
}

// introduce makes the hosts members of one network at the addresses where they
// listen, and waits until they are all connected.
func introduce(t testing.TB, hosts map[string]*Host, others ...Member) []Member {
	t.Helper()
	members := others
	for authority, h := range hosts {
		members = append(members, testMember(t, authority, h.host.Addrs()...))
	}
	for _, h := range hosts {
		if err := h.SetMembers(members); err != nil {
			t.Fatal(err)
		}
	}
	ctx := testContext(t)
	for a, h := range hosts {
		for b := range hosts {
			if a == b {
				continue
			}
			if err := h.AwaitConnected(ctx, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	return members
}

// pair returns two connected hosts, XA and XB.
func pair(t testing.TB, change func(*Config)) (a, b *Host) {
	t.Helper()
	hosts := make(map[string]*Host)
	for _, authority := range []string{"XA", "XB"} {
		cfg := testConfig(authority)
		if change != nil {
			change(&cfg)
		}
		hosts[authority] = newTestHost(t, cfg)
	}
	introduce(t, hosts)
	return hosts["XA"], hosts["XB"]
}

// eventually waits for a condition that nothing announces.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		<-tick.C
	}
}

// hostile is a libp2p host that holds an authority's node key, or a stranger's,
// and keeps none of our rules.
type hostile struct {
	t    testing.TB
	host host.Host
}

func newHostile(t testing.TB, authority string) *hostile {
	t.Helper()
	key, err := crypto.UnmarshalEd25519PrivateKey(testKey(authority))
	if err != nil {
		t.Fatal(err)
	}
	h, err := libp2p.New(libp2p.Identity(key), libp2p.ListenAddrs(listenTCP), libp2p.DisableRelay(),
		libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close hostile host: %v", err)
		}
	})
	return &hostile{t, h}
}

func (x *hostile) connect(to *Host) error {
	return x.host.Connect(testContext(x.t), peer.AddrInfo{ID: to.ID(), Addrs: to.host.Addrs()})
}

func (x *hostile) stream(to *Host, name string) network.Stream {
	x.t.Helper()
	s, err := x.host.NewStream(testContext(x.t), to.ID(), protocol.ID(to.protocol(name)))
	if err != nil {
		x.t.Fatal(err)
	}
	if err := s.SetDeadline(time.Now().Add(patience)); err != nil {
		x.t.Fatal(err)
	}
	return s
}

// send writes raw bytes on a new stream and returns what comes back.
func (x *hostile) send(to *Host, name string, raw []byte) (kind, []byte, error) {
	x.t.Helper()
	s := x.stream(to, name)
	defer s.Reset()
	if _, err := s.Write(raw); err != nil {
		return 0, nil, err
	}
	return readAnswer(s)
}

func readAnswer(s io.Reader) (kind, []byte, error) {
	var head [frameHeaderSize]byte
	if _, err := io.ReadFull(s, head[:]); err != nil {
		return 0, nil, err
	}
	hdr, err := parseFrameHeader(head, DefaultMaxFrame)
	if err != nil {
		return 0, nil, err
	}
	body, err := readBody(s, hdr.size)
	return hdr.kind, body, err
}

// wantRefusal checks that an answer is a refusal for a reason.
func wantRefusal(t testing.TB, want Refusal, k kind, body []byte, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("no answer: %v; want refusal %v", err, want)
	}
	if k != kindRefused || len(body) != 1 {
		t.Fatalf("answer of kind %#x, %x; want refusal %v", uint8(k), body, want)
	}
	if got := Refusal(body[0]); got != want {
		t.Fatalf("refused for %v, want %v", got, want)
	}
}

func mustPanic(t testing.TB, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", what)
		}
	}()
	f()
}

func authorities(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("X%c", 'A'+i)
	}
	return out
}
