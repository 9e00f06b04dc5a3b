package shc

import (
	"fmt"

	"concordat/healthcode"
)

// Each character of a JWS is two digits: its code point less 45, that of '-'
// (specification, Encoding QRs). 'z' is the last that occurs.
const (
	firstCharacter = '-'
	lastPair       = 'z' - firstCharacter
)

// checkDigits makes sure that digits are pairs of digits, so that those of several
// chunks may be put together.
func checkDigits(digits string) error {
	if digits == "" {
		return fmt.Errorf("%w: there are none behind %s", healthcode.ErrDigits, Prefix)
	}
	for i := range len(digits) {
		if d := digits[i]; d < '0' || '9' < d {
			return fmt.Errorf("%w: character %d of %d is no digit", healthcode.ErrDigits, i+1, len(digits))
		}
	}
	if len(digits)%2 != 0 {
		return fmt.Errorf("%w: there are %d of them, an odd number: two make a character; one was lost, perhaps a leading zero", healthcode.ErrDigits, len(digits))
	}
	return nil
}

// decodeDigits turns pairs of digits into characters.
func decodeDigits(digits string) ([]byte, error) {
	if digits == "" || len(digits)%2 != 0 {
		return nil, checkDigits(digits) // says what is wrong
	}
	out := make([]byte, len(digits)/2)
	for i := range out {
		tens, ones := digits[2*i]-'0', digits[2*i+1]-'0'
		if tens > 9 || ones > 9 {
			return nil, checkDigits(digits)
		}
		pair := 10*tens + ones
		if pair > lastPair {
			return nil, fmt.Errorf("%w: pair %d is above %d, the last that stands for a character of a JWS", healthcode.ErrDigits, i+1, lastPair)
		}
		out[i] = pair + firstCharacter
	}
	return out, nil
}
