package state

import (
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
	before := *g
	g.GrantedAt = a.index
	return a.terms(g, b, before), Verdict{}, nil
}

func (a *act) changeGrant(b *statement.Terms) ([]Write, Verdict, error) {
	g, v, err := a.inForce(b.Region, "grant it instead")
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	if terms := termsOf(b); g.Status == Granted && same(&g.Terms, &terms) {
		return nil, refuse(NothingToChange, "nothing needs to be done",
			"%s recognises %s on these terms since statement %d", a.by, b.Region, g.ChangedAt).on(g.Revision, g.ChangedAt), nil
	}
	return a.terms(g, b, *g), Verdict{}, nil
}

func (a *act) suspend(b *statement.Suspend) ([]Write, Verdict, error) {
	g, v, err := a.inForce(b.Region, "nothing needs to be done")
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	s := &Suspension{Kinds: b.Kinds, From: b.From, Until: b.Until, Reason: b.Reason, LegalRef: b.LegalRef}
	if g.Suspension != nil && same(g.Suspension, s) {
		return nil, refuse(AlreadySuspended, "nothing needs to be done",
			"statement %d of %s suspends its recognition of %s in just this way", g.ChangedAt, a.by, b.Region).
			on(g.Revision, g.ChangedAt), nil
	}
	before := *g
	g.Status, g.Suspension = Suspended, s
	return a.changedRecognition(g, before), Verdict{}, nil
}

func (a *act) withdraw(b *statement.Withdraw) ([]Write, Verdict, error) {
	g, v, err := a.inForce(b.Region, "nothing needs to be done")
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	before := *g
	g.Status, g.Suspension, g.Reason, g.LegalRef = Withdrawn, nil, b.Reason, b.LegalRef
	return a.changedRecognition(g, before), Verdict{}, nil
}

// recognition is the issuer's recognition of a region, nil if it never granted
// any; the verdict says why none can be.
func (a *act) recognition(of statement.Region) (*Recognition, Verdict, error) {
	if of == a.by {
		return nil, refuse(SelfRecognition, "name another region",
			"%s recognises its own codes without a grant", a.by), nil
	}
	if v, err := a.known(of); err != nil || !v.Accepted() {
		return nil, v, err
	}
	g, err := load[Recognition](a.r, recognitionKey(a.by, of))
	return g, Verdict{}, err
}

// known refuses a region that has never been of this network.
func (a *act) known(region statement.Region) (Verdict, error) {
	au, err := a.r.Get(authorityKey(region))
	if err != nil || au != nil {
		return Verdict{}, err
	}
	return refuse(UnknownRegion, "see the network's authorities for the ids of regions; a region is recognised once it has joined",
		"%s is not a region of this network", region), nil
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
func (a *act) terms(g *Recognition, b *statement.Terms, before Recognition) []Write {
	g.Status, g.Suspension, g.Reason, g.LegalRef = Granted, nil, "", ""
	g.Terms = termsOf(b)
	return a.changedRecognition(g, before)
}

// changedRecognition makes the next revision of g, which was as before says.
// From protocol level 3 on what was is kept, so that a check for a past time can
// be answered; below it nothing is, since a log of that level gives the state
// that it always gave.
func (a *act) changedRecognition(g *Recognition, before Recognition) []Write {
	g.ChangedAt = a.index
	g.Revision++
	if a.level >= 3 {
		g.SaidAt = a.s.IssuedAt
		if before.Revision > 0 {
			g.Past = append(g.Past, PastTerms{
				Status: before.Status, Terms: before.Terms, Suspension: before.Suspension,
				Reason: before.Reason, LegalRef: before.LegalRef,
				Index: before.ChangedAt, SaidAt: before.SaidAt, EndedBy: a.index, EndedAt: a.s.IssuedAt,
			})
		}
		if over := len(g.Past) - MaxPastTerms; over > 0 {
			g.Past = g.Past[over:]
		}
	}
	return []Write{put(g)}
}

func termsOf(b *statement.Terms) Terms {
	return Terms{
		Kinds: b.Kinds, From: b.From, Until: b.Until, Reason: b.Reason,
		LegalRef: b.LegalRef, Formats: b.Formats, Algorithms: b.Algorithms, Schemes: b.Schemes, RuleSet: b.RuleSet,
	}
}
