package load

import (
	"context"
	"errors"
	"fmt"
	"os"

	"concordat/client"
	"concordat/client/authority"
	"concordat/testnet"
)

// Modes of load.
const (
	ModeSubmit = "submit"
	ModeCheck  = "check"
	ModeLookup = "lookup"
)

// Where the load on a network goes.
const (
	AtLeader   = "leader"   // to the node that leads
	AtFollower = "follower" // to one that follows
	AtAll      = "all"      // to all nodes in turn
)

// OnNetwork measures networks of its own.
type OnNetwork struct {
	// Regions are the networks' validators.
	Regions []string
	// Clients are the numbers of clients to measure, each on a new network.
	Clients []int
	Mode    string // ModeSubmit (default), ModeCheck or ModeLookup
	At      string // AtLeader (default), AtFollower or AtAll
	Window  Window
	// Wait and Lag: see Submit.
	Wait string
	Lag  bool
	// Hashes is how many hashes are revoked before: for ModeLookup, those that
	// are looked up. Default there: 65,536.
	Hashes int
	// Prepare: see Submit.
	Prepare int
	// Dir is where the networks live while they are measured, on the disk to
	// be measured. Default: the temporary directory.
	Dir string
	// Command is the concordat binary. Default: this process's own.
	Command string
	// Profile is the timing between nodes. Default: testnet's.
	Profile string
	// Say tells a person how it goes. Default: nobody.
	Say func(format string, a ...any)
}

// Point is one measurement of a network. For look-ups and checks, only its figures are there.
type Point struct {
	Regions []string `json:"regions"`
	At      string   `json:"at"`
	Hashes  int      `json:"revokedHashes,omitempty"`
	Submitted
}

// Run measures one network after the other.
func (o OnNetwork) Run(ctx context.Context) ([]Point, error) {
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	if o.Mode == "" {
		o.Mode = ModeSubmit
	}
	if o.At == "" {
		o.At = AtLeader
	}
	if o.Mode == ModeLookup && o.Hashes == 0 {
		o.Hashes = 1 << 16
	}
	var out []Point
	for _, clients := range o.Clients {
		p, err := o.point(ctx, clients)
		if err != nil {
			return out, fmt.Errorf("%s with %d clients: %w", o.Mode, clients, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// point measures one network, and removes it.
func (o OnNetwork) point(ctx context.Context, clients int) (p Point, err error) {
	dir, err := os.MkdirTemp(o.Dir, "concordat-bench-")
	if err != nil {
		return p, fmt.Errorf("a network to measure: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	net, err := testnet.Up(ctx, testnet.Options{Dir: dir, Regions: o.Regions, Command: o.Command, Profile: o.Profile})
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, net.Stop()) }()
	p = Point{At: o.At, Hashes: o.Hashes}
	leader, err := net.Leader(ctx)
	if err != nil {
		return p, err
	}
	var nodes, all []string
	var pids []int
	for _, n := range net.Nodes {
		p.Regions, all, pids = append(p.Regions, n.Region), append(all, n.HTTP), append(pids, n.PID())
		if o.At == AtAll || (n == leader) == (o.At == AtLeader) {
			nodes = append(nodes, n.HTTP)
		}
	}
	if o.At == AtFollower && len(nodes) > 1 {
		nodes = nodes[:1]
	}
	if len(nodes) == 0 {
		return p, fmt.Errorf("a network of %v has no %s", p.Regions, o.At)
	}
	o.Say("network of %v is ready, %s leads; %d clients at %s", p.Regions, leader.Region, clients, o.At)
	author, err := authorOf(net, leader)
	if err != nil {
		return p, err
	}
	asking := Asking{Nodes: nodes, Clients: clients, Window: o.Window, Servers: pids}
	var revoked Revoked
	if o.Hashes > 0 {
		if revoked, err = Revoke(ctx, author, all, o.Hashes); err != nil {
			return p, err
		}
	}
	switch o.Mode {
	case ModeSubmit:
		p.Submitted, err = Submit{
			Nodes: nodes, Network: all, Author: author, Clients: clients, Window: o.Window,
			Wait: o.Wait, Lag: o.Lag, Prepare: o.Prepare, Servers: pids, Say: o.Say,
		}.Run(ctx)
	case ModeCheck:
		var k Known
		if k, err = Register(ctx, author, all); err == nil {
			p.Figures, err = asking.Check(ctx, k)
		}
	case ModeLookup:
		p.Figures, err = asking.Lookup(ctx, revoked)
	default:
		err = fmt.Errorf("mode is %q, want %s, %s or %s", o.Mode, ModeSubmit, ModeCheck, ModeLookup)
	}
	return p, err
}

// authorOf speaks for a node's region, at that node.
func authorOf(net *testnet.Network, n *testnet.Node) (*client.Author, error) {
	dir, err := authority.Open(n.Dir, nil)
	if err != nil {
		return nil, err
	}
	key, err := dir.Key(authority.Statement)
	if err != nil {
		return nil, err
	}
	return &client.Author{Client: n.Client(), Authority: dir.ID(), Network: net.ID, Key: key.Ed25519()}, nil
}
