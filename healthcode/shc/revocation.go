package shc

import (
	"crypto/sha256"
	"encoding/base64"
)

// RevocationHash is the hash of type rid under which a card is revoked: the first
// 16 bytes of SHA-256 over the key's id as cards write it, in base64url, a point
// and the card's revocation identifier. The key is in it because issuers choose
// identifiers by themselves, and two may choose the same.
//
// An identifier that is one person's, as the specification permits, is one for
// all cards that they have under this key: hence the time that may come with it.
func RevocationHash(kid []byte, rid string) [16]byte {
	text := make([]byte, 0, kidLength+1+MaxRID)
	text = base64.RawURLEncoding.AppendEncode(text, kid)
	text = append(text, '.')
	text = append(text, rid...)
	sum := sha256.Sum256(text)
	return [16]byte(sum[:16])
}
