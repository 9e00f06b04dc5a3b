package statement

import (
	"crypto/sha256"
	"fmt"
)

// Level 3: acceptance rules, value sets, schemes of risk levels, special cases.

// DefaultRuleSet is the set that a rule is in, and that codes must meet, where no other is named.
const DefaultRuleSet = "default"

// FormatNames are the formats of code that a grant or special case can name, in
// the order in which lists of them are written. They are those of package healthcode.
var FormatNames = []string{"hc1", "shc", "native"}

// AlgorithmNames are the algorithms that a grant can name, in the order in which
// lists of them are written (RFC 9053, RFC 7518).
var AlgorithmNames = []string{"ES256", "ES384", "PS256", "EdDSA"}

// Document is a JSON text as it was published, to the byte. The ledger does not
// look into it: whether a program of some version can read it must not decide
// what the ledger accepts. Package recognition does when it checks.
type Document struct {
	Deflated []byte            `cbor:"1,keyasint"` // raw DEFLATE (RFC 1951) of the text
	Size     uint64            `cbor:"2,keyasint"` // of the text, in bytes
	Digest   [sha256.Size]byte `cbor:"3,keyasint"` // SHA-256 of the text: the hash under which existing clients ask for it
}

// PublishRule makes one version of a rule known (EU DCC validation rules). The
// authority applies its acceptance rules to codes that are shown in its region,
// and its invalidation rules apply to its own codes wherever they are shown.
type PublishRule struct {
	Set          string   `cbor:"1,keyasint"` // DefaultRuleSet, or a name that grants give
	ID           string   `cbor:"2,keyasint"` // VR-DE-0001
	Version      string   `cbor:"3,keyasint"` // 1.0.0
	From         Time     `cbor:"4,keyasint"`
	Until        Time     `cbor:"5,keyasint,omitempty"`
	Invalidation bool     `cbor:"6,keyasint,omitempty"`
	Document     Document `cbor:"7,keyasint"`
}

// RetireRule ends every version of a rule: it is not applied from At on.
type RetireRule struct {
	Set    string `cbor:"1,keyasint"`
	ID     string `cbor:"2,keyasint"`
	At     Time   `cbor:"3,keyasint"`
	Reason string `cbor:"4,keyasint,omitempty"`
}

// PublishValueSet makes known which codes a value set has, for the rules of the
// same authority. A further one with the same id replaces it.
type PublishValueSet struct {
	ID       string   `cbor:"1,keyasint"` // vaccines-covid-19-names
	Version  string   `cbor:"2,keyasint"` // its date, 2021-05-27
	Document Document `cbor:"3,keyasint"`
}

// RetireValueSet takes a value set back.
type RetireValueSet struct {
	ID     string `cbor:"1,keyasint"`
	Reason string `cbor:"2,keyasint,omitempty"`
}

// SchemeLevel is one level of a scheme.
type SchemeLevel struct {
	Name     string `cbor:"1,keyasint"`           // high, dark-red, green
	Refuse   bool   `cbor:"2,keyasint,omitempty"` // at a check for the publisher, a stay at that level or a status of that name refuses
	Lookback uint64 `cbor:"3,keyasint,omitempty"` // days; 0: as the declaration of an area says
	Title    string `cbor:"4,keyasint,omitempty"` // for people
}

// PublishScheme says which levels of risk, or of a health code's status, an
// authority knows under a name, and what each means at checks for its region,
// whoever declared it. A further one with the same name replaces it.
type PublishScheme struct {
	Name       string        `cbor:"1,keyasint"`           // ecdc-2021-06, cn-risk, default
	Levels     []SchemeLevel `cbor:"2,keyasint"`           // from the least risk to the greatest
	Supersedes string        `cbor:"3,keyasint,omitempty"` // what this authority says of an area in this scheme replaces what it says of it in that one
	Title      string        `cbor:"4,keyasint,omitempty"`
	LegalRef   string        `cbor:"5,keyasint,omitempty"`
}

// DeclareCase is a named exception from what else decides at checks for the
// issuer's region. Every field that is given must fit the code. One that admits
// overrules a recognition that is missing or does not cover the code, the rules
// and risk areas; never a signature, a time or a revocation. A further one with
// the same name replaces it.
type DeclareCase struct {
	Name        string       `cbor:"1,keyasint"`
	Admit       bool         `cbor:"2,keyasint,omitempty"` // otherwise it refuses
	Region      Region       `cbor:"3,keyasint,omitempty"` // whose codes; none, in one that refuses and names no keys: anybody's
	Kinds       []CodeKind   `cbor:"4,keyasint,omitempty"`
	Formats     []string     `cbor:"5,keyasint,omitempty"`
	Keys        []Thumbprint `cbor:"6,keyasint,omitempty"` // ascending
	IssuedFrom  Time         `cbor:"7,keyasint,omitempty"`
	IssuedUntil Time         `cbor:"8,keyasint,omitempty"`
	From        Time         `cbor:"9,keyasint,omitempty"` // of the check
	Until       Time         `cbor:"10,keyasint,omitempty"`
	Condition   *Document    `cbor:"11,keyasint,omitempty"` // a CertLogic expression that must be true of the code
	Reason      string       `cbor:"12,keyasint"`
	LegalRef    string       `cbor:"13,keyasint,omitempty"`
}

// EndCase ends a special case as of At.
type EndCase struct {
	Name   string `cbor:"1,keyasint"`
	At     Time   `cbor:"2,keyasint"`
	Reason string `cbor:"3,keyasint,omitempty"`
}

// Kind of each body.
func (*PublishRule) Kind() Kind     { return RulePublish }
func (*RetireRule) Kind() Kind      { return RuleRetire }
func (*PublishValueSet) Kind() Kind { return ValueSetPublish }
func (*RetireValueSet) Kind() Kind  { return ValueSetRetire }
func (*PublishScheme) Kind() Kind   { return RiskSchemePublish }
func (*DeclareCase) Kind() Kind     { return SpecialCaseDeclare }
func (*EndCase) Kind() Kind         { return SpecialCaseEnd }

// RuleSubject is the subject of an authority's rule, in all its versions.
func RuleSubject(issuer Region, set, id string) string {
	return fmt.Sprintf("rule/%s/%s/%s", issuer, set, id)
}

// ValueSetSubject is the subject of an authority's value set.
func ValueSetSubject(issuer Region, id string) string {
	return fmt.Sprintf("value-set/%s/%s", issuer, id)
}

// SchemeSubject is the subject of an authority's scheme.
func SchemeSubject(issuer Region, name string) string {
	return fmt.Sprintf("risk-scheme/%s/%s", issuer, name)
}

// CaseSubject is the subject of an authority's special case.
func CaseSubject(issuer Region, name string) string {
	return fmt.Sprintf("special-case/%s/%s", issuer, name)
}

// Subject of each body.
func (b *PublishRule) Subject(by Region) string     { return RuleSubject(by, b.Set, b.ID) }
func (b *RetireRule) Subject(by Region) string      { return RuleSubject(by, b.Set, b.ID) }
func (b *PublishValueSet) Subject(by Region) string { return ValueSetSubject(by, b.ID) }
func (b *RetireValueSet) Subject(by Region) string  { return ValueSetSubject(by, b.ID) }
func (b *PublishScheme) Subject(by Region) string   { return SchemeSubject(by, b.Name) }
func (b *DeclareCase) Subject(by Region) string     { return CaseSubject(by, b.Name) }
func (b *EndCase) Subject(by Region) string         { return CaseSubject(by, b.Name) }

// since3 is the level of a body that uses one of the fields that came with level 3.
func since3(used bool) uint64 {
	if used {
		return 3
	}
	return 1
}

func (b *RegisterKey) youngest() uint64 { return since3(b.Issuer != "" || b.Name != "") }
func (b *Batch) youngest() uint64       { return since3(b.IssuedBefore != 0) }
func (b *Suspend) youngest() uint64     { return since3(b.LegalRef != "") }
func (b *Withdraw) youngest() uint64    { return since3(b.LegalRef != "") }
func (b *Terms) youngest() uint64 {
	return since3(b.LegalRef != "" || b.RuleSet != "" || len(b.Formats)+len(b.Algorithms)+len(b.Schemes) > 0)
}
