package state

import (
	"slices"

	"concordat/ledger/statement"
)

func (a *act) grant(b *statement.Terms) ([]Write, Verdict, error) {
	g, v, err := a.recognition(b.Region)
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	if g == nil {
		g = &Recognition{Grantor: a.by, Grantee: b.Region}
	}
	if v := nextRevision(a.s, g.Revision, g.ChangedAt); !v.Accepted() {
		return nil, v, nil
	}
	switch g.Status {
	case Granted:
		return nil, refuse(AlreadyGranted, "change it instead",
			"%s has recognised %s since statement %d", a.by, b.Region, g.GrantedAt).on(g.Revision, g.ChangedAt), nil
	case Suspended:
		return nil, refuse(AlreadyGranted, "change it instead, which also resumes it",
			"%s has recognised %s since statement %d and suspended it in statement %d", a.by, b.Region, g.GrantedAt, g.ChangedAt).
			on(g.Revision, g.ChangedAt), nil
	}
	g.GrantedAt = a.index
	return a.terms(g, b), Verdict{}, nil
}

func (a *act) changeGrant(b *statement.Terms) ([]Write, Verdict, error) {
	g, v, err := a.inForce(b.Region, "grant it instead")
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	if g.Status == Granted && slices.Equal(g.Terms.Kinds, b.Kinds) && g.Terms.From == b.From &&
		g.Terms.Until == b.Until && g.Terms.Reason == b.Reason {
		return nil, refuse(NothingToChange, "nothing needs to be done",
			"%s recognises %s on these terms since statement %d", a.by, b.Region, g.ChangedAt).on(g.Revision, g.ChangedAt), nil
	}
	return a.terms(g, b), Verdict{}, nil
}

func (a *act) suspend(b *statement.Suspend) ([]Write, Verdict, error) {
	g, v, err := a.inForce(b.Region, "nothing needs to be done")
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	s := &Suspension{Kinds: b.Kinds, From: b.From, Until: b.Until, Reason: b.Reason}
	if old := g.Suspension; old != nil && slices.Equal(old.Kinds, s.Kinds) && old.From == s.From &&
		old.Until == s.Until && old.Reason == s.Reason {
		return nil, refuse(AlreadySuspended, "nothing needs to be done",
			"statement %d of %s suspends its recognition of %s in just this way", g.ChangedAt, a.by, b.Region).
			on(g.Revision, g.ChangedAt), nil
	}
	g.Status, g.Suspension = Suspended, s
	return a.changedRecognition(g), Verdict{}, nil
}

func (a *act) withdraw(b *statement.Withdraw) ([]Write, Verdict, error) {
	g, v, err := a.inForce(b.Region, "nothing needs to be done")
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	g.Status, g.Suspension, g.Reason = Withdrawn, nil, b.Reason
	return a.changedRecognition(g), Verdict{}, nil
}

// recognition is the issuer's recognition of a region, nil if it never granted
// any; the verdict says why none can be.
func (a *act) recognition(of statement.Region) (*Recognition, Verdict, error) {
	if of == a.by {
		return nil, refuse(SelfRecognition, "name another region",
			"%s recognises its own codes without a grant", a.by), nil
	}
	other, err := a.r.Get(authorityKey(of))
	if err != nil {
		return nil, Verdict{}, err
	}
	if other == nil {
		return nil, refuse(UnknownRegion, "see the network's authorities for the ids of regions; a region is recognised once it has joined",
			"%s is not a region of this network", of), nil
	}
	g, err := load[Recognition](a.r, recognitionKey(a.by, of))
	return g, Verdict{}, err
}

// inForce is the recognition that the statement is to change; the verdict says why it may not.
func (a *act) inForce(of statement.Region, hint string) (*Recognition, Verdict, error) {
	g, v, err := a.recognition(of)
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	if g == nil {
		return nil, refuse(NotGranted, hint, "%s has never recognised %s", a.by, of), nil
	}
	if v := nextRevision(a.s, g.Revision, g.ChangedAt); !v.Accepted() {
		return nil, v, nil
	}
	if g.Status == Withdrawn {
		return nil, refuse(NotGranted, hint, "%s withdrew its recognition of %s in statement %d", a.by, of, g.ChangedAt).
			on(g.Revision, g.ChangedAt), nil
	}
	return g, Verdict{}, nil
}

// terms puts the recognition on new terms, and resumes it.
func (a *act) terms(g *Recognition, b *statement.Terms) []Write {
	g.Status, g.Suspension, g.Reason = Granted, nil, ""
	g.Terms = Terms{Kinds: b.Kinds, From: b.From, Until: b.Until, Reason: b.Reason}
	return a.changedRecognition(g)
}

func (a *act) changedRecognition(g *Recognition) []Write {
	g.ChangedAt = a.index
	g.Revision++
	return []Write{put(g)}
}
