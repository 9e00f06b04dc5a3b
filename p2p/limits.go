package p2p

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"
	"github.com/multiformats/go-multiaddr"
)

// The resource manager's limits, in one place. They do not scale with the
// machine: what a hostile peer can make us spend is a decision, not an accident
// of the hardware.
const (
	maxConns            = 2 * maxMembers // both directions, all peers; two each, as both may dial at once
	maxTransientConns   = 128            // still in their handshake, strangers included
	maxConnsPerPeer     = 8
	maxConnsPerAddress  = 64 // of one IPv4 address or IPv6 /56: members may share a NAT
	maxStreamsPerPeer   = 512
	maxTransientStreams = 1024
	maxPeerMemory       = 128 << 20 // a yamux window is 16 MiB at most
)

// resourceManager builds libp2p's resource manager with our limits and returns it
// with its allow-list. An allow-listed member still gets in when strangers have
// used up the ordinary limits.
func resourceManager(cfg Config) (network.ResourceManager, *rcmgr.Allowlist, error) {
	system := rcmgr.BaseLimit{
		Conns: maxConns, ConnsInbound: maxConns, ConnsOutbound: maxConns, FD: maxConns,
		Streams: 16 << 10, StreamsInbound: 16 << 10, StreamsOutbound: 16 << 10,
		Memory: cfg.MaxMemory,
	}
	transient := rcmgr.BaseLimit{
		Conns: maxTransientConns, ConnsInbound: maxTransientConns, ConnsOutbound: maxTransientConns, FD: maxTransientConns,
		Streams: maxTransientStreams, StreamsInbound: maxTransientStreams, StreamsOutbound: maxTransientStreams,
		Memory: 64 << 20,
	}
	onePeer := rcmgr.BaseLimit{
		Conns: maxConnsPerPeer, ConnsInbound: maxConnsPerPeer, ConnsOutbound: maxConnsPerPeer, FD: maxConnsPerPeer,
		Streams: maxStreamsPerPeer, StreamsInbound: maxStreamsPerPeer / 2, StreamsOutbound: maxStreamsPerPeer / 2,
		Memory: maxPeerMemory,
	}
	// Twice what an honest peer opens: after a fault its old streams may linger here
	// while it opens new ones.
	perProtocol := max(2*cfg.StreamsPerProtocol, 2*maxConnsPerPeer) // each connection has its pings
	oneProtocolOfPeer := rcmgr.BaseLimit{
		Streams: 2 * perProtocol, StreamsInbound: perProtocol, StreamsOutbound: perProtocol,
		Memory: maxPeerMemory,
	}

	limits := rcmgr.DefaultLimits // a copy; its maps are nil and are made on first use
	libp2p.SetDefaultServiceLimits(&limits)
	limits.SystemBaseLimit, limits.AllowlistedSystemBaseLimit = system, system
	limits.TransientBaseLimit, limits.AllowlistedTransientBaseLimit = transient, transient
	limits.PeerBaseLimit = onePeer
	limits.ProtocolBaseLimit = rcmgr.BaseLimit{Streams: 16 << 10, StreamsInbound: 8 << 10, StreamsOutbound: 8 << 10, Memory: cfg.MaxMemory}
	limits.ProtocolPeerBaseLimit = oneProtocolOfPeer

	// Scale(0, 0) leaves the base limits as they are.
	rm, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.Scale(0, 0)),
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: maxConnsPerAddress}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: maxConnsPerAddress}},
		),
		rcmgr.WithConnRateLimiters(connRate()))
	if err != nil {
		return nil, nil, fmt.Errorf("p2p: resource limits: %w", err)
	}
	return rm, rcmgr.GetAllowlist(rm), nil
}

// connRate bounds new connections per address. libp2p's default, one in five
// seconds, counts our own attempts too and would keep a member that restarts a few
// times from coming back; several nodes on one machine are exempt.
func connRate() *rate.Limiter {
	perAddress := rate.Limit{RPS: 5, Burst: 2 * maxConnsPerAddress}
	return &rate.Limiter{
		NetworkPrefixLimits: []rate.PrefixLimit{
			{Prefix: netip.MustParsePrefix("127.0.0.0/8")},
			{Prefix: netip.MustParsePrefix("::1/128")},
		},
		SubnetRateLimiter: rate.SubnetLimiter{
			IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: perAddress}},
			IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 56, Limit: perAddress}},
			GracePeriod:      time.Minute,
		},
	}
}

// allowListed returns the forms of m's addresses that the allow-list takes: those
// with a literal IP address, narrowed to m's peer id. A DNS name has no address
// yet, and is not worth a look-up: the allow-list only matters under attack.
func allowListed(m Member) []multiaddr.Multiaddr {
	id, err := multiaddr.NewComponent("p2p", m.Peer.String())
	if err != nil {
		return nil // roster has validated the peer id
	}
	var out []multiaddr.Multiaddr
	for _, a := range m.Addrs {
		ip, _ := multiaddr.SplitFirst(a)
		if ip == nil {
			continue
		}
		if c := ip.Protocol().Code; c == multiaddr.P_IP4 || c == multiaddr.P_IP6 {
			out = append(out, ip.Multiaddr().AppendComponent(id))
		}
	}
	return out
}
