package testnet

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/statement"
)

// TestLeaderKilledTenTimes is the promise that nothing acknowledged is lost:
// 16 clients send 1,000 statements through all nodes while the leader is
// killed ten times and every node restarted at least twice.
func TestLeaderKilledTenTimes(t *testing.T) {
	const clients, statements, kills, restarts = 16, 1000, 10, 2
	net := up(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()

	var mu sync.Mutex
	acked := map[string]uint64{} // index by hash
	var sent atomic.Int64
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acked)
	}
	// The writers wait for permission, so that work spans every kill.
	var allowed atomic.Int64
	allowed.Store(50)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			home := net.Nodes[c%len(net.Nodes)]
			for {
				i := sent.Add(1)
				if i > statements {
					return
				}
				for allowed.Load() < i && ctx.Err() == nil {
					time.Sleep(2 * time.Millisecond)
				}
				got, err := insist(ctx, net, home, i)
				if err != nil {
					t.Errorf("statement %d at %s: %v", i, home.Region, err)
					return
				}
				mu.Lock()
				if before, twice := acked[got.Hash]; twice {
					t.Errorf("statement %d is acknowledged at %d and at %d", i, before, *got.Index)
				}
				acked[got.Hash] = *got.Index
				mu.Unlock()
			}
		})
	}

	restarted := map[string]int{}
	step := int64(statements / (kills + restarts*len(net.Nodes)))
	bounce := func(n *Node) {
		t.Helper()
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
		// Work goes on without it before it comes back.
		before := count()
		allowed.Add(step)
		if err := waitFor(ctx, "work without "+n.Region, func() bool { return count() > before+2 }); err != nil {
			t.Fatal(err)
		}
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
		if err := n.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		restarted[n.Region]++
	}
	for range kills {
		leader, err := net.Leader(ctx)
		if err != nil {
			t.Fatal(err)
		}
		bounce(leader)
	}
	for _, n := range net.Nodes {
		for restarted[n.Region] < restarts {
			bounce(n)
		}
	}
	allowed.Store(statements)
	wg.Wait()
	if t.Failed() {
		return
	}

	if len(acked) != statements {
		t.Fatalf("%d statements are acknowledged, want %d", len(acked), statements)
	}
	indexes := map[uint64]string{}
	for h, i := range acked {
		if other, twice := indexes[i]; twice {
			t.Fatalf("index %d was given to %s and to %s", i, other, h)
		}
		indexes[i] = h
	}
	s := &story{net: net}
	size, err := s.sameLedgers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if size != statements {
		t.Errorf("the ledgers have %d statements, want %d: each once", size, statements)
	}
	for _, n := range net.Nodes {
		have, err := everything(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		for i, h := range have {
			if indexes[uint64(i)] != h {
				t.Fatalf("%s has %s at index %d, acknowledged was %s", n.Region, h, i, indexes[uint64(i)])
			}
		}
	}
}

// insist sends statement i until it is acknowledged: first at home, then anywhere.
func insist(ctx context.Context, net *Network, home *Node, i int64) (client.Submitted, error) {
	author, err := authorOf(net, home)
	if err != nil {
		return client.Submitted{}, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "statement %d", i))
	attachment := statement.NewAttachment([]statement.RevocationHash{statement.RevocationHash(sum[:statement.HashSize])})
	v, err := author.Compose(ctx, &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, attachment, statement.TimeOf(time.Now().AddDate(1, 0, 0)), "drill")}, 0)
	if err != nil {
		return client.Submitted{}, err
	}
	for {
		got, err := author.Client.Submit(ctx, v.Raw(), attachment, client.Ordered)
		var f *client.Failure
		if err == nil || !errors.As(err, &f) || f.Exit() != client.ExitUnreachable || ctx.Err() != nil {
			return got, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// authorOf speaks for a node's region, at that node first and at any other after.
func authorOf(net *Network, home *Node) (*client.Author, error) {
	dir, err := authority.Open(home.Dir, nil)
	if err != nil {
		return nil, err
	}
	key, err := dir.Key(authority.Statement)
	if err != nil {
		return nil, err
	}
	c, err := net.Client(home)
	if err != nil {
		return nil, err
	}
	return &client.Author{Client: c, Authority: dir.ID(), Network: net.ID, Key: key.Ed25519()}, nil
}

// everything reads a node's whole ledger: hashes by index.
func everything(ctx context.Context, n *Node) ([]string, error) {
	var out []string
	var f client.Filter
	f.Limit = 1000
	for {
		page, err := n.Client().Statements(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Statements {
			if s.Index != uint64(len(out)) {
				return nil, fmt.Errorf("%s lists index %d after %d", n.Region, s.Index, len(out)-1)
			}
			out = append(out, s.Hash)
		}
		if page.Next == nil {
			return out, nil
		}
		f.After = page.Next
	}
}
