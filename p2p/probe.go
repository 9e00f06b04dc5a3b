package p2p

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
	"go.uber.org/fx"
)

// ErrProbe: a node is not to be reached at an address that was named for it, or
// another answers there.
var ErrProbe = errors.New("p2p: the node is not there")

// probeTime bounds how long one address may take.
const probeTime = 5 * time.Second

// Probe looks whether the node of a peer id answers at each of its addresses: it
// shakes hands under a key made for this once, which proves who is there, and
// says nothing else. A node that knows no such stranger hangs up then, and is
// there all the same. It is for a node that is no member yet, which a Host would
// not speak with. Errors wrap ErrProbe and name every address that failed.
func Probe(ctx context.Context, id peer.ID, addrs []multiaddr.Multiaddr) (err error) {
	h, err := libp2p.New(
		libp2p.NoListenAddrs,
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()),
		libp2p.Transport(quic.NewTransport),
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.DisableRelay(), libp2p.Ping(false), libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.ForceReachabilityPublic(), libp2p.WithFxOption(fx.NopLogger),
	)
	if err != nil {
		return fmt.Errorf("p2p: probe: %w", err)
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if len(addrs) == 0 {
		return fmt.Errorf("%w: no address is named for %s", ErrProbe, id)
	}
	var faults []error
	for _, a := range addrs {
		once, cancel := context.WithTimeout(network.WithForceDirectDial(ctx, "probe"), probeTime)
		err := h.Connect(once, peer.AddrInfo{ID: id, Addrs: []multiaddr.Multiaddr{a}})
		cancel()
		if err != nil {
			faults = append(faults, fmt.Errorf("%w at %s: %w", ErrProbe, a, err))
			continue
		}
		if err := h.Network().ClosePeer(id); err != nil {
			return fmt.Errorf("p2p: probe: %w", err)
		}
		h.Peerstore().ClearAddrs(id)
	}
	return errors.Join(faults...)
}
