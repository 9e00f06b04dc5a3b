package shc

import (
	"strconv"

	"concordat/healthcode"
)

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
		for i, e := range c.bundle.vaccinations {
			add(numbered("vaccine", i), e.code)
			add(numbered("vaccinatedOn", i), e.on)
		}
	} else {
		for i, e := range c.bundle.results {
			add(numbered("testType", i), e.code)
			add(numbered("testResult", i), e.result)
			add(numbered("sampledAt", i), e.on)
		}
	}
	add("certificateIssuer", c.issuer)
	return out
}

// numbered is the name of a field of the so-manyth entry, from 0: the first has
// the name that HC1 codes have, which have one; the next are vaccine2, vaccine3.
// In an answer fields are members of one object, where a name stands once.
func numbered(name string, i int) string {
	if i == 0 {
		return name
	}
	return name + strconv.Itoa(i+1)
}
