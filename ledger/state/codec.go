package state

import (
	"fmt"

	"concordat/ledger/internal/canonical"
	"concordat/ledger/statement"
)

// maxRecord bounds a record before it is decoded, in bytes. The largest are a
// recognition with MaxPastTerms earlier terms, each with the longest texts and
// lists (4,500 each, TestLargestRecords), and the validators of the largest
// network while it hands over (two sets of 39,000).
const maxRecord = 192 << 10

// codec bounds what a record may hold.
var codec = canonical.New(8, statement.MaxValidators, 32)

// encode gives a record's one encoding. It cannot fail: every record is a
// struct of plain values.
func encode(record any) []byte {
	b, err := codec.Encode(record)
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
	if err := codec.Decode(data, into); err != nil {
		return fmt.Errorf("%w: %s: %v", ErrCorrupt, what, err)
	}
	return nil
}

// present is the value under an index key, whose key says it all: CBOR true.
var present = []byte{0xf5}
