package rules

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"

	"concordat/ledger/statement"
	"concordat/recognition/certlogic"
)

// The schema's patterns (dgc-gateway, validation-rule.schema.json).
var (
	identifierForm = regexp.MustCompile(`^(GR|VR|TR|RR|IR)-[A-Z]{2}-\d{4}$`)
	countryForm    = regexp.MustCompile(`^[A-Z]{2}$`)
	timeForm       = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})$`)
)

// prefixes are the certificate types by the beginnings of identifiers.
var prefixes = map[string]string{"GR": General, "VR": "Vaccination", "TR": "Test", "RR": "Recovery"}

// native reports whether a certificate type is one of ours, for which the schema
// has no prefix; GR serves.
func native(certificateType string) bool {
	return certificateType == "Health" || certificateType == "Itinerary"
}

// fieldNames are the properties of the schema.
var fieldNames = []string{
	"Identifier", "Type", "Country", "Region", "Version", "SchemaVersion", "Engine", "EngineVersion",
	"CertificateType", "Description", "ValidFrom", "ValidTo", "AffectedFields", "Logic",
}

// minDescription is the least length of a description, in characters.
const minDescription = 20

// maxStrange bounds the properties that are listed for not being in the schema.
const maxStrange = 20

// Problems lists where the rule departs from the schema, and from CertLogic 1.3.
// It applies all the same; other programs may refuse it.
func (r *Rule) Problems() []string { return slices.Clone(r.problems) }

// departures lists the problems.
func (p *parser) departures(all []member) []string {
	r := p.r
	var out []string
	say := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	strange := 0
	for _, m := range all {
		if slices.Contains(fieldNames, m.name) {
			continue
		}
		if strange++; strange <= maxStrange {
			say("the property %.40q is not in the schema", m.name)
		}
	}
	if more := strange - maxStrange; more > 0 {
		say("%d more properties are not in the schema", more)
	}
	if !identifierForm.MatchString(r.Identifier) {
		say("Identifier is %q, want the form VR-DE-0001", r.Identifier)
	} else {
		prefix, country := r.Identifier[:2], r.Identifier[3:5]
		if want, ok := prefixes[prefix]; ok && want != r.CertificateType && !(prefix == "GR" && native(r.CertificateType)) {
			say("Identifier begins with %s, which is for %s, and CertificateType is %s", prefix, want, r.CertificateType)
		}
		if (prefix == "IR") != (r.Type == Invalidation) {
			say("Identifier begins with %s, and Type is %s", prefix, r.Type)
		}
		if country != r.Country {
			say("Identifier names %s, and Country is %.10q", country, r.Country)
		}
	}
	if !countryForm.MatchString(r.Country) {
		say("Country is %.10q, want two capital letters", r.Country)
	}
	if statement.CheckVersion(r.SchemaVersion) != nil {
		say("SchemaVersion is %.20q, want 1.0.0", r.SchemaVersion)
	}
	if statement.CheckVersion(r.EngineVersion) != nil {
		say("EngineVersion is %.20q, want three numbers with dots", r.EngineVersion)
	}
	for _, name := range []string{"ValidFrom", "ValidTo"} {
		if s := p.text(name); !timeForm.MatchString(s) {
			say("%s is %.40q, want whole seconds and an offset", name, s)
		}
	}
	var fields []string
	if raw, ok := p.values["AffectedFields"]; !ok || json.Unmarshal(raw, &fields) != nil || len(fields) == 0 {
		say("AffectedFields is no list of one or more texts")
	}
	english := false
	for _, d := range r.Description {
		english = english || d.Lang == "en"
		if n := len([]rune(d.Desc)); n < minDescription {
			say("the description in %.10q has %d characters, want %d or more", d.Lang, n, minDescription)
		}
	}
	if !english {
		say("Description has no text in English (lang \"en\")")
	}
	for _, s := range r.logic.Problems() {
		say("Logic: %s", s)
	}
	return out
}

// Upload checks of the EU gateway: how far ahead a rule may begin, and how early
// it has to be made known.
const (
	uploadAhead      = 14 * 24 * time.Hour
	uploadAcceptance = 48 * time.Hour
)

// UploadProblems lists what the EU gateway would object to in a rule that is
// published at now, where before is the newest version that stands; nil: none does.
func (r *Rule) UploadProblems(now time.Time, before *Rule) []string {
	var out []string
	ahead := r.ValidFrom.Sub(now)
	if ahead > uploadAhead {
		out = append(out, fmt.Sprintf("ValidFrom is more than %d days ahead", uploadAhead/(24*time.Hour)))
	}
	if least := uploadAcceptance; r.Type == Acceptance && ahead < least {
		out = append(out, fmt.Sprintf("ValidFrom is not %d hours ahead, so that travellers may meet it unprepared", least/time.Hour))
	} else if r.Type == Invalidation && ahead < 0 {
		out = append(out, "ValidFrom is in the past")
	}
	if before != nil {
		if statement.CompareVersions(r.Version, before.Version) <= 0 {
			out = append(out, fmt.Sprintf("Version %s does not come after %s, which stands", r.Version, before.Version))
		}
		if r.ValidFrom.Before(before.ValidFrom) {
			out = append(out, fmt.Sprintf("ValidFrom is before that of version %s", before.Version))
		}
	}
	return out
}

// Logic is the rule's expression.
func (r *Rule) Logic() *certlogic.Expression { return r.logic }
