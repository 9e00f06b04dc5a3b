package node

import (
	"context"
	"time"

	"concordat/ledger"
	"concordat/ledger/statement"
)

// How often it is looked whether validators hand over, and how long a follower
// leaves it to the leader: the same statement from all would only be refused.
const (
	handoverEvery    = 200 * time.Millisecond
	handoverPatience = 3 * time.Second
)

// handOver says in the ledger that the validators before a change and those
// after it both vouch for it, once they do. The leader says it; if it does not,
// anybody does.
func (n *Node) handOver(ctx context.Context) {
	var pendingSince time.Time
	for sleep(ctx, handoverEvery) == nil {
		body, due, err := n.handoverDue()
		if err != nil {
			n.log.Error("a change of validators cannot be handed over", "err", err)
			continue
		}
		if !due {
			pendingSince = time.Time{}
			continue
		}
		if pendingSince.IsZero() {
			pendingSince = time.Now()
		}
		if !n.order.leads() && time.Since(pendingSince) < handoverPatience {
			continue
		}
		v, err := n.sayAsNode(body)
		if err != nil {
			n.log.Error("a handover cannot be signed", "err", err)
			continue
		}
		once, cancel := context.WithTimeout(ctx, n.cfg.Limits.SubmitTimeout)
		outcome, err := n.courier.order(once, ledger.Candidate{Raw: v.Raw()})
		cancel()
		switch {
		case err != nil:
			n.log.Debug("a handover was not ordered", "err", err)
		case !outcome.Verdict.Accepted():
			n.log.Debug("a handover was refused", "verdict", outcome.Verdict)
		default:
			n.log.Info("the validators have handed over", "statement", outcome.Index, "seal", body.Seal)
		}
	}
}

// handoverDue gives the handover that can be said now.
func (n *Node) handoverDue() (*statement.HandOver, bool, error) {
	if !n.me.active() {
		return nil, false, nil
	}
	view := n.ledger.View()
	defer n.release(view)
	pending, is, err := view.State().PendingHandover()
	if err != nil || !is || pending.SealedAt == nil {
		return nil, false, err
	}
	c := n.ledger.Certified()
	if c == nil || c.Checkpoint().Size <= *pending.SealedAt || c.Checkpoint().Size > view.Head().Size {
		return nil, false, nil
	}
	return &statement.HandOver{Seal: *pending.SealedAt, Note: c.Note()}, true, nil
}

// handsOver reports that the validators have changed and the change is not sealed
// yet: then a seal is due at once, which lists the new ones.
func (n *Node) handsOver(view *ledger.View) (bool, error) {
	pending, is, err := view.State().PendingHandover()
	return is && pending.SealedAt == nil, err
}
