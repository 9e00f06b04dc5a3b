package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"concordat/client"
	"concordat/client/authority"
	"concordat/consensus"
	"concordat/ledger"
	"concordat/node"
	"concordat/node/nodetest"
)

// found founds a network and starts nothing.
func found(t *testing.T, regions ...string) *nodetest.Network {
	t.Helper()
	n, err := nodetest.Found(t.TempDir(), regions...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return n
}

// TestStartRefuses: each mistake of an operator is told as what it is, and
// leaves nothing behind that is in the way of the next start.
func TestStartRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	takenUDP, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer takenUDP.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	_, portUDP, _ := net.SplitHostPort(takenUDP.LocalAddr().String())
	for _, c := range []struct {
		name   string
		change func(t *testing.T, n *nodetest.Network, c *node.Config)
		want   error
		says   string
	}{
		{"HTTP port in use", func(_ *testing.T, _ *nodetest.Network, c *node.Config) { c.HTTP = taken.Addr().String() }, node.ErrPortInUse, taken.Addr().String()},
		{"libp2p port in use", func(_ *testing.T, _ *nodetest.Network, c *node.Config) {
			c.Listen = []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/" + port}
		}, node.ErrPortInUse, "/ip4/127.0.0.1/tcp/" + port},
		{"QUIC port in use", func(_ *testing.T, _ *nodetest.Network, c *node.Config) {
			c.Listen = []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/" + portUDP + "/quic-v1"}
		}, node.ErrPortInUse, "/udp/" + portUDP},
		{"an address of another machine", func(_ *testing.T, _ *nodetest.Network, c *node.Config) { c.HTTP = "192.0.2.1:8460" }, node.ErrListen, "192.0.2.1:8460"},
		{"no genesis", func(_ *testing.T, n *nodetest.Network, c *node.Config) {
			c.Genesis = filepath.Join(n.Dir, "nothing.json")
		}, os.ErrNotExist, "--genesis"},
		{"garbage for a genesis", func(t *testing.T, n *nodetest.Network, c *node.Config) {
			c.Genesis = filepath.Join(n.Dir, "garbage.json")
			if err := os.WriteFile(c.Genesis, []byte("{}"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil, "garbage.json"},
		{"no directory", func(_ *testing.T, n *nodetest.Network, c *node.Config) { c.Dir = filepath.Join(n.Dir, "XQ") }, authority.ErrNotAuthority, "concordat init"},
		{"another network's genesis", func(t *testing.T, _ *nodetest.Network, c *node.Config) { c.Genesis = found(t, "XA").Genesis() }, node.ErrNotInNetwork, "XA"},
		{"a network without this region", func(t *testing.T, _ *nodetest.Network, c *node.Config) { c.Genesis = found(t, "XB").Genesis() }, node.ErrNotInNetwork, "XA is not in the genesis"},
		{"bad settings", func(_ *testing.T, _ *nodetest.Network, c *node.Config) {
			c.Profile, c.Check.MaxAge = "moon", time.Millisecond
		}, consensus.ErrProfile, "check.max_age"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := found(t, "XA")
			n.Config = func(_ string, cfg *node.Config) { c.change(t, n, cfg) }
			err := n.Start("XA")
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("it starts with %v, want %v that says %q", err, c.want, c.says)
			}
			n.Config = nil
			if err := n.Start("XA"); err != nil {
				t.Errorf("and then, as it should be: %v", err)
			}
		})
	}
}

func TestStartRefusesOtherData(t *testing.T) {
	n := found(t, "XA")
	if err := n.Start("XA"); err != nil {
		t.Fatal(err)
	}
	t.Run("twice", func(t *testing.T) {
		c := n.Configuration("XA")
		c.Listen = []string{"/ip4/127.0.0.1/tcp/0"}
		if _, err := node.Start(c); !errors.Is(err, ledger.ErrLocked) {
			t.Errorf("a second node on the directory: %v", err)
		}
	})
	if err := n.Stop("XA"); err != nil {
		t.Fatal(err)
	}
	t.Run("another network, the same keys", func(t *testing.T) {
		doc := *n.Doc
		doc.Network = "another.concordat.example"
		path := filepath.Join(n.Dir, "another.json")
		if err := os.WriteFile(path, doc.Encode(), 0o600); err != nil {
			t.Fatal(err)
		}
		c := n.Configuration("XA")
		c.Genesis = path
		if _, err := node.Start(c); !errors.Is(err, ledger.ErrOtherNetwork) || !strings.Contains(err.Error(), doc.ID().String()) {
			t.Errorf("on another network's data: %v", err)
		}
	})
}

// TestStartWithNothing: a node that has no data, and nobody who has, waits and
// says for what. It founds nothing by itself, and is in nobody's way when it is
// then told to.
func TestStartWithNothing(t *testing.T) {
	n := found(t, "XA")
	waits := func(says string) {
		t.Helper()
		if err := n.Start("XA"); err != nil {
			t.Fatal(err)
		}
		if err := nodetest.Await(t.Context(), "the node to say what it waits for", func() bool {
			p := n.Node("XA").Status().CatchingUp
			return p != nil && p.Waiting != ""
		}); err != nil {
			t.Fatal(err)
		}
		var f *client.Failure
		if err := n.Client("XA").Ready(t.Context()); !errors.As(err, &f) || f.Name != client.CatchingUp || !strings.Contains(f.Message, says) {
			t.Errorf("ready: %v", err)
		}
		note := risk("XA-NOTHING")
		note.Refuse = false // one that refuses is urgent, and would be held
		if _, err := n.Client("XA").Submit(t.Context(), n.Sign(t, "XA", 1, note).Raw(), nil, client.Ordered); !errors.As(err, &f) || f.Name != client.CatchingUp {
			t.Errorf("a submission: %v", err)
		}
		if st := n.Node("XA").Status(); st.Vouching || len(st.Problems) == 0 || st.Size != 0 {
			t.Errorf("status: vouching %v, problems %v, size %d", st.Vouching, st.Problems, st.Size)
		}
		if err := n.Stop("XA"); err != nil {
			t.Fatal(err)
		}
	}
	n.Config = func(_ string, c *node.Config) { c.Found = false }
	waits("founds no network")
	n.Config = nil
	if err := n.Start("XA"); err != nil {
		t.Fatal(err)
	}
	say(t, n, "XA", "XA", "XA-FOUNDED", client.Final)
	if err := n.Stop("XA"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(n.NodeDir("XA"), "data")); err != nil {
		t.Fatal(err)
	}
	waits("lost") // told to found though it is: the marker says that it has run
}

// TestFoundWaits: a node that was told to found a network does not before enough
// others are there, and says what it waits for; then it does by itself.
func TestFoundWaits(t *testing.T) {
	t.Parallel()
	n := found(t, "XA", "XB", "XC", "XD")
	marker := func(region string) bool {
		_, err := os.Stat(filepath.Join(n.NodeDir(region), "founded"))
		return err == nil
	}
	for i, r := range []string{"XA", "XB"} {
		if err := n.Start(r); err != nil {
			t.Fatal(err)
		}
		if err := nodetest.Await(t.Context(), r+" to say what it waits for", func() bool {
			p := n.Node(r).Status().CatchingUp
			return p != nil && p.Waiting == fmt.Sprintf("2 other validators to found the network with; %d of them there", i)
		}); err != nil {
			t.Fatal(err, n.Node(r).Status().CatchingUp)
		}
	}
	var f *client.Failure
	if err := n.Client("XA").Ready(t.Context()); !errors.As(err, &f) || f.Name != client.CatchingUp || !strings.Contains(f.Message, "found the network with") {
		t.Errorf("ready: %v", err)
	}
	if marker("XA") || marker("XB") {
		t.Error("it has founded a network with one other, which may be in hostile hands")
	}
	if err := n.Start("XC"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := n.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("three of four were ready after %v", time.Since(began))
	say(t, n, "XA", "XA", "XA-FOUNDED", client.Final)
	for _, r := range []string{"XA", "XB", "XC"} {
		if !marker(r) {
			t.Errorf("%s has no marker", r)
		}
	}
	// The last one finds a network that runs, and joins it.
	if err := n.Start("XD"); err != nil {
		t.Fatal(err)
	}
	whole(t, n, "XD")
}

// TestFoundNotAgain: a node that lost everything, marker included, and is told to
// found as at its first start, founds nothing when it is the first to be back: the
// others may be down as well.
func TestFoundNotAgain(t *testing.T) {
	t.Parallel()
	n := nodetest.New(t, "XA", "XB", "XC", "XD", "XE")
	say(t, n, "XB", "XB", "XB-BEFORE", client.Final)
	same(t, n)
	for _, r := range n.Regions {
		if err := n.Stop(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, lost := range []string{"data", "founded"} {
		if err := os.RemoveAll(filepath.Join(n.NodeDir("XA"), lost)); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Start("XA"); err != nil {
		t.Fatal(err)
	}
	waits := func() bool {
		p := n.Node("XA").Status().CatchingUp
		return p != nil && strings.Contains(p.Waiting, "2 other validators")
	}
	if err := nodetest.Await(t.Context(), "XA to wait", waits); err != nil {
		t.Fatal(err)
	}
	if err := n.Start("XB"); err != nil {
		t.Fatal(err)
	}
	if err := nodetest.Await(t.Context(), "XA to join what XB has", func() bool {
		p := n.Node("XA").Status().CatchingUp
		return p == nil || !strings.Contains(p.Waiting, "found the network")
	}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []string{"XC", "XD", "XE"} {
		if err := n.Start(r); err != nil {
			t.Fatal(err)
		}
	}
	whole(t, n, "XA")
	say(t, n, "XA", "XA", "XA-AFTER", client.Final)
	same(t, n)
	nobody(t, n)
}

// TestFoundLate: a founder that comes when the others have begun, and cannot make
// anything final without it, takes part.
func TestFoundLate(t *testing.T) {
	t.Parallel()
	n := found(t, "XA", "XB", "XC") // of three all must co-sign
	for _, r := range []string{"XA", "XB"} {
		if err := n.Start(r); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "two of them to have begun", func() bool { return n.Node("XA").Status().Leader != "" },
		func() any { return n.Node("XA").Status().CatchingUp })
	say(t, n, "XA", "XA", "XA-EARLY", client.Ordered)
	if err := n.Start("XC"); err != nil {
		t.Fatal(err)
	}
	whole(t, n, "XC")
	same(t, n)
}

// TestCloseLeavesNothing: no goroutine of a node outlives it, streams of events
// end with it, and it closes in a moment.
func TestCloseLeavesNothing(t *testing.T) {
	n := found(t, "XA")
	round := 0
	cycle := func() {
		round++
		t.Helper()
		if err := n.Start("XA"); err != nil {
			t.Fatal(err)
		}
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Somebody follows the events, and goes on until the node stops.
		c := n.Client("XA")
		seen, ended := make(chan struct{}, 16), make(chan error, 1)
		go func() {
			ended <- c.Events(context.Background(), nil, func(client.Event) error { seen <- struct{}{}; return nil })
		}()
		say(t, n, "XA", "XA", fmt.Sprintf("XA-%d", round), client.Ordered)
		<-seen
		began := time.Now()
		one := n.Node("XA")
		if err := n.Stop("XA"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it took %v to close", took)
		}
		if err := one.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
		if err := one.Healthy(); err == nil {
			t.Error("a closed node is healthy")
		}
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Error("the stream of events goes on")
		}
	}
	cycle()
	stacks := func() (string, int) {
		b := make([]byte, 4<<20)
		b = b[:runtime.Stack(b, true)]
		ours := 0
		for _, g := range bytes.Split(b, []byte("\n\n")) {
			if bytes.Contains(g, []byte("concordat/node.")) || bytes.Contains(g, []byte("concordat/consensus.")) || bytes.Contains(g, []byte("concordat/p2p.")) {
				if !bytes.Contains(g, []byte("node_test.TestCloseLeavesNothing")) {
					ours++
				}
			}
		}
		return string(b), ours
	}
	if err := nodetest.Await(t.Context(), "the goroutines to end", func() bool { _, ours := stacks(); return ours == 0 }); err != nil {
		all, ours := stacks()
		t.Fatalf("%d goroutines are left: %v\n%s", ours, err, all)
	}
	cycle()
}

// TestFullDisk: a node whose ledger cannot be written stops, says why, and
// says so on /healthz before; what it holds it has again when there is room.
func TestFullDisk(t *testing.T) {
	n := found(t, "XA")
	full := errorfs.Toggle{Injector: errorfs.ErrInjected}
	n.Config = func(_ string, c *node.Config) {
		node.OnLedger(c, func(o *ledger.Options) {
			o.FS = errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
					return full.MaybeError(op)
				}
				return nil
			}))
		})
	}
	if err := n.Start("XA"); err != nil {
		t.Fatal(err)
	}
	if err := n.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	say(t, n, "XA", "XA", "XA-BEFORE", client.Ordered)
	full.On()
	c := n.Client("XA")
	v := n.Sign(t, "XA", 1, risk("XA-FULL"))
	_, err := c.Submit(t.Context(), v.Raw(), nil, client.Accepted)
	var f *client.Failure
	if !errors.As(err, &f) || f.Name != client.Broken {
		t.Errorf("a promise on a full disk: %v", err)
	}
	var why error
	select {
	case why = <-n.Failed("XA"):
	case <-time.After(10 * time.Second):
		t.Fatal("the node does not fail")
	}
	if !errors.Is(why, ledger.ErrBroken) || !strings.Contains(why.Error(), "space") {
		t.Errorf("it fails with %v", why)
	}
	if err := n.Node("XA").Healthy(); !errors.As(err, &f) || f.Name != client.Broken {
		t.Errorf("healthy: %v", err)
	}
	if err := c.Ready(t.Context()); !errors.As(err, &f) || f.Name != client.Broken {
		t.Errorf("ready: %v", err)
	}
	began := time.Now()
	if err := n.Stop("XA"); !errors.Is(err, ledger.ErrBroken) {
		t.Errorf("closing on a full disk: %v", err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("closing took %v", took)
	}
	full.Off()
	if err := n.Start("XA"); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if err := n.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	say(t, n, "XA", "XA", "XA-AFTER", client.Ordered)
}
