package native

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"testing"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
)

// stranger is a key that signed nothing here.
var stranger crypto.PublicKey = ed25519.NewKeyFromSeed([]byte("a stranger who has signed nothing")[:32]).Public()

// checkDecoded states what holds for every text: an error of ours, small and
// named; or a code that has two revocation hashes, that no stranger's key
// verifies, and whose card can be written again.
func checkDecoded(t *testing.T, text string) {
	u, err := Decoder{}.Decode(text)
	if err != nil {
		if u != nil || !errors.Is(err, healthcode.ErrUnreadable) || healthcode.Name(err) == "" || len(err.Error()) > 400 {
			t.Fatalf("%v, %v (%s)", u, err, healthcode.Name(err))
		}
		return
	}
	if u.Format() != healthcode.FormatNative || len(u.RevocationHashes()) != 2 {
		t.Fatalf("format %q, %d revocation hashes", u.Format(), len(u.RevocationHashes()))
	}
	if v, err := u.Verify(stranger); v != nil || !errors.Is(err, healthcode.ErrSignature) && !errors.Is(err, healthcode.ErrKeyUnsuitable) {
		t.Fatalf("verified by a key that signed nothing: %v, %v", v, err)
	}
	c, err := parseCard(u.(*unverified).envelope.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Encode(); err != nil {
		t.Fatalf("a card that was read cannot be written: %v", err)
	}
}

// FuzzDecode throws texts at the whole pipeline.
func FuzzDecode(f *testing.F) {
	f.Add(forged(f, healthClaims()))
	f.Add(forged(f, itineraryClaims()))
	f.Add(Prefix)
	f.Add("")
	f.Fuzz(checkDecoded)
}

// FuzzPayload throws bytes at the claims, inside of a sound envelope, where
// mutated texts hardly ever get to.
func FuzzPayload(f *testing.F) {
	f.Add(enc(f, healthClaims()))
	f.Add(enc(f, itineraryClaims()))
	protected := cwt.Protected(healthcode.EdDSA, forgedKeyID)
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > 4<<10 {
			return // longer ones hardly fit a code
		}
		checkDecoded(t, cwt.CHC1.Seal(protected, payload, make([]byte, 64)))
	})
}
