package hc1

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"math/big"

	"concordat/healthcode"
)

// verify checks the signature under key. The header's algorithm must be the one
// that the key's type stands for; it is never the header that chooses how a key
// is used, so an alg that nobody signed can only make a good code fail.
func (s *sign1) verify(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return s.verifyES256(k)
	case *rsa.PublicKey:
		return s.verifyPS256(k)
	}
	return fmt.Errorf("%w: a key of type %T; HC1 has ECDSA and RSA keys", healthcode.ErrKeyUnsuitable, key)
}

// verifyES256 checks ECDSA with SHA-256 (RFC 9053 section 2.1): r and s side by
// side, each as long as the curve's order, never DER.
func (s *sign1) verifyES256(k *ecdsa.PublicKey) error {
	if s.alg != algES256 {
		return fmt.Errorf("%w: an ECDSA key for a code that names algorithm %d", healthcode.ErrKeyUnsuitable, s.alg)
	}
	if k == nil || (k.Curve != elliptic.P256() && k.Curve != elliptic.P384()) {
		return fmt.Errorf("%w: the curve is neither P-256 nor P-384", healthcode.ErrKeyUnsuitable)
	}
	size := (k.Curve.Params().BitSize + 7) / 8
	if len(s.signature) != 2*size {
		return fmt.Errorf("%w: %d bytes; r and s on %s have %d, and DER is refused", healthcode.ErrSignature, len(s.signature), k.Curve.Params().Name, 2*size)
	}
	r := new(big.Int).SetBytes(s.signature[:size])
	v := new(big.Int).SetBytes(s.signature[size:])
	forms, err := s.signedForms()
	if err != nil {
		return err
	}
	for _, form := range forms {
		digest := sha256.Sum256(form)
		if ecdsa.Verify(k, digest[:], r, v) {
			return nil
		}
	}
	return fmt.Errorf("%w: not made by this %s key over these bytes", healthcode.ErrSignature, k.Curve.Params().Name)
}

// verifyPS256 checks RSASSA-PSS with SHA-256 and a salt of 32 bytes (RFC 8230
// section 2).
func (s *sign1) verifyPS256(k *rsa.PublicKey) error {
	if s.alg != algPS256 {
		return fmt.Errorf("%w: an RSA key for a code that names algorithm %d", healthcode.ErrKeyUnsuitable, s.alg)
	}
	if k == nil || k.N == nil {
		return fmt.Errorf("%w: an RSA key without a modulus", healthcode.ErrKeyUnsuitable)
	}
	if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return fmt.Errorf("%w: an RSA key of %d bits; %d to %d are accepted", healthcode.ErrKeyUnsuitable, bits, minRSABits, maxRSABits)
	}
	if len(s.signature) != k.Size() {
		return fmt.Errorf("%w: %d bytes; this RSA key makes %d", healthcode.ErrSignature, len(s.signature), k.Size())
	}
	forms, err := s.signedForms()
	if err != nil {
		return err
	}
	options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	for _, form := range forms {
		digest := sha256.Sum256(form)
		// The error says no more than "verification error", or that the key is no
		// RSA key at all (even modulus, exponent below 2): not signed either way.
		if rsa.VerifyPSS(k, crypto.SHA256, digest[:], s.signature, options) == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: not made by this RSA key over these bytes", healthcode.ErrSignature)
}
