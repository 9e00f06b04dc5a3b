package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/genesis"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/p2p"
)

const (
	// probeWithin is how long a node that is looked for may take to answer.
	probeWithin = 10 * time.Second
	// probeEvery and probeBurst bound how often this node dials addresses that it was
	// given by whoever asked: it is not to be a tool for looking into other networks.
	probeEvery = 2 * time.Second
	probeBurst = 4
)

func newProbes() *rate.Limiter { return rate.NewLimiter(rate.Every(probeEvery), probeBurst) }

// Draft says what an action that an authority would propose would do, who would
// vote on it, and what speaks against it. It dials and asks other nodes, for up to
// probeWithin.
func (n *Node) Draft(ctx context.Context, v *ledger.View, by statement.Region, a statement.Action) (client.ProposalChecks, error) {
	if by == "" {
		by = n.me.ID
	}
	would, err := v.State().Draft(by, &a)
	if err != nil {
		return client.ProposalChecks{}, err
	}
	out := client.ProposalChecks{Words: a.Words(), Electorate: []string{}, Needed: would.Needed, AsOf: n.AsOf(v)}
	for _, id := range would.Electorate {
		out.Electorate = append(out.Electorate, string(id))
	}
	if would.Against.Accepted() {
		if out.Effect, err = v.State().Describe(a); err != nil {
			return client.ProposalChecks{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	looked := checks{n: n, ctx: ctx, view: v}
	looked.rules(would)
	switch {
	case a.Admit != nil:
		err = looked.admission(a.Admit)
	case a.ChangeRole != nil && a.ChangeRole.Role == statement.RoleValidator:
		looked.caughtUp(string(a.ChangeRole.Authority))
	case a.SetNode != nil:
		err = looked.place(a.SetNode)
	case a.RaiseLevel != nil:
		err = looked.level(a.RaiseLevel.Level)
	}
	out.Checks = looked.all
	return out, err
}

// checks are what was looked at for one action.
type checks struct {
	n    *Node
	ctx  context.Context // of the request that asks for them
	view *ledger.View
	all  []client.ProposalCheck
}

func (c *checks) ok(name, format string, a ...any) {
	c.all = append(c.all, client.ProposalCheck{Name: name, OK: true, Message: fmt.Sprintf(format, a...)})
}

func (c *checks) no(name, hint, format string, a ...any) {
	c.all = append(c.all, client.ProposalCheck{Name: name, Message: fmt.Sprintf(format, a...), Hint: hint})
}

// rules says what the state machine would: it alone decides in the end.
func (c *checks) rules(d state.Draft) {
	switch {
	case !d.Against.Accepted():
		c.no("rules", d.Against.Hint, "%s: %s", d.Against.Name, d.Against.Message)
	case d.Waits:
		c.ok("rules", "it could be carried out once the validators have handed over after the change before: the deciding vote waits for that, some seconds")
	default:
		c.ok("rules", "it could be carried out as things are")
	}
}

// admission looks at a descriptor, and whether its node is there.
func (c *checks) admission(a *statement.Admit) error {
	d, err := genesis.ParseDescriptor(a.Descriptor)
	if err != nil {
		c.no("descriptor", "ask the authority for descriptor.json as `concordat init` made it, unchanged", "%v", err)
		return nil
	}
	au := d.Authority
	c.ok("descriptor", "signed by all four of its keys, and each is a sound Ed25519 key of 32 bytes")
	all, err := c.view.State().Authorities()
	if err != nil {
		return err
	}
	c.distinct(au, all)
	return c.reachable(au.ID, au.Keys.Node.Public(), au.Addresses)
}

// distinct compares an authority that would be admitted with all that ever were.
func (c *checks) distinct(au genesis.Authority, all []state.Authority) {
	if i := slices.IndexFunc(all, func(s state.Authority) bool { return s.ID == au.ID }); i >= 0 && all[i].Present() {
		c.no("id", "one region has one authority: if it is the same one, there is nothing to admit; else it speaks for another region", "%s is in the network already, as %q", au.ID, all[i].Name)
	} else {
		c.ok("id", "%s is free", au.ID)
	}
	keys := []struct {
		role string
		key  genesis.Key
	}{{"governance", au.Keys.Governance}, {"statement", au.Keys.Statement}, {"node", au.Keys.Node}, {"cosign", au.Keys.Cosign}}
	taken := false
	for _, s := range all {
		for _, had := range s.Keys {
			for _, k := range keys {
				if !had.Public.Equal(k.key.Public()) {
					continue
				}
				taken = true
				name, what := "keys", "key"
				if k.role == "node" && had.Use == state.Node {
					name, what = "peer-id", "key, and with it the libp2p peer id,"
				}
				c.no(name, "make new keys with `concordat init` in an empty directory: a key is used once in a network, by one authority, for one thing",
					"its %s %s is, or was, the %s key of %s", k.role, what, had.Use, s.ID)
			}
		}
	}
	if !taken {
		c.ok("keys", "no key of it, nor its peer id, was ever used in this network")
	}
	for _, s := range all {
		for _, addr := range au.Addresses {
			if s.ID != au.ID && s.Present() && slices.Contains(s.Addresses, addr) {
				c.no("address-free", "each node listens at an address of its own", "the node of %s is at %s already", s.ID, addr)
			}
		}
	}
}

// place looks whether a node is where it is said to be.
func (c *checks) place(a *statement.SetNodeOf) error {
	au, is, err := c.view.State().Authority(a.Authority)
	if err != nil || !is || au.Key(state.Node) == nil {
		return err // the rules say so
	}
	return c.reachable(au.ID, au.Key(state.Node), a.Place.Addresses)
}

// reachable dials a node at its addresses, and looks whether it has its key.
func (c *checks) reachable(of statement.Region, key []byte, addresses []string) error {
	const hint = "start that node (concordat node run --join URL), see that its port is open to this one, and look again"
	id, err := p2p.PeerID(key)
	if err != nil {
		return err
	}
	addrs, err := multiaddrs(addresses)
	if err != nil {
		c.no("reachable", "correct the address", "%v", err)
		return nil
	}
	if err := c.n.probes.Wait(c.ctx); err != nil {
		return client.Fail(client.Busy, "this node was asked to dial others too often: one every %s, %d at once", probeEvery, probeBurst)
	}
	began := time.Now()
	if err := p2p.Probe(c.ctx, id, addrs); err != nil {
		c.no("reachable", hint, "the node of %s does not answer here, at %v, as peer %s: %v", of, addresses, id, err)
		return nil
	}
	c.ok("reachable", "the node of %s answers at %v as peer %s, in %s", of, addresses, id, time.Since(began).Round(time.Millisecond))
	return nil
}

// caughtUp looks how far the node is that would be a validator's.
func (c *checks) caughtUp(id string) {
	const hint = "start it, and let it catch up first: until it has, it is one more validator that is missing"
	a, err := c.n.aboutOf(c.ctx, id)
	switch final := c.n.FinalSize(); {
	case err != nil:
		c.no("caught-up", hint, "the node of %s does not say how far it is: %v", id, plain(err))
	case a.Size < final:
		c.no("caught-up", hint, "the node of %s has %d statements, of %d that are final", id, a.Size, final)
	default:
		c.ok("caught-up", "the node of %s has all %d statements that are final", id, final)
	}
}

// level asks every member's node whether its program knows a protocol level.
func (c *checks) level(level uint64) error {
	all, err := c.view.State().Authorities()
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(a state.Authority) bool { return !a.Present() })
	answers, faults := make([]about, len(all)), make([]error, len(all))
	var asked sync.WaitGroup
	for i, a := range all {
		asked.Go(func() { answers[i], faults[i] = c.n.aboutOf(c.ctx, string(a.ID)) })
	}
	asked.Wait()
	for i, a := range all {
		switch {
		case faults[i] != nil:
			c.no("level-known", "start it, or ask its operator which version it runs", "the %s %s's node does not say what it knows: %v", a.Role, a.ID, plain(faults[i]))
		case answers[i].Level < level:
			c.no("level-known", "install a newer version there first: it would stop, with nothing lost, until that is done",
				"the %s %s's node, version %q, knows protocol level %d at most", a.Role, a.ID, answers[i].Version, answers[i].Level)
		default:
			c.ok("level-known", "the %s %s's node, version %q, knows protocol level %d", a.Role, a.ID, answers[i].Version, answers[i].Level)
		}
	}
	return nil
}

// plain puts into words what a call ended with.
func plain(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	return err
}
