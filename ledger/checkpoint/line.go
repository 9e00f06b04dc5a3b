package checkpoint

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
)

// prefix opens a signature line, C2SP signed-note: an em dash and a space.
const prefix = "— "

// Types of keys, C2SP signed-note.
const (
	typeLog    = 0x01 // Ed25519 over the text
	typeCosign = 0x04 // cosignature/v1, Ed25519 over a time and the text
)

// line is one signature of a note.
type line struct {
	name string
	id   uint32 // the key's id, a mere index
	sig  []byte
}

// parseLine reads a signature line with its line feed. Errors wrap ErrMalformed.
func parseLine(s string) (line, error) {
	if len(s) > MaxNote {
		return line{}, malformed("a signature line of %d bytes", len(s))
	}
	rest, okPrefix := strings.CutPrefix(s, prefix)
	rest, okEnd := strings.CutSuffix(rest, "\n")
	name, b64, okSplit := strings.Cut(rest, " ")
	if !okPrefix || !okEnd || !okSplit || !validName(name) {
		return line{}, malformed("%.80q is not a signature line", s)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(b64)
	// The decoder skips carriage returns and line feeds; a line has one spelling.
	if err != nil || len(raw) < 5 || base64.StdEncoding.EncodeToString(raw) != b64 {
		return line{}, malformed("the signature of %.80q is not a key id and a signature in base64", name)
	}
	return line{name: name, id: binary.BigEndian.Uint32(raw), sig: raw[4:]}, nil
}

func (l line) String() string {
	return prefix + l.name + " " + base64.StdEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, l.id), l.sig...)) + "\n"
}

// keyID is the id of a key in lines: the first four bytes of
// SHA-256(name ‖ LF ‖ type ‖ public key), C2SP signed-note.
func keyID(name string, typ byte, public []byte) uint32 {
	h := sha256.New()
	h.Write([]byte(name + "\n"))
	h.Write([]byte{typ})
	h.Write(public)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// CheckLine checks that s has the form of a signature line, with its line feed.
// Errors wrap ErrMalformed.
func CheckLine(s string) error {
	_, err := parseLine(s)
	return err
}
