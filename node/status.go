package node

import (
	"context"
	"encoding/hex"
	"time"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/checkpoint"
)

// Status is the node at a glance.
func (n *Node) Status() client.Status {
	c := n.order.Status()
	head := n.ledger.Head()
	s := client.Status{
		Network: n.network.String(), NetworkName: n.doc.Network, Region: n.self(), Role: string(n.me.Role), Standing: string(n.me.Standing), Lineage: n.lineage(),
		RaftRole: c.Role, Leader: c.Leader, Term: c.Term,
		Size: head.Size, Root: hexRoot(head.Root), Final: n.final(),
		Log:    client.LogInfo{Origin: n.origin(), VKey: checkpoint.LogVKey(n.origin(), n.me.Node)},
		MaxAge: n.cfg.Check.MaxAge.String(), Quorum: c.Quorum, Held: n.ledger.HeldCount(), Pending: n.pendingStatus(), Limits: n.quotaStatus(), Peers: n.Peers(),
		Vouching: n.certifier.Status().Vouching, Problems: n.allProblems(), CatchingUp: n.order.progress(),
		Version: n.cfg.Version, Started: n.started.Format(time.RFC3339),
	}
	s.Age, s.AgeMillis = ageInWords(n.age(time.Now()))
	if !c.Quorum && !c.NoQuorumSince.IsZero() {
		since := stamp(c.NoQuorumSince)
		s.Since = &since
	}
	view := n.ledger.View()
	defer n.release(view)
	var err error
	if s.Evidence, err = n.Evidence(view); err != nil {
		n.log.Warn("evidence cannot be read", "err", err)
		s.Evidence = []client.Culprit{}
	}
	if s.Expiring, err = n.expiring(view); err != nil {
		n.log.Warn("what ends soon cannot be read", "err", err)
		s.Expiring = []client.Expiring{}
	}
	for i := range s.Evidence {
		s.Evidence[i].Proof = nil // /v1/evidence has it
	}
	if h, pending, err := view.State().PendingHandover(); err != nil {
		n.log.Warn("a handover cannot be read", "err", err)
	} else if pending {
		s.Handover = &client.Handover{ChangedBy: h.ChangedAt, Seal: h.SealedAt}
	}
	if last, sealed, err := view.State().LastSeal(); err != nil {
		n.log.Warn("the newest seal cannot be read", "err", err)
	} else if sealed {
		s.Seal = &client.Seal{Statement: last.Index, At: last.At.Time()}
	}
	return s
}

// final is the newest certified checkpoint, and what keeps newer ones away.
func (n *Node) final() client.FinalHead {
	st := n.certifier.Status()
	out := client.FinalHead{Cosigners: cosigners(st.Final), Quorum: st.Quorum}
	if st.Final != nil {
		c := st.Final.Checkpoint()
		out.Size, out.Root = c.Size, hexRoot(c.Root)
	}
	out.Age, out.AgeMillis = ageInWords(n.age(time.Now()))
	if !st.NotFinalSince.IsZero() {
		since := stamp(st.NotFinalSince)
		out.Since, out.Note = &since, n.notFinal()
	}
	return out
}

// Peers are the other nodes as this one sees them.
func (n *Node) Peers() []client.Peer {
	out := []client.Peer{}
	for _, p := range n.host.Peers() {
		if p.Self {
			continue
		}
		addrs := make([]string, len(p.Addrs))
		for i, a := range p.Addrs {
			addrs[i] = a.String()
		}
		out = append(out, client.Peer{Region: p.Authority, PeerID: p.Peer.String(), Connected: p.Connected, Addresses: addrs})
	}
	return out
}

// View pins the ledger as it stands; the caller closes it.
func (n *Node) View() *ledger.View { return n.ledger.View() }

// Await returns once the ledger has more than size statements, or more than
// final of them are final.
func (n *Node) Await(ctx context.Context, size, final uint64) error {
	for {
		grown, certified := n.ledger.Changed(), n.certifier.Changed()
		if n.ledger.Head().Size > size || n.FinalSize() > final {
			return nil
		}
		select {
		case <-grown:
		case <-certified:
		case <-n.ledger.Broken():
			return n.ledger.Err()
		case <-n.stop.Done():
			return errStopping
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Healthy is nil while the process does its work.
func (n *Node) Healthy() error {
	if n.stopping.Load() {
		return errStopping
	}
	err := n.ledger.Err()
	if first := n.broken.Load(); first != nil {
		err = *first
	}
	if err != nil {
		return client.Fail(client.Broken, "%v", err)
	}
	return nil
}

// Ready is nil when this node takes part in the order, has applied what was
// ordered before it started, and vouches for it.
func (n *Node) Ready() error {
	if err := n.Healthy(); err != nil {
		return err
	}
	if err := n.order.catchingUp(); err != nil {
		return err
	}
	c := n.order.Status()
	switch {
	case c.Leader == "":
		return client.Fail(client.NoQuorum, "no leader is known, since %s", stamp(c.NoQuorumSince))
	case c.Diverged == "" && !c.CaughtUp:
		return client.Fail(client.Stale, "catching up: %d entries of the order are applied of %d", c.Applied, c.Commit)
	}
	for _, p := range n.allProblems() {
		if p.Vouch {
			return client.Fail(client.NotVouching, "%s", p.Message).WithHint("%s", p.Hint)
		}
	}
	if n.FinalSize() < n.ledger.Head().Size && n.certifier.Final() == nil {
		return client.Fail(client.NotFinal, "nothing is final yet: %s", n.notFinal())
	}
	return nil
}

func hexRoot[T ~[32]byte](r T) string { return hex.EncodeToString(r[:]) }

// release lets a view go. That it cannot be closed is the store's fault, and
// says nothing against what was read from it.
func (n *Node) release(v *ledger.View) {
	if err := v.Close(); err != nil {
		n.log.Warn("view not closed", "err", err)
	}
}

// lineage is how often, plus one, the network was recovered from the loss of a
// majority of its disks.
func (n *Node) lineage() uint64 {
	view := n.ledger.View()
	defer n.release(view)
	network, err := view.State().Network()
	if err != nil {
		n.log.Warn("the network's lineage cannot be read", "err", err)
	}
	return max(network.Lineage, 1)
}

// origin is the log's name in the checkpoints that are made now.
func (n *Node) origin() string { return checkpoint.Origin(n.doc.Network, n.lineage()) }
