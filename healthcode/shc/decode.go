package shc

import (
	"bytes"
	"crypto"
	"fmt"
	"slices"
	"strings"

	"concordat/healthcode"
	"concordat/healthcode/internal/gate"
)

// The texts that cards begin with.
const (
	Prefix     = "shc:/" // a QR code
	PrefixJWS  = "eyJ"   // a compact JWS: {" in base64url
	PrefixFile = "{"     // a .smart-health-card file
)

// Decoder reads the texts of QR codes: "shc:/" and digits, one text or several.
type Decoder struct{}

// JWSDecoder reads a card as a compact JWS, as it stands in files.
type JWSDecoder struct{}

// FileDecoder reads .smart-health-card files of one or several cards.
type FileDecoder struct{}

var (
	_ healthcode.Joiner   = Decoder{}
	_ healthcode.Decoder  = JWSDecoder{}
	_ healthcode.Splitter = FileDecoder{}
)

// Decoders are all that this package reads.
func Decoders() []healthcode.Decoder {
	return []healthcode.Decoder{Decoder{}, JWSDecoder{}, FileDecoder{}}
}

// Prefix is "shc:/".
func (Decoder) Prefix() string { return Prefix }

// Prefix is "eyJ".
func (JWSDecoder) Prefix() string { return PrefixJWS }

// Prefix is "{".
func (FileDecoder) Prefix() string { return PrefixFile }

// Decode reads a card in one text through every layer: digits, JWS, DEFLATE,
// JSON, claims, FHIR bundle. It checks no signature. Every error wraps
// healthcode.ErrUnreadable and names the layer. For cards over several texts see
// Join.
func (Decoder) Decode(text string) (healthcode.Unverified, error) {
	c, err := parseLong(text)
	if err != nil {
		return nil, unreadable(err)
	}
	if c.of > 1 {
		return nil, unreadable(fmt.Errorf("%w: it is chunk %d of %d by itself; show all of them together", healthcode.ErrChunks, c.place, c.of))
	}
	jws, err := decodeDigits(c.digits)
	if err != nil {
		return nil, unreadable(err)
	}
	return decodeJWS(jws)
}

// Decode reads a card that is a compact JWS. Every error wraps
// healthcode.ErrUnreadable and names the layer.
func (JWSDecoder) Decode(text string) (healthcode.Unverified, error) {
	if len(text) > MaxJWS {
		return nil, unreadable(tooLong("a JWS", len(text), MaxJWS))
	}
	return decodeJWS([]byte(text))
}

// Decode reads a file of one card, or one card that Split took out of a file.
// Every error wraps healthcode.ErrUnreadable.
func (d FileDecoder) Decode(text string) (healthcode.Unverified, error) {
	if !strings.HasPrefix(text, PrefixFile) {
		return JWSDecoder{}.Decode(text)
	}
	cards, err := d.Split(text)
	if err != nil {
		return nil, err
	}
	if len(cards) != 1 {
		return nil, unreadable(fmt.Errorf("%w: the file holds %d cards, and one was asked for; show them one by one", healthcode.ErrEntries, len(cards)))
	}
	return JWSDecoder{}.Decode(cards[0])
}

// Split takes the cards out of a file, each a compact JWS.
func (FileDecoder) Split(text string) ([]string, error) {
	if len(text) > MaxFile {
		return nil, unreadable(tooLong("a file", len(text), MaxFile))
	}
	cards, err := parseFile([]byte(text))
	if err != nil {
		return nil, unreadable(err)
	}
	return cards, nil
}

// parseFile reads {"verifiableCredential": ["<JWS>", …]}.
func parseFile(data []byte) ([]string, error) {
	var cards []string
	found := false
	err := document("file", data, func(r *reader) error {
		return r.object(func(name []byte) error {
			if string(name) != "verifiableCredential" {
				return r.skip()
			}
			found = true
			return r.array(MaxCards, func() error {
				card, err := r.string()
				if err == nil && bytes.HasPrefix(card, []byte(PrefixFile)) {
					return r.fault("card %d is no JWS; is it a file in a file?", len(cards)+1)
				}
				cards = append(cards, string(card))
				return err
			})
		})
	})
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("%w: the file has no member verifiableCredential; is it a .smart-health-card file?", healthcode.ErrJSON)
	case len(cards) == 0:
		return nil, fmt.Errorf("%w: the file holds no card", healthcode.ErrEntries)
	}
	return cards, nil
}

func tooLong(what string, size, limit int) error {
	return fmt.Errorf("%w: %s of %d bytes; at most %d are read", healthcode.ErrTooLarge, what, size, limit)
}

func unreadable(err error) error {
	return fmt.Errorf("unreadable SMART Health Card: %w", err)
}

// decodeJWS reads a JWS, which is kept.
func decodeJWS(text []byte) (healthcode.Unverified, error) {
	u, err := readJWS(text)
	if err != nil {
		// Not u: a nil *unverified in an interface is not nil.
		return nil, unreadable(err)
	}
	return u, nil
}

func readJWS(text []byte) (*unverified, error) {
	s, err := parseJWS(text)
	if err != nil {
		return nil, err
	}
	payload, err := inflate(s.compressed)
	if err != nil {
		return nil, err
	}
	c, err := parseCard(payload)
	if err != nil {
		return nil, err
	}
	claims, err := c.claims(s.kid)
	if err != nil {
		return nil, err
	}
	return &unverified{signed: s, claims: claims}, nil
}

// unverified is a decoded card; its claims stay in here until a key verifies.
type unverified struct {
	signed *jws
	claims healthcode.Claims
}

// String and GoString keep the person out of logs.
func (u *unverified) String() string   { return "unverified " + u.claims.String() }
func (u *unverified) GoString() string { return u.String() }

func (u *unverified) Format() healthcode.Format { return healthcode.FormatSHC }

// KeyID is the thumbprint that the header's kid spells: 32 bytes.
func (u *unverified) KeyID() []byte { return slices.Clone(u.claims.KeyID) }

// RevocationHashes is empty for a card without a rid: it can be revoked with its
// key only.
func (u *unverified) RevocationHashes() []healthcode.RevocationHash {
	return slices.Clone(u.claims.Hashes)
}

// ClaimsUnverified is what the card says; see healthcode.ClaimsUnverified.
func (u *unverified) ClaimsUnverified() healthcode.Claims { return u.claims }

func (u *unverified) Verify(key crypto.PublicKey) (*healthcode.Verified, error) {
	if err := u.signed.verify(key); err != nil {
		return nil, err
	}
	return healthcode.Vouch(gate.SignatureChecked(), u.claims), nil
}
