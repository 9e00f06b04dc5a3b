package canonical

import (
	"encoding/hex"
	"errors"
	"testing"
)

type record struct {
	Number uint64   `cbor:"1,keyasint"`
	List   []string `cbor:"2,keyasint,omitempty"`
}

func TestDecode(t *testing.T) {
	c := New(4, 16, 16)
	for _, x := range []struct {
		name, hex string
		want      error // nil: it is read; errAny: any error
	}{
		{"as it is written", "a20118180281616b", nil},
		{"a number longer than it need be", "a1011900ff", ErrNotCanonical},
		{"keys out of order", "a20281616b011818", ErrNotCanonical},
		{"an empty list where none is written", "a201181802" + "80", ErrNotCanonical},
		{"an unknown field", "a2010103" + "01", errAny},
		{"a key twice", "a201010101", errAny},
		{"an indefinite length", "bf0101ff", errAny},
		{"a tag", "c1a10101", errAny},
		{"more after it", "a1010100", errAny},
		{"cut short", "a101", errAny},
		{"too many elements", "a2010102" + "9161616161616161616161616161616161616161616161616161616161616161616161", errAny},
	} {
		data, err := hex.DecodeString(x.hex)
		if err != nil {
			t.Fatal(err)
		}
		var r record
		err = c.Decode(data, &r)
		if x.want == nil && err != nil || x.want == errAny && err == nil || x.want == ErrNotCanonical && !errors.Is(err, ErrNotCanonical) {
			t.Errorf("%s: %v, want %v", x.name, err, x.want)
		}
	}
}

var errAny = errors.New("any error")

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"a20118180281616b", "a1011900ff", "bf0101ff"} {
		data, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	c := New(4, 16, 16)
	f.Fuzz(func(t *testing.T, data []byte) {
		var r record
		if c.Decode(data, &r) != nil {
			return
		}
		again, err := c.Encode(&r)
		if err != nil || string(again) != string(data) {
			t.Fatalf("%x is read, and written as %x, %v", data, again, err)
		}
	})
}
