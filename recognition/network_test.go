package recognition_test

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"maps"
	"slices"
	"testing"

	"concordat/ledger/genesis"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// network is a network in a map: the real state machine over real signed
// statements, without a ledger below or nodes around it.
type network struct {
	t    testing.TB
	doc  *genesis.Document
	data memory
	next uint64
}

// memory is a state in a map.
type memory map[string][]byte

func (m memory) Get(key []byte) ([]byte, error) { return m[string(key)], nil }

func (m memory) Scan(prefix []byte, fn func(k, v []byte) (bool, error)) error {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if bytes.HasPrefix([]byte(k), prefix) {
			if more, err := fn([]byte(k), m[k]); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

func (m memory) write(writes []state.Write) {
	for _, w := range writes {
		if w.Value == nil {
			delete(m, string(w.Key))
		} else {
			m[string(w.Key)] = w.Value
		}
	}
}

// found founds a network of validators whose keys follow from their ids.
func found(t testing.TB, regions ...statement.Region) *network { return foundWith(t, regions, nil) }

// foundWith founds a network that has observers, too.
func foundWith(t testing.TB, validators, observers []statement.Region) *network {
	doc := &genesis.Document{
		Format: genesis.Format, Network: "test.example", Created: "2021-01-01T00:00:00Z",
		ProtocolLevel: genesis.ProtocolLevel, Policy: genesis.DefaultPolicy(),
	}
	for i, r := range slices.Concat(validators, observers) {
		role := genesis.Validator
		if i >= len(validators) {
			role = genesis.Observer
		}
		public := func(use string) genesis.Key {
			k, err := genesis.KeyOf(privateKey(r, use).Public().(ed25519.PublicKey))
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		doc.Authorities = append(doc.Authorities, genesis.Authority{
			ID: r, Name: "Authority of " + string(r), Role: role,
			Keys: genesis.Keys{
				Governance: public("governance"), Statement: public("statement"),
				Node: public("node"), Cosign: public("cosign"),
			},
		})
	}
	slices.SortFunc(doc.Authorities, func(a, b genesis.Authority) int { return cmp.Compare(a.ID, b.ID) })
	n := &network{t: t, doc: doc, data: memory{}}
	n.data.write(state.Found(doc))
	return n
}

func privateKey(r statement.Region, use string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(string(r) + "/" + use))
	return ed25519.NewKeyFromSeed(seed[:])
}

func (n *network) view() state.View { return state.View{Reader: n.data} }

// clone is the network as it stands.
func (n *network) clone() *network {
	c := *n
	c.data = maps.Clone(n.data)
	return &c
}

// size is how many statements were said.
func (n *network) size() uint64 { return n.next }

// say signs and applies a statement with the next revision of its subject, and
// gives its index and the verdict.
func (n *network) say(by statement.Region, body statement.Body, attachment []byte) (uint64, *statement.Verified, state.Verdict) {
	n.t.Helper()
	s := statement.Statement{Issuer: by, Network: n.doc.ID(), IssuedAt: 1, Body: body}
	if s.Kind().HasRevision() {
		current, err := n.view().Revision(s.Subject())
		if err != nil {
			n.t.Fatal(err)
		}
		s.Revision = current + 1
	}
	use := "statement"
	if s.Kind().ByGovernance() {
		use = "governance"
	}
	v, err := statement.Sign(s, privateKey(by, use))
	if err != nil {
		n.t.Fatalf("%s: %v", by, err)
	}
	index := n.next
	writes, verdict, err := state.Apply(n.data, index, v, attachment)
	if err != nil {
		n.t.Fatal(err)
	}
	if verdict.Accepted() {
		n.data.write(writes)
		n.next++
	}
	return index, v, verdict
}

// must says what has to be accepted, and gives its index.
func (n *network) must(by statement.Region, body statement.Body, attachment []byte) uint64 {
	n.t.Helper()
	index, _, verdict := n.say(by, body, attachment)
	if !verdict.Accepted() {
		n.t.Fatalf("%s says %s: %s", by, body.Kind(), verdict)
	}
	return index
}

// vote has a validator propose to do something, and the others vote yes until
// it is done. It gives what was said for it, and the index of the last of that.
func (n *network) vote(do statement.Action) (said []statement.Statement, last uint64) {
	n.t.Helper()
	all, err := n.view().Authorities()
	if err != nil {
		n.t.Fatal(err)
	}
	var voters []statement.Region
	for _, a := range all {
		if a.Role == state.Validator && a.Standing == state.StandingMember && a.ID != concerned(do) {
			voters = append(voters, a.ID)
		}
	}
	var body statement.Body = &statement.Propose{Action: do, Reason: "a test"}
	var proposed uint64
	for i, by := range voters {
		index, v, verdict := n.say(by, body, nil)
		if !verdict.Accepted() {
			n.t.Fatalf("%s says %s: %s", by, body.Kind(), verdict)
		}
		said, last = append(said, v.Statement()), index
		if i == 0 {
			proposed = index
			body = &statement.Vote{Proposal: index, Of: v.Hash(), Yes: true}
		}
		p, _, err := n.view().Proposal(proposed)
		if err != nil {
			n.t.Fatal(err)
		}
		if p.Status == state.ProposalCarried {
			return said, last
		}
	}
	n.t.Fatalf("the proposal in statement %d is not carried by the votes of %v", proposed, voters)
	return nil, 0
}

// concerned is the authority that an action of these tests is about.
func concerned(do statement.Action) statement.Region {
	switch {
	case do.Suspend != nil:
		return do.Suspend.Authority
	case do.Restore != nil:
		return do.Restore.Authority
	case do.Expel != nil:
		return do.Expel.Authority
	}
	return ""
}

// newcomer is what admits an authority as an observer, with keys that it never had.
func newcomer(t testing.TB, r statement.Region) *statement.Admit {
	t.Helper()
	key := func(use string) ed25519.PrivateKey { return privateKey(r, use+" of the newcomer") }
	d, err := genesis.SignDescriptor(genesis.Authority{ID: r, Name: "Authority of " + string(r), Addresses: []string{"/ip4/127.0.0.1/tcp/9"}}, genesis.PrivateKeys{
		Governance: key("governance"), Statement: key("statement"), Node: key("node"), Cosign: key("cosign"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &statement.Admit{Descriptor: d.Encode(), Role: statement.RoleObserver}
}
