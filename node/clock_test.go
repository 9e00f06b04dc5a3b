package node_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"concordat/client"
	"concordat/consensus"
	"concordat/node"
	"concordat/node/nodetest"
)

// clocks are the clocks of a test's nodes, by region: how far each is ahead.
type clocks struct {
	mu    sync.Mutex
	ahead map[string]time.Duration
}

func (c *clocks) set(region string, ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead[region] = ahead
}

func (c *clocks) now(region string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead[region])
}

// problemOf is a node's problem of that name; empty if it has none.
func problemOf(n *nodetest.Network, region, name string) string {
	ps := n.Node(region).Status().Problems
	if i := slices.IndexFunc(ps, func(p client.Problem) bool { return p.Name == name }); i >= 0 {
		return ps[i].Message
	}
	return ""
}

// TestLeaderClockAhead: a leader whose clock is far ahead makes blocks that nobody
// takes. Everybody says so, it steps down by itself, and another leads; when its
// clock is right again it needs no help.
func TestLeaderClockAhead(t *testing.T) {
	t.Parallel()
	c := &clocks{ahead: map[string]time.Duration{}}
	n := nodetest.NewWith(t, func(region string, cfg *node.Config) {
		cfg.Vouch.Seal = time.Hour
		node.OnOrder(cfg, func(o *consensus.Config) { o.Now = func() time.Time { return c.now(region) } })
	}, "XA", "XB", "XC", "XD")
	say(t, n, "XA", "XA", "XA-RIGHT", client.Final)
	leader := n.Node("XA").Status().Leader
	var others []string
	for _, r := range n.Regions {
		if r != leader {
			others = append(others, r)
		}
	}
	at := others[0]

	c.set(leader, time.Hour)
	began := time.Now()
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		raw := n.Sign(t, at, 1, risk(at+"-AHEAD")).Raw()
		for {
			if _, err := n.Client(at).Submit(ctx, raw, nil, client.Final); err == nil || ctx.Err() != nil {
				done <- err
				return
			}
		}
	}()
	eventually(t, "the others to say that they refuse the leader's block", func() bool {
		return contains(problemOf(n, at, "refused-block"), leader, "ahead of this node's clock")
	}, func() any { return n.Node(at).Status().Problems })
	eventually(t, "the leader to say that it is refused", func() bool {
		return contains(problemOf(n, leader, "clock"), "clock right?", at)
	}, func() any { return n.Node(leader).Status().Problems })
	if err := <-done; err != nil {
		t.Fatalf("ordering does not go on: %v", err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v until another ordered it", took)
	}
	if next := n.Node(at).Status().Leader; next == leader || next == "" {
		t.Errorf("after %s was refused, %q leads", leader, next)
	}
	same(t, n) // the one that nobody took is gone
	if p := problemOf(n, at, "refused-block"); p != "" {
		t.Errorf("another leads, and %s still says: %s", at, p)
	}
	if p := problemOf(n, leader, "clock"); p == "" {
		t.Error("its clock is wrong, and it says so no more")
	}

	// The clock is set right: the next block of another's tells.
	c.set(leader, 0)
	say(t, n, at, at, at+"-MENDED", client.Final)
	eventually(t, "the clock's problem to be over", func() bool { return problemOf(n, leader, "clock") == "" },
		func() any { return n.Node(leader).Status().Problems })
	for _, r := range n.Regions {
		whole(t, n, r)
	}
	nobody(t, n)
}
