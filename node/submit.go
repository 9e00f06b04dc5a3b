package node

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"concordat/client"
	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// notFinalYet is said where a caller waited for more than there is.
const notFinalYet = "checkpoints are not certified yet: final is answered as ordered"

// Submit takes a signed statement. What is malformed, for another network, or
// not signed by its authority goes no further than this node.
func (n *Node) Submit(ctx context.Context, raw, attachment []byte, wait string) (client.Submitted, error) {
	if n.stopping.Load() {
		return client.Submitted{}, errStopping
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Limits.SubmitTimeout)
	defer cancel()
	u, err := n.admit(raw, attachment)
	if err != nil {
		return client.Submitted{}, err
	}
	answer := client.Submitted{Hash: u.Hash().String()}
	cand := ledger.Candidate{Raw: raw, Attachment: attachment}
	if wait == client.Accepted {
		return n.accept(answer, u.Hash(), cand)
	}
	outcome, err := n.courier.order(ctx, cand)
	if err == nil {
		err = refused(outcome.Verdict)
	}
	if err == nil {
		err = n.seen(ctx, u.Hash(), outcome)
	}
	if err != nil {
		return client.Submitted{}, submitFailure(err)
	}
	answer.Index, answer.Known, answer.State = &outcome.Index, outcome.Known, client.Ordered
	if wait == client.Final {
		answer.Note = notFinalYet
	}
	return answer, nil
}

// admit checks what can be known of a statement without the others.
func (n *Node) admit(raw, attachment []byte) (*statement.Unverified, error) {
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
	view := n.ledger.View()
	defer n.release(view)
	key, verdict, err := state.SigningKey(view.State(), s.Issuer, u.KeyID())
	if err != nil {
		return nil, err
	}
	if err := refused(verdict); err != nil {
		return nil, err
	}
	if _, err := n.checker.Verify(u, key); err != nil {
		return nil, client.Fail(client.WrongSignature, "%v", err)
	}
	return u, nil
}

// accept holds a statement on this node's disk and signs a promise to get it ordered.
func (n *Node) accept(answer client.Submitted, hash statement.Hash, cand ledger.Candidate) (client.Submitted, error) {
	if held := n.keeper.count(); held >= n.cfg.Limits.Held {
		return client.Submitted{}, client.Fail(client.Busy, "%d statements are held already, at most %d", held, n.cfg.Limits.Held)
	}
	if err := n.ledger.Hold(cand); err != nil {
		return client.Submitted{}, submitFailure(err)
	}
	n.keeper.nudge()
	answer.State = client.Accepted
	answer.Promise = n.promise(hash, time.Now())
	return answer, nil
}

// promise is what this node signs when it takes a statement in: the words
//
//	concordat promise v1
//	<network id, hex>
//	<statement hash, hex>
//	<Unix seconds>
//
// each ended by a newline, under its node key. The promise is the authority,
// the seconds and the signature in base64, parted by spaces.
func (n *Node) promise(hash statement.Hash, at time.Time) string {
	text := fmt.Sprintf("concordat promise v1\n%s\n%s\n%d\n", n.network, hash, at.Unix())
	sig := ed25519.Sign(n.nodeKey, []byte(text))
	return fmt.Sprintf("%s %d %s", n.me.ID, at.Unix(), base64.StdEncoding.EncodeToString(sig))
}

// seen returns once this node's own ledger holds the statement where the
// leader says it is: a leader's word alone is not an acknowledgement.
func (n *Node) seen(ctx context.Context, hash statement.Hash, outcome consensus.Outcome) error {
	if err := n.ledger.Wait(ctx, outcome.Index+1); err != nil {
		return err
	}
	view := n.ledger.View()
	defer n.release(view)
	index, err := view.IndexOf(hash)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	if err != nil || index != outcome.Index {
		return fmt.Errorf("the leader said that statement %s is at index %d, and this node's ledger has it not there", hash, outcome.Index)
	}
	return nil
}

// refused turns a verdict against a statement into a failure; nil if it was accepted.
func refused(v state.Verdict) error {
	if v.Accepted() {
		return nil
	}
	f := client.Fail(v.Name, "%s", v.Message).WithStatus(statusOf[v.Class()]).WithHint("%s", v.Hint)
	if v.Class() == state.Conflict {
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
func submitFailure(err error) error {
	var f *client.Failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, ledger.ErrBroken):
		return client.Fail(client.Broken, "%v", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return client.Fail(client.Timeout, "the statement was not ordered in time")
	case errors.Is(err, consensus.ErrNoQuorum), errors.Is(err, consensus.ErrNotLeader):
		return client.Fail(client.NoQuorum, "%v", err)
	case errors.Is(err, consensus.ErrBusy):
		return client.Fail(client.Busy, "%v", err)
	case errors.Is(err, consensus.ErrClosed):
		return errStopping
	}
	return err
}
