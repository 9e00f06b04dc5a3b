package cwt

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"concordat/healthcode"
)

// TestBase45Vectors: the examples of RFC 9285 sections 4.3 and 4.4, and what
// must not decode.
func TestBase45Vectors(t *testing.T) {
	for text, want := range map[string]string{
		"":            "",
		"BB8":         "AB",
		"%69 VD92EX0": "Hello!!",
		"UJCLQE7W581": "base-45",
		"QED8WEX0":    "ietf!",
		"FGW":         "\xff\xff",
		"U5":          "\xff",
		"000":         "\x00\x00",
		"00":          "\x00",
	} {
		got, err := DecodeBase45(text)
		if err != nil || string(got) != want {
			t.Errorf("%q = %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"0", "BB8B", "GGW", ":::", "FGX", "V5", "::", "BB8::", "bb8", "BB=", "B,8", "\x00\x00\x00", "BB8\n", "é0"} {
		if got, err := DecodeBase45(text); !errors.Is(err, healthcode.ErrBase45) {
			t.Errorf("%q = %q, %v; want a refusal", text, got, err)
		}
	}
}

// TestBase45OneSpelling: what is encoded decodes to itself, and whatever decodes
// is what would have been encoded.
func TestBase45OneSpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		if got, err := DecodeBase45(EncodeBase45(want)); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%x became %x, %v", want, got, err)
		}
		text := rapid.StringOf(rapid.SampledFrom([]rune(base45Alphabet))).Draw(t, "text")
		if got, err := DecodeBase45(text); err == nil && EncodeBase45(got) != text {
			t.Fatalf("%q is a second spelling of %q", text, EncodeBase45(got))
		}
	})
}
