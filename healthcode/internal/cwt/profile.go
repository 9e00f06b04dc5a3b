package cwt

import (
	"bytes"
	"fmt"
	"strings"

	"concordat/healthcode"
)

// Profile is what formats with this pipeline differ in, its claims apart.
type Profile struct {
	Name       string // for errors: HC1
	Prefix     string
	Algorithms []healthcode.Algorithm // two at least, in the order in which errors list them
}

// The formats.
var (
	HC1 = &Profile{Name: "HC1", Prefix: "HC1:", Algorithms: []healthcode.Algorithm{healthcode.ES256, healthcode.PS256}}
	// CHC1 is the native format.
	CHC1 = &Profile{Name: "CHC1", Prefix: "CHC1:", Algorithms: []healthcode.Algorithm{healthcode.ES256, healthcode.PS256, healthcode.EdDSA}}
)

// algorithms are their numbers in COSE (RFC 9053, RFC 8230), as scalar reads them.
var algorithms = map[healthcode.Algorithm]int64{
	healthcode.ES256: -7,
	healthcode.PS256: -37,
	healthcode.EdDSA: -8,
}

// Open reads a text through every layer that the formats share: prefix, Base45,
// zlib, COSE_Sign1. It checks no signature and reads no claim.
func (p *Profile) Open(text string) (*Message, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("%w: a text of %d bytes; at most %d are read", healthcode.ErrTooLarge, len(text), MaxText)
	}
	body, ok := strings.CutPrefix(text, p.Prefix)
	if !ok {
		return nil, fmt.Errorf("%w: the text does not begin with %s", healthcode.ErrPrefix, p.Prefix)
	}
	compressed, err := DecodeBase45(body)
	if err != nil {
		return nil, err
	}
	message, err := Inflate(compressed)
	if err != nil {
		return nil, err
	}
	return p.parse(message)
}

// Protected gives the content of the protected bucket that Concordat's issuers
// sign: alg and the key id, canonical.
func Protected(alg healthcode.Algorithm, keyID []byte) []byte {
	number := -1 - algorithms[alg]
	b := []byte{majorMap<<5 | 2, headerAlg}
	if number < oneByte {
		b = append(b, majorNegint<<5|byte(number))
	} else {
		b = append(b, majorNegint<<5|oneByte, byte(number))
	}
	return appendBytes(append(b, headerKeyID), keyID)
}

// Seal is Open the other way round: a tagged COSE_Sign1 with nothing
// unprotected, compressed, in Base45. The same bytes give the same text with one
// release of Go; another's compressor may find a shorter one.
func (p *Profile) Seal(protected, payload, signature []byte) string {
	var message bytes.Buffer
	message.WriteByte(majorTag<<5 | tagCOSESign1)
	message.WriteByte(majorArray<<5 | 4)
	message.Write(appendBytes(nil, protected))
	message.WriteByte(majorMap << 5)
	message.Write(appendBytes(nil, payload))
	message.Write(appendBytes(nil, signature))
	return p.Prefix + EncodeBase45(Deflate(message.Bytes()))
}

// Claim keys of RFC 8392 section 3.1.
const (
	ClaimIss = 1
	ClaimExp = 4
	ClaimNbf = 5
	ClaimIat = 6
)
