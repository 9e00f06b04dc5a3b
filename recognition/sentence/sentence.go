// Package sentence says one thing in several languages.
//
// It promises that a Sentence reads the same in English as fmt.Sprintf of its
// format and arguments, that it reads in another language as the catalogue of
// that language has its format, arguments included where those are sentences
// themselves, and that it reads in English wherever a catalogue lacks it. It
// expects formats to be constants: they are the keys of the catalogues, and a
// test of the packages that use it looks for every one of them there.
//
// Names, ids, times and numbers are the same in every language: they are what
// two verifiers compare.
package sentence

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"
)

// Sentence is a sentence, or a part of one that is an argument of another.
type Sentence struct {
	format string
	args   []any
	ready  string // the sentence in English, where it was made ready
}

// Localized is an argument that has a text of its own for each language, such
// as the description of a rule.
type Localized interface {
	// In gives the text in a language, in English where it has none in that.
	In(Language) string
}

// New makes a sentence of a format, as fmt has them, and its arguments.
func New(format string, args ...any) Sentence { return Sentence{format: format, args: args} }

// Ready gives the sentence, made ready to be said often: it remembers how it reads in English.
func (s Sentence) Ready() Sentence {
	s.ready = s.String()
	return s
}

// IsZero reports whether the sentence says nothing.
func (s Sentence) IsZero() bool { return s.format == "" }

// Format is the sentence's key in the catalogues.
func (s Sentence) Format() string { return s.format }

// String is the sentence in English.
func (s Sentence) String() string { return s.In(English) }

// In is the sentence in a language.
func (s Sentence) In(l Language) string {
	if s.format == "" {
		return ""
	}
	var room [256]byte
	return string(s.appendIn(room[:0], l))
}

// appendIn appends the sentence in a language. It does what fmt does, to which
// it leaves all but the plainest: a check says some twenty sentences and parts of
// sentences, and by fmt alone they would cost as much as reading the code.
func (s Sentence) appendIn(to []byte, l Language) []byte {
	if s.ready != "" && l == English {
		return append(to, s.ready...)
	}
	format := s.format
	if said, ok := catalogues[l][s.format]; ok {
		format = said
	}
	begun := len(to)
	rest := format
	for next := 0; ; next++ {
		before, after, found := strings.Cut(rest, "%")
		to = append(to, before...)
		if !found {
			if next != len(s.args) {
				break // fmt says what is wrong
			}
			return to
		}
		if after == "" || next >= len(s.args) {
			break
		}
		verb, a := after[0], s.args[next]
		rest = after[1:]
		if local, ok := a.(Localized); ok && verb == 's' {
			if part, ok := a.(Sentence); ok {
				to = part.appendIn(to, l)
			} else {
				to = append(to, local.In(l)...)
			}
			continue
		}
		plain, ok := text(a)
		switch {
		case ok && verb == 's':
			to = append(to, plain...)
		case ok && verb == 'q':
			to = strconv.AppendQuote(to, plain)
		case verb == 's' || verb == 'd' || verb == 'q':
			to = fmt.Appendf(to, "%"+string(verb), localized(a, l))
		default: // a width, another order, another verb
			return s.appendFormatted(to[:begun], format, l)
		}
	}
	return s.appendFormatted(to[:begun], format, l)
}

// appendFormatted is appendIn by fmt alone.
func (s Sentence) appendFormatted(to []byte, format string, l Language) []byte {
	args := slices.Clone(s.args)
	for i, a := range args {
		args[i] = localized(a, l)
	}
	return fmt.Appendf(to, format, args...)
}

// localized gives an argument in a language, where it has several.
func localized(a any, l Language) any {
	if local, ok := a.(Localized); ok {
		return local.In(l)
	}
	return a
}

// text gives an argument that is a string by its type and nothing else: one with
// words of its own, or a format, is for fmt.
func text(a any) (string, bool) {
	switch a := a.(type) {
	case string:
		return a, true
	case fmt.Stringer, error, fmt.Formatter:
		return "", false
	}
	if v := reflect.ValueOf(a); v.Kind() == reflect.String {
		return v.String(), true
	}
	return "", false
}

// Join makes one part of several, with a comma between them as the language has it.
func Join(parts ...Sentence) Sentence {
	if len(parts) == 0 {
		return Sentence{}
	}
	args := make([]any, len(parts))
	for i, p := range parts {
		args[i] = p
	}
	return Sentence{format: strings.TrimSuffix(strings.Repeat("%s, ", len(parts)), ", "), args: args}
}

// Language is a language that sentences are said in, by its BCP 47 tag.
type Language string

// The languages.
const (
	English Language = "en"
	Chinese Language = "zh"
	Korean  Language = "ko"
	German  Language = "de"
)

// Languages lists them; the first is what others fall back to.
var Languages = []Language{English, Chinese, Korean, German}

// catalogues hold the formats of each language but English, by the English one.
var catalogues = map[Language]map[string]string{
	Chinese: chinese,
	Korean:  korean,
	German:  german,
}

// Catalogue gives a copy of a language's formats by their English ones; empty for English.
func Catalogue(l Language) map[string]string { return maps.Clone(catalogues[l]) }

// Said gives a format in a language; false where the catalogue lacks it.
func Said(l Language, format string) (string, bool) {
	said, ok := catalogues[l][format]
	return said, ok
}

var matcher = language.NewMatcher([]language.Tag{language.English, language.Chinese, language.Korean, language.German})

// maxAccept bounds an Accept-Language, in bytes.
const maxAccept = 1_000

// Spoken gives the language that sentences are said in for one that was asked for.
func Spoken(l Language) Language {
	if _, ok := catalogues[l]; ok {
		return l
	}
	return English
}

// Accept chooses the language for an Accept-Language header (RFC 9110 §12.5.4):
// one of the languages, where it names any. Otherwise it is the first that the
// header names: sentences are said in English then (Spoken), and a Localized
// argument may still have it. English where the header cannot be read.
func Accept(header string) Language {
	if header == "" || len(header) > maxAccept {
		return English
	}
	wanted, _, err := language.ParseAcceptLanguage(header)
	if err != nil {
		return English
	}
	_, at, confidence := matcher.Match(wanted...)
	if confidence != language.No {
		return Languages[at]
	}
	for _, tag := range wanted {
		if base, sure := tag.Base(); sure == language.Exact && base.String() != "mul" { // which is how "*" is read
			return Language(tag.String())
		}
	}
	return English
}
