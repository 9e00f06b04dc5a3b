package hc1

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

// decodeBase45 decodes RFC 9285 strictly, so that each byte string has one
// spelling: three characters make two bytes and must not exceed 65535, a
// closing pair makes one byte and must not exceed 255, and a single character
// left over is refused.
func decodeBase45(text string) ([]byte, error) {
	for i := range len(text) {
		if base45Digit[text[i]] == 0xFF {
			return nil, fmt.Errorf("%w: character %d of %d is outside of the alphabet of 45", healthcode.ErrBase45, i+1, len(text))
		}
	}
	if len(text)%3 == 1 {
		return nil, fmt.Errorf("%w: %d characters leave one over; groups have three, the last two or three", healthcode.ErrBase45, len(text))
	}
	out := make([]byte, 0, len(text)/3*2+1)
	for i := 0; i < len(text); i += 3 {
		n := int(base45Digit[text[i]]) + 45*int(base45Digit[text[i+1]])
		if i+2 == len(text) {
			if n > 0xFF {
				return nil, fmt.Errorf("%w: the last pair stands for more than 255", healthcode.ErrBase45)
			}
			return append(out, byte(n)), nil
		}
		n += 45 * 45 * int(base45Digit[text[i+2]])
		if n > 0xFFFF {
			return nil, fmt.Errorf("%w: the group at character %d of %d stands for more than 65535", healthcode.ErrBase45, i+1, len(text))
		}
		out = append(out, byte(n>>8), byte(n))
	}
	return out, nil
}
