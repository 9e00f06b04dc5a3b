package state

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// descriptor is what an authority that wants to join hands over. Its keys are
// named after it and, if given, the set: those of an authority that comes back
// are others.
func descriptor(t interface{ Fatalf(string, ...any) }, id statement.Region, set string) []byte {
	key := func(use Use) ed25519.PrivateKey { return testKey(string(id) + set + "/" + string(use)) }
	d, err := genesis.SignDescriptor(genesis.Authority{
		ID: id, Name: "Region " + string(id), Addresses: []string{"/dns/" + strings.ToLower(string(id)) + ".example/tcp/4001"},
	}, genesis.PrivateKeys{Governance: key(Governance), Statement: key(Statements), Node: key(Node), Cosign: key(Cosign)})
	if err != nil {
		t.Fatalf("descriptor of %s: %v", id, err)
	}
	return d.Encode()
}

// governance reads a sentence about the network itself; nil if it is none.
func (s *script) governance(p *words) statement.Body {
	switch {
	case p.skip("proposes", "to"): // … because "…"
		b := &statement.Propose{Action: s.action(p)}
		b.Reason = p.text("because")
		return b
	case p.skip("votes"): // yes|no on INDEX|it [misread]
		b := &statement.Vote{Yes: p.next() == "yes"}
		p.skip("on")
		b.Proposal, b.Of = s.proposal(p)
		return b
	case p.skip("withdraws", "proposal"): // INDEX [misread] [because "…"]
		b := &statement.WithdrawProposal{}
		b.Proposal, b.Of = s.proposal(p)
		b.Reason = p.text("because")
		return b
	case p.skip("replaces", "its"): // USE key by KEY [unproven]
		return &statement.RotateOwnKey{NewKey: s.newKey(p, statement.Region(strings.Fields(p.line)[0]))}
	case p.skip("moves", "its", "node", "to"): // ADDRESS
		return &statement.SetNode{Place: statement.Place{Addresses: []string{p.next()}}}
	case p.skip("hands", "over", "with", "seal"): // INDEX|it [and size N] co-signed by KEYS
		return s.handOver(p)
	case p.skip("recovers", "lineage"): // N [at size N] with REGIONS agreed by KEYS
		return s.recover(p)
	case p.skip("tells", "of", "an", "incident"): // "…"
		return &statement.ReportIncident{Title: p.next()}
	}
	return nil
}

func (s *script) action(p *words) (a statement.Action) {
	region := func() statement.Region { return statement.Region(p.next()) }
	switch {
	case p.skip("admit"): // REGION as ROLE [with newer keys] [badly signed]
		id := region()
		p.skip("as")
		role, set := statement.Role(p.next()), ""
		if p.skip("with", "newer", "keys") {
			set = "-newer"
		}
		for _, u := range uses {
			s.nameAuthorityKey(string(id)+set, string(u))
		}
		a.Admit = &statement.Admit{Descriptor: descriptor(s.t, id, set), Role: role}
		if p.skip("badly", "signed") {
			text := strings.Replace(string(a.Admit.Descriptor), "Region ", "Kingdom ", 1)
			a.Admit.Descriptor = []byte(text)
		}
	case p.skip("make"): // REGION ROLE
		a.ChangeRole = &statement.ChangeRole{Authority: region(), Role: statement.Role(p.next())}
	case p.skip("suspend"):
		a.Suspend = &statement.SuspendAuthority{Authority: region()}
	case p.skip("restore"):
		a.Restore = &statement.RestoreAuthority{Authority: region()}
	case p.skip("expel"):
		a.Expel = &statement.Expel{Authority: region()}
	case p.skip("replace", "for"): // REGION USE key by KEY [unproven]
		id := region()
		a.RotateKey = &statement.RotateKey{Authority: id, NewKey: s.newKey(p, id)}
	case p.skip("say", "that", "the", "node", "of"): // REGION is at ADDRESS
		id := region()
		p.skip("is", "at")
		a.SetNode = &statement.SetNodeOf{Authority: id, Place: statement.Place{Addresses: []string{p.next()}}}
	case p.skip("decide", "by"): // six thresholds
		a.ChangePolicy = &statement.ChangePolicy{
			AdmitObserver: p.next(), AdmitValidator: p.next(), Suspend: p.next(), Expel: p.next(), RotateKeys: p.next(), ChangePolicy: p.next(),
		}
	case p.skip("raise", "the", "level", "to"):
		a.RaiseLevel = &statement.RaiseLevel{Level: s.number(p)}
	default:
		p.t.Fatalf("%q: proposes what?", p.line)
	}
	return a
}

func (s *script) number(p *words) uint64 {
	n, err := strconv.ParseUint(p.next(), 10, 64)
	if err != nil {
		p.t.Fatalf("%q: %v", p.line, err)
	}
	return n
}

// proposal reads the index of one, `it` for the newest, and gives its hash, or
// another's for `misread`.
func (s *script) proposal(p *words) (uint64, statement.Hash) {
	var index uint64
	if p.skip("it") {
		all, err := View{s.world.mem}.Proposals()
		if err != nil || len(all) == 0 {
			p.t.Fatalf("%q: no proposal (%v)", p.line, err)
		}
		index = all[len(all)-1].Index
	} else {
		index = s.number(p)
	}
	var hash statement.Hash
	if int(index) < len(s.world.said) {
		hash = s.world.said[index].s.Hash()
	}
	if p.skip("misread") {
		hash[0] ^= 1
	}
	return index, hash
}

func (s *script) newKey(p *words, of statement.Region) statement.NewKey {
	use := statement.KeyUse(p.next())
	p.skip("key", "by")
	name := p.next()
	key := testKey(name)
	kid := statement.KeyIDOf(key.Public().(ed25519.PublicKey))
	s.names[hex.EncodeToString(kid[:])] = "‹" + name + "›"
	k := statement.ProveKey(s.world.net, of, use, key)
	if p.skip("unproven") {
		k.Proof = statement.ProveKey(s.world.net, of, use, testKey("a thief")).Proof
	}
	return k
}

// signers reads `XA and XB/newer-cosign`: regions, each with its key of the use
// or with the one that is named.
func signers(p *words, use Use) (ids []statement.Region, keys []ed25519.PrivateKey) {
	for _, name := range p.list() {
		id, _, named := strings.Cut(name, "/")
		if !named {
			name += "/" + string(use)
		}
		ids, keys = append(ids, statement.Region(id)), append(keys, testKey(name))
	}
	return ids, keys
}

func (s *script) handOver(p *words) *statement.HandOver {
	b := new(statement.HandOver)
	if p.skip("it") { // the newest
		seal, _, err := View{s.world.mem}.LastSeal()
		if err != nil {
			s.t.Fatal(err)
		}
		b.Seal = seal.Index
	} else {
		b.Seal = s.number(p)
	}
	size := s.world.index
	if p.skip("and", "size") {
		size = s.number(p)
	}
	p.skip("co-signed", "by")
	ids, keys := signers(p, Cosign)
	b.Note = s.world.note(size, ids, keys)
	return b
}

// note is a checkpoint of a size that each of ids has co-signed with its key.
func (w *world) note(size uint64, ids []statement.Region, keys []ed25519.PrivateKey) []byte {
	w.t.Helper()
	n, err := View{w.mem}.Network()
	if err != nil {
		w.t.Fatal(err)
	}
	c := checkpoint.Checkpoint{Origin: n.Origin(), Size: size, Root: merkle.Hash(sha256.Sum256([]byte("root")))}
	out := c.Text() + "\n"
	for i, id := range ids {
		line, err := checkpoint.Cosign(c, id, time.Unix(1_600_000_000, 0), keys[i])
		if err != nil {
			w.t.Fatal(err)
		}
		out += line.Line
	}
	return []byte(out)
}

func (s *script) recover(p *words) *statement.Recover {
	b := &statement.Recover{Plan: statement.RecoveryPlan{Lineage: s.number(p), Size: s.world.index, Reason: "disks lost"}}
	if p.skip("at", "size") {
		b.Plan.Size = s.number(p)
	}
	p.skip("with")
	for _, id := range p.list() {
		b.Plan.Validators = append(b.Plan.Validators, statement.Region(id))
	}
	message, err := statement.RecoveryMessage(s.world.net, b.Plan)
	if err != nil {
		p.t.Fatalf("%q: %v", p.line, err)
	}
	p.skip("agreed", "by")
	ids, keys := signers(p, Governance)
	for i, id := range ids {
		b.Signatures = append(b.Signatures, statement.RecoverySignature{Authority: id, Signature: ed25519.Sign(keys[i], message)})
	}
	return b
}

// aboutGovernance is what the state now has of such a statement's subject.
func (s *script) aboutGovernance(by statement.Region, body statement.Body) (string, error) {
	v := View{s.world.mem}
	authority := func(id statement.Region) (string, error) {
		a, _, err := v.Authority(id)
		return a.words(), err
	}
	set, err := loadValidators(v)
	if err != nil {
		return "", err
	}
	proposal := func(index uint64) (string, error) {
		p, _, err := v.Proposal(index)
		if err != nil || p.Status != ProposalCarried {
			return p.words(), err
		}
		n, err := v.Network()
		if err != nil {
			return "", err
		}
		about := concerned(&p.Action)
		switch {
		case p.Action.Admit != nil:
			d, err := genesis.ParseDescriptor(p.Action.Admit.Descriptor)
			if err != nil {
				return "", err
			}
			about = d.Authority.ID
		case p.Action.RotateKey != nil:
			about = p.Action.RotateKey.Authority
		case p.Action.SetNode != nil:
			about = p.Action.SetNode.Authority
		case p.Action.ChangePolicy != nil, p.Action.RaiseLevel != nil:
			return p.words() + "\n  " + n.words(), nil
		}
		a, err := authority(about)
		return p.words() + "\n  " + a + "\n  " + set.words(), err
	}
	switch b := body.(type) {
	case *statement.Propose:
		return proposal(s.world.index - 1)
	case *statement.Vote:
		return proposal(b.Proposal)
	case *statement.WithdrawProposal:
		return proposal(b.Proposal)
	case *statement.RotateOwnKey:
		a, err := authority(by)
		return a + "\n  " + set.words(), err
	case *statement.SetNode:
		a, _, err := v.Authority(by)
		return a.words() + "; at " + place(a.Addresses, a.HTTP), err
	case *statement.HandOver, *statement.Recover:
		n, err := v.Network()
		return set.words() + "\n  " + n.words(), err
	case *statement.ReportIncident:
		return "nothing changes", nil
	}
	return "", nil
}
