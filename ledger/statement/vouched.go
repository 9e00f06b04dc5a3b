package statement

import "crypto/ed25519"

// Vouched gives u as one that key has signed, and looks at no signature. It is
// for a statement below a certified checkpoint: a quorum of the validators
// verified it before they signed the root that it is under, and to believe less
// of them would be to believe nothing that they certify. key must be the
// issuer's, from the state at the statement's place, and have 32 bytes.
func (u *Unverified) Vouched(key ed25519.PublicKey) *Verified { return verifiedBy(u, key) }
