package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"concordat/healthcode"
	"concordat/ledger/statement"
	"concordat/recognition/certlogic"
)

// Type is what a rule is for.
type Type string

// The types of rule.
const (
	Acceptance   Type = "Acceptance"   // of the region of arrival: which codes it accepts
	Invalidation Type = "Invalidation" // of the region of issue: which of its own codes no longer count
)

// General is the certificate type of a rule for every kind of EU certificate.
const General = "General"

// certificateTypes are the kinds of code by the names of the schema. Health and
// Itinerary are ours, for native codes; these hold nothing that a general rule
// looks at, which therefore leaves them alone.
var certificateTypes = map[string][]healthcode.Kind{
	"Vaccination": {healthcode.Vaccination}, "Test": {healthcode.Test}, "Recovery": {healthcode.Recovery},
	General:  {healthcode.Vaccination, healthcode.Test, healthcode.Recovery},
	"Health": {healthcode.Health}, "Itinerary": {healthcode.Itinerary},
}

// Description is what a rule demands, in one language.
type Description struct {
	Lang string `json:"lang"`
	Desc string `json:"desc"`
}

// Rule is one version of a rule. It is immutable and safe for concurrent use.
type Rule struct {
	Identifier      string
	Type            Type
	Country         string
	Region          string // a part of the country of arrival, like BW; "": all of it
	Version         string // in the order of Semantic Versioning: statement.CompareVersions
	SchemaVersion   string
	Engine          string
	EngineVersion   string
	CertificateType string
	ValidFrom       time.Time
	ValidTo         time.Time
	AffectedFields  []string
	Description     []Description

	logic    *certlogic.Expression
	words    *Words // Description, prepared
	problems []string
}

// ParseRule reads a rule. It wants what decides whether and how the rule
// applies, and takes the rest as it is (see Problems). Errors wrap ErrRule; or
// ErrEngine, if the rule is well-formed and for an engine that this program has
// not.
func ParseRule(text []byte) (*Rule, error) {
	if len(text) > statement.MaxDocumentText {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrRule, len(text), statement.MaxDocumentText)
	}
	all, err := members(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRule, err)
	}
	p := parser{r: &Rule{}, values: make(map[string]json.RawMessage, len(all))}
	for _, m := range all {
		p.values[m.name] = m.value
	}
	p.fields()
	if p.err != nil {
		return nil, p.err
	}
	r := p.r
	if err := r.readable(); err != nil {
		return nil, err
	}
	if r.logic, err = certlogic.Parse(p.values["Logic"]); err != nil {
		return nil, fmt.Errorf("%w: %s: Logic: %w", ErrRule, r.Identifier, err)
	}
	r.words = newWords(r.Description)
	r.problems = p.departures(all)
	return r, nil
}

// readable wants an engine that this program has. The numbers of engines are
// those of the programs of 2021 (0.7.5), or of the specification (1.3.3).
func (r *Rule) readable() error {
	if r.Engine != "CERTLOGIC" {
		return fmt.Errorf("%w: %s wants %.40q, this program has CERTLOGIC", ErrEngine, r.Identifier, r.Engine)
	}
	if major, _, _ := strings.Cut(r.EngineVersion, "."); major != "0" && major != "1" {
		return fmt.Errorf("%w: %s wants CERTLOGIC %.40q, this program has 1.3", ErrEngine, r.Identifier, r.EngineVersion)
	}
	return nil
}

// parser reads the fields of a rule, and keeps the first fault.
type parser struct {
	r      *Rule
	values map[string]json.RawMessage
	err    error
}

func (p *parser) fail(format string, a ...any) {
	if p.err == nil {
		name := p.r.Identifier
		if name != "" {
			name += ": "
		}
		p.err = fmt.Errorf("%w: %s%s", ErrRule, name, fmt.Sprintf(format, a...))
	}
}

// text reads a field that has to be there.
func (p *parser) text(name string) string {
	raw, ok := p.values[name]
	if !ok {
		p.fail("%s is missing", name)
		return ""
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		p.fail("%s is no text", name)
	}
	return s
}

// maybe reads a field that does not matter here: whatever it is, it does no harm.
func (p *parser) maybe(name string, into any) {
	if raw, ok := p.values[name]; ok {
		_ = json.Unmarshal(raw, into) // Problems says what departs from the schema
	}
}

func (p *parser) time(name string) time.Time {
	s := p.text(name)
	if p.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		p.fail("%s is %.40q, want RFC 3339 like 2021-07-03T00:00:00Z", name, s)
	}
	return t.UTC()
}

func (p *parser) fields() {
	r := p.r
	r.Identifier = p.text("Identifier")
	if p.err == nil && !plain(r.Identifier) {
		id := r.Identifier
		r.Identifier = ""
		p.fail("Identifier %.70q, want letters, digits, \"-\", \"_\", \".\" and \"+\", at most %d", id, statement.MaxName)
	}
	switch r.Type = Type(p.text("Type")); r.Type {
	case Acceptance, Invalidation:
	default:
		p.fail("Type is %.40q, want %s or %s", r.Type, Acceptance, Invalidation)
	}
	r.Version = p.text("Version")
	if err := statement.CheckVersion(r.Version); p.err == nil && err != nil {
		p.fail("Version is %.70q, want one like 1.0.3 (semver.org)", r.Version)
	}
	r.Engine = p.text("Engine")
	r.EngineVersion = p.text("EngineVersion")
	r.CertificateType = p.text("CertificateType")
	if _, ok := certificateTypes[r.CertificateType]; !ok {
		p.fail("CertificateType is %.40q, want General, Vaccination, Test, Recovery, Health or Itinerary", r.CertificateType)
	}
	r.ValidFrom, r.ValidTo = p.time("ValidFrom"), p.time("ValidTo")
	if p.err == nil && r.ValidTo.Before(r.ValidFrom) {
		p.fail("ValidTo is before ValidFrom")
	}
	if _, ok := p.values["Region"]; ok {
		if r.Region = p.text("Region"); !isPart(r.Region) {
			p.fail("Region is %.40q, want at most 5 capital letters and digits", r.Region)
		}
	}
	if _, ok := p.values["Logic"]; !ok {
		p.fail("Logic is missing")
	}
	p.maybe("Country", &r.Country)
	p.maybe("SchemaVersion", &r.SchemaVersion)
	p.maybe("AffectedFields", &r.AffectedFields)
	p.maybe("Description", &r.Description)
	if len(r.Description) > MaxDescriptions {
		r.Description = r.Description[:MaxDescriptions]
	}
	for i := range r.Description {
		if d := &r.Description[i]; len(d.Desc) > MaxDescription {
			d.Desc = strings.ToValidUTF8(d.Desc[:MaxDescription], "") + "…"
		}
	}
}

// plain reports whether s can be a rule's or value set's id in a statement.
func plain(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '+' || c == '_') {
			return false
		}
	}
	return s != "" && len(s) <= statement.MaxName
}

// isPart reports whether s is a part of a country as the schema has it.
func isPart(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
			return false
		}
	}
	return len(s) <= 5
}

// AppliesTo reports whether a rule is for codes of a kind.
func (r *Rule) AppliesTo(kind healthcode.Kind) bool {
	return slices.Contains(certificateTypes[r.CertificateType], kind)
}

// AppliesIn reports whether a rule that the authority of home published is for
// an arrival in an area. One for a part of the country applies to arrivals there
// only; one that invalidates applies wherever its country's codes are shown.
func (r *Rule) AppliesIn(home statement.Region, arrival statement.Area) bool {
	if r.Region == "" || r.Type == Invalidation {
		return true
	}
	return statement.Area(string(home) + "-" + r.Region).Covers(arrival)
}
