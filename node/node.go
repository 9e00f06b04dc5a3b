package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"github.com/multiformats/go-multiaddr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/net/netutil"

	"concordat/client"
	"concordat/client/authority"
	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
	"concordat/node/httpapi"
	"concordat/p2p"
	"concordat/recognition"
)

var (
	// ErrNotInNetwork: the genesis does not name the authority of the directory.
	ErrNotInNetwork = errors.New("this authority is not in the network")
	// ErrPortInUse: an address to listen on is taken.
	ErrPortInUse = errors.New("address is in use")

	errStopping error = client.Fail(client.ShuttingDown, "this node is stopping")
)

// Node is one running node. Start makes it, Close ends it.
type Node struct {
	cfg     Config
	log     *slog.Logger
	doc     *genesis.Document
	network statement.NetworkID
	me      genesis.Authority
	nodeKey ed25519.PrivateKey
	started time.Time

	ledger    *ledger.Ledger
	host      *p2p.Host
	consensus *consensus.Node
	courier   *courier
	keeper    *keeper
	decider   *recognition.Decider
	checker   *statement.Checker

	server   *http.Server
	listener net.Listener
	stopping atomic.Bool

	closeOnce sync.Once
	closeErr  error
	failed    chan error // of one element: the first fault that the node cannot live with
	wg        sync.WaitGroup
}

// Start starts a node. What it opened before a fault it closes again.
func Start(cfg Config) (_ *Node, err error) {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	n := &Node{cfg: cfg, log: cfg.Logger, started: time.Now().UTC(), failed: make(chan error, 1), decider: recognition.NewDecider(4096), checker: statement.NewChecker(1 << 16)}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	if err := n.readGenesis(); err != nil {
		return nil, err
	}
	keys, err := n.openKeys()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(cfg.Dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if n.ledger, err = ledger.Open(n.doc, ledger.Options{
		Dir: filepath.Join(data, "ledger"), Logger: n.log, CacheBytes: cfg.Storage.Cache, Checker: n.checker,
	}); err != nil {
		return nil, err
	}
	// The API's address is taken before anything is said to the others: a port
	// in use is a mistake of the operator, to be told at once.
	if n.listener, err = net.Listen("tcp", cfg.HTTP); err != nil {
		return nil, fmt.Errorf("%w: %s (setting http): %w; stop what uses it, or choose another", ErrPortInUse, cfg.HTTP, err)
	}
	if err := n.openHost(keys); err != nil {
		return nil, err
	}
	if err := n.openConsensus(data); err != nil {
		return nil, err
	}
	n.courier = newCourier(n, cfg.Limits.Submissions)
	n.host.Handle(submitProtocol, maxForwardedBytes+statement.MaxSize+statement.MaxAttachment, n.serveSubmit)
	n.host.Handle(readIndexProtocol, 64, n.serveReadIndex)
	n.keeper = newKeeper(n)
	n.serveHTTP()
	n.wg.Go(n.watch)
	n.log.Info("node started", "network", n.doc.Network, "id", n.network.String()[:16], "region", n.me.ID, "http", n.HTTPAddress(), "peer", n.host.ID(), "size", n.ledger.Head().Size)
	return n, nil
}

// readGenesis finds the founding document and this authority in it.
func (n *Node) readGenesis() error {
	path := n.cfg.Genesis
	if path == "" {
		path = filepath.Join(n.cfg.Dir, "genesis.json")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("genesis: %w; give the network's founding document with --genesis", err)
	}
	if n.doc, err = genesis.Parse(raw); err != nil {
		return fmt.Errorf("genesis %s: %w", path, err)
	}
	n.network = n.doc.ID()
	return nil
}

// openKeys opens the keys that a node needs, and no others.
func (n *Node) openKeys() (ed25519.PrivateKey, error) {
	dir, err := authority.Open(n.cfg.Dir, n.cfg.Passphrase)
	if err != nil {
		return nil, err
	}
	id := dir.ID()
	me, ok := n.doc.Authority(id)
	if !ok {
		return nil, fmt.Errorf("%w: %s is not in the genesis of %q (%s); is this the right --dir, and the right --genesis?", ErrNotInNetwork, id, n.doc.Network, n.network)
	}
	n.me = me
	key, err := dir.Key(authority.Node)
	if err != nil {
		return nil, err
	}
	if !key.Public().Equal(me.Keys.Node.Public()) {
		return nil, fmt.Errorf("%w: the node key in %s is not the one that the genesis gives for %s", ErrNotInNetwork, n.cfg.Dir, id)
	}
	n.nodeKey = key.Ed25519()
	return n.nodeKey, nil
}

func (n *Node) openHost(key ed25519.PrivateKey) error {
	listen := n.cfg.Listen
	if len(listen) == 0 {
		listen = n.me.Addresses
	}
	addrs, err := multiaddrs(listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	members, err := members(n.doc)
	if err != nil {
		return err
	}
	n.host, err = p2p.New(p2p.Config{
		Key: key, Network: n.network, Listen: addrs, Members: members, Logger: n.log, PreferQUIC: n.cfg.PreferQUIC,
	})
	return err
}

func (n *Node) openConsensus(data string) error {
	profile, err := consensus.ProfileByName(n.cfg.Profile)
	if err != nil {
		return err
	}
	var voters []consensus.Server
	for _, a := range n.doc.Authorities {
		if a.Role != genesis.Validator {
			continue
		}
		id, err := p2p.PeerID(a.Keys.Node.Public())
		if err != nil {
			return fmt.Errorf("node key of %s: %w", a.ID, err)
		}
		voters = append(voters, consensus.Server{ID: string(a.ID), Address: id.String()})
	}
	// Raft and its transport need one another: the transport asks for a term only
	// once a message arrives, and then Raft is there or the message is refused.
	var ready atomic.Pointer[consensus.Node]
	transport := n.host.Transport(p2p.RaftConfig{
		Term: func() uint64 {
			if c := ready.Load(); c != nil {
				return c.Term()
			}
			return 0
		},
		Leader: func() (raft.ServerAddress, raft.ServerID) {
			if c := ready.Load(); c != nil {
				return c.Leader()
			}
			return "", ""
		},
		HeartbeatTimeout: profile.Heartbeat,
	})
	n.consensus, err = consensus.Open(consensus.Config{
		Self: string(n.me.ID), Network: n.network, Dir: filepath.Join(data, "raft"), Profile: profile,
		Key: n.nodeKey, Transport: transport, Ledger: n.ledger, Servers: voters, Found: n.cfg.Found,
		MarkerPath: filepath.Join(n.cfg.Dir, "founded"), Logger: n.log, LogWriteDeadline: n.cfg.Storage.WriteDeadline,
	})
	ready.Store(n.consensus)
	return err
}

// members are the nodes of the genesis as libp2p knows them.
func members(doc *genesis.Document) ([]p2p.Member, error) {
	var out []p2p.Member
	for _, a := range doc.Authorities {
		id, err := p2p.PeerID(a.Keys.Node.Public())
		if err != nil {
			return nil, fmt.Errorf("node key of %s: %w", a.ID, err)
		}
		addrs, err := multiaddrs(a.Addresses)
		if err != nil {
			return nil, fmt.Errorf("addresses of %s: %w", a.ID, err)
		}
		out = append(out, p2p.Member{Authority: string(a.ID), Peer: id, Addrs: addrs, Voter: a.Role == genesis.Validator})
	}
	return out, nil
}

func multiaddrs(in []string) ([]multiaddr.Multiaddr, error) {
	out := make([]multiaddr.Multiaddr, len(in))
	for i, s := range in {
		var err error
		if out[i], err = multiaddr.NewMultiaddr(s); err != nil {
			return nil, fmt.Errorf("%q is no libp2p address like /ip4/192.0.2.1/tcp/8461: %w", s, err)
		}
	}
	return out, nil
}

func (n *Node) serveHTTP() {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	n.server = &http.Server{
		Handler: httpapi.New(n, httpapi.Config{
			Logger: n.log, Registry: registry,
			Checks: n.cfg.Check.Concurrent, Submits: n.cfg.Limits.Submissions, Events: n.cfg.Limits.Events,
		}),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      n.cfg.Limits.SubmitTimeout + 30*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
	}
	n.wg.Go(func() {
		if err := n.server.Serve(netutil.LimitListener(n.listener, n.cfg.Limits.Connections)); !errors.Is(err, http.ErrServerClosed) {
			n.fail(fmt.Errorf("HTTP: %w", err))
		}
	})
}

// watch waits for a fault that the node cannot live with.
func (n *Node) watch() {
	if err, open := <-n.consensus.Fault(); open && err != nil {
		n.fail(err)
	}
}

func (n *Node) fail(err error) {
	select {
	case n.failed <- err:
	default: // the first fault is the one that counts
	}
}

// Failed gives the fault that makes the node stop. Whoever runs the node closes it then.
func (n *Node) Failed() <-chan error { return n.failed }

// HTTPAddress is where the API listens.
func (n *Node) HTTPAddress() string { return n.listener.Addr().String() }

func (n *Node) self() string { return string(n.me.ID) }

// Close stops the node in the order that the package's comment gives. It may
// be called more than once, and on a node that did not start whole.
func (n *Node) Close() error {
	n.closeOnce.Do(func() { n.closeErr = n.close() })
	return n.closeErr
}

func (n *Node) close() error {
	n.stopping.Store(true)
	var faults []error
	if n.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if err := n.server.Shutdown(ctx); err != nil {
			// Streams of events have no end of their own.
			faults = append(faults, ignoreDeadline(err), n.server.Close())
		}
		cancel()
	} else if n.listener != nil {
		faults = append(faults, n.listener.Close())
	}
	if n.keeper != nil {
		n.keeper.close()
	}
	if n.courier != nil {
		n.courier.close()
	}
	if n.consensus != nil {
		faults = append(faults, n.consensus.Close())
	}
	if n.host != nil {
		faults = append(faults, n.host.Close())
	}
	n.wg.Wait()
	if n.ledger != nil {
		faults = append(faults, n.ledger.Close())
	}
	n.log.Info("node stopped")
	return errors.Join(faults...)
}

func ignoreDeadline(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

var _ raft.Transport = (*p2p.Transport)(nil)
