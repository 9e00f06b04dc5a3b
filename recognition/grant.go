package recognition

import (
	"slices"
	"time"

	"concordat/healthcode"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// class is what of a code a recognition may be limited to.
type class struct {
	kind      statement.CodeKind
	format    string
	algorithm string // "" where the format does not tell, which no list covers
}

func classOf(v *healthcode.Verified) class {
	return class{statement.CodeKind(v.Kind()), string(v.Format()), string(v.Algorithm())}
}

// recognition is one look-up of the verifying region's recognition of another.
type recognition struct {
	state.Recognition
	exists bool
	// pending are suspensions that are not ordered yet. They stand beside the
	// ordered one and replace nothing, and the word of who is suspended counts
	// until they are ordered: so they can only deny.
	pending []suspension
}

// suspension is a suspension and the statement that it rests on.
type suspension struct {
	state.Suspension
	index uint64
}

// covers reports whether a recognition is in force at a time for some codes of
// a kind, of whichever format and algorithm.
func (r *recognition) covers(kind statement.CodeKind, at time.Time) bool {
	return r.exists && r.Status != state.Withdrawn &&
		within(at, r.Terms.From, r.Terms.Until) && among(r.Terms.Kinds, kind) &&
		!(r.Status == state.Suspended && r.Suspension != nil && inForce(r.Suspension, kind, at))
}

// inForce reports whether a recognition covers codes of a class at a time.
func (r *recognition) inForce(c class, at time.Time) bool {
	return r.covers(c.kind, at) && among(r.Terms.Formats, c.format) && among(r.Terms.Algorithms, c.algorithm)
}

// somehow reports whether a recognition covers, at a time, codes of any kind and
// of a format; "" is any format.
func (r *recognition) somehow(format string, at time.Time) bool {
	return (format == "" || among(r.Terms.Formats, format)) &&
		slices.ContainsFunc(statement.CodeKinds, func(k statement.CodeKind) bool { return r.covers(k, at) })
}

// suspensions are those in the way of a recognition, in force or not.
func (r *recognition) suspensions() []suspension {
	if r.Status != state.Suspended || r.Suspension == nil {
		return r.pending
	}
	return append([]suspension{{*r.Suspension, r.ChangedAt}}, r.pending...)
}

// inForce reports whether a suspension is in force for codes of a kind at a time.
func inForce(s *state.Suspension, kind statement.CodeKind, at time.Time) bool {
	return among(s.Kinds, kind) && within(at, s.From, s.Until)
}

// recognised judges whether the verifying region recognises a region's codes
// of a class at the time asked about. Everything in the way is found, not only
// the first: who is told that the kind is not covered should also learn that
// the whole was suspended.
func (j *judge) recognised(f *findings, region statement.Region, c class) error {
	to, now := j.query.Region, j.query.At
	if region == to {
		f.add(OwnRegion, nil, "The code is %s's own.", to)
		return nil
	}
	r, err := j.recognition(region)
	if err != nil {
		return err
	}
	switch {
	case !r.exists:
		f.add(RecognitionMissing, nil, "%s has not recognised the codes of %s.", to, region)
		return nil
	case r.Status == state.Withdrawn:
		f.add(RecognitionWithdrawn, at(r.ChangedAt), "%s has withdrawn its recognition of the codes of %s%s.", to, region, because(r.Reason, r.LegalRef))
		return nil
	}
	granted := termsBy(r.Recognition)
	terms := j.terms(region, r)
	good := true
	if !among(r.Terms.Kinds, c.kind) {
		good = false
		f.add(RecognitionNotForKind, granted, "%s; this code's kind is %s.", terms, kindName(c.kind))
	}
	if !among(r.Terms.Formats, c.format) {
		good = false
		f.add(RecognitionNotForFormat, granted, "%s; this one is of format %s.", terms, c.format)
	}
	if !among(r.Terms.Algorithms, c.algorithm) {
		good = false
		f.add(RecognitionNotForAlgorithm, granted, "%s; this one is signed with %q.", terms, c.algorithm)
	}
	if r.Terms.From != 0 && now.Before(r.Terms.From.Time()) {
		good = false
		f.add(RecognitionNotYet, granted, "%s; the time asked about is %s.", terms, stamp(now))
	}
	if r.Terms.Until != 0 && now.After(r.Terms.Until.Time()) {
		good = false
		f.add(RecognitionEnded, granted, "%s; the time asked about is %s.", terms, stamp(now))
	}
	for _, s := range r.suspensions() {
		suspended := say("%s has suspended its recognition of %s's %s%s%s", to, region, kindsOf(s.Kinds), window(s.From, s.Until), because(s.Reason, s.LegalRef))
		if inForce(&s.Suspension, c.kind, now) {
			good = false
			f.add(RecognitionSuspended, at(s.index), "%s.", suspended)
		} else {
			f.add(SuspensionOutside, at(s.index), "%s; this code's kind is %s, and the time asked about is %s.", suspended, kindName(c.kind), stamp(now))
		}
	}
	if good {
		f.add(RecognitionGranted, granted, "%s.", terms)
	}
	return nil
}

// terms says what the verifying region recognises of a region's codes. At a border
// it is said at nearly every check, so it is remembered as said.
func (j *judge) terms(region statement.Region, r *recognition) phrase {
	m, remembers := j.state.(remembering)
	key := [2]statement.Region{j.query.Region, region}
	if remembers {
		if said, ok := m.m.terms.get(key); ok {
			return said
		}
	}
	said := say("%s recognises %s's %s%s%s", j.query.Region, region, codesOf(&r.Terms), window(r.Terms.From, r.Terms.Until), because(r.Terms.Reason, r.Terms.LegalRef))
	if remembers {
		said = said.Ready()
		said, _ = m.m.terms.put(key, said, nil) // reading it did not fail
	}
	return said
}

// termsBy is the statement that the terms rest on: the newest one, unless that
// is the suspension; then the one before it that said terms. Where what was
// said before is not kept, it is the newest grant, which is the oldest that the
// terms can be from.
func termsBy(r state.Recognition) *uint64 {
	if r.Status != state.Suspended {
		return at(r.ChangedAt)
	}
	for _, p := range slices.Backward(r.Past) {
		if p.Status == state.Granted && p.Index >= r.GrantedAt {
			return at(p.Index)
		}
	}
	return at(r.GrantedAt)
}

// within reports whether t is in a window with both ends (T1); an end that is not given is open.
func within(t time.Time, from, until statement.Time) bool {
	return (from == 0 || !t.Before(from.Time())) && (until == 0 || !t.After(until.Time()))
}

// among reports whether a list, where none means all, has a value.
func among[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }
