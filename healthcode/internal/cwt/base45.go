package cwt

import (
	"fmt"

	"concordat/healthcode"
)

// base45Alphabet is RFC 9285, table 1: the 45 characters of a QR code's
// alphanumeric mode.
const base45Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

// base45Digit maps a byte to its digit, 0xFF where it is outside of the alphabet.
var base45Digit = func() (table [256]byte) {
	for i := range table {
		table[i] = 0xFF
	}
	for digit, c := range []byte(base45Alphabet) {
		table[c] = byte(digit)
	}
	return table
}()

// DecodeBase45 decodes RFC 9285 strictly, so that each byte string has one
// spelling: three characters make two bytes and must not exceed 65535, a
// closing pair makes one byte and must not exceed 255, and a single character
// left over is refused.
func DecodeBase45(text string) ([]byte, error) {
	if len(text)%3 == 1 {
		return nil, base45Error(text, "%d characters leave one over; groups have three, the last two or three", len(text))
	}
	out := make([]byte, 0, len(text)/3*2+1)
	for i := 0; i < len(text); i += 3 {
		low, middle := base45Digit[text[i]], base45Digit[text[i+1]]
		n := int(low) + 45*int(middle)
		if i+2 == len(text) {
			if n > 0xFF || low|middle == 0xFF {
				return nil, base45Error(text, "the last pair stands for more than 255")
			}
			return append(out, byte(n)), nil
		}
		high := base45Digit[text[i+2]]
		n += 45 * 45 * int(high)
		if n > 0xFFFF || low|middle|high == 0xFF {
			return nil, base45Error(text, "the group at character %d of %d stands for more than 65535", i+1, len(text))
		}
		out = append(out, byte(n>>8), byte(n))
	}
	return out, nil
}

// base45Error says what is wrong: a foreign character before all else, wherever
// it stands, because it makes everything else wrong.
func base45Error(text, format string, a ...any) error {
	for i := range len(text) {
		if base45Digit[text[i]] == 0xFF {
			return fmt.Errorf("%w: character %d of %d is outside of the alphabet of 45", healthcode.ErrBase45, i+1, len(text))
		}
	}
	return fmt.Errorf("%w: "+format, append([]any{healthcode.ErrBase45}, a...)...)
}

// EncodeBase45 writes the one spelling of b.
func EncodeBase45(b []byte) string {
	out := make([]byte, 0, len(b)/2*3+2)
	for ; len(b) >= 2; b = b[2:] {
		n := int(b[0])<<8 | int(b[1])
		out = append(out, base45Alphabet[n%45], base45Alphabet[n/45%45], base45Alphabet[n/2025])
	}
	if len(b) == 1 {
		out = append(out, base45Alphabet[b[0]%45], base45Alphabet[b[0]/45])
	}
	return string(out)
}
