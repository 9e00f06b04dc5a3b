package hc1

import (
	"fmt"
	"strings"

	"concordat/healthcode"
)

// birthDate gives the date of birth so far as it is one: YYYY, YYYY-MM or
// YYYY-MM-DD. A time after it, which some issuers wrote, is left out, and what
// has another form is no date that could be compared with another code's.
func (c *credential) birthDate() (string, error) {
	dob, err := c.subject.Text("dob").Shown()
	if err != nil {
		return "", fmt.Errorf("%w: member dob: %w", healthcode.ErrClaims, err)
	}
	date, _, _ := strings.Cut(dob, "T")
	const form = "0000-00-00"
	if n := len(date); n != 4 && n != 7 && n != 10 {
		return "", nil
	}
	for i := range len(date) {
		if digit := '0' <= date[i] && date[i] <= '9'; digit != (form[i] == '0') || !digit && date[i] != '-' {
			return "", nil
		}
	}
	return date, nil
}
