package consensus

import (
	"context"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
)

// reads lets many ReadIndex calls share one round of questions (C12): those
// that come while a round is under way share the next.
type reads struct {
	mu   sync.Mutex
	next *round // has not begun; nil if nobody waits for one
	busy bool   // a round is under way
	shut bool   // Close has begun: no round begins any more
}

type round struct {
	done chan struct{} // closed when err is set
	err  error
}

// ReadIndex gives a point of the order up to which a reader must have applied
// to see everything acknowledged, anywhere, before the call: to be given to
// WaitApplied, here or at another node. Only the leader can say, and not while
// it has diverged. Errors wrap ErrNotLeader, ErrNoQuorum, ErrDiverged, ErrClosed
// or what ended ctx.
func (n *Node) ReadIndex(ctx context.Context) (uint64, error) {
	// What is acknowledged was applied first (C1), here or by a leader before
	// us (C3). If one after us has acknowledged anything, a majority knows of
	// its term and will say so.
	return n.point(ctx, func() uint64 {
		pos, _ := n.fsm.position()
		return pos.Index
	})
}

// Frontier gives the end of the log of the node that leads, once a majority has
// confirmed, after the call, that it does. A validator that lost its memory must
// have all of it before it votes (C18): it may have stored any of it before, and
// this leader may still count on that. Errors as ReadIndex.
//
// adopted is the entry after which that node began, with a guess of the membership;
// 0 if it knows it. Before the answer a membership stands in the log behind it (C22).
// Errors also wrap ErrBusy, and ErrAdopt where this leader's log ends before it.
func (n *Node) Frontier(ctx context.Context, adopted uint64) (uint64, error) {
	if err := n.awaitReign(ctx); err != nil {
		return 0, err
	}
	if err := n.refresh(ctx, adopted); err != nil {
		return 0, err
	}
	return n.point(ctx, n.raft.LastIndex)
}

// awaitReign returns nil while this node leads and is ready to (C3).
func (n *Node) awaitReign(ctx context.Context) error {
	if err := n.willing(); err != nil {
		return err
	}
	for n.reign.Load() == nil { // it leads, and its barrier is under way
		changed := n.Changed()
		if err := n.willing(); err != nil {
			return err
		}
		if n.reign.Load() != nil {
			break
		}
		select {
		case <-changed:
		case <-n.closing:
			return n.closedError()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// point gives what of says while this node leads, if a majority confirms afterwards that it does.
func (n *Node) point(ctx context.Context, of func() uint64) (uint64, error) {
	if err := n.awaitReign(ctx); err != nil {
		return 0, err
	}
	index := of()
	r := n.reads.join(n)
	select {
	case <-r.done:
		if r.err != nil {
			return 0, r.err
		}
		return index, n.vouches()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-n.closing:
		return 0, n.closedError()
	}
}

// join gives a round that begins after the call.
func (s *reads) join(n *Node) *round {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = &round{done: make(chan struct{})}
	}
	r := s.next
	if !s.busy && !s.shut { // if it is shut, the caller sees the node closing
		s.busy = true
		n.wg.Go(func() { s.run(n) })
	}
	return r
}

func (s *reads) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = true
}

// run makes rounds while somebody waits for one.
func (s *reads) run(n *Node) {
	for {
		s.mu.Lock()
		r := s.next
		s.next = nil
		if r == nil {
			s.busy = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		r.err = n.confirm()
		close(r.done)
	}
}

// confirm asks the others whether they still follow this node, and is nil once
// a majority has said so to a question asked after the call.
func (n *Node) confirm() error {
	reign := n.reign.Load()
	if reign == nil {
		return n.notLeader()
	}
	servers := n.voters()
	need := len(servers)/2 + 1
	answers := make(chan error, len(servers))
	for _, s := range servers {
		if s.ID == raft.ServerID(n.cfg.Self) {
			answers <- nil
			continue
		}
		go func() { answers <- n.tap.beat(s, reign.term) }()
	}
	timer, stop := context.WithTimeout(context.Background(), n.cfg.Profile.Heartbeat)
	defer stop()
	yes, no := 0, 0
	var last error
	for yes < need && no <= len(servers)-need {
		select {
		case err := <-answers:
			if err == nil {
				yes++
			} else {
				no, last = no+1, err
			}
		case <-timer.Done():
			return fmt.Errorf("%w: %d of %d validators answered in %v, want %d", ErrNoQuorum, yes, len(servers), n.cfg.Profile.Heartbeat, need)
		case <-n.closing:
			return n.closedError()
		}
	}
	if yes < need {
		if !n.reigns(reign.term) {
			return n.notLeader()
		}
		return fmt.Errorf("%w: %d of %d validators follow this node, want %d: %w", ErrNoQuorum, yes, len(servers), need, last)
	}
	return nil
}

// voters are the voters of Raft's latest membership.
func (n *Node) voters() []raft.Server {
	var out []raft.Server
	for _, s := range n.raft.GetConfiguration().Configuration().Servers {
		if s.Suffrage == raft.Voter {
			out = append(out, s)
		}
	}
	return out
}

// WaitApplied returns once this node's ledger has applied all blocks up to
// index, as ReadIndex gave it. Errors wrap ErrDiverged, for then it has not
// applied them as others have, ErrClosed or what ended ctx.
func (n *Node) WaitApplied(ctx context.Context, index uint64) error {
	for {
		pos, changed := n.fsm.position()
		if pos.Index >= index {
			if why, _ := n.astray.get(); why != "" {
				return fmt.Errorf("%w: %s", ErrDiverged, why)
			}
			return nil
		}
		select {
		case <-changed:
		case <-n.fault.done:
			return n.closedError()
		case <-n.closing:
			return n.closedError()
		case <-ctx.Done():
			return fmt.Errorf("waiting for entry %d, %d is applied: %w", index, pos.Index, context.Cause(ctx))
		}
	}
}
