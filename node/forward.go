package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"concordat/client"
	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/p2p"
)

// The requests that nodes send one another beside Raft's.
const (
	submitProtocol    = "submit/1"     // a follower hands statements to the leader
	readIndexProtocol = "read-index/1" // a follower asks the leader how far it must read
	frontierProtocol  = "frontier/1"   // one that lost its votes asks the leader how far its log goes
	termProtocol      = "term/1"       // and each validator for its term
)

// maxForwarded bounds a forwarded batch in bytes: batchBytes, not yet full,
// with one largest statement on top, and what CBOR puts around 512 of them.
const maxForwarded = batchBytes + statement.MaxSize + statement.MaxAttachment + maxBatch*16 + 16

// maxRefusalText bounds what a leader says of one refusal, in bytes.
const maxRefusalText = 1 << 10

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
	Index    uint64  `cbor:"1,keyasint,omitempty"`
	Known    bool    `cbor:"2,keyasint,omitempty"`
	Name     string  `cbor:"3,keyasint,omitempty"` // of the refusal
	Message  string  `cbor:"4,keyasint,omitempty"`
	Hint     string  `cbor:"5,keyasint,omitempty"`
	Revision uint64  `cbor:"6,keyasint,omitempty"`
	Newest   *uint64 `cbor:"7,keyasint,omitempty"` // statement on the subject
}

// Codes of errors that a leader answers a forwarded request with.
const (
	codeNotLeader = "not-leader"
	codeNoQuorum  = "no-quorum"
	codeUnknown   = "outcome-unknown"
	codeClosing   = "closing" // the leader is stopping: another will lead
)

// errAnswer: what the leader answered cannot be an answer.
var errAnswer = errors.New("the leader's answer is not understood")

var forwardMode = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		MaxArrayElements: maxBatch, MaxMapPairs: 16, MaxNestedLevels: 6,
		IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden, DupMapKey: cbor.DupMapKeyEnforcedAPF,
	}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}()

func encodeBatch(cands []ledger.Candidate) ([]byte, error) {
	req := forwarded{Statements: make([]forwardedStatement, len(cands))}
	for i, c := range cands {
		req.Statements[i] = forwardedStatement(c)
	}
	return cbor.Marshal(req)
}

// decodeBatch reads a forwarded batch. What the statements are worth is for
// the ledger to judge, one by one; here only their bounds are.
func decodeBatch(b []byte) ([]ledger.Candidate, error) {
	var req forwarded
	if err := forwardMode.Unmarshal(b, &req); err != nil {
		return nil, errors.New("statements cannot be decoded")
	}
	if k := len(req.Statements); k == 0 || k > maxBatch {
		return nil, fmt.Errorf("%d statements, want 1 to %d", k, maxBatch)
	}
	cands := make([]ledger.Candidate, len(req.Statements))
	for i, s := range req.Statements {
		if len(s.Raw) > statement.MaxSize || len(s.Attachment) > statement.MaxAttachment {
			return nil, fmt.Errorf("statement %d has %d bytes and an attachment of %d, at most %d and %d",
				i, len(s.Raw), len(s.Attachment), statement.MaxSize, statement.MaxAttachment)
		}
		cands[i] = ledger.Candidate(s)
	}
	return cands, nil
}

func encodeOutcomes(outcomes []consensus.Outcome) ([]byte, error) {
	answer := forwardedOutcomes{Outcomes: make([]forwardedOutcome, len(outcomes))}
	for i, o := range outcomes {
		answer.Outcomes[i] = forwardedOutcome{
			Index: o.Index, Known: o.Known, Name: o.Verdict.Name, Message: client.Clip(o.Verdict.Message, maxRefusalText),
			Hint: client.Clip(o.Verdict.Hint, maxRefusalText), Revision: o.Verdict.Revision, Newest: o.Verdict.Index,
		}
	}
	return cbor.Marshal(answer)
}

// decodeOutcomes reads the answer to a batch of so many statements. Errors wrap errAnswer.
func decodeOutcomes(b []byte, statements int) ([]consensus.Outcome, error) {
	var got forwardedOutcomes
	if err := forwardMode.Unmarshal(b, &got); err != nil {
		return nil, fmt.Errorf("%w: %w", errAnswer, err)
	}
	if len(got.Outcomes) != statements {
		return nil, fmt.Errorf("%w: %d outcomes to %d statements", errAnswer, len(got.Outcomes), statements)
	}
	outcomes := make([]consensus.Outcome, statements)
	for i, o := range got.Outcomes {
		outcomes[i] = consensus.Outcome{Index: o.Index, Known: o.Known, Verdict: state.Verdict{
			Name: client.Clip(o.Name, 64), Message: client.Clip(o.Message, maxRefusalText), Hint: client.Clip(o.Hint, maxRefusalText), Revision: o.Revision, Index: o.Newest,
		}}
	}
	return outcomes, nil
}

// try asks the leader of this moment once: this node itself, or another.
func (n *Node) try(ctx context.Context, cands []ledger.Candidate) ([]consensus.Outcome, error) {
	outcomes, err := n.order.Submit(ctx, cands)
	if !errors.Is(err, consensus.ErrNotLeader) {
		return outcomes, err
	}
	leader := n.order.Status().Leader
	if leader == "" || leader == n.self() {
		return nil, err
	}
	b, err := encodeBatch(cands)
	if err != nil {
		return nil, fmt.Errorf("encoding statements for the leader: %w", err)
	}
	answer, err := n.callLeader(ctx, leader, submitProtocol, b)
	if err != nil {
		return nil, err
	}
	if outcomes, err = decodeOutcomes(answer, len(cands)); err != nil {
		return nil, fmt.Errorf("%s: %w", leader, err)
	}
	return outcomes, nil
}

// errLeaderChanged: the node that was asked leads no more, so its answer is not waited for.
var errLeaderChanged = errors.New("the leader changed")

// callLeader asks the leader, and stops waiting when another leads: a leader
// that died answers nothing, and its connection may take long to be noticed.
func (n *Node) callLeader(ctx context.Context, leader, protocol string, request []byte) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			changed := n.order.Changed()
			if _, id := n.order.Leader(); string(id) != leader {
				cancel(errLeaderChanged)
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	answer, err := n.host.Call(ctx, leader, protocol, request)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errLeaderChanged) {
		err = cause
	}
	cancel(nil)
	<-watched
	return answer, err
}

// serveSubmit is the leader's side of a forwarded batch.
func (n *Node) serveSubmit(ctx context.Context, from p2p.Member, request []byte) ([]byte, error) {
	cands, err := decodeBatch(request)
	if err != nil {
		return nil, &p2p.RemoteError{Code: client.BadRequest, Message: err.Error()}
	}
	outcomes, err := n.submitWithinQuotas(ctx, from.Authority, cands)
	if err != nil {
		return nil, remoteError(err)
	}
	return encodeOutcomes(outcomes)
}

// serveReadIndex is the leader's side of a linearizable read.
func (n *Node) serveReadIndex(ctx context.Context, _ p2p.Member, _ []byte) ([]byte, error) {
	index, err := n.order.ReadIndex(ctx)
	if err != nil {
		return nil, remoteError(err)
	}
	return cbor.Marshal(index)
}

// serveFrontier tells a validator that lost its votes how far the leader's log goes.
func (n *Node) serveFrontier(ctx context.Context, _ p2p.Member, request []byte) ([]byte, error) {
	var adopted uint64
	if err := forwardMode.Unmarshal(request, &adopted); err != nil {
		return nil, &p2p.RemoteError{Code: client.BadRequest, Message: "want the entry that was adopted"}
	}
	index, err := n.order.Frontier(ctx, adopted)
	if err != nil {
		return nil, remoteError(err)
	}
	return cbor.Marshal(index)
}

// serveTerm tells it this node's term.
func (n *Node) serveTerm(context.Context, p2p.Member, []byte) ([]byte, error) {
	if n.order.isAway() { // it has none, and no vote of another's to tell of
		return nil, remoteError(fmt.Errorf("%w: %w", consensus.ErrNoQuorum, errCatchingUp))
	}
	return cbor.Marshal(n.order.Term())
}

// peerTerm asks another validator for its term. Errors wrap errAnswer where it is no
// honest node's.
func (n *Node) peerTerm(ctx context.Context, id string) (term uint64, err error) {
	answer, err := n.host.Call(ctx, id, termProtocol, nil)
	if err != nil {
		return 0, err
	}
	if err := forwardMode.Unmarshal(answer, &term); err != nil {
		return 0, fmt.Errorf("%s: %w: %w", id, errAnswer, err)
	}
	// Raft would store it before it thinks about it: see p2p, P5 and P10.
	if most := n.maxTerm(); term > most {
		return 0, fmt.Errorf("%s: %w: term %d, at most %d is plausible by this node's clock", id, errAnswer, term, most)
	}
	return term, nil
}

// frontier asks the leader of this moment how far its log goes.
func (n *Node) frontier(ctx context.Context, adopted uint64) (uint64, error) {
	request, err := cbor.Marshal(adopted)
	if err != nil {
		return 0, err
	}
	return n.askLeader(ctx, func(ctx context.Context) (uint64, error) { return n.order.Frontier(ctx, adopted) }, frontierProtocol, request)
}

// remoteError says to a follower what it can make of an error: whether to ask again, and whom.
func remoteError(err error) error {
	var code string
	switch {
	// Before what it wraps: some of the statements may have been proposed.
	case errors.Is(err, consensus.ErrOutcomeUnknown):
		code = codeUnknown
	case errors.Is(err, consensus.ErrNotLeader):
		code = codeNotLeader
	case errors.Is(err, consensus.ErrNoQuorum):
		code = codeNoQuorum
	case errors.Is(err, consensus.ErrBusy):
		code = p2p.CodeBusy
	case errors.Is(err, consensus.ErrClosed):
		code = codeClosing
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		code = p2p.CodeDeadline
	default:
		return err // the host logs it, and says that there is more in this node's log
	}
	return &p2p.RemoteError{Code: code, Message: err.Error()}
}

// caughtUp returns once this node's ledger holds everything that was
// acknowledged anywhere before the call. It asks again while leadership moves,
// until ctx ends or waiting is vain.
func (n *Node) caughtUp(ctx context.Context) error {
	ctx, done := n.courier.within(ctx)
	defer done()
	wait := 5 * time.Millisecond
	for {
		index, err := n.readIndex(ctx)
		if err == nil {
			return n.order.WaitApplied(ctx, index)
		}
		if !passing(err) || n.hopeless() {
			return err
		}
		if sleep(ctx, wait) != nil {
			return err
		}
		wait = min(2*wait, 250*time.Millisecond)
	}
}

// readIndex asks the leader of this moment how far a reader must have applied.
func (n *Node) readIndex(ctx context.Context) (uint64, error) {
	return n.askLeader(ctx, n.order.ReadIndex, readIndexProtocol, nil)
}

// askLeader asks this node where it leads, else the leader, for a place in the order.
func (n *Node) askLeader(ctx context.Context, here func(context.Context) (uint64, error), protocol string, request []byte) (uint64, error) {
	index, err := here(ctx)
	if !errors.Is(err, consensus.ErrNotLeader) {
		return index, err
	}
	leader := n.order.Status().Leader
	if leader == "" || leader == n.self() {
		return 0, err
	}
	answer, err := n.callLeader(ctx, leader, protocol, request)
	if err != nil {
		return 0, err
	}
	if err := forwardMode.Unmarshal(answer, &index); err != nil {
		return 0, fmt.Errorf("%w: %w", errAnswer, err)
	}
	return index, nil
}

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
