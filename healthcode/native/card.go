package native

import (
	"encoding/hex"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
)

// ID is what a person's health code and itinerary card share: random bytes.
type ID [IDSize]byte

// ParseID reads an id's text form: 32 lower-case hexadecimal digits.
func ParseID(text string) (ID, error) {
	var id ID
	if len(text) != 2*IDSize {
		return ID{}, fmt.Errorf("%w: an id of %d characters; it has %d hexadecimal digits", healthcode.ErrClaims, len(text), 2*IDSize)
	}
	if _, err := hex.Decode(id[:], []byte(text)); err != nil || id.Text() != text {
		return ID{}, fmt.Errorf("%w: an id is written in lower-case hexadecimal digits", healthcode.ErrClaims)
	}
	return id, nil
}

// Text is the id as people write it, and as it is hashed to revoke it.
func (id ID) Text() string { return hex.EncodeToString(id[:]) }

// Card is what a native code says. It is personal, and prints as nothing.
type Card struct {
	Region    string // iss: the issuing region
	IssuedAt  time.Time
	NotBefore time.Time // zero: from its issue on
	ExpiresAt time.Time
	ID        ID
	BirthDate string // YYYY, YYYY-MM or YYYY-MM-DD; "": not given

	// One of the two, never both.
	Health    *Health
	Itinerary *Itinerary
}

// Health is what makes a card a health code.
type Health struct {
	Status   healthcode.Status
	Declared *healthcode.Declaration // nil: none
}

// Itinerary is what makes a card an itinerary card.
type Itinerary struct {
	Covered healthcode.Span // the time that the stays are all stays of
	Stays   []healthcode.Stay
}

// String is discreet: whoever prints a card by accident gets this.
func (c Card) String() string { return fmt.Sprintf("native card (%s)", c.Kind()) }

// GoString is String, so that %#v is discreet too.
func (c Card) GoString() string { return c.String() }

// MarshalText is String, so that JSON logs are discreet too.
func (c Card) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Kind says what the card is.
func (c *Card) Kind() healthcode.Kind {
	if c.Itinerary != nil {
		return healthcode.Itinerary
	}
	return healthcode.Health
}

// Validate checks what holds for every card, read or written: that what must be
// there is there and within the bounds, and that no time ends before it begins.
// Errors wrap healthcode.ErrClaims, and ErrEntries where the card is both or
// neither of its two kinds.
func (c *Card) Validate() error {
	if (c.Health == nil) == (c.Itinerary == nil) {
		return fmt.Errorf("%w: a card is a health code or an itinerary card, one of the two", healthcode.ErrEntries)
	}
	if err := firstError(
		name("region", c.Region, MaxRegion),
		instant("time of issue", c.IssuedAt),
		optional("time before which it does not count", c.NotBefore),
		instant("expiry", c.ExpiresAt),
		birthDate(c.BirthDate),
	); err != nil {
		return err
	}
	if !c.ExpiresAt.After(c.IssuedAt) || !c.ExpiresAt.After(c.NotBefore) {
		return claims("the card expires before it begins")
	}
	if c.ID == (ID{}) {
		return claims("the id is all zero; it is random")
	}
	if c.Health != nil {
		return c.Health.validate()
	}
	return c.Itinerary.validate()
}

func (h *Health) validate() error {
	if err := firstError(
		level("scheme", h.Status.Scheme, MaxScheme),
		level("level", h.Status.Level, MaxLevel),
		text("legal ground", h.Status.LegalGround, MaxLegalGround),
		optional("status's end", h.Status.Until),
	); err != nil || h.Declared == nil {
		return err
	}
	d := h.Declared
	if err := firstError(
		instant("time of declaration", d.At),
		optional("time of audit", d.AuditedAt),
		text("auditor", d.Auditor, MaxAuditor),
	); err != nil {
		return err
	}
	switch d.Audit {
	case healthcode.AuditPassed, healthcode.AuditFailed:
		if d.AuditedAt.IsZero() {
			return claims("the declaration was audited, and it is not said when")
		}
		if d.AuditedAt.Before(d.At) {
			return claims("the declaration was audited before it was made")
		}
	case healthcode.AuditPending:
		if !d.AuditedAt.IsZero() {
			return claims("the audit is pending, and has a time")
		}
	default:
		return claims("the audit's result is none of pending, passed and failed")
	}
	return nil
}

func (i *Itinerary) validate() error {
	if len(i.Stays) > MaxStays {
		return claims("%d stays; a card has at most %d", len(i.Stays), MaxStays)
	}
	if err := firstError(instant("beginning of the covered time", i.Covered.From), instant("end of the covered time", i.Covered.To)); err != nil {
		return err
	}
	if i.Covered.To.Before(i.Covered.From) {
		return claims("the covered time ends before it begins")
	}
	for n, s := range i.Stays {
		if err := firstError(name("area", s.Area, MaxArea), instant("beginning", s.From), instant("end", s.To)); err != nil {
			return fmt.Errorf("stay %d: %w", n+1, err)
		}
		if s.To.Before(s.From) {
			return claims("stay %d ends before it begins", n+1)
		}
	}
	return nil
}

func claims(format string, a ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{healthcode.ErrClaims}, a...)...)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// name checks what must be given: printable ASCII without space, so that it has
// one spelling and is compared by its bytes.
func name(what, s string, most int) error {
	if len(s) == 0 || len(s) > most {
		return claims("the %s has %d bytes; want 1 to %d", what, len(s), most)
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return claims("the %s has a character other than printable ASCII", what)
		}
	}
	return nil
}

// level checks a name of the form that schemes and levels have on the ledger.
func level(what, s string, most int) error {
	if len(s) == 0 || len(s) > most {
		return claims("the %s has %d bytes; want 1 to %d", what, len(s), most)
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.') {
			return claims("the %s has a character other than a-z, 0-9, \"-\" and \".\"", what)
		}
	}
	return nil
}

// text checks what may be given, for a person to read.
func text(what, s string, most int) error {
	if len(s) > most {
		return claims("the %s has %d bytes; at most %d", what, len(s), most)
	}
	if !utf8.ValidString(s) {
		return claims("the %s is not UTF-8", what)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return claims("the %s has a control character", what)
		}
	}
	return nil
}

func instant(what string, t time.Time) error {
	if t.IsZero() {
		return claims("the %s is missing", what)
	}
	return optional(what, t)
}

// optional checks that a time is in whole seconds within the years that Go and
// JSON can both write down, since a code carries no others.
func optional(what string, t time.Time) error {
	if t.IsZero() {
		return nil
	}
	if t.Unix() < cwt.Earliest || t.Unix() > cwt.Latest {
		return claims("the %s is outside of the years 1970 to 9999", what)
	}
	if t.Nanosecond() != 0 {
		return claims("the %s is not in whole seconds", what)
	}
	return nil
}

// birthDate checks the form YYYY, YYYY-MM or YYYY-MM-DD, and that there is such a day.
func birthDate(s string) error {
	if s == "" {
		return nil
	}
	const day = "2006-01-02"
	if n := len(s); n != 4 && n != 7 && n != 10 {
		return claims("the date of birth has %d characters; it is YYYY, YYYY-MM or YYYY-MM-DD", len(s))
	}
	if _, err := time.Parse(day[:len(s)], s); err != nil {
		return claims("the date of birth is no date; it is YYYY, YYYY-MM or YYYY-MM-DD")
	}
	return nil
}
