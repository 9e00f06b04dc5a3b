package p2p

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/multiformats/go-multiaddr"
)

// secondTransportDelay is how long the other transport waits for the preferred one.
const secondTransportDelay = 400 * time.Millisecond

var errNoAddress = errors.New("p2p: no address in its record; it has to dial this node")

// keepConnected owns the connection with one member: while there is none, it
// dials, waiting longer after each failure, with jitter so that two nodes that
// dial one another do not keep in step. Nothing else in this package dials.
func (h *Host) keepConnected(ctx context.Context, r *remote) {
	defer h.wg.Done()
	backoff := minDialBackoff
	for ctx.Err() == nil {
		if h.host.Network().Connectedness(r.peer) == network.Connected {
			connectedAt := time.Now()
			if !await(ctx, r.wake, 0) {
				return
			}
			if h.host.Network().Connectedness(r.peer) == network.Connected {
				continue
			}
			// A peer that drops each connection at once gets no quicker redial by it.
			if time.Since(connectedAt) >= h.cfg.DialBackoff {
				backoff = minDialBackoff
			}
			if !await(ctx, nil, jitter(backoff)) {
				return
			}
			continue
		}
		err := h.dial(ctx, r)
		r.mu.Lock()
		r.dialErr = err
		r.mu.Unlock()
		if err == nil {
			continue
		}
		h.log.Debug("cannot reach member", "peer", r.peer, "error", err, "next", backoff)
		if !await(ctx, r.wake, jitter(backoff)) {
			return
		}
		backoff = min(2*backoff, h.cfg.DialBackoff)
	}
}

// dial makes one attempt.
func (h *Host) dial(ctx context.Context, r *remote) error {
	m, ok := h.roster.Load().byPeer[r.peer]
	if !ok {
		return fmt.Errorf("%w: %s", ErrNotMember, r.peer)
	}
	// Only the ledger says where a member is. What the member itself said over
	// identify could send us to any address, so it is forgotten first.
	h.host.Peerstore().ClearAddrs(m.Peer)
	addrs := slices.DeleteFunc(slices.Clone(m.Addrs), func(a multiaddr.Multiaddr) bool { return a == nil })
	if len(addrs) == 0 {
		return fmt.Errorf("%s: %w", m.Authority, errNoAddress)
	}
	h.host.Peerstore().AddAddrs(m.Peer, addrs, peerstore.PermanentAddrTTL)
	h.clearDialBackoff(m.Peer)
	ctx, cancel := context.WithTimeout(ctx, h.cfg.DialTimeout)
	defer cancel()
	if err := h.host.Connect(ctx, peer.AddrInfo{ID: m.Peer, Addrs: addrs}); err != nil {
		return fmt.Errorf("p2p: dial %s: %w", m.Authority, err)
	}
	return nil
}

// await waits for a token in wake (nil: none comes), or for d to pass (0: for
// ever). It reports false when ctx has ended.
func await(ctx context.Context, wake <-chan struct{}, d time.Duration) bool {
	var after <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		after = t.C
	}
	select {
	case <-wake:
		return true
	case <-after:
		return true
	case <-ctx.Done():
		return false
	}
}

// jitter returns between half of d and all of it.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// dialRanker orders a member's addresses: those of the preferred transport at
// once, the others a little later, so that they only matter when the first fail.
func dialRanker(preferQUIC bool) network.DialRanker {
	return func(addrs []multiaddr.Multiaddr) []network.AddrDelay {
		ranked := make([]network.AddrDelay, 0, len(addrs))
		first := 0
		for _, a := range addrs {
			if isQUIC(a) == preferQUIC {
				first++
			}
		}
		for _, a := range addrs {
			d := network.AddrDelay{Addr: a}
			if isQUIC(a) != preferQUIC && first > 0 {
				d.Delay = secondTransportDelay
			}
			ranked = append(ranked, d)
		}
		return ranked
	}
}

// connected is called by libp2p after a connection is listed. It asks for
// membership once more: see gater.
func (h *Host) connected(_ network.Network, c network.Conn) {
	if !h.isMember(c.RemotePeer()) {
		// Close waits for notifications to end, hence not on this goroutine.
		if h.enter() {
			go func() {
				defer h.wg.Done()
				if err := c.Close(); err != nil {
					h.log.Debug("close connection of a removed member", "error", err)
				}
			}()
		}
		return
	}
	h.connectionChanged(c.RemotePeer(), true)
}

func (h *Host) disconnected(n network.Network, c network.Conn) {
	if n.Connectedness(c.RemotePeer()) != network.Connected {
		h.connectionChanged(c.RemotePeer(), false)
	}
}

func (h *Host) connectionChanged(p peer.ID, up bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.changed)
	h.changed = make(chan struct{})
	r, ok := h.remotes[p]
	if !ok {
		return
	}
	r.mu.Lock()
	if up {
		r.dialErr = nil
		if r.since.IsZero() {
			r.since = time.Now()
		}
	} else {
		r.since = time.Time{}
	}
	r.mu.Unlock()
	notify(r.wake)
}

// enter counts one more goroutine that Close waits for; false once closed.
func (h *Host) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.wg.Add(1)
	return true
}
