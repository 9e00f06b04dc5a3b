package consensus

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"concordat/ledger"
	"concordat/ledger/block"
)

// disk is what a test does to a member's Raft stores.
type disk struct {
	mu      sync.Mutex
	stall   chan struct{} // not nil: log writes wait until it is closed, then happen
	failing error         // not nil: writes fail
	written []uint64      // last index of each log write that ended well
}

func (d *disk) hook(l raft.LogStore, s raft.StableStore) (raft.LogStore, raft.StableStore) {
	return &diskLog{l, d}, &diskStable{s, d}
}

func (d *disk) set(stall chan struct{}, failing error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stall, d.failing = stall, failing
}

func (d *disk) wait(stallable bool) error {
	d.mu.Lock()
	stall, failing := d.stall, d.failing
	d.mu.Unlock()
	if stall != nil && stallable {
		<-stall
	}
	return failing
}

type diskLog struct {
	raft.LogStore
	disk *disk
}

func (d *diskLog) StoreLogs(l []*raft.Log) error {
	if err := d.disk.wait(true); err != nil {
		return err
	}
	err := d.LogStore.StoreLogs(l)
	if err == nil {
		d.disk.mu.Lock()
		d.disk.written = append(d.disk.written, l[len(l)-1].Index)
		d.disk.mu.Unlock()
	}
	return err
}

type diskStable struct {
	raft.StableStore
	disk *disk
}

func (d *diskStable) SetUint64(k []byte, v uint64) error {
	if err := d.disk.wait(false); err != nil {
		return err
	}
	return d.StableStore.SetUint64(k, v)
}

// withDisk gives a member a disk that a test can trouble, and a short deadline.
func withDisk(m *member) *disk {
	d := &disk{}
	m.tune = func(c *Config) {
		c.hook = d.hook
		c.LogWriteDeadline = 200 * time.Millisecond
	}
	return d
}

func faultOf(t *testing.T, m *member) error {
	t.Helper()
	select {
	case err := <-m.node.Fault():
		return err
	case <-time.After(patience):
		t.Fatalf("%s tells no fault", m.id)
		return nil
	}
}

func TestStalledDiskCostsTheLeadership(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC")
	disks := map[string]*disk{}
	for _, m := range c.members {
		disks[m.id] = withDisk(m)
		m.start()
	}
	said := map[uint64]ledger.Candidate{}
	say := func(i int) {
		cand := c.net.risk(t, "XA", i)
		said[c.must(cand)[0]] = cand
	}
	say(0)
	old := c.leader()
	stall := make(chan struct{})
	disks[old.id].set(stall, nil)
	lost, err := old.node.Submit(context.Background(), []ledger.Candidate{c.net.risk(t, "XA", 99)})
	if !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("what the stalled leader proposed: %v, %v; want ErrOutcomeUnknown", lost, err)
	}
	if old.node.Status().StalledSince.IsZero() {
		t.Error("the stall is not in the status")
	}
	next := c.leader(old)
	for i := range 5 {
		say(1 + i)
	}
	if c.leader() != next {
		t.Error("leadership moved again without need")
	}
	if old.node.leads() {
		t.Error("the stalled node leads")
	}

	// The disk comes back, and the late write with it: it is undone, and what
	// the others ordered meanwhile is stored instead.
	disks[old.id].set(nil, nil)
	close(stall)
	until(t, "the stall is over", func() bool { return old.node.Status().StalledSince.IsZero() })
	c.agree(said)
	if err := old.node.fault.get(); err != nil {
		t.Errorf("a stall that ended is a fault: %v", err)
	}
	sameLog(c)
	// And so after a restart, when the log is read from the disk alone.
	old.stop()
	old.start()
	say(50)
	c.agree(said)
	sameLog(c)
}

// sameLog checks that the logs of all are one, to the byte, up to what all have.
func sameLog(c *cluster) {
	c.t.Helper()
	c.agree(nil)
	least := c.members[0].node.raft.LastIndex()
	for _, m := range c.members {
		least = min(least, m.node.raft.LastIndex())
		stored, err := m.node.bolt.LastIndex()
		if err != nil || stored < m.node.raft.CommitIndex() {
			c.t.Errorf("%s: the store ends with %d (%v), %d are committed", m.id, stored, err, m.node.raft.CommitIndex())
		}
	}
	for i := uint64(1); i <= least; i++ {
		var first raft.Log
		for k, m := range c.members {
			var l raft.Log
			if err := m.node.bolt.GetLog(i, &l); err != nil {
				c.t.Errorf("%s: entry %d: %v", m.id, i, err)
				continue
			}
			if k == 0 {
				first = l
			} else if l.Term != first.Term || l.Type != first.Type || string(l.Data) != string(first.Data) {
				c.t.Errorf("%s has another entry %d (term %d) than %s (term %d)", m.id, i, l.Term, c.members[0].id, first.Term)
			}
		}
	}
}

func TestStallThatDoesNotEndIsAFault(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC")
	m := c.member("XA")
	d := withDisk(m)
	for _, m := range c.members {
		m.start()
	}
	stall := make(chan struct{})
	d.set(stall, nil)
	defer close(stall)
	leader := c.leader(m)
	c.must(c.net.risk(t, "XA", 1)) // a follower's stall is in nobody's way
	if err := faultOf(t, m); !errors.Is(err, ErrStorage) {
		t.Errorf("fault: %v, want ErrStorage", err)
	}
	if _, err := m.node.Submit(context.Background(), []ledger.Candidate{c.net.risk(t, "XA", 2)}); !errors.Is(err, ErrClosed) {
		t.Errorf("a faulty node takes statements: %v", err)
	}
	if leader != c.leader() {
		t.Error("the faulty follower disturbed the leader")
	}
}

func TestBrokenDiskStopsTheNode(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC")
	disks := map[string]*disk{}
	for _, m := range c.members {
		disks[m.id] = withDisk(m)
		m.start()
	}
	said := map[uint64]ledger.Candidate{}
	cand := c.net.risk(t, "XA", 0)
	said[c.must(cand)[0]] = cand
	old := c.leader()
	full := errors.New("no space left on device")
	disks[old.id].set(nil, full)
	if _, err := old.node.Submit(context.Background(), []ledger.Candidate{c.net.risk(t, "XA", 99)}); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("what the leader with the full disk proposed: %v, want ErrOutcomeUnknown", err)
	}
	if err := faultOf(t, old); !errors.Is(err, ErrStorage) || !errors.Is(err, full) {
		t.Errorf("fault: %v, want ErrStorage with its cause", err)
	}
	c.leader(old)
	old.stop()
	cand = c.net.risk(t, "XB", 1)
	said[c.must(cand)[0]] = cand
	disks[old.id].set(nil, nil)
	old.start()
	c.agree(said)
}

// TestTermThatCannotBeStored: Raft would panic, in a goroutine of its own.
func TestTermThatCannotBeStored(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC")
	disks := map[string]*disk{}
	for _, m := range c.members {
		disks[m.id] = withDisk(m)
		m.start()
	}
	c.must(c.net.risk(t, "XA", 0))
	old := c.leader()
	victim := c.followers()[0]
	disks[victim.id].set(nil, errors.New("input/output error"))
	old.kill() // the others elect one of them, in a new term
	if err := faultOf(t, victim); !errors.Is(err, ErrStorage) {
		t.Errorf("fault: %v, want ErrStorage", err)
	}
	victim.stop()
	disks[victim.id].set(nil, nil)
	victim.start()
	old.start()
	c.must(c.net.risk(t, "XA", 1))
	c.agree(nil)
}

// brittle is a ledger whose Apply fails when told to.
type brittle struct {
	Ledger
	mu   sync.Mutex
	fail error
}

func (b *brittle) Apply(pos ledger.Position, raw []byte) (ledger.Applied, error) {
	b.mu.Lock()
	err := b.fail
	b.mu.Unlock()
	if err != nil {
		return ledger.Applied{}, err
	}
	return b.Ledger.Apply(pos, raw)
}

func TestBrokenLedgerAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC")
	ledgers := map[string]*brittle{}
	for _, m := range c.members {
		m.tune = func(c *Config) {
			ledgers[m.id] = &brittle{Ledger: c.Ledger}
			c.Ledger = ledgers[m.id]
		}
		m.start()
	}
	c.must(c.net.risk(t, "XA", 0))
	old := c.leader()
	ledgers[old.id].mu.Lock()
	ledgers[old.id].fail = ledger.ErrBroken
	ledgers[old.id].mu.Unlock()
	cand := c.net.risk(t, "XA", 1)
	if out, err := old.node.Submit(context.Background(), []ledger.Candidate{cand}); !errors.Is(err, ErrOutcomeUnknown) && !errors.Is(err, ErrClosed) {
		t.Errorf("a leader whose ledger broke answered %v, %v", out, err)
	}
	if err := faultOf(t, old); !errors.Is(err, ledger.ErrBroken) {
		t.Errorf("fault: %v, want the ledger's", err)
	}
	c.leader(old)
	// It was committed, and the others have it: sent again, it gets that index.
	if out, err := c.submit(context.Background(), cand); err != nil || out[0].Index != 1 {
		t.Errorf("sent again: %v, %v; want index 1", out, err)
	}
	old.stop()
	old.start()
	c.agree(map[uint64]ledger.Candidate{1: cand})
}

func TestPartition(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC", "XD", "XE")
	said := map[uint64]ledger.Candidate{}
	say := func(by string, i int) {
		cand := c.net.risk(t, by, i)
		said[c.must(cand)[0]] = cand
	}
	say("XA", 0)
	old := c.leader()
	c.wires.isolate(old.addr(), true)

	// Everyone who waits at the leader without a majority is told so, soon.
	var wg sync.WaitGroup
	began := time.Now()
	for i := range 20 {
		wg.Go(func() {
			_, err := old.node.Submit(context.Background(), []ledger.Candidate{c.net.risk(t, "XB", 100+i)})
			if !errors.Is(err, ErrNoQuorum) && !errors.Is(err, ErrNotLeader) {
				t.Errorf("without a majority: %v, want ErrNoQuorum", err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(began); took > brisk.Patience {
		t.Errorf("to say that there is no majority took %v, want at most %v", took, brisk.Patience)
	}
	if _, err := old.node.ReadIndex(context.Background()); !errors.Is(err, ErrNoQuorum) && !errors.Is(err, ErrNotLeader) {
		t.Errorf("a read point without a majority: %v", err)
	}
	c.leader(old)
	for i := range 3 {
		say("XC", i)
	}
	s := old.node.Status()
	until(t, "the node that is cut off says that there is no quorum", func() bool { s = old.node.Status(); return !s.Quorum })
	if s.NoQuorumSince.IsZero() || s.Contact.IsZero() || s.Contact.After(s.NoQuorumSince.Add(brisk.Heartbeat)) {
		t.Errorf("cut off, its contact was at %v, and no quorum since %v", s.Contact, s.NoQuorumSince)
	}
	until(t, "it says so after its patience", func() bool {
		_, err := old.node.Submit(context.Background(), []ledger.Candidate{c.net.risk(t, "XB", 1)})
		return errors.Is(err, ErrNoQuorum)
	})
	c.wires.isolate(old.addr(), false)
	say("XD", 0)
	c.agree(said)
	until(t, "it knows the quorum again", func() bool { s := old.node.Status(); return s.Quorum && s.Contact.After(began) })
}

func TestMinorityOfFollowersMayBeGone(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	c.must(c.net.risk(t, "XA", 0))
	gone := c.followers()[0]
	gone.kill()
	said := map[uint64]ledger.Candidate{}
	for i := range 100 {
		cand := c.net.risk(t, "XA", 1+i)
		said[c.must(cand)[0]] = cand
	}
	gone.start()
	c.agree(said)
}

func TestCloseHandsLeadershipOver(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	c.must(c.net.risk(t, "XA", 0))
	c.agree(nil)
	old := c.leader()
	asked := make(chan struct{}, 8)
	c.wires.mu.Lock()
	c.wires.watch = func(from, _ raft.ServerAddress, command any) {
		if _, ok := command.(*raft.TimeoutNowRequest); ok && from == old.addr() {
			asked <- struct{}{}
		}
	}
	c.wires.mu.Unlock()
	old.stop()
	if len(asked) == 0 {
		t.Error("the leader closed and asked nobody to take over")
	}
	c.leader(old)
	c.must(c.net.risk(t, "XA", 1))
	old.start()
	c.agree(nil)
}

func TestCloseAnswersEveryone(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	leader := c.leader()
	var wg sync.WaitGroup
	said := map[uint64]ledger.Candidate{}
	var mu sync.Mutex
	started := make(chan struct{}, 500)
	for i := range 300 {
		wg.Go(func() {
			cand := c.net.risk(t, "XA", i)
			started <- struct{}{}
			out, err := leader.node.Submit(context.Background(), []ledger.Candidate{cand})
			switch {
			case err == nil:
				mu.Lock()
				said[out[0].Index] = cand
				mu.Unlock()
			case errors.Is(err, ErrClosed), errors.Is(err, ErrOutcomeUnknown), errors.Is(err, ErrNotLeader):
			case errors.Is(err, ErrNoQuorum): // a busy machine may cost the lease before the close does
			default:
				t.Errorf("statement %d: %v", i, err)
			}
		})
	}
	for range 150 {
		<-started
	}
	node := leader.node
	if err := node.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	wg.Wait()
	if _, open := <-node.Fault(); open {
		t.Error("a close is no fault")
	}
	if _, err := node.Submit(context.Background(), []ledger.Candidate{{Raw: []byte("x")}}); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed node: %v, want ErrClosed", err)
	}
	leader.node = nil
	leader.closeLedger()
	leader.start()
	c.agree(said)
}

// TestOneBlockForATermAndSize watches all that leaders send while leadership is
// handed around and wires are cut.
func TestOneBlockForATermAndSize(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC")
	type place struct{ term, size uint64 }
	var mu sync.Mutex
	seen := map[place]string{}
	c.wires.watch = func(_, _ raft.ServerAddress, command any) {
		a, ok := command.(*raft.AppendEntriesRequest)
		if !ok {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range a.Entries {
			if e.Type != raft.LogCommand {
				continue
			}
			b, err := block.Parse(e.Data)
			if err != nil {
				t.Errorf("entry %d: %v", e.Index, err)
				continue
			}
			h := b.Header()
			p := place{h.Term, h.Size}
			if had, again := seen[p]; again && had != string(e.Data) {
				t.Errorf("%s signed two blocks for term %d, size %d", h.Proposer, h.Term, h.Size)
			}
			seen[p] = string(e.Data)
		}
	}
	for _, m := range c.members {
		m.start()
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for client := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := c.submit(context.Background(), c.net.risk(t, "XA", client*10000+i)); err != nil {
					t.Errorf("client %d: %v", client, err)
					return
				}
			}
		})
	}
	for round := range 6 {
		leader := c.leader()
		had := leader.ledger.Head().Size
		until(t, "the ledger grows", func() bool { return leader.ledger.Head().Size > had+10 || c.leader() != leader })
		if round%2 == 0 {
			// While leadership is being handed over, Raft takes no blocks; where
			// that fails, the leader goes on in the same term.
			if err := leader.node.await(leader.node.raft.LeadershipTransfer()); err != nil {
				t.Logf("transfer: %v", err)
			}
			continue
		}
		c.wires.isolate(leader.addr(), true)
		c.leader(leader)
		c.wires.isolate(leader.addr(), false)
	}
	close(stop)
	wg.Wait()
	c.agree(nil)
}

// TestSignedBlockIsProposedAgain: while leadership is being handed over Raft
// takes nothing. Where that comes to nothing, the leader goes on in its term,
// with the block that it has signed, and not with a better one (C2).
func TestSignedBlockIsProposedAgain(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	c.must(c.net.risk(t, "XA", 0))
	c.agree(nil)
	leader := c.leader()
	node, term := leader.node, leader.node.Term()
	handing := make(chan struct{})
	over := make(chan struct{})
	var once sync.Once
	c.wires.mu.Lock()
	c.wires.drop = func(_, _ raft.ServerAddress, command any) bool {
		if _, is := command.(*raft.TimeoutNowRequest); !is {
			return false
		}
		once.Do(func() { close(handing) })
		<-over
		return true
	}
	c.wires.mu.Unlock()
	transfer := node.raft.LeadershipTransfer()
	<-handing
	first, second := c.net.risk(t, "XA", 1), c.net.risk(t, "XA", 2)
	var wg sync.WaitGroup
	send := func(cand ledger.Candidate, want uint64) {
		wg.Go(func() {
			if out, err := node.Submit(context.Background(), []ledger.Candidate{cand}); err != nil || out[0].Index != want {
				t.Errorf("%v, %v; want index %d", out, err, want)
			}
		})
	}
	send(first, 1)
	until(t, "the first is signed", func() bool { return node.queue.waiting() == 0 && node.signedAt.Load() == 1 })
	send(second, 2)
	if err := transfer.Error(); err == nil {
		t.Fatal("leadership was handed over without a word")
	}
	close(over)
	wg.Wait()
	if got := node.Term(); got != term {
		t.Errorf("the term is %d, was %d: the leader was to go on in it", got, term)
	}
	if made := node.blocks.Load(); made < 2 {
		t.Errorf("%d blocks: the second statement got into a block that was signed before it came", made)
	}
	c.agree(map[uint64]ledger.Candidate{1: first, 2: second})
}
