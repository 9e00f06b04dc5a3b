package state

import (
	"slices"

	"concordat/ledger/statement"
)

// publishRule makes a version of a rule known. Versions rise, and each begins
// when the one before it does or later; so at any time the last of those in
// force is the one that its authority means.
func (a *act) publishRule(b *statement.PublishRule) ([]Write, Verdict, error) {
	has, err := a.published()
	if err != nil {
		return nil, Verdict{}, err
	}
	r, err := load[Rule](a.r, ruleKey(a.by, b.Set, b.ID))
	if err != nil {
		return nil, Verdict{}, err
	}
	if r == nil {
		r = &Rule{Authority: a.by, Set: b.Set, ID: b.ID}
		has.Rules++
	}
	has.Bytes += documentBytes(&b.Document)
	var writes []Write
	if n := len(r.Versions); n > 0 {
		if v, err := a.mayFollow(r, b); err != nil || !v.Accepted() {
			return nil, v, err
		}
		if n == MaxRuleVersions {
			oldest, err := r.version(a.r, 0)
			if err != nil {
				return nil, Verdict{}, err
			}
			has.Bytes -= documentBytes(&oldest.Document)
			writes = append(writes, Write{Key: oldest.key()})
		}
	}
	if v := has.tooMuch(); !v.Accepted() {
		return nil, v, nil
	}
	if v := nextRevision(a.s, r.Revision, r.ChangedAt); !v.Accepted() {
		return nil, v, nil
	}
	r.follow(b.Version)
	r.ChangedAt = a.index
	r.Revision++
	version := &RuleVersion{
		Authority: a.by, Set: b.Set, ID: b.ID, Version: b.Version,
		From: b.From, Until: b.Until, Invalidation: b.Invalidation, Document: b.Document, Index: a.index,
	}
	return append(writes, put(r), put(version), put(has)), Verdict{}, nil
}

// mayFollow refuses a version that does not come after the newest of the rule.
func (a *act) mayFollow(r *Rule, b *statement.PublishRule) (Verdict, error) {
	newest, err := r.version(a.r, len(r.Versions)-1)
	if err != nil {
		return Verdict{}, err
	}
	switch {
	case statement.CompareVersions(b.Version, newest.Version) <= 0:
		return refuse(VersionNotNewer, "give it a version that is above by Semantic Versioning; what was published stays as it is",
			"statement %d published version %s of rule %s of %s, and %s is not above it", newest.Index, newest.Version, b.ID, a.by, b.Version).
			on(r.Revision, r.ChangedAt), nil
	case b.From < newest.From:
		return refuse(StartsEarlier, "let it be in force from then on, or later",
			"version %s of rule %s of %s is in force from %s, and version %s would be from %s", newest.Version, b.ID, a.by, moment(newest.From), b.Version, moment(b.From)).
			on(r.Revision, r.ChangedAt), nil
	}
	return Verdict{}, nil
}

// follow puts a version after those that there are, of which it keeps the newest.
// A rule that was retired is in force again with it; the versions before it stay
// ended, for questions about the time between.
func (r *Rule) follow(version string) {
	if r.Ends == nil {
		r.Ends = make([]statement.Time, len(r.Versions))
	}
	if r.RetiredAt != 0 {
		for i, end := range r.Ends {
			if end == 0 || r.RetiredAt < end {
				r.Ends[i] = r.RetiredAt
			}
		}
		r.RetiredAt, r.Reason = 0, ""
	}
	r.Versions, r.Ends = append(r.Versions, version), append(r.Ends, 0)
	if over := len(r.Versions) - MaxRuleVersions; over > 0 {
		r.Versions, r.Ends = r.Versions[over:], r.Ends[over:]
	}
	if slices.Max(r.Ends) == 0 {
		r.Ends = nil
	}
}

// retireRule ends a rule. A further one may bring the end forward.
func (a *act) retireRule(b *statement.RetireRule) ([]Write, Verdict, error) {
	r, err := load[Rule](a.r, ruleKey(a.by, b.Set, b.ID))
	if err != nil {
		return nil, Verdict{}, err
	}
	if r == nil {
		return nil, refuse(NotPublished, "see the authority's rules for their sets and ids; a rule of another authority is for that one to retire",
			"%s has published no rule %s in set %s", a.by, b.ID, b.Set), nil
	}
	if v := nextRevision(a.s, r.Revision, r.ChangedAt); !v.Accepted() {
		return nil, v, nil
	}
	if r.RetiredAt != 0 && b.At >= r.RetiredAt {
		return nil, refuse(AlreadyRetired, "nothing needs to be done; to have the rule again, publish a further version",
			"statement %d retired rule %s of %s as of %s", r.ChangedAt, b.ID, a.by, moment(r.RetiredAt)).
			on(r.Revision, r.ChangedAt), nil
	}
	r.RetiredAt, r.Reason = b.At, b.Reason
	r.ChangedAt = a.index
	r.Revision++
	return []Write{put(r)}, Verdict{}, nil
}

func (a *act) publishValueSet(b *statement.PublishValueSet) ([]Write, Verdict, error) {
	has, err := a.published()
	if err != nil {
		return nil, Verdict{}, err
	}
	old, err := load[ValueSet](a.r, valueSetKey(a.by, b.ID))
	if err != nil {
		return nil, Verdict{}, err
	}
	s := &ValueSet{Authority: a.by, ID: b.ID, Version: b.Version, Document: b.Document, ChangedAt: a.index}
	has.Bytes += documentBytes(&b.Document)
	if old == nil {
		has.ValueSets++
		old = new(ValueSet)
	}
	has.Bytes -= documentBytes(&old.Document)
	if v := has.tooMuch(); !v.Accepted() {
		return nil, v, nil
	}
	if v := nextRevision(a.s, old.Revision, old.ChangedAt); !v.Accepted() {
		return nil, v, nil
	}
	if !old.Retired && old.Version == s.Version && same(&old.Document, &s.Document) {
		return nil, refuse(NothingToChange, "nothing needs to be done",
			"statement %d published value set %s of %s in just this way", old.ChangedAt, b.ID, a.by).on(old.Revision, old.ChangedAt), nil
	}
	s.Revision = old.Revision + 1
	return []Write{put(s), put(has)}, Verdict{}, nil
}

func (a *act) retireValueSet(b *statement.RetireValueSet) ([]Write, Verdict, error) {
	s, err := load[ValueSet](a.r, valueSetKey(a.by, b.ID))
	if err != nil {
		return nil, Verdict{}, err
	}
	if s == nil {
		return nil, refuse(NotPublished, "see the authority's value sets for their ids", "%s has published no value set %s", a.by, b.ID), nil
	}
	if v := nextRevision(a.s, s.Revision, s.ChangedAt); !v.Accepted() {
		return nil, v, nil
	}
	if s.Retired {
		return nil, refuse(NotPublished, "nothing needs to be done", "statement %d retired value set %s of %s", s.ChangedAt, b.ID, a.by).
			on(s.Revision, s.ChangedAt), nil
	}
	s.Retired, s.Reason = true, b.Reason
	s.ChangedAt = a.index
	s.Revision++
	return []Write{put(s)}, Verdict{}, nil
}
