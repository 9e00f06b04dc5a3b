package consensus

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"concordat/ledger"
)

// brisk is as short as machines that do other things too can keep.
var brisk = Profile{Name: "test", Heartbeat: 250 * time.Millisecond, Election: 250 * time.Millisecond, Lease: 250 * time.Millisecond,
	Commit: 5 * time.Millisecond, MaxAppend: 64, Patience: 2 * time.Second}

// patience is how long a test waits for what must come about.
const patience = time.Minute

// testLog shows what nodes log, on request.
func testLog() *slog.Logger {
	if os.Getenv("CONSENSUS_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

// member is one validator of a test: its disks outlive its runs.
type member struct {
	c      *cluster
	id     string
	moved  string // makes its address another
	fresh  bool   // never was a validator
	dir    string
	disk   vfs.FS // the ledger's
	tune   func(*Config)
	ledger *ledger.Ledger
	node   *Node                // nil while it is down
	live   atomic.Pointer[Node] // node, for other goroutines
}

func (m *member) addr() raft.ServerAddress { return raft.ServerAddress("peer-" + m.id + m.moved) }

func (m *member) config() Config {
	c := Config{
		Self: m.id, Network: m.c.net.id, Dir: filepath.Join(m.dir, "data"), MarkerPath: filepath.Join(m.dir, "founded"),
		Profile: brisk, Key: testKey(m.id + "/node"), Transport: m.c.wires.attach(m.addr()), Ledger: recording{m.ledger, m.c.history}, Found: true,
		Logger: testLog().With("node", m.id),
	}
	c.PeerTerm, c.LeaderFrontier, c.Fresh = m.peerTerm, m.leaderFrontier, m.fresh
	for _, o := range m.c.members {
		c.Servers = append(c.Servers, Server{ID: o.id, Address: string(o.addr())})
	}
	if m.tune != nil {
		m.tune(&c)
	}
	return c
}

func (m *member) openLedger() {
	m.c.t.Helper()
	l, err := ledger.Open(m.c.net.doc, ledger.Options{Dir: "ledger", FS: m.disk, CacheBytes: 1 << 20, MemTableBytes: 1 << 20, Logger: testLog()})
	if err != nil {
		m.c.t.Fatalf("%s: opening the ledger: %v", m.id, err)
	}
	m.ledger = l
}

// start starts a member, which has to succeed.
func (m *member) start() *member {
	m.c.t.Helper()
	if err := m.tryStart(); err != nil {
		m.c.t.Fatalf("%s: %v", m.id, err)
	}
	return m
}

func (m *member) tryStart() error {
	m.c.t.Helper()
	m.openLedger()
	n, err := Open(m.config())
	if err != nil {
		m.closeLedger()
		return err
	}
	m.node = n
	m.live.Store(n)
	return nil
}

func (m *member) closeLedger() {
	m.c.t.Helper()
	if err := m.ledger.Close(); err != nil && m.ledger.Err() == nil {
		m.c.t.Errorf("%s: closing the ledger: %v", m.id, err)
	}
	m.ledger = nil
}

// stop ends a member in good order.
func (m *member) stop() {
	m.c.t.Helper()
	m.live.Store(nil)
	err := m.node.Close()
	if err != nil && m.node.fault.get() == nil {
		m.c.t.Errorf("%s: closing: %v", m.id, err)
	}
	m.node = nil
	m.closeLedger()
}

// kill ends a member as kill -9 would: no handing over, no anchor, no flush.
func (m *member) kill() {
	m.c.t.Helper()
	n := m.node
	m.live.Store(nil)
	m.c.wires.isolate(m.addr(), true)
	n.stopRaft()
	n.closeOnce.Do(func() {
		close(n.closing)
		n.reads.close()
		close(n.hurry)
	})
	n.wg.Wait()
	if err := errors.Join(n.stopped.Error(), n.bolt.Close()); err != nil {
		m.c.t.Errorf("%s: killing: %v", m.id, err)
	}
	m.c.wires.isolate(m.addr(), false)
	m.node = nil
	m.closeLedger()
}

type cluster struct {
	t       testing.TB
	net     *testNetwork
	wires   *wires
	members []*member
	history *history
}

func newCluster(t testing.TB, ids ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, net: newTestNetwork(t, ids...), wires: newWires(), history: &history{}}
	for _, id := range ids {
		c.members = append(c.members, &member{c: c, id: id, dir: t.TempDir(), disk: vfs.NewMem()})
	}
	t.Cleanup(func() {
		var wg sync.WaitGroup
		for _, m := range c.members {
			if m.node != nil {
				wg.Go(m.stop)
			}
		}
		wg.Wait()
	})
	return c
}

func startCluster(t testing.TB, ids ...string) *cluster {
	t.Helper()
	c := newCluster(t, ids...)
	for _, m := range c.members {
		m.start()
	}
	return c
}

func (c *cluster) member(id string) *member {
	for _, m := range c.members {
		if m.id == id {
			return m
		}
	}
	c.t.Fatalf("no member %s", id)
	return nil
}

func (c *cluster) up() (out []*member) {
	for _, m := range c.members {
		if m.node != nil {
			out = append(out, m)
		}
	}
	return out
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain until %s", patience, what)
		}
		time.Sleep(time.Millisecond)
	}
}

// leader waits for a member that leads and is ready to, but for those left out.
func (c *cluster) leader(but ...*member) (leader *member) {
	c.t.Helper()
	until(c.t, "somebody leads", func() bool {
		for _, m := range c.up() {
			out := false
			for _, b := range but {
				out = out || b == m
			}
			if !out && m.node.reign.Load() != nil && m.node.confirm() == nil {
				leader = m
				return true
			}
		}
		return false
	})
	return leader
}

// leading is a member that thinks that it leads; nil if there is none.
func (c *cluster) leading() *member {
	for _, m := range c.up() {
		if m.node.reign.Load() != nil {
			return m
		}
	}
	return nil
}

// followers are those who run and do not lead.
func (c *cluster) followers() (out []*member) {
	l := c.leader()
	for _, m := range c.up() {
		if m != l {
			out = append(out, m)
		}
	}
	return out
}

func isPassing(err error) bool {
	return errors.Is(err, ErrNotLeader) || errors.Is(err, ErrNoQuorum) || errors.Is(err, ErrBusy) || errors.Is(err, ErrOutcomeUnknown)
}

// submit gets statements ordered by whoever leads, as a node's courier does.
func (c *cluster) submit(ctx context.Context, cs ...ledger.Candidate) ([]Outcome, error) {
	for {
		var m *member
		until(c.t, "somebody leads", func() bool { m = c.leading(); return m != nil })
		out, err := m.node.Submit(ctx, cs)
		if err == nil || !isPassing(err) {
			return out, err
		}
	}
}

// must submits statements that have to be accepted, and gives their indexes.
func (c *cluster) must(cs ...ledger.Candidate) []uint64 {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := c.submit(ctx, cs...)
	if err != nil {
		c.t.Fatalf("submitting: %v", err)
	}
	indexes := make([]uint64, len(out))
	for i, o := range out {
		if !o.Verdict.Accepted() {
			c.t.Fatalf("statement %d is refused: %s", i, o.Verdict)
		}
		indexes[i] = o.Index
	}
	return indexes
}

// agree is the final checker: it waits until all who run stand at the same
// place, and checks that their roots are equal, that their ledgers are sound,
// and that each statement of said is where its submitter was told.
func (c *cluster) agree(said map[uint64]ledger.Candidate) {
	c.t.Helper()
	leader := c.leader()
	same := func() bool {
		for _, m := range c.up() {
			if m.ledger.Head() != leader.ledger.Head() {
				return false
			}
		}
		return true
	}
	for end := time.Now().Add(patience); !same(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			for _, m := range c.up() {
				c.t.Errorf("%s: %+v; %+v; fault %v; raft %v", m.id, m.ledger.Head(), m.node.Status(), m.node.fault.get(), m.node.raft.Stats())
			}
			c.t.Fatalf("the nodes do not come to stand at the same place")
		}
	}
	head := leader.ledger.Head()
	for _, m := range c.up() {
		if err := m.ledger.Check(context.Background()); err != nil {
			c.t.Errorf("%s: %v", m.id, err)
		}
		for index, cand := range said {
			js, err := m.ledger.Judge([]ledger.Candidate{cand})
			if err != nil {
				c.t.Fatalf("%s: %v", m.id, err)
			}
			if !js[0].Known || js[0].Index != index {
				c.t.Errorf("%s has a statement known=%v at %d, its submitter was told %d", m.id, js[0].Known, js[0].Index, index)
			}
		}
	}
	if n := uint64(len(said)); said != nil && head.Size < n {
		c.t.Errorf("the ledger has %d statements, %d were acknowledged", head.Size, n)
	}
}
