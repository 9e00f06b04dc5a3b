package p2p

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
	"go.uber.org/fx"
)

// ErrClosed is returned by everything that needs a Host, or a Transport, after its
// Close.
var ErrClosed = errors.New("p2p: closed")

// ErrNotMember is wrapped when a name or address belongs to no current member.
var ErrNotMember = errors.New("p2p: not a member")

// Host is this node's end of the network: it keeps connections with all members,
// refuses everyone else, and carries calls and Raft's messages. Its methods may be
// called from any goroutine.
//
// It owns one dialling goroutine for each member and a watching one for each
// connection, and counts the goroutines in which libp2p serves streams; Close ends
// and awaits them all.
type Host struct {
	cfg      Config
	log      *slog.Logger
	host     host.Host
	allow    *rcmgr.Allowlist
	refusals *refusals
	prefix   string // of every protocol id: "/concordat/<network>/"

	roster atomic.Pointer[roster] // never nil; swapped by SetMembers alone

	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // dialling and watching goroutines, and served streams

	links *links

	setting sync.Mutex // held during SetMembers, so that two do not interleave

	mu       sync.Mutex
	closed   bool
	remotes  map[peer.ID]*remote
	inbound  map[network.Stream]struct{}
	handlers map[string]bool
	known    map[string]bool // every authority that was a member since the start
	changed  chan struct{}   // closed and replaced when a connection comes or goes
}

// remote is what the Host keeps for one member other than itself.
type remote struct {
	peer   peer.ID
	cancel context.CancelFunc
	done   <-chan struct{}
	wake   chan struct{} // look again: connected, disconnected, or other addresses

	calls  atomic.Int32 // our calls to it in progress
	served atomic.Int32 // its calls to us in progress

	greeted atomic.Bool // it has connected with us since the dialling goroutine looked

	mu      sync.Mutex
	pools   map[protocol.ID]*pool
	dialErr error // of the last attempt, nil once connected
	plan    dialPlan
}

// New starts a host: it listens, and begins to connect to the members. Errors:
// [ErrConfig], [ErrAddressInUse], [ErrListen].
func New(cfg Config) (*Host, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	first, err := newRoster(nil)
	if err != nil {
		return nil, err
	}
	key, err := crypto.UnmarshalEd25519PrivateKey(cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("p2p: Key: %w", err)
	}
	rm, allow, err := resourceManager(cfg)
	if err != nil {
		return nil, err
	}
	h := &Host{
		cfg:      cfg,
		log:      cfg.Logger.With("part", "p2p"),
		allow:    allow,
		prefix:   "/concordat/" + hex.EncodeToString(cfg.Network[:16]) + "/",
		remotes:  make(map[peer.ID]*remote),
		inbound:  make(map[network.Stream]struct{}),
		handlers: make(map[string]bool),
		known:    make(map[string]bool),
		changed:  make(chan struct{}),
		links:    newLinks(),
	}
	h.refusals = newRefusals(h.log)
	h.roster.Store(first)
	h.ctx, h.cancel = context.WithCancelCause(context.Background())
	h.host, err = libp2p.New(
		libp2p.Identity(key),
		libp2p.NoListenAddrs, // listen does it, once everything is ready for connections
		// SO_REUSEPORT would let a second node of the same user share the port in
		// silence; without it, the second one gets a clear error.
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()),
		libp2p.Transport(quic.NewTransport),
		libp2p.Security(libp2ptls.ID, libp2ptls.New), // first: preferred
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ConnectionGater(&gater{isMember: h.isMember, refusals: h.refusals}),
		libp2p.ResourceManager(rm),
		libp2p.ConnectionManager(connmgr.NullConnMgr{}), // it would trim; members are few
		libp2p.SwarmOpts(swarm.WithDialRanker(dialRanker(cfg.PreferQUIC))),
		libp2p.WithDialTimeout(cfg.DialTimeout),
		libp2p.UserAgent("concordat"),
		// Members know one another's addresses from the ledger, so none of what
		// follows has a use; each would be surface. mDNS and the DHT are separate
		// services which we never start.
		libp2p.DisableRelay(),
		libp2p.ForceReachabilityPublic(), // no AutoNAT probing
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.Ping(false),
		libp2p.DisableMetrics(),
		libp2p.WithFxOption(fx.NopLogger), // a fault is returned; it need not be on stderr too
	)
	if err != nil {
		return nil, fmt.Errorf("p2p: start: %w", errors.Join(err, rm.Close()))
	}
	h.host.Network().Notify(&network.NotifyBundle{ConnectedF: h.connected, DisconnectedF: h.disconnected})
	h.servePings()
	if err := h.SetMembers(cfg.Members); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	if err := h.listen(); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// ID returns this node's peer id.
func (h *Host) ID() peer.ID { return h.host.ID() }

// Addrs returns the addresses that this node listens on, each with /p2p/ID.
func (h *Host) Addrs() []multiaddr.Multiaddr {
	addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: h.host.ID(), Addrs: h.host.Addrs()})
	if err != nil {
		return nil // the peer id is our own and valid
	}
	return addrs
}

// MaxEntry returns the most bytes of data that one Raft entry may have, so that it
// fits a frame with all that goes around it.
func (h *Host) MaxEntry() int { return h.cfg.MaxFrame - appendEntriesOverhead }

// Refused returns how many messages and connections were refused since the start,
// by "where/reason": where is connection, request, reply or call.
func (h *Host) Refused() map[string]uint64 { return h.refusals.snapshot() }

// Members returns the current set, ordered by authority.
func (h *Host) Members() []Member { return append([]Member(nil), h.roster.Load().members...) }

func (h *Host) isMember(p peer.ID) bool {
	_, ok := h.roster.Load().byPeer[p]
	return ok
}

// SetMembers replaces the set of members, which includes this node itself. Whoever
// is no longer in it is disconnected before SetMembers returns, and its messages
// are refused from the moment of the swap on (P1). A set that wraps [ErrMembers]
// is unusable and leaves everything as it was.
func (h *Host) SetMembers(members []Member) error {
	next, err := newRoster(members)
	if err != nil {
		return err
	}
	h.setting.Lock()
	defer h.setting.Unlock()
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return ErrClosed
	}
	previous := h.roster.Swap(next)
	var removed []*remote
	for id, r := range h.remotes {
		if _, stays := next.byPeer[id]; !stays {
			delete(h.remotes, id)
			removed = append(removed, r)
		}
	}
	for id, m := range next.byPeer {
		h.known[m.Authority] = true
		if id == h.host.ID() {
			continue
		}
		if r, ok := h.remotes[id]; ok {
			notify(r.wake)
			continue
		}
		ctx, cancel := context.WithCancel(h.ctx)
		r := &remote{peer: id, cancel: cancel, done: ctx.Done(), wake: make(chan struct{}, 1), pools: make(map[protocol.ID]*pool)}
		h.remotes[id] = r
		h.wg.Add(1)
		go h.keepConnected(ctx, r)
	}
	h.mu.Unlock()

	h.updateAllowlist(previous, next)
	var errs []error
	for _, r := range removed {
		errs = append(errs, h.drop(r))
	}
	return errors.Join(errs...)
}

// drop ends everything with a member that was removed.
func (h *Host) drop(r *remote) error {
	r.cancel()
	r.closePools()
	err := h.host.Network().ClosePeer(r.peer)
	h.host.Peerstore().ClearAddrs(r.peer)
	if err != nil {
		return fmt.Errorf("p2p: disconnect removed member %s: %w", r.peer, err)
	}
	return nil
}

// updateAllowlist moves the allow-list from one roster to the next. Failures are
// only logged: the list matters only while strangers exhaust the ordinary limits.
func (h *Host) updateAllowlist(previous, next *roster) {
	if h.allow == nil {
		return
	}
	for _, m := range previous.members {
		for _, a := range allowListed(m) {
			if err := h.allow.Remove(a); err != nil {
				h.log.Debug("allow-list", "address", a, "error", err)
			}
		}
	}
	for _, m := range next.members {
		for _, a := range allowListed(m) {
			if err := h.allow.Add(a); err != nil {
				h.log.Warn("member's address not allow-listed", "authority", m.Authority, "address", a, "error", err)
			}
		}
	}
}

// knows reports whether an authority is, or since the start was, a member. Where its
// node was at the time of a membership entry does not matter: Raft's messages go to
// where the ledger has it now.
func (h *Host) knows(authority string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.known[authority]
}

// lookup returns the member and what is kept for it.
func (h *Host) lookup(authority string) (Member, *remote, error) {
	m, ok := h.roster.Load().byAuthority[authority]
	if !ok {
		return Member{}, nil, fmt.Errorf("%w: authority %q", ErrNotMember, authority)
	}
	if m.Peer == h.host.ID() {
		return m, nil, fmt.Errorf("p2p: %s is this node itself", authority)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return m, nil, ErrClosed
	}
	r, ok := h.remotes[m.Peer]
	if !ok {
		return m, nil, fmt.Errorf("%w: authority %q was removed just now", ErrNotMember, authority)
	}
	return m, r, nil
}

// pool returns r's streams for one protocol.
func (h *Host) pool(m Member, r *remote, name string, size int) *pool {
	proto := h.protocol(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.pools[proto]
	if !ok {
		p = newPool(h.host, h.links, m, proto, size)
		select {
		case <-r.done: // dropped meanwhile
			p.close()
		default:
			r.pools[proto] = p
		}
	}
	return p
}

// closePool forgets the streams of one protocol to all members.
func (h *Host) closePool(name string) {
	proto := h.protocol(name)
	h.mu.Lock()
	remotes := slices.Collect(maps.Values(h.remotes))
	h.mu.Unlock()
	for _, r := range remotes {
		r.mu.Lock()
		if p, ok := r.pools[proto]; ok {
			p.close()
			delete(r.pools, proto)
		}
		r.mu.Unlock()
	}
}

func (r *remote) closePools() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for proto, p := range r.pools {
		p.close()
		delete(r.pools, proto)
	}
}

// protocol is the only place where a protocol id is made (P2).
func (h *Host) protocol(name string) protocol.ID { return protocol.ID(h.prefix + name) }

// Close disconnects from everyone, waits for every goroutine of the host, and
// returns the first error. A second Close returns nil.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	h.cancel(ErrClosed)
	streams := slices.Collect(maps.Keys(h.inbound))
	remotes := slices.Collect(maps.Values(h.remotes))
	h.mu.Unlock()
	for _, s := range streams {
		s.Reset() // its error adds nothing: the connection goes next
	}
	for _, r := range remotes {
		r.closePools()
	}
	err := h.host.Close()
	h.wg.Wait()
	if err != nil {
		return fmt.Errorf("p2p: close: %w", err)
	}
	return nil
}

// clearDialBackoff makes libp2p try at once: the waits between attempts are ours.
func (h *Host) clearDialBackoff(p peer.ID) {
	if s, ok := h.host.Network().(*swarm.Swarm); ok {
		s.Backoff().Clear(p)
	}
}

// notify leaves a token in c if there is none.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
