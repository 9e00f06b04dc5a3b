package shc

import "concordat/healthcode"

// fields lists what a verifier compares and sees, in reading order and in the
// names that HC1 codes have too. Everything else stays unread: lots, performers,
// addresses, and of an Observation any result that is not a code, as the blood
// count of a laboratory's report is nobody's business at a border.
func (c *card) fields(kind healthcode.Kind) []healthcode.Field {
	out := make([]healthcode.Field, 0, 4+3*max(len(c.bundle.vaccinations), len(c.bundle.results)))
	add := func(name, value string) {
		if value != "" {
			out = append(out, healthcode.Field{Name: name, Value: value})
		}
	}
	p := &c.bundle.patient
	add("familyName", p.family)
	add("givenName", p.given)
	if p.family == "" && p.given == "" {
		add("name", p.text)
	}
	add("dateOfBirth", p.birthDate)
	// Of a card with both, only what its kind is about.
	if kind == healthcode.Vaccination {
		for _, e := range c.bundle.vaccinations {
			add("vaccine", e.code)
			add("vaccinatedOn", e.on)
		}
	} else {
		for _, e := range c.bundle.results {
			add("testType", e.code)
			add("testResult", e.result)
			add("sampledAt", e.on)
		}
	}
	add("certificateIssuer", c.issuer)
	return out
}
