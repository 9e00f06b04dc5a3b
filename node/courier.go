package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"concordat/client"
	"concordat/consensus"
	"concordat/ledger"
	"concordat/p2p"
)

// Bounds of one batch on its way to the leader. With one more statement of the
// largest kind behind batchBytes it still fits p2p's frame of 4 MiB.
const (
	maxBatch   = 512
	batchBytes = 1 << 20 // a batch that has so many bytes takes no more
)

// A statement is light unless its attachment makes it heavy.
const (
	heavyBytes      = 64 << 10
	heavyQueue      = 64 // heavy statements that wait: 70 MiB at most
	batchesUnderWay = 2  // in each lane
)

// order is one statement under way to the leader, and where its outcome goes.
type order struct {
	ctx       context.Context
	candidate ledger.Candidate
	done      chan orderResult // of one element: the courier never waits for the reader
}

type orderResult struct {
	outcome consensus.Outcome
	err     error
}

// courier gets statements ordered: by this node where it leads, else by the
// leader. What waits while a batch is under way is the next batch, so a lone
// statement waits for nothing and many share one round trip. Heavy statements
// have a lane of their own: an urgent revocation does not wait behind an import.
type courier struct {
	n            *Node
	light, heavy chan *order
	ctx          context.Context // ends when the courier closes
	cancel       context.CancelCauseFunc
	wg           sync.WaitGroup
}

func newCourier(n *Node, room int) *courier {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := &courier{n: n, light: make(chan *order, room), heavy: make(chan *order, heavyQueue), ctx: ctx, cancel: cancel}
	for _, lane := range []chan *order{c.light, c.heavy} {
		for range batchesUnderWay {
			c.wg.Go(func() { c.run(lane) })
		}
	}
	return c
}

// within gives a context that ends with ctx, or when the couriers are cut off.
func (c *courier) within(ctx context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.ctx, func() { cancel(errStopping) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// cutOff ends what waits for an order, or for what is ordered to become final:
// this node is about to stop, and would wait in vain.
func (c *courier) cutOff() {
	c.n.stopping.Store(true) // who is ended so is told why
	c.cancel(errStopping)
}

// close stops the couriers. Whoever still waits for an order is told that the node is stopping.
func (c *courier) close() {
	c.cancel(errStopping)
	c.wg.Wait()
}

// order gets one statement ordered, and gives its outcome. The statement may
// yet be ordered after an error; the same bytes again get the index of the first.
func (c *courier) order(ctx context.Context, cand ledger.Candidate) (consensus.Outcome, error) {
	// The leader groups what waits itself: a batch of ours before it would only
	// make the first to come wait for the last.
	if _, leader := c.n.order.Leader(); string(leader) == c.n.self() {
		outcomes, err := c.n.order.Submit(ctx, []ledger.Candidate{cand})
		if err == nil {
			return outcomes[0], nil
		}
		if !passing(err) || ctx.Err() != nil {
			return consensus.Outcome{}, err
		}
	}
	o := &order{ctx: ctx, candidate: cand, done: make(chan orderResult, 1)}
	lane := c.light
	if sizeOf(cand) > heavyBytes {
		lane = c.heavy
	}
	select {
	case lane <- o:
	default:
		return consensus.Outcome{}, client.Fail(client.Busy, "%d statements wait to be ordered already", cap(lane))
	}
	select {
	case r := <-o.done:
		return r.outcome, r.err
	case <-ctx.Done():
		return consensus.Outcome{}, context.Cause(ctx)
	case <-c.ctx.Done():
		return consensus.Outcome{}, context.Cause(c.ctx)
	}
}

func (c *courier) run(lane chan *order) {
	for {
		var first *order
		select {
		case first = <-lane:
		case <-c.ctx.Done():
			return
		}
		batch := gather(lane, first)
		cands := make([]ledger.Candidate, len(batch))
		for i, o := range batch {
			cands[i] = o.candidate
		}
		for i, r := range c.deliver(c.ctx, cands) {
			batch[i].done <- r
		}
	}
}

// gather takes what waits behind first, up to the bounds of one batch. What
// nobody waits for any more is left out: its caller has been told that it was
// not ordered in time, and will send it again if it is still meant.
func gather(lane chan *order, first *order) []*order {
	var batch []*order
	size := 0
	for o := first; ; {
		if o.ctx.Err() == nil {
			batch = append(batch, o)
			size += sizeOf(o.candidate)
		}
		if len(batch) >= maxBatch || size >= batchBytes {
			return batch
		}
		select {
		case o = <-lane:
		default:
			return batch
		}
	}
}

func sizeOf(c ledger.Candidate) int { return len(c.Raw) + len(c.Attachment) }

// deliver gets a batch ordered in the time that a submission has, and gives
// each statement its own result: where the leader cannot take a batch whole, it
// is sent in halves, so that one statement cannot fail those beside it.
func (c *courier) deliver(ctx context.Context, cands []ledger.Candidate) []orderResult {
	if len(cands) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.n.cfg.Limits.SubmitTimeout, errTimeIsUp)
	defer cancel()
	out := make([]orderResult, len(cands))
	c.split(ctx, cands, out)
	return out
}

func (c *courier) split(ctx context.Context, cands []ledger.Candidate, out []orderResult) {
	outcomes, err := c.insist(ctx, cands)
	if len(cands) > 1 && indigestible(err) {
		half := len(cands) / 2
		c.split(ctx, cands[:half], out[:half])
		c.split(ctx, cands[half:], out[half:])
		return
	}
	for i := range out {
		out[i].err = err
		if err == nil {
			out[i].outcome = outcomes[i]
		}
	}
}

// errTimeIsUp ends a delivery that has taken as long as a submission may.
var errTimeIsUp = errors.New("time is up")

// insist sends a batch to whoever leads, again and again while leadership
// moves: the same bytes twice get the index of the first, so trying again is
// safe. It gives up when ctx ends, or when there has been no quorum for the time
// in which the profile would find a leader; while there is one, the queue may be long.
func (c *courier) insist(ctx context.Context, cands []ledger.Candidate) ([]consensus.Outcome, error) {
	wait := 5 * time.Millisecond
	for {
		outcomes, err := c.n.try(ctx, cands)
		if err == nil {
			return outcomes, nil
		}
		if ctx.Err() == nil && !passing(err) {
			return nil, err
		}
		if ctx.Err() == nil && !c.n.hopeless() {
			pause := time.NewTimer(wait)
			select {
			case <-pause.C:
				wait = min(2*wait, 250*time.Millisecond)
				continue
			case <-ctx.Done():
				pause.Stop()
			}
		}
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errTimeIsUp) {
			return nil, cause
		}
		return nil, c.n.gaveUp(err)
	}
}

// hopeless reports that there has been no quorum for longer than finding a new leader takes.
func (n *Node) hopeless() bool {
	s := n.order.Status()
	return !s.Quorum && !s.NoQuorumSince.IsZero() && time.Since(s.NoQuorumSince) > n.order.Patience()
}

// gaveUp says why a statement was not ordered, whose last attempt ended with last.
func (n *Node) gaveUp(last error) error {
	within := n.cfg.Limits.SubmitTimeout
	s := n.order.Status()
	switch {
	case !s.Quorum: // whatever waits, waits for this
		return client.Fail(client.NoQuorum, "there is no quorum of validators since %s", s.NoQuorumSince.UTC().Format(time.RFC3339))
	case errors.Is(last, consensus.ErrBusy), errors.Is(last, p2p.ErrBusy):
		return client.Fail(client.Busy, "too much waits at the leader, for %s now", within)
	}
	return client.Fail(client.Timeout, "the statement was not ordered within %s", within)
}

// passing reports whether trying again may help.
func passing(err error) bool {
	for _, e := range []error{
		consensus.ErrNotLeader, consensus.ErrOutcomeUnknown, consensus.ErrNoQuorum, consensus.ErrBusy,
		p2p.ErrUnreachable, p2p.ErrBusy, errLeaderChanged, context.DeadlineExceeded,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	var remote *p2p.RemoteError
	if errors.As(err, &remote) {
		switch remote.Code {
		case codeNotLeader, codeUnknown, codeNoQuorum, codeClosing, p2p.CodeBusy, p2p.CodeDeadline:
			return true
		}
	}
	return false
}

// indigestible reports that the leader could not work with what it was sent,
// or this node with the answer: what a single statement of a batch may be the cause of.
func indigestible(err error) bool {
	var remote *p2p.RemoteError
	if errors.As(err, &remote) {
		return !passing(err)
	}
	var refused *p2p.RefusedError
	return errors.As(err, &refused) || errors.Is(err, p2p.ErrTooLarge) || errors.Is(err, errAnswer)
}
