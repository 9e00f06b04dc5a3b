package node_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"concordat/client"
	"concordat/node"
	"concordat/node/nodetest"
)

// TestQuotaFramesNobody: an authority that says more through many nodes than the
// leader may take of it has nobody name the leader for what is not ordered.
func TestQuotaFramesNobody(t *testing.T) {
	const quota = 60
	n := nodetest.NewWith(t, func(_ string, c *node.Config) {
		c.Limits.QuotaStatements = quota
		c.Order.CensorAfter = 2 * time.Second
	}, "XA", "XB", "XC")
	leader := n.Node("XA").Status().Leader
	var others []string
	for _, r := range n.Regions {
		if r != leader {
			others = append(others, r)
		}
	}
	flood := func(at, wait string, from, count int) {
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := w; i < count; i += 8 {
					_, err := n.Client(at).Submit(t.Context(), n.Sign(t, "XA", 1, risk(fmt.Sprintf("XA-%d", from+i))).Raw(), nil, wait)
					if err != nil {
						return // it is over its quota
					}
				}
			})
		}
		wg.Wait()
	}
	flood(others[0], client.Ordered, 0, quota)
	flood(others[1], client.Accepted, 1000, quota/2) // the leader may take a batch of them at once
	time.Sleep(time.Second)
	flood(others[1], client.Accepted, 2000, quota/2)
	for k := range 10 {
		time.Sleep(500 * time.Millisecond)
		_, err := n.Client(leader).Submit(t.Context(), n.Sign(t, "XB", 1, risk(fmt.Sprintf("XB-%d", k))).Raw(), nil, client.Ordered)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range others {
			st := n.Node(r).Status()
			if c := st.Pending.CensoredBy[leader]; c > 0 {
				t.Errorf("%s says that %s, which leads honestly, has left out %d statements: %+v", r, leader, c, st.Problems)
				return
			}
		}
	}
	if c := n.Node(others[1]).Status().Pending.Known; c == 0 {
		t.Error("nothing waits: the quota of the leader was not used up")
	}
}

// TestRefusalsCostTheSender: what the leader refuses uses up nothing of what its
// authority may say, as anybody may send it again.
func TestRefusalsCostTheSender(t *testing.T) {
	n := nodetest.NewWith(t, func(_ string, c *node.Config) { c.Limits.QuotaStatements = 5 }, "XA", "XB", "XC")
	said := n.Sign(t, "XA", 1, risk("XA-1")).Raw()
	leader := n.Node("XA").Status().Leader
	for i, r := range n.Regions {
		if r == leader {
			continue
		}
		for k := range 4 {
			if _, err := n.Client(r).Submit(t.Context(), n.Sign(t, "XA", 7, risk(fmt.Sprintf("XA-%d-%d", i, k))).Raw(), nil, client.Ordered); err == nil {
				t.Fatal("a revision after none is ordered")
			}
		}
		for range 10 {
			if _, err := n.Client(r).Submit(t.Context(), said, nil, client.Final); err != nil {
				t.Fatalf("at %s: %v", r, err)
			}
		}
	}
	if _, err := n.Client(leader).Submit(t.Context(), n.Sign(t, "XA", 1, risk("XA-2")).Raw(), nil, client.Ordered); err != nil {
		t.Errorf("XA is refused: %v", err)
	}
}
