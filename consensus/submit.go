package consensus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"concordat/ledger"
	"concordat/ledger/state"
)

var (
	// ErrNotLeader: another node leads, or nobody does for the moment. As a
	// *NotLeader it says who.
	ErrNotLeader = errors.New("this node does not lead")
	// ErrNoQuorum: no leader reaches a majority, so nothing can be ordered now.
	ErrNoQuorum = errors.New("no quorum of validators can be reached")
	// ErrBusy: too much waits already; come later.
	ErrBusy = errors.New("too many statements wait to be ordered")
	// ErrClosed: the node is closing, or has stopped because of its fault.
	ErrClosed = errors.New("this node has stopped ordering")
	// ErrOutcomeUnknown: leadership was lost after the statements were
	// proposed. They may be ordered yet. Submit them again: what is in the
	// ledger already gets the index that it has.
	ErrOutcomeUnknown = errors.New("leadership was lost while the statements were being ordered")
)

// NotLeader is ErrNotLeader with what is known of the leader.
type NotLeader struct {
	Leader string // authority; "" if none is known
}

func (e *NotLeader) Error() string {
	if e.Leader == "" {
		return ErrNotLeader.Error() + "; nobody is known to, for the moment"
	}
	return ErrNotLeader.Error() + "; " + e.Leader + " does"
}

// Is makes errors.Is(err, ErrNotLeader) true.
func (e *NotLeader) Is(target error) bool { return target == ErrNotLeader }

// Outcome is what became of one statement.
type Outcome struct {
	Index   uint64        // in the ledger, if it was accepted
	Known   bool          // it had been in the ledger before
	Verdict state.Verdict // accepts it, or says why not
}

// Submit gets statements ordered, and answers once they are applied here (C1)
// or refused; one outcome for each, in their order. Only the leader orders. Seals
// are refused, whoever made them (C19).
//
// Errors wrap ErrNotLeader (and ErrDiverged with it, at a leader that has),
// ErrNoQuorum, ErrBusy, ErrClosed, ErrOutcomeUnknown, or what ended ctx. With any but ErrOutcomeUnknown, and the end of ctx, none of
// the statements that have no index yet will be ordered because of this call.
func (n *Node) Submit(ctx context.Context, cs []ledger.Candidate) ([]Outcome, error) {
	if len(cs) == 0 {
		return nil, nil
	}
	if err := n.willing(); err != nil {
		return nil, err
	}
	r := newRequest(cs)
	if len(r.queued) == 0 {
		return r.outcomes, nil
	}
	if err := n.queue.add(r); err != nil {
		return nil, err
	}
	// The proposer may have gone, and have emptied the queue, since we looked.
	if err := n.willing(); err != nil && !n.queue.abandon(r) {
		return nil, err
	}
	timer := time.NewTimer(n.cfg.Profile.Patience)
	defer timer.Stop()
	var cause error
	select {
	case <-r.done:
		return r.outcomes, r.err
	case <-ctx.Done():
		cause = context.Cause(ctx)
	case <-timer.C:
		cause = fmt.Errorf("%w: nothing was ordered in %v", ErrNoQuorum, n.cfg.Profile.Patience)
	}
	if n.queue.abandon(r) {
		return nil, fmt.Errorf("%w: %w", ErrOutcomeUnknown, cause)
	}
	return nil, cause
}

// willing is nil if this node leads, or is about to.
func (n *Node) willing() error {
	select {
	case <-n.closing:
		return n.closedError()
	case <-n.fault.done:
		return n.closedError()
	default:
	}
	switch {
	case n.reign.Load() != nil:
		return nil
	case n.leads():
		return n.vouches()
	}
	return n.notLeader()
}

// vouches is nil unless this node has diverged. A leader that has is on its
// way to be none, so that the error is an ErrNotLeader too.
func (n *Node) vouches() error {
	if why, _ := n.astray.get(); why != "" {
		return fmt.Errorf("%w, or soon will not: %w: %s", ErrNotLeader, ErrDiverged, why)
	}
	return nil
}

// closedError is why this node takes nothing more.
func (n *Node) closedError() error {
	if err := n.fault.get(); err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return ErrClosed
}

// notLeader says who leads, or that nobody has for longer than an election takes.
func (n *Node) notLeader() error {
	s := n.Status()
	if s.Leader != "" && s.Leader != n.cfg.Self {
		return &NotLeader{Leader: s.Leader}
	}
	if since := s.NoQuorumSince; !since.IsZero() && time.Since(since) > n.cfg.Profile.Patience {
		return fmt.Errorf("%w: no leader is known since %s", ErrNoQuorum, since.UTC().Format(time.RFC3339))
	}
	return &NotLeader{}
}
