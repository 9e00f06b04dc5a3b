package state

import (
	"bytes"
	"fmt"

	"concordat/ledger/statement"
)

func (a *act) publishScheme(b *statement.PublishScheme) ([]Write, Verdict, error) {
	has, err := a.published()
	if err != nil {
		return nil, Verdict{}, err
	}
	old, err := load[Scheme](a.r, schemeKey(a.by, b.Name))
	if err != nil {
		return nil, Verdict{}, err
	}
	s := &Scheme{Authority: a.by, Name: b.Name, Levels: b.Levels, Supersedes: b.Supersedes, Title: b.Title, LegalRef: b.LegalRef}
	if old == nil {
		has.Schemes++
		if v := has.tooMuch(); !v.Accepted() {
			return nil, v, nil
		}
		old = new(Scheme)
	}
	if v := nextRevision(a.s, old.Revision, old.ChangedAt); !v.Accepted() {
		return nil, v, nil
	}
	s.ChangedAt, s.Revision = old.ChangedAt, old.Revision
	if old.Revision > 0 && same(s, old) {
		return nil, refuse(NothingToChange, "nothing needs to be done",
			"statement %d published scheme %q of %s in just this way", old.ChangedAt, b.Name, a.by).on(old.Revision, old.ChangedAt), nil
	}
	if v, err := a.circle(s); err != nil || !v.Accepted() {
		return nil, v, err
	}
	s.ChangedAt = a.index
	s.Revision++
	writes := []Write{put(s)}
	if s.Revision == 1 {
		writes = append(writes, put(has))
	}
	return writes, Verdict{}, nil
}

// circle refuses a scheme that would supersede itself by way of others of its
// authority. There is no circle among those that stand, so the way ends.
func (a *act) circle(s *Scheme) (Verdict, error) {
	for name, steps := s.Supersedes, 1; name != ""; steps++ {
		if steps > MaxOwnSchemes {
			return Verdict{}, fmt.Errorf("%w: scheme %q of %s supersedes more schemes than there are", ErrCorrupt, s.Supersedes, a.by)
		}
		next, err := load[Scheme](a.r, schemeKey(a.by, name))
		if err != nil {
			return Verdict{}, err
		}
		if next == nil {
			return Verdict{}, nil // it has not been published; that one may not supersede this then
		}
		if next.Supersedes == s.Name {
			return refuse(SupersedesInACircle, "publish the other one without it first",
				"scheme %q of %s would supersede %q, and by statement %d %q supersedes %q", s.Name, a.by, s.Supersedes, next.ChangedAt, next.Name, s.Name), nil
		}
		name = next.Supersedes
	}
	return Verdict{}, nil
}

func (a *act) declareCase(b *statement.DeclareCase) ([]Write, Verdict, error) {
	if b.Region != "" {
		if v, err := a.known(b.Region); err != nil || !v.Accepted() {
			return nil, v, err
		}
	}
	has, err := a.published()
	if err != nil {
		return nil, Verdict{}, err
	}
	old, err := load[SpecialCase](a.r, caseKey(a.by, b.Name))
	if err != nil {
		return nil, Verdict{}, err
	}
	has.Bytes += documentBytes(b.Condition)
	if old == nil {
		has.Cases++
		old = new(SpecialCase)
	}
	has.Bytes -= documentBytes(old.Case.Condition)
	if v := has.tooMuch(); !v.Accepted() {
		return nil, v, nil
	}
	if v := nextRevision(a.s, old.Revision, old.ChangedAt); !v.Accepted() {
		return nil, v, nil
	}
	if old.Revision > 0 && old.EndedAt == 0 && same(&old.Case, b) {
		return nil, refuse(NothingToChange, "nothing needs to be done",
			"statement %d declared special case %q of %s in just this way", old.ChangedAt, b.Name, a.by).on(old.Revision, old.ChangedAt), nil
	}
	c := &SpecialCase{Authority: a.by, Case: *b, ChangedAt: a.index, Revision: old.Revision + 1}
	return []Write{put(c), put(has)}, Verdict{}, nil
}

// endCase ends a special case. A further one may bring the end forward.
func (a *act) endCase(b *statement.EndCase) ([]Write, Verdict, error) {
	c, err := load[SpecialCase](a.r, caseKey(a.by, b.Name))
	if err != nil {
		return nil, Verdict{}, err
	}
	if c == nil {
		return nil, refuse(NoSpecialCase, "see the authority's special cases for their names", "%s has declared no special case %q", a.by, b.Name), nil
	}
	if v := nextRevision(a.s, c.Revision, c.ChangedAt); !v.Accepted() {
		return nil, v, nil
	}
	if c.EndedAt != 0 && b.At >= c.EndedAt {
		return nil, refuse(AlreadyEnded, "nothing needs to be done; to have the case again, declare it anew",
			"statement %d ended special case %q of %s as of %s", c.ChangedAt, b.Name, a.by, moment(c.EndedAt)).on(c.Revision, c.ChangedAt), nil
	}
	c.EndedAt, c.Reason = b.At, b.Reason
	c.ChangedAt = a.index
	c.Revision++
	return []Write{put(c)}, Verdict{}, nil
}

// same reports whether two values of one type are the same to the byte.
func same[T any](a, b *T) bool { return bytes.Equal(encode(a), encode(b)) }
