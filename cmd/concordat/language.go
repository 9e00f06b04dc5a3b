package main

import (
	"fmt"

	"golang.org/x/text/language"

	"concordat/recognition/sentence"
)

// tongue is a flag that holds a language that reasons are told in; none is
// English. In one that they are not told in, the words of rules may still be.
type tongue struct{ in sentence.Language }

// Set reads a BCP 47 tag: zh-CN is zh.
func (l *tongue) Set(s string) error {
	tag, err := language.Parse(s)
	if err != nil {
		return fmt.Errorf("%q is no language; want one of %v", s, sentence.Languages)
	}
	l.in = sentence.Accept(tag.String())
	return nil
}

// Type names the flag's value in help.
func (l *tongue) Type() string { return "en|zh|ko|de" }

// String gives the language as it is typed.
func (l *tongue) String() string { return string(l.in) }

// chosen is the language.
func (l *tongue) chosen() sentence.Language {
	if l.in == "" {
		return sentence.English
	}
	return l.in
}
