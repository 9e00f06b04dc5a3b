package recognition

import (
	"regexp"
	"strings"

	"concordat/healthcode"
)

// holders finds codes that cannot be one person's: both carry an id and the ids
// differ, or both carry a birth date and no day is in both (W12). Each code is held
// against those shown before it. Neither the ids nor the dates are told.
func holders(all *findings, verdicts []verdict) {
	if len(verdicts) < 2 {
		return
	}
	of := make([]healthcode.Holder, len(verdicts))
	for i := range verdicts {
		v := verdicts[i].verified
		if v == nil {
			continue
		}
		of[i] = v.Holder()
		of[i].BirthDate = birthDate(of[i].BirthDate)
		f := findings{code: &i}
		var otherID, otherDate bool
		for k, o := range of[:i] {
			if !otherID && o.ID != "" && of[i].ID != "" && o.ID != of[i].ID {
				otherID = true
				f.add(HoldersDiffer, nil, "Code %d and code %d are not one person's: each gives another id of its holder.", k+1, i+1)
			}
			if !otherDate && !sameDate(o.BirthDate, of[i].BirthDate) {
				otherDate = true
				f.add(HoldersDiffer, nil, "Code %d and code %d are not one person's: each gives another birth date.", k+1, i+1)
			}
		}
		all.reasons = append(all.reasons, f.reasons...)
	}
}

var dateForm = regexp.MustCompile(`^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$`)

// birthDate gives a birth date as far as it is one: YYYY, YYYY-MM or YYYY-MM-DD.
// Some issuers append a time of day; some write what they do not know as XX or 00.
func birthDate(s string) string {
	s, _, _ = strings.Cut(s, "T")
	for _, unknown := range []string{"-XX", "-00"} {
		s, _, _ = strings.Cut(s, unknown)
	}
	if !dateForm.MatchString(s) {
		return ""
	}
	return s
}

// sameDate reports whether two birth dates can be one: what the less exact says,
// the other says too. One that is not given is any.
func sameDate(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }
