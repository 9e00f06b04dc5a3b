package shc

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"concordat/healthcode"
)

// The types of a card that say something here (terminology.smarthealth.cards,
// CodeSystem health-card). The first must be there.
const (
	typeHealthCard   = "https://smarthealth.cards#health-card"
	typeImmunization = "https://smarthealth.cards#immunization"
	typeLaboratory   = "https://smarthealth.cards#laboratory"
)

// The span of times that Go and JSON can both write down, in seconds since 1970.
const (
	earliest = 0
	latest   = 253402300799 // 9999-12-31T23:59:59Z
)

// card is the payload of a JWS, as far as it is read.
type card struct {
	issuer        string
	notBefore     moment
	expires       moment
	types         cardTypes
	rid           string // "" where the card has none
	hasCredential bool
	hasRID        bool
	bundle        *bundle
}

// cardTypes is what vc.type says.
type cardTypes struct{ healthCard, immunization, laboratory bool }

// parseCard reads a payload. Members that are not named here are passed over.
func parseCard(payload []byte) (*card, error) {
	c := &card{}
	err := document("payload", payload, func(r *reader) error {
		return r.object(func(name []byte) (err error) {
			switch string(name) {
			case "iss":
				c.issuer, err = r.text(healthcode.ErrClaims, "iss")
			case "nbf":
				c.notBefore, err = r.moment("nbf")
			case "exp":
				c.expires, err = r.moment("exp")
			case "vc":
				c.hasCredential = true
				err = c.readCredential(r)
			default:
				err = r.skip()
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return c, c.check()
}

func (c *card) readCredential(r *reader) error {
	if err := r.want('{', healthcode.ErrClaims, "vc"); err != nil {
		return err
	}
	return r.object(func(name []byte) (err error) {
		switch string(name) {
		case "type":
			err = c.readTypes(r)
		case "rid":
			c.hasRID = !r.null()
			if c.hasRID {
				c.rid, err = r.text(healthcode.ErrClaims, "rid")
			}
		case "credentialSubject":
			err = c.readSubject(r)
		default:
			err = r.skip()
		}
		return err
	})
}

func (c *card) readTypes(r *reader) error {
	if err := r.want('[', healthcode.ErrClaims, "vc.type"); err != nil {
		return err
	}
	return r.array(maxElements, func() error {
		if err := r.want('"', healthcode.ErrClaims, "an element of vc.type"); err != nil {
			return err
		}
		t, err := r.string()
		switch string(t) {
		case typeHealthCard:
			c.types.healthCard = true
		case typeImmunization:
			c.types.immunization = true
		case typeLaboratory:
			c.types.laboratory = true
		}
		return err
	})
}

func (c *card) readSubject(r *reader) error {
	if err := r.want('{', healthcode.ErrClaims, "vc.credentialSubject"); err != nil {
		return err
	}
	return r.object(func(name []byte) error {
		if string(name) != "fhirBundle" {
			return r.skip()
		}
		var err error
		c.bundle, err = readBundle(r)
		return err
	})
}

// check refuses a card that lacks what every card has.
func (c *card) check() error {
	switch {
	case c.issuer == "":
		return claimsError("iss is missing")
	case !strings.HasPrefix(c.issuer, "https://") || strings.HasSuffix(c.issuer, "/"):
		return claimsError("iss is no https URL without a slash at its end: nobody could find the keys of such an issuer")
	case !c.notBefore.given:
		return claimsError("nbf, the time of issue, is missing")
	}
	for _, m := range []struct {
		name string
		moment
	}{{"nbf", c.notBefore}, {"exp", c.expires}} {
		if err := m.check(m.name); err != nil {
			return err
		}
	}
	switch {
	case !c.hasCredential:
		return claimsError("vc is missing")
	case !c.types.healthCard:
		return claimsError("vc.type does not name " + typeHealthCard)
	case c.bundle == nil:
		return claimsError("vc.credentialSubject.fhirBundle is missing")
	case c.hasRID && !validRID(c.rid):
		return claimsError(fmt.Sprintf("rid has %d characters and is not 1 to %d of base64url: it could not be looked up among the revoked", len(c.rid), MaxRID))
	}
	return nil
}

func claimsError(what string) error { return fmt.Errorf("%w: %s", healthcode.ErrClaims, what) }

// claims puts a card into the words that all formats share.
func (c *card) claims(kid [32]byte) (healthcode.Claims, error) {
	kind, err := c.kind()
	if err != nil {
		return healthcode.Claims{}, err
	}
	claims := healthcode.Claims{
		Format:    healthcode.FormatSHC,
		Kind:      kind,
		KeyID:     slices.Clone(kid[:]),
		Issuer:    c.issuer,
		IssuedAt:  c.notBefore.time(),
		NotBefore: c.notBefore.time(),
		ExpiresAt: c.expires.time(),
		Fields:    c.fields(kind),
		Algorithm: healthcode.ES256,
		Holder:    healthcode.Holder{BirthDate: c.bundle.patient.comparableBirthDate()},
	}
	if c.hasRID {
		claims.Hashes = []healthcode.RevocationHash{{Type: healthcode.HashRID, Hash: RevocationHash(kid[:], c.rid)}}
	}
	return claims, nil
}

// kind says what a card attests: what its types say, else what it holds, and where
// either leaves two, vaccination. A type without the resource that it promises is
// refused, as is a card that holds neither.
func (c *card) kind() (healthcode.Kind, error) {
	untyped := !c.types.immunization && !c.types.laboratory
	if (c.types.immunization || untyped) && len(c.bundle.vaccinations) > 0 {
		return healthcode.Vaccination, nil
	}
	if (c.types.laboratory || untyped) && c.bundle.tests > 0 {
		return healthcode.Test, nil
	}
	want := "a completed Immunization or a final Observation"
	switch {
	case untyped:
	case !c.types.laboratory:
		want = "a completed Immunization, which its type says that it is about"
	case !c.types.immunization:
		want = "a final Observation, which its type says that it is about"
	}
	return "", fmt.Errorf("%w: %d entries, and none is %s", healthcode.ErrEntries, c.bundle.entries, want)
}

// moment is a NumericDate (RFC 7519 section 2) as it was given.
type moment struct {
	given   bool
	seconds float64
}

// moment reads a time; null is as good as absent.
func (r *reader) moment(name string) (moment, error) {
	if r.null() {
		return moment{}, nil
	}
	v, err := r.number()
	if errors.Is(err, errNoNumber) {
		return moment{}, claimsError(name + " is no number of seconds since 1970")
	}
	return moment{true, v}, err
}

// check refuses a time outside of 1970 to 9999. Milliseconds of any day from 1978
// on are beyond, and nothing else that issuers write is.
func (m moment) check(name string) error {
	switch {
	case !m.given:
		return nil
	case m.seconds > latest:
		return claimsError(name + " is beyond the year 9999: it seems to count milliseconds, where seconds are asked for")
	case m.seconds < earliest:
		return claimsError(name + " is before 1970")
	}
	return nil
}

// time is zero where none was given. Fractions are kept to the microsecond, which
// is as far as the number is exact.
func (m moment) time() time.Time {
	if !m.given {
		return time.Time{}
	}
	whole, fraction := math.Modf(m.seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC().Round(time.Microsecond)
}

// want makes sure that the next value begins with c, or says with broken what is
// wrong with the member.
func (r *reader) want(c byte, broken error, member string) error {
	if r.peek() == c {
		return nil
	}
	// What is no value at all is a fault of JSON.
	if err := r.skip(); err != nil {
		return err
	}
	kind := map[byte]string{'{': "object", '[': "array", '"': "string"}[c]
	return fmt.Errorf("%w: %s is no %s", broken, member, kind)
}

// text reads a member that must be a string; null is as good as absent, "".
func (r *reader) text(broken error, member string) (string, error) {
	b, err := r.textBytes(broken, member)
	return string(b), err
}

// textBytes is text without a copy of it.
func (r *reader) textBytes(broken error, member string) ([]byte, error) {
	if r.null() {
		return nil, nil
	}
	if err := r.want('"', broken, member); err != nil {
		return nil, err
	}
	return r.string()
}

// validRID tells whether rid may be a revocation identifier: 1 to MaxRID characters
// of the alphabet of base64url, which need not be base64url of anything.
func validRID[T string | []byte](rid T) bool {
	if len(rid) == 0 || len(rid) > MaxRID {
		return false
	}
	for i := range len(rid) {
		switch c := rid[i]; {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// shape has d for each digit of a date and the rest as it is.
func shape(date string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return 'd'
		}
		return r
	}, date)
}
