package p2p

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
	"go.uber.org/fx"
)

// ErrProbe: a node is not to be reached where it is said to be, or another is there.
var ErrProbe = errors.New("p2p: the node is not there")

// probeTime bounds how long one address may take.
const probeTime = 5 * time.Second

// Probe looks whether the node of a peer id is at one of its addresses at least, and
// no other node at any: it shakes hands under a key made for this once, which proves
// who is there, and says nothing else. It is for a node that is no member yet, with
// which a Host would not speak; that one hangs up on strangers, and is there all the
// same. So nothing is learnt of the network that it thinks it is in: its key tells,
// which is of one network's only. It opens no port, and ends when ctx does.
//
// Errors wrap ErrProbe, and name each address with what went wrong there.
func Probe(ctx context.Context, id peer.ID, addrs []multiaddr.Multiaddr) error {
	if len(addrs) == 0 {
		return fmt.Errorf("%w: no address is named for %s", ErrProbe, id)
	}
	if len(addrs) > maxAddresses {
		return fmt.Errorf("%w: %d addresses are named for %s, at most %d", ErrProbe, len(addrs), id, maxAddresses)
	}
	var faults []error
	there, another := false, false
	for _, a := range addrs {
		err := probe(ctx, id, a)
		var other sec.ErrPeerIDMismatch
		switch {
		case err == nil:
			there = true
			continue
		case errors.As(err, &other):
			another = true
			err = fmt.Errorf("%w at %s: the node there is %s, and not %s", ErrProbe, a, other.Actual, id)
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			err = fmt.Errorf("%w at %s: there was no answer in %v", ErrProbe, a, probeTime)
		default:
			err = fmt.Errorf("%w at %s: %w", ErrProbe, a, err)
		}
		faults = append(faults, err)
	}
	if there && !another {
		return nil
	}
	return errors.Join(faults...)
}

// probe looks at one address.
func probe(ctx context.Context, id peer.ID, a multiaddr.Multiaddr) (err error) {
	if !usable(a) {
		return errors.New("it is neither TCP nor QUIC")
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	met := &handshake{with: id}
	h, err := libp2p.New(
		libp2p.NoListenAddrs,
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()),
		libp2p.Transport(quic.NewTransport),
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ConnectionGater(met),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableRelay(), libp2p.Ping(false), libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.ForceReachabilityPublic(), libp2p.WithFxOption(fx.NopLogger),
	)
	if err != nil {
		return fmt.Errorf("p2p: probe: %w", err)
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	// Whatever comes after the handshake, it was there: gated, it hangs up.
	if err := h.Connect(ctx, peer.AddrInfo{ID: id, Addrs: []multiaddr.Multiaddr{a}}); err != nil && !met.shaken.Load() {
		return err
	}
	return nil
}

// handshake notes that a peer has proved its key to us, and lets nothing else happen.
type handshake struct {
	with   peer.ID
	shaken atomic.Bool
}

var _ connmgr.ConnectionGater = (*handshake)(nil)

func (g *handshake) InterceptPeerDial(p peer.ID) bool { return p == g.with }
func (g *handshake) InterceptAddrDial(p peer.ID, a multiaddr.Multiaddr) bool {
	return p == g.with && usable(a)
}
func (g *handshake) InterceptAccept(network.ConnMultiaddrs) bool                     { return false }
func (g *handshake) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }

// InterceptSecured is called when the handshake is over.
func (g *handshake) InterceptSecured(d network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	if d == network.DirOutbound && p == g.with {
		g.shaken.Store(true)
	}
	return true
}
