package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"concordat/client"
	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/state"
	"concordat/p2p"
)

// The requests that nodes send one another beside Raft's.
const (
	submitProtocol    = "submit/1"     // a follower hands statements to the leader
	readIndexProtocol = "read-index/1" // a follower asks the leader how far it must read
)

// Bounds of one forwarded batch: as many statements as one block takes, and no
// more bytes than one frame carries.
const (
	maxForwarded      = 512
	maxForwardedBytes = 2 << 20
	forwardsInFlight  = 2
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

// forwarded is a batch on the wire.
type forwarded struct {
	Statements []forwardedStatement `cbor:"1,keyasint"`
}

type forwardedStatement struct {
	Raw        []byte `cbor:"1,keyasint"`
	Attachment []byte `cbor:"2,keyasint,omitempty"`
}

// forwardedOutcomes answers a batch, in its order.
type forwardedOutcomes struct {
	Outcomes []forwardedOutcome `cbor:"1,keyasint"`
}

type forwardedOutcome struct {
	Index    uint64 `cbor:"1,keyasint,omitempty"`
	Known    bool   `cbor:"2,keyasint,omitempty"`
	Name     string `cbor:"3,keyasint,omitempty"` // of the refusal
	Message  string `cbor:"4,keyasint,omitempty"`
	Hint     string `cbor:"5,keyasint,omitempty"`
	Revision uint64 `cbor:"6,keyasint,omitempty"`
}

// Codes of errors that a leader answers a forwarded request with.
const (
	codeNotLeader = "not-leader"
	codeNoQuorum  = "no-quorum"
	codeBusy      = "busy"
	codeUnknown   = "outcome-unknown"
)

var forwardMode = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		MaxArrayElements: max(maxForwarded, 16), MaxMapPairs: 16, MaxNestedLevels: 6,
		IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden, DupMapKey: cbor.DupMapKeyEnforcedAPF,
	}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}()

// courier gets statements ordered: by this node where it leads, else by the
// leader. What waits while a batch is under way is the next batch, so a lone
// statement waits for nothing and many share one round trip.
type courier struct {
	n      *Node
	queue  chan *order
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
}

func newCourier(n *Node, room int) *courier {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := &courier{n: n, queue: make(chan *order, room), cancel: cancel}
	for range forwardsInFlight {
		c.wg.Go(func() { c.run(ctx) })
	}
	return c
}

// close stops the couriers. Orders still queued are answered that the node is stopping.
func (c *courier) close() {
	c.cancel(errStopping)
	c.wg.Wait()
	for {
		select {
		case o := <-c.queue:
			o.done <- orderResult{err: errStopping}
		default:
			return
		}
	}
}

// order gets one statement ordered, and gives its outcome.
func (c *courier) order(ctx context.Context, cand ledger.Candidate) (consensus.Outcome, error) {
	o := &order{ctx: ctx, candidate: cand, done: make(chan orderResult, 1)}
	select {
	case c.queue <- o:
	default:
		return consensus.Outcome{}, client.Fail(client.Busy, "%d statements wait to be ordered already", cap(c.queue))
	}
	select {
	case r := <-o.done:
		return r.outcome, r.err
	case <-ctx.Done():
		return consensus.Outcome{}, context.Cause(ctx)
	}
}

func (c *courier) run(ctx context.Context) {
	for {
		var first *order
		select {
		case first = <-c.queue:
		case <-ctx.Done():
			return
		}
		batch := c.gather(first)
		outcomes, err := c.deliver(ctx, batch)
		for i, o := range batch {
			r := orderResult{err: err}
			if err == nil {
				r.outcome = outcomes[i]
			}
			o.done <- r
		}
	}
}

// gather takes what waits behind first, up to the bounds of one batch.
func (c *courier) gather(first *order) []*order {
	batch := []*order{first}
	size := len(first.candidate.Raw) + len(first.candidate.Attachment)
	for len(batch) < maxForwarded && size < maxForwardedBytes/2 {
		select {
		case o := <-c.queue:
			if o.ctx.Err() != nil { // nobody waits for it any more
				o.done <- orderResult{err: context.Cause(o.ctx)}
				continue
			}
			batch = append(batch, o)
			size += len(o.candidate.Raw) + len(o.candidate.Attachment)
		default:
			return batch
		}
	}
	return batch
}

// deliver sends the batch to whoever leads, again and again while leadership
// moves: the same bytes twice get the index of the first, so trying again is
// safe. It gives up when nobody has led for the time that the profile allows.
func (c *courier) deliver(ctx context.Context, batch []*order) ([]consensus.Outcome, error) {
	cands := make([]ledger.Candidate, len(batch))
	for i, o := range batch {
		cands[i] = o.candidate
	}
	patience := c.n.consensus.Patience()
	deadline := time.Now().Add(patience)
	wait := 5 * time.Millisecond
	for {
		outcomes, err := c.try(ctx, cands)
		if err == nil || !passing(err) {
			return outcomes, err
		}
		if time.Now().After(deadline) {
			return nil, client.Fail(client.NoQuorum, "no leader took the statement within %s: %v", patience, err)
		}
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, context.Cause(ctx)
		}
		wait = min(2*wait, 250*time.Millisecond)
	}
}

// passing reports whether trying again may help.
func passing(err error) bool {
	if errors.Is(err, consensus.ErrNotLeader) || errors.Is(err, consensus.ErrOutcomeUnknown) || errors.Is(err, consensus.ErrNoQuorum) || errors.Is(err, consensus.ErrBusy) {
		return true
	}
	var remote *p2p.RemoteError
	if errors.As(err, &remote) {
		return remote.Code == codeNotLeader || remote.Code == codeUnknown || remote.Code == codeNoQuorum || remote.Code == codeBusy
	}
	return errors.Is(err, p2p.ErrUnreachable) || errors.Is(err, errLeaderChanged) || errors.Is(err, context.DeadlineExceeded)
}

// try asks the leader of this moment once.
func (c *courier) try(ctx context.Context, cands []ledger.Candidate) ([]consensus.Outcome, error) {
	outcomes, err := c.n.consensus.Submit(ctx, cands)
	if !errors.Is(err, consensus.ErrNotLeader) {
		return outcomes, err
	}
	leader := c.n.consensus.Status().Leader
	if leader == "" || leader == c.n.self() {
		return nil, err
	}
	req := forwarded{Statements: make([]forwardedStatement, len(cands))}
	for i, cand := range cands {
		req.Statements[i] = forwardedStatement(cand)
	}
	b, err := cbor.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encoding statements for the leader: %w", err)
	}
	answer, err := c.n.callLeader(ctx, leader, submitProtocol, b)
	if err != nil {
		return nil, err
	}
	var got forwardedOutcomes
	if err := forwardMode.Unmarshal(answer, &got); err != nil || len(got.Outcomes) != len(cands) {
		return nil, fmt.Errorf("leader %s answered %d outcomes to %d statements: %v", leader, len(got.Outcomes), len(cands), err)
	}
	outcomes = make([]consensus.Outcome, len(cands))
	for i, o := range got.Outcomes {
		outcomes[i] = consensus.Outcome{Index: o.Index, Known: o.Known, Verdict: state.Verdict{Name: o.Name, Message: o.Message, Hint: o.Hint, Revision: o.Revision}}
	}
	return outcomes, nil
}

// errLeaderChanged: the node that was asked leads no more, so its answer is not waited for.
var errLeaderChanged = errors.New("the leader changed")

// callLeader asks the leader, and stops waiting when another leads: a leader
// that died answers nothing, and its connection may take long to be noticed.
func (n *Node) callLeader(ctx context.Context, leader, protocol string, request []byte) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answered := make(chan struct{})
	defer close(answered)
	go func() {
		for {
			changed := n.consensus.Changed()
			if _, id := n.consensus.Leader(); string(id) != leader {
				cancel(errLeaderChanged)
				return
			}
			select {
			case <-changed:
			case <-answered:
				return
			}
		}
	}()
	answer, err := n.host.Call(ctx, leader, protocol, request)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errLeaderChanged) {
		return nil, cause
	}
	return answer, err
}

// serveSubmit is the leader's side of a forwarded batch.
func (n *Node) serveSubmit(ctx context.Context, from p2p.Member, request []byte) ([]byte, error) {
	var req forwarded
	if err := forwardMode.Unmarshal(request, &req); err != nil {
		return nil, &p2p.RemoteError{Code: client.BadRequest, Message: "statements cannot be decoded"}
	}
	if k := len(req.Statements); k == 0 || k > maxForwarded {
		return nil, &p2p.RemoteError{Code: client.BadRequest, Message: fmt.Sprintf("%d statements, want 1 to %d", k, maxForwarded)}
	}
	cands := make([]ledger.Candidate, len(req.Statements))
	for i, s := range req.Statements {
		cands[i] = ledger.Candidate(s)
	}
	outcomes, err := n.consensus.Submit(ctx, cands)
	if err != nil {
		return nil, remoteError(err)
	}
	answer := forwardedOutcomes{Outcomes: make([]forwardedOutcome, len(outcomes))}
	for i, o := range outcomes {
		answer.Outcomes[i] = forwardedOutcome{Index: o.Index, Known: o.Known, Name: o.Verdict.Name, Message: o.Verdict.Message, Hint: o.Verdict.Hint, Revision: o.Verdict.Revision}
	}
	return cbor.Marshal(answer)
}

// serveReadIndex is the leader's side of a linearizable read.
func (n *Node) serveReadIndex(ctx context.Context, _ p2p.Member, _ []byte) ([]byte, error) {
	index, err := n.consensus.ReadIndex(ctx)
	if err != nil {
		return nil, remoteError(err)
	}
	return cbor.Marshal(index)
}

func remoteError(err error) error {
	code := "internal"
	switch {
	case errors.Is(err, consensus.ErrNotLeader):
		code = codeNotLeader
	case errors.Is(err, consensus.ErrNoQuorum):
		code = codeNoQuorum
	case errors.Is(err, consensus.ErrBusy):
		code = codeBusy
	case errors.Is(err, consensus.ErrOutcomeUnknown):
		code = codeUnknown
	}
	return &p2p.RemoteError{Code: code, Message: err.Error()}
}

// caughtUp returns once this node's ledger holds everything that was
// acknowledged anywhere before the call.
func (n *Node) caughtUp(ctx context.Context) error {
	index, err := n.consensus.ReadIndex(ctx)
	if errors.Is(err, consensus.ErrNotLeader) {
		leader := n.consensus.Status().Leader
		if leader == "" || leader == n.self() {
			return err
		}
		var answer []byte
		if answer, err = n.callLeader(ctx, leader, readIndexProtocol, nil); err == nil {
			err = forwardMode.Unmarshal(answer, &index)
		}
	}
	if err != nil {
		return err
	}
	return n.consensus.WaitApplied(ctx, index)
}
