package recognition

import "testing"

func TestBirthDates(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"1990-05-04", "1990-05-04", true}, {"1990", "1990-05-04", true}, {"1990-05", "1990-05-04", true}, {"", "1990-05-04", true}, {"", "", true},
		{"1990-05-04T00:00:00Z", "1990-05-04", true}, {"1990-XX-XX", "1990-05-04", true}, {"1990-05-00", "1990-05-04", true},
		{"unknown", "1990-05-04", true}, {"90", "1990-05-04", true}, {"19900504", "1990-05-03", true}, // no dates, so nothing is known
		{"1990-05-04", "1990-05-05", false}, {"1990", "1991-05-04", false}, {"1990-06", "1990-05-04", false}, {"1990", "1991", false}, {"1990-XX-XX", "1991-XX-XX", false},
	} {
		for _, pair := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			if got := sameDate(birthDate(pair[0]), birthDate(pair[1])); got != c.same {
				t.Errorf("%q and %q can be one: %v", pair[0], pair[1], got)
			}
		}
	}
}
