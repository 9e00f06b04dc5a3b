package recognition

import (
	"fmt"

	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// recognised judges whether the verifying region recognises a region's codes
// of a kind at the time asked about. Everything in the way is found, not only
// the first: who is told that the kind is not covered should also learn that
// the whole was suspended.
func (j *judge) recognised(f *findings, region statement.Region, kind statement.CodeKind) error {
	to, now := j.query.Region, j.query.At
	if region == to {
		f.add(OwnRegion, nil, "The code is %s's own.", to)
		return nil
	}
	r, err := j.recognition(region)
	if err != nil {
		return err
	}
	changed := at(r.ChangedAt)
	switch {
	case !r.exists:
		f.add(RecognitionMissing, nil, "%s has not recognised the codes of %s.", to, region)
		return nil
	case r.Status == state.Withdrawn:
		f.add(RecognitionWithdrawn, changed, "%s has withdrawn its recognition of the codes of %s%s.", to, region, because(r.Reason))
		return nil
	}
	terms := fmt.Sprintf("%s recognises %s's %s%s%s", to, region, kindsOf(r.Terms.Kinds), window(r.Terms.From, r.Terms.Until), because(r.Terms.Reason))
	good := true
	if !covers(r.Terms.Kinds, kind) {
		good = false
		f.add(RecognitionNotForKind, changed, "%s; this is a %s code.", terms, kind)
	}
	if r.Terms.From != 0 && now.Before(r.Terms.From.Time()) {
		good = false
		f.add(RecognitionNotYet, changed, "%s; the time asked about is %s.", terms, stamp(now))
	}
	if r.Terms.Until != 0 && now.After(r.Terms.Until.Time()) {
		good = false
		f.add(RecognitionEnded, changed, "%s; the time asked about is %s.", terms, stamp(now))
	}
	if r.Status == state.Suspended && r.Suspension != nil {
		s := r.Suspension
		suspension := fmt.Sprintf("%s has suspended its recognition of %s's %s%s%s", to, region, kindsOf(s.Kinds), window(s.From, s.Until), because(s.Reason))
		if r.suspends(kind, now) {
			good = false
			f.add(RecognitionSuspended, changed, "%s.", suspension)
		} else {
			f.add(SuspensionOutside, changed, "%s; this is a %s code, and the time asked about is %s.", suspension, kind, stamp(now))
		}
	}
	if good {
		f.add(RecognitionGranted, grantedBy(r.Recognition), "%s.", terms)
	}
	return nil
}

// grantedBy is the statement that the terms in force rest on: the newest one,
// unless that is the suspension; then the newest grant, which is the oldest
// that the terms can be from.
func grantedBy(r state.Recognition) *uint64 {
	if r.Status == state.Suspended {
		return at(r.GrantedAt)
	}
	return at(r.ChangedAt)
}
