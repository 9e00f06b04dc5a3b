package native

import (
	"crypto"
	"fmt"
	"slices"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
	"concordat/healthcode/internal/gate"
)

// Prefix begins every native code of this version of the format.
const Prefix = "CHC1:"

// Decoder reads native codes.
type Decoder struct{}

var _ healthcode.Decoder = Decoder{}

// Prefix is "CHC1:".
func (Decoder) Prefix() string { return Prefix }

// Decode reads a code through every layer: prefix, Base45, zlib, COSE_Sign1, CWT
// claims, the card. It checks no signature. Every error wraps
// healthcode.ErrUnreadable and names the layer.
func (Decoder) Decode(text string) (healthcode.Unverified, error) {
	u, err := decode(text)
	if err != nil {
		// Not u: a nil *unverified in an interface is not nil.
		return nil, fmt.Errorf("unreadable native code: %w", err)
	}
	return u, nil
}

func decode(text string) (*unverified, error) {
	envelope, err := cwt.CHC1.Open(text)
	if err != nil {
		return nil, err
	}
	card, err := parseCard(envelope.Payload)
	if err != nil {
		return nil, err
	}
	return &unverified{envelope: envelope, claims: claimsOf(envelope, card)}, nil
}

// claimsOf puts a card into the words that all formats share.
func claimsOf(m *cwt.Message, c *Card) healthcode.Claims {
	shared := healthcode.Claims{
		Format:    healthcode.FormatNative,
		Kind:      c.Kind(),
		KeyID:     m.KeyID,
		Issuer:    c.Region,
		IssuedAt:  c.IssuedAt,
		NotBefore: c.NotBefore,
		ExpiresAt: c.ExpiresAt,
		Fields:    c.fields(),
		Hashes:    []healthcode.RevocationHash{m.SignatureHash(), c.ID.RevocationHash()},
		Algorithm: m.Algorithm,
		Holder:    healthcode.Holder{ID: c.ID.Text(), BirthDate: c.BirthDate},
		Payload:   func() any { return c.tree() },
	}
	if c.Health != nil {
		shared.Status, shared.Declared = &c.Health.Status, c.Health.Declared
	}
	if c.Itinerary != nil {
		shared.Covered, shared.Stays = c.Itinerary.Covered, c.Itinerary.Stays
	}
	return shared
}

// RevocationHash is the name under which every code that carries the id is
// revoked at once: the hash of its text form, of type uci.
func (id ID) RevocationHash() healthcode.RevocationHash {
	return cwt.Hash16(healthcode.HashUCI, []byte(id.Text()))
}

// unverified is a decoded code; its claims stay in here until a key verifies.
type unverified struct {
	envelope *cwt.Message
	claims   healthcode.Claims
}

// String and GoString keep the person out of logs.
func (u *unverified) String() string   { return "unverified " + u.claims.String() }
func (u *unverified) GoString() string { return u.String() }

func (u *unverified) Format() healthcode.Format { return healthcode.FormatNative }
func (u *unverified) KeyID() []byte             { return slices.Clone(u.envelope.KeyID) }

// ClaimsUnverified is what the code says; see healthcode.ClaimsUnverified.
func (u *unverified) ClaimsUnverified() healthcode.Claims { return u.claims }

func (u *unverified) RevocationHashes() []healthcode.RevocationHash {
	return slices.Clone(u.claims.Hashes)
}

func (u *unverified) Verify(key crypto.PublicKey) (*healthcode.Verified, error) {
	if err := cwt.CHC1.Verify(u.envelope, key); err != nil {
		return nil, err
	}
	return healthcode.Vouch(gate.SignatureChecked(), u.claims), nil
}
