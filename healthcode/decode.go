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
// Every error wraps ErrUnreadable; ErrFormatUnknown where no prefix matches.
func Decode(text string, formats ...Decoder) (Unverified, error) {
	text = strings.TrimSpace(text)
	for _, d := range formats {
		if strings.HasPrefix(text, d.Prefix()) {
			return d.Decode(text)
		}
	}
	known := make([]string, len(formats))
	for i, d := range formats {
		known[i] = d.Prefix()
	}
	return nil, fmt.Errorf("%w: a text of %d bytes begins with none of the known prefixes [%s]; scan the code again, or see whether it is of a kind that is read here",
		ErrFormatUnknown, len(text), strings.Join(known, " "))
}
