package healthcode

import (
	"fmt"
	"strings"
)

// Decode reads text with the first of formats whose prefix it begins with.
//
// White space around the text is dropped, since scanners and text files add
// it; nothing else is forgiven. This cannot damage an HC1 code although space
// is a Base45 character: the last character of a Base45 text is the high digit
// of its last group, at most 32 there, and space is digit 36.
//
// It reads one code in one text; Read reads several of either.
//
// Every error wraps ErrUnreadable; ErrFormatUnknown where no prefix matches.
func Decode(text string, formats ...Decoder) (Unverified, error) {
	text = strings.TrimSpace(text)
	if f := formatOf(text, formats); f >= 0 {
		return formats[f].Decode(text)
	}
	return nil, formatUnknown(text, formats)
}

// formatOf gives the place of the first format whose prefix text begins with; -1
// if there is none.
func formatOf(text string, formats []Decoder) int {
	for i, d := range formats {
		if strings.HasPrefix(text, d.Prefix()) {
			return i
		}
	}
	return -1
}

func formatUnknown(text string, formats []Decoder) error {
	known := make([]string, len(formats))
	for i, d := range formats {
		known[i] = d.Prefix()
	}
	return fmt.Errorf("%w: a text of %d bytes begins with none of the known prefixes [%s]; scan the code again, or see whether it is of a kind that is read here",
		ErrFormatUnknown, len(text), strings.Join(known, " "))
}
