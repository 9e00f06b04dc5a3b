package sentence_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"concordat/recognition/sentence"
)

type described map[sentence.Language]string

func (d described) In(l sentence.Language) string {
	if text, ok := d[l]; ok {
		return text
	}
	return d[sentence.English]
}

func TestEnglishIsTheFormat(t *testing.T) {
	s := sentence.New("%s of %d%s: %s", "A", 1024, sentence.New(" at %s", "noon"), described{sentence.English: "text"})
	if got, want := s.String(), "A of 1024 at noon: text"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := fmt.Sprintf("%s|%v", s, s); got != s.String()+"|"+s.String() {
		t.Errorf("printed as %q", got)
	}
	if got := s.In(sentence.Korean); got != s.String() {
		t.Errorf("what no catalogue has reads %q", got)
	}
	if (sentence.Sentence{}).String() != "" || !(sentence.Sentence{}).IsZero() {
		t.Error("nothing says something")
	}
}

type region string

type count int

func (c count) String() string { return fmt.Sprintf("%d pieces", int(c)) }

// TestAsFmt: what is said without fmt reads as fmt has it, faults of the format included.
func TestAsFmt(t *testing.T) {
	failure := errors.New("failure")
	for _, c := range []struct {
		format string
		args   []any
	}{
		{"", nil}, {"plain", nil}, {"100%", nil}, {"100%%", nil}, {"%s", nil}, {"none", []any{"one"}}, {"%s", []any{"one", "two"}}, {"%", []any{"one"}},
		{"%s and %s.", []any{"a", region("b")}}, {"%q, %q", []any{"a \"b\"\n", region("č")}}, {"%d of %d", []any{3, uint64(4)}},
		{"%s %d %q", []any{count(2), count(2), count(2)}}, {"%s: %s", []any{"x", failure}}, {"%q", []any{failure}}, {"%s", []any{nil}},
		{"%[2]s %[1]s", []any{"a", "b"}}, {"%5s|%-5s|%05d|%x|%v|%+v|%T", []any{"a", "b", 3, "c", region("d"), "e", count(1)}},
		{"%s %[1]s %s", []any{"a", "b"}}, {"%d", []any{"text"}}, {"%s", []any{7}}, {"%s", []any{[]byte("bytes")}}, {"%é", []any{1}}, {"%!", []any{1}},
		{"%s%%%s", []any{"a", "b"}}, {"%s, %s", []any{sentence.New("in %d %s", 3, region("days")), sentence.Sentence{}}}, {"%s", []any{&region0}},
	} {
		args := slices.Clone(c.args)
		for i, a := range args {
			if part, ok := a.(sentence.Sentence); ok {
				args[i] = part.String()
			}
		}
		want := fmt.Sprintf(c.format, args...)
		if got := sentence.New(c.format, c.args...).String(); got != want {
			t.Errorf("%q of %v reads %q, want %q", c.format, c.args, got, want)
		}
	}
}

var region0 = count(9)

func TestArgumentsAreTranslated(t *testing.T) {
	s := sentence.New("%s", described{sentence.English: "text", sentence.German: "Text"})
	if got := s.In(sentence.German); got != "Text" {
		t.Errorf("in German %q", got)
	}
	if got := s.In(sentence.Chinese); got != "text" {
		t.Errorf("in Chinese, which it lacks, %q", got)
	}
}

func TestAccept(t *testing.T) {
	for header, want := range map[string]sentence.Language{
		"": sentence.English, "de": sentence.German, "de-AT,en;q=0.5": sentence.German, "fr": "fr", "fr-CA;q=0.4, it;q=0.2": "fr-CA", "fr, ko;q=0.3": sentence.Korean,
		"zh-CN": sentence.Chinese, "zh-Hant-TW": sentence.Chinese, "KO-kr": sentence.Korean, "*": sentence.English, "en-US,de": sentence.English,
		"de;q=0.1, zh;q=0.9": sentence.Chinese, "%%": sentence.English, strings.Repeat("de,", 1000): sentence.English,
	} {
		if got := sentence.Accept(header); got != want {
			t.Errorf("Accept(%.40q) = %s, want %s", header, got, want)
		}
	}
}

var verb = regexp.MustCompile(`%(\[\d+\])?[+#]?[a-zA-Z%]`)

// verbs gives the verbs of a format by the place of their argument.
func verbs(format string) []string {
	var out []string
	next := 1
	for _, v := range verb.FindAllString(format, -1) {
		if v == "%%" {
			continue
		}
		at := next
		if strings.HasPrefix(v, "%[") {
			if _, err := fmt.Sscanf(v, "%%[%d]", &at); err != nil {
				at = 0
			}
		}
		out = append(out, fmt.Sprintf("%d%c", at, v[len(v)-1]))
		next = at + 1
	}
	slices.Sort(out)
	return out
}

// TestCatalogues: every format has its arguments in every language, each once
// and printed alike, and ends as a sentence does.
func TestCatalogues(t *testing.T) {
	for _, l := range sentence.Languages[1:] {
		for format, said := range sentence.Catalogue(l) {
			if want, got := verbs(format), verbs(said); !slices.Equal(got, want) {
				t.Errorf("%s of %q has the arguments %v, want %v: %q", l, format, got, want, said)
			}
			if strings.TrimFunc(said, unicode.IsSpace) == "" && strings.TrimSpace(format) != "" {
				t.Errorf("%s of %q is empty", l, format)
			}
		}
	}
}

// TestCataloguesSayTheSame: what one language has, the others have.
func TestCataloguesSayTheSame(t *testing.T) {
	for _, l := range sentence.Languages[1:] {
		for _, other := range sentence.Languages[1:] {
			for format := range sentence.Catalogue(other) {
				if _, ok := sentence.Said(l, format); !ok {
					t.Errorf("%s lacks %q, which %s has", l, format, other)
				}
			}
		}
	}
}

func FuzzAccept(f *testing.F) {
	f.Add("de-AT,en;q=0.5")
	f.Add("*")
	f.Fuzz(func(t *testing.T, header string) {
		if l := sentence.Spoken(sentence.Accept(header)); !slices.Contains(sentence.Languages, l) {
			t.Fatalf("%q is answered in %q", header, l)
		}
	})
}
