package node

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"concordat/client/authority"
	"concordat/consensus/certify"
	"concordat/ledger"
	"concordat/ledger/checkpoint"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// self is who this node is in the network, by what it knows: its own ledger, or
// a verified bundle that is newer. It does not change while the node runs: when
// the network says something else, the node starts anew (Run).
type self struct {
	ID       statement.Region
	Member   bool           // the network names it
	Role     state.Role     // of a member
	Standing state.Standing // "": in good standing
	By       *uint64        // the statement that took its standing away
	// Node and Cosign are the keys that the network has for it, or, before it is a
	// member, those of its descriptor.
	Node, Cosign ed25519.PublicKey
	Addresses    []string
	// Keyless says that the directory has not these keys. Such a node goes on only
	// to find out whether the network has come to name those that it has.
	Keyless bool
}

// active reports that this node takes part: the others speak with it.
func (s *self) active() bool {
	return s.Member && s.Standing != state.StandingExpelled && !s.Keyless
}

// same reports that nothing changed that a running node rests on.
func (s *self) same(o self) bool {
	return s.Member == o.Member && s.Role == o.Role && s.Standing == o.Standing && s.Node.Equal(o.Node) && s.Cosign.Equal(o.Cosign)
}

// selfIn reads who an authority is in a state. Who is not named there is what
// its descriptor says.
func (n *Node) selfIn(v state.View, dir *authority.Directory) (self, error) {
	d := dir.Descriptor().Authority
	a, is, err := v.Authority(d.ID)
	if err != nil {
		return self{}, err
	}
	if !is {
		return self{ID: d.ID, Node: d.Keys.Node.Public(), Cosign: d.Keys.Cosign.Public(), Addresses: d.Addresses}, nil
	}
	s := self{ID: a.ID, Member: true, Role: a.Role, Standing: a.Standing, By: a.StandingBy, Addresses: a.Addresses}
	s.Node, s.Cosign = a.Key(state.Node), a.Key(state.Cosign)
	if s.Node == nil || s.Cosign == nil { // expelled: no key counts any more
		s.Node, s.Cosign = last(a, state.Node), last(a, state.Cosign)
	}
	return s, nil
}

// last is the newest key that an authority ever had for a use.
func last(a state.Authority, use state.Use) (key ed25519.PublicKey) {
	for _, k := range a.Keys {
		if k.Use == use {
			key = k.Public
		}
	}
	return key
}

// belongs opens the authority's directory, and refuses to begin a ledger of a
// network that does not know it: a wrong genesis is to be told before anything
// is written that the right one would then not fit.
func (n *Node) belongs() (err error) {
	if n.dir, err = authority.Open(n.cfg.Dir, n.cfg.Passphrase); err != nil {
		return err
	}
	if n.cfg.Join != "" || exists(n.ledgerDir()) {
		return nil // the ledger says who is a member
	}
	a, is := n.doc.Authority(n.dir.ID())
	if !is {
		return fmt.Errorf("%w: %s is not in the genesis of %q (%s); is this the right --dir, and the right --genesis? A new authority joins with --join URL, of any node of the network",
			ErrNotInNetwork, n.dir.ID(), n.doc.Network, n.network)
	}
	for role, public := range map[authority.Role]ed25519.PublicKey{authority.Node: a.Keys.Node.Public(), authority.Cosign: a.Keys.Cosign.Public()} {
		if n.cfg.outlook != nil {
			break // the keys of the genesis may be long replaced
		}
		if _, err := n.keyFor(n.dir, role, public); err != nil {
			return err
		}
	}
	return nil
}

// ledgerDir is where the ledger is.
func (n *Node) ledgerDir() string { return filepath.Join(n.cfg.Dir, "data", "ledger") }

// recognise finds out who this node is, and opens its keys: those that the
// network names, wherever in the directory they lie.
func (n *Node) recognise() (err error) {
	dir := n.dir
	view := n.ledger.View()
	defer n.release(view)
	known, size := view.State(), view.Head().Size
	if o := n.cfg.outlook; o != nil && o.size > size {
		known = o.state
	}
	if n.me, err = n.selfIn(known, dir); err != nil {
		return err
	}
	if !n.me.Member && n.cfg.Join == "" {
		return fmt.Errorf("%w: %s is neither in the genesis of %q (%s) nor in this node's ledger; is this the right --dir, and the right --genesis? "+
			"A new authority joins with --join URL, of any node of the network", ErrNotInNetwork, n.me.ID, n.doc.Network, n.network)
	}
	if err := n.openKeys(); err != nil {
		return err
	}
	if n.cfg.guess != nil {
		n.nodeKey = n.cfg.guess
	}
	n.former, err = n.formerKeys(view)
	return err
}

// otherKey is a node key that is here and that the network does not name, as far
// as this node knows: what it is replaced by, if it was; nil if there is none.
func (n *Node) otherKey() (ed25519.PrivateKey, error) {
	for _, open := range []func(authority.Role) (authority.PrivateKey, error){n.dir.Next, n.dir.Key} {
		key, err := open(authority.Node)
		switch {
		case errors.Is(err, authority.ErrNoNext), errors.Is(err, authority.ErrNoKey):
		case err != nil:
			return nil, err
		case !key.Public().Equal(n.me.Node):
			return key.Ed25519(), nil
		}
	}
	return nil, nil
}

// openKeys opens the keys that the network names. A node that was told whom to
// ask begins without them too, with those that it has: the network that it is
// about to hear of may name them, as it does where a lost machine was replaced.
// One that was expelled needs none of them.
func (n *Node) openKeys() (err error) {
	if n.nodeKey, n.cosignKey, err = n.keysFor(n.me); !errors.Is(err, ErrNotInNetwork) || n.cfg.Join == "" && n.me.Standing != state.StandingExpelled {
		return err
	}
	n.log.Warn("this node does not have the keys that the network names, as far as it knows; it asks", "err", err)
	n.me.Keyless = true
	for role, key := range map[authority.Role]*ed25519.PrivateKey{authority.Node: &n.nodeKey, authority.Cosign: &n.cosignKey} {
		here, err := n.dir.Key(role)
		if err != nil {
			return err
		}
		*key = here.Ed25519()
	}
	return nil
}

// keysFor opens the keys that a state of the network names for this authority.
// Errors wrap ErrNotInNetwork where the directory has not both.
func (n *Node) keysFor(me self) (node, cosign ed25519.PrivateKey, err error) {
	if node, err = n.keyFor(n.dir, authority.Node, me.Node); err != nil {
		return nil, nil, err
	}
	cosign, err = n.keyFor(n.dir, authority.Cosign, me.Cosign)
	return node, cosign, err
}

func (n *Node) keyFor(dir *authority.Directory, role authority.Role, public ed25519.PublicKey) (ed25519.PrivateKey, error) {
	key, err := dir.KeyFor(role, public)
	switch {
	case errors.Is(err, authority.ErrOtherKey), errors.Is(err, authority.ErrNoKey):
		return nil, fmt.Errorf("%w: the network has another %s key for %s than the directory %s: %w; if that key was replaced since, start the node once with --join URL, of any node of the network",
			ErrNotInNetwork, role, n.dir.ID(), n.cfg.Dir, err)
	case err != nil:
		return nil, err
	}
	return key.Ed25519(), nil
}

// formerKeys are the keys, other than the present ones, that those validators
// know this node by who certify what it has: before a rotation is handed over
// those before it do, too; and where a bundle told it of its present keys, its
// own ledger has not come to them yet.
func (n *Node) formerKeys(view *ledger.View) ([]certify.Keys, error) {
	e, err := view.State().ElectorateAt(view.Head().Size)
	if err != nil {
		return nil, err
	}
	sets := e.Sets
	if o := n.cfg.outlook; o != nil && o.size > view.Head().Size {
		told, err := o.state.ElectorateAt(o.size)
		if err != nil {
			return nil, err
		}
		sets = slices.Concat(sets, told.Sets)
	}
	var out []certify.Keys
	seen := []checkpoint.Validator{{Node: n.me.Node, Cosign: n.me.Cosign}}
	for _, set := range sets {
		was, in := set.Find(n.me.ID)
		if !in || slices.ContainsFunc(seen, func(s checkpoint.Validator) bool { return s.Node.Equal(was.Node) && s.Cosign.Equal(was.Cosign) }) {
			continue
		}
		seen = append(seen, was)
		// A key that is gone is why it was replaced: then the others make the quorum.
		node, err := n.dir.KeyFor(authority.Node, was.Node)
		if err != nil {
			n.log.Info("a former node key is not at hand; the others hand over without it", "err", err)
			continue
		}
		cosign, err := n.dir.KeyFor(authority.Cosign, was.Cosign)
		if err != nil {
			n.log.Info("a former co-signing key is not at hand; the others hand over without it", "err", err)
			continue
		}
		out = append(out, certify.Keys{Node: node.Ed25519(), Cosign: cosign.Ed25519()})
	}
	return out, nil
}
