package consensus

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"concordat/ledger"
	"concordat/ledger/state"
)

func TestOrderIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC", "XD")
	said := map[uint64]ledger.Candidate{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for client := range 8 {
		wg.Go(func() {
			for i := range 10 {
				cand := c.net.risk(t, []string{"XA", "XB", "XC", "XD"}[client%4], client*100+i)
				if i == 5 {
					cand = c.net.revoke(t, "XA", client*100, 20)
				}
				out, err := c.submit(context.Background(), cand)
				if err != nil || !out[0].Verdict.Accepted() {
					t.Errorf("client %d: %v %v", client, out, err)
					return
				}
				mu.Lock()
				if _, twice := said[out[0].Index]; twice {
					t.Errorf("two statements were told index %d", out[0].Index)
				}
				said[out[0].Index] = cand
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	c.agree(said)
	if size := c.leader().ledger.Head().Size; size != 80 {
		t.Errorf("the ledger has %d statements, want 80", size)
	}
}

func TestWhatWaitsIsOneBlock(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	c.must(c.net.risk(t, "XA", 0))
	made := func() (n uint64) {
		for _, m := range c.members {
			n += m.node.blocks.Load()
		}
		return n
	}
	before := made()
	var wg sync.WaitGroup
	const callers = 200
	for i := range callers {
		wg.Go(func() {
			if out, err := c.submit(context.Background(), c.net.risk(t, "XB", 1+i)); err != nil || !out[0].Verdict.Accepted() {
				t.Errorf("caller %d: %v %v", i, out, err)
			}
		})
	}
	wg.Wait()
	if n := made() - before; n > callers/4 {
		t.Errorf("%d statements sent together took %d blocks", callers, n)
	}
	c.agree(nil)
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA")
	first := c.net.risk(t, "XA", 1)
	rival := c.net.riskAt(t, "XA", 1, "low") // the same subject and revision
	second := c.net.risk(t, "XA", 2)
	stranger := newTestNetwork(t, "XA", "XB").risk(t, "XA", 3)
	good := c.net.revoke(t, "XA", 0, 3)
	torn := ledger.Candidate{Raw: good.Raw, Attachment: good.Attachment[:16]}

	out, err := c.leader().node.Submit(context.Background(), []ledger.Candidate{
		stranger, first, first, rival, second, {Raw: []byte("garbage")}, torn, good, {Raw: make([]byte, 1<<20)},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		index uint64
		name  string
	}{
		{0, state.WrongNetwork}, {0, ""}, {0, ""}, {0, state.RevisionConflict}, {1, ""}, {0, ledger.MalformedStatement},
		{0, state.AttachmentMismatch}, {2, ""}, {0, ledger.MalformedStatement},
	}
	for i, w := range want {
		if o := out[i]; o.Verdict.Name != w.name || o.Index != w.index || o.Known {
			t.Errorf("outcome %d is %+v, want index %d and verdict %q", i, o, w.index, w.name)
		}
	}
	again := c.must(second, first)
	if again[0] != 1 || again[1] != 0 {
		t.Errorf("statements sent again are told %v, want [1 0]", again)
	}
	if o, err := c.leader().node.Submit(context.Background(), []ledger.Candidate{second}); err != nil || !o[0].Known {
		t.Errorf("a statement that is in the ledger: %+v, %v; want it known", o, err)
	}
}

func TestBlocksStayWithinBounds(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA")
	// Three attachments of 1 MiB, with what is around them, do not fit in one block of 3 MiB.
	var cs []ledger.Candidate
	for i := range 3 {
		cs = append(cs, c.net.revoke(t, "XA", i*65536, 65536))
	}
	for i, index := range c.must(cs...) {
		if index != uint64(i) {
			t.Errorf("statement %d is at %d: the order of one submission is kept", i, index)
		}
	}
	if n := c.leader().node.blocks.Load(); n < 2 {
		t.Errorf("more than 3 MiB went into %d blocks, want at least 2", n)
	}
	c.agree(nil)
}

func TestBusyIsSaidAtOnce(t *testing.T) {
	q := newQueue(4, 1000)
	two := func() *request {
		return newRequest([]ledger.Candidate{{Raw: make([]byte, 10)}, {Raw: make([]byte, 10)}})
	}
	for i := range 2 {
		if err := q.add(two()); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	if err := q.add(two()); err == nil {
		t.Error("a fifth statement was queued, the bound is 4")
	}
	if got := len(q.gather()); got != 4 {
		t.Errorf("gathered %d, want 4", got)
	}
	if err := q.add(newRequest([]ledger.Candidate{{Raw: make([]byte, 5000)}})); err != nil {
		t.Errorf("an empty queue refuses what is larger than it: %v", err)
	}
	if err := q.add(two()); err == nil {
		t.Error("the bound in bytes is not kept")
	}
}

func TestAbandonedIsNotProposed(t *testing.T) {
	q := newQueue(10, 1000)
	gone, stays := newRequest([]ledger.Candidate{{Raw: []byte("a")}}), newRequest([]ledger.Candidate{{Raw: []byte("b")}})
	for _, r := range []*request{gone, stays} {
		if err := q.add(r); err != nil {
			t.Fatal(err)
		}
	}
	if q.abandon(gone) {
		t.Error("a request that nobody took counts as taken")
	}
	if items := q.gather(); len(items) != 1 || items[0].of != stays {
		t.Errorf("gathered %d, want the one that somebody waits for", len(items))
	}
	if !q.abandon(stays) {
		t.Error("a request that was taken counts as not taken")
	}
}

func TestRefusedBlocksAreNoOps(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	c.must(c.net.risk(t, "XA", 0))
	c.agree(nil)
	leader := c.leader()
	term, head := leader.node.Term(), leader.ledger.Head()
	stale := c.net.sealed(t, leader.id, term, ledger.Head{Size: head.Size + 7, Root: head.Root, Time: head.Time}, c.net.risk(t, "XA", 50))
	other := "XA"
	if leader.id == other {
		other = "XB"
	}
	bad := [][]byte{
		[]byte("this is no block"), nil, {},
		c.net.sealed(t, leader.id, term+1, head, c.net.risk(t, "XA", 51)), // another term
		c.net.sealed(t, other, term, head, c.net.risk(t, "XA", 0)),        // a statement that is there
		append(c.net.sealed(t, leader.id, term, head, c.net.risk(t, "XA", 52)), 0),
		stale, // the last: from here on nobody wants to lead (C15)
	}
	for i, raw := range bad {
		if err := leader.node.raft.Apply(raw, brisk.Patience).Error(); err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
	}
	c.agree(nil)
	for _, m := range c.members {
		h := m.ledger.Head()
		if h.Size != head.Size || h.Root != head.Root {
			t.Errorf("%s has size %d and root %x after refused blocks, want %d and %x", m.id, h.Size, h.Root, head.Size, head.Root)
		}
		if h.Applied.Index <= head.Applied.Index {
			t.Errorf("%s stands at entry %d: refused blocks move the position on", m.id, h.Applied.Index)
		}
		if err := m.node.fault.get(); err != nil {
			t.Errorf("%s: %v", m.id, err)
		}
	}
	c.must(c.net.risk(t, "XA", 53))
	c.agree(nil)
}

func BenchmarkSubmit(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			c := startCluster(b, "XA", "XB", "XC")
			leader := c.leader()
			cs := make(chan ledger.Candidate, b.N)
			for i := range b.N {
				cs <- c.net.risk(b, "XA", i)
			}
			close(cs)
			b.ResetTimer()
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for cand := range cs {
						if _, err := leader.node.Submit(context.Background(), []ledger.Candidate{cand}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/float64(leader.node.blocks.Load()), "statements/block")
		})
	}
}
