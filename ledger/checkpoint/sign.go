package checkpoint

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"concordat/ledger/statement"
)

var (
	// ErrUnknownSigner: the line is of none of the keys. C2SP signed-note wants it ignored.
	ErrUnknownSigner = errors.New("signer is not known")
	// ErrSignature: the line names a known key, which has not signed this.
	ErrSignature = errors.New("signature is not the key's")
)

// CosignerName is the name of a validator's co-signing key: origin, "/", id.
func CosignerName(origin string, id statement.Region) string { return origin + "/" + string(id) }

// LogVKey gives the verifier key (C2SP signed-note, type 0x01) by which tools
// know a validator's node key as a key of the log. Its name is the origin.
func LogVKey(origin string, node ed25519.PublicKey) string { return vkey(origin, typeLog, node) }

// CosignerVKey gives the verifier key (type 0x04) by which tools know a
// validator as a witness of the log.
func CosignerVKey(origin string, id statement.Region, cosign ed25519.PublicKey) string {
	return vkey(CosignerName(origin, id), typeCosign, cosign)
}

func vkey(name string, typ byte, public ed25519.PublicKey) string {
	return fmt.Sprintf("%s+%08x+%s", name, keyID(name, typ, public), base64.StdEncoding.EncodeToString(append([]byte{typ}, public...)))
}

// SignLog signs c with a node key as the log's own key (type 0x01): Ed25519
// over the text. Errors wrap ErrMalformed.
//
// A node key signs other things too, so what is signed here must never be one
// of them (K4). It begins with the origin and a line feed, and an origin is of
// a-z, 0-9, "." and "-" alone, but for a slash and a number at its end (Check).
// Blocks, promises, descriptors' proofs and libp2p's handshakes open with a domain
// that has a space or a colon before any line feed; statements by a node key sign
// COSE's Sig_structure, which opens with 0x84, and libp2p's envelopes with a length
// below 0x2d: none is in that alphabet. C2SP's domains, of co-signing keys, have a
// slash with a letter after it ("cosignature/v1"), so not even one key for both
// uses would confuse them.
func SignLog(c Checkpoint, node ed25519.PrivateKey) (string, error) {
	if err := c.Check(); err != nil {
		return "", err
	}
	if len(node) != ed25519.PrivateKeySize {
		return "", malformed("the node key has %d bytes, want %d", len(node), ed25519.PrivateKeySize)
	}
	id := keyID(c.Origin, typeLog, node.Public().(ed25519.PublicKey))
	return line{name: c.Origin, id: id, sig: ed25519.Sign(node, []byte(c.Text()))}.String(), nil
}

// Cosignature is a validator's word that it held this checkpoint, and no
// larger one, at that time.
type Cosignature struct {
	By   statement.Region
	At   time.Time // whole seconds, by the validator's clock
	Line string    // as it stands in a note, with its line feed
}

// Cosign co-signs c as a validator, by cosignature/v1 (C2SP tlog-cosignature).
// The time is cut to whole seconds. Errors wrap ErrMalformed.
func Cosign(c Checkpoint, by statement.Region, at time.Time, cosign ed25519.PrivateKey) (Cosignature, error) {
	if err := c.Check(); err != nil {
		return Cosignature{}, err
	}
	if err := by.Validate(); err != nil {
		return Cosignature{}, malformed("co-signer: %w", err)
	}
	s, err := CosignText(CosignerName(c.Origin, by), c.Text(), at, cosign)
	if err != nil {
		return Cosignature{}, err
	}
	return Cosignature{By: by, At: at.Truncate(time.Second).UTC(), Line: s}, nil
}

// CosignText co-signs the text of any log's checkpoint as a witness of that
// name, extension lines included. Errors wrap ErrMalformed.
func CosignText(name, text string, at time.Time, key ed25519.PrivateKey) (string, error) {
	switch {
	case !validName(name):
		return "", malformed("%.80q is not a key's name", name)
	case at.Unix() < 1 || at.Unix() > statement.MaxTime:
		return "", malformed("time is %d, want 1 to %d (Unix seconds)", at.Unix(), int64(statement.MaxTime))
	case len(key) != ed25519.PrivateKeySize:
		return "", malformed("the key has %d bytes, want %d", len(key), ed25519.PrivateKeySize)
	}
	if _, _, err := ParseForeign(text); err != nil {
		return "", err
	}
	stamp := uint64(at.Unix())
	id := keyID(name, typeCosign, key.Public().(ed25519.PublicKey))
	sig := append(binary.BigEndian.AppendUint64(nil, stamp), ed25519.Sign(key, cosigned(stamp, text))...)
	return line{name: name, id: id, sig: sig}.String(), nil
}

// cosigned is what cosignature/v1 signs. The name of the co-signer is not in it.
func cosigned(stamp uint64, text string) []byte {
	return []byte("cosignature/v1\ntime " + strconv.FormatUint(stamp, 10) + "\n" + text)
}

func verifyCosigned(key ed25519.PublicKey, text string, sig []byte) (time.Time, bool) {
	if len(sig) != 8+ed25519.SignatureSize || len(key) != ed25519.PublicKeySize {
		return time.Time{}, false
	}
	stamp := binary.BigEndian.Uint64(sig)
	// A time that no calendar has is not a time.
	if stamp > statement.MaxTime || !ed25519.Verify(key, cosigned(stamp, text), sig[8:]) {
		return time.Time{}, false
	}
	return time.Unix(int64(stamp), 0).UTC(), true
}

// VerifyCosignature reads a line as a validator's co-signature of c, suspended
// validators' included. Errors wrap ErrMalformed, ErrUnknownSigner or ErrSignature.
func (vs Validators) VerifyCosignature(c Checkpoint, s string) (Cosignature, error) {
	l, err := parseLine(s)
	if err != nil {
		return Cosignature{}, err
	}
	id, ok := strings.CutPrefix(l.name, c.Origin+"/")
	v, known := vs.Find(statement.Region(id))
	if !ok || !known || l.id != keyID(l.name, typeCosign, v.Cosign) {
		return Cosignature{}, fmt.Errorf("%w: %.120q, key %08x", ErrUnknownSigner, l.name, l.id)
	}
	at, ok := verifyCosigned(v.Cosign, c.Text(), l.sig)
	if !ok {
		return Cosignature{}, fmt.Errorf("%w: the co-signature of %s over size %d", ErrSignature, v.ID, c.Size)
	}
	return Cosignature{By: v.ID, At: at, Line: s}, nil
}

// VerifyLog reads a line as the log's own signature of c, made by a validator's
// node key, and says whose. Errors wrap ErrMalformed, ErrUnknownSigner or ErrSignature.
//
// All these keys have one name and differ in their ids of four bytes, which a
// malicious authority can make collide with another's; so every key of that id is tried.
func (vs Validators) VerifyLog(c Checkpoint, s string) (statement.Region, error) {
	l, err := parseLine(s)
	if err != nil {
		return "", err
	}
	err = fmt.Errorf("%w: %.120q, key %08x", ErrUnknownSigner, l.name, l.id)
	if l.name != c.Origin {
		return "", err
	}
	for _, v := range vs {
		if l.id != keyID(c.Origin, typeLog, v.Node) {
			continue
		}
		if len(v.Node) == ed25519.PublicKeySize && ed25519.Verify(v.Node, []byte(c.Text()), l.sig) {
			return v.ID, nil
		}
		err = fmt.Errorf("%w: the log's signature over size %d by the node key of %s", ErrSignature, c.Size, v.ID)
	}
	return "", err
}

// CosignatureVerifier verifies cosignature/v1 lines of one key, of validators
// and of outside witnesses alike. It is a note.Verifier, for golang.org/x/mod/sumdb/note.
type CosignatureVerifier struct {
	name string
	key  ed25519.PublicKey
}

var _ note.Verifier = (*CosignatureVerifier)(nil)

// NewCosignatureVerifier reads a verifier key of type 0x04 (C2SP signed-note).
// Errors wrap ErrMalformed.
func NewCosignatureVerifier(s string) (*CosignatureVerifier, error) {
	bad := malformed("%.200q is not a verifier key for co-signatures (name, key id and key, joined by \"+\")", s)
	part := strings.SplitN(s, "+", 3) // base64 may have a plus
	if len(part) != 3 || !validName(part[0]) {
		return nil, bad
	}
	key, err := base64.StdEncoding.Strict().DecodeString(part[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != typeCosign {
		return nil, bad
	}
	v := &CosignatureVerifier{name: part[0], key: key[1:]}
	if v.String() != s {
		return nil, malformed("verifier key %.200q: the key id is not the key's", s)
	}
	return v, nil
}

// Name gives the key's name.
func (v *CosignatureVerifier) Name() string { return v.name }

// KeyHash gives the key's id.
func (v *CosignatureVerifier) KeyHash() uint32 { return keyID(v.name, typeCosign, v.key) }

// String gives the verifier key.
func (v *CosignatureVerifier) String() string { return vkey(v.name, typeCosign, v.key) }

// Verify reports whether sig, a time and a signature, co-signs the text of a checkpoint.
func (v *CosignatureVerifier) Verify(text, sig []byte) bool {
	if _, _, err := ParseForeign(string(text)); err != nil {
		return false
	}
	_, ok := verifyCosigned(v.key, string(text), sig)
	return ok
}

// VerifyLine reads a line as a co-signature by this key of the text of a
// checkpoint, and gives its time. Errors wrap ErrMalformed, ErrUnknownSigner or ErrSignature.
func (v *CosignatureVerifier) VerifyLine(text, s string) (time.Time, error) {
	l, err := parseLine(s)
	if err != nil {
		return time.Time{}, err
	}
	if l.name != v.name || l.id != v.KeyHash() {
		return time.Time{}, fmt.Errorf("%w: %.120q, key %08x", ErrUnknownSigner, l.name, l.id)
	}
	if _, _, err := ParseForeign(text); err != nil {
		return time.Time{}, err
	}
	at, ok := verifyCosigned(v.key, text, l.sig)
	if !ok {
		return time.Time{}, fmt.Errorf("%w: the co-signature of %.120q", ErrSignature, v.name)
	}
	return at, nil
}

// CosignatureTime gives the time that a co-signature line claims, unverified:
// to tell the newer of two lines. It is false if the line is not of that form.
func CosignatureTime(s string) (time.Time, bool) {
	l, err := parseLine(s)
	if err != nil || len(l.sig) != 8+ed25519.SignatureSize {
		return time.Time{}, false
	}
	stamp := binary.BigEndian.Uint64(l.sig)
	if stamp > math.MaxInt64 {
		return time.Time{}, false
	}
	return time.Unix(int64(stamp), 0).UTC(), true
}
