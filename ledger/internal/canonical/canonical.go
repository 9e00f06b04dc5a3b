// Package canonical is the ledger's CBOR: deterministic (RFC 8949 §4.2.1) when
// written, and read only if it is so to the byte.
//
// It promises that Decode succeeds only on the one encoding of what it gives:
// no unknown field, no key twice, no indefinite length, no tag, no number or
// length longer than it need be. Whatever is hashed or signed is encoded here.
package canonical

import (
	"bytes"
	"errors"

	"github.com/fxamacker/cbor/v2"
)

// ErrNotCanonical: the bytes mean something, and are not its one encoding.
var ErrNotCanonical = errors.New("not in deterministic CBOR (RFC 8949 §4.2.1)")

// Codec reads and writes within bounds. Make it with New.
type Codec struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

// New makes a codec that reads at most so many levels, array elements and map
// pairs. Bounds that cbor does not take are a fault of the program, and panic.
func New(levels, elements, pairs int) Codec {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err)
	}
	dec, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:   levels,
		MaxArrayElements:  elements,
		MaxMapPairs:       pairs,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8RejectInvalid,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return Codec{enc, dec}
}

// Encode gives v's one encoding.
func (c Codec) Encode(v any) ([]byte, error) { return c.enc.Marshal(v) }

// Decode reads one item that must be the one encoding of what it says. Errors
// are cbor's, or ErrNotCanonical.
func (c Codec) Decode(data []byte, into any) error {
	if err := c.dec.Unmarshal(data, into); err != nil {
		return err
	}
	again, err := c.enc.Marshal(into)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, data) {
		return ErrNotCanonical
	}
	return nil
}
