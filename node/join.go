package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"concordat/client"
	"concordat/consensus"
	"concordat/consensus/catchup"
	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/state"
	"concordat/p2p"
)

// clockSlack is how far ahead of this node's clock a block's time may be: well below
// what makes a bundle with a seal of that time unverifiable (bundle.SealAhead).
const clockSlack = 2 * time.Minute

// start opens Raft, or begins to catch up where this node lacks what Raft needs.
// From then on one goroutine does either until the node stops.
func (o *ordering) start() error {
	if !o.n.me.active() {
		o.stayAway(errOutsider.Error())
		return nil
	}
	var g *gap
	if o.founds() {
		g = &gap{why: "it is to found a network, or to join the one that the others founded", found: true}
	} else if err := o.open(); err != nil {
		missing := false
		if g, missing = missingOf(err); !missing {
			return err
		}
	}
	switch {
	case g == nil:
	case g.found:
		o.stayAway(g.why)
	default:
		o.leave(g.why)
	}
	o.running.Go(func() { o.run(o.n.stop, g) })
	return nil
}

// marker is the file beside the keys that says that this authority's node has run.
func (n *Node) marker() string { return filepath.Join(n.cfg.Dir, "founded") }

func (n *Node) raftDir() string { return filepath.Join(n.cfg.Dir, "data", "raft") }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// gap is what a node lacks to take part.
type gap struct {
	why    string // for people
	rejoin bool   // its votes are lost too
	found  bool   // it was told to found a network, and it is not known whether there is one
}

// missingOf reports whether catching up helps against an error of opening Raft.
func missingOf(err error) (*gap, bool) {
	switch {
	case errors.Is(err, consensus.ErrNotFounded):
		return &gap{why: "it has no data, and founds no network", rejoin: true}, true
	case errors.Is(err, consensus.ErrStateLost):
		return &gap{why: "what it had voted is lost", rejoin: true}, true
	case errors.Is(err, consensus.ErrLedgerAhead):
		return &gap{why: "the order's log is older than the ledger: an older copy, or a lost disk", rejoin: true}, true
	case errors.Is(err, consensus.ErrGap):
		return &gap{why: "the ledger ends before the order's log begins"}, true
	}
	return nil, false
}

// run keeps this node in the order.
func (o *ordering) run(ctx context.Context, g *gap) {
	for ctx.Err() == nil {
		if g == nil {
			if g = o.stay(ctx); g == nil {
				return
			}
		}
		var err error
		if g.found {
			err = o.found(ctx)
		} else {
			err = o.catchUp(ctx, g)
		}
		var again bool
		switch {
		case err == nil:
			g = nil
			continue
		case ctx.Err() != nil:
			return
		}
		if g, again = missingOf(err); !again {
			o.n.fail(fmt.Errorf("catching up: %w", err))
			return
		}
		if a := o.away.Load(); a == nil || a.why != g.why {
			o.leave(g.why) // there was a network to join after all
		}
		if sleep(ctx, time.Second) != nil {
			return
		}
	}
}

// stay is there while this node takes part, and returns what it lacks when it
// cannot go on; nil when the node stops or has failed.
func (o *ordering) stay(ctx context.Context) *gap {
	c := o.current.Load()
	for {
		select {
		case err, open := <-c.Fault():
			if open && err != nil {
				o.n.fail(err)
			}
			return nil
		case <-c.Behind():
			// A leader says that its log begins after ours ends. Whether that is so,
			// the others' certified checkpoints tell: a leader must not be able to
			// keep this node busy by saying it.
			if o.n.certifier.Status().KnownAhead == 0 {
				o.n.log.Warn("the leader says that this node is behind, and nothing is certified that it has not", "size", o.n.ledger.Head().Size)
				continue
			}
			o.leave("it stood still for so long that the others' log begins after its own ends")
			if err := c.Close(); err != nil {
				o.n.log.Warn("closing the order's log", "err", err)
			}
			return &gap{why: o.away.Load().why}
		case <-ctx.Done():
			return nil
		}
	}
}

// catchUp fetches what this node lacks, and opens Raft where that ends.
func (o *ordering) catchUp(ctx context.Context, g *gap) error {
	a := o.away.Load()
	if a == nil {
		a = o.leave(g.why)
	}
	o.n.log.Warn("catching up with the others", "why", g.why, "size", o.n.ledger.Head().Size)
	cfg := o.catchupConfig()
	cfg.Progress = func(p catchup.Progress) {
		a.progress.Store(&client.Progress{
			Phase: string(p.Phase), Size: p.Size, Target: p.Target, Rate: p.Rate, Peers: asked(p.Peers), Waiting: p.Waiting, Started: stamp(a.since),
		})
	}
	at, err := o.fetch(ctx, a, cfg, g.rejoin)
	if err != nil {
		return err
	}
	// The network runs already. Before Raft runs here this node does not vouch, so
	// the certifier knows in time.
	o.n.certifier.Joins()
	settings, err := o.settings()
	if err != nil {
		return err
	}
	if err := consensus.Adopt(settings, at, g.rejoin); err != nil {
		return err
	}
	if err := o.open(); err != nil {
		return err
	}
	o.n.log.Info("caught up with the others", "size", o.n.ledger.Head().Size, "took", time.Since(a.since).Round(time.Millisecond))
	return nil
}

// fetch brings the ledger to a certified size, and gives the place of its last
// block in the order. A ledger that is ahead of what is certified waits for the
// others to certify what it has, unless its own log vouches for that.
func (o *ordering) fetch(ctx context.Context, a *absence, cfg catchup.Config, rejoin bool) (ledger.Position, error) {
	for {
		result, err := catchup.Run(ctx, cfg)
		if err != nil {
			return ledger.Position{}, err
		}
		head := o.n.ledger.Head()
		switch {
		case result.Certified != nil && result.Size == head.Size:
			return result.Position, o.n.ledger.Adopt(result.Position)
		case !rejoin && head.Size > 0:
			view := o.n.ledger.View()
			defer o.n.release(view)
			return view.PositionOf(head.Size)
		}
		p := *a.progress.Load()
		p.Size, p.Waiting = head.Size, "the others to certify something; if this network is new, start each validator with --found"
		if head.Size > 0 {
			p.Waiting = fmt.Sprintf("the others to certify the %d statements that this node has", head.Size)
		}
		a.progress.Store(&p)
		if err := sleep(ctx, time.Second); err != nil {
			return ledger.Position{}, err
		}
	}
}

// asked counts the peers that are asked at the moment.
func asked(peers []catchup.Peer) (n int) {
	for _, p := range peers {
		if p.Rests == "" {
			n++
		}
	}
	return n
}

func (o *ordering) catchupConfig() catchup.Config {
	return catchup.Config{
		Ledger: o.n.ledger, Net: peers{o.n.host}, Doc: o.n.doc, Logger: o.n.log,
		SawBlock: func(p block.HeaderProof) { o.n.certifier.SawBlock(p) },
	}
}

// open opens Raft over a transport of its own.
func (o *ordering) open() error { return o.openAs(func(*consensus.Config) {}) }

// openAs is open with a change to Raft's settings.
func (o *ordering) openAs(change func(*consensus.Config)) error {
	c, err := o.settings()
	if err != nil {
		return err
	}
	change(&c)
	founded, err := o.n.founded()
	if err != nil {
		return err
	}
	// Raft and its transport need one another: the transport asks for a term only
	// once a message arrives, and then Raft is there or the message is refused.
	var ready atomic.Pointer[consensus.Node]
	c.Transport = o.n.host.Transport(p2p.RaftConfig{
		Term: func() uint64 {
			if c := ready.Load(); c != nil {
				return c.Term()
			}
			return 0
		},
		Leader: func() (raft.ServerAddress, raft.ServerID) {
			if c := ready.Load(); c != nil {
				return c.Leader()
			}
			return "", ""
		},
		Behind: func() {
			if c := ready.Load(); c != nil {
				c.NoteBehind()
			}
		},
		KnowsServer:      func(id raft.ServerID, _ raft.ServerAddress) bool { return o.n.roster.ever(string(id)) },
		Entry:            o.n.plausible,
		HeartbeatTimeout: o.profile.Heartbeat,
		Founded:          founded,
	})
	node, err := consensus.Open(c)
	if err != nil {
		return err
	}
	ready.Store(node)
	o.arrive(node)
	return nil
}

// plausible refuses a block from the future: its time ends what its seal leaves
// out, and the next proposer's clock starts from it.
func (n *Node) plausible(data []byte) error {
	h, err := block.PeekHeader(data)
	if err != nil {
		return nil // what no clock makes right the ledger refuses, at every node alike
	}
	if ahead := time.UnixMilli(h.Time).Sub(wall()); ahead > clockSlack {
		n.sawBlock(data) // if it stays refused, its proposer may sign another in its place
		err := fmt.Errorf("its time is %s ahead of this node's clock, at most %s; is a clock wrong?", ahead.Round(time.Second), clockSlack)
		n.order.refuses(err)
		return err
	}
	n.order.refuses(nil)
	return nil
}

// settings are Raft's, but for the transport.
func (o *ordering) settings() (consensus.Config, error) {
	n := o.n
	voters, err := n.founders()
	if err != nil {
		return consensus.Config{}, err
	}
	fresh, err := n.fresh()
	if err != nil {
		return consensus.Config{}, err
	}
	c := consensus.Config{
		Fresh: fresh, Self: n.self(), Network: n.network, Dir: n.raftDir(), Profile: o.profile,
		Key: n.nodeKey, Ledger: n.ledger, Servers: voters, Members: n.roster.membership, RotateLeader: n.cfg.RotateLeader, Found: n.cfg.Found,
		MarkerPath: n.marker(), Logger: n.log, LogWriteDeadline: n.cfg.Storage.WriteDeadline,
		Certified: n.certifiedAt, KeepLogBytes: n.cfg.Storage.KeepLog, Seal: n.seal, Proposes: n.proposes,
		PeerTerm: n.peerTerm, LeaderFrontier: n.frontier, MaxTerm: n.maxTerm, Diverged: n.diverged, Refused: n.sawBlock, Now: wall,
	}
	if n.cfg.orderConfig != nil {
		n.cfg.orderConfig(&c)
	}
	return c, nil
}

// proposes is nil while the ledger takes blocks that this node signs.
func (n *Node) proposes() error {
	view := n.ledger.View()
	defer n.release(view)
	a, is, err := view.State().Authority(n.me.ID)
	switch {
	case err != nil:
		return err
	case !is || a.Role != state.Validator:
		return fmt.Errorf("%s is no validator any more", n.me.ID)
	case !a.Key(state.Node).Equal(n.nodeKey.Public()):
		return fmt.Errorf("the node key of %s was replaced", n.me.ID)
	}
	return nil
}

// fresh reports that, by the ledger, this authority has never been a validator: its
// node cannot have voted, whatever was lost.
func (n *Node) fresh() (bool, error) {
	view := n.ledger.View()
	defer n.release(view)
	all, err := view.State().Electorates()
	if err != nil {
		return false, err
	}
	for _, e := range all {
		for _, set := range e.Sets {
			if _, was := set.Find(n.me.ID); was {
				return false, nil
			}
		}
	}
	return true, nil
}

// founders are the voters with which the network began.
func (n *Node) founders() (out []consensus.Server, err error) {
	for _, a := range n.doc.Validators() {
		id, err := p2p.PeerID(a.Keys.Node.Public())
		if err != nil {
			return nil, fmt.Errorf("node key of %s: %w", a.ID, err)
		}
		out = append(out, consensus.Server{ID: string(a.ID), Address: id.String()})
	}
	return out, nil
}

// certifiedAt is the entry that brought the last block under the newest certified checkpoint.
func (n *Node) certifiedAt() (ledger.Position, bool) {
	c := n.ledger.Certified()
	if c == nil || c.Checkpoint().Size == 0 {
		return ledger.Position{}, false
	}
	view := n.ledger.View()
	defer n.release(view)
	pos, err := view.PositionOf(c.Checkpoint().Size)
	if err != nil {
		n.log.Warn("the certified checkpoint's place in the order cannot be read", "err", err)
		return ledger.Position{}, false
	}
	return pos, true
}

// serveCatchup answers nodes that catch up, and those that lost their votes.
func (n *Node) serveCatchup() {
	server := catchup.NewServer(catchup.ServerConfig{Source: n.ledger, BytesPerSecond: int(n.cfg.Storage.ServeRate)})
	for _, name := range catchup.Protocols() {
		n.host.Handle(name, catchup.MaxRequest, func(ctx context.Context, from p2p.Member, request []byte) ([]byte, error) {
			answer, err := server.Serve(ctx, name, from.Authority, request)
			if errors.Is(err, catchup.ErrMalformed) {
				return nil, &p2p.RemoteError{Code: client.Malformed, Message: err.Error()}
			}
			return answer, err
		})
	}
	n.host.Handle(termProtocol, 64, n.serveTerm)
}
