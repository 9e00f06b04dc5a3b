package trustlist

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
)

// verifyJWS checks a JWS signature (RFC 7518 §3, RFC 8037). The key's type and the
// algorithm must agree. An ECDSA signature may be in DER, which JWS forbids and
// WHO's network writes: its bytes prove as much.
func verifyJWS(alg string, key crypto.PublicKey, input, sig []byte) bool {
	s256, s384, s512 := sha256.Sum256(input), sha512.Sum384(input), sha512.Sum512(input)
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		var digest []byte
		switch {
		case alg == "ES256" && k.Curve == elliptic.P256():
			digest = s256[:]
		case alg == "ES384" && k.Curve == elliptic.P384():
			digest = s384[:]
		case alg == "ES512" && k.Curve == elliptic.P521():
			digest = s512[:]
		default:
			return false
		}
		return raw(k, sig, digest) || ecdsa.VerifyASN1(k, digest, sig)
	case *rsa.PublicKey:
		switch alg {
		case "RS256":
			return rsa.VerifyPKCS1v15(k, crypto.SHA256, s256[:], sig) == nil
		case "PS256":
			return rsa.VerifyPSS(k, crypto.SHA256, s256[:], sig, nil) == nil
		}
	case ed25519.PublicKey:
		return alg == "EdDSA" && ed25519.Verify(k, input, sig)
	}
	return false
}
