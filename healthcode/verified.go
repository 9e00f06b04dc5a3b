package healthcode

import (
	"fmt"
	"slices"
	"time"

	"concordat/healthcode/internal/gate"
)

// Claims is what a code says, in the words that all formats share. It is how a
// format hands its findings to Vouch; by itself it proves nothing.
type Claims struct {
	Format    Format
	Kind      Kind
	KeyID     []byte
	Issuer    string    // iss as it stands in the code; "" where absent
	Country   string    // country as it stands in the entry; "" where absent
	IssuedAt  time.Time // zero: absent
	NotBefore time.Time // zero: absent
	ExpiresAt time.Time // zero: absent
	Fields    []Field   // in the order in which a person reads them
	Hashes    []RevocationHash
	Stays     []Stay

	Algorithm Algorithm    // that the code is signed with
	Holder    Holder       // who carries it, as far as the code says
	Status    *Status      // of a health code; nil: it has none
	Covered   Span         // of an itinerary: the time that it tells of; zero: it does not say
	Declared  *Declaration // of a health code; nil: none
	// Payload gives what acceptance rules look at, as JSON would hold it: a tree of
	// map[string]any, []any, string, float64, bool and nil, new at each call. nil:
	// the format has none.
	Payload func() any
}

// Verified is a code whose signature was found good under the key that its
// Verify was given. It is immutable. It says nothing of time, revocation or
// recognition: those are the caller's to judge.
type Verified struct{ claims Claims }

// Vouch makes a Verified. Only a format's own Verify can call it, because only
// packages below this one can obtain a pass.
func Vouch(pass gate.Pass, c Claims) *Verified {
	if !pass.Open() {
		panic("healthcode: Vouch without a checked signature")
	}
	return &Verified{claims: c.clone()}
}

// String tells what may be logged, and nothing of the person: whoever prints a
// code by accident, or hands it to slog, gets this.
func (c Claims) String() string {
	return fmt.Sprintf("%s code (%s, key id %x)", c.Format, c.Kind, c.KeyID)
}

// GoString is String, so that %#v is discreet too.
func (c Claims) GoString() string { return c.String() }

func (c Claims) clone() Claims {
	c.KeyID = slices.Clone(c.KeyID)
	c.Fields = slices.Clone(c.Fields)
	c.Hashes = slices.Clone(c.Hashes)
	c.Stays = slices.Clone(c.Stays)
	if c.Status != nil {
		s := *c.Status
		c.Status = &s
	}
	if c.Declared != nil {
		d := *c.Declared
		c.Declared = &d
	}
	return c
}

// String tells what may be logged, and nothing of the person.
func (v *Verified) String() string { return "verified " + v.claims.String() }

// GoString is String, so that %#v is discreet too.
func (v *Verified) GoString() string { return v.String() }

// Format says which container the code came in.
func (v *Verified) Format() Format { return v.claims.Format }

// Kind says what the code attests.
func (v *Verified) Kind() Kind { return v.claims.Kind }

// KeyID is the key id that the code names; nil where it names none.
func (v *Verified) KeyID() []byte { return slices.Clone(v.claims.KeyID) }

// Issuer is the issuer as the code names it. It may be empty, may be no country
// code (a ministry's name) and may be wrong: whose code this is, is told by the
// key that verified it.
func (v *Verified) Issuer() string { return v.claims.Issuer }

// Country is the country that the code's entry names, where it names one.
func (v *Verified) Country() string { return v.claims.Country }

// IssuedAt is the time of issue; zero where the code has none.
func (v *Verified) IssuedAt() time.Time { return v.claims.IssuedAt }

// NotBefore is the time before which the code does not count; zero where the
// code has none.
func (v *Verified) NotBefore() time.Time { return v.claims.NotBefore }

// ExpiresAt is the time from which the code no longer counts; zero where the
// code has none.
func (v *Verified) ExpiresAt() time.Time { return v.claims.ExpiresAt }

// Fields is what the code says of the person, in reading order. It is personal:
// show it to the verifier, never log it.
func (v *Verified) Fields() []Field { return slices.Clone(v.claims.Fields) }

// RevocationHashes gives every hash under which the issuer may have revoked the
// code.
func (v *Verified) RevocationHashes() []RevocationHash { return slices.Clone(v.claims.Hashes) }

// Stays gives the stays of an itinerary; empty for other kinds.
func (v *Verified) Stays() []Stay { return slices.Clone(v.claims.Stays) }

// Algorithm is what the code is signed with.
func (v *Verified) Algorithm() Algorithm { return v.claims.Algorithm }

// Holder is who carries the code, as far as it says: to compare with that of
// another code. It is personal: never show, log or keep it.
func (v *Verified) Holder() Holder { return v.claims.Holder }

// Status is the status that a health code gives; false if it gives none.
func (v *Verified) Status() (Status, bool) {
	if v.claims.Status == nil {
		return Status{}, false
	}
	return *v.claims.Status, true
}

// Declared is the declaration that a health code rests on; false if it names none.
func (v *Verified) Declared() (Declaration, bool) {
	if v.claims.Declared == nil {
		return Declaration{}, false
	}
	return *v.claims.Declared, true
}

// Covered is the time that an itinerary tells of; zero where it does not say.
func (v *Verified) Covered() Span { return v.claims.Covered }

// Payload is what acceptance rules look at, as a tree of JSON values that is the
// caller's; nil where the format has none. It is personal: never log it.
func (v *Verified) Payload() any {
	if v.claims.Payload == nil {
		return nil
	}
	return v.claims.Payload()
}
