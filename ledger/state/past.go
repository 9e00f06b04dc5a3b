package state

import (
	"slices"

	"concordat/ledger/statement"
)

// Until gives the recognition as it stood by what its grantor had said until t,
// by the grantor's own clock; false if it had said nothing by then. That clock
// proves nothing to others, but the place in the log does: ChangedAt names it.
//
// What was said before protocol level 3 has no time here and counts as said
// before all that has one; so does what MaxPastTerms has let go of.
func (g *Recognition) Until(t statement.Time) (Recognition, bool) {
	if g.SaidAt <= t {
		return *g, true
	}
	for _, p := range slices.Backward(g.Past) {
		if p.SaidAt > t {
			continue
		}
		return g.Was(p), true
	}
	return Recognition{}, false
}

// Was gives the recognition as one of its past terms had it. Its revision is
// today's: which revision those terms were is not kept.
func (g *Recognition) Was(p PastTerms) Recognition {
	return Recognition{
		Grantor: g.Grantor, Grantee: g.Grantee, Status: p.Status, Terms: p.Terms, Suspension: p.Suspension,
		Reason: p.Reason, LegalRef: p.LegalRef, GrantedAt: p.Index, ChangedAt: p.Index, Revision: g.Revision, SaidAt: p.SaidAt,
	}
}

// InForce reports whether the recognition covers codes of a kind at a time, or
// of any kind where none is named: for no more than the windows and kinds of its
// terms and its suspension. Windows include both ends.
func (g *Recognition) InForce(kind statement.CodeKind, at statement.Time) bool {
	within := func(from, until statement.Time) bool { return at >= from && (until == 0 || at <= until) }
	if g.Status == Withdrawn || !within(g.Terms.From, g.Terms.Until) {
		return false
	}
	granted := g.Terms.Kinds
	if len(granted) == 0 {
		granted = statement.CodeKinds
	}
	suspended := func(k statement.CodeKind) bool {
		s := g.Suspension
		return s != nil && within(s.From, s.Until) && (len(s.Kinds) == 0 || slices.Contains(s.Kinds, k))
	}
	for _, k := range granted {
		if (kind == "" || k == kind) && !suspended(k) {
			return true
		}
	}
	return false
}

// KindsInForce are the kinds of code that the recognition covers at a time, in
// the order of statement.CodeKinds.
func (g *Recognition) KindsInForce(at statement.Time) []statement.CodeKind {
	var kinds []statement.CodeKind
	for _, k := range statement.CodeKinds {
		if g.InForce(k, at) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}
