package consensus

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"concordat/ledger"
)

// Node is one validator's part in ordering. Open makes it, Close ends it; its
// methods may be called by any number of goroutines.
type Node struct {
	cfg   Config
	log   *slog.Logger
	fault *fault

	bolt    *raftboltdb.BoltStore
	guard   *guard
	lengths *lengths // of what is in the log
	anchors raft.SnapshotStore
	store   *logStore // the log, under
	stable  raft.StableStore
	adopted uint64 // the entry that the log goes on from; 0 if it is whole
	logs    raft.LogStore
	tap     *tap
	fsm     *fsm
	raft    *raft.Raft
	// astray says whether this ledger may not be the network's (C15).
	astray *astray

	queue    *queue
	reads    reads
	reign    atomic.Pointer[reign] // nil unless this node leads and is ready to
	last     lastSigned            // of the proposer's goroutine
	spoilt   spoilt                // of the proposer's goroutine
	sealNext time.Time             // of the proposer's goroutine: Config.Seal is not asked before
	signedAt atomic.Uint64         // the size at which a block was signed last
	blocks   atomic.Uint64         // blocks ordered by this node
	known    knowledge
	behind   behind
	absence  *abstention // nil unless votes were lost
	aside    aside
	office   office
	roll     roll // the memberships in Raft's log
	changed  news
	observed chan raft.Observation

	closeOnce sync.Once
	closeErr  error
	closing   chan struct{} // closed when Close begins
	hurry     chan struct{} // closed when Close waits for nobody any more
	stopOnce  sync.Once
	stopping  chan struct{} // closed when Raft is told to stop
	stopped   raft.Future   // of Raft's shutdown
	wg        sync.WaitGroup
}

type lastSigned struct {
	term, size uint64
	raw        []byte
}

// Open starts this node's part in ordering: it founds it if it is new and was
// told to, brings Raft to where the ledger stands, and begins to follow, or to
// stand for election; or, without its votes, to abstain (C18). It takes over the
// transport, and closes it where it fails, but for faults of c alone (ErrConfig).
// It may be opened again, with another transport, when it is closed.
//
// Errors wrap ErrConfig, ErrLocked, ErrOtherNetwork, ErrCorrupt or ErrStorage where
// they are that; and these, after which the way on is to catch up with other nodes
// and to Adopt: ErrGap; with rejoin, ErrStateLost, ErrLedgerAhead and, if the
// network runs already, ErrNotFounded.
func Open(c Config) (_ *Node, err error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	n := &Node{
		cfg: c, log: c.Logger, fault: newFault(), lengths: newLengths(), queue: newQueue(c.QueueStatements, c.QueueBytes),
		behind: behind{told: make(chan struct{}, 1)}, observed: make(chan raft.Observation, 1), closing: make(chan struct{}), hurry: make(chan struct{}), office: office{nudge: make(chan struct{}, 1)}, stopping: make(chan struct{}),
	}
	var started atomic.Pointer[raft.Raft]
	n.tap = newTap(c.Transport, raft.ServerID(c.Self), func() uint64 {
		if r := started.Load(); r != nil {
			return r.CurrentTerm()
		}
		return 0
	})
	defer func() {
		if err == nil {
			return
		}
		err = errors.Join(err, n.tap.Close())
		if n.bolt != nil {
			err = errors.Join(err, n.bolt.Close())
		}
	}()
	if n.bolt, err = openBolt(c.Dir, c.noSyncForTest, n.lengths); err != nil {
		return nil, err
	}
	n.anchors, err = raft.NewFileSnapshotStoreWithLogger(c.Dir, keptAnchors, newRaftLogger(c.Logger))
	if err != nil {
		return nil, fmt.Errorf("opening anchors in %s: %w", c.Dir, err)
	}
	path := filepath.Join(c.Dir, logFile)
	var under raft.LogStore = &sealedLog{LogStore: n.bolt, path: path}
	var stable raft.StableStore = &sealedStable{StableStore: n.bolt, path: path}
	if err := finishAdoption(c, stable, under, n.anchors); err != nil {
		return nil, err
	}
	if err := found(c, stable, under, n.anchors); err != nil {
		return nil, err
	}
	base, err := fitAnchors(c, under, stable, n.anchors)
	if err != nil {
		return nil, err
	}
	rejoin, err := readRejoin(stable)
	if err != nil {
		return nil, err
	}
	if rejoin.abstains() {
		alone, err := lone(c, under, stable, base)
		if err != nil {
			return nil, err
		}
		if !alone && (c.PeerTerm == nil || c.LeaderFrontier == nil) {
			return nil, fmt.Errorf("%w: this node lost its votes and is to find out what it may have promised: PeerTerm and LeaderFrontier are needed", ErrConfig)
		}
		if !alone {
			n.tap.gate.set(rejoin.Phase)
		}
	}
	n.astray = newAstray(c, n.queue.signal)
	if err := n.astray.recall(c.Ledger, under); err != nil {
		return nil, err
	}

	n.guard = &guard{deadline: c.LogWriteDeadline, log: n.log, fault: n.fault, closed: n.stopping}
	if c.hook != nil {
		under, stable = c.hook(under, stable)
	}
	n.store = &logStore{LogStore: under, guard: n.guard, lengths: n.lengths, roll: &n.roll}
	if n.logs, err = raft.NewLogCache(cachedLogs, n.store); err != nil {
		return nil, err
	}
	t := n.tap
	t.log, t.logs, t.stopping, t.heartbeat, t.batch, t.fellBack = n.log, n.logs, n.stopping, c.Profile.Heartbeat, c.Profile.MaxAppend, n.NoteBehind
	t.aside, t.entries, t.place = n.aside.now, n.seeClock, n.roll.newest
	t.leads = func() bool { r := started.Load(); return r != nil && r.State() == raft.Leader }
	if base != nil {
		t.rebase(ledger.Position{Index: base.Index, Term: base.Term})
	}
	go t.listen()
	guarded := &stableStore{stable, n.guard}
	n.stable = guarded
	n.roll.begin(base)
	n.fsm = newFSM(c, n.fault, n.astray)
	if n.raft, err = newRaft(c.raft(), n.fsm, &raftsLog{n.logs, n.fault}, guarded, n.anchors, n.tap, n.fault); err != nil {
		return nil, err
	}
	n.roll.begun()
	started.Store(n.raft)
	n.raft.RegisterObserver(raft.NewObserver(n.observed, false, func(o *raft.Observation) bool {
		switch o.Data.(type) {
		case raft.LeaderObservation, raft.RaftState:
			return true
		}
		return false
	}))
	if base != nil {
		n.adopted = base.Index
	}
	if !n.tap.gate.votes() {
		n.absence = &abstention{n: n, stable: guarded, rec: rejoin}
		n.absence.say("it lost its votes, and has only begun to ask the others what it may have promised")
		n.wg.Go(n.absence.run)
	} else if n.roll.newest().guessed() {
		n.wg.Go(n.findPlace)
	}
	n.wg.Go(n.propose)
	n.wg.Go(n.watch)
	n.wg.Go(n.keep)
	n.wg.Go(n.reconcile)
	return n, nil
}

// newRaft is raft.NewRaft, which panics where its log cannot be read, in a
// goroutine that raftsLog may end.
func newRaft(c *raft.Config, f raft.FSM, logs raft.LogStore, stable raft.StableStore, anchors raft.SnapshotStore, t raft.Transport, broken *fault) (r *raft.Raft, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%w: raft cannot start: %.500v", ErrStorage, p)
			}
		}()
		if r, err = raft.NewRaft(c, f, logs, stable, anchors, t); err != nil {
			err = fmt.Errorf("%w: raft cannot start: %w", ErrStorage, err)
		}
	}()
	<-done
	if first := broken.get(); first != nil && r == nil {
		err = fmt.Errorf("raft cannot start: %w", first) // Raft's own errors lose what they wrap
	}
	return r, err
}

// Fault gives the failure because of which this node must stop (C11). It gives
// one at most, and is closed by Close.
func (n *Node) Fault() <-chan error { return n.fault.told }

// Term is Raft's current term.
func (n *Node) Term() uint64 { return n.raft.CurrentTerm() }

// Leader is the leader that this node follows, by address and id, as the
// transport knows it; empty if none is known.
func (n *Node) Leader() (raft.ServerAddress, raft.ServerID) { return n.raft.LeaderWithID() }

// Patience is how long a caller does well to wait for a leader: see Profile.
func (n *Node) Patience() time.Duration { return n.cfg.Profile.Patience }

// Changed gives a channel that is closed when leadership next changes, here or
// elsewhere. Take it before looking at Status.
func (n *Node) Changed() <-chan struct{} { return n.changed.next() }

// stopRaft tells Raft to stop, once, without waiting.
func (n *Node) stopRaft() {
	n.stopOnce.Do(func() {
		n.stopped = n.raft.Shutdown()
		close(n.stopping)
	})
}

// Close ends this node's part, in this order:
//
//  1. Submit and ReadIndex take nothing more: what comes now would only be lost.
//  2. The block under way is waited for and answered; what waits behind it is
//     told that the node closes. A caller hears of all that was ordered.
//  3. A leader hands leadership over, so that the others need not wait for a
//     heartbeat that does not come.
//  4. An anchor is made, which flushes the ledger: the next start reads nothing again.
//  5. Raft stops, and with it the transport: nothing is answered any more.
//  6. Raft's log is closed, when nobody writes it any more.
//
// The ledger stays open: it is the caller's. Where a disk hangs, Close gives up
// waiting after the profile's patience and says so; the process should then end.
func (n *Node) Close() error {
	n.closeOnce.Do(func() { n.closeErr = n.close() })
	return n.closeErr
}

func (n *Node) close() error {
	close(n.closing)
	n.reads.close()
	patience := time.AfterFunc(n.cfg.Profile.Patience, func() { close(n.hurry) })
	defer patience.Stop()
	n.wg.Wait() // propose ends its block, or is hurried
	if n.fault.get() == nil {
		if n.leads() && len(n.voters()) > 1 {
			if err := n.await(n.raft.LeadershipTransfer()); err != nil {
				n.log.Info("leadership was not handed over; the others will elect a leader by themselves", "err", err)
			}
		}
		if err := n.await(n.raft.Snapshot()); err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
			// The next start makes one where the ledger stands.
			n.log.Debug("no anchor was made at the end", "err", err)
		}
	}
	n.stopRaft()
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(n.stopped.Error(), n.bolt.Close()) }()
	defer n.fault.close()
	select {
	case err := <-ended:
		return err
	case <-n.hurry:
	}
	// Raft may have been slow, and not stuck: one more short while.
	select {
	case err := <-ended:
		return err
	case <-time.After(n.cfg.Profile.Heartbeat):
		return fmt.Errorf("%w: raft has not stopped in %v; its disk or its transport hangs", ErrStorage, n.cfg.Profile.Patience)
	}
}
