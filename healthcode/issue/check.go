package issue

import (
	"fmt"
	"strings"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
	"concordat/healthcode/native"
)

func invalid(format string, a ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, a...)...)
}

// checkID checks the id of a region or an area: two or three capital letters,
// then finer parts. It is the form that statements have (ledger/statement), which
// this package does not know.
func checkID(what, s string, most, parts int) error {
	split := strings.Split(s, "-")
	good := len(s) <= most && len(split) <= parts && (len(split[0]) == 2 || len(split[0]) == 3)
	for i, part := range split {
		good = good && part != "" && len(part) <= 12
		for _, c := range []byte(part) {
			good = good && (c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9')
		}
	}
	if !good {
		return invalid(`the %s is no id like XA or CN-31: two or three capital letters, then parts of A-Z and 0-9 after "-", %d bytes at most`, what, most)
	}
	return nil
}

func checkTimes(issuedAt, expiresAt time.Time) error {
	if issuedAt.Unix() < cwt.Earliest || expiresAt.Unix() > cwt.Latest {
		return invalid("issued at %s and expiring at %s; codes carry times of 1970 to 9999", stamp(issuedAt), stamp(expiresAt))
	}
	if !expiresAt.After(issuedAt) {
		return invalid("issued at %s and expiring at %s: it has expired before it is issued", stamp(issuedAt), stamp(expiresAt))
	}
	return nil
}

// checkCard checks what an issuer of ours writes and others may not: area ids in
// their form, stays in order and within the time that the card covers, and
// nothing that the issuer cannot know yet.
func checkCard(c *native.Card) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if h := c.Health; h != nil {
		if u := h.Status.Until; !u.IsZero() && !u.After(c.IssuedAt) {
			return invalid("the status ends at %s, not after the code is issued at %s", stamp(u), stamp(c.IssuedAt))
		}
		if d := h.Declared; d != nil && (d.At.After(c.IssuedAt) || d.AuditedAt.After(c.IssuedAt)) {
			return invalid("the declaration or its audit lies after the time of issue, %s", stamp(c.IssuedAt))
		}
		return nil
	}
	i := c.Itinerary
	if i.Covered.To.After(c.IssuedAt) {
		return invalid("the card covers the time up to %s, after it is issued at %s", stamp(i.Covered.To), stamp(c.IssuedAt))
	}
	for n, s := range i.Stays {
		if err := checkID(fmt.Sprintf("area of stay %d", n+1), s.Area, native.MaxArea, 8); err != nil {
			return err
		}
		if s.From.Before(i.Covered.From) || s.To.After(i.Covered.To) {
			return invalid("stay %d is not within the time that the card covers", n+1)
		}
		if n > 0 && s.From.Before(i.Stays[n-1].From) {
			return invalid("stay %d begins before stay %d; give them in order", n+1, n)
		}
	}
	return nil
}

// demanded are the members that the schema demands of each kind's entry (DCC
// schema 1.3.0), beside tg, co, is and ci. Doses are numbers, the rest is text.
var demanded = []struct {
	group string
	kind  healthcode.Kind
	texts []string
	doses []string
}{
	{"v", healthcode.Vaccination, []string{"vp", "mp", "ma", "dt"}, []string{"dn", "sd"}},
	{"t", healthcode.Test, []string{"tt", "sc", "tr"}, nil},
	{"r", healthcode.Recovery, []string{"fr", "df", "du"}, nil},
}

// checkDCC checks an eu_dcc_v1 object so far as verifiers stumble over what is
// missing, and gives its kind.
func checkDCC(dcc map[string]any) (healthcode.Kind, error) {
	for _, member := range []string{"ver", "dob"} {
		if _, ok := dcc[member].(string); !ok {
			return "", invalid("member %s is missing, or no text", member)
		}
	}
	name, ok := dcc["nam"].(map[string]any)
	if !ok {
		return "", invalid("member nam is missing, or no object")
	}
	if fnt, _ := name["fnt"].(string); fnt == "" {
		return "", invalid("member nam.fnt is missing, or no text")
	}
	var kind healthcode.Kind
	entries := 0
	for _, d := range demanded {
		group, given := dcc[d.group]
		if !given {
			continue
		}
		list, ok := group.([]any)
		if !ok || len(list) == 0 {
			return "", invalid("member %s is no list with an entry; leave it out where there is none", d.group)
		}
		if entries += len(list); entries > 1 {
			break
		}
		entry, ok := list[0].(map[string]any)
		if !ok {
			return "", invalid("the entry of %s is no object", d.group)
		}
		kind = d.kind
		for _, member := range append([]string{"tg", "co", "is", "ci"}, d.texts...) {
			if text, _ := entry[member].(string); text == "" {
				return "", invalid("member %s of %s is missing, or no text", member, d.group)
			}
		}
		for _, member := range d.doses {
			if n, ok := entry[member].(int64); !ok || n < 0 {
				return "", invalid("member %s of %s is missing, or no whole number", member, d.group)
			}
		}
	}
	if entries != 1 {
		return "", fmt.Errorf("%w: %w: %d or more entries in v, t and r; exactly 1 is issued", ErrInvalid, healthcode.ErrEntries, entries)
	}
	return kind, nil
}
