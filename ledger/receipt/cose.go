package receipt

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// The COSE form (RFC 9942). Its verifiers expect one key's signature over the
// root, and validators sign no COSE but checkpoints. So the node that hands the
// receipt out signs it with its node key, for tools that trust this one node;
// the certified note travels beside the proof, for who trusts the genesis. What
// the node signs is no statement by its key: a statement's protected header has
// a content type, and no verifiable data structure.

const (
	algEdDSA   = -8 // RFC 9053 §2.2
	vdsRFC9162 = 1  // RFC9162_SHA256, RFC 9942 §5
)

// sign1 opens a tagged COSE_Sign1 (RFC 9052 §4.2).
const sign1 = 0xd2

// transparent is a statement with receipts: an RFC 9943 Transparent Statement.
type transparent struct {
	_           struct{} `cbor:",toarray"`
	Protected   []byte
	Unprotected receipts
	Payload     []byte
	Signature   []byte
}

type receipts struct {
	Receipts [][]byte `cbor:"394,keyasint"`
}

// coseReceipt is a Receipt of Inclusion, RFC 9942 §5.2.1.
type coseReceipt struct {
	_           struct{} `cbor:",toarray"`
	Protected   []byte
	Unprotected coseProofs
	Payload     []byte // nil: the root is detached
	Signature   []byte
}

type coseProtected struct {
	Alg       int64      `cbor:"1,keyasint"`
	KeyID     []byte     `cbor:"4,keyasint"`
	Claims    coseClaims `cbor:"15,keyasint"` // RFC 9597, as RFC 9943 wants it
	Structure int64      `cbor:"395,keyasint"`
}

type coseClaims struct {
	Issuer  string `cbor:"1,keyasint"` // the log's origin: the network, with its lineage
	Subject string `cbor:"2,keyasint"` // what the statement is about
}

type coseProofs struct {
	Proofs struct {
		Inclusion [][]byte `cbor:"-1,keyasint"`
	} `cbor:"396,keyasint"`
	Note  []byte `cbor:"-65537,keyasint"`           // private use (RFC 9052 §11.1): the certified note
	Steps []Step `cbor:"-65538,keyasint,omitempty"` // private use: the way to its validators
}

type coseInclusion struct {
	_     struct{} `cbor:",toarray"`
	Size  uint64
	Index uint64
	Path  []merkle.Hash
}

// entry is a COSE_Sign1 with an empty unprotected header, as the ledger has it.
type entry struct {
	_           struct{} `cbor:",toarray"`
	Protected   []byte
	Unprotected struct{}
	Payload     []byte
	Signature   []byte
}

// coseSeal is what a COSE Receipt has beside the receipt: its node's signature.
type coseSeal struct {
	protected []byte
	keyID     []byte
	signature []byte
}

// COSE gives the statement as a COSE_Sign1 with a COSE Receipt (RFC 9942) in
// its unprotected header, signed with the node key of the one who hands it out.
// Its issuer must be one of the validators, for others to know the key. Errors
// wrap ErrMalformed or those of package statement.
func (r Receipt) COSE(node ed25519.PrivateKey) ([]byte, error) {
	if len(node) != ed25519.PrivateKeySize {
		return nil, malformed("the node key has %d bytes, want %d", len(node), ed25519.PrivateKeySize)
	}
	u, c, err := r.parts()
	if err != nil {
		return nil, err
	}
	id := statement.KeyIDOf(node.Public().(ed25519.PublicKey))
	said := u.Statement()
	protected := mustEncode(coseProtected{
		Alg: algEdDSA, KeyID: id[:], Structure: vdsRFC9162,
		Claims: coseClaims{Issuer: c.Origin, Subject: said.Subject()},
	})
	return r.encodeCOSE(c, coseSeal{protected: protected, signature: ed25519.Sign(node, toBeSigned(protected, c.Root))})
}

func (r Receipt) encodeCOSE(c checkpoint.Checkpoint, seal coseSeal) ([]byte, error) {
	var e entry
	if err := codec.Decode(r.Statement[1:], &e); err != nil {
		return nil, malformed("statement: %w", err)
	}
	inner := coseReceipt{Protected: seal.protected, Signature: seal.signature}
	path := r.Proof
	if path == nil {
		path = []merkle.Hash{} // an empty array, never null
	}
	inner.Unprotected.Proofs.Inclusion = [][]byte{mustEncode(coseInclusion{Size: c.Size, Index: r.Index, Path: path})}
	inner.Unprotected.Note, inner.Unprotected.Steps = r.Note, wireSteps(r.Steps)
	raw := append([]byte{sign1}, mustEncode(transparent{
		Protected:   e.Protected,
		Unprotected: receipts{Receipts: [][]byte{append([]byte{sign1}, mustEncode(inner)...)}},
		Payload:     e.Payload,
		Signature:   e.Signature,
	})...)
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(raw), MaxSize)
	}
	return raw, nil
}

// ParseCOSE reads a receipt that COSE wrote. Verify then verifies its node's
// signature too. Errors wrap ErrMalformed.
func ParseCOSE(raw []byte) (Receipt, error) {
	if len(raw) > MaxSize {
		return Receipt{}, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(raw), MaxSize)
	}
	var outer transparent
	if err := decodeSign1("statement", raw, &outer); err != nil {
		return Receipt{}, err
	}
	if n := len(outer.Unprotected.Receipts); n != 1 {
		return Receipt{}, malformed("%d receipts, want one", n)
	}
	var inner coseReceipt
	if err := decodeSign1("receipt", outer.Unprotected.Receipts[0], &inner); err != nil {
		return Receipt{}, err
	}
	if inner.Payload != nil {
		return Receipt{}, malformed("the root is in the receipt; want it detached, so that it is computed")
	}
	if n := len(inner.Signature); n != ed25519.SignatureSize {
		return Receipt{}, malformed("the receipt's signature has %d bytes, want %d", n, ed25519.SignatureSize)
	}
	var head coseProtected
	if err := codec.Decode(inner.Protected, &head); err != nil {
		return Receipt{}, malformed("the receipt's protected header: %w", err)
	}
	if head.Alg != algEdDSA || head.Structure != vdsRFC9162 || len(head.KeyID) != len(statement.KeyID{}) {
		return Receipt{}, malformed("alg %d, structure %d and a kid of %d bytes, want %d (EdDSA), %d (RFC9162_SHA256) and %d",
			head.Alg, head.Structure, len(head.KeyID), algEdDSA, vdsRFC9162, len(statement.KeyID{}))
	}
	if n := len(inner.Unprotected.Proofs.Inclusion); n != 1 {
		return Receipt{}, malformed("%d inclusion proofs, want one", n)
	}
	var inclusion coseInclusion
	if err := codec.Decode(inner.Unprotected.Proofs.Inclusion[0], &inclusion); err != nil {
		return Receipt{}, malformed("inclusion proof: %w", err)
	}
	if err := checkRead(inner.Unprotected.Steps); err != nil {
		return Receipt{}, malformed("%w", err)
	}
	r := Receipt{
		Index: inclusion.Index,
		// P2: as the ledger has it, without what was attached.
		Statement: append([]byte{sign1}, mustEncode(entry{Protected: outer.Protected, Payload: outer.Payload, Signature: outer.Signature})...),
		Note:      inner.Unprotected.Note,
		Steps:     inner.Unprotected.Steps,
		seal:      &coseSeal{protected: inner.Protected, keyID: head.KeyID, signature: inner.Signature},
	}
	if len(inclusion.Path) > 0 {
		r.Proof = inclusion.Path
	}
	u, c, err := r.parts()
	if err != nil {
		return Receipt{}, err
	}
	said := u.Statement()
	switch {
	case inclusion.Size != c.Size:
		return Receipt{}, malformed("the inclusion proof is in a tree of %d, the checkpoint has size %d", inclusion.Size, c.Size)
	case head.Claims.Issuer != c.Origin:
		return Receipt{}, malformed("iss is %.80q, the checkpoint is of %q", head.Claims.Issuer, c.Origin)
	case head.Claims.Subject != said.Subject():
		return Receipt{}, malformed("sub is %.80q, the statement is about %q", head.Claims.Subject, said.Subject())
	}
	again, err := r.encodeCOSE(c, *r.seal)
	if err != nil {
		return Receipt{}, err
	}
	if !bytes.Equal(again, raw) { // P1
		return Receipt{}, malformed("it is not in its one encoding; use the file as it was made")
	}
	return r, nil
}

func decodeSign1(what string, raw []byte, into any) error {
	if len(raw) < 2 || raw[0] != sign1 {
		return malformed("%s: want a COSE_Sign1 tagged 18", what)
	}
	if err := codec.Decode(raw[1:], into); err != nil {
		return malformed("%s: %w", what, err)
	}
	return nil
}

// verify verifies the node's signature over the root, if there is one and its
// key is a validator's. As with notes, a signature by an unknown key is ignored,
// and one that a known key has not made spoils the receipt.
func (s *coseSeal) verify(vs checkpoint.Validators, root merkle.Hash) (statement.Region, error) {
	if s == nil {
		return "", nil
	}
	known := false
	for _, v := range vs {
		if id := statement.KeyIDOf(v.Node); !bytes.Equal(id[:], s.keyID) {
			continue
		}
		known = true
		if len(v.Node) == ed25519.PublicKeySize && ed25519.Verify(v.Node, toBeSigned(s.protected, root), s.signature) {
			return v.ID, nil
		}
	}
	if known {
		return "", fmt.Errorf("%w: key %x has not signed the root %x: %w", ErrRefused, s.keyID, root, ErrCOSESignature)
	}
	return "", nil
}

// ErrCOSESignature: the node that is said to have handed out a COSE Receipt has not signed it.
var ErrCOSESignature = errors.New("wrong signature of the COSE receipt")

// toBeSigned is the Sig_structure of RFC 9052 §4.4, with the detached root as payload.
func toBeSigned(protected []byte, root merkle.Hash) []byte {
	return mustEncode(struct {
		_         struct{} `cbor:",toarray"`
		Context   string
		Protected []byte
		External  []byte
		Payload   []byte
	}{Context: "Signature1", Protected: protected, External: []byte{}, Payload: root[:]})
}

// mustEncode encodes what this package made up of bytes, numbers and hashes.
func mustEncode(v any) []byte {
	b, err := codec.Encode(v)
	if err != nil {
		panic(fmt.Sprintf("receipt: bytes and numbers always encode: %v", err))
	}
	return b
}
