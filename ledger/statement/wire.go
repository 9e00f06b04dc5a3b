package statement

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"concordat/ledger/internal/canonical"
)

// ContentType is the protected header 3 of every statement.
const ContentType = "application/vnd.concordat.statement+cbor"

// Version is the version of the payload's layout.
const Version = 1

// algEdDSA is COSE's EdDSA (RFC 9053 §2.2).
const algEdDSA = -8

// sign1Tag opens a tagged COSE_Sign1 of four elements.
var sign1Tag = []byte{0xd2, 0x84}

// Hash identifies a statement: SHA-256 of its bytes.
type Hash [sha256.Size]byte

// String gives 64 hex digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// NetworkID is the network that a statement is for: SHA-256 of its genesis file.
type NetworkID [sha256.Size]byte

// String gives 64 hex digits.
func (n NetworkID) String() string { return hex.EncodeToString(n[:]) }

// KeyID is the kid of an authority's key: the first eight bytes of SHA-256 of
// the Ed25519 public key. It tells which key to try, and proves nothing.
type KeyID [8]byte

// KeyIDOf gives the kid of an authority's key.
func KeyIDOf(pub ed25519.PublicKey) KeyID {
	sum := sha256.Sum256(pub)
	return KeyID(sum[:8])
}

// Statement is what is said, apart from its signature.
type Statement struct {
	Issuer   Region // the authority that says it
	Network  NetworkID
	Revision uint64 // the revision of the subject that it makes; 0 for kinds without
	IssuedAt Time   // what the signer's clock said; for people, never relied upon
	Body     Body
}

// Kind is the body's.
func (s *Statement) Kind() Kind { return s.Body.Kind() }

// Subject is what the statement is about.
func (s *Statement) Subject() string { return s.Body.Subject(s.Issuer) }

var (
	// ErrMalformed: the bytes are not a statement in its one encoding.
	ErrMalformed = errors.New("malformed statement")
	// ErrTooLarge: the bytes are more than MaxSize.
	ErrTooLarge = fmt.Errorf("%w: too large", ErrMalformed)
	// ErrUnknownKind: no statement of this kind exists at this protocol level.
	ErrUnknownKind = fmt.Errorf("%w: unknown kind", ErrMalformed)
	// ErrSignature: the signature is not the key's.
	ErrSignature = errors.New("wrong signature")
	// ErrAttachment: the attachment is not the one that the statement describes.
	ErrAttachment = errors.New("attachment does not fit the statement")
)

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, a...))
}

type envelope struct {
	_           struct{} `cbor:",toarray"`
	Protected   []byte
	Unprotected struct{}
	Payload     []byte
	Signature   []byte
}

type protected struct {
	Alg         int64  `cbor:"1,keyasint"`
	ContentType string `cbor:"3,keyasint"`
	KeyID       []byte `cbor:"4,keyasint"`
	Claims      claims `cbor:"15,keyasint"` // CWT claims in COSE headers, RFC 9597
}

type claims struct {
	Issuer  string `cbor:"1,keyasint"`
	Subject string `cbor:"2,keyasint"`
}

type payload struct {
	Version  uint64          `cbor:"1,keyasint"`
	Network  []byte          `cbor:"2,keyasint"`
	Kind     Kind            `cbor:"3,keyasint"`
	Revision uint64          `cbor:"4,keyasint,omitempty"`
	IssuedAt Time            `cbor:"5,keyasint"`
	Body     cbor.RawMessage `cbor:"6,keyasint"`
}

// codec bounds what a statement may hold; the longest list is a seal's, the
// largest body has thirteen fields.
var codec = canonical.New(8, MaxValidators, 32)

// decodeExactly decodes one CBOR item that must be the canonical encoding of what it says (S1).
func decodeExactly(what string, data []byte, into any) error {
	if err := codec.Decode(data, into); err != nil {
		return malformed("%s: %w", what, err)
	}
	return nil
}

// Unverified is a statement whose form is right and whose signature nobody has checked.
type Unverified struct {
	statement Statement
	keyID     KeyID
	raw       []byte
	hash      Hash
	protected []byte
	payload   []byte
	signature []byte
}

// Verified is a statement that the key it was verified with has signed (S3).
type Verified struct {
	u   *Unverified
	key [ed25519.PublicKeySize]byte
}

// Parse reads a statement. Its errors wrap ErrMalformed or ErrInvalid. It keeps raw, which must not change after.
func Parse(raw []byte) (*Unverified, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(raw), MaxSize)
	}
	if !bytes.HasPrefix(raw, sign1Tag) {
		return nil, malformed("want a COSE_Sign1 tagged 18")
	}
	var e envelope
	if err := decodeExactly("COSE_Sign1", raw[1:], &e); err != nil {
		return nil, err
	}
	if len(e.Signature) != ed25519.SignatureSize {
		return nil, malformed("signature has %d bytes, want %d", len(e.Signature), ed25519.SignatureSize)
	}
	var h protected
	if err := decodeExactly("protected header", e.Protected, &h); err != nil {
		return nil, err
	}
	if h.Alg != algEdDSA {
		return nil, malformed("alg is %d, want %d (EdDSA)", h.Alg, algEdDSA)
	}
	if h.ContentType != ContentType {
		return nil, malformed("content type is not %q", ContentType)
	}
	if len(h.KeyID) != len(KeyID{}) {
		return nil, malformed("kid has %d bytes, want %d", len(h.KeyID), len(KeyID{}))
	}
	var p payload
	if err := decodeExactly("payload", e.Payload, &p); err != nil {
		return nil, err
	}
	if p.Version != Version {
		return nil, malformed("version is %d, want %d", p.Version, Version)
	}
	if len(p.Network) != len(NetworkID{}) {
		return nil, malformed("network id has %d bytes, want %d", len(p.Network), len(NetworkID{}))
	}
	body, known := newBody(p.Kind)
	if !known {
		if len(p.Kind) > MaxSubject {
			p.Kind = p.Kind[:MaxSubject]
		}
		return nil, fmt.Errorf("%w %q", ErrUnknownKind, p.Kind)
	}
	if err := decodeExactly("body", p.Body, body); err != nil {
		return nil, err
	}
	s := Statement{
		Issuer:   Region(h.Claims.Issuer),
		Network:  NetworkID(p.Network),
		Revision: p.Revision,
		IssuedAt: p.IssuedAt,
		Body:     body,
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	if want := s.Subject(); h.Claims.Subject != want {
		return nil, malformed("sub is not %q, which is what this statement is about", want)
	}
	return &Unverified{
		statement: s,
		keyID:     KeyID(h.KeyID),
		raw:       raw,
		hash:      sha256.Sum256(raw),
		protected: e.Protected,
		payload:   e.Payload,
		signature: e.Signature,
	}, nil
}

func (s *Statement) validate() error {
	if s.Body == nil {
		return invalid("body is missing")
	}
	if err := s.Issuer.Validate(); err != nil {
		return invalid("issuer: %w", err)
	}
	if err := checkTime("issued at", s.IssuedAt, false); err != nil {
		return err
	}
	if has := s.Kind().HasRevision(); has && s.Revision == 0 {
		return invalid("revision is missing; a new subject's first is 1")
	} else if !has && s.Revision != 0 {
		return invalid("revision is %d; a %s has none", s.Revision, s.Kind())
	}
	if err := s.Body.Validate(); err != nil {
		if errors.Is(err, ErrInvalid) {
			return err
		}
		return invalid("%w", err)
	}
	if n := len(s.Subject()); n > MaxSubject {
		return invalid("subject has %d bytes, at most %d", n, MaxSubject)
	}
	return nil
}

// Sign makes the one encoding of s, signed with key. Errors wrap ErrInvalid or ErrKey.
func Sign(s Statement, key ed25519.PrivateKey) (*Verified, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: private key has %d bytes, want %d", ErrKey, len(key), ed25519.PrivateKeySize)
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	pub := key.Public().(ed25519.PublicKey)
	id := KeyIDOf(pub)
	body, err := codec.Encode(s.Body)
	if err != nil {
		return nil, fmt.Errorf("encoding the body: %w", err)
	}
	prot, err := codec.Encode(protected{
		Alg: algEdDSA, ContentType: ContentType, KeyID: id[:],
		Claims: claims{Issuer: string(s.Issuer), Subject: s.Subject()},
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the protected header: %w", err)
	}
	load, err := codec.Encode(payload{
		Version: Version, Network: s.Network[:], Kind: s.Kind(),
		Revision: s.Revision, IssuedAt: s.IssuedAt, Body: body,
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the payload: %w", err)
	}
	raw, err := codec.Encode(envelope{
		Protected: prot, Payload: load, Signature: ed25519.Sign(key, toBeSigned(prot, load)),
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the COSE_Sign1: %w", err)
	}
	u, err := Parse(append([]byte{sign1Tag[0]}, raw...))
	if err != nil {
		return nil, err
	}
	return u.Verify(pub)
}

// toBeSigned is the Sig_structure of RFC 9052 §4.4 for a COSE_Sign1 without external data.
func toBeSigned(protected, payload []byte) []byte {
	out := make([]byte, 0, len(protected)+len(payload)+24)
	out = append(out, 0x84, 0x6a)
	out = append(out, "Signature1"...)
	out = appendBytes(out, protected)
	out = append(out, 0x40)
	return appendBytes(out, payload)
}

// appendBytes appends a CBOR byte string; every string here is shorter than 64 KiB.
func appendBytes(out, b []byte) []byte {
	switch n := len(b); {
	case n < 24:
		out = append(out, 0x40|byte(n))
	case n < 1<<8:
		out = append(out, 0x58, byte(n))
	default:
		out = append(out, 0x59, byte(n>>8), byte(n))
	}
	return append(out, b...)
}

// What an unverified statement claims; nothing of it counts before Verify.

// Statement is what is claimed to be said. The caller must not change its body.
func (u *Unverified) Statement() Statement { return u.statement }

// KeyID says which of the issuer's keys to try.
func (u *Unverified) KeyID() KeyID { return u.keyID }

// Raw is the bytes as received. The caller must not change them.
func (u *Unverified) Raw() []byte { return u.raw }

// Hash identifies the statement.
func (u *Unverified) Hash() Hash { return u.hash }

// Statement is what was said. The caller must not change its body.
func (v *Verified) Statement() Statement { return v.u.statement }

// KeyID is the kid of the key that signed.
func (v *Verified) KeyID() KeyID { return v.u.keyID }

// SignedBy reports whether key is the one the statement was verified with.
func (v *Verified) SignedBy(key ed25519.PublicKey) bool { return bytes.Equal(v.key[:], key) }

// Raw is the bytes as received. The caller must not change them.
func (v *Verified) Raw() []byte { return v.u.raw }

// Hash identifies the statement.
func (v *Verified) Hash() Hash { return v.u.hash }
