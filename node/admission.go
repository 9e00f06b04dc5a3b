package node

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"concordat/client"
	"concordat/ledger/bundle"
	"concordat/ledger/state"
)

// A node that nobody speaks with over libp2p asks the API of others how it
// stands: one that waits to be admitted; one whose keys or whose addresses were
// replaced while it was away; one that was expelled, which is told so here. What
// the answer says counts only as far as a bundle proves it, which the genesis
// alone verifies.

const (
	admissionEvery = time.Second      // while this node waits to be admitted
	cutOffEvery    = 10 * time.Second // while nobody can be reached
	cutOffAfter    = 10 * time.Second // from when on nobody being there is asked about
	outlookCall    = 30 * time.Second // how long one node may take
	outlookMost    = 256 << 20        // of a bundle, in bytes
)

// outlook is what the network was at a size, proved by a bundle.
type outlook struct {
	size  uint64
	state state.View
}

// lookOut asks others how this node stands, while it has to, until ctx ends.
func (n *Node) lookOut(ctx context.Context) {
	var alone time.Time
	every := admissionEvery
	for sleep(ctx, every) == nil {
		if n.me.active() {
			every = time.Second
			if n.connectedAny() || len(n.roster.authorities()) < 2 {
				alone = time.Time{}
				continue
			}
			if alone.IsZero() {
				alone = time.Now()
			}
			if time.Since(alone) < cutOffAfter {
				continue
			}
			every = cutOffEvery
		}
		for _, url := range n.outlooks() {
			if ctx.Err() != nil {
				return
			}
			once, cancel := context.WithTimeout(ctx, outlookCall)
			err := n.askOutlook(once, url)
			cancel()
			if err != nil {
				n.log.Debug("how this node stands was not found out", "asked", url, "err", err)
			}
		}
	}
}

// outlooks are the APIs that may be asked, those of the settings first.
func (n *Node) outlooks() []string {
	var out []string
	add := func(url string) {
		if url != "" && !slices.Contains(out, url) {
			out = append(out, url)
		}
	}
	add(n.cfg.Join)
	for _, a := range n.roster.authorities() {
		if a.ID != n.me.ID && a.Standing == "" {
			add(a.HTTP)
		}
	}
	return out
}

func (n *Node) connectedAny() bool {
	for _, p := range n.host.Peers() {
		if !p.Self && p.Connected {
			return true
		}
	}
	return false
}

// askOutlook asks one node, and takes over what a bundle of it proves.
func (n *Node) askOutlook(ctx context.Context, url string) error {
	c, err := client.New([]string{url}, client.WithHTTP(&http.Client{Timeout: outlookCall}))
	if err != nil {
		return err
	}
	claims, err := c.Authorities(ctx)
	if err != nil {
		n.waitsFor(fmt.Sprintf("an answer of %s: %v", url, err))
		return err
	}
	if !n.news(claims) {
		if !n.me.Member {
			n.waitsFor(n.votesOn(ctx, c))
		}
		return nil
	}
	b, err := n.fetchBundle(ctx, c)
	if err != nil {
		n.waitsFor("a bundle that proves how this node stands: " + err.Error())
		return err
	}
	if b.Size() <= n.ledger.Head().Size {
		return nil // this node knows as much by itself
	}
	return n.takeOutlook(&outlook{size: b.Size(), state: b.State()})
}

// news reports that a node says something else of the members than this one knows.
func (n *Node) news(claims client.Authorities) bool {
	known := n.roster.authorities()
	if len(claims.Authorities) != len(known) {
		return true
	}
	for i, a := range known {
		c := claims.Authorities[i]
		if c.ID != string(a.ID) || c.Role != string(a.Role) || c.Standing != string(a.Standing) || !slices.Equal(c.Addresses, a.Addresses) {
			return true
		}
		if key, err := base64.StdEncoding.DecodeString(c.Keys[string(state.Node)]); err == nil && len(key) > 0 && !bytes.Equal(key, a.Key(state.Node)) {
			return true
		}
	}
	return false
}

// fetchBundle fetches a bundle and verifies it with the genesis.
func (n *Node) fetchBundle(ctx context.Context, c *client.Client) (*bundle.Bundle, error) {
	var raw bounded
	if err := c.Bundle(ctx, 0, &raw, nil); err != nil {
		return nil, err
	}
	u, err := bundle.Parse(raw.Bytes())
	if err != nil {
		return nil, err
	}
	return u.Verify(n.doc)
}

// bounded is a buffer that takes no more than outlookMost bytes.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > outlookMost {
		return 0, fmt.Errorf("the bundle has more than %d bytes", outlookMost)
	}
	return b.Buffer.Write(p)
}

// takeOutlook takes over what a bundle proves.
func (n *Node) takeOutlook(o *outlook) error {
	me, err := n.selfIn(o.state, n.dir)
	if err != nil {
		return err
	}
	if !n.me.same(me) {
		n.supersede(changed{why: n.me.changes(me), outlook: o})
		return nil
	}
	list, err := o.state.Authorities()
	if err != nil {
		return err
	}
	n.log.Info("the members' addresses are known anew", "size", o.size)
	return n.roster.learn(list, o.size)
}

// votesOn says where the vote on this node's admission stands, as another node
// tells it: for the operator to read, and nothing rests on it.
func (n *Node) votesOn(ctx context.Context, c *client.Client) string {
	all, err := c.Proposals(ctx, client.ProposalQuery{Status: "open"})
	if err != nil {
		return "a vote that admits it"
	}
	for _, p := range all.Proposals {
		if p.Concerns == string(n.me.ID) {
			return fmt.Sprintf("the vote on proposal %d, by %s: %d yes of the %d that it needs; not yet heard: %v", p.Index, p.By, len(p.Yes), p.Needed, p.WaitingFor)
		}
	}
	return fmt.Sprintf("a member to propose it: hand descriptor.json to one of them, who runs `concordat propose admit descriptor.json`; %s is not proposed yet", n.me.ID)
}

// waitsFor says what a node that is no member waits for.
func (n *Node) waitsFor(what string) {
	if n.me.Member {
		return
	}
	if a := n.order.away.Load(); a != nil {
		p := *a.progress.Load()
		p.Phase, p.Waiting = "waiting to be admitted", what
		a.progress.Store(&p)
	}
}

// outsider says why this node takes no part; nil if it may.
func (n *Node) outsider() *client.Problem {
	switch {
	case !n.me.Member:
		msg := fmt.Sprintf("%s is not a member of this network yet", n.me.ID)
		if a := n.order.away.Load(); a != nil && a.progress.Load().Waiting != "" {
			msg += "; it waits for " + a.progress.Load().Waiting
		}
		return &client.Problem{Name: client.NotAMember, Message: msg, Vouch: true,
			Hint: "a member proposes it with its descriptor.json, and the others vote; nothing else is to be done here"}
	case n.me.Standing == state.StandingExpelled:
		return &client.Problem{Name: client.ExpelledMember, Vouch: true,
			Message: fmt.Sprintf("%s was expelled by the vote in statement %d; this node answers from the %d statements that it has, and nothing newer reaches it", n.me.ID, deref(n.me.By), n.ledger.Head().Size),
			Hint:    "ask another region's node for what is so now; to come back, make new keys with `concordat init` and ask a member to propose it"}
	}
	return nil
}

// errOutsider: this node's authority is no member.
var errOutsider = errors.New("this node's authority takes no part in the network")

// suspendedSelf reports that this node's authority was suspended by vote.
func (n *Node) suspendedSelf() *client.Problem {
	if n.me.Standing != state.StandingSuspended {
		return nil
	}
	return &client.Problem{Name: "suspended", Vouch: true,
		Message: fmt.Sprintf("%s was suspended by the vote in statement %d: what it said stands, it says nothing new, and its node vouches for nothing", n.me.ID, deref(n.me.By)),
		Hint:    "ask the others why; one of them proposes `concordat propose restore`"}
}
