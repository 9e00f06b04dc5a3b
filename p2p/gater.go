package p2p

import (
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

var _ connmgr.ConnectionGater = (*gater)(nil)

// gater admits members and nobody else (P1). It is asked by libp2p from many
// goroutines; the roster behind isMember is swapped atomically.
//
// A connection that passes here while SetMembers swaps the roster is caught by
// the connected notification of [Host], which looks again once the connection is
// listed, so that either it or SetMembers closes it.
type gater struct {
	isMember func(peer.ID) bool
	refusals *refusals
}

// InterceptPeerDial lets us dial members only.
func (g *gater) InterceptPeerDial(p peer.ID) bool { return g.isMember(p) }

// InterceptAddrDial lets us dial members at TCP and QUIC addresses only.
func (g *gater) InterceptAddrDial(p peer.ID, a multiaddr.Multiaddr) bool {
	return g.isMember(p) && usable(a)
}

// InterceptAccept comes before the handshake, when nothing is known but an
// address that may be anybody's; the resource manager's limits guard this stage.
func (g *gater) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured is the first point where the remote has proved who it is.
func (g *gater) InterceptSecured(dir network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	return g.admit(dir, p)
}

// InterceptUpgraded asks again, in case the members changed during the handshake.
func (g *gater) InterceptUpgraded(c network.Conn) (bool, control.DisconnectReason) {
	return g.admit(c.Stat().Direction, c.RemotePeer()), 0
}

func (g *gater) admit(dir network.Direction, p peer.ID) bool {
	if g.isMember(p) {
		return true
	}
	g.refusals.note(atConnection, "", refuse(RefusedNotMember, "%s connection with %s, which is not a member's node: if it should be, its authority's node key in the ledger says otherwise", dir, p))
	return false
}
