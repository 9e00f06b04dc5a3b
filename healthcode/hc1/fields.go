package hc1

import (
	"fmt"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
)

// fieldName says under which name a member of the schema is shown.
type fieldName struct{ key, name string }

// What is shown, in reading order. The certificate identifier (ci) is left out
// on purpose: it identifies the person's document everywhere, helps no verifier,
// and should not spread.
var (
	nameFields = []fieldName{
		{"fn", "familyName"},
		{"gn", "givenName"},
		{"fnt", "familyNameTransliterated"},
		{"gnt", "givenNameTransliterated"},
	}
	entryFields = map[healthcode.Kind][]fieldName{
		healthcode.Vaccination: {
			{"tg", "disease"},
			{"vp", "vaccine"},
			{"mp", "product"},
			{"ma", "manufacturer"},
			{"dn", "dose"},
			{"sd", "doses"},
			{"dt", "vaccinatedOn"},
			{"co", "country"},
			{"is", "certificateIssuer"},
		},
		healthcode.Test: {
			{"tg", "disease"},
			{"tt", "testType"},
			{"nm", "testName"},
			{"ma", "testDevice"},
			{"sc", "sampledAt"},
			{"dr", "resultAt"}, // schema 1.2.1 and before
			{"tr", "testResult"},
			{"tc", "testingCentre"},
			{"co", "country"},
			{"is", "certificateIssuer"},
		},
		healthcode.Recovery: {
			{"tg", "disease"},
			{"fr", "firstPositiveOn"},
			{"df", "validFrom"},
			{"du", "validUntil"},
			{"co", "country"},
			{"is", "certificateIssuer"},
		},
	}
)

// fields lists what the credential says, values as they stand in it.
func (c *credential) fields() ([]healthcode.Field, error) {
	out := make([]healthcode.Field, 0, len(nameFields)+1+len(entryFields[c.kind]))
	add := func(from cwt.Table, f fieldName) error {
		value, err := from.Text(f.key).Shown()
		if err != nil {
			return fmt.Errorf("%w: member %s: %w", healthcode.ErrClaims, f.key, err)
		}
		if value != "" {
			out = append(out, healthcode.Field{Name: f.name, Value: value})
		}
		return nil
	}
	if it := c.subject.Text("nam"); it != nil {
		names, err := it.Table()
		if err != nil {
			return nil, fmt.Errorf("%w: member nam: %w", healthcode.ErrClaims, err)
		}
		for _, f := range nameFields {
			if err := add(names, f); err != nil {
				return nil, err
			}
		}
	}
	if err := add(c.subject, fieldName{"dob", "dateOfBirth"}); err != nil {
		return nil, err
	}
	for _, f := range entryFields[c.kind] {
		if err := add(c.entry, f); err != nil {
			return nil, err
		}
	}
	return out, nil
}
