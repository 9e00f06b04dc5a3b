package shc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"

	"concordat/healthcode"
	"concordat/healthcode/internal/es256"
)

// verify checks the signature under key, over the characters received. The
// algorithm is settled: parseHeader let ES256 through and nothing else.
func (s *jws) verify(key crypto.PublicKey) error {
	k, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return fmt.Errorf("%w: a key of type %T; SMART Health Cards have ECDSA keys", healthcode.ErrKeyUnsuitable, healthcode.Unprepared(key))
	}
	if k == nil || k.Curve != elliptic.P256() {
		return fmt.Errorf("%w: the curve is not P-256", healthcode.ErrKeyUnsuitable)
	}
	digest := sha256.Sum256(s.input)
	if !es256.Verify(k, digest[:], s.signature[:]) {
		return fmt.Errorf("%w: not made by this P-256 key over these characters", healthcode.ErrSignature)
	}
	return nil
}
