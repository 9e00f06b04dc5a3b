package cwt

import (
	"bytes"
	"fmt"
	"math"
	"unicode/utf8"

	"concordat/healthcode"
)

// The tags that are understood.
const (
	tagTimeText  = 0 // RFC 8949 section 3.4.1
	tagEpoch     = 1 // RFC 8949 section 3.4.2
	tagBigUint   = 2
	tagBigNegint = 3
	tagCOSESign1 = 18    // RFC 9052 section 2
	tagCWT       = 61    // RFC 8392 section 6
	tagSelf      = 55799 // RFC 8949 section 3.4.6
)

// Major gives the major type of an item; 0xFF of none.
func (it Item) major() byte {
	if len(it) == 0 {
		return 0xFF
	}
	return it[0] >> 5
}

// present gives nil for an item that is null or undefined: issuers write null
// for "none" (BG in the public test data).
func present(it Item) Item {
	if len(it) == 0 || it[0] == simpleNull || it[0] == simpleUndefined {
		return nil
	}
	return it
}

// tagged is what stands around an item.
type tagged struct {
	number uint64
	any    bool
}

// peel takes the tags off an item, and gives the innermost. The tag
// "self-described CBOR" says nothing and is not reported. Each is called with
// the tags outermost first; nil: nobody wants to know.
func (it Item) peel(each func(number uint64)) (content Item, inner tagged, err error) {
	for it.major() == majorTag {
		_, _, number, size, _ := head(it)
		it = it[size:]
		if number == tagSelf {
			continue
		}
		if !fits(number, it) {
			return nil, inner, cborError("not well-formed, or not valid")
		}
		if inner = (tagged{number, true}); each != nil {
			each(number)
		}
	}
	return it, inner, nil
}

// fits reports whether a tag may stand before this content, for the tags whose
// content has one type (RFC 8949 section 3.4).
func fits(number uint64, content Item) bool {
	switch number {
	case tagTimeText:
		return content.major() == majorText
	case tagEpoch:
		first := content[0]
		return content.major() <= majorNegint || first >= halfFloat && first <= doubleFloat
	case tagBigUint, tagBigNegint:
		return content.major() == majorBytes
	}
	return true
}

// Table is a CBOR map, its values as received.
type Table []pair

type pair struct {
	key   key
	value Item
}

// key is a map's key. Integers and strings are compared by what they say, all
// others by their bytes.
type key struct {
	text  []byte // of all but integers
	n     uint64 // of an integer
	major byte
}

func (k key) equal(o key) bool {
	return k.major == o.major && k.n == o.n && bytes.Equal(k.text, o.text)
}

// Label finds an integer key; Text finds a text key. Both give nil for a key
// that is absent and for one whose value is null or undefined.
func (t Table) Label(n int64) Item {
	want := key{major: majorUint, n: uint64(n)}
	if n < 0 {
		want = key{major: majorNegint, n: uint64(-1 - n)}
	}
	for i := range t {
		if k := &t[i].key; k.major == want.major && k.n == want.n {
			return present(t[i].value)
		}
	}
	return nil
}

// Text is Label for a text key.
func (t Table) Text(name string) Item {
	for i := range t {
		if k := &t[i].key; k.major == majorText && string(k.text) == name {
			return present(t[i].value)
		}
	}
	return nil
}

// Table reads a map, ignoring tags around it. A duplicate key is refused,
// because two readers could each believe another.
func (it Item) Table() (Table, error) {
	it, _, err := it.peel(nil)
	if err != nil {
		return nil, err
	}
	if it.major() != majorMap {
		return nil, typeError(it, "a map")
	}
	_, info, n, at, _ := head(it)
	t := make(Table, 0, n)
	for more(it, info, &n, at) {
		end := at + length(it[at:])
		k, err := it[at:end].key()
		if err != nil {
			return nil, err
		}
		for i := range t {
			if t[i].key.equal(k) {
				return nil, cborError("a map has one key twice")
			}
		}
		at = end + length(it[end:])
		t = append(t, pair{k, it[end:at]})
	}
	return t, nil
}

// more reports whether an array or map has another element at a place, and
// counts it.
func more(it Item, info byte, left *uint64, at int) bool {
	if info == indefinite {
		return it[at] != breakCode
	}
	if *left == 0 {
		return false
	}
	*left--
	return true
}

func (it Item) key() (key, error) {
	switch major := it.major(); major {
	case majorUint, majorNegint:
		_, _, n, _, _ := head(it)
		return key{major: major, n: n}, nil
	case majorText:
		text, err := it.utf8()
		return key{major: major, text: text}, err
	case majorBytes:
		return key{major: major, text: it.content()}, nil
	case majorSimple:
		return key{major: major, text: it}, nil
	default:
		return key{}, typeError(it, "a map's key")
	}
}

// Array reads an array, ignoring tags around it.
func (it Item) Array() ([]Item, error) {
	it, _, err := it.peel(nil)
	if err != nil {
		return nil, err
	}
	if it.major() != majorArray {
		return nil, typeError(it, "an array")
	}
	_, info, n, at, _ := head(it)
	items := make([]Item, 0, n)
	for more(it, info, &n, at) {
		end := at + length(it[at:])
		items = append(items, it[at:end])
		at = end
	}
	return items, nil
}

// Bytes reads an untagged byte string. The result is never nil, and may share
// its memory with the item.
func (it Item) Bytes() ([]byte, error) {
	if it.major() != majorBytes {
		return nil, typeError(it, "a byte string")
	}
	return it.content(), nil
}

// content gives what a byte or text string holds.
func (it Item) content() []byte {
	_, info, n, size, _ := head(it)
	if info != indefinite {
		return it[size : size+int(n) : size+int(n)]
	}
	joined := []byte{}
	for it[size] != breakCode {
		_, _, n, head, _ := head(it[size:])
		joined = append(joined, it[size+head:size+head+int(n)]...)
		size += head + int(n)
	}
	return joined
}

// utf8 gives the content of a text string.
func (it Item) utf8() ([]byte, error) {
	_, info, _, size, _ := head(it)
	if info != indefinite {
		text := it.content()
		if !utf8.Valid(text) {
			return nil, cborError("a text is not UTF-8")
		}
		return text, nil
	}
	for it[size] != breakCode { // each chunk by itself (RFC 8949 section 3.2.3)
		end := size + length(it[size:])
		if !utf8.Valid(it[size:end].content()) {
			return nil, cborError("a text is not UTF-8")
		}
		size = end
	}
	return it.content(), nil
}

// scalar reads what is left of an item once its tags are off: uint64, int64,
// float64, string, bool, or nil for everything that is not a scalar. tag is the
// innermost tag.
func (it Item) scalar() (value any, tag tagged, err error) {
	it, tag, err = it.peel(nil)
	if err != nil {
		return nil, tag, err
	}
	major, _, n, _, _ := head(it)
	switch major {
	case majorUint:
		return n, tag, nil
	case majorNegint:
		if n <= math.MaxInt64 {
			return -1 - int64(n), tag, nil
		}
	case majorText:
		text, err := it.utf8()
		return string(text), tag, err
	case majorSimple:
		switch it[0] {
		case simpleFalse, simpleTrue:
			return it[0] == simpleTrue, tag, nil
		case halfFloat:
			return half(uint16(n)), tag, nil
		case singleFloat:
			return float64(math.Float32frombits(uint32(n))), tag, nil
		case doubleFloat:
			return math.Float64frombits(n), tag, nil
		}
	}
	return nil, tag, nil
}

// typeError says what was found where another type belongs.
func typeError(it Item, want string) error {
	names := [...]string{"an unsigned integer", "a negative integer", "a byte string", "a text string", "an array", "a map", "a tag", "a simple value or float"}
	found := "nothing"
	if m := it.major(); int(m) < len(names) {
		found = names[m]
	}
	return fmt.Errorf("%w: %s where %s belongs", healthcode.ErrCBOR, found, want)
}
