package consensus

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger"
)

// fill gets n blocks of one statement each into the ledger.
func (c *cluster) fill(n int) {
	c.t.Helper()
	leader := c.leader()
	for i := range n {
		out, err := leader.node.Submit(context.Background(), []ledger.Candidate{c.net.risk(c.t, leader.id, i)})
		if err != nil || !out[0].Verdict.Accepted() {
			c.t.Fatalf("statement %d: %v %v", i, out, err)
		}
	}
}

func TestRestartDeliversNothingAgain(t *testing.T) {
	t.Parallel()
	blocks := 5000
	if raceEnabled {
		blocks = 500 // each costs ten times as much
	}
	c := newCluster(t, "XA")
	m := c.member("XA")
	m.tune = func(c *Config) { c.noSyncForTest = true }
	m.start()
	c.fill(blocks)
	head := m.ledger.Head()

	for _, end := range []struct {
		name string
		down func()
	}{{"closed", m.stop}, {"killed", m.kill}} {
		end.down()
		m.start()
		c.leader() // its barrier is applied, so all that is delivered has been
		if got := m.node.fsm.delivered.Load(); got != 0 {
			t.Errorf("%s, then started: %d of %d entries were delivered again", end.name, got, blocks)
		}
		if m.ledger.Head() != head {
			t.Errorf("%s, then started: the ledger stands at %+v, want %+v", end.name, m.ledger.Head(), head)
		}
	}
	if first, err := m.node.bolt.FirstIndex(); err != nil || first != 1 {
		t.Errorf("raft's log begins with %d (%v): it is kept whole", first, err)
	}
	c.must(c.net.risk(t, "XA", blocks))

	// The ledger's disk is lost: all of it comes again from Raft's log.
	head = m.ledger.Head()
	m.stop()
	m.disk = vfs.NewMem()
	m.start()
	c.leader()
	if got := m.node.fsm.delivered.Load(); got != uint64(blocks+1) {
		t.Errorf("after the ledger was lost, %d entries were delivered, want %d", got, blocks+1)
	}
	got := m.ledger.Head()
	got.Applied.Index, got.Applied.Term = head.Applied.Index, head.Applied.Term
	if got != head {
		t.Errorf("rebuilt to %+v, want %+v", got, head)
	}
	c.agree(nil)
}

func TestLedgerBehindItsLog(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC")
	for _, m := range c.members {
		m.disk = vfs.NewCrashableMem()
	}
	for _, m := range c.members {
		m.start()
	}
	said := map[uint64]ledger.Candidate{}
	for i := range 40 {
		cand := c.net.risk(t, "XA", i)
		said[c.must(cand)[0]] = cand
	}
	c.agree(said)
	// All lose their power at once, and with it what their ledgers had not flushed.
	rng := rand.New(rand.NewPCG(1, 2))
	for _, m := range c.members {
		after := m.disk.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 30, RNG: rng})
		m.kill()
		m.disk = after
	}
	for _, m := range c.members {
		m.start()
	}
	c.agree(said)
	said[c.must(c.net.risk(t, "XB", 1))[0]] = c.net.risk(t, "XB", 1)
	c.agree(said)
}

func TestAnchorAheadOfTheLedger(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA")
	m := c.member("XA")
	c.fill(3)
	early := m.disk
	m.stop() // makes an anchor
	copied := vfs.NewMem()
	if _, err := vfs.Clone(early, copied, "ledger", "ledger"); err != nil {
		t.Fatal(err)
	}
	m.start()
	c.must(c.net.risk(t, "XA", 10), c.net.risk(t, "XA", 11))
	head := m.ledger.Head()
	m.stop() // makes a later anchor
	m.disk = copied
	m.start()
	c.leader()
	if got := m.ledger.Head(); got.Size != head.Size || got.Root != head.Root {
		t.Errorf("the ledger came back with size %d and root %x, want %d and %x", got.Size, got.Root, head.Size, head.Root)
	}
	if got := m.node.fsm.delivered.Load(); got != 1 {
		t.Errorf("%d entries were delivered, want the one block that the ledger had lost", got)
	}
}

func TestLedgerAheadIsRefused(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB")
	c.must(c.net.risk(t, "XA", 1))
	c.agree(nil)
	a, b := c.member("XA"), c.member("XB")
	a.stop()
	b.stop()
	// The log of an earlier day under the ledger of today.
	if err := os.RemoveAll(filepath.Join(a.dir, "data")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(a.dir, "founded")); err != nil {
		t.Fatal(err)
	}
	if err := a.tryStart(); !errors.Is(err, ErrStateLost) {
		t.Errorf("with a ledger and without raft's state: %v, want ErrStateLost", err)
	}
	ledgers := a.disk
	a.disk = vfs.NewMem()
	a.start().stop() // founds anew, by force
	a.disk = ledgers
	if err := a.tryStart(); !errors.Is(err, ErrLedgerAhead) {
		t.Errorf("with a ledger ahead of the log: %v, want ErrLedgerAhead", err)
	}
}

func TestFounding(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB")
	m := c.member("XA")
	m.tune = func(c *Config) { c.Found = false }
	if err := m.tryStart(); !errors.Is(err, ErrNotFounded) {
		t.Errorf("without state, and not told to found: %v, want ErrNotFounded", err)
	}
	m.tune = nil
	m.start().stop()
	m.tune = func(c *Config) { c.Found = false }
	m.start().stop() // it has state: nothing is to be founded
	m.tune = nil

	marker := filepath.Join(m.dir, "founded")
	if err := os.Remove(marker); err != nil {
		t.Fatal(err)
	}
	m.start().stop()
	if _, err := os.Stat(marker); err != nil {
		t.Errorf("a marker that was missing is not written again: %v", err)
	}

	if err := os.RemoveAll(filepath.Join(m.dir, "data")); err != nil {
		t.Fatal(err)
	}
	if err := m.tryStart(); !errors.Is(err, ErrStateLost) {
		t.Errorf("raft's state is gone and found is set: %v, want ErrStateLost", err)
	}
	if err := os.WriteFile(marker, []byte(markerFormat+"\n00\nXA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.tryStart(); !errors.Is(err, ErrOtherNetwork) {
		t.Errorf("the marker of another network: %v, want ErrOtherNetwork", err)
	}
	if err := os.WriteFile(marker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.tryStart(); !errors.Is(err, ErrStateLost) {
		t.Errorf("a damaged marker: %v, want ErrStateLost", err)
	}
}

func TestOneProcessOwnsTheLog(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA")
	m := c.member("XA")
	if _, err := openBolt(m.node.cfg.Dir, false, nil); !errors.Is(err, ErrLocked) {
		t.Errorf("opening a log that is open: %v, want ErrLocked", err)
	}
}

func TestConfigTellsEveryFault(t *testing.T) {
	_, err := Open(Config{Self: "XZ", Servers: []Server{{ID: "XA", Address: "a"}, {ID: "XA", Address: "b"}}, LogWriteDeadline: time.Hour})
	if !errors.Is(err, ErrConfig) {
		t.Fatalf("%v, want ErrConfig", err)
	}
	for _, want := range []string{"Dir", "MarkerPath", "Network", "Key", "Transport", "Ledger", "heartbeat", "LogWriteDeadline", "twice", `"XZ"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not speak of %s: %v", want, err)
		}
	}
	for _, p := range Profiles() {
		if err := p.validate(); err != nil {
			t.Error(err)
		}
		if got, err := ProfileByName(p.Name); err != nil || got != p {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	if _, err := ProfileByName("moon"); !errors.Is(err, ErrProfile) {
		t.Errorf("a profile that is not there: %v", err)
	}
}

func TestLeaderIsKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	said := map[uint64]ledger.Candidate{}
	var mu sync.Mutex
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for client := range 4 {
		clients.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				cand := c.net.risk(t, "XB", client*100000+i)
				for {
					out, err := anyone(c, &mu).Submit(context.Background(), []ledger.Candidate{cand})
					if err != nil {
						if !isPassing(err) && !errors.Is(err, ErrClosed) {
							t.Errorf("client %d: %v", client, err)
							return
						}
						time.Sleep(time.Millisecond)
						continue
					}
					if !out[0].Verdict.Accepted() {
						t.Errorf("client %d: %v", client, out[0].Verdict)
						return
					}
					mu.Lock()
					said[out[0].Index] = cand
					mu.Unlock()
					break
				}
			}
		})
	}
	for range 4 {
		leader := lockedLeader(c, &mu)
		mu.Lock()
		size := len(said)
		mu.Unlock()
		until(t, "statements are ordered", func() bool { mu.Lock(); defer mu.Unlock(); return len(said) > size+20 })
		mu.Lock()
		leader.kill()
		mu.Unlock()
		lockedLeader(c, &mu)
		mu.Lock()
		leader.start()
		mu.Unlock()
	}
	close(stop)
	clients.Wait()
	c.agree(said)
}

// anyone is the node that leads, or any that runs; mu guards who does.
func anyone(c *cluster, mu *sync.Mutex) *Node {
	mu.Lock()
	defer mu.Unlock()
	if m := c.leading(); m != nil {
		return m.node
	}
	return c.up()[0].node
}

func lockedLeader(c *cluster, mu *sync.Mutex) (leader *member) {
	until(c.t, "somebody leads", func() bool {
		mu.Lock()
		defer mu.Unlock()
		leader = c.leading()
		return leader != nil
	})
	return leader
}
