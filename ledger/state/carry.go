package state

import (
	"bytes"
	"slices"

	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// effect is what an action would do if it were carried out by this statement.
type effect struct {
	records []Write       // all but the validators
	vouch   *validatorSet // the validators then
	former  []member      // the validators of now, with the suspensions of then: who hands over
	waits   bool          // until what is being handed over is: it changes who vouches, or with which keys
	level   uint64        // the protocol level then; 0: as now
}

func effectOn(vs *validatorSet) effect {
	then := *vs
	return effect{vouch: &then, former: slices.Clone(vs.Members)}
}

// effects says what an action would do to the network as it is; the verdict
// says why it cannot be done. It writes nothing.
func (a *act) effects(n Network, vs *validatorSet, p *statement.Action) (effect, Verdict, error) {
	e := effectOn(vs)
	var v Verdict
	var err error
	switch {
	case p.Admit != nil:
		v, err = a.admit(&e, n, p.Admit)
	case p.ChangeRole != nil:
		v, err = a.changeRole(&e, p.ChangeRole)
	case p.Suspend != nil:
		v, err = a.suspendAuthority(&e, p.Suspend.Authority)
	case p.Restore != nil:
		v, err = a.restoreAuthority(&e, p.Restore.Authority)
	case p.Expel != nil:
		v, err = a.expel(&e, p.Expel.Authority)
	case p.RotateKey != nil:
		v, err = a.rotateKeyOf(&e, n, p.RotateKey)
	case p.SetNode != nil:
		v, err = a.setNodeOf(&e, p.SetNode)
	case p.ChangePolicy != nil:
		v = changePolicy(&e, n, p.ChangePolicy)
	case p.RaiseLevel != nil:
		v = raiseLevel(&e, n, p.RaiseLevel.Level)
	}
	if err != nil || !v.Accepted() {
		return effect{}, v, err
	}
	if voiced(e.vouch.Members) == 0 {
		return effect{}, refuse(LastValidator, "admit or restore another validator first",
			"no validator would be left that is not suspended"), nil
	}
	if len(e.vouch.Members) > statement.MaxValidators {
		return effect{}, refuse(TooManyValidators, "make it an observer",
			"there would be %d validators, at most %d", len(e.vouch.Members), statement.MaxValidators), nil
	}
	e.waits = e.waits || !sameKeys(vs.Members, e.vouch.Members)
	return e, Verdict{}, nil
}

// handingOver refuses a change of who vouches while the one before is being
// handed over: two sets certify then, and there is no telling three.
func handingOver(vs *validatorSet, changes bool) Verdict {
	if !changes || vs.ChangedAt == nil {
		return Verdict{}
	}
	v := refuse(HandoverPending, "send it again in some seconds",
		"the change of validators in statement %d is being handed over", *vs.ChangedAt)
	v.Index = vs.ChangedAt
	return v
}

// admit takes in the authority of a descriptor: a stranger, or one that was
// expelled and comes with new keys.
func (a *act) admit(e *effect, n Network, b *statement.Admit) (Verdict, error) {
	d, err := genesis.ParseDescriptor(b.Descriptor)
	if err != nil {
		return refuse(DescriptorRefused, "ask the authority for the file that `concordat init` made, unchanged", "%v", err), nil
	}
	from := d.Authority
	old, err := load[Authority](a.r, authorityKey(from.ID))
	if err != nil {
		return Verdict{}, err
	}
	against, err := load[EvidenceRecord](a.r, evidenceKey(from.ID))
	if err != nil {
		return Verdict{}, err
	}
	au := &Authority{ID: from.ID}
	if old != nil {
		if old.Present() {
			return refuse(AlreadyMember, "propose a change of its role or its keys instead",
				"%s is %s of this network", from.ID, old.Role.withArticle()), nil
		}
		au.Keys, au.Revision, au.Forgotten = old.Keys, old.Revision, old.Forgotten
	}
	au.Name, au.Role, au.Addresses, au.HTTP, au.AdmittedAt = from.Name, Role(b.Role), from.Addresses, from.HTTP, &a.index
	for i, key := range []genesis.Key{from.Keys.Governance, from.Keys.Statement, from.Keys.Node, from.Keys.Cosign} {
		used, v, err := firstUse(a.r, key.Public(), from.ID, uses[i])
		if err != nil || !v.Accepted() {
			return v, err
		}
		if v := tellsApart(n.Origin(), e.vouch.Members, au, uses[i], key.Public()); !v.Accepted() {
			return v, nil
		}
		au.replaceKey(uses[i], key.Public(), a.index)
		e.records = append(e.records, put(used))
	}
	if against != nil && against.Closed == nil {
		// It is about keys that the authority has no more.
		against.Closed = &a.index
		e.records = append(e.records, put(against))
	}
	// While it still hands over, marked as expelled, its old keys would count again.
	e.waits = find(e.vouch.Former, au.ID) != nil
	a.changeAuthority(e, au, against)
	return Verdict{}, nil
}

// changeAuthority puts an authority on record as it is now, and the validators
// as they follow from it.
func (a *act) changeAuthority(e *effect, au *Authority, against *EvidenceRecord) {
	au.Revision++
	au.ChangedAt = &a.index
	e.records = append(e.records, put(au))
	if au.Role == Validator {
		e.vouch.Members = with(e.vouch.Members, memberOf(au, against))
	} else {
		e.vouch.Members = without(e.vouch.Members, au.ID)
	}
	e.vouch.mark(au.ID, suspension(au, against))
	if m := find(e.former, au.ID); m != nil {
		m.SuspendedBy = suspension(au, against)
	}
}

// present is a member of the network that an action is about, with the evidence
// against it; the verdict says that it is none.
func (a *act) present(id statement.Region) (*Authority, *EvidenceRecord, Verdict, error) {
	au, err := load[Authority](a.r, authorityKey(id))
	if err != nil {
		return nil, nil, Verdict{}, err
	}
	if au == nil || !au.Present() {
		return nil, nil, refuse(NotAMember, "see the network's authorities", "%s is not an authority of this network, or no longer", id), nil
	}
	against, err := load[EvidenceRecord](a.r, evidenceKey(id))
	return au, against, Verdict{}, err
}

func (a *act) changeRole(e *effect, b *statement.ChangeRole) (Verdict, error) {
	au, against, v, err := a.present(b.Authority)
	if err != nil || !v.Accepted() {
		return v, err
	}
	if au.Role == Role(b.Role) {
		return refuse(NothingToChange, "nothing needs to be done", "%s is %s", au.ID, au.Role.withArticle()), nil
	}
	au.Role = Role(b.Role)
	a.changeAuthority(e, au, against)
	return Verdict{}, nil
}

func (a *act) suspendAuthority(e *effect, id statement.Region) (Verdict, error) {
	au, against, v, err := a.present(id)
	if err != nil || !v.Accepted() {
		return v, err
	}
	if au.Standing == StandingSuspended {
		return refuse(NothingToChange, "nothing needs to be done", "%s is suspended since statement %d", id, *au.StandingBy), nil
	}
	au.Standing, au.StandingBy = StandingSuspended, &a.index
	a.changeAuthority(e, au, against)
	return Verdict{}, nil
}

// restoreAuthority ends a suspension. Whoever was caught vouching for what
// cannot both be true comes back with other keys only: the proof stays true of
// the old ones, and anybody may say it again.
func (a *act) restoreAuthority(e *effect, id statement.Region) (Verdict, error) {
	au, against, v, err := a.present(id)
	if err != nil || !v.Accepted() {
		return v, err
	}
	caught := against != nil && against.Closed == nil
	if au.Standing != StandingSuspended && !caught {
		return refuse(NothingToChange, "nothing needs to be done", "%s is not suspended", id), nil
	}
	if caught {
		if bytes.Equal(au.Key(Node), against.NodeKey) || bytes.Equal(au.Key(Cosign), against.CosignKey) {
			return refuse(CaughtKeys, "propose other node and co-signing keys for it first",
				"%s has a key that the evidence in statement %d is about", id, against.Index).on(au.Revision, against.Index), nil
		}
		against.Closed = &a.index
		e.records = append(e.records, put(against))
		e.waits = find(e.vouch.Members, id) != nil // until then, the old keys vouch
	}
	au.Standing, au.StandingBy = StandingMember, nil
	a.changeAuthority(e, au, against)
	return Verdict{}, nil
}

// expel ends a membership: no key counts any more. The record stays, so that
// what the authority said before can still be judged.
func (a *act) expel(e *effect, id statement.Region) (Verdict, error) {
	au, against, v, err := a.present(id)
	if err != nil || !v.Accepted() {
		return v, err
	}
	au.Standing, au.StandingBy, au.Role = StandingExpelled, &a.index, Observer
	au.closeKeys(a.index)
	a.changeAuthority(e, au, against)
	return Verdict{}, nil
}

func (a *act) rotateKeyOf(e *effect, n Network, b *statement.RotateKey) (Verdict, error) {
	au, against, v, err := a.present(b.Authority)
	if err != nil || !v.Accepted() {
		return v, err
	}
	au.OwnRotations = 0
	return a.rotate(e, n, au, against, &b.NewKey)
}

// rotate replaces a key of an authority.
func (a *act) rotate(e *effect, n Network, au *Authority, against *EvidenceRecord, k *statement.NewKey) (Verdict, error) {
	if !k.Proves(n.ID, au.ID) {
		return refuse(KeyNotProven, "make the request anew with `concordat authority rotate`, for this network and this authority",
			"the new %s key of %s has not signed that it is one", k.Use, au.ID), nil
	}
	use := Use(k.Use)
	used, v, err := firstUse(a.r, k.Public, au.ID, use)
	if err != nil || !v.Accepted() {
		return v, err
	}
	if v := tellsApart(n.Origin(), e.vouch.Members, au, use, k.Public); !v.Accepted() {
		return v, nil
	}
	au.replaceKey(use, slices.Clone(k.Public), a.index)
	e.records = append(e.records, put(used))
	a.changeAuthority(e, au, against)
	return Verdict{}, nil
}

func (a *act) setNodeOf(e *effect, b *statement.SetNodeOf) (Verdict, error) {
	au, against, v, err := a.present(b.Authority)
	if err != nil || !v.Accepted() {
		return v, err
	}
	return a.place(e, au, against, &b.Place)
}

// place says where an authority's node is.
func (a *act) place(e *effect, au *Authority, against *EvidenceRecord, at *statement.Place) (Verdict, error) {
	for _, s := range at.Addresses {
		if err := genesis.CheckAddress(s); err != nil {
			return refuse(BadAddress, "give an address that others can dial", "%v", err), nil
		}
	}
	if at.HTTP != "" {
		if err := genesis.CheckURL(at.HTTP); err != nil {
			return refuse(BadAddress, "give the base URL of the node's API", "%v", err), nil
		}
	}
	if slices.Equal(au.Addresses, at.Addresses) && au.HTTP == at.HTTP {
		return refuse(NothingToChange, "nothing needs to be done", "the node of %s is there already", au.ID), nil
	}
	au.Addresses, au.HTTP = at.Addresses, at.HTTP
	a.changeAuthority(e, au, against)
	return Verdict{}, nil
}

func changePolicy(e *effect, n Network, b *statement.ChangePolicy) Verdict {
	if n.Policy == Policy(*b) {
		return refuse(NothingToChange, "nothing needs to be done", "the policy is this already")
	}
	n.Policy = Policy(*b)
	e.records = append(e.records, put(&n))
	return Verdict{}
}

func raiseLevel(e *effect, n Network, to uint64) Verdict {
	if to != n.ProtocolLevel+1 {
		return refuse(LevelNotNext, "raise it by one at a time", "the protocol level is %d, and the next is %d, not %d", n.ProtocolLevel, n.ProtocolLevel+1, to)
	}
	n.ProtocolLevel, e.level = to, to
	e.records = append(e.records, put(&n))
	return Verdict{}
}

// withArticle is the role in a sentence.
func (r Role) withArticle() string {
	if r == Observer {
		return "an observer"
	}
	return "a validator"
}
