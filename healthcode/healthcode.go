package healthcode

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"time"
)

// Format names the container that a code came in.
type Format string

// The formats that Concordat reads.
const (
	FormatHC1    Format = "hc1"    // EU Digital COVID Certificate, "HC1:"
	FormatSHC    Format = "shc"    // SMART Health Card, "shc:/"
	FormatNative Format = "native" // Concordat's own health code
)

// Kind says what a code attests. Key usage, recognition and acceptance rules
// are all granted per kind.
type Kind string

// The kinds of code.
const (
	Vaccination Kind = "vaccination"
	Test        Kind = "test"
	Recovery    Kind = "recovery"
	Health      Kind = "health"
	Itinerary   Kind = "itinerary"
)

// HashType says what of a code was hashed to revoke it (for EU DCC:
// Implementing Decision (EU) 2022/483; for SMART Health Cards: the card's rid).
type HashType string

// The types of revocation hash.
const (
	HashSignature      HashType = "signature"
	HashUCI            HashType = "uci"
	HashCountryCodeUCI HashType = "countrycode-uci"
	HashRID            HashType = "rid"
)

// RevocationHash is one name under which the issuer may have revoked a code:
// the first 16 bytes of a SHA-256.
type RevocationHash struct {
	Type HashType
	Hash [16]byte
}

// Field is one thing that a code says, for a person to read. Value is as it
// stands in the credential, so whoever shows it escapes it for their medium.
type Field struct{ Name, Value string }

// Stay is a time that an itinerary says was spent in an area.
type Stay struct {
	Area     string
	From, To time.Time
}

// Unverified is a code that was decoded but that nobody has vouched for. It is
// safe for concurrent use.
type Unverified interface {
	// Format says which container the code came in.
	Format() Format

	// KeyID is the issuer's key as the code names it: an index only, nil where
	// the code names none. Several keys may have one id, and a code may name a
	// key that is not its own.
	KeyID() []byte

	// RevocationHashes gives every hash under which the issuer may have revoked
	// this code, in a fixed order and without repeats.
	RevocationHashes() []RevocationHash

	// Verify checks the signature over the bytes received. The errors wrap
	// ErrSignature where key did not sign this code, and ErrKeyUnsuitable where
	// key cannot have signed it: wrong type for the code's algorithm, or of a
	// size that is refused. A key that Prepare has made ready is as good as itself.
	Verify(key crypto.PublicKey) (*Verified, error)
}

// Decoder reads one format. A Decoder bounds its input by itself.
type Decoder interface {
	// Prefix is the text that every code of this format begins with.
	Prefix() string
	// Decode reads a code, Prefix included. Every error wraps ErrUnreadable.
	Decode(text string) (Unverified, error)
}

// KeyIDText writes a key id as those do who publish keys: a thumbprint as key
// sets have it (base64url, RFC 7638), and any other, such as the eight bytes of
// EU DCC, as trust lists have it (base64 with padding).
func KeyIDText(kid []byte) string {
	if len(kid) == sha256.Size {
		return base64.RawURLEncoding.EncodeToString(kid)
	}
	return base64.StdEncoding.EncodeToString(kid)
}
