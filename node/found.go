package node

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"concordat/consensus"
	"concordat/consensus/catchup"
	"concordat/ledger/genesis"
	"concordat/p2p"
)

const (
	// foundingPoll is how often a node that is to found a network looks whether
	// enough others are there.
	foundingPoll = 100 * time.Millisecond
	// foundingCall is how long one of those that are there may take to answer.
	foundingCall = 2 * time.Second
)

// founds reports that this node was told to found a network together with others,
// and has nothing that says that there is one. That it has nothing may as well be because it is late, or
// has lost its disk and its marker: see found.
func (o *ordering) founds() bool {
	n := o.n
	return n.cfg.Found && len(n.otherValidators()) > 0 && n.ledger.Head().Size == 0 && !exists(n.marker()) && !exists(filepath.Join(n.raftDir(), "raft.db"))
}

// found begins a network, once so many other validators say that there is none
// that one of them is honest: a node that begins anew where one runs has forgotten
// what it voted. Where they have something certified it is
// consensus.ErrNotFounded, and this node catches up with them. Where they have
// something, and not enough of them have certified it yet, because they need this
// node for it, it begins without a vote.
func (o *ordering) found(ctx context.Context) error {
	n := o.n
	others := n.otherValidators()
	for {
		there, err := o.look(ctx)
		if err != nil {
			return err
		}
		if c := there.Certified; c != nil && c.Checkpoint().Size > 0 {
			n.log.Warn("told to found a network that runs already: joining it instead", "size", c.Checkpoint().Size)
			return fmt.Errorf("%w: the network runs already", consensus.ErrNotFounded)
		}
		have := 0
		for _, id := range others {
			if there.Heads[id] > 0 {
				have++
			}
		}
		switch {
		case there.Heard < there.Need:
			s := "s"
			if there.Need == 1 {
				s = ""
			}
			o.waits("%d other validator%s to found the network with; %d of them there", there.Need, s, there.Heard)
		case have >= there.Need:
			n.log.Warn("told to found a network that the others have founded already: joining it, without a vote at first")
			if quorum := len(others) + 2 - there.Need; have >= quorum {
				// They can certify it without this node, and so it may have signed before, and forgotten.
				n.certifier.Joins()
			}
			return o.openAs(func(c *consensus.Config) { c.Late = true })
		case have > 0:
			o.waits("a certificate: %d of %d other validators say that they have statements already, and none is certified", have, there.Heard)
		default:
			return o.open()
		}
		if err := sleep(ctx, foundingPoll); err != nil {
			return err
		}
	}
}

// otherValidators are all validators but this node's authority.
func (n *Node) otherValidators() (ids []string) {
	for _, a := range n.doc.Authorities {
		if a.Role == genesis.Validator && string(a.ID) != n.self() {
			ids = append(ids, string(a.ID))
		}
	}
	return ids
}

// look asks those validators that are there how far they are.
func (o *ordering) look(ctx context.Context) (catchup.Outlook, error) {
	cfg := o.catchupConfig()
	cfg.Net, cfg.CallTimeout = connected{peers{o.n.host}}, foundingCall
	return catchup.Look(ctx, cfg)
}

// connected are the peers that need not be waited for.
type connected struct{ peers }

// Members lists the other nodes that are there, by authority.
func (c connected) Members() (out []string) {
	for _, s := range c.host.Peers() {
		if !s.Self && s.Connected {
			out = append(out, s.Authority)
		}
	}
	return out
}

// waits says what this node waits for, while it is away.
func (o *ordering) waits(format string, args ...any) {
	if a := o.away.Load(); a != nil {
		p := *a.progress.Load()
		p.Phase, p.Waiting = "looking for the others", fmt.Sprintf(format, args...)
		a.progress.Store(&p)
	}
}

// founded is when the network was founded, as its genesis says.
func (n *Node) founded() (time.Time, error) {
	t, err := time.Parse(time.RFC3339, n.doc.Created)
	if err != nil {
		return t, fmt.Errorf("genesis: created: %w", err)
	}
	return t, nil
}

// maxTerm is the highest term that an honest validator can be in.
func (n *Node) maxTerm() uint64 {
	founded, err := n.founded()
	if err != nil {
		return p2p.MaxTerm // not so: Raft runs only where it can be read
	}
	return p2p.PlausibleTerm(founded, wall())
}
