package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"concordat/client"
	"concordat/consensus"
	"concordat/ledger"
)

// ordering is this node's part in the order, which it cannot always take: a
// node that is new, was wiped or stood still for too long has to catch up
// first. Until it has, Raft does not run here: nothing is ordered through this
// node, and it answers from what it has.
//
// One goroutine, run, opens and closes Raft; everybody else uses what is there.
type ordering struct {
	n       *Node
	profile consensus.Profile

	current atomic.Pointer[consensus.Node] // nil while catching up
	away    atomic.Pointer[absence]        // set while current is nil

	refusing atomic.Pointer[refusedBlock] // the leader's, if this node did not take its newest

	running sync.WaitGroup // run

	mu      sync.Mutex
	changed chan struct{} // closed when current comes or goes
}

// absence is a time without Raft.
type absence struct {
	since    time.Time
	why      string
	progress atomic.Pointer[client.Progress]
}

// refusedBlock is a block that this node does not take now.
type refusedBlock struct {
	since, last time.Time
	leader      string
	why         error
}

// refusalFades is how long after it was offered last a refused block is told of. A
// leader offers it again at most this long after.
const refusalFades = 15 * time.Second

// refuses notes that this node does not take the leader's block, or, with nil, that it does.
func (o *ordering) refuses(why error) {
	if why == nil {
		if o.refusing.Load() != nil {
			o.refusing.Store(nil)
		}
		return
	}
	_, leader := o.Leader()
	r := &refusedBlock{since: time.Now(), last: time.Now(), leader: string(leader), why: why}
	if was := o.refusing.Load(); was != nil && was.leader == r.leader {
		r.since = was.since
	}
	o.refusing.Store(r)
}

// refused is the leader's block that this node does not take now; nil if there is
// none, or another leads.
func (o *ordering) refused() *refusedBlock {
	r := o.refusing.Load()
	if r == nil || time.Since(r.last) > refusalFades {
		return nil
	}
	if _, leader := o.Leader(); leader != "" && string(leader) != r.leader {
		return nil
	}
	return r
}

// errCatchingUp: this node has no part in the order for now.
var errCatchingUp = errors.New("this node is catching up with the others")

func newOrdering(n *Node, profile consensus.Profile) *ordering {
	return &ordering{n: n, profile: profile, changed: make(chan struct{})}
}

// arrive lets everybody use Raft.
func (o *ordering) arrive(c *consensus.Node) {
	o.current.Store(c)
	o.away.Store(nil)
	o.tell()
}

// leave tells everybody that there is no Raft for now, because this node lacks
// what the others have.
func (o *ordering) leave(why string) *absence {
	a := o.stayAway(why)
	return a
}

// stayAway tells everybody that there is no Raft for now.
func (o *ordering) stayAway(why string) *absence {
	a := &absence{since: time.Now(), why: why}
	a.progress.Store(&client.Progress{Phase: "asking the others how far they are", Size: o.n.ledger.Head().Size, Started: a.since.UTC().Format(time.RFC3339)})
	o.away.Store(a)
	o.current.Store(nil)
	o.tell()
	return a
}

func (o *ordering) tell() {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
}

// Changed gives a channel that is closed when leadership next changes, or this
// node's part in the order comes or goes.
func (o *ordering) Changed() <-chan struct{} {
	if c := o.current.Load(); c != nil {
		return c.Changed()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed
}

// Submit is consensus.Node's.
func (o *ordering) Submit(ctx context.Context, cs []ledger.Candidate) ([]consensus.Outcome, error) {
	if c := o.current.Load(); c != nil {
		return c.Submit(ctx, cs)
	}
	return nil, fmt.Errorf("%w: %w", consensus.ErrNoQuorum, errCatchingUp)
}

// ReadIndex is consensus.Node's.
func (o *ordering) ReadIndex(ctx context.Context) (uint64, error) {
	if c := o.current.Load(); c != nil {
		return c.ReadIndex(ctx)
	}
	return 0, fmt.Errorf("%w: %w", consensus.ErrNoQuorum, errCatchingUp)
}

// Frontier is consensus.Node's.
func (o *ordering) Frontier(ctx context.Context, adopted uint64) (uint64, error) {
	if c := o.current.Load(); c != nil {
		return c.Frontier(ctx, adopted)
	}
	return 0, fmt.Errorf("%w: %w", consensus.ErrNoQuorum, errCatchingUp)
}

// WaitApplied is consensus.Node's.
func (o *ordering) WaitApplied(ctx context.Context, index uint64) error {
	if c := o.current.Load(); c != nil {
		return c.WaitApplied(ctx, index)
	}
	return fmt.Errorf("%w: %w", consensus.ErrNoQuorum, errCatchingUp)
}

// Status is consensus.Node's.
func (o *ordering) Status() consensus.Status {
	if c := o.current.Load(); c != nil {
		return c.Status()
	}
	s := consensus.Status{Role: roleCatchingUp}
	if a := o.away.Load(); a != nil {
		s.NoQuorumSince = a.since
	}
	return s
}

// roleCatchingUp stands in the place of Raft's role while there is none.
const roleCatchingUp = "catching-up"

// Leader is consensus.Node's.
func (o *ordering) Leader() (raft.ServerAddress, raft.ServerID) {
	if c := o.current.Load(); c != nil {
		return c.Leader()
	}
	return "", ""
}

// Term is consensus.Node's.
func (o *ordering) Term() uint64 {
	if c := o.current.Load(); c != nil {
		return c.Term()
	}
	return 0
}

// Patience is how long a caller does well to wait for a leader.
func (o *ordering) Patience() time.Duration { return o.profile.Patience }

// leads reports that this node leads.
func (o *ordering) leads() bool {
	_, leader := o.Leader()
	return leader != "" && string(leader) == o.n.self()
}

// isAway reports that Raft does not run here for now.
func (o *ordering) isAway() bool { return o.away.Load() != nil }

// progress is how far catching up has come; nil while there is none.
func (o *ordering) progress() *client.Progress {
	if a := o.away.Load(); a != nil {
		return a.progress.Load()
	}
	return nil
}

// catchingUp is the failure that says so; nil while this node takes part.
func (o *ordering) catchingUp() error {
	a := o.away.Load()
	if a == nil {
		return nil
	}
	if p := o.n.outsider(); p != nil {
		return client.Fail(p.Name, "%s", p.Message)
	}
	p := a.progress.Load()
	f := client.Fail(client.CatchingUp, "this node catches up with the others: %s; %s: it has %d statements of %d", a.why, p.Phase, p.Size, max(p.Target, p.Size))
	if p.Waiting != "" {
		f.Message += "; it waits for " + p.Waiting
	}
	return f
}

// close ends this node's part in the order: first run, which opens and closes
// Raft and ends with the node's stop, then Raft.
func (o *ordering) close() error {
	o.running.Wait()
	if c := o.current.Load(); c != nil {
		return c.Close()
	}
	return nil
}
