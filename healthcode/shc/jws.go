package shc

import (
	"bytes"
	"encoding/base64"
	"fmt"

	"concordat/healthcode"
)

// kidLength is the length of a key's name: the SHA-256 thumbprint of RFC 7638 in
// base64url.
const kidLength = 43

// signatureSize is that of r and s side by side (RFC 7518 section 3.4).
const signatureSize = 64

// jws is a compact JWS (RFC 7515 section 7.1) that was taken apart.
type jws struct {
	input      []byte // what was signed: header and payload as received
	kid        [32]byte
	compressed []byte // the payload
	signature  [signatureSize]byte
}

// base64url has one spelling for each content: Strict refuses set bits that no
// byte takes.
var base64url = base64.RawURLEncoding.Strict()

// parseJWS takes a JWS apart and keeps text.
func parseJWS(text []byte) (*jws, error) {
	if len(text) > MaxJWS {
		return nil, tooLong("a JWS", len(text), MaxJWS)
	}
	// package base64 passes over line ends, which would give a content many spellings.
	if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
		return nil, fmt.Errorf("%w: a line end in it", healthcode.ErrJWS)
	}
	first, last := bytes.IndexByte(text, '.'), bytes.LastIndexByte(text, '.')
	if points := bytes.Count(text, []byte{'.'}); points != 2 {
		return nil, fmt.Errorf("%w: %d points in it; a compact JWS has 2, between header, payload and signature", healthcode.ErrJWS, points)
	}
	s := &jws{input: text[:last]}
	if err := s.parseHeader(text[:first]); err != nil {
		return nil, err
	}
	if err := s.parseSignature(text[last+1:]); err != nil {
		return nil, err
	}
	var err error
	s.compressed, err = decodePart("payload", text[first+1:last])
	return s, err
}

// decodePart decodes one part of a JWS.
func decodePart(what string, part []byte) ([]byte, error) {
	out := make([]byte, base64url.DecodedLen(len(part)))
	n, err := base64url.Decode(out, part)
	if err != nil {
		return nil, fmt.Errorf("%w: the %s of %d characters is not base64url without padding", healthcode.ErrJWS, what, len(part))
	}
	return out[:n], nil
}

// parseHeader reads the members that say how to go on, and refuses what asks for
// more than is done here. Other members are allowed to be there; none is followed
// to a key.
func (s *jws) parseHeader(part []byte) error {
	header, err := decodePart("header", part)
	if err != nil {
		return err
	}
	var alg, zip, kid []byte
	critical := false
	err = document("header", header, func(r *reader) error {
		return r.object(func(name []byte) (err error) {
			switch string(name) {
			case "alg":
				alg, err = r.memberText("alg")
			case "zip":
				zip, err = r.memberText("zip")
			case "kid":
				kid, err = r.memberText("kid")
			case "crit":
				critical = true
				err = r.skip()
			default:
				err = r.skip()
			}
			return err
		})
	})
	switch {
	case err != nil:
		return err
	case critical:
		return fmt.Errorf("%w: the header has crit, and with it asks for extensions (RFC 7515 section 4.1.11) that SMART Health Cards do not have", healthcode.ErrJWS)
	case alg == nil:
		return fmt.Errorf("%w: the header has no alg; want ES256", healthcode.ErrJWS)
	case string(alg) == "none":
		return fmt.Errorf("%w: alg is none: the card is not signed", healthcode.ErrJWS)
	case string(alg) != "ES256":
		return fmt.Errorf("%w: alg is not ES256, the one algorithm of SMART Health Cards", healthcode.ErrJWS)
	case zip == nil:
		return fmt.Errorf("%w: the header has no zip; want DEF", healthcode.ErrJWS)
	case string(zip) != "DEF":
		return fmt.Errorf("%w: zip is not DEF, the one compression of SMART Health Cards", healthcode.ErrJWS)
	case kid == nil:
		return fmt.Errorf("%w: the header has no kid, so no key can be found", healthcode.ErrJWS)
	}
	return decodeKID(&s.kid, kid)
}

// decodeKID decodes the name of a key.
func decodeKID(into *[32]byte, kid []byte) error {
	if len(kid) == kidLength && bytes.IndexByte(kid, '\n') < 0 && bytes.IndexByte(kid, '\r') < 0 {
		if _, err := base64url.Decode(into[:], kid); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: kid has %d characters and is not the SHA-256 thumbprint of a key (RFC 7638) in base64url, of %d", healthcode.ErrJWS, len(kid), kidLength)
}

// parseSignature decodes the signature and tells what else it might be, as more
// than one issuer has got this wrong.
func (s *jws) parseSignature(part []byte) error {
	if len(part) == 0 {
		return fmt.Errorf("%w: the signature is empty: the card is not signed", healthcode.ErrJWS)
	}
	signature, err := decodePart("signature", part)
	if err != nil {
		return err
	}
	if len(signature) != signatureSize {
		if isDER(signature) {
			return fmt.Errorf("%w: the signature of %d bytes is in DER; JWS has r and s side by side, %d bytes (RFC 7518 section 3.4)", healthcode.ErrJWS, len(signature), signatureSize)
		}
		return fmt.Errorf("%w: the signature has %d bytes; one by ES256 has %d", healthcode.ErrJWS, len(signature), signatureSize)
	}
	copy(s.signature[:], signature)
	return nil
}

// isDER tells whether b looks like a DER SEQUENCE that begins with an INTEGER.
// One of 64 bytes is possible and rare: r or s would lack five bytes or more
// between them. It is taken for r and s then, and verifies under no key.
func isDER(b []byte) bool {
	return len(b) > 3 && b[0] == 0x30 && int(b[1]) == len(b)-2 && b[2] == 0x02
}

// memberText reads a string that a named member must have.
func (r *reader) memberText(name string) ([]byte, error) {
	if r.peek() != '"' {
		return nil, fmt.Errorf("%w: %s is no string", healthcode.ErrJWS, name)
	}
	return r.string()
}
