// Package nodetest runs whole nodes inside a test: founded in a temporary
// directory, talking libp2p over the loopback, answering HTTP.
//
// It promises that nothing of them is left when the test has ended, and that
// what they said in their logs can be read. It is for tests alone.
package nodetest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
	"concordat/node"
	"concordat/testnet/ports"
)

// Network is a founded network. Its nodes run once they are started.
type Network struct {
	Dir     string
	Doc     *genesis.Document
	Regions []string
	// Config changes a node's configuration before it starts; may be nil.
	Config func(region string, c *node.Config)

	nodes map[string]*running
	logs  map[string]*Log
}

// running is one node that runs, and starts anew where it has to.
type running struct {
	now    atomic.Pointer[node.Node]
	cancel context.CancelFunc
	failed chan error // of one element: why it cannot go on; it stays up until it is stopped
	fault  error      // the same; written before ended is
	ended  chan error // of one element: what Run gave
}

// stop stops it. Why it failed, if it did, is for who asks Failed.
func (r *running) stop() error {
	r.cancel()
	err := <-r.ended
	if err == r.fault {
		return nil
	}
	return err
}

// Log is what a node logged, at every level.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is everything that was logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Found makes the keys and the genesis of a network with one validator per region.
func Found(dir string, regions ...string) (*Network, error) {
	n := &Network{Dir: dir, Regions: regions, nodes: map[string]*running{}, logs: map[string]*Log{}}
	free, err := ports.Free(len(regions))
	if err != nil {
		return nil, err
	}
	var ds []genesis.Descriptor
	for i, r := range regions {
		d, err := authority.Create(n.NodeDir(r), statement.Region(r), "Health authority of "+r, []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", free[i])}, "", "")
		if err != nil {
			return nil, err
		}
		ds = append(ds, *d)
		n.logs[r] = &Log{}
	}
	if n.Doc, err = genesis.New("nodetest.concordat.example", time.Unix(1_600_000_000, 0), ds); err != nil {
		return nil, err
	}
	return n, os.WriteFile(n.Genesis(), n.Doc.Encode(), 0o600)
}

// New founds a network, starts all its nodes, and waits until they are ready.
// It stops them when the test ends.
func New(t testing.TB, regions ...string) *Network {
	t.Helper()
	return NewWith(t, nil, regions...)
}

// NewWith is New with a Network.Config.
func NewWith(t testing.TB, config func(region string, c *node.Config), regions ...string) *Network {
	t.Helper()
	n, err := Found(t.TempDir(), regions...)
	if err != nil {
		t.Fatal(err)
	}
	n.Config = config
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		if t.Failed() {
			for _, r := range regions {
				t.Logf("log of %s ends with\n%s", r, n.logs[r].Tail(4<<10))
			}
		}
	})
	for _, r := range regions {
		if err := n.Start(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

// Newcomer makes the keys of an authority that is not in the genesis, and gives
// its descriptor. Its node joins through that of another.
func (n *Network) Newcomer(region, through string) (*genesis.Descriptor, error) {
	free, err := ports.Free(1)
	if err != nil {
		return nil, err
	}
	d, err := authority.Create(n.NodeDir(region), statement.Region(region), "Health authority of "+region, []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", free[0])}, "", "")
	if err != nil {
		return nil, err
	}
	n.logs[region] = &Log{}
	change, url := n.Config, n.URL(through)
	n.Config = func(r string, c *node.Config) {
		if change != nil {
			change(r, c)
		}
		if r == region {
			c.Found, c.Join = false, url
		}
	}
	return d, nil
}

// Governor speaks for a region with its governance key.
func (n *Network) Governor(t testing.TB, region, at string) *client.Author {
	t.Helper()
	dir, err := authority.Open(n.NodeDir(region), nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := dir.Key(authority.Governance)
	if err != nil {
		t.Fatal(err)
	}
	return &client.Author{Client: n.Client(at), Authority: dir.ID(), Network: n.Doc.ID(), Key: key.Ed25519()}
}

// Tail is the last bytes of the log.
func (l *Log) Tail(most int) string {
	s := l.String()
	return s[max(0, len(s)-most):]
}

// NodeDir is a region's authority's directory.
func (n *Network) NodeDir(region string) string { return filepath.Join(n.Dir, region) }

// Genesis is the founding document's file.
func (n *Network) Genesis() string { return filepath.Join(n.Dir, "genesis.json") }

// Log is what a region's node logged.
func (n *Network) Log(region string) *Log { return n.logs[region] }

// Configuration is what a region's node is told.
func (n *Network) Configuration(region string) node.Config {
	c := node.Config{
		Dir: n.NodeDir(region), Genesis: n.Genesis(), Found: true, HTTP: "127.0.0.1:0", Profile: "site", Version: "test",
		Logger: slog.New(slog.NewTextHandler(n.logs[region], &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if n.Config != nil {
		n.Config(region, &c)
	}
	return c
}

// Start starts a region's node, on what is on its disk.
func (n *Network) Start(region string) error {
	if n.nodes[region] != nil {
		return fmt.Errorf("%s is running", region)
	}
	ctx, cancel := context.WithCancel(context.Background())
	one := &running{cancel: cancel, failed: make(chan error, 1), ended: make(chan error, 1)}
	up := make(chan struct{}, 1)
	go func() {
		one.ended <- node.RunWith(ctx, n.Configuration(region), func(now *node.Node) {
			one.now.Store(now)
			select {
			case up <- struct{}{}:
			default:
			}
		}, func(why error) {
			one.fault = why
			one.failed <- why
			<-ctx.Done()
		})
	}()
	select {
	case <-up:
	case err := <-one.ended:
		cancel()
		return fmt.Errorf("starting %s: %w", region, err)
	}
	n.nodes[region] = one
	return nil
}

// Stop stops a region's node.
func (n *Network) Stop(region string) error {
	one := n.nodes[region]
	if one == nil {
		return nil
	}
	delete(n.nodes, region)
	return one.stop()
}

// Close stops every node.
func (n *Network) Close() error {
	var wg sync.WaitGroup
	faults := make(chan error, len(n.nodes))
	for _, one := range n.nodes {
		wg.Go(func() { faults <- one.stop() })
	}
	wg.Wait()
	close(faults)
	n.nodes = map[string]*running{}
	for err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// Failed gives why a region's node cannot go on. It stays up, and says so, until
// it is stopped.
func (n *Network) Failed(region string) <-chan error { return n.nodes[region].failed }

// Node is a region's running node; nil if it does not run.
func (n *Network) Node(region string) *node.Node {
	if one := n.nodes[region]; one != nil {
		return one.now.Load()
	}
	return nil
}

// URL is the base URL of a region's API.
func (n *Network) URL(region string) string { return "http://" + n.Node(region).HTTPAddress() }

// Ready waits until every running node is ready.
func (n *Network) Ready(ctx context.Context) error {
	for region, one := range n.nodes {
		if err := Await(ctx, region+" to be ready", func() bool { return one.now.Load().Ready() == nil }); err != nil {
			return err
		}
	}
	return nil
}

// Await waits until a condition holds.
func Await(ctx context.Context, what string, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
		}
	}
	return nil
}

// Client asks one region's node.
func (n *Network) Client(region string) *client.Client {
	c, err := client.New([]string{n.URL(region)})
	if err != nil {
		panic(err) // the URL was made here
	}
	return c
}

// Author speaks for a region, at the node of another or its own.
func (n *Network) Author(t testing.TB, region, at string) *client.Author {
	t.Helper()
	dir, err := authority.Open(n.NodeDir(region), nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := dir.Key(authority.Statement)
	if err != nil {
		t.Fatal(err)
	}
	return &client.Author{Client: n.Client(at), Authority: dir.ID(), Network: n.Doc.ID(), Key: key.Ed25519()}
}

// Sign signs a statement of a region.
func (n *Network) Sign(t testing.TB, region string, revision uint64, body statement.Body) *statement.Verified {
	t.Helper()
	dir, err := authority.Open(n.NodeDir(region), nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := dir.Key(authority.Statement)
	if err != nil {
		t.Fatal(err)
	}
	v, err := statement.Sign(statement.Statement{
		Issuer: dir.ID(), Network: n.Doc.ID(), Revision: revision, IssuedAt: statement.TimeOf(time.Now()), Body: body,
	}, key.Ed25519())
	if err != nil {
		t.Fatal(err)
	}
	return v
}
