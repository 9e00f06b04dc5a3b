package native

import (
	"time"

	"github.com/fxamacker/cbor/v2"

	"concordat/healthcode"
)

// claimCard holds all that is ours. It is in the range that the CWT registry
// leaves to private use, below -65536.
const claimCard = -65537

// The audits' numbers, in the order of the list in the format.
var audits = []healthcode.Audit{healthcode.AuditPending, healthcode.AuditPassed, healthcode.AuditFailed}

// The maps of docs/formats/health-code.md. Times are seconds since 1970.
type (
	claimsMap struct {
		Issuer    string  `cbor:"1,keyasint"`
		ExpiresAt uint64  `cbor:"4,keyasint"`
		NotBefore *uint64 `cbor:"5,keyasint,omitempty"`
		IssuedAt  uint64  `cbor:"6,keyasint"`
		Card      cardMap `cbor:"-65537,keyasint"`
	}
	cardMap struct {
		ID        []byte        `cbor:"1,keyasint"`
		BirthDate string        `cbor:"2,keyasint,omitempty"`
		Health    *healthMap    `cbor:"3,keyasint,omitempty"`
		Itinerary *itineraryMap `cbor:"4,keyasint,omitempty"`
	}
	healthMap struct {
		Scheme      string          `cbor:"1,keyasint"`
		Level       string          `cbor:"2,keyasint"`
		LegalGround string          `cbor:"3,keyasint,omitempty"`
		Until       *uint64         `cbor:"4,keyasint,omitempty"`
		Declaration *declarationMap `cbor:"5,keyasint,omitempty"`
	}
	declarationMap struct {
		At        uint64  `cbor:"1,keyasint"`
		Audit     int     `cbor:"2,keyasint"`
		AuditedAt *uint64 `cbor:"3,keyasint,omitempty"`
		Auditor   string  `cbor:"4,keyasint,omitempty"`
	}
	itineraryMap struct {
		From  uint64    `cbor:"1,keyasint"`
		To    uint64    `cbor:"2,keyasint"`
		Stays []stayRow `cbor:"3,keyasint"`
	}
	stayRow struct {
		_    struct{} `cbor:",toarray"`
		Area string
		From uint64
		To   uint64
	}
)

// canonical is RFC 8949 section 4.2.1.
var canonical = func() cbor.EncMode {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic("native: CBOR options: " + err.Error()) // constants; a test would not pass
	}
	return mode
}()

// Encode gives the claims set of a valid card in deterministic CBOR (RFC 8949
// section 4.2.1): one card, one payload. Errors are those of Validate.
func (c *Card) Encode() ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	set := claimsMap{
		Issuer:    c.Region,
		ExpiresAt: seconds(c.ExpiresAt),
		NotBefore: ifGiven(c.NotBefore),
		IssuedAt:  seconds(c.IssuedAt),
		Card:      cardMap{ID: c.ID[:], BirthDate: c.BirthDate},
	}
	if h := c.Health; h != nil {
		set.Card.Health = &healthMap{Scheme: h.Status.Scheme, Level: h.Status.Level, LegalGround: h.Status.LegalGround, Until: ifGiven(h.Status.Until)}
		if d := h.Declared; d != nil {
			set.Card.Health.Declaration = &declarationMap{At: seconds(d.At), AuditedAt: ifGiven(d.AuditedAt), Auditor: d.Auditor}
			for n, a := range audits {
				if a == d.Audit {
					set.Card.Health.Declaration.Audit = n
				}
			}
		}
	}
	if i := c.Itinerary; i != nil {
		set.Card.Itinerary = &itineraryMap{From: seconds(i.Covered.From), To: seconds(i.Covered.To), Stays: []stayRow{}}
		for _, s := range i.Stays {
			set.Card.Itinerary.Stays = append(set.Card.Itinerary.Stays, stayRow{Area: s.Area, From: seconds(s.From), To: seconds(s.To)})
		}
	}
	return canonical.Marshal(set)
}

func seconds(t time.Time) uint64 { return uint64(t.Unix()) }

func ifGiven(t time.Time) *uint64 {
	if t.IsZero() {
		return nil
	}
	s := seconds(t)
	return &s
}
