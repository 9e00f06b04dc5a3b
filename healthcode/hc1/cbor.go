package hc1

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"

	"concordat/healthcode"
)

// Major types of RFC 8949 section 3.1, as they stand in the top three bits of
// an item's first byte.
const (
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5
	majorTag   = 6
)

// The tags that are understood.
const (
	tagTimeText     = 0  // RFC 8949 section 3.4.1
	tagEpoch        = 1  // RFC 8949 section 3.4.2
	tagCOSESign1    = 18 // RFC 9052 section 2
	tagCWT          = 61 // RFC 8392 section 6
	selfDescribed   = "\xd9\xd9\xf7"
	simpleNull      = 0xf6
	simpleUndefined = 0xf7
)

// decoding accepts any well-formed CBOR within the limits, canonical or not,
// with definite or indefinite lengths: real issuers write all of these. A
// duplicate key is refused, because two readers could each believe another.
var decoding = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  maxNesting,
		MaxArrayElements: maxElements,
		MaxMapPairs:      maxElements,
	}.DecMode()
	if err != nil {
		panic("hc1: CBOR options: " + err.Error()) // constants above; a test would not pass
	}
	return mode
}()

// item is one CBOR data item as received.
type item = cbor.RawMessage

// table is a CBOR map, its values as received. Keys are uint64, int64 or
// string, as fxamacker/cbor makes them of the keys that occur here.
type table map[any]item

// label finds an integer key; text finds a text key. Both give nil for a key
// that is absent and for one whose value is null or undefined: issuers write
// null for "none" (BG in the public test data).
func (t table) label(n int64) item {
	if n >= 0 {
		return present(t[uint64(n)])
	}
	return present(t[n])
}

func (t table) text(key string) item { return present(t[key]) }

func present(it item) item {
	if len(it) == 0 || it[0] == simpleNull || it[0] == simpleUndefined {
		return nil
	}
	return it
}

// major gives the major type of a well-formed item.
func major(it item) byte {
	if len(it) == 0 {
		return 0xFF
	}
	return it[0] >> 5
}

// peel takes the tags off an item, outermost first. The tag "self-described
// CBOR" (55799) says nothing (RFC 8949 section 3.4.6) and is not reported.
func peel(it item) (tags []uint64, content item, err error) {
	for {
		if rest, found := bytes.CutPrefix(it, []byte(selfDescribed)); found {
			it = rest
			continue
		}
		if major(it) != majorTag {
			return tags, it, nil
		}
		var tag cbor.RawTag
		if err := decoding.Unmarshal(it, &tag); err != nil {
			return nil, nil, cborError(err)
		}
		tags, it = append(tags, tag.Number), tag.Content
	}
}

// asTable reads a map, ignoring tags around it.
func asTable(it item) (table, error) {
	_, it, err := peel(it)
	if err != nil {
		return nil, err
	}
	if major(it) != majorMap {
		return nil, typeError(it, "a map")
	}
	t := table{}
	if err := decoding.Unmarshal(it, &t); err != nil {
		return nil, cborError(err)
	}
	return t, nil
}

// asArray reads an array, ignoring tags around it.
func asArray(it item) ([]item, error) {
	_, it, err := peel(it)
	if err != nil {
		return nil, err
	}
	if major(it) != majorArray {
		return nil, typeError(it, "an array")
	}
	var items []item
	if err := decoding.Unmarshal(it, &items); err != nil {
		return nil, cborError(err)
	}
	return items, nil
}

// asBytes reads an untagged byte string. The result is never nil.
func asBytes(it item) ([]byte, error) {
	if major(it) != majorBytes {
		return nil, typeError(it, "a byte string")
	}
	b := []byte{}
	if err := decoding.Unmarshal(it, &b); err != nil {
		return nil, cborError(err)
	}
	return b, nil
}

// asScalar reads what is left of an item once its tags are off: uint64, int64,
// float64, string, bool, or nil for everything that is not a scalar. tag is the
// innermost tag, valid if tagged.
func asScalar(it item) (value any, tag uint64, tagged bool, err error) {
	tags, it, err := peel(it)
	if err != nil {
		return nil, 0, false, err
	}
	if len(tags) > 0 {
		tag, tagged = tags[len(tags)-1], true
	}
	switch major(it) {
	case majorBytes, majorArray, majorMap:
		return nil, tag, tagged, nil
	}
	if err := decoding.Unmarshal(it, &value); err != nil {
		return nil, 0, false, cborError(err)
	}
	switch value.(type) {
	case uint64, int64, float64, string, bool:
		return value, tag, tagged, nil
	}
	return nil, tag, tagged, nil
}

// cborError words a decoder's fault without quoting the data: the library's own
// text names duplicate keys, which are the code's content.
func cborError(err error) error {
	what := "not well-formed, or not valid"
	var (
		dup   *cbor.DupMapKeyError
		deep  *cbor.MaxNestedLevelError
		long  *cbor.MaxArrayElementsError
		wide  *cbor.MaxMapPairsError
		extra *cbor.ExtraneousDataError
	)
	switch {
	case errors.As(err, &dup):
		what = "a map has one key twice"
	case errors.As(err, &deep):
		what = fmt.Sprintf("nested deeper than %d", maxNesting)
	case errors.As(err, &long), errors.As(err, &wide):
		what = fmt.Sprintf("more than %d elements in one array or map", maxElements)
	case errors.As(err, &extra):
		what = "bytes follow the end of the item"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		what = "it ends early"
	}
	return fmt.Errorf("%w: %s", healthcode.ErrCBOR, what)
}

// typeError says what was found where another type belongs.
func typeError(it item, want string) error {
	names := [...]string{"an unsigned integer", "a negative integer", "a byte string", "a text string", "an array", "a map", "a tag", "a simple value or float"}
	found := "nothing"
	if m := major(it); int(m) < len(names) {
		found = names[m]
	}
	return fmt.Errorf("%w: %s where %s belongs", healthcode.ErrCBOR, found, want)
}
