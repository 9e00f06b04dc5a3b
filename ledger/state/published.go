package state

import (
	"fmt"

	"concordat/ledger/statement"
)

// What an authority publishes for checks is bounded, retired and ended things
// included: a check reads all rules of two authorities, a bundle carries
// everybody's, and nothing of it is ever removed but the oldest versions of a rule.
const (
	// MaxRules bounds the rules of one authority, over all its sets.
	MaxRules = 1024
	// MaxValueSets bounds its value sets.
	MaxValueSets = 256
	// MaxOwnSchemes bounds the schemes whose levels it has published.
	MaxOwnSchemes = 64
	// MaxSpecialCases bounds its special cases.
	MaxSpecialCases = 1024
	// MaxPublishedBytes bounds the documents that are kept of one authority, as they
	// travel. The rules and value sets of an EU member state take under 200,000.
	MaxPublishedBytes = 4 << 20
)

// published counts what an authority has published (ST12). Only the bytes ever fall.
type published struct {
	Authority statement.Region `cbor:"1,keyasint"`
	Rules     uint64           `cbor:"2,keyasint,omitempty"`
	ValueSets uint64           `cbor:"3,keyasint,omitempty"`
	Schemes   uint64           `cbor:"4,keyasint,omitempty"`
	Cases     uint64           `cbor:"5,keyasint,omitempty"`
	Bytes     uint64           `cbor:"6,keyasint,omitempty"` // of documents: every kept version, value set and condition
}

func (p *published) key() []byte { return publishedKey(p.Authority) }

func (p *published) check() error {
	if p.Rules+p.ValueSets+p.Schemes+p.Cases == 0 {
		return fmt.Errorf("nothing published; then there is no count")
	}
	if v := p.tooMuch(); !v.Accepted() {
		return fmt.Errorf("%s", v.Message)
	}
	return p.Authority.Validate()
}

func (p *published) words() string {
	return fmt.Sprintf("%s has published %s, %s, %s and %s, with documents of %s", p.Authority, count(p.Rules, "rule", "rules"),
		count(p.ValueSets, "value set", "value sets"), count(p.Schemes, "scheme", "schemes"), count(p.Cases, "special case", "special cases"), count(p.Bytes, "byte", "bytes"))
}

// tooMuch refuses what would be more than one authority may publish.
func (p *published) tooMuch() Verdict {
	for _, of := range []struct {
		n, most      uint64
		things, hint string
	}{
		{p.Rules, MaxRules, "rules", "publish a further version of a rule that there is; retired ones count too"},
		{p.ValueSets, MaxValueSets, "value sets", "publish one anew under an id that there is; retired ones count too"},
		{p.Schemes, MaxOwnSchemes, "schemes", "publish one anew under a name that there is"},
		{p.Cases, MaxSpecialCases, "special cases", "declare one anew under a name that there is; ended ones count too"},
		{p.Bytes, MaxPublishedBytes, "bytes of documents", "publish shorter documents in the place of some that there are"},
	} {
		if of.n > of.most {
			return refuse(TooMuchPublished, of.hint, "%s would have published %d %s, at most %d", p.Authority, of.n, of.things, of.most)
		}
	}
	return Verdict{}
}

// published is what the issuer has published so far.
func (a *act) published() (*published, error) {
	p, err := load[published](a.r, publishedKey(a.by))
	if p == nil && err == nil {
		p = &published{Authority: a.by}
	}
	return p, err
}

// documentBytes is how much a document counts.
func documentBytes(d *statement.Document) uint64 {
	if d == nil {
		return 0
	}
	return uint64(len(d.Deflated))
}

// seePublished takes in one entry for the sums of ST12: what is counted under
// the count's key, and what there is less.
func (c counts) seePublished(key, value []byte) error {
	add := func(by statement.Region, what string, n int) { c[string(publishedKey(by))+"\x00"+what] += n }
	switch key[0] {
	case tagPublished:
		p, err := parse[published](key, value)
		if err != nil {
			return err
		}
		add(p.Authority, "rules", int(p.Rules))
		add(p.Authority, "value sets", int(p.ValueSets))
		add(p.Authority, "schemes", int(p.Schemes))
		add(p.Authority, "cases", int(p.Cases))
		add(p.Authority, "bytes", int(p.Bytes))
	case tagRule:
		if isRuleVersion(key) {
			v, err := parse[RuleVersion](key, value)
			if err != nil {
				return err
			}
			add(v.Authority, "bytes", -int(documentBytes(&v.Document)))
			c[versionsOf(v.Authority, v.Set, v.ID)]--
			return nil
		}
		r, err := parse[Rule](key, value)
		if err != nil {
			return err
		}
		add(r.Authority, "rules", -1)
		c[versionsOf(r.Authority, r.Set, r.ID)] += len(r.Versions)
	case tagValueSet:
		s, err := parse[ValueSet](key, value)
		if err != nil {
			return err
		}
		add(s.Authority, "value sets", -1)
		add(s.Authority, "bytes", -int(documentBytes(&s.Document)))
	case tagScheme:
		s, err := parse[Scheme](key, value)
		if err != nil {
			return err
		}
		add(s.Authority, "schemes", -1)
	case tagCase:
		x, err := parse[SpecialCase](key, value)
		if err != nil {
			return err
		}
		add(x.Authority, "cases", -1)
		add(x.Authority, "bytes", -int(documentBytes(x.Case.Condition)))
	}
	return nil
}

// versionsOf is under what a rule's versions are counted.
func versionsOf(by statement.Region, set, id string) string {
	return string(ruleKey(by, set, id)) + "\x00versions"
}
