package healthcode

import (
	"fmt"
	"time"
)

// Algorithm is what a code is signed with, by its name in RFC 9053 and RFC 7518.
type Algorithm string

// The algorithms that codes may be signed with.
const (
	ES256 Algorithm = "ES256" // ECDSA with SHA-256, as COSE permits on P-256 and P-384
	PS256 Algorithm = "PS256" // RSASSA-PSS with SHA-256
	EdDSA Algorithm = "EdDSA" // Ed25519
)

// Holder is what tells whether two codes are one person's. It prints as nothing.
type Holder struct {
	ID        string // the random id that a health code and an itinerary card share; "" where absent
	BirthDate string // YYYY, YYYY-MM or YYYY-MM-DD; "" where absent
}

// String is discreet: whoever prints a holder by accident gets this.
func (Holder) String() string { return "holder" }

// GoString is String, so that %#v is discreet too.
func (h Holder) GoString() string { return h.String() }

// Status is how a health code's issuer sees its holder, under a scheme of levels.
type Status struct {
	Scheme      string    // whose levels: default, cn-health
	Level       string    // green, yellow, red
	LegalGround string    // on which it was given; "" where none is named
	Until       time.Time // zero: until the code expires
}

// Audit is what became of a declaration.
type Audit string

// The results of an audit.
const (
	AuditPending Audit = "pending"
	AuditPassed  Audit = "passed"
	AuditFailed  Audit = "failed"
)

// Declaration is the health declaration that a person made once, and that the
// issuing region audited; what was declared is not in the code.
type Declaration struct {
	At        time.Time
	Audit     Audit
	AuditedAt time.Time // zero while pending
	Auditor   string    // the office that audited; "" where none is named
}

// Span is a time with both its ends; zero: not given.
type Span struct{ From, To time.Time }

// IsZero reports whether the span is not given.
func (s Span) IsZero() bool { return s.From.IsZero() && s.To.IsZero() }

// String writes a span in UTC.
func (s Span) String() string {
	return fmt.Sprintf("%s to %s", s.From.UTC().Format(time.RFC3339), s.To.UTC().Format(time.RFC3339))
}
