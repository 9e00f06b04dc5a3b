package cwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"

	"concordat/healthcode"
	"concordat/healthcode/internal/es256"
)

// Verify checks the signature under key. The header's algorithm must be the one
// that the key's type stands for; it is never the header that chooses how a key
// is used, so an alg that nobody signed can only make a good code fail.
//
// A key of a type that p has no algorithm for is unsuitable, whatever the header
// says.
func (p *Profile) Verify(m *Message, key crypto.PublicKey) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return m.verifyES256(k)
	case *rsa.PublicKey:
		return m.verifyPS256(k)
	case ed25519.PublicKey:
		if p.has(healthcode.EdDSA) {
			return m.verifyEdDSA(k, func(message, signature []byte) bool { return ed25519.Verify(k, message, signature) })
		}
	case *healthcode.Prepared:
		if p.has(healthcode.EdDSA) {
			return m.verifyEdDSA(healthcode.Unprepared(k).(ed25519.PublicKey), k.Verify)
		}
	}
	return fmt.Errorf("%w: a key of type %T; %s has %s keys", healthcode.ErrKeyUnsuitable, healthcode.Unprepared(key), p.Name, p.keys())
}

func (p *Profile) has(alg healthcode.Algorithm) bool {
	for _, a := range p.Algorithms {
		if a == alg {
			return true
		}
	}
	return false
}

// keys names the types of key for a person.
func (p *Profile) keys() string {
	if p.has(healthcode.EdDSA) {
		return "ECDSA, RSA and Ed25519"
	}
	return "ECDSA and RSA"
}

// verifyES256 checks ECDSA with SHA-256 (RFC 9053 section 2.1): r and s side by
// side, each as long as the curve's order, never DER.
func (m *Message) verifyES256(k *ecdsa.PublicKey) error {
	if m.Algorithm != healthcode.ES256 {
		return fmt.Errorf("%w: an ECDSA key for a code that names algorithm %d", healthcode.ErrKeyUnsuitable, algorithms[m.Algorithm])
	}
	if k == nil || (k.Curve != elliptic.P256() && k.Curve != elliptic.P384()) {
		return fmt.Errorf("%w: the curve is neither P-256 nor P-384", healthcode.ErrKeyUnsuitable)
	}
	size := (k.Curve.Params().BitSize + 7) / 8
	if len(m.Signature) != 2*size {
		return fmt.Errorf("%w: %d bytes; r and s on %s have %d, and DER is refused", healthcode.ErrSignature, len(m.Signature), k.Curve.Params().Name, 2*size)
	}
	for _, form := range m.signedForms() {
		digest := sha256.Sum256(form)
		if es256.Verify(k, digest[:], m.Signature) {
			return nil
		}
	}
	return fmt.Errorf("%w: not made by this %s key over these bytes", healthcode.ErrSignature, k.Curve.Params().Name)
}

// verifyPS256 checks RSASSA-PSS with SHA-256 and a salt of 32 bytes (RFC 8230
// section 2).
func (m *Message) verifyPS256(k *rsa.PublicKey) error {
	if m.Algorithm != healthcode.PS256 {
		return fmt.Errorf("%w: an RSA key for a code that names algorithm %d", healthcode.ErrKeyUnsuitable, algorithms[m.Algorithm])
	}
	if k == nil || k.N == nil {
		return fmt.Errorf("%w: an RSA key without a modulus", healthcode.ErrKeyUnsuitable)
	}
	if bits := k.N.BitLen(); bits < MinRSABits || bits > MaxRSABits {
		return fmt.Errorf("%w: an RSA key of %d bits; %d to %d are accepted", healthcode.ErrKeyUnsuitable, bits, MinRSABits, MaxRSABits)
	}
	if len(m.Signature) != k.Size() {
		return fmt.Errorf("%w: %d bytes; this RSA key makes %d", healthcode.ErrSignature, len(m.Signature), k.Size())
	}
	options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	for _, form := range m.signedForms() {
		digest := sha256.Sum256(form)
		// The error says no more than "verification error", or that the key is no
		// RSA key at all (even modulus, exponent below 2): not signed either way.
		if rsa.VerifyPSS(k, crypto.SHA256, digest[:], m.Signature, options) == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: not made by this RSA key over these bytes", healthcode.ErrSignature)
}

// verifyEdDSA checks Ed25519 (RFC 8032, RFC 9053 section 2.2) by the key's verify.
func (m *Message) verifyEdDSA(k ed25519.PublicKey, verify func(message, signature []byte) bool) error {
	if m.Algorithm != healthcode.EdDSA {
		return fmt.Errorf("%w: an Ed25519 key for a code that names algorithm %d", healthcode.ErrKeyUnsuitable, algorithms[m.Algorithm])
	}
	if len(k) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: an Ed25519 key of %d bytes; they have %d", healthcode.ErrKeyUnsuitable, len(k), ed25519.PublicKeySize)
	}
	if len(m.Signature) != ed25519.SignatureSize {
		return fmt.Errorf("%w: %d bytes; Ed25519 makes %d", healthcode.ErrSignature, len(m.Signature), ed25519.SignatureSize)
	}
	for _, form := range m.signedForms() {
		if verify(form, m.Signature) {
			return nil
		}
	}
	return fmt.Errorf("%w: not made by this Ed25519 key over these bytes", healthcode.ErrSignature)
}

// Hash16 is a name under which a code may be revoked: SHA-256 cut to 16 bytes.
func Hash16(t healthcode.HashType, data []byte) healthcode.RevocationHash {
	sum := sha256.Sum256(data)
	return healthcode.RevocationHash{Type: t, Hash: [16]byte(sum[:16])}
}

// SignatureHash is the hash of type signature. For ES256 and EdDSA it is taken
// of the first half, r or R, because the second half of a good signature can be
// changed into that of another: anyone can turn s into n-s (ECDSA), and a lax
// verifier takes s+L for s (Ed25519). For PS256 it is taken of the whole.
func (m *Message) SignatureHash() healthcode.RevocationHash {
	signed := m.Signature
	if m.Algorithm != healthcode.PS256 {
		signed = signed[:len(signed)/2]
	}
	return Hash16(healthcode.HashSignature, signed)
}
