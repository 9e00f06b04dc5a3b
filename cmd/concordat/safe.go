package main

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// What comes from a node may have been written by an adversary: by the node
// itself, or by an authority in a reason or a name. Two things keep it from
// saying what this program does not say.
//
//   - Everything that is printed goes through a safeWriter, whoever prints it:
//     no text moves the cursor, colours, hides or turns what stands beside it.
//   - Whatever is put into a line or a cell (printer, table, say) goes through
//     clean, which also keeps it on its line and bounds its length: no text adds
//     a line of its own.

// maxShown is how much of one foreign text is shown, in characters. A
// statement's reason has at most 1,000 bytes, with some words around it.
const maxShown = 2000

// clean makes text safe to show on a line among others.
func clean(s string) string {
	var b strings.Builder
	shown := 0
	for len(s) > 0 {
		if shown++; shown > maxShown {
			fmt.Fprintf(&b, "… (%d more bytes)", len(s))
			break
		}
		r, size := utf8.DecodeRuneInString(s)
		if r == '\n' || r == '\t' || !harmless(r, size) {
			b.Write(escaped(s[:size]))
		} else {
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

// harmless reports whether a character stands for itself: not the controls (C0,
// DEL and C1, which terminals obey), and not what is unseen and changes how its
// neighbours are read, direction above all. The two joiners are letters' own.
func harmless(r rune, size int) bool {
	switch {
	case r == utf8.RuneError && size == 1: // no UTF-8: a terminal may take the byte for C1
		return false
	case r == '\n', r == '\t', r == '\u200c', r == '\u200d':
		return true
	}
	return !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// escaped writes a character as its number, in the one way that JSON reads back
// as the same character: so that an object on standard output stays what it is.
func escaped(char string) []byte {
	r, size := utf8.DecodeRuneInString(char)
	switch {
	case r == utf8.RuneError && size <= 1:
		return fmt.Appendf(nil, "\\x%02x", char[0])
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		return fmt.Appendf(nil, "\\u%04x\\u%04x", high, low)
	}
	return fmt.Appendf(nil, "\\u%04x", r)
}

// safeWriter passes text on, with every character that is not harmless as its
// number. It is safe for use by several goroutines.
type safeWriter struct {
	mu   sync.Mutex
	w    io.Writer
	half []byte // the beginning of a character whose end has not come yet
}

// Write passes p on, but for a character at its end that is not whole yet.
func (s *safeWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := append(s.half, p...)
	s.half = nil
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		if !utf8.FullRune(text) {
			s.half = append([]byte(nil), text...)
			break
		}
		r, size := utf8.DecodeRune(text)
		if harmless(r, size) {
			out = append(out, text[:size]...)
		} else {
			out = append(out, escaped(string(text[:size]))...)
		}
		text = text[size:]
	}
	if _, err := s.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close passes on what is left of a character that never became whole. It does
// not close the stream, which is the process's.
func (s *safeWriter) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []byte
	for i := range s.half {
		out = append(out, escaped(string(s.half[i:i+1]))...)
	}
	s.half = nil
	if len(out) == 0 {
		return nil
	}
	_, err := s.w.Write(out)
	return err
}

// cleaned gives the arguments of a format with all text in them clean.
func cleaned(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		switch v := a.(type) {
		case string:
			a = clean(v)
		case error:
			a = clean(v.Error())
		default:
			if r := reflect.ValueOf(a); r.Kind() == reflect.String {
				a = clean(r.String())
			}
		}
		out[i] = a
	}
	return out
}

// maxLines is how many lines of one foreign text are shown.
const maxLines = 40

// spread prints a line whose last argument may be text of several lines, as a
// node's description of a proposal is: those after the first are set in, behind a
// bar that begins no line of this program's own.
func spread(line func(format string, a ...any), format string, a ...any) {
	var text []string
	for l := range strings.SplitSeq(fmt.Sprint(a[len(a)-1]), "\n") {
		if l = strings.TrimSpace(l); l != "" {
			text = append(text, l)
		}
	}
	if len(text) == 0 {
		text = []string{""}
	}
	line(format, append(slices.Clone(a[:len(a)-1]), text[0])...)
	for i, l := range text[1:] {
		if i+1 == maxLines {
			line("      | … (%d more lines)", len(text)-1-i)
			break
		}
		line("      | %s", l)
	}
}

// printer prints lines until one fails.
type printer struct {
	w   io.Writer
	err error
}

// line prints one line. Line feeds are in the format only: what is put into it stays on its line.
func (p *printer) line(format string, a ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", cleaned(a)...)
	}
}
