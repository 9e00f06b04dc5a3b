package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"concordat/consensus"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/p2p"
)

// rosterEvery is how soon after a change of the ledger its members are looked at
// again, at most: gating follows at once, as far as a person can tell.
const rosterEvery = 50 * time.Millisecond

// roster keeps whom this node speaks with as the ledger has it: libp2p's gate,
// Raft's membership, and this node's own part. Nothing else decides who is a
// member; where a verified bundle is newer than this node's ledger, as it is
// before it has caught up, the bundle does.
type roster struct {
	n       *Node
	current atomic.Pointer[[]state.Authority] // never nil; ascending by id
	newest  atomic.Uint64                     // the newest statement that changed one of them, plus one

	mu     sync.Mutex // held while the rest changes
	size   uint64     // that the members were read at
	leaves map[statement.Region]leaving
}

// leaving is the node key that a member had before it was replaced, by which it
// is spoken with a moment longer: it hears by it that it was replaced.
type leaving struct {
	key   ed25519.PublicKey
	until time.Time
}

// keyGrace is that moment: some round trips, and a busy disk between them. Who
// has not heard of it by then finds out in another way (lookOut).
const keyGrace = time.Second

func newRoster(n *Node) (*roster, error) {
	r := &roster{n: n, leaves: map[statement.Region]leaving{}}
	view := n.ledger.View()
	defer n.release(view)
	known, size := view.State(), view.Head().Size
	if o := n.cfg.outlook; o != nil && o.size > size {
		known, size = o.state, o.size
	}
	list, err := known.Authorities()
	if err != nil {
		return nil, err
	}
	r.take(list, size)
	return r, nil
}

func (r *roster) take(list []state.Authority, size uint64) {
	newest := uint64(0)
	for _, a := range list {
		if a.ChangedAt != nil {
			newest = max(newest, *a.ChangedAt+1)
		}
	}
	if was := r.current.Load(); was != nil {
		r.part(*was, list)
	}
	r.size = size
	r.newest.Store(newest)
	r.current.Store(&list)
}

// part begins the time in which members with a new node key leave the old one.
func (r *roster) part(was, now []state.Authority) {
	for _, b := range now {
		at := slices.IndexFunc(was, func(a state.Authority) bool { return a.ID == b.ID })
		if at < 0 || b.ID == r.n.me.ID {
			continue
		}
		if old, key := was[at].Key(state.Node), b.Key(state.Node); old != nil && key != nil && !old.Equal(key) {
			r.leaves[b.ID] = leaving{old, time.Now().Add(keyGrace)}
		}
	}
}

// parted ends that time for those whose it is, and gives how long the next has; 0
// if there is none.
func (r *roster) parted() (next time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	over := false
	for id, l := range r.leaves {
		if left := time.Until(l.until); left <= 0 {
			delete(r.leaves, id)
			over = true
		} else if next == 0 || left < next {
			next = left
		}
	}
	if over {
		err = r.apply()
	}
	return next, err
}

// nodeKey is what a member's node is known by now.
func (r *roster) nodeKey(a *state.Authority) ed25519.PublicKey {
	if a.ID == r.n.me.ID {
		return r.n.nodeKey.Public().(ed25519.PublicKey) // whatever others know it by
	}
	if l, leaves := r.leaves[a.ID]; leaves {
		return l.key
	}
	return a.Key(state.Node)
}

// authorities are all that the network has ever had, expelled ones included.
func (r *roster) authorities() []state.Authority { return *r.current.Load() }

// ever reports that an authority is a member, or was one.
func (r *roster) ever(id string) bool {
	return slices.ContainsFunc(r.authorities(), func(a state.Authority) bool { return string(a.ID) == id })
}

// members are the nodes that may speak with one another, this one included.
func (r *roster) members() ([]p2p.Member, error) {
	var out []p2p.Member
	for _, a := range r.authorities() {
		if a.Standing == state.StandingExpelled {
			continue
		}
		id, err := p2p.PeerID(r.nodeKey(&a))
		if err != nil {
			return nil, fmt.Errorf("node key of %s: %w", a.ID, err)
		}
		addrs, err := multiaddrs(a.Addresses)
		if err != nil {
			return nil, fmt.Errorf("addresses of %s: %w", a.ID, err)
		}
		out = append(out, p2p.Member{Authority: string(a.ID), Peer: id, Addrs: addrs, Voter: a.Role == state.Validator})
	}
	return out, nil
}

// membership is who takes part in the order, as the ledger has it.
func (r *roster) membership() (m consensus.Membership, err error) {
	for _, a := range r.authorities() {
		if a.Standing == state.StandingExpelled {
			continue
		}
		id, err := p2p.PeerID(a.Key(state.Node))
		if err != nil {
			return m, fmt.Errorf("node key of %s: %w", a.ID, err)
		}
		s := consensus.Server{ID: string(a.ID), Address: id.String()}
		if a.Role == state.Validator && a.Standing == "" {
			m.Voters = append(m.Voters, s)
		} else {
			m.Followers = append(m.Followers, s)
		}
	}
	return m, nil
}

// run follows the ledger until the node stops.
func (r *roster) run(ctx context.Context) {
	for {
		grown := r.n.ledger.Changed()
		if err := r.look(); err != nil {
			r.n.fail(fmt.Errorf("following the ledger's members: %w", err))
			return
		}
		next, err := r.parted()
		if err != nil {
			r.n.fail(fmt.Errorf("following the ledger's members: %w", err))
			return
		}
		var over <-chan time.Time
		if next > 0 {
			over = time.After(next)
		}
		select {
		case <-grown:
		case <-over:
		case <-ctx.Done():
			return
		}
		if sleep(ctx, rosterEvery) != nil {
			return
		}
	}
}

// look takes over what the ledger says of the members now.
func (r *roster) look() error {
	n := r.n
	r.mu.Lock()
	defer r.mu.Unlock()
	view := n.ledger.View()
	defer n.release(view)
	if view.Head().Size <= r.size && r.size > 0 {
		return nil // a bundle knows more, or nothing was said
	}
	list, err := view.State().Authorities()
	if err != nil {
		return err
	}
	same := slices.EqualFunc(list, r.authorities(), sameMember)
	r.take(list, view.Head().Size)
	me, err := n.selfIn(view.State(), n.dir)
	if err != nil {
		return err
	}
	if !same {
		if err := r.apply(); err != nil {
			return err
		}
	}
	return n.become(me, nil)
}

// learn takes over what a verified bundle says of the others.
func (r *roster) learn(list []state.Authority, size uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if size <= r.size {
		return nil
	}
	r.take(list, size)
	return r.apply()
}

// apply tells libp2p and Raft.
func (r *roster) apply() error {
	members, err := r.members()
	if err != nil {
		return err
	}
	if r.n.me.active() {
		if err := r.n.host.SetMembers(members); err != nil && !errors.Is(err, p2p.ErrClosed) {
			// Whom it could not disconnect it refuses all the same.
			r.n.log.Warn("the network's members have changed", "err", err)
		}
	}
	if c := r.n.order.current.Load(); c != nil {
		c.Reconcile()
	}
	return nil
}

// sameMember reports that nothing changed that the roster is for.
func sameMember(a, b state.Authority) bool {
	return a.ID == b.ID && a.Role == b.Role && a.Standing == b.Standing &&
		a.Key(state.Node).Equal(b.Key(state.Node)) && slices.Equal(a.Addresses, b.Addresses) && a.HTTP == b.HTTP
}

// changes says in words what is new about this node's authority.
func (s *self) changes(now self) string {
	switch {
	case !s.Member && now.Member:
		return fmt.Sprintf("%s was admitted as %s", now.ID, now.Role)
	case s.Standing != now.Standing && now.Standing != "":
		return fmt.Sprintf("%s is %s, by statement %d", now.ID, now.Standing, deref(now.By))
	case s.Standing != now.Standing:
		return fmt.Sprintf("%s is a member in good standing again", now.ID)
	case s.Role != now.Role:
		return fmt.Sprintf("%s is %s now", now.ID, now.Role)
	case !s.Node.Equal(now.Node):
		return fmt.Sprintf("%s has a new node key", now.ID)
	}
	return fmt.Sprintf("%s has a new co-signing key", now.ID)
}

func deref(i *uint64) uint64 {
	if i == nil {
		return 0
	}
	return *i
}
