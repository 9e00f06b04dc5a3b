package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"concordat/client"
	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/p2p"
	"concordat/recognition"
)

// Submit takes a signed statement. What is malformed, for another network, or
// not signed by its authority goes no further than this node.
func (n *Node) Submit(ctx context.Context, raw, attachment []byte, wait string) (client.Submitted, error) {
	ctx, done := n.courier.within(ctx)
	defer done()
	answer, err := n.submit(ctx, raw, attachment, wait)
	if err != nil {
		return client.Submitted{}, n.submitFailure(err)
	}
	return answer, nil
}

func (n *Node) submit(ctx context.Context, raw, attachment []byte, wait string) (client.Submitted, error) {
	if n.stopping.Load() {
		return client.Submitted{}, errStopping
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Limits.SubmitTimeout)
	defer cancel()
	u, err := n.read(raw, attachment)
	if err != nil {
		return client.Submitted{}, err
	}
	// Whoever sends again what is public already costs its authority nothing.
	index, known, err := n.known(u.Hash())
	if err != nil {
		return client.Submitted{}, err
	}
	if known && n.order.Status().Diverged == "" { // else it is not for this node to say
		return n.settled(ctx, orderedAt(u.Hash(), index, true), wait)
	}
	if err := n.admit(ctx, u); err != nil {
		return client.Submitted{}, err
	}
	cand := ledger.Candidate{Raw: raw, Attachment: attachment}
	if n.keeper.pending.holds(u.Hash()) { // it was taken from the quota when it was held
		return n.bring(ctx, u, cand, wait)
	}
	// The signature is good: it is the authority's own quota that it uses.
	by, size := u.Statement().Issuer, sizeOf(cand)
	if x := n.keeper.quotas.take(by, size); x != nil {
		return client.Submitted{}, x.failure()
	}
	answer, err := n.bring(ctx, u, cand, wait)
	// The ledger had it, and this node's did not yet. Of an urgent one it may have
	// been this very submission: it is held here while it is on its way.
	if answer.Known && !recognition.Urgent(u.Statement().Body) {
		n.keeper.quotas.giveBack(by, size)
	}
	return answer, err
}

// bring gets a statement that was admitted ordered, or holds it.
func (n *Node) bring(ctx context.Context, u *statement.Unverified, cand ledger.Candidate, wait string) (client.Submitted, error) {
	urgent := recognition.Urgent(u.Statement().Body)
	switch {
	case urgent && (wait != client.Accepted || n.order.isAway()):
		return n.orderUrgently(ctx, u, cand, wait)
	case wait == client.Accepted:
		answer, err := n.accept(u, cand)
		if err != nil || answer.Index == nil {
			return answer, err
		}
		return n.settled(ctx, answer, wait)
	}
	outcome, err := n.courier.order(ctx, cand)
	if err != nil {
		return client.Submitted{}, err
	}
	return n.ordered(ctx, u.Hash(), outcome, wait)
}

// ordered answers for a statement of which the leader has said what became of it.
func (n *Node) ordered(ctx context.Context, hash statement.Hash, outcome consensus.Outcome, wait string) (client.Submitted, error) {
	if v := outcome.Verdict; !v.Accepted() {
		return client.Submitted{}, asFailure(v)
	}
	if err := n.seen(ctx, hash, outcome); err != nil {
		return client.Submitted{}, err
	}
	return n.settled(ctx, orderedAt(hash, outcome.Index, outcome.Known), wait)
}

// settled waits for an ordered statement to become final, where that is asked
// for. That it has not become so in time is no failure: it is ordered.
func (n *Node) settled(ctx context.Context, answer client.Submitted, wait string) (client.Submitted, error) {
	if wait == client.Final {
		err := n.certifier.WaitFinal(ctx, *answer.Index+1)
		switch {
		case n.stopping.Load() && err != nil:
			return answer, errStopping
		case err != nil:
			answer.Note = "ordered, and not final within the time that a submission has: " + n.notFinal()
		}
	}
	if *answer.Index < n.FinalSize() {
		answer.State = client.Final
	}
	return answer, nil
}

// notFinal says in words why what is ordered does not become final.
func (n *Node) notFinal() string {
	st := n.certifier.Status()
	why := st.NotFinal // of a validator that does not vouch, with Why
	if len(why) == 0 {
		why = st.Why
	}
	if len(why) > 0 {
		return strings.Join(why, "; ")
	}
	return "the validators have not co-signed it yet"
}

func orderedAt(hash statement.Hash, index uint64, known bool) client.Submitted {
	return client.Submitted{Hash: hash.String(), Index: &index, Known: known, State: client.Ordered}
}

// read checks what a statement says of itself, whoever signed it.
func (n *Node) read(raw, attachment []byte) (*statement.Unverified, error) {
	u, err := statement.Parse(raw)
	switch {
	case errors.Is(err, statement.ErrTooLarge):
		return nil, client.Fail(client.TooLarge, "%v", err)
	case err != nil:
		return nil, client.Fail(client.Malformed, "%v", err)
	}
	s := u.Statement()
	if s.Network != n.network {
		return nil, client.Fail(state.WrongNetwork, "the statement is for network %s, this is %s", s.Network, n.network).
			WithStatus(http.StatusUnprocessableEntity).WithHint("sign for this network's id: the SHA-256 of its genesis file, as /v1/status shows it")
	}
	if err := s.CheckAttachment(attachment); err != nil {
		return nil, client.Fail(client.Malformed, "%v", err)
	}
	if s.Kind() == statement.Seal {
		return nil, client.Fail(state.SealMisplaced, "seals are made by the node that leads, and are not taken from outside").
			WithStatus(http.StatusForbidden)
	}
	if s.Kind() == statement.NetworkRecovery {
		return nil, client.Fail(state.RecoveryMisplaced, "recoveries are made with concordat recover, on nodes that are stopped, and are not taken from outside").
			WithStatus(http.StatusForbidden)
	}
	return u, nil
}

// admit checks what can be known without the others of who signed a statement.
func (n *Node) admit(ctx context.Context, u *statement.Unverified) error {
	away := n.order.catchingUp()
	if away != nil && !recognition.Urgent(u.Statement().Body) {
		return away
	}
	err := n.checkSignature(u)
	if err == nil || away == nil && n.uptodate() {
		return err
	}
	if away != nil {
		return away
	}
	// This node lags: what is wrong here may be right where the others are.
	ctx, cancel := context.WithTimeout(ctx, n.order.Patience())
	defer cancel()
	if lag := n.caughtUp(ctx); lag != nil {
		return client.Fail(client.Stale, "this node would refuse the statement (%v), and is not up to date: %v", err, lag)
	}
	return n.checkSignature(u)
}

// uptodate reports that this node has applied all that it knows to be committed.
func (n *Node) uptodate() bool {
	s := n.order.Status()
	return s.CaughtUp && s.Applied >= s.Commit
}

// checkSignature verifies a statement with the key that this node's state has for its issuer.
func (n *Node) checkSignature(u *statement.Unverified) error {
	view := n.ledger.View()
	defer n.release(view)
	s := u.Statement()
	key, verdict, err := state.SigningKey(view.State(), s.Issuer, u.KeyID(), s.Kind())
	if err != nil {
		return err
	}
	if !verdict.Accepted() {
		return asFailure(verdict)
	}
	if _, err := n.checker.Verify(u, key); err != nil {
		return client.Fail(client.WrongSignature, "%v", err)
	}
	return nil
}

// accept holds a statement on this node's disk and signs a promise to get it
// ordered; one that is urgent is in force here when it returns. What could never
// be ordered is refused at once.
func (n *Node) accept(u *statement.Unverified, cand ledger.Candidate) (client.Submitted, error) {
	return n.acceptFrom("", u, cand)
}

// acceptFrom is accept for a statement that another node has passed on.
func (n *Node) acceptFrom(node string, u *statement.Unverified, cand ledger.Candidate) (client.Submitted, error) {
	judged, err := n.ledger.Judge([]ledger.Candidate{cand})
	if err != nil {
		return client.Submitted{}, err
	}
	switch j := judged[0]; {
	case j.Known:
		return orderedAt(u.Hash(), j.Index, true), nil
	case !j.Accepted() && lasting(u.Statement(), j.Verdict):
		return client.Submitted{}, asFailure(j.Verdict)
	}
	if err := n.hold(u, cand); err != nil {
		return client.Submitted{}, err
	}
	// It may have been ordered meanwhile, and then nothing is held.
	if index, known, err := n.known(u.Hash()); err != nil {
		return client.Submitted{}, err
	} else if known {
		return orderedAt(u.Hash(), index, true), nil
	}
	promise := n.keeper.pending.hold(u, cand, node)
	n.keeper.nudge()
	return client.Submitted{
		Hash: u.Hash().String(), State: client.Accepted, Promise: promise.String(), InForce: n.keeper.pending.force.has(u.Hash()),
	}, nil
}

// lasting reports that nothing which may yet be said could turn a refusal of
// s: that the signer may not say it, or that its subject has gone past the
// revision that it makes, or stands right before it and has it in the way, so
// that whatever changes that goes past it too. Anything else may rest on a
// statement under way.
func lasting(s statement.Statement, v state.Verdict) bool {
	if ledger.ClassOf(v) != state.Conflict {
		return true
	}
	switch v.Name {
	case state.AlreadyKnown, state.SealMisplaced, state.SealBackdated:
		return true // what nodes make they make anew, if there is still need
	}
	return s.Revision > 0 && s.Revision <= v.Revision+1
}

// seen returns once this node's own ledger holds the statement where the
// leader says it is: a leader's word alone is not an acknowledgement.
func (n *Node) seen(ctx context.Context, hash statement.Hash, outcome consensus.Outcome) error {
	if err := n.ledger.Wait(ctx, outcome.Index+1); err != nil {
		return err
	}
	index, known, err := n.known(hash)
	if err != nil {
		return err
	}
	if !known || index != outcome.Index {
		return fmt.Errorf("the leader said that statement %s is at index %d, and this node's ledger has it not there", hash, outcome.Index)
	}
	return nil
}

// known finds a statement in this node's ledger.
func (n *Node) known(hash statement.Hash) (index uint64, known bool, err error) {
	view := n.ledger.View()
	defer n.release(view)
	index, err = view.IndexOf(hash)
	if errors.Is(err, ledger.ErrNotFound) {
		return 0, false, nil
	}
	return index, err == nil, err
}

// asFailure says a refusal as the API does.
func asFailure(v state.Verdict) *client.Failure {
	if v.Name == client.QuotaExceeded {
		return overQuota(v)
	}
	class := ledger.ClassOf(v)
	status, known := statusOf[class]
	if !known { // of a leader with a newer release: it is a refusal, and not this node's fault
		status = http.StatusUnprocessableEntity
	}
	f := client.Fail(v.Name, "%s", v.Message).WithStatus(status)
	if v.Hint != "" {
		f = f.WithHint("%s", v.Hint)
	}
	if class == state.Conflict {
		f.Detail = map[string]any{"revision": v.Revision}
		if v.Index != nil {
			f.Detail["statement"] = *v.Index
		}
	}
	return f
}

// statusOf is the HTTP status that goes with each class of refusal.
var statusOf = map[state.Class]int{
	state.Conflict:  http.StatusConflict,
	state.Forbidden: http.StatusForbidden,
	state.Malformed: http.StatusUnprocessableEntity,
}

// submitFailure names what can go wrong on the way to the order.
func (n *Node) submitFailure(err error) error {
	var f *client.Failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, ledger.ErrHeldFull):
		return client.Fail(client.Busy, "%v", err)
	case errors.Is(err, ledger.ErrBroken):
		return client.Fail(client.Broken, "%v", err)
	case errors.Is(err, consensus.ErrClosed), errors.Is(err, ledger.ErrClosed), errors.Is(err, p2p.ErrClosed):
		if sick := n.Healthy(); sick != nil {
			return sick
		}
		return errStopping
	case errors.Is(err, context.DeadlineExceeded) && n.order.Status().Quorum:
		return client.Fail(client.Timeout, "the statement was not ordered within %s", n.cfg.Limits.SubmitTimeout)
	case errors.Is(err, context.DeadlineExceeded):
		return client.Fail(client.NoQuorum, "the statement was not ordered within %s, and there is no quorum", n.cfg.Limits.SubmitTimeout)
	case errors.Is(err, context.Canceled) && n.stopping.Load():
		return errStopping
	case errors.Is(err, context.Canceled):
		return client.Fail(client.Timeout, "the caller left before the statement was ordered")
	}
	return err
}
