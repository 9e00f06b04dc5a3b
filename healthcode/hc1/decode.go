package hc1

import (
	"crypto"
	"fmt"
	"slices"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
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
	envelope, err := cwt.HC1.Open(text)
	if err != nil {
		return nil, err
	}
	credential, err := parseClaims(envelope.Payload)
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
func claimsOf(m *cwt.Message, c *credential) (healthcode.Claims, error) {
	fields, err := c.fields()
	if err != nil {
		return healthcode.Claims{}, err
	}
	hashes, err := revocationHashes(m, c)
	if err != nil {
		return healthcode.Claims{}, err
	}
	country, err := c.entry.Text("co").Shown()
	if err != nil {
		return healthcode.Claims{}, fmt.Errorf("%w: member co: %w", healthcode.ErrClaims, err)
	}
	birthDate, err := c.birthDate()
	if err != nil {
		return healthcode.Claims{}, err
	}
	return healthcode.Claims{
		Format:    healthcode.FormatHC1,
		Kind:      c.kind,
		KeyID:     m.KeyID,
		Issuer:    c.issuer,
		Country:   country,
		IssuedAt:  c.issuedAt,
		NotBefore: c.notBefore,
		ExpiresAt: c.expiresAt,
		Fields:    fields,
		Hashes:    hashes,
		Algorithm: m.Algorithm,
		Holder:    healthcode.Holder{BirthDate: birthDate},
		Payload:   c.dcc.Tree,
	}, nil
}

// unverified is a decoded code; its claims stay in here until a key verifies.
type unverified struct {
	envelope *cwt.Message
	claims   healthcode.Claims
}

// String and GoString keep the person out of logs.
func (u *unverified) String() string   { return "unverified " + u.claims.String() }
func (u *unverified) GoString() string { return u.String() }

func (u *unverified) Format() healthcode.Format { return healthcode.FormatHC1 }
func (u *unverified) KeyID() []byte             { return slices.Clone(u.envelope.KeyID) }

// ClaimsUnverified is what the code says; see healthcode.ClaimsUnverified.
func (u *unverified) ClaimsUnverified() healthcode.Claims { return u.claims }

func (u *unverified) RevocationHashes() []healthcode.RevocationHash {
	return slices.Clone(u.claims.Hashes)
}

func (u *unverified) Verify(key crypto.PublicKey) (*healthcode.Verified, error) {
	if err := cwt.HC1.Verify(u.envelope, key); err != nil {
		return nil, err
	}
	return healthcode.Vouch(gate.SignatureChecked(), u.claims), nil
}
