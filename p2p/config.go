package p2p

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/multiformats/go-multiaddr"
)

// What a zero field of [Config] means.
const (
	DefaultMaxFrame           = 4 << 20
	DefaultMaxCalls           = 64
	DefaultStreamsPerProtocol = 8
	DefaultMaxMemory          = 512 << 20
	DefaultFrameTimeout       = 10 * time.Second
	DefaultDialTimeout        = 5 * time.Second
	DefaultDialBackoff        = 10 * time.Second
	DefaultKeepAlive          = 2 * time.Second
)

// minDialBackoff is the wait before the second attempt to reach a member; each
// further one doubles it, up to Config.DialBackoff.
const minDialBackoff = 100 * time.Millisecond

// ErrConfig is wrapped by every fault that [Config.Validate] finds.
var ErrConfig = errors.New("p2p: unusable configuration")

// Config says who this node is, whom it talks to, and how much it spends on them.
type Config struct {
	// Key is the node's own libp2p key. Its public half is the peer id that the
	// ledger names for this node's authority. Here it signs handshakes only; blocks and
	// promises, which it signs too, have domains of their own.
	Key ed25519.PrivateKey
	// Network is the network's id, the SHA-256 of its genesis file. It is part of
	// every protocol id, so nodes of two networks have no protocol in common (P2).
	Network [32]byte
	// Listen are the addresses to listen on, TCP (/ip4/0.0.0.0/tcp/4001) or QUIC
	// (/ip4/0.0.0.0/udp/4001/quic-v1). None: the node only dials.
	Listen []multiaddr.Multiaddr
	// Members are all nodes that the ledger names, this one included. See
	// [Host.SetMembers].
	Members []Member
	// Logger takes the host's own lines; nil means slog.Default().
	Logger *slog.Logger
	// PreferQUIC dials a member's QUIC addresses, and its TCP ones only if it has no
	// QUIC address, or if that has failed for a while although the node seems to be
	// up; without it, the other way round. TCP with TLS 1.3 was 10-20 % faster where
	// we measured; QUIC may do better on links that lose packets, because one lost
	// packet does not hold up the other streams.
	PreferQUIC bool

	// MaxFrame is the most bytes that one message may have, either way. A Raft
	// entry must fit one frame: see [Host.MaxEntry].
	MaxFrame int
	// MaxCalls is the most calls in progress with one member, in each direction.
	// One more is answered at once with [ErrBusy].
	MaxCalls int
	// StreamsPerProtocol is the most streams kept open to one member for one
	// protocol, hence the number of calls that do not wait for one another.
	StreamsPerProtocol int
	// MaxMemory bounds what libp2p's resource manager lends to all streams, in bytes.
	MaxMemory int64
	// FrameTimeout is how long the rest of a message may take once its first byte
	// has arrived, and how long an answer may take to be written.
	FrameTimeout time.Duration
	// DialTimeout bounds one attempt to connect, handshake included.
	DialTimeout time.Duration
	// DialBackoff is the longest wait between two attempts to reach a member.
	DialBackoff time.Duration
	// KeepAlive is how long a connection may be quiet before its other end is asked
	// for a sign of life. One that gives none is closed, at most 2.5 of these after
	// the last one; half of one after an exchange without an answer, or after the
	// member has made another connection. On a line that is busy with what we send,
	// it may take some seconds more.
	KeepAlive time.Duration
}

// withDefaults returns c with its zero fields filled in.
func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.MaxFrame == 0 {
		c.MaxFrame = DefaultMaxFrame
	}
	if c.MaxCalls == 0 {
		c.MaxCalls = DefaultMaxCalls
	}
	if c.StreamsPerProtocol == 0 {
		c.StreamsPerProtocol = DefaultStreamsPerProtocol
	}
	if c.MaxMemory == 0 {
		c.MaxMemory = DefaultMaxMemory
	}
	if c.FrameTimeout == 0 {
		c.FrameTimeout = DefaultFrameTimeout
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = DefaultDialTimeout
	}
	if c.DialBackoff == 0 {
		c.DialBackoff = DefaultDialBackoff
	}
	if c.KeepAlive == 0 {
		c.KeepAlive = DefaultKeepAlive
	}
	return c
}

// Validate reports every fault of c at once, not only the first; each wraps
// [ErrConfig]. Zero fields stand for their defaults and are no fault.
func (c Config) Validate() error {
	c = c.withDefaults()
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...))
	}
	if len(c.Key) != ed25519.PrivateKeySize {
		fault("Key has %d bytes, want %d: the node's Ed25519 private key", len(c.Key), ed25519.PrivateKeySize)
	}
	if c.Network == [32]byte{} {
		fault("Network is zero: want the SHA-256 of the genesis file")
	}
	if c.MaxFrame < 64<<10 || c.MaxFrame > 64<<20 {
		fault("MaxFrame is %d bytes, want %d to %d", c.MaxFrame, 64<<10, 64<<20)
	}
	if c.MaxCalls < 1 || c.MaxCalls > 4096 {
		fault("MaxCalls is %d, want 1 to 4096", c.MaxCalls)
	}
	if c.StreamsPerProtocol < 1 || c.StreamsPerProtocol > 256 {
		fault("StreamsPerProtocol is %d, want 1 to 256", c.StreamsPerProtocol)
	}
	if c.MaxMemory < 32<<20 {
		fault("MaxMemory is %d bytes, want at least %d", c.MaxMemory, 32<<20)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"FrameTimeout", c.FrameTimeout}, {"DialTimeout", c.DialTimeout}, {"DialBackoff", c.DialBackoff}, {"KeepAlive", c.KeepAlive}} {
		if d.value < minDialBackoff || d.value > 10*time.Minute {
			fault("%s is %v, want %v to 10m", d.name, d.value, minDialBackoff)
		}
	}
	if len(c.Listen) > maxAddresses {
		fault("%d addresses to listen on, at most %d", len(c.Listen), maxAddresses)
	}
	for _, a := range c.Listen {
		if !usable(a) {
			fault("listen address %v is neither TCP nor QUIC: use /ip4/ADDRESS/tcp/PORT or /ip4/ADDRESS/udp/PORT/quic-v1", a)
		}
	}
	if _, err := newRoster(c.Members); err != nil {
		faults = append(faults, fmt.Errorf("%w: %w", ErrConfig, err))
	}
	return errors.Join(faults...)
}
