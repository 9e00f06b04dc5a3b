package testnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
	"concordat/testnet/links"
	"concordat/testnet/ports"
)

// Options say which network to start.
type Options struct {
	// Dir keeps everything: one directory per region, and genesis.json. A network
	// that is there already is started again as it was.
	Dir string
	// Regions are the authorities, one validator each.
	Regions []string
	// HTTPPortBase is the first node's HTTP port, the next ones follow; 0: any free ports.
	HTTPPortBase int
	// Command is the concordat binary. Default: this process's own.
	Command string
	// Profile is the timing between nodes. Default site.
	Profile string
	// Args are further arguments for every `node run`.
	Args []string
	// Env is further environment for every node.
	Env []string
	// ReadyWithin bounds how long the nodes may take to be ready. Default 60s.
	ReadyWithin time.Duration
	// PublishHTTP has the genesis name the API of every node. Nodes that nobody
	// speaks with over libp2p ask there how they stand.
	PublishHTTP bool
	// Links, if given, carry the connections between the nodes of a new network, so
	// that they can be cut.
	Links *links.Links
	// Level is the protocol level that a new network begins with; 0: the newest.
	Level uint64
}

// Network is a running test network. Its methods are for one goroutine.
type Network struct {
	Name    string
	Genesis string // the genesis file
	ID      statement.NetworkID
	Nodes   []*Node

	o Options
}

// ErrOtherPlan: the directory holds a network that is not the one asked for.
var ErrOtherPlan = errors.New("another network is there")

// plan is what a directory remembers of its network between runs.
type plan struct {
	Regions []string `json:"regions"`
	HTTP    []string `json:"http"` // host:port by region
	// Listen is where each listens, where that is not where the others dial it.
	Listen []string `json:"listen,omitempty"`
}

const (
	planFile    = "testnet.json"
	genesisFile = "genesis.json"
	networkName = "testnet.concordat.example"
)

// Up starts a network and waits until every node is ready.
func Up(ctx context.Context, o Options) (_ *Network, err error) {
	if o.Command == "" {
		if o.Command, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("finding this command: %w", err)
		}
	}
	if o.Profile == "" {
		o.Profile = "site"
	}
	if o.ReadyWithin == 0 {
		o.ReadyWithin = time.Minute
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	p, founded, err := prepare(o)
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(filepath.Join(o.Dir, genesisFile))
	if err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	doc, err := genesis.Parse(raw)
	if err != nil {
		return nil, err
	}
	net := &Network{Name: doc.Network, Genesis: filepath.Join(o.Dir, genesisFile), ID: doc.ID(), o: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, net.Stop())
		}
	}()
	for i, r := range p.Regions {
		n := &Node{Region: r, HTTP: "http://" + p.HTTP[i], Dir: filepath.Join(o.Dir, r), net: net}
		if p.Listen != nil {
			n.Args = []string{"--listen", p.Listen[i]}
		}
		net.Nodes = append(net.Nodes, n)
	}
	for _, n := range net.Nodes {
		if err := n.start(founded); err != nil {
			return nil, err
		}
	}
	return net, net.Ready(ctx)
}

// Add gives the network one more node: of a region whose authority joins it, or
// comes back. It is not started, and its directory is for others to fill.
func (n *Network) Add(region string) (*Node, error) {
	if n.Node(region) != nil {
		return nil, fmt.Errorf("%w: %s has a node", ErrOtherPlan, region)
	}
	free, err := ports.Free(1)
	if err != nil {
		return nil, err
	}
	node := &Node{Region: region, HTTP: fmt.Sprintf("http://127.0.0.1:%d", free[0]), Dir: filepath.Join(n.o.Dir, region), net: n}
	n.Nodes = append(n.Nodes, node)
	return node, nil
}

// prepare makes the keys and the genesis of a new network, or finds those of
// one that is there. It reports whether the network is new.
func prepare(o Options) (p plan, isNew bool, err error) {
	b, err := os.ReadFile(filepath.Join(o.Dir, planFile))
	switch {
	case err == nil:
		if err := json.Unmarshal(b, &p); err != nil {
			return p, false, fmt.Errorf("%s: %w", planFile, err)
		}
		if len(o.Regions) > 0 && !equal(o.Regions, p.Regions) {
			return p, false, fmt.Errorf("%w: %s holds a network of %v, not of %v; choose another directory", ErrOtherPlan, o.Dir, p.Regions, o.Regions)
		}
		if _, port, err := net.SplitHostPort(p.HTTP[0]); o.HTTPPortBase != 0 && (err != nil || port != strconv.Itoa(o.HTTPPortBase)) {
			return p, false, fmt.Errorf("%w: the network in %s has its HTTP ports from %s on, not from %d; choose another directory, or leave the ports out", ErrOtherPlan, o.Dir, port, o.HTTPPortBase)
		}
		return p, false, nil
	case !errors.Is(err, os.ErrNotExist):
		return p, false, fmt.Errorf("test network: %w", err)
	}
	if len(o.Regions) == 0 {
		return p, false, errors.New("no regions given, like XA,XB,XC,XD")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return p, false, fmt.Errorf("test network: %w", err)
	}
	free, err := ports.Free(2 * len(o.Regions))
	if err != nil {
		return p, false, err
	}
	var descriptors []genesis.Descriptor
	for i, text := range o.Regions {
		r, err := statement.ParseRegion(text)
		if err != nil {
			return p, false, err
		}
		http := free[i]
		if o.HTTPPortBase != 0 {
			http = o.HTTPPortBase + i
		}
		peer := free[len(o.Regions)+i]
		addresses := []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", peer), fmt.Sprintf("/ip4/127.0.0.1/udp/%d/quic-v1", peer)}
		if o.Links != nil {
			dialled, err := o.Links.Forward(string(r), peer)
			if err != nil {
				return p, false, err
			}
			p.Listen = append(p.Listen, addresses[0])
			addresses = []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", dialled)}
		}
		p.Regions = append(p.Regions, string(r))
		p.HTTP = append(p.HTTP, net.JoinHostPort("127.0.0.1", strconv.Itoa(http)))
		url := ""
		if o.PublishHTTP {
			url = "http://" + p.HTTP[i]
		}
		d, err := authority.Create(filepath.Join(o.Dir, string(r)), r, "Health authority of "+string(r), addresses, url, "")
		if err != nil {
			return p, false, err
		}
		descriptors = append(descriptors, *d)
	}
	doc, err := genesis.New(networkName, time.Now(), descriptors)
	if err != nil {
		return p, false, err
	}
	if o.Level != 0 {
		doc.ProtocolLevel = o.Level
	}
	if err := os.WriteFile(filepath.Join(o.Dir, genesisFile), doc.Encode(), 0o644); err != nil {
		return p, false, fmt.Errorf("genesis: %w", err)
	}
	// A copy beside each authority's keys is what its operator signs for.
	for _, r := range p.Regions {
		if err := os.WriteFile(filepath.Join(o.Dir, r, genesisFile), doc.Encode(), 0o644); err != nil {
			return p, false, fmt.Errorf("genesis of %s: %w", r, err)
		}
	}
	// Last, so that a directory with a plan is a whole one.
	if b, err = json.MarshalIndent(p, "", "  "); err != nil {
		return p, false, fmt.Errorf("%s: %w", planFile, err)
	}
	return p, true, os.WriteFile(filepath.Join(o.Dir, planFile), b, 0o600)
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if r, err := statement.ParseRegion(a[i]); err != nil || string(r) != b[i] {
			return false
		}
	}
	return true
}

// Ready waits until every running node is ready.
func (n *Network) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, n.o.ReadyWithin)
	defer cancel()
	for _, node := range n.Nodes {
		if err := node.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Leader is the node that leads, as the others say too.
func (n *Network) Leader(ctx context.Context) (*Node, error) {
	for {
		votes := map[string]int{}
		for _, node := range n.Nodes {
			if !node.Running() {
				continue
			}
			once, cancel := context.WithTimeout(ctx, time.Second)
			if s, err := node.Client().Status(once); err == nil && s.Leader != "" {
				votes[s.Leader]++
			}
			cancel()
		}
		for _, node := range n.Nodes {
			if node.Running() && votes[node.Region] > len(n.Nodes)/2 {
				return node, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no leader that a majority names: %v: %w", votes, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Node is the node of a region; nil if there is none.
func (n *Network) Node(region string) *Node {
	for _, node := range n.Nodes {
		if node.Region == region {
			return node
		}
	}
	return nil
}

// Client asks all nodes of the network, the given ones first.
func (n *Network) Client(first ...*Node) (*client.Client, error) {
	var urls []string
	seen := map[*Node]bool{}
	for _, node := range append(first, n.Nodes...) {
		if !seen[node] {
			seen[node] = true
			urls = append(urls, node.HTTP)
		}
	}
	return client.New(urls)
}

// Stop stops all nodes, the way an operator does (SIGTERM).
func (n *Network) Stop() error {
	for _, node := range n.Nodes {
		node.signalStop()
	}
	var faults []error
	for _, node := range n.Nodes {
		faults = append(faults, node.Stop())
	}
	return errors.Join(faults...)
}
