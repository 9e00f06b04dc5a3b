package p2p

import (
	"context"
	"fmt"
	"time"

	"github.com/multiformats/go-multiaddr"
)

// PeerStatus is what a person asks about one member: is it there, and if not, why.
type PeerStatus struct {
	Member
	Self bool
	// Connected says that its node has shown life within the last few seconds.
	Connected bool
	// Remote is the address at the other end of the connection.
	Remote multiaddr.Multiaddr
	// Transport is "tcp" or "quic", empty when not connected.
	Transport string
	// Since is when that connection was made.
	Since time.Time
	// RoundTrip is the smoothed time of Raft's heartbeats, which involve no disk;
	// zero when there were none.
	RoundTrip time.Duration
	// Problem is why the last attempt to connect failed, or that nothing is heard.
	Problem string
}

// Peers returns the state of every member, ordered by authority, this node included.
func (h *Host) Peers() []PeerStatus {
	members := h.roster.Load().members
	out := make([]PeerStatus, 0, len(members))
	for _, m := range members {
		st := PeerStatus{Member: m, Self: m.Peer == h.host.ID()}
		l := h.links.best(m.Peer)
		if l != nil && h.lives(l) {
			st.Connected = true
			st.Remote = l.conn.RemoteMultiaddr()
			st.Since = l.opened
			st.Transport = "tcp"
			if isQUIC(st.Remote) {
				st.Transport = "quic"
			}
			st.RoundTrip = h.host.Peerstore().LatencyEWMA(m.Peer)
		} else if l != nil {
			st.Problem = fmt.Sprintf("nothing heard for %v", l.quiet().Round(100*time.Millisecond))
		}
		h.mu.Lock()
		r := h.remotes[m.Peer]
		h.mu.Unlock()
		if r != nil {
			r.mu.Lock()
			if r.dialErr != nil {
				st.Problem = r.dialErr.Error()
			}
			r.mu.Unlock()
		}
		out = append(out, st)
	}
	return out
}

// AwaitConnected returns once there is a connection with the member, or ctx ends.
// For a moment after a member's end, it may still be the old one.
func (h *Host) AwaitConnected(ctx context.Context, authority string) error {
	return h.awaitConnection(ctx, authority, true)
}

// AwaitDisconnected returns once there is no connection with the authority's node,
// or ctx ends.
func (h *Host) AwaitDisconnected(ctx context.Context, authority string) error {
	return h.awaitConnection(ctx, authority, false)
}

func (h *Host) awaitConnection(ctx context.Context, authority string, want bool) error {
	for {
		h.mu.Lock()
		changed, closed := h.changed, h.closed
		h.mu.Unlock()
		if closed {
			return ErrClosed
		}
		m, ok := h.roster.Load().byAuthority[authority]
		if !ok {
			if !want {
				return nil // SetMembers has disconnected it
			}
			return fmt.Errorf("%w: authority %q", ErrNotMember, authority)
		}
		if h.connectedWith(m.Peer) == want {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("p2p: waiting for the connection with %s: %w", authority, context.Cause(ctx))
		case <-h.ctx.Done():
			return ErrClosed
		}
	}
}
