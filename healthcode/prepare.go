package healthcode

import (
	"crypto"
	"crypto/ed25519"

	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// Prepared is an Ed25519 key made ready for the verification of many codes: half
// of what one verification costs depends on the key alone. It takes some 1.5 kB.
type Prepared struct {
	key      ed25519.PublicKey
	expanded *voi.ExpandedPublicKey
}

// prepared says which of the rules of Ed25519 holds: that of crypto/ed25519, bit for bit.
var prepared = &voi.Options{Verify: voi.VerifyOptionsStdLib}

// Prepare makes an issuer's key ready, to be given to Verify many times. What
// Verify says is the same with it as with the key itself. A key of another type,
// for which there is nothing to prepare, comes back as it is; so does one that is
// no point of the curve, and verifies nothing.
func Prepare(key crypto.PublicKey) crypto.PublicKey {
	ed, ok := key.(ed25519.PublicKey)
	if !ok {
		return key
	}
	expanded, err := voi.NewExpandedPublicKey(voi.PublicKey(ed))
	if err != nil {
		return key
	}
	return &Prepared{ed, expanded}
}

// Unprepared gives the key that Prepare was given.
func Unprepared(key crypto.PublicKey) crypto.PublicKey {
	if p, ok := key.(*Prepared); ok {
		return p.key
	}
	return key
}

// Verify reports whether signature is the key's of message, as crypto/ed25519's
// Verify does.
func (p *Prepared) Verify(message, signature []byte) bool {
	return voi.VerifyExpandedWithOptions(p.expanded, message, signature, prepared)
}
