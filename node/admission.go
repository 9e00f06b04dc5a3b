package node

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
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
	cutOffAfter    = 5 * time.Second  // from when on nobody being there is asked about
	outlookCall    = 30 * time.Second // how long one node may take
	outlookMost    = 256 << 20        // of a bundle, in bytes
)

// outlook is what the network was at a size, proved by a bundle.
type outlook struct {
	size  uint64
	state state.View
	at    time.Time // when it was taken
	after int       // how many were shortly before it
}

// How long a node that started anew by an outlook leaves the next that says
// something else of it: one, and twice as long each time until there is rest.
const (
	outlookPause     = time.Second
	outlookMostPause = 2 * time.Minute
)

// pause is how long this outlook is left in place at least.
func (o *outlook) pause() time.Duration {
	return min(outlookPause<<min(o.after, 10), outlookMostPause)
}

// follows takes note of the outlook by which the node was started; it fails if
// that is too short ago.
func (o *outlook) follows(was *outlook, now time.Time) error {
	o.at = now
	if was == nil {
		return nil
	}
	switch since := now.Sub(was.at); {
	case since < was.pause():
		return fmt.Errorf("this node has just started anew by another bundle; one that says something else of it counts in %v", (was.pause() - since).Round(time.Second))
	case since < was.pause()+2*outlookMostPause:
		o.after = was.after + 1
	}
	return nil
}

// isolation is a time in which nobody speaks with this node.
type isolation struct {
	since time.Time
	asked []string               // the APIs that are asked how it stands
	heard atomic.Pointer[string] // what came of it; nil before the first is asked
}

// isolated says what a node can do with which nobody speaks, and for how long
// that has been so; nil if somebody does, or it is early to say. It may be that
// the others are down; or that they know this node by another key by now, or
// have moved, which only their API can tell.
func (n *Node) isolated() *client.Problem {
	a := n.apart.Load()
	if a == nil || time.Since(a.since) < cutOffAfter {
		return nil
	}
	p := &client.Problem{Name: "isolated", Message: fmt.Sprintf("since %s none of the others speaks with this node over libp2p", stamp(a.since))}
	if len(a.asked) == 0 {
		p.Message += "; how it stands it can ask nobody: its ledger has no URL of another's API"
		p.Hint = "if this machine's network is as it should be: this authority's node key may have been replaced while the node was away, or the others have moved; start it with --join URL, of any node of the network"
		return p
	}
	p.Message += fmt.Sprintf("; it asks %s how it stands", strings.Join(a.asked, ", "))
	if heard := a.heard.Load(); heard != nil {
		p.Message += ": " + *heard
	}
	p.Hint = "look at this machine's network, and at the addresses and node keys that the others have for this authority: concordat authority show; where none of these URLs is right any more, start it with --join URL, of any node of the network"
	return p
}

// lookOut asks others how this node stands, while it has to, until ctx ends.
func (n *Node) lookOut(ctx context.Context) {
	every := admissionEvery
	for sleep(ctx, every) == nil {
		if n.me.active() {
			every = time.Second
			if n.connectedAny() || len(n.roster.authorities()) < 2 {
				n.apart.Store(nil)
				continue
			}
			a := n.apart.Load()
			if a == nil {
				a = &isolation{since: time.Now(), asked: n.outlooks()}
				n.apart.Store(a)
			}
			if time.Since(a.since) < cutOffAfter {
				continue
			}
			if p := n.isolated(); p != nil && a.heard.Load() == nil {
				n.log.Warn(p.Message, "hint", p.Hint)
				a.heard.Store(new("no answer yet"))
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
			heard := "it stands as this node knows it by itself"
			if err != nil {
				n.log.Debug("how this node stands was not found out", "asked", url, "err", err)
				heard = err.Error()
			}
			if a := n.apart.Load(); a != nil {
				a.heard.Store(&heard)
			}
		}
		if a := n.apart.Load(); a != nil && n.me.active() {
			if err := n.guess(a); err != nil {
				n.log.Warn("whether this node is known by another of its keys was not found out", "err", err)
			}
		}
	}
}

// guessMost bounds how long a node waits before it tries another of its keys.
const guessMost = 10 * time.Minute

// guess has this node try the other node key that it has, if it has one, where
// nobody speaks with it: the network may have come to name that one while it was
// away. If so the others speak with it then, and its ledger gets to hear of it; if
// not it tries the first again, and waits longer each time.
func (n *Node) guess(a *isolation) error {
	tries := n.cfg.guesses
	if time.Since(a.since) < min(cutOffAfter<<min(tries/2, 10), guessMost) {
		return nil
	}
	if n.cfg.guess != nil {
		n.supersede(changed{why: "nobody speaks with it by its other node key either", outlook: n.cfg.outlook, alone: true, guesses: tries + 1})
		return nil
	}
	key, err := n.otherKey()
	if err != nil || key == nil {
		return err
	}
	n.supersede(changed{why: "nobody speaks with it; perhaps its node key was replaced by the other one that it has", outlook: n.cfg.outlook, alone: true, guess: key, guesses: tries + 1})
	return nil
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

// connectedAny reports that somebody speaks with this node. One that knows it by
// another key ends the connection at once, again and again.
func (n *Node) connectedAny() bool {
	for _, p := range n.host.Peers() {
		if !p.Self && p.Connected && time.Since(p.Since) > time.Second {
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

// takeOutlook takes over what a bundle proves, if it is newer than the one that
// this node was started with and any that it has seen since: a node that is asked
// may be behind, or give an old one on purpose.
func (n *Node) takeOutlook(o *outlook) error {
	n.roster.mu.Lock()
	newest := n.roster.size
	n.roster.mu.Unlock()
	if n.cfg.outlook != nil {
		newest = max(newest, n.cfg.outlook.size)
	}
	if o.size <= newest {
		return nil
	}
	me, err := n.selfIn(o.state, n.dir)
	if err != nil {
		return err
	}
	if !n.me.same(me) {
		if err := o.follows(n.cfg.outlook, time.Now()); err != nil {
			return err
		}
		return n.become(me, o)
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
	case n.me.Keyless:
		return &client.Problem{Name: client.NotVouching, Vouch: true,
			Message: fmt.Sprintf("the network has other keys for the node of %s than are here, as far as this node knows; it asks %s whether that has changed", n.me.ID, strings.Join(n.outlooks(), ", ")),
			Hint:    "put the keys that the network names into keys/ below this node's directory; or, where they are lost, have the others vote the present ones in: concordat propose rotate"}
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
