// Package es256 verifies ECDSA signatures in the form that JOSE and COSE give
// them (RFC 7518 section 3.4, RFC 9053 section 2.1).
//
// It promises what crypto/ecdsa.Verify says of the same r and s, without making
// big integers of them on the way to the ASN.1 that the standard library verifies.
package es256

import "crypto/ecdsa"

// Verify reports whether signature, which is r and s side by side, each as long
// as the curve's order, is k's of a message with that digest.
func Verify(k *ecdsa.PublicKey, digest, signature []byte) bool {
	half := len(signature) / 2
	// Two integers of 48 bytes (P-384) with their heads take 104 bytes, so that
	// one byte holds each length, and every length is below 128.
	if len(signature) != 2*half || half == 0 || half > 48 {
		return false
	}
	room := [2 + 2*(2+1+48)]byte{0x30} // SEQUENCE
	der := appendInteger(appendInteger(room[:2], signature[:half]), signature[half:])
	der[1] = byte(len(der) - 2)
	return ecdsa.VerifyASN1(k, digest, der)
}

// appendInteger appends an INTEGER in DER: as few bytes as can be, the first of
// them below 0x80, since it is not negative.
func appendInteger(der, n []byte) []byte {
	for len(n) > 1 && n[0] == 0 {
		n = n[1:]
	}
	pad := n[0] >> 7
	der = append(der, 0x02, byte(len(n))+pad)
	if pad == 1 {
		der = append(der, 0)
	}
	return append(der, n...)
}
