package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"concordat/client"
	"concordat/client/authority"
	"concordat/consensus"
	"concordat/consensus/certify"
	"concordat/ledger"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
	"concordat/node/httpapi/bridge"
	"concordat/node/witness"
	"concordat/p2p"
	"concordat/recognition"
)

var (
	// ErrNotInNetwork: the genesis does not name the authority of the directory.
	ErrNotInNetwork = errors.New("this authority is not in the network")
	// ErrPortInUse: an address to listen on is taken.
	ErrPortInUse = errors.New("address is in use")
	// ErrListen: an address cannot be listened on for another reason.
	ErrListen = errors.New("cannot listen on the address")

	errStopping error = client.Fail(client.ShuttingDown, "this node is stopping")
)

// Node is one running node. Start makes it, Close ends it.
type Node struct {
	cfg       Config
	log       *slog.Logger
	doc       *genesis.Document
	network   statement.NetworkID
	me        self
	dir       *authority.Directory
	nodeKey   ed25519.PrivateKey
	cosignKey ed25519.PrivateKey
	former    []certify.Keys // of this authority, that a handover is still to be made with
	started   time.Time

	ledger    *ledger.Ledger
	roster    *roster
	host      *p2p.Host
	certifier *certify.Certifier
	order     *ordering
	courier   *courier
	keeper    *keeper
	accused   accused
	expiry    expiry
	feeder    *witness.Feeder
	witness   *witness.Witness
	decider   *recognition.Decider
	checker   *statement.Checker
	operator  operatorToken
	bridge    *bridge.Bridge            // nil: existing clients are not served
	apart     atomic.Pointer[isolation] // nil while somebody speaks with this node
	lacks     atomic.Pointer[lack]      // nil while the keys that the network names are here
	probes    *rate.Limiter             // of nodes that are no members yet

	server   *http.Server
	listener *door
	requests sync.WaitGroup // HTTP requests under way
	stopping atomic.Bool
	stop     context.Context // ends when Close begins
	stopNow  context.CancelFunc

	closeOnce sync.Once
	closeErr  error
	broken    atomic.Pointer[error] // the first fault that the node cannot live with
	failed    chan error            // of one element: the same, for the owner
	// superseded says that the network says something else of this node's authority
	// than when it started: of one element, for Run.
	superseded chan *changed
	wg         sync.WaitGroup
}

// Start starts a node. What it opened before a fault it closes again.
func Start(cfg Config) (_ *Node, err error) {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	n := &Node{
		cfg: cfg, log: cfg.Logger, started: time.Now().UTC(), failed: make(chan error, 1), superseded: make(chan *changed, 1),
		decider: recognition.NewDecider(4096), checker: statement.NewChecker(1 << 16), probes: newProbes(),
	}
	n.stop, n.stopNow = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	if err := n.readGenesis(); err != nil {
		return nil, err
	}
	if err := n.belongs(); err != nil {
		return nil, err
	}
	profile, err := consensus.ProfileByName(cfg.Profile)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(cfg.Dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	o := ledger.Options{
		Dir: n.ledgerDir(), Logger: n.log, CacheBytes: cfg.Storage.Cache, Checker: n.checker, HeldStatements: cfg.Limits.Held,
	}
	if cfg.ledgerOptions != nil {
		cfg.ledgerOptions(&o)
	}
	if n.ledger, err = ledger.Open(n.doc, o); err != nil {
		return nil, err
	}
	if err := n.recognise(); err != nil {
		return nil, err
	}
	if n.roster, err = newRoster(n); err != nil {
		return nil, err
	}
	// The API's address is taken before anything is said to the others: a port
	// in use is a mistake of the operator, to be told at once.
	if n.listener = cfg.door; n.listener == nil {
		if n.listener, err = listenTCP(cfg.HTTP, "http"); err != nil {
			return nil, err
		}
	}
	if n.operator, err = openOperatorToken(cfg.Dir); err != nil {
		return nil, err
	}
	if err := n.openBridge(); err != nil {
		return nil, err
	}
	if err := n.openHost(n.nodeKey); err != nil {
		return nil, err
	}
	n.serveCatchup()
	n.order = newOrdering(n, profile)
	if err := n.recallAccused(); err != nil {
		return nil, err
	}
	n.keeper = newKeeper(n) // the certifier may have evidence to keep as soon as it is open
	if err := n.openCertifier(); err != nil {
		return nil, err
	}
	if err := n.openWitness(); err != nil {
		return nil, err
	}
	if err := n.order.start(); err != nil {
		return nil, err
	}
	n.courier = newCourier(n, cfg.Limits.Submissions)
	n.host.Handle(submitProtocol, maxForwarded, n.serveSubmit)
	n.host.Handle(readIndexProtocol, 64, n.serveReadIndex)
	n.host.Handle(frontierProtocol, 64, n.serveFrontier)
	n.host.Handle(aboutProtocol, 64, n.serveAbout)
	n.keeper.start()
	n.serveHTTP()
	n.wg.Go(n.watch)
	n.wg.Go(func() { n.roster.run(n.stop) })
	n.wg.Go(func() { n.lookOut(n.stop) })
	n.wg.Go(func() { n.handOver(n.stop) })
	n.wg.Go(func() { n.promoteKeys(n.stop) })
	n.wg.Go(func() { n.findKeys(n.stop) })
	n.wg.Go(n.erase)
	n.log.Info("node started", "network", n.doc.Network, "id", n.network.String()[:16], "region", n.me.ID, "http", n.HTTPAddress(), "peer", n.host.ID(), "size", n.ledger.Head().Size)
	return n, nil
}

// watch waits for a fault of the store, which the node cannot live with.
func (n *Node) watch() {
	select {
	case <-n.ledger.Broken():
		n.fail(n.ledger.Err())
	case <-n.stop.Done():
	}
}

// fail records the first fault, which is the one that counts.
func (n *Node) fail(err error) {
	if n.broken.CompareAndSwap(nil, &err) {
		n.failed <- err
	}
}

// Failed gives the fault that makes the node stop. Whoever runs the node closes it then.
func (n *Node) Failed() <-chan error { return n.failed }

// HTTPAddress is where the API listens.
func (n *Node) HTTPAddress() string { return n.listener.Addr().String() }

func (n *Node) self() string { return string(n.me.ID) }
