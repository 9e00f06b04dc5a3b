package node

import (
	"context"
	"encoding/hex"
	"time"

	"golang.org/x/mod/sumdb/note"

	"concordat/client"
	"concordat/ledger"
)

// Status is the node at a glance.
func (n *Node) Status() client.Status {
	c := n.consensus.Status()
	head := n.ledger.Head()
	s := client.Status{
		Network: n.network.String(), NetworkName: n.doc.Network, Region: n.self(), Role: string(n.me.Role),
		RaftRole: c.Role, Leader: c.Leader, Term: c.Term,
		Size: head.Size, Root: hexRoot(head.Root),
		Final:  client.FinalHead{Cosigners: []string{}, Note: notFinalYet},
		Log:    client.LogInfo{Origin: n.doc.Network, VKey: n.vkey()},
		MaxAge: n.cfg.Check.MaxAge.String(), Quorum: c.Quorum, Held: n.ledger.HeldCount(), Peers: n.Peers(),
		Version: n.cfg.Version, Started: n.started.Format(time.RFC3339),
	}
	s.Age, s.AgeMillis = ageInWords(n.knowledge.age(time.Now()))
	if !c.Quorum && !c.NoQuorumSince.IsZero() {
		since := c.NoQuorumSince.UTC().Format(time.RFC3339)
		s.Since = &since
	}
	return s
}

// vkey is this validator's verifier key in the form of C2SP signed-note, under the log's origin.
func (n *Node) vkey() string {
	k, err := note.NewEd25519VerifierKey(n.doc.Network, n.me.Keys.Cosign.Public())
	if err != nil {
		// The genesis was checked: its keys are Ed25519 and its origin is a name.
		n.log.Error("verifier key cannot be written", "err", err)
	}
	return k
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

// Await returns once the ledger has more than size statements.
func (n *Node) Await(ctx context.Context, size uint64) error { return n.ledger.Wait(ctx, size+1) }

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

// Ready is nil when this node knows a leader, has applied what was ordered
// before it started, and has no reason to doubt its ledger.
func (n *Node) Ready() error {
	if err := n.Healthy(); err != nil {
		return err
	}
	c := n.consensus.Status()
	switch {
	case c.Leader == "":
		return client.Fail(client.NoQuorum, "no leader is known, since %s", c.NoQuorumSince.UTC().Format(time.RFC3339))
	case c.Diverged != "":
		return client.Fail(client.Stale, "since %s this node does not vouch for its ledger: %s", c.DivergedSince.UTC().Format(time.RFC3339), c.Diverged)
	case !c.CaughtUp:
		return client.Fail(client.Stale, "catching up: %d entries of the order are applied of %d", c.Applied, c.Commit)
	}
	n.knowledge.look() // the first check after this knows it too
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
