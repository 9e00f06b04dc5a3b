package testnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
)

// load is work that goes on while something happens to a network.
type load struct {
	mu    sync.Mutex
	acked map[string]uint64 // index by hash
	done  func()
}

// startLoad lets a few clients send a node's authority's statements through all
// nodes, until stopped.
func startLoad(ctx context.Context, t *testing.T, net *Network, of *Node) *load {
	t.Helper()
	author, err := authorOf(net, of)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &load{acked: map[string]uint64{}}
	var wg sync.WaitGroup
	var sent atomic.Int64
	sent.Store(1 << 32) // not those of others
	for c := range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				wait := client.Ordered
				if c == 0 {
					wait = client.Final
				}
				got, _, err := insist(ctx, net, author, c, sent.Add(1), wait)
				if err != nil {
					if ctx.Err() == nil {
						t.Errorf("in the middle of the work: %v", err)
					}
					return
				}
				l.mu.Lock()
				l.acked[got.Hash] = *got.Index
				l.mu.Unlock()
				time.Sleep(10 * time.Millisecond) // work, not a benchmark
			}
		})
	}
	l.done = func() {
		cancel()
		wg.Wait()
	}
	return l
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// more waits until the work has gone on.
func (l *load) more(ctx context.Context, while string) error {
	before := l.count()
	return waitFor(ctx, "work to go on "+while, func() bool { return l.count() >= before+10 })
}

// fill revokes batches of hashes, of 1 MiB each, and waits until each is final.
func fill(ctx context.Context, t *testing.T, net *Network, n *Node, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		raw, attachment := invented(t, net, n, "fill", i, statement.MaxAttachment/statement.HashSize)
		if got, err := n.Client().Submit(ctx, raw, attachment, client.Final); err != nil || got.State != client.Final {
			t.Fatalf("batch %d is %q, %v", i, got.State, err)
		}
	}
}

// TestWipedNodesBecomeReplicas wipes a node's disk in three ways, each another
// node's, while work goes on. With nobody's help but a start it fetches what
// there is, and co-signs; then another node is killed, and work goes on that
// cannot without it. One is killed in the middle of its catching up, again and
// again: it goes on from where it was.
func TestWipedNodesBecomeReplicas(t *testing.T) {
	net := upWith(t, Options{Env: []string{
		"CONCORDAT_VOUCH_SEAL=2s", "CONCORDAT_VOUCH_REFRESH=1s",
		// So that there is a middle: 2 MiB from each of three at once, the rest slowly.
		"CONCORDAT_STORAGE_SERVE_RATE=2097152",
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	seen := monitor(t, net)
	work := startLoad(ctx, t, net, net.Nodes[3])
	defer work.done()
	for i := range 8 {
		fill(ctx, t, net, net.Nodes[0], i, i+1)
		if err := work.more(ctx, "at all"); err != nil {
			t.Fatal(err)
		}
	}
	for i, wipe := range []struct {
		name  string
		do    func(n *Node) error
		kills int
	}{
		{"the data directory", func(n *Node) error { return os.RemoveAll(filepath.Join(n.Dir, "data")) }, 3},
		{"all but the keys and the genesis", func(n *Node) error { return keepOnly(n.Dir, "keys", "descriptor.json", genesisFile, "node.log") }, 0},
		{"all, and the keys are put in another directory", func(n *Node) error {
			dir := filepath.Join(t.TempDir(), n.Region)
			if err := os.Rename(n.Dir, dir); err != nil {
				return err
			}
			n.Dir = dir
			return keepOnly(dir, "keys", "descriptor.json", "signer", "node.log")
		}, 0},
	} {
		n, other := net.Nodes[i], net.Nodes[i+1]
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := wipe.do(n); err != nil {
			t.Fatal(err)
		}
		seen.forget(n)
		started := time.Now()
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
		killed, size := interrupted(ctx, t, n, wipe.kills)
		if err := n.Ready(ctx); err != nil {
			t.Fatalf("wiped: %s: %v", wipe.name, err)
		}
		t.Logf("wiped: %s: %s has caught up in %s, killed %d times at up to %d statements", wipe.name, n.Region, time.Since(started).Round(time.Millisecond), killed, size)
		// Until it has what it may have acknowledged before, it votes for nobody.
		if err := waitFor(ctx, n.Region+" to have no problem", func() bool {
			st, err := n.Client().Status(ctx)
			return err == nil && len(st.Problems) == 0
		}); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s votes %s after its start", n.Region, time.Since(started).Round(time.Millisecond))
		if err := other.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := work.more(ctx, "without "+other.Region); err != nil {
			t.Fatal(err)
		}
		sayFinal(ctx, t, net, n, i)
		st, err := n.Client().Status(ctx)
		if err != nil || len(st.Final.Cosigners) != 3 || !st.Vouching || st.CatchingUp != nil {
			t.Errorf("wiped: %s: with %s down the three others vouch, and %s says %+v, %v", wipe.name, other.Region, n.Region, st, err)
		}
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		if err := other.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	work.done()
	s := &story{net: net}
	if _, err := s.sameLedgers(ctx); err != nil {
		t.Fatal(err)
	}
	for _, n := range net.Nodes {
		have, err := everything(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		for h, i := range work.acked {
			if i >= uint64(len(have)) || have[i].Hash != h {
				t.Fatalf("%s has not the statement at index %d that was acknowledged there", n.Region, i)
			}
		}
		if _, err := seen.prove(ctx, n); err != nil {
			t.Error(err)
		}
	}
	noEvidence(t, net)
	for _, n := range net.Nodes[:2] {
		audited(t, seen, n, net.Nodes[3])
	}
}

// keepOnly deletes all in a directory but what is named.
func keepOnly(dir string, names ...string) error {
	keep := map[string]bool{}
	for _, n := range names {
		keep[n] = true
	}
	all, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range all {
		if !keep[e.Name()] {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// interrupted kills a node that catches up, at most as often as is said, each
// time when it has got further, and starts it again: what it had is there. It may
// be done before it can be killed, which the test's log tells; that catching up
// can be cut off anywhere is for the tests of consensus/catchup to show.
func interrupted(ctx context.Context, t *testing.T, n *Node, kills int) (killed int, size uint64) {
	t.Helper()
	done := false
	progress := func() *client.Progress {
		once, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		st, err := n.Client().Status(once)
		if err != nil {
			return nil
		}
		done = st.CatchingUp == nil && st.RaftRole != "" && st.Size > 0
		return st.CatchingUp
	}
	for range kills {
		least := size
		first := true
		if err := waitFor(ctx, fmt.Sprintf("%s to have more than %d statements", n.Region, least), func() bool {
			p := progress()
			if p == nil {
				return done
			}
			// What a process had not yet given to the system when it was killed is
			// lost with it: some blocks of 32 KiB of the ledger's log, never all.
			if first && p.Size+128 < least {
				t.Errorf("%s was killed with %d statements, and starts with %d", n.Region, least, p.Size)
			}
			first = false
			size = max(size, p.Size)
			return p.Size > least && p.Target > p.Size
		}); err != nil {
			t.Fatal(err)
		}
		if done {
			return killed, size
		}
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
		killed++
	}
	return killed, size
}

// TestRaftLogIsBounded: what a node must keep for others that are behind does
// not grow with what they miss. A validator that was down all the while finds
// the beginning of the others' logs beyond the end of its own, and catches up.
func TestRaftLogIsBounded(t *testing.T) {
	const keep, batches = 1 << 20, 18
	net := upWith(t, Options{Env: []string{fmt.Sprintf("CONCORDAT_STORAGE_KEEP_LOG=%d", keep)}})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	seen := monitor(t, net)
	away := net.Nodes[3]
	sayFinal(ctx, t, net, away, 0)
	if err := away.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Leader(ctx); err != nil {
		t.Fatal(err)
	}
	fill(ctx, t, net, net.Nodes[0], 0, batches)
	last := sayFinal(ctx, t, net, net.Nodes[0], 1)
	for _, n := range net.Nodes[:3] {
		s, err := os.Stat(filepath.Join(n.Dir, "data", "raft", "raft.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("raft.db of %s has %d KiB after %d MiB", n.Region, s.Size()>>10, batches)
		if s.Size() > batches<<20/2 {
			t.Errorf("raft.db of %s has %d bytes, where %d are to be kept of %d", n.Region, s.Size(), keep, batches<<20)
		}
	}
	if err := away.Start(); err != nil {
		t.Fatal(err)
	}
	if err := away.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if err := seen.reach(ctx, away, *last.Index+1); err != nil {
		t.Fatal(err)
	}
	if err := net.Nodes[0].Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Leader(ctx); err != nil {
		t.Fatal(err)
	}
	sayFinal(ctx, t, net, away, 1)
	audited(t, seen, away, net.Nodes[1])
	noEvidence(t, net)
}
