package state

import (
	"fmt"

	"concordat/ledger/statement"
)

// Rules lists an authority's rules with the versions that are kept, retired ones
// included, by set and id. A version that a retirement ended before the rule was
// published anew has that end as its Until.
func (v View) Rules(by statement.Region) ([]RuleRecord, error) {
	return v.rules(rulePrefix(by))
}

// RulesAll lists everybody's rules, by authority, set and id.
func (v View) RulesAll() ([]RuleRecord, error) { return v.rules([]byte{tagRule}) }

func (v View) rules(prefix []byte) ([]RuleRecord, error) {
	var out []RuleRecord
	err := v.Scan(prefix, func(key, value []byte) (bool, error) {
		if isRuleVersion(key) {
			return true, nil // read below, in the order in which they were published
		}
		r, err := parse[Rule](key, value)
		if err != nil {
			return false, err
		}
		out = append(out, RuleRecord{Rule: *r, Published: make([]RuleVersion, 0, len(r.Versions))})
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	for i := range out {
		r := &out[i]
		for at := range r.Versions {
			one, err := r.version(v, at)
			if err != nil {
				return nil, err
			}
			r.Published = append(r.Published, *one)
		}
	}
	return out, nil
}

// version reads one of the rule's versions, cut off where a retirement ended it
// for good. One that ended before it began is never in force: its Until is not
// after its From.
func (r *Rule) version(from Reader, at int) (*RuleVersion, error) {
	v, err := load[RuleVersion](from, ruleVersionKey(r.Authority, r.Set, r.ID, r.Versions[at]))
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, fmt.Errorf("%w: rule %s of %s names version %s, which is not there", ErrCorrupt, r.ID, r.Authority, r.Versions[at])
	}
	if len(r.Ends) > 0 && r.Ends[at] != 0 && (v.Until == 0 || r.Ends[at] < v.Until) {
		v.Until = r.Ends[at]
	}
	return v, nil
}

// Rule is one of an authority's rules, without its versions.
func (v View) Rule(by statement.Region, set, id string) (Rule, bool, error) {
	return one[Rule](v, ruleKey(by, set, id))
}

// ValueSet is an authority's value set, be it a retired one.
func (v View) ValueSet(by statement.Region, id string) (ValueSet, bool, error) {
	return one[ValueSet](v, valueSetKey(by, id))
}

// ValueSets lists an authority's value sets, retired ones included, by id.
func (v View) ValueSets(by statement.Region) ([]ValueSet, error) {
	return list[ValueSet](v, joined(tagValueSet, string(by), ""))
}

// ValueSetsAll lists everybody's value sets, by authority and id.
func (v View) ValueSetsAll() ([]ValueSet, error) { return list[ValueSet](v, []byte{tagValueSet}) }

// Scheme is what an authority makes of the levels under a name.
func (v View) Scheme(by statement.Region, name string) (Scheme, bool, error) {
	return one[Scheme](v, schemeKey(by, name))
}

// SchemesOf lists an authority's schemes, by name.
func (v View) SchemesOf(by statement.Region) ([]Scheme, error) {
	return list[Scheme](v, joined(tagScheme, string(by), ""))
}

// Schemes lists everybody's schemes, by authority and name.
func (v View) Schemes() ([]Scheme, error) { return list[Scheme](v, []byte{tagScheme}) }

// SpecialCases lists an authority's special cases, ended ones included, by name.
func (v View) SpecialCases(by statement.Region) ([]SpecialCase, error) {
	return list[SpecialCase](v, joined(tagCase, string(by), ""))
}

// SpecialCase is one of an authority's special cases.
func (v View) SpecialCase(by statement.Region, name string) (SpecialCase, bool, error) {
	return one[SpecialCase](v, caseKey(by, name))
}

// SpecialCasesAll lists everybody's special cases, by authority and name.
func (v View) SpecialCasesAll() ([]SpecialCase, error) { return list[SpecialCase](v, []byte{tagCase}) }
