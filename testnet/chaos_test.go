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
// killed ten times and every node restarted at least twice. Half of the clients
// wait until a statement is final: then the node that says so shows a
// checkpoint that covers it, and so does every later one, as does every one
// that is ever certified have the same history. Nobody is accused of anything.
func TestLeaderKilledTenTimes(t *testing.T) {
	const clients, statements, kills, restarts = 16, 1000, 10, 2
	net := upWith(t, Options{Env: []string{"CONCORDAT_VOUCH_SEAL=3s"}})
	seen := monitor(t, net)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()

	var mu sync.Mutex
	acked := map[string]uint64{} // index by hash
	finals, shown := 0, 0        // acknowledged as final, and of those the checkpoint was seen
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
			home, wait := c/2%len(net.Nodes), client.Ordered
			if c%2 == 0 {
				wait = client.Final
			}
			author, err := authorOf(net, net.Nodes[home])
			if err != nil {
				t.Error(err)
				return
			}
			for {
				i := sent.Add(1)
				if i > statements {
					return
				}
				for allowed.Load() < i && ctx.Err() == nil {
					time.Sleep(2 * time.Millisecond)
				}
				got, by, err := insist(ctx, net, author, home, i, wait)
				if err != nil {
					t.Errorf("statement %d of %s: %v", i, author.Authority, err)
					return
				}
				size := uint64(0)
				if got.State == client.Final {
					// It may be killed in this moment, and then shows nothing.
					if size, err = seen.look(ctx, by); err == nil && size <= *got.Index {
						t.Errorf("%s says that statement %d is final, and shows a checkpoint of size %d", by.Region, *got.Index, size)
					}
				}
				mu.Lock()
				if got.State == client.Final {
					finals++
				}
				if size > 0 {
					shown++
				}
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
	for _, n := range net.Nodes {
		have, err := everything(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		said := 0
		for i, x := range have {
			if x.Kind == string(statement.Seal) {
				continue
			}
			said++
			if indexes[uint64(i)] != x.Hash {
				t.Fatalf("%s has %s at index %d, acknowledged was %q", n.Region, x.Hash, i, indexes[uint64(i)])
			}
		}
		if said != statements {
			t.Errorf("the ledger of %s has %d statements, want %d: each once", n.Region, said, statements)
		}
	}

	for _, n := range net.Nodes {
		if err := seen.reach(ctx, n, size); err != nil {
			t.Fatal(err)
		}
		log, err := seen.prove(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		for i, raw := range log {
			if h, was := indexes[uint64(i)]; was && h != fmt.Sprintf("%x", sha256.Sum256(raw)) {
				t.Fatalf("%s serves another statement at index %d than was acknowledged", n.Region, i)
			}
		}
	}
	if finals < statements/20 || shown < finals/2 {
		t.Errorf("%d statements were acknowledged as final, and for %d the checkpoint was seen", finals, shown)
	}
	noEvidence(t, net)
	for i, n := range net.Nodes {
		audited(t, seen, n, net.Nodes[(i+1)%len(net.Nodes)])
	}
}

// insist sends statement i of an author until it is acknowledged as what is
// waited for: to the first node given, and then to any. It gives the one that did so.
func insist(ctx context.Context, net *Network, author *client.Author, first int, i int64, wait string) (client.Submitted, *Node, error) {
	sum := sha256.Sum256(fmt.Appendf(nil, "statement %d", i))
	attachment := statement.NewAttachment([]statement.RevocationHash{statement.RevocationHash(sum[:statement.HashSize])})
	v, err := author.Compose(ctx, &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, attachment, statement.TimeOf(time.Now().AddDate(1, 0, 0)), "drill")}, 0)
	if err != nil {
		return client.Submitted{}, nil, err
	}
	for k := first; ; k++ {
		n := net.Nodes[k%len(net.Nodes)]
		got, err := n.Client().Submit(ctx, v.Raw(), attachment, wait)
		var f *client.Failure
		switch {
		case err == nil && (got.State == client.Final || got.State == wait):
			return got, n, nil
		case ctx.Err() != nil:
			return got, n, context.Cause(ctx)
		case err != nil && (!errors.As(err, &f) || f.Exit() != client.ExitUnreachable):
			return got, n, err
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

// everything reads a node's whole ledger.
func everything(ctx context.Context, n *Node) ([]client.Statement, error) {
	var out []client.Statement
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
			out = append(out, s)
		}
		if page.Next == nil {
			return out, nil
		}
		f.After = page.Next
	}
}
