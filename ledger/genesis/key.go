package genesis

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
)

// Key is an Ed25519 public key: base64 with padding (RFC 4648 §4) in JSON.
type Key [ed25519.PublicKeySize]byte

// Signature is an Ed25519 signature: base64 with padding in JSON.
type Signature [ed25519.SignatureSize]byte

// KeyOf gives a public key's Key. The key must have its 32 bytes.
func KeyOf(pub ed25519.PublicKey) (Key, error) {
	if len(pub) != ed25519.PublicKeySize {
		return Key{}, invalid("key has %d bytes, want %d", len(pub), ed25519.PublicKeySize)
	}
	return Key(pub), nil
}

// Public gives the key for crypto/ed25519.
func (k Key) Public() ed25519.PublicKey { return ed25519.PublicKey(k[:]) }

// String gives the key in base64.
func (k Key) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

// MarshalText gives base64.
func (k Key) MarshalText() ([]byte, error) { return base64.StdEncoding.AppendEncode(nil, k[:]), nil }

// UnmarshalText reads base64 of exactly 32 bytes.
func (k *Key) UnmarshalText(text []byte) error { return fromBase64("key", k[:], text) }

// MarshalText gives base64.
func (s Signature) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, s[:]), nil
}

// UnmarshalText reads base64 of exactly 64 bytes.
func (s *Signature) UnmarshalText(text []byte) error { return fromBase64("signature", s[:], text) }

func fromBase64(what string, into, text []byte) error {
	b, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("%s %.64q is not base64 with padding: %w", what, text, err)
	}
	if len(b) != len(into) {
		return fmt.Errorf("%s has %d bytes, want %d", what, len(b), len(into))
	}
	copy(into, b)
	return nil
}
