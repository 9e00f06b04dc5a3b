package cwt

import (
	"encoding/binary"
	"fmt"
	"strings"

	"concordat/healthcode"
)

// Header parameters (RFC 9052 section 3.1).
const (
	headerAlg         = 1
	headerCrit        = 2
	headerContentType = 3
	headerKeyID       = 4
)

// Message is a COSE_Sign1 (RFC 9052 section 4.2) as received.
//
// It is taken apart here and not by veraison/go-cose, because real codes need
// what that library refuses or hides: untagged messages and 61(18(…)) in one
// reader, alg in the unprotected header only, protected headers that are not
// canonical, and signatures of any length up to the check of their length.
type Message struct {
	Algorithm healthcode.Algorithm
	KeyID     []byte // nil: none
	Payload   []byte
	Signature []byte

	protected []byte // content of the protected bucket, byte for byte
	noHeaders bool   // the protected bucket holds no parameter
}

// parse reads [protected, unprotected, payload, signature], with CWT's tag (61)
// and COSE_Sign1's (18) around it or not.
func (p *Profile) parse(message []byte) (*Message, error) {
	it, err := Parse(message)
	if err != nil {
		return nil, err
	}
	var tags []uint64
	body, _, err := it.peel(func(number uint64) { tags = append(tags, number) })
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
	parts, err := body.Array()
	if err != nil {
		return nil, coseShape("message", err)
	}
	if len(parts) != 4 {
		return nil, fmt.Errorf("%w: the array has %d elements, a COSE_Sign1 has 4", healthcode.ErrCOSE, len(parts))
	}
	m := &Message{}
	if m.protected, err = parts[0].Bytes(); err != nil {
		return nil, coseShape("protected header", err)
	}
	if m.Payload, err = parts[2].Bytes(); err != nil {
		return nil, coseShape("payload", err)
	}
	if m.Signature, err = parts[3].Bytes(); err != nil {
		return nil, coseShape("signature", err)
	}
	var protected Table
	if len(m.protected) > 0 {
		bucket, err := Parse(m.protected)
		if err != nil {
			return nil, err
		}
		if protected, err = bucket.Table(); err != nil {
			return nil, err
		}
	}
	m.noHeaders = len(protected) == 0
	unprotected, err := parts[1].Table()
	if err != nil {
		return nil, coseShape("unprotected header", err)
	}
	return m, p.headers(m, protected, unprotected)
}

// headers finds alg and kid. Both may stand in either bucket, and the protected
// one rules where both have it (dgc-testdata CO18-CO23); RFC 9052 forbids a
// label in both, but issuers do it.
func (p *Profile) headers(m *Message, protected, unprotected Table) error {
	if err := checkCritical(protected, unprotected); err != nil {
		return err
	}
	either := func(label int64) Item {
		if it := protected.Label(label); it != nil {
			return it
		}
		return unprotected.Label(label)
	}
	alg := either(headerAlg)
	if alg == nil {
		return fmt.Errorf("%w: neither header names an algorithm", healthcode.ErrCOSE)
	}
	value, _, err := alg.scalar()
	if err != nil {
		return err
	}
	for _, known := range p.Algorithms {
		if value == algorithms[known] {
			m.Algorithm = known
		}
	}
	if m.Algorithm == "" {
		if _, isText := value.(string); isText || value == nil {
			return fmt.Errorf("%w: the algorithm is not an integer; only %s are accepted", healthcode.ErrCOSE, p.accepted())
		}
		return fmt.Errorf("%w: algorithm %v; only %s are accepted", healthcode.ErrCOSE, value, p.accepted())
	}
	if kid := either(headerKeyID); kid != nil {
		if m.KeyID, err = kid.Bytes(); err != nil {
			return coseShape("key id", err)
		}
	}
	return nil
}

// accepted lists the profile's algorithms for a person.
func (p *Profile) accepted() string {
	names := make([]string, len(p.Algorithms))
	for i, a := range p.Algorithms {
		names[i] = fmt.Sprintf("%d (%s)", algorithms[a], a)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// checkCritical refuses a message that demands understanding of what is not
// understood here (RFC 9052 section 3.1, crit).
func checkCritical(protected, unprotected Table) error {
	if unprotected.Label(headerCrit) != nil {
		return fmt.Errorf("%w: the crit parameter must be protected", healthcode.ErrCOSE)
	}
	crit := protected.Label(headerCrit)
	if crit == nil {
		return nil
	}
	labels, err := crit.Array()
	if err != nil {
		return coseShape("crit", err)
	}
	for _, it := range labels {
		label, _, err := it.scalar()
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

// ToBeSigned gives the Sig_structure of RFC 9052 section 4.4. The bytes that
// arrived are what was signed; a header or payload that was decoded and encoded
// anew need not be the same, and for 86 of the 581 public test codes is not.
func ToBeSigned(protected, payload []byte) []byte {
	const context = "Signature1"
	b := make([]byte, 0, len(context)+len(protected)+len(payload)+32)
	b = append(b, majorArray<<5|4, majorText<<5|byte(len(context)))
	b = append(b, context...)
	b = appendBytes(b, protected)
	b = appendBytes(b, nil) // external_aad
	return appendBytes(b, payload)
}

// appendBytes appends a byte string in the shortest form.
func appendBytes(b, content []byte) []byte {
	n := len(content)
	switch {
	case n < oneByte:
		b = append(b, majorBytes<<5|byte(n))
	case n <= 0xff:
		b = append(b, majorBytes<<5|oneByte, byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, majorBytes<<5|25), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, majorBytes<<5|26), uint32(n))
	}
	return append(b, content...)
}

// signedForms gives every Sig_structure that the message may stand for. There
// are two only if the protected bucket is an encoded empty map, for which RFC
// 9052 section 4.4 signs the empty string and some issuers' libraries what they
// sent. Neither says anything that the other does not.
func (m *Message) signedForms() [][]byte {
	forms := [][]byte{ToBeSigned(m.protected, m.Payload)}
	if m.noHeaders && len(m.protected) > 0 {
		forms = append(forms, ToBeSigned(nil, m.Payload))
	}
	return forms
}
