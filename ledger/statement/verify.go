package statement

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/oasisprotocol/curve25519-voi/curve"
	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// zip215 is the one signature rule of every node (S5). Ed25519 verifiers
// differ on signatures that only the key's own holder can craft: points of
// small order, encodings that are not canonical. ZIP 215 says exactly which of
// them count, and is the same one by one and in batches, which RFC 8032 leaves
// open; a rule on which two nodes could differ would let one statement fork
// the ledger.
var zip215 = &voi.Options{Verify: voi.VerifyOptionsZIP_215}

// VerifySignature reports whether sig is key's over message, by the one rule of
// every node (S5). It is for what is signed beside statements: blocks, descriptors.
func VerifySignature(key ed25519.PublicKey, message, sig []byte) bool {
	return len(key) == ed25519.PublicKeySize && voi.VerifyWithOptions(voi.PublicKey(key), message, sig, zip215)
}

// ErrKey: the bytes are not a key that an authority may have.
var ErrKey = errors.New("unfit key")

// CheckPublicKey refuses what no honest key generation gives, and ZIP 215
// would verify with: encodings that are not canonical, and points of small
// order, for which signatures can be made without a private key. It guards the
// doors by which keys come in; statements are then judged by ZIP 215 alone.
// Errors wrap ErrKey.
func CheckPublicKey(key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: %d bytes, want %d", ErrKey, len(key), ed25519.PublicKeySize)
	}
	compressed := curve.CompressedEdwardsY(key)
	var point curve.EdwardsPoint
	if _, err := point.SetCompressedY(&compressed); err != nil {
		return fmt.Errorf("%w: not a point of the curve", ErrKey)
	}
	if !compressed.IsCanonicalVartime() {
		return fmt.Errorf("%w: its encoding is not canonical", ErrKey)
	}
	if !point.IsTorsionFree() || point.IsSmallOrder() {
		return fmt.Errorf("%w: not a point of the prime-order group", ErrKey)
	}
	return nil
}

// Verify makes a Verified if key has signed u. Errors wrap ErrSignature.
func (u *Unverified) Verify(key ed25519.PublicKey) (*Verified, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, errKeySize(key)
	}
	if !VerifySignature(key, u.toBeSigned(), u.signature) {
		return nil, errSignature(u, key)
	}
	return verifiedBy(u, key), nil
}

func (u *Unverified) toBeSigned() []byte { return toBeSigned(u.protected, u.payload) }

// verifiedBy is for those who have just seen that it is so (S3).
func verifiedBy(u *Unverified, key ed25519.PublicKey) *Verified {
	return &Verified{u: u, key: [ed25519.PublicKeySize]byte(key)}
}

func errKeySize(key ed25519.PublicKey) error {
	return fmt.Errorf("%w: key has %d bytes, want %d", ErrSignature, len(key), ed25519.PublicKeySize)
}

func errSignature(u *Unverified, key ed25519.PublicKey) error {
	return fmt.Errorf("%w: not made by key %x of %s", ErrSignature, KeyIDOf(key), u.statement.Issuer)
}
