package hc1

import (
	"fmt"
	"strconv"
	"time"

	"concordat/healthcode"
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
	var out []healthcode.Field
	add := func(from table, f fieldName) error {
		value, err := shown(from.text(f.key))
		if err != nil {
			return fmt.Errorf("%w: member %s: %w", healthcode.ErrClaims, f.key, err)
		}
		if value != "" {
			out = append(out, healthcode.Field{Name: f.name, Value: value})
		}
		return nil
	}
	if it := c.subject.text("nam"); it != nil {
		names, err := asTable(it)
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

// shown gives a scalar as text: text as it is (a time tag does not change it),
// numbers without a needless fraction (issuers write doses as floats), tagged
// seconds as RFC 3339. Absent, null and composite values give "".
func shown(it item) (string, error) {
	if it == nil {
		return "", nil
	}
	value, tag, tagged, err := asScalar(it)
	if err != nil {
		return "", err
	}
	if tagged && tag == tagEpoch {
		t, err := numericDate(it)
		if err != nil {
			return "", err
		}
		return t.Format(time.RFC3339Nano), nil
	}
	switch v := value.(type) {
	case string:
		return v, nil
	case uint64:
		return strconv.FormatUint(v, 10), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", nil
}
