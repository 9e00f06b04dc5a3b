package hc1

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"concordat/healthcode"
)

// Header parameters (RFC 9052 section 3.1) and algorithms (RFC 9053, RFC 8230).
const (
	headerAlg         = 1
	headerCrit        = 2
	headerContentType = 3
	headerKeyID       = 4

	algES256 = -7
	algPS256 = -37
)

// sign1 is a COSE_Sign1 (RFC 9052 section 4.2) as received.
//
// It is taken apart here and not by veraison/go-cose, because real codes need
// what that library refuses or hides: untagged messages and 61(18(…)) in one
// reader, alg in the unprotected header only, protected headers that are not
// canonical, and signatures of any length up to the check of their length.
type sign1 struct {
	protected []byte // content of the protected bucket, byte for byte
	noHeaders bool   // the protected bucket holds no parameter
	alg       int64
	kid       []byte // nil: none
	payload   []byte
	signature []byte
}

// parseSign1 reads [protected, unprotected, payload, signature], with CWT's tag
// (61) and COSE_Sign1's (18) around it or not.
func parseSign1(message []byte) (*sign1, error) {
	if err := decoding.Wellformed(message); err != nil {
		return nil, cborError(err)
	}
	tags, body, err := peel(message)
	if err != nil {
		return nil, err
	}
	for _, expected := range []uint64{tagCWT, tagCOSESign1} {
		if len(tags) > 0 && tags[0] == expected {
			tags = tags[1:]
		}
	}
	if len(tags) > 0 {
		return nil, fmt.Errorf("%w: tag %d where only 61 (CWT), then 18 (COSE_Sign1), may stand", healthcode.ErrCOSE, tags[0])
	}
	if major(body) != majorArray {
		return nil, coseShape("message", typeError(body, "an array"))
	}
	parts, err := asArray(body)
	if err != nil {
		return nil, err
	}
	if len(parts) != 4 {
		return nil, fmt.Errorf("%w: the array has %d elements, a COSE_Sign1 has 4", healthcode.ErrCOSE, len(parts))
	}
	s := &sign1{}
	if s.protected, err = asBytes(parts[0]); err != nil {
		return nil, coseShape("protected header", err)
	}
	if s.payload, err = asBytes(parts[2]); err != nil {
		return nil, coseShape("payload", err)
	}
	if s.signature, err = asBytes(parts[3]); err != nil {
		return nil, coseShape("signature", err)
	}
	protected := table{}
	if len(s.protected) > 0 {
		if protected, err = asTable(s.protected); err != nil {
			return nil, err
		}
	}
	s.noHeaders = len(protected) == 0
	unprotected, err := asTable(parts[1])
	if err != nil {
		return nil, coseShape("unprotected header", err)
	}
	return s, s.readHeaders(protected, unprotected)
}

// readHeaders finds alg and kid. Both may stand in either bucket, and the
// protected one rules where both have it (dgc-testdata CO18-CO23); RFC 9052
// forbids a label in both, but issuers do it.
func (s *sign1) readHeaders(protected, unprotected table) error {
	if err := checkCritical(protected, unprotected); err != nil {
		return err
	}
	either := func(label int64) item {
		if it := protected.label(label); it != nil {
			return it
		}
		return unprotected.label(label)
	}
	alg := either(headerAlg)
	if alg == nil {
		return fmt.Errorf("%w: neither header names an algorithm", healthcode.ErrCOSE)
	}
	value, _, _, err := asScalar(alg)
	if err != nil {
		return err
	}
	switch value {
	case int64(algES256):
		s.alg = algES256
	case int64(algPS256):
		s.alg = algPS256
	default:
		if _, isText := value.(string); isText || value == nil {
			return fmt.Errorf("%w: the algorithm is not an integer; only -7 (ES256) and -37 (PS256) are accepted", healthcode.ErrCOSE)
		}
		return fmt.Errorf("%w: algorithm %v; only -7 (ES256) and -37 (PS256) are accepted", healthcode.ErrCOSE, value)
	}
	if kid := either(headerKeyID); kid != nil {
		if s.kid, err = asBytes(kid); err != nil {
			return coseShape("key id", err)
		}
	}
	return nil
}

// checkCritical refuses a message that demands understanding of what is not
// understood here (RFC 9052 section 3.1, crit).
func checkCritical(protected, unprotected table) error {
	if unprotected.label(headerCrit) != nil {
		return fmt.Errorf("%w: the crit parameter must be protected", healthcode.ErrCOSE)
	}
	crit := protected.label(headerCrit)
	if crit == nil {
		return nil
	}
	labels, err := asArray(crit)
	if err != nil {
		return coseShape("crit", err)
	}
	for _, it := range labels {
		label, _, _, err := asScalar(it)
		if err != nil {
			return err
		}
		switch label {
		case uint64(headerAlg), uint64(headerContentType), uint64(headerKeyID):
		default:
			return fmt.Errorf("%w: a header parameter other than 1, 3 and 4 is marked critical", healthcode.ErrCOSE)
		}
	}
	return nil
}

func coseShape(part string, err error) error {
	return fmt.Errorf("%w: %s: %w", healthcode.ErrCOSE, part, err)
}

// signedBytes gives the Sig_structure of RFC 9052 section 4.4 over the protected
// bucket as given. The bytes that arrived are what was signed; a header or
// payload that was decoded and encoded anew need not be the same, and for 86 of
// the 581 public test codes is not.
func (s *sign1) signedBytes(protected []byte) ([]byte, error) {
	structure := struct {
		_           struct{} `cbor:",toarray"`
		Context     string
		Protected   []byte
		ExternalAAD []byte
		Payload     []byte
	}{Context: "Signature1", Protected: protected, ExternalAAD: []byte{}, Payload: s.payload}
	return cbor.Marshal(structure)
}

// signedForms gives every Sig_structure that the message may stand for. There
// are two only if the protected bucket is an encoded empty map, for which RFC
// 9052 section 4.4 signs the empty string and some issuers' libraries what they
// sent. Neither says anything that the other does not.
func (s *sign1) signedForms() ([][]byte, error) {
	received, err := s.signedBytes(s.protected)
	if err != nil {
		return nil, fmt.Errorf("%w: Sig_structure: %w", healthcode.ErrCOSE, err)
	}
	if !s.noHeaders || len(s.protected) == 0 {
		return [][]byte{received}, nil
	}
	empty, err := s.signedBytes([]byte{})
	if err != nil {
		return nil, fmt.Errorf("%w: Sig_structure: %w", healthcode.ErrCOSE, err)
	}
	return [][]byte{received, empty}, nil
}
