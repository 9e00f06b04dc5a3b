package p2p

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
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
		if r.greeted.Swap(false) {
			backoff = minDialBackoff // it is up: should its connection break, look at once
		}
		if h.connectedWith(r.peer) {
			connectedAt := time.Now()
			if !await(ctx, r.wake, 0) {
				return
			}
			if h.connectedWith(r.peer) {
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
	r.mu.Lock()
	addrs, all := r.plan.choose(m.Addrs, h.cfg.PreferQUIC, time.Now())
	r.mu.Unlock()
	if len(addrs) == 0 {
		return fmt.Errorf("%s: %w", m.Authority, errNoAddress)
	}
	h.host.Peerstore().AddAddrs(m.Peer, addrs, peerstore.PermanentAddrTTL)
	h.clearDialBackoff(m.Peer)
	ctx, cancel := context.WithTimeout(ctx, h.cfg.DialTimeout)
	defer cancel()
	err := h.host.Connect(ctx, peer.AddrInfo{ID: m.Peer, Addrs: addrs})
	r.mu.Lock()
	r.plan.note(addrs, all, err, time.Now())
	r.mu.Unlock()
	if err != nil {
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

// dialPlan decides which of a member's addresses are dialled.
type dialPlan struct {
	failing time.Time // since when the preferred transport has failed; zero: it has not
	refused bool      // by the member's machine: it runs, the node does not
}

// When the addresses of the other transport are dialled too.
const (
	otherAfter        = 5 * time.Second // of failures that may be the preferred transport's
	otherAfterRefusal = time.Minute     // of a TCP port that is closed, hence of a node that is down
)

// choose returns the addresses to dial now, and whether they are those of both
// transports. While a node is down, the other transport is left alone: attempts
// with QUIC linger, and one of them would win when the node comes back, whatever
// is preferred. But now and then it has its turn, in case the node listens there
// and nowhere else.
func (p *dialPlan) choose(addrs []multiaddr.Multiaddr, preferQUIC bool, now time.Time) (chosen []multiaddr.Multiaddr, both bool) {
	var preferred, other []multiaddr.Multiaddr
	for _, a := range addrs {
		switch {
		case !usable(a):
		case isQUIC(a) == preferQUIC:
			preferred = append(preferred, a)
		default:
			other = append(other, a)
		}
	}
	after := otherAfter
	if p.refused {
		after = otherAfterRefusal
	}
	switch {
	case len(preferred) == 0:
		return other, false
	case len(other) == 0 || p.failing.IsZero() || now.Sub(p.failing) < after:
		return preferred, false
	default:
		return append(preferred, other...), true
	}
}

// note learns from an attempt.
func (p *dialPlan) note(addrs []multiaddr.Multiaddr, both bool, err error, now time.Time) {
	if err == nil {
		*p = dialPlan{}
		return
	}
	if slices.ContainsFunc(addrs, isTCP) { // QUIC does not learn of a closed port
		p.refused = errors.Is(err, syscall.ECONNREFUSED)
	}
	if p.failing.IsZero() || both && p.refused {
		p.failing = now
	}
}

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
	l, others := h.links.add(c)
	if h.enter() {
		go h.watch(l)
	}
	// A member that connects again may have been restarted, and what it had before
	// be dead without a word.
	for _, other := range others {
		other.suspect()
	}
	h.connectionChanged(c.RemotePeer(), true, c.Stat().Direction == network.DirInbound)
}

func (h *Host) connectedWith(p peer.ID) bool {
	return h.host.Network().Connectedness(p) == network.Connected
}

func (h *Host) disconnected(_ network.Network, c network.Conn) {
	h.links.remove(c)
	if !h.connectedWith(c.RemotePeer()) {
		h.connectionChanged(c.RemotePeer(), false, false)
	}
}

func (h *Host) connectionChanged(p peer.ID, up, inbound bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.changed)
	h.changed = make(chan struct{})
	r, ok := h.remotes[p]
	if !ok {
		return
	}
	if up {
		r.mu.Lock()
		r.dialErr = nil
		r.mu.Unlock()
	}
	if inbound {
		r.greeted.Store(true)
	}
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
