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

	"concordat/client"
	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
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
	knowledge *knowledge
	decider   *recognition.Decider
	checker   *statement.Checker

	server   *http.Server
	listener net.Listener
	requests sync.WaitGroup // HTTP requests under way
	stopping atomic.Bool
	stop     context.Context // ends when Close begins
	stopNow  context.CancelFunc

	closeOnce sync.Once
	closeErr  error
	broken    atomic.Pointer[error] // the first fault that the node cannot live with
	failed    chan error            // of one element: the same, for the owner
	wg        sync.WaitGroup
}

// Start starts a node. What it opened before a fault it closes again.
func Start(cfg Config) (_ *Node, err error) {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	n := &Node{
		cfg: cfg, log: cfg.Logger, started: time.Now().UTC(), failed: make(chan error, 1),
		decider: recognition.NewDecider(4096), checker: statement.NewChecker(1 << 16),
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
	keys, err := n.openKeys()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(cfg.Dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	o := ledger.Options{
		Dir: filepath.Join(data, "ledger"), Logger: n.log, CacheBytes: cfg.Storage.Cache, Checker: n.checker, HeldStatements: cfg.Limits.Held,
	}
	if cfg.ledgerOptions != nil {
		cfg.ledgerOptions(&o)
	}
	// A node that founds nothing, or has run before, writes nothing where there is
	// nothing: a refused start with the wrong genesis must not bind the directory to it.
	o.MustExist = !exists(filepath.Join(data, "raft", "raft.db")) && (!cfg.Found || exists(n.marker()))
	if n.ledger, err = ledger.Open(n.doc, o); errors.Is(err, ledger.ErrMissing) {
		return nil, n.nothingHere(data)
	} else if err != nil {
		return nil, err
	}
	// The API's address is taken before anything is said to the others: a port
	// in use is a mistake of the operator, to be told at once.
	if n.listener, err = listenTCP(cfg.HTTP, "http"); err != nil {
		return nil, err
	}
	if err := n.openHost(keys); err != nil {
		return nil, err
	}
	if err := n.openConsensus(data); err != nil {
		return nil, err
	}
	n.knowledge = newKnowledge(filepath.Join(data, "contact.json"), n.network, n.log, n.consensus.Status, n.ledger.Head)
	n.courier = newCourier(n, cfg.Limits.Submissions)
	n.host.Handle(submitProtocol, maxForwarded, n.serveSubmit)
	n.host.Handle(readIndexProtocol, 64, n.serveReadIndex)
	n.keeper = newKeeper(n)
	n.serveHTTP()
	n.wg.Go(n.watch)
	n.log.Info("node started", "network", n.doc.Network, "id", n.network.String()[:16], "region", n.me.ID, "http", n.HTTPAddress(), "peer", n.host.ID(), "size", n.ledger.Head().Size)
	return n, nil
}

// marker is the file beside the keys that says that this authority's node has run.
func (n *Node) marker() string { return filepath.Join(n.cfg.Dir, "founded") }

// nothingHere tells a node that never ran from one whose data is gone.
func (n *Node) nothingHere(data string) error {
	if exists(n.marker()) {
		return fmt.Errorf("%w: %s is empty, and %s says that this authority's node has run; bring its data back: a node that has forgotten its votes could vote twice", consensus.ErrStateLost, data, n.marker())
	}
	return fmt.Errorf("%w: %s is empty, and this node was not told to found a network; is this the right directory? Found set is for the very first start of this authority's node, when the network begins: never if it ever ran, here or elsewhere", consensus.ErrNotFounded, data)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// watch waits for a fault that the node cannot live with.
func (n *Node) watch() {
	select {
	case err, open := <-n.consensus.Fault():
		if open && err != nil {
			n.fail(err)
		}
	case <-n.ledger.Broken(): // by what is held, which consensus knows nothing of
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
