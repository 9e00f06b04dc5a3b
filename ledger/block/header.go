package block

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"

	"concordat/ledger/internal/canonical"
	"concordat/ledger/statement"
)

// Version is the version of the layout of headers and bodies.
const Version = 1

// domain opens what the proposer signs, so that a block's signature counts for nothing else that a node key signs.
const domain = "concordat block v1\n"

var (
	// ErrMalformed: the bytes are not a block, or a header's proof, in its one encoding.
	ErrMalformed = errors.New("malformed block")
	// ErrTooLarge: a limit is exceeded.
	ErrTooLarge = fmt.Errorf("%w: too large", ErrMalformed)
	// ErrInvalid: a header's field breaks a bound.
	ErrInvalid = errors.New("invalid block")
	// ErrSignature: the signature is not the key's.
	ErrSignature = errors.New("block is not signed by its proposer")
)

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, a...))
}

// Header says what a block is and what it builds on.
type Header struct {
	Version  uint64              `cbor:"1,keyasint"`
	Network  statement.NetworkID `cbor:"2,keyasint"`
	Term     uint64              `cbor:"3,keyasint"` // Raft's term in which it was proposed
	Size     uint64              `cbor:"4,keyasint"` // the ledger's size that it builds on: the index of its first statement
	Root     [sha256.Size]byte   `cbor:"5,keyasint"` // the Merkle root at that size
	Time     int64               `cbor:"6,keyasint"` // Unix milliseconds by the proposer's clock; for people
	Proposer statement.Region    `cbor:"7,keyasint"` // the authority whose node proposes
	Body     [sha256.Size]byte   `cbor:"8,keyasint"` // SHA-256 of the body's bytes
	Count    uint64              `cbor:"9,keyasint"` // the statements in it
}

func (h *Header) validate() error {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, a...))
	}
	switch {
	case h.Version != Version:
		return bad("version is %d, want %d", h.Version, Version)
	case h.Term == 0:
		return bad("term is 0; Raft's first is 1")
	case h.Count == 0 || h.Count > MaxStatements:
		return bad("it counts %d statements, want 1 to %d", h.Count, MaxStatements)
	case h.Size > MaxLogSize-h.Count:
		return bad("it builds on size %d, at most %d", h.Size, MaxLogSize-h.Count)
	case h.Time < 0 || h.Time > MaxTime:
		return bad("time is %d, want 0 to %d (Unix milliseconds)", h.Time, int64(MaxTime))
	}
	if err := h.Proposer.Validate(); err != nil {
		return bad("proposer: %w", err)
	}
	return nil
}

func parseHeader(raw []byte) (Header, error) {
	var h Header
	if len(raw) > MaxHeader {
		return h, fmt.Errorf("%w: header has %d bytes, at most %d", ErrTooLarge, len(raw), MaxHeader)
	}
	if err := decodeExactly("header", raw, &h); err != nil {
		return Header{}, err
	}
	return h, h.validate()
}

// PeekHeader reads the header of a block and nothing else of it: what it costs
// does not grow with the block. It is for a look at what is claimed before the
// block is worth more, as of its time: neither the signature nor the body is
// looked at, and bytes that it takes may not be a block for Parse. Errors wrap
// ErrMalformed or ErrInvalid; what Parse takes gives none.
func PeekHeader(raw []byte) (Header, error) {
	header, _, err := peekHeader(raw)
	if err != nil {
		return Header{}, err
	}
	return parseHeader(header)
}

// PeekProof takes a block's header with its signature out of its bytes, at the
// cost of PeekHeader: whoever sees blocks pass by can keep what would convict
// their proposer. Nothing is verified, and the proof is a copy. Errors wrap
// ErrMalformed or ErrInvalid.
func PeekProof(raw []byte) (HeaderProof, error) {
	header, rest, err := peekHeader(raw)
	if err != nil {
		return HeaderProof{}, err
	}
	if _, err := parseHeader(header); err != nil {
		return HeaderProof{}, err
	}
	// The signature follows: 64 bytes after a head of two.
	const octets, length = 0x58, ed25519.SignatureSize
	if len(rest) < 2+length || rest[0] != octets || rest[1] != length {
		return HeaderProof{}, malformed("no signature of %d bytes follows its header", length)
	}
	return HeaderProof{Header: bytes.Clone(header), Signature: bytes.Clone(rest[2 : 2+length])}, nil
}

// peekHeader gives the bytes of a block's header, and what follows it.
func peekHeader(raw []byte) (header, rest []byte, err error) {
	// An array of three, of which the header is the first: a byte string of at
	// most MaxHeader bytes, whose length CBOR writes in its head's five bits, or
	// in the one or two bytes after it.
	const array, octets = 0x83, 0x40
	if len(raw) < 2 || raw[0] != array {
		return nil, nil, malformed("it does not begin as a block does")
	}
	raw = raw[1:]
	var size int
	switch head := raw[0]; {
	case head >= octets && head < octets+24:
		size, raw = int(head-octets), raw[1:]
	case head == octets+24 && len(raw) > 1:
		size, raw = int(raw[1]), raw[2:]
	case head == octets+25 && len(raw) > 2:
		size, raw = int(raw[1])<<8|int(raw[2]), raw[3:]
	default:
		return nil, nil, malformed("its header is no byte string of at most %d bytes", MaxHeader)
	}
	if size > len(raw) {
		return nil, nil, malformed("its header is said to have %d bytes, %d are left", size, len(raw))
	}
	return raw[:size], raw[size:], nil
}

func toBeSigned(header []byte) []byte { return append([]byte(domain), header...) }

// HeaderProof is a header as it was signed. It stands alone, without the body:
// two of one proposer for one term and size are evidence (CheckRivals).
type HeaderProof struct {
	_         struct{} `cbor:",toarray"`
	Header    []byte   // the bytes that are signed, after the domain
	Signature []byte   // Ed25519, by the proposer's node key
}

// ParseHeaderProof reads an encoded proof, whose signature is still to be
// verified. Errors wrap ErrMalformed or ErrInvalid.
func ParseHeaderProof(raw []byte) (HeaderProof, error) {
	if len(raw) > MaxHeaderProof {
		return HeaderProof{}, fmt.Errorf("%w: header proof has %d bytes, at most %d", ErrTooLarge, len(raw), MaxHeaderProof)
	}
	var p HeaderProof
	if err := decodeExactly("header proof", raw, &p); err != nil {
		return HeaderProof{}, err
	}
	if len(p.Signature) != ed25519.SignatureSize {
		return HeaderProof{}, malformed("signature has %d bytes, want %d", len(p.Signature), ed25519.SignatureSize)
	}
	if _, err := parseHeader(p.Header); err != nil {
		return HeaderProof{}, err
	}
	return p, nil
}

// Encode gives the proof's bytes.
func (p HeaderProof) Encode() []byte { return mustEncode(p) }

// Claimed is what the header says, by nobody yet: it tells whose key to verify it with.
func (p HeaderProof) Claimed() (Header, error) { return parseHeader(p.Header) }

// Verify gives the header if key has signed it. Errors wrap ErrSignature,
// ErrMalformed or ErrInvalid.
func (p HeaderProof) Verify(key ed25519.PublicKey) (Header, error) {
	h, err := parseHeader(p.Header)
	if err != nil {
		return Header{}, err
	}
	if !statement.VerifySignature(key, toBeSigned(p.Header), p.Signature) {
		return Header{}, fmt.Errorf("%w: term %d, size %d, said to be by %s; key tried: %x",
			ErrSignature, h.Term, h.Size, h.Proposer, statement.KeyIDOf(key))
	}
	return h, nil
}

// ErrNoRivals: two headers do not contradict one another.
var ErrNoRivals = errors.New("headers are no rivals")

// CheckRivals checks that a and b prove that key signed two different blocks
// for one term and size of one network, which no honest node does: an honest
// proposer signs one. Errors wrap ErrNoRivals if they prove no such thing.
func CheckRivals(a, b HeaderProof, key ed25519.PublicKey) error {
	ha, err := a.Verify(key)
	if err != nil {
		return fmt.Errorf("%w: first: %w", ErrNoRivals, err)
	}
	hb, err := b.Verify(key)
	if err != nil {
		return fmt.Errorf("%w: second: %w", ErrNoRivals, err)
	}
	switch {
	case ha.Network != hb.Network:
		return fmt.Errorf("%w: they are of two networks", ErrNoRivals)
	case ha.Term != hb.Term || ha.Size != hb.Size:
		return fmt.Errorf("%w: term %d and size %d against term %d and size %d", ErrNoRivals, ha.Term, ha.Size, hb.Term, hb.Size)
	case bytes.Equal(a.Header, b.Header):
		return fmt.Errorf("%w: they are the same", ErrNoRivals)
	}
	return nil
}

// codec bounds what a block may hold.
var codec = canonical.New(4, MaxStatements, 16)

// decodeExactly decodes one CBOR item that must be the canonical encoding of what it says (B1).
func decodeExactly(what string, data []byte, into any) error {
	if err := codec.Decode(data, into); err != nil {
		return malformed("%s: %w", what, err)
	}
	return nil
}

func mustEncode(v any) []byte {
	b, err := codec.Encode(v)
	if err != nil {
		panic(err) // only numbers, strings and arrays of them are encoded
	}
	return b
}
