package hc1

import (
	"crypto"
	"fmt"
	"slices"
	"strings"

	"concordat/healthcode"
	"concordat/healthcode/internal/gate"
)

// Prefix begins every HC1 code: the context identifier of hcert_spec 4.1.
const Prefix = "HC1:"

// Decoder reads HC1 codes.
type Decoder struct{}

var _ healthcode.Decoder = Decoder{}

// Prefix is "HC1:".
func (Decoder) Prefix() string { return Prefix }

// Decode reads a code through every layer: prefix, Base45, zlib, COSE_Sign1, CWT
// claims, the one entry. It checks no signature. Every error wraps
// healthcode.ErrUnreadable and names the layer.
func (Decoder) Decode(text string) (healthcode.Unverified, error) {
	u, err := decode(text)
	if err != nil {
		// Not u: a nil *unverified in an interface is not nil.
		return nil, fmt.Errorf("unreadable HC1 code: %w", err)
	}
	return u, nil
}

func decode(text string) (*unverified, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("%w: a text of %d bytes; at most %d are read", healthcode.ErrTooLarge, len(text), MaxText)
	}
	body, ok := strings.CutPrefix(text, Prefix)
	if !ok {
		return nil, fmt.Errorf("%w: the text does not begin with %s", healthcode.ErrPrefix, Prefix)
	}
	compressed, err := decodeBase45(body)
	if err != nil {
		return nil, err
	}
	message, err := inflate(compressed)
	if err != nil {
		return nil, err
	}
	envelope, err := parseSign1(message)
	if err != nil {
		return nil, err
	}
	credential, err := parseClaims(envelope.payload)
	if err != nil {
		return nil, err
	}
	claims, err := claimsOf(envelope, credential)
	if err != nil {
		return nil, err
	}
	return &unverified{envelope: envelope, claims: claims}, nil
}

// claimsOf puts a credential into the words that all formats share.
func claimsOf(s *sign1, c *credential) (healthcode.Claims, error) {
	fields, err := c.fields()
	if err != nil {
		return healthcode.Claims{}, err
	}
	hashes, err := revocationHashes(s, c)
	if err != nil {
		return healthcode.Claims{}, err
	}
	country, err := shown(c.entry.text("co"))
	if err != nil {
		return healthcode.Claims{}, fmt.Errorf("%w: member co: %w", healthcode.ErrClaims, err)
	}
	return healthcode.Claims{
		Format:    healthcode.FormatHC1,
		Kind:      c.kind,
		KeyID:     s.kid,
		Issuer:    c.issuer,
		Country:   country,
		IssuedAt:  c.issuedAt,
		NotBefore: c.notBefore,
		ExpiresAt: c.expiresAt,
		Fields:    fields,
		Hashes:    hashes,
	}, nil
}

// unverified is a decoded code; its claims stay in here until a key verifies.
type unverified struct {
	envelope *sign1
	claims   healthcode.Claims
}

// String and GoString keep the person out of logs.
func (u *unverified) String() string   { return "unverified " + u.claims.String() }
func (u *unverified) GoString() string { return u.String() }

func (u *unverified) Format() healthcode.Format { return healthcode.FormatHC1 }
func (u *unverified) KeyID() []byte             { return slices.Clone(u.envelope.kid) }

func (u *unverified) RevocationHashes() []healthcode.RevocationHash {
	return slices.Clone(u.claims.Hashes)
}

func (u *unverified) Verify(key crypto.PublicKey) (*healthcode.Verified, error) {
	if err := u.envelope.verify(key); err != nil {
		return nil, err
	}
	return healthcode.Vouch(gate.SignatureChecked(), u.claims), nil
}
