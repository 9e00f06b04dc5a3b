package shc

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"concordat/healthcode"
)

// reader walks over one JSON text (RFC 8259), strictly and in one pass, and makes
// no tree of it: a check is to cost hardly more than its signature, and most of a
// card is of no interest to it. encoding/json would take the last of two members
// with one name, match names in any case, and bound no depth of its own choice.
//
// Names must be unique in the objects that are read. What is skipped is checked
// for its grammar and depth alone: nobody sees which of two members counted.
type reader struct {
	what  string // what the text is, for errors
	data  []byte
	at    int
	depth int
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// document reads a whole text with value and makes sure that it ends there.
func document(what string, data []byte, value func(*reader) error) error {
	r := &reader{what: what, data: data}
	if bytes.HasPrefix(data, byteOrderMark) {
		return r.fault("it begins with a byte order mark, which JSON must not have (RFC 8259 section 8.1)")
	}
	if !utf8.Valid(data) {
		return r.fault("it is not UTF-8")
	}
	if err := value(r); err != nil {
		return err
	}
	r.space()
	if r.at != len(r.data) {
		return r.fault("%d bytes follow its end", len(r.data)-r.at)
	}
	return nil
}

// fault is an error at the place that is being read. Nothing of the text may be
// among args.
func (r *reader) fault(format string, args ...any) error {
	return fmt.Errorf("%w: the %s at byte %d: %s", healthcode.ErrJSON, r.what, r.at, fmt.Sprintf(format, args...))
}

func (r *reader) space() {
	for r.at < len(r.data) {
		switch r.data[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// peek gives the next byte that is no white space; 0 at the end.
func (r *reader) peek() byte {
	r.space()
	if r.at == len(r.data) {
		return 0
	}
	return r.data[r.at]
}

// take passes over c if it is next.
func (r *reader) take(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.at++
	return true
}

func (r *reader) enter() error {
	if r.depth++; r.depth > maxNesting {
		return r.fault("it is nested deeper than %d", maxNesting)
	}
	return nil
}

// object reads an object; member is called with each name and reads the value.
func (r *reader) object(member func(name []byte) error) error {
	if !r.take('{') {
		return r.fault("want an object")
	}
	if err := r.enter(); err != nil {
		return err
	}
	var names [maxMembers][]byte
	for n := 0; ; n++ {
		if n == 0 && r.take('}') {
			break
		}
		name, err := r.string()
		if err != nil {
			return err
		}
		if n == maxMembers {
			return r.fault("an object with more than %d members", maxMembers)
		}
		for _, other := range names[:n] {
			if bytes.Equal(name, other) {
				return r.fault("a member is there twice")
			}
		}
		names[n] = name
		if !r.take(':') {
			return r.fault("want a colon")
		}
		if err := member(name); err != nil {
			return err
		}
		if r.take('}') {
			break
		}
		if !r.take(',') {
			return r.fault("want a comma or the end of the object")
		}
	}
	r.depth--
	return nil
}

// array reads an array of at most limit elements, each with element.
func (r *reader) array(limit int, element func() error) error {
	if !r.take('[') {
		return r.fault("want an array")
	}
	if err := r.enter(); err != nil {
		return err
	}
	for n := 0; ; n++ {
		if n == 0 && r.take(']') {
			break
		}
		if n == limit {
			return r.fault("an array with more than %d elements", limit)
		}
		if err := element(); err != nil {
			return err
		}
		if r.take(']') {
			break
		}
		if !r.take(',') {
			return r.fault("want a comma or the end of the array")
		}
	}
	r.depth--
	return nil
}

// null passes over a null if it is next: the same as an absent member.
func (r *reader) null() bool {
	if r.peek() != 'n' || !bytes.HasPrefix(r.data[r.at:], []byte("null")) {
		return false
	}
	r.at += len("null")
	return true
}

// string reads a string. The bytes are those of the text where no character is
// escaped.
func (r *reader) string() ([]byte, error) {
	raw, escaped, err := r.rawString()
	if err != nil || !escaped {
		return raw, err
	}
	return r.unescape(raw)
}

// rawString reads a string and leaves its escapes alone: they may be wrong.
func (r *reader) rawString() (raw []byte, escaped bool, err error) {
	if !r.take('"') {
		return nil, false, r.fault("want a string")
	}
	from := r.at
	for ; r.at < len(r.data); r.at++ {
		switch c := r.data[r.at]; {
		case c == '"':
			r.at++
			return r.data[from : r.at-1], escaped, nil
		case c == '\\':
			escaped = true
			r.at++ // what follows ends no string; a missing byte is found below
		case c < ' ':
			return nil, false, r.fault("a control character in a string")
		}
	}
	r.at = len(r.data)
	return nil, false, r.fault("a string without an end")
}

var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescape undoes the escapes of a string. Half a surrogate pair becomes U+FFFD.
func (r *reader) unescape(raw []byte) ([]byte, error) {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++ // rawString saw a byte behind every backslash
		if c, ok := escapes[raw[i]]; ok {
			out = append(out, c)
			continue
		}
		first, ok := hexRune(raw[i:])
		if !ok {
			return nil, r.fault("a string with an unknown escape")
		}
		i += 4
		if utf16.IsSurrogate(first) {
			pair := rune(utf8.RuneError)
			if i+1 < len(raw) && raw[i+1] == '\\' {
				if second, ok := hexRune(raw[i+2:]); ok {
					pair = utf16.DecodeRune(first, second)
				}
			}
			if first = pair; pair != utf8.RuneError {
				i += 6
			}
		}
		out = utf8.AppendRune(out, first)
	}
	return out, nil
}

// hexRune reads uXXXX.
func hexRune(b []byte) (rune, bool) {
	if len(b) < 5 || b[0] != 'u' {
		return 0, false
	}
	var v rune
	for _, c := range b[1:5] {
		switch {
		case '0' <= c && c <= '9':
			v = v<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			v = v<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			v = v<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// rawNumber reads a number and gives its characters.
func (r *reader) rawNumber() ([]byte, error) {
	r.space()
	from := r.at
	r.one('-')
	if !r.one('0') && r.digits() == 0 {
		return nil, r.fault("want a value")
	}
	if r.one('.') && r.digits() == 0 {
		return nil, r.fault("a number that ends in a point")
	}
	if r.one('e') || r.one('E') {
		if !r.one('+') {
			r.one('-')
		}
		if r.digits() == 0 {
			return nil, r.fault("a number without its exponent")
		}
	}
	return r.data[from:r.at], nil
}

// one passes over c if it is the very next byte.
func (r *reader) one(c byte) bool {
	if r.at == len(r.data) || r.data[r.at] != c {
		return false
	}
	r.at++
	return true
}

func (r *reader) digits() (n int) {
	for r.at < len(r.data) && '0' <= r.data[r.at] && r.data[r.at] <= '9' {
		r.at++
		n++
	}
	return n
}

var errNoNumber = errors.New("it is no number")

// number reads a number as a float64; one out of its range is infinite. The error
// is errNoNumber where another kind of value is next.
func (r *reader) number() (float64, error) {
	if c := r.peek(); c != '-' && (c < '0' || '9' < c) {
		return 0, errNoNumber
	}
	raw, err := r.rawNumber()
	if err != nil {
		return 0, err
	}
	if len(raw) > maxNumber {
		return 0, r.fault("a number of %d characters; at most %d are read", len(raw), maxNumber)
	}
	v, err := strconv.ParseFloat(string(raw), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, r.fault("a number that is none") // not for what rawNumber lets through
	}
	return v, nil
}

// value passes over the next value, whatever it is, and gives its text.
func (r *reader) value() ([]byte, error) {
	r.space()
	from := r.at
	if err := r.skip(); err != nil {
		return nil, err
	}
	return r.data[from:r.at], nil
}

// skip passes over the next value, checking its grammar and depth.
func (r *reader) skip() error {
	switch r.peek() {
	case '{', '[':
		return r.skipNested()
	case '"':
		return r.skipString()
	case 't':
		return r.skipWord("true")
	case 'f':
		return r.skipWord("false")
	case 'n':
		return r.skipWord("null")
	}
	_, err := r.rawNumber()
	return err
}

func (r *reader) skipString() error {
	raw, escaped, err := r.rawString()
	if err == nil && escaped {
		_, err = r.unescape(raw) // rare enough not to do without the copy
	}
	return err
}

func (r *reader) skipWord(word string) error {
	if !bytes.HasPrefix(r.data[r.at:], []byte(word)) {
		return r.fault("want a value")
	}
	r.at += len(word)
	return nil
}

// skipNested passes over an object or an array.
func (r *reader) skipNested() error {
	if err := r.enter(); err != nil {
		return err
	}
	isObject := r.data[r.at] == '{'
	end := byte(']')
	if isObject {
		end = '}'
	}
	r.at++
	for first := true; ; first = false {
		if first && r.take(end) {
			break
		}
		if isObject {
			if r.peek() != '"' {
				return r.fault("want the name of a member")
			}
			if err := r.skipString(); err != nil {
				return err
			}
			if !r.take(':') {
				return r.fault("want a colon")
			}
		}
		if err := r.skip(); err != nil {
			return err
		}
		if r.take(end) {
			break
		}
		if !r.take(',') {
			return r.fault("want a comma or the end")
		}
	}
	r.depth--
	return nil
}
