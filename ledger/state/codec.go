package state

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// maxRecord bounds a record before it is decoded, in bytes. The largest are a
// key with a certificate and a risk area with MaxWindows windows.
const maxRecord = 64 << 10

var (
	encMode = func() cbor.EncMode {
		m, err := cbor.CoreDetEncOptions().EncMode()
		if err != nil {
			panic(err) // the options are constants
		}
		return m
	}()
	decMode = func() cbor.DecMode {
		m, err := cbor.DecOptions{
			DupMapKey:         cbor.DupMapKeyEnforcedAPF,
			MaxNestedLevels:   8,
			MaxArrayElements:  256,
			MaxMapPairs:       32,
			IndefLength:       cbor.IndefLengthForbidden,
			TagsMd:            cbor.TagsForbidden,
			ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
			UTF8:              cbor.UTF8RejectInvalid,
		}.DecMode()
		if err != nil {
			panic(err) // the options are constants
		}
		return m
	}()
)

// encode gives a record's one encoding. It cannot fail: every record is a
// struct of plain values.
func encode(record any) []byte {
	b, err := encMode.Marshal(record)
	if err != nil {
		panic(fmt.Sprintf("state: encoding a %T: %v", record, err))
	}
	return b
}

// decode reads a record from its one encoding (ST9).
func decode(what string, data []byte, into any) error {
	if len(data) > maxRecord {
		return fmt.Errorf("%w: %s has %d bytes, at most %d", ErrCorrupt, what, len(data), maxRecord)
	}
	if err := decMode.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%w: %s: %v", ErrCorrupt, what, err)
	}
	again, err := encMode.Marshal(into)
	if err != nil {
		return fmt.Errorf("%w: %s: %v", ErrCorrupt, what, err)
	}
	if !bytes.Equal(again, data) {
		return fmt.Errorf("%w: %s is not in deterministic CBOR", ErrCorrupt, what)
	}
	return nil
}

// present is the value under an index key, whose key says it all: CBOR true.
var present = []byte{0xf5}
