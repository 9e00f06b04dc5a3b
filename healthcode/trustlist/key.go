package trustlist

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"
)

// Suitable refuses keys that codes cannot be verified with, or not safely (T6).
func Suitable(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() {
			return nil
		}
		return fmt.Errorf("the key is on the curve %s; want P-256 or P-384", k.Curve.Params().Name)
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Errorf("the RSA key has %d bits; want %d to %d", bits, minRSABits, maxRSABits)
		}
		if k.E < 3 || k.E&1 == 0 {
			return fmt.Errorf("the RSA key's exponent is %d; want an odd number of 3 or more", k.E)
		}
		return nil
	case ed25519.PublicKey:
		return nil
	}
	return fmt.Errorf("the key is a %T; codes are signed with EC P-256, EC P-384, RSA of %d to %d bits, or Ed25519", key, minRSABits, maxRSABits)
}

// Base64 reads base64 of either alphabet, padded or not, as lists mix them.
func Base64(s string) ([]byte, error) {
	plain := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(s), "=")
	return base64.RawStdEncoding.DecodeString(plain)
}
