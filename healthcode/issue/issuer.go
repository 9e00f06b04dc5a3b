package issue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/hc1"
	"concordat/healthcode/internal/cwt"
	"concordat/healthcode/native"
)

var (
	// ErrInvalid: what was to be issued is not as the format demands.
	ErrInvalid = errors.New("not to be issued")
	// ErrNotReadBack: what was issued could not be read back, and was not handed
	// out: a fault in the key, its module, or this program.
	ErrNotReadBack = errors.New("issued code cannot be read back")
)

// Issuer issues codes for one region with one key. It is safe for concurrent use
// if its randomness is.
type Issuer struct {
	region string
	key    *Key
	random io.Reader
}

// Code is what was issued.
type Code struct {
	// Text is what the picture shows, and what the person carries.
	Text string
	// Verified is the code as a verifier reads it. Its revocation hashes are what
	// an issuer keeps, to be able to revoke it.
	Verified *healthcode.Verified
}

// New makes an issuer. The region is what codes carry as iss (ISO 3166, `XA`,
// `CN-31`). random is crypto/rand's Reader, but in tests: without any, ids must be
// given, ES256 signatures are those of RFC 6979, and PS256 is refused. Errors wrap
// ErrInvalid.
func New(region string, key *Key, random io.Reader) (*Issuer, error) {
	if err := checkID("region", region, native.MaxRegion, 4); err != nil {
		return nil, err
	}
	if key == nil {
		return nil, fmt.Errorf("%w: no key is given", ErrKey)
	}
	return &Issuer{region: region, key: key, random: random}, nil
}

// NewID draws an id for a person's codes.
func (i *Issuer) NewID() (id native.ID, err error) {
	if i.random == nil {
		return id, fmt.Errorf("%w: an id is drawn at random, and no randomness was given", ErrInvalid)
	}
	if _, err := io.ReadFull(i.random, id[:]); err != nil {
		return id, fmt.Errorf("drawing an id: %w", err)
	}
	return id, nil
}

// Native issues a health code or an itinerary card. The card's region is the
// issuer's, and may be left out; an id of zero is drawn (and found in what is
// returned, as Verified.Holder().ID): give the same one for a person's other card.
// Errors wrap ErrInvalid, or ErrNotReadBack.
func (i *Issuer) Native(card native.Card) (*Code, error) {
	if card.Region == "" {
		card.Region = i.region
	}
	if card.Region != i.region {
		return nil, fmt.Errorf("%w: a card of region %q by an issuer of %q", ErrInvalid, card.Region, i.region)
	}
	if card.ID == (native.ID{}) {
		id, err := i.NewID()
		if err != nil {
			return nil, err
		}
		card.ID = id
	}
	if err := checkCard(&card); err != nil {
		return nil, err
	}
	if err := i.checkCertificate(card.Kind(), card.IssuedAt, card.ExpiresAt); err != nil {
		return nil, err
	}
	payload, err := card.Encode()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	code, err := i.seal(cwt.CHC1, payload, native.Decoder{})
	if err != nil {
		return nil, err
	}
	v := code.Verified
	if !same(v, card.Kind(), card.Region, card.IssuedAt, card.ExpiresAt) || v.Holder().ID != card.ID.Text() {
		return nil, fmt.Errorf("%w: it says another thing than was asked for", ErrNotReadBack)
	}
	return code, nil
}

// HC1 issues an EU Digital COVID Certificate. dcc is the JSON object eu_dcc_v1
// (ver, nam, dob, and one of v, t and r with exactly one entry); the country is
// the issuer's region. Times are cut to whole seconds. Errors wrap ErrInvalid, or
// ErrNotReadBack.
func (i *Issuer) HC1(dcc []byte, issuedAt, expiresAt time.Time) (*Code, error) {
	if i.key.algorithm == healthcode.EdDSA {
		return nil, fmt.Errorf("%w: HC1 knows no EdDSA; use an EC P-256 or an RSA key", ErrInvalid)
	}
	if len(i.region) != 2 {
		return nil, fmt.Errorf("%w: an HC1 code's issuer is a country of two letters (ISO 3166-1); %q is none", ErrInvalid, i.region)
	}
	issuedAt, expiresAt = issuedAt.UTC().Truncate(time.Second), expiresAt.UTC().Truncate(time.Second)
	if err := checkTimes(issuedAt, expiresAt); err != nil {
		return nil, err
	}
	tree, err := parseObject(dcc)
	if err != nil {
		return nil, err
	}
	kind, err := checkDCC(tree)
	if err != nil {
		return nil, err
	}
	if err := i.checkCertificate(kind, issuedAt, expiresAt); err != nil {
		return nil, err
	}
	const hcert, euDCCv1 = -260, 1 // hcert_spec 3.3
	payload, err := canonical.Marshal(map[int64]any{
		cwt.ClaimIss: i.region,
		cwt.ClaimExp: expiresAt.Unix(),
		cwt.ClaimIat: issuedAt.Unix(),
		hcert:        map[int64]any{euDCCv1: tree},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	code, err := i.seal(cwt.HC1, payload, hc1.Decoder{})
	if err != nil {
		return nil, err
	}
	if !same(code.Verified, kind, i.region, issuedAt, expiresAt) {
		return nil, fmt.Errorf("%w: it says another thing than was asked for", ErrNotReadBack)
	}
	return code, nil
}

// seal signs a payload, makes the text, and reads it back.
func (i *Issuer) seal(profile *cwt.Profile, payload []byte, reader healthcode.Decoder) (*Code, error) {
	protected := cwt.Protected(i.key.algorithm, i.key.id[:])
	signature, err := i.key.sign(cwt.ToBeSigned(protected, payload), i.random)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	text := profile.Seal(protected, payload, signature)
	u, err := reader.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotReadBack, err)
	}
	v, err := u.Verify(i.key.Public())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotReadBack, err)
	}
	if !bytes.Equal(v.KeyID(), i.key.id[:]) || v.Algorithm() != i.key.algorithm {
		return nil, fmt.Errorf("%w: it names another key", ErrNotReadBack)
	}
	return &Code{Text: text, Verified: v}, nil
}

func same(v *healthcode.Verified, kind healthcode.Kind, region string, issuedAt, expiresAt time.Time) bool {
	return v.Kind() == kind && v.Issuer() == region && v.IssuedAt().Equal(issuedAt) && v.ExpiresAt().Equal(expiresAt)
}

// checkCertificate holds what is issued against the key's certificate: a code is
// issued within its validity, does not outlive it (hcert_spec 3.3.2), and is of a
// kind that it may sign. There are usages for the kinds of HC1 alone; on native
// codes a certificate is silent, and what the key is registered for decides.
func (i *Issuer) checkCertificate(kind healthcode.Kind, issuedAt, expiresAt time.Time) error {
	c := i.key.certificate
	if c == nil {
		return nil
	}
	switch {
	case issuedAt.Before(c.NotBefore):
		return fmt.Errorf("%w: issued at %s, before the key's certificate begins at %s", ErrInvalid, stamp(issuedAt), stamp(c.NotBefore))
	case expiresAt.After(c.NotAfter):
		return fmt.Errorf("%w: it expires at %s, after the key's certificate ends at %s", ErrInvalid, stamp(expiresAt), stamp(c.NotAfter))
	}
	kinds := hc1.Kinds(c)
	if kinds == nil || kind == healthcode.Health || kind == healthcode.Itinerary || slices.Contains(kinds, kind) {
		return nil
	}
	return fmt.Errorf("%w: a %s code, and the key's certificate is for %v alone", ErrInvalid, kind, kinds)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
