package block

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"

	"concordat/ledger/statement"
)

// Block is what a proposer signed: a header, and the statements in the order
// in which they enter the ledger.
type Block struct {
	Header      Header
	Statements  [][]byte // each as its authority signed it
	Attachments [][]byte // one for each statement whose kind has one, in their order
}

type envelope struct {
	_         struct{} `cbor:",toarray"`
	Header    []byte
	Signature []byte
	Body      []byte
}

type body struct {
	_           struct{} `cbor:",toarray"`
	Statements  [][]byte
	Attachments [][]byte
}

func (b *body) validate() error {
	if n := len(b.Statements); n == 0 || n > MaxStatements {
		return malformed("%d statements, want 1 to %d", n, MaxStatements)
	}
	if a, n := len(b.Attachments), len(b.Statements); a > n {
		return malformed("%d attachments to %d statements", a, n)
	}
	total := 0
	for i, s := range b.Statements {
		if len(s) == 0 || len(s) > statement.MaxSize {
			return malformed("statement %d has %d bytes, want 1 to %d", i, len(s), statement.MaxSize)
		}
		total += len(s)
	}
	if total > MaxStatementBytes {
		return fmt.Errorf("%w: statements of %d bytes together, at most %d", ErrTooLarge, total, MaxStatementBytes)
	}
	for i, a := range b.Attachments {
		if len(a) == 0 || len(a) > statement.MaxAttachment {
			return malformed("attachment %d has %d bytes, want 1 to %d", i, len(a), statement.MaxAttachment)
		}
	}
	return nil
}

// Seal makes a block's bytes, signed by the proposer's node key. It fills the
// header's Version, Body and Count. attachments has one for each statement
// whose kind has one, in their order. Errors wrap ErrMalformed or ErrInvalid:
// a limit is exceeded, which Budget prevents.
func Seal(h Header, statements, attachments [][]byte, key ed25519.PrivateKey) ([]byte, error) {
	b := body{Statements: statements, Attachments: attachments}
	if err := b.validate(); err != nil {
		return nil, err
	}
	if b.Attachments == nil {
		b.Attachments = [][]byte{} // an empty array, never null
	}
	content := mustEncode(b)
	h.Version, h.Body, h.Count = Version, sha256.Sum256(content), uint64(len(statements))
	if err := h.validate(); err != nil {
		return nil, err
	}
	header := mustEncode(h)
	raw := mustEncode(envelope{Header: header, Signature: ed25519.Sign(key, toBeSigned(header)), Body: content})
	if len(raw) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(raw), MaxBytes)
	}
	return raw, nil
}

// Signed is a block whose form is right and whose signature nobody has checked.
type Signed struct {
	block Block
	proof HeaderProof
}

// Parse reads a block. Errors wrap ErrMalformed or ErrInvalid.
func Parse(raw []byte) (*Signed, error) {
	if len(raw) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(raw), MaxBytes)
	}
	var e envelope
	if err := decodeExactly("block", raw, &e); err != nil {
		return nil, err
	}
	if len(e.Signature) != ed25519.SignatureSize {
		return nil, malformed("signature has %d bytes, want %d", len(e.Signature), ed25519.SignatureSize)
	}
	h, err := parseHeader(e.Header)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(e.Body) != h.Body {
		return nil, malformed("the body is not the one that the header names")
	}
	var b body
	if err := decodeExactly("body", e.Body, &b); err != nil {
		return nil, err
	}
	if b.Attachments == nil {
		return nil, malformed("attachments are null; where there are none, want an empty array")
	}
	if err := b.validate(); err != nil {
		return nil, err
	}
	if n := uint64(len(b.Statements)); n != h.Count {
		return nil, malformed("%d statements where the header counts %d", n, h.Count)
	}
	return &Signed{
		block: Block{Header: h, Statements: b.Statements, Attachments: b.Attachments},
		proof: HeaderProof{Header: e.Header, Signature: e.Signature},
	}, nil
}

// Header is what is claimed of the block, by nobody yet.
func (s *Signed) Header() Header { return s.block.Header }

// Proof is the header with its signature, to keep as evidence.
func (s *Signed) Proof() HeaderProof { return s.proof }

// VerifyBy gives the block if key, the proposer's node key, has signed it.
// Errors wrap ErrSignature.
func (s *Signed) VerifyBy(key ed25519.PublicKey) (*Block, error) {
	if _, err := s.proof.Verify(key); err != nil {
		return nil, err
	}
	return &s.block, nil
}

// Item is one statement of a block, with the attachment that it describes (nil if its kind has none).
type Item struct {
	Statement  *statement.Unverified
	Attachment []byte
}

// Items parses the statements and gives each its attachment. An error means
// that an honest proposer did not make this block: it wraps ErrMalformed, and
// what the statement package says of the first that is wrong.
func (b *Block) Items() ([]Item, error) {
	items := make([]Item, len(b.Statements))
	rest := b.Attachments
	for i, raw := range b.Statements {
		u, err := statement.Parse(raw)
		if err != nil {
			return nil, malformed("statement %d: %w", i, err)
		}
		items[i].Statement = u
		said := u.Statement()
		if !said.Kind().HasAttachment() {
			continue
		}
		if len(rest) == 0 {
			return nil, malformed("statement %d: its attachment is missing", i)
		}
		if err := said.CheckAttachment(rest[0]); err != nil {
			return nil, malformed("statement %d: %w", i, err)
		}
		items[i].Attachment, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 {
		return nil, malformed("%d attachments belong to no statement", len(rest))
	}
	return items, nil
}
