package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"concordat/consensus/certify"
	"concordat/p2p"
)

// openCertifier joins the rounds in which the validators co-sign what they hold.
// What was signed is written down beside the keys, apart from the data: a disk
// that is lost, or put back as it was yesterday, must not make this node
// contradict itself.
func (n *Node) openCertifier() (err error) {
	n.certifier, err = certify.Open(certify.Config{
		Self: n.me.ID, Origin: n.origin(), Network: n.network,
		Cosign: n.cosignKey, Node: n.nodeKey, SignerPath: filepath.Join(n.cfg.Dir, "signer"),
		Former: n.former, Ran: n.ran(), Ledger: n.ledger, Net: peers{n.host}, Leads: n.order.leads, May: n.mayVouch,
		RefreshEvery: n.cfg.Vouch.Refresh, Now: wall, Logger: n.log, OnEvidence: n.caught,
	})
	if err != nil {
		return err
	}
	for _, p := range certify.Protocols() {
		n.host.Handle(p.Name, p.MaxRequest, func(ctx context.Context, from p2p.Member, request []byte) ([]byte, error) {
			answer, err := n.certifier.Serve(ctx, p.Name, from.Authority, from.Voter, request)
			var no *certify.Refusal
			if errors.As(err, &no) {
				return nil, &p2p.RemoteError{Code: no.Code, Message: no.Message}
			}
			return answer, err
		})
	}
	return nil
}

// ran reports that this authority's node has run before this start. Whether it
// joins a network that runs already is found out later (ordering.catchUp): that
// it founds none may mean that somebody forgot to tell it to.
func (n *Node) ran() bool {
	return exists(n.marker()) || exists(filepath.Join(n.raftDir(), "raft.db")) || n.ledger.Head().Size > 0 || n.ledger.Certified() != nil
}

// peers are the other nodes, as packages know them that know no libp2p.
type peers struct{ host *p2p.Host }

// Members lists the other nodes by authority.
func (p peers) Members() []string {
	var out []string
	for _, s := range p.host.Peers() {
		if !s.Self {
			out = append(out, s.Authority)
		}
	}
	return out
}

// Call is p2p.Host's.
func (p peers) Call(ctx context.Context, to, name string, request []byte) ([]byte, error) {
	return p.host.Call(ctx, to, name, request)
}

// errMayNot wraps why this node does not vouch.
var errMayNot = errors.New("this node does not vouch for what it has")

// mayVouch is nil while nothing speaks against this node's own ledger.
func (n *Node) mayVouch() error {
	for _, p := range n.problems() {
		if p.Vouch {
			return fmt.Errorf("%w: %s", errMayNot, p.Message)
		}
	}
	return nil
}

// diverged says that a quorum has certified what this node's ledger is not; "" if it is.
func (n *Node) diverged() string {
	if err := n.certifier.Diverged(); err != nil {
		return err.Error()
	}
	return ""
}

// age is how long ago, by their co-signatures' times, a quorum vouched for what
// this node has; negative where that is not known.
func (n *Node) age(now time.Time) time.Duration {
	final := n.certifier.Final()
	if final == nil {
		return -1
	}
	// Other clocks may be a little ahead of ours.
	return max(now.Add(clockFault).Sub(final.Time()), 0)
}

// eraser erases the hashes of revocations that have expired.
func (n *Node) erase() {
	tick := time.NewTicker(eraseInterval)
	defer tick.Stop()
	for {
		for {
			erased, err := n.ledger.Erase(wall(), n.cfg.Storage.EraseAfter, eraseBatch)
			if err != nil {
				n.log.Error("expired revocations cannot be erased", "err", err)
			} else if erased > 0 {
				n.log.Info("erased the hashes of expired revocations", "batches", erased)
			}
			if err != nil || erased < eraseBatch || n.stop.Err() != nil {
				break
			}
		}
		select {
		case <-tick.C:
		case <-n.stop.Done():
			return
		}
	}
}

// How often expired revocations are looked for, and how many batches of them
// are erased at once: a batch has up to 65,536 hashes.
const (
	eraseInterval = 10 * time.Minute
	eraseBatch    = 8
)
