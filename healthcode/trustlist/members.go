package trustlist

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// distinct refuses JSON in which an object has a member twice. RFC 8259 §4 leaves
// open what such an object says: of two, one reader takes the first, another the
// last, and encoding/json puts them together. What a signature was checked of and
// what a key was read from would then be two things. Names that differ in case
// only are one name to encoding/json, and so are they here.
//
// A name with = in it is a key id in base64, which a few formats have for names:
// those differ by case, and no member that is read here is called so.
//
// The text must be JSON (json.Valid): what is not is passed over in some way.
func distinct(text []byte) error {
	var (
		open  []map[string]struct{} // the objects and arrays that are open; nil: an array
		spare []map[string]struct{}
		name  bool // a string that comes next is a member's name
	)
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			names := map[string]struct{}{}
			if n := len(spare); n > 0 {
				names, spare = spare[n-1], spare[:n-1]
			}
			open, name = append(open, names), true
		case '[':
			open, name = append(open, nil), false
		case '}', ']':
			n := len(open) - 1
			if n < 0 {
				return nil
			}
			if names := open[n]; names != nil && len(names) <= mostSpare {
				clear(names)
				spare = append(spare, names)
			}
			open, name = open[:n], false
		case ',':
			name = len(open) > 0 && open[len(open)-1] != nil
		case '"':
			end := stringEnd(text, i)
			if name {
				one := memberName(text[i:end])
				names := open[len(open)-1]
				if _, twice := names[one]; twice {
					return fmt.Errorf("%w: the member %s is there twice in one object, or twice but for capital letters (near byte %d): what it says is open", ErrMalformed, clipTo(string(text[i:end]), maxShown), i)
				}
				names[one] = struct{}{}
				name = false
			}
			i = end - 1
		}
	}
	return nil
}

// mostSpare bounds the size of the maps that distinct uses again, in names: to
// clear one costs as much as it has ever held.
const mostSpare = 64

// stringEnd gives the place behind the string that begins at a place.
func stringEnd(text []byte, from int) int {
	for i := from + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// memberName gives a member's name as encoding/json compares it.
func memberName(quoted []byte) string {
	plain := bytes.TrimSuffix(quoted[1:], []byte(`"`))
	name := string(plain)
	if bytes.IndexByte(plain, '\\') >= 0 || !utf8.Valid(plain) {
		if json.Unmarshal(quoted, &name) != nil {
			return name
		}
	}
	if strings.Contains(name, "=") {
		return name
	}
	return strings.Map(folded, name)
}

// folded gives the least of the characters that differ in case only, as
// encoding/json does: k, K and the Kelvin sign are one.
func folded(c rune) rune {
	for {
		next := unicode.SimpleFold(c)
		if next <= c {
			return next
		}
		c = next
	}
}
