package state

import (
	"errors"
	"fmt"
	"slices"

	"concordat/ledger/statement"
)

// Rule is what is known of a rule in all its versions. Versions are kept beside
// it, each in a record of its own, since they carry documents.
type Rule struct {
	Authority statement.Region `cbor:"1,keyasint"`
	Set       string           `cbor:"2,keyasint"`
	ID        string           `cbor:"3,keyasint"`
	Versions  []string         `cbor:"4,keyasint"`           // in the order in which they were published
	RetiredAt statement.Time   `cbor:"5,keyasint,omitempty"` // no version is applied from then on; 0: it is not retired
	Reason    string           `cbor:"6,keyasint,omitempty"` // of the retirement
	ChangedAt uint64           `cbor:"7,keyasint"`           // index of the newest statement on it
	Revision  uint64           `cbor:"8,keyasint"`
	// Ends says of each of the Versions when a retirement ended it for good, though
	// the rule has been published anew since; 0: none did. It is left out if none did
	// of any. View.Rules has it in each version's Until.
	Ends []statement.Time `cbor:"9,keyasint,omitempty"`
}

// MaxRuleVersions bounds the versions of a rule that are kept: the newest.
const MaxRuleVersions = 8

// RuleVersion is one version of a rule.
type RuleVersion struct {
	Authority    statement.Region   `cbor:"1,keyasint"`
	Set          string             `cbor:"2,keyasint"`
	ID           string             `cbor:"3,keyasint"`
	Version      string             `cbor:"4,keyasint"`
	From         statement.Time     `cbor:"5,keyasint"`
	Until        statement.Time     `cbor:"6,keyasint,omitempty"`
	Invalidation bool               `cbor:"7,keyasint,omitempty"`
	Document     statement.Document `cbor:"8,keyasint"`
	Index        uint64             `cbor:"9,keyasint"` // of the statement that published it
}

// RuleRecord is a rule with its versions, in the order in which they were published.
type RuleRecord struct {
	Rule
	Published []RuleVersion
}

// ValueSet is an authority's value set.
type ValueSet struct {
	Authority statement.Region   `cbor:"1,keyasint"`
	ID        string             `cbor:"2,keyasint"`
	Version   string             `cbor:"3,keyasint"`
	Document  statement.Document `cbor:"4,keyasint"`
	Retired   bool               `cbor:"5,keyasint,omitempty"`
	Reason    string             `cbor:"6,keyasint,omitempty"` // of the retirement
	ChangedAt uint64             `cbor:"7,keyasint"`
	Revision  uint64             `cbor:"8,keyasint"`
}

// Scheme is what an authority makes of the levels under a name.
type Scheme struct {
	Authority  statement.Region        `cbor:"1,keyasint"`
	Name       string                  `cbor:"2,keyasint"`
	Levels     []statement.SchemeLevel `cbor:"3,keyasint"`
	Supersedes string                  `cbor:"4,keyasint,omitempty"`
	Title      string                  `cbor:"5,keyasint,omitempty"`
	LegalRef   string                  `cbor:"6,keyasint,omitempty"`
	ChangedAt  uint64                  `cbor:"7,keyasint"`
	Revision   uint64                  `cbor:"8,keyasint"`
}

// Level gives the level of a name; false if the scheme has none.
func (s *Scheme) Level(name string) (statement.SchemeLevel, bool) {
	for _, l := range s.Levels {
		if l.Name == name {
			return l, true
		}
	}
	return statement.SchemeLevel{}, false
}

// SpecialCase is a named exception that an authority has declared.
type SpecialCase struct {
	Authority statement.Region      `cbor:"1,keyasint"`
	Case      statement.DeclareCase `cbor:"2,keyasint"`           // as last declared
	EndedAt   statement.Time        `cbor:"3,keyasint,omitempty"` // it does not count from then on; 0: it is not ended
	Reason    string                `cbor:"4,keyasint,omitempty"` // of the end
	ChangedAt uint64                `cbor:"5,keyasint"`
	Revision  uint64                `cbor:"6,keyasint"`
}

func (r *Rule) key() []byte { return ruleKey(r.Authority, r.Set, r.ID) }
func (r *RuleVersion) key() []byte {
	return ruleVersionKey(r.Authority, r.Set, r.ID, r.Version)
}
func (v *ValueSet) key() []byte    { return valueSetKey(v.Authority, v.ID) }
func (s *Scheme) key() []byte      { return schemeKey(s.Authority, s.Name) }
func (c *SpecialCase) key() []byte { return caseKey(c.Authority, c.Case.Name) }

func (r *Rule) check() error {
	if r.Revision == 0 {
		return fmt.Errorf("revision 0")
	}
	if n := len(r.Versions); n == 0 || n > MaxRuleVersions {
		return fmt.Errorf("%d versions, want 1 to %d", n, MaxRuleVersions)
	}
	for i, v := range r.Versions {
		if err := statement.CheckVersion(v); err != nil {
			return err
		}
		if i > 0 && statement.CompareVersions(r.Versions[i-1], v) >= 0 {
			return fmt.Errorf("version %s stands after %s", v, r.Versions[i-1])
		}
	}
	if n := len(r.Ends); n > 0 && (n != len(r.Versions) || slices.Max(r.Ends) == 0 || r.Ends[n-1] != 0) {
		return fmt.Errorf("ends %v of %d versions; want one for each, some not 0, and the last 0", r.Ends, len(r.Versions))
	}
	return errors.Join(r.Authority.Validate(), (&statement.RetireRule{Set: r.Set, ID: r.ID, At: max(r.RetiredAt, 1), Reason: r.Reason}).Validate())
}

func (r *RuleVersion) check() error {
	said := statement.PublishRule{Set: r.Set, ID: r.ID, Version: r.Version, From: r.From, Until: r.Until, Document: r.Document}
	return errors.Join(r.Authority.Validate(), said.Validate())
}

func (v *ValueSet) check() error {
	if v.Revision == 0 {
		return fmt.Errorf("revision 0")
	}
	said := statement.PublishValueSet{ID: v.ID, Version: v.Version, Document: v.Document}
	return errors.Join(v.Authority.Validate(), said.Validate())
}

func (s *Scheme) check() error {
	if s.Revision == 0 {
		return fmt.Errorf("revision 0")
	}
	said := statement.PublishScheme{Name: s.Name, Levels: s.Levels, Supersedes: s.Supersedes, Title: s.Title, LegalRef: s.LegalRef}
	return errors.Join(s.Authority.Validate(), said.Validate())
}

func (c *SpecialCase) check() error {
	if c.Revision == 0 {
		return fmt.Errorf("revision 0")
	}
	return errors.Join(c.Authority.Validate(), c.Case.Validate())
}
