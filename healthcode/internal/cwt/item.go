package cwt

import (
	"encoding/binary"
	"fmt"
	"math"

	"concordat/healthcode"
)

// Major types of RFC 8949 section 3.1, as they stand in the top three bits of
// an item's first byte.
const (
	majorUint   = 0
	majorNegint = 1
	majorBytes  = 2
	majorText   = 3
	majorArray  = 4
	majorMap    = 5
	majorTag    = 6
	majorSimple = 7
)

// What follows in an item's first byte (RFC 8949 section 3).
const (
	oneByte    = 24
	indefinite = 31
	breakCode  = 0xff

	simpleFalse     = 0xf4
	simpleTrue      = 0xf5
	simpleNull      = 0xf6
	simpleUndefined = 0xf7
	halfFloat       = 0xf9
	singleFloat     = 0xfa
	doubleFloat     = 0xfb
)

// Item is one CBOR data item as received: well-formed, within the limits, and
// with nothing after it. Only Parse makes one of foreign bytes, and what is read
// out of an Item is one again, so nobody has to check twice. nil: no item.
//
// Any well-formed CBOR is taken, canonical or not, with definite or indefinite
// lengths: real issuers write all of these.
//
// It is read here and not by fxamacker/cbor because that decodes by reflection
// into maps, which was two thirds of the price of reading a code; the tests hold
// this reader against that library.
type Item []byte

// Parse checks that data is one well-formed item within the limits, and nothing else.
func Parse(data []byte) (Item, error) {
	n, err := wellFormed(data, 0)
	if err != nil {
		return nil, err
	}
	if n != len(data) {
		return nil, cborError("bytes follow the end of the item")
	}
	return data, nil
}

// cborError words a fault without quoting the data.
func cborError(format string, a ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{healthcode.ErrCBOR}, a...)...)
}

// head reads an item's first byte and its argument; size is how many bytes they
// take. Of an indefinite length or a break the argument is 0.
func head(data []byte) (major, info byte, argument uint64, size int, err error) {
	if len(data) == 0 {
		return 0, 0, 0, 0, cborError("it ends early")
	}
	major, info = data[0]>>5, data[0]&31
	switch {
	case info < oneByte:
		return major, info, uint64(info), 1, nil
	case info == indefinite:
		if major == majorUint || major == majorNegint || major == majorTag {
			return 0, 0, 0, 0, cborError("not well-formed, or not valid")
		}
		return major, info, 0, 1, nil
	case info > 27:
		return 0, 0, 0, 0, cborError("not well-formed, or not valid")
	}
	size = 1 + 1<<(info-oneByte)
	if len(data) < size {
		return 0, 0, 0, 0, cborError("it ends early")
	}
	switch info {
	case oneByte:
		argument = uint64(data[1])
		if major == majorSimple && argument < 32 {
			return 0, 0, 0, 0, cborError("not well-formed, or not valid")
		}
	case 25:
		argument = uint64(binary.BigEndian.Uint16(data[1:]))
	case 26:
		argument = uint64(binary.BigEndian.Uint32(data[1:]))
	default:
		argument = binary.BigEndian.Uint64(data[1:])
	}
	return major, info, argument, size, nil
}

// wellFormed gives the length of the item that data begins with. Depth counts
// the arrays and maps around it, and the tags around tags.
func wellFormed(data []byte, depth int) (int, error) {
	major, info, n, size, err := head(data)
	if err != nil {
		return 0, err
	}
	switch major {
	case majorBytes, majorText:
		if info == indefinite {
			return wellFormedChunks(data, major)
		}
		if n > uint64(len(data)-size) {
			return 0, cborError("it ends early")
		}
		return size + int(n), nil
	case majorArray, majorMap:
		return wellFormedElements(data, major, info, n, size, depth+1)
	case majorTag:
		if len(data) > size && data[size]>>5 == majorTag {
			depth++
		}
		if depth > MaxNesting {
			return 0, cborError("nested deeper than %d", MaxNesting)
		}
		inner, err := wellFormed(data[size:], depth)
		return size + inner, err
	case majorSimple:
		if info == indefinite {
			return 0, cborError("not well-formed, or not valid") // a break, and nothing to end
		}
	}
	return size, nil
}

// wellFormedChunks measures a string of indefinite length, whose chunks are
// strings of the same type and of definite length.
func wellFormedChunks(data []byte, major byte) (int, error) {
	at := 1
	for {
		if at >= len(data) {
			return 0, cborError("it ends early")
		}
		if data[at] == breakCode {
			return at + 1, nil
		}
		m, info, n, size, err := head(data[at:])
		if err != nil {
			return 0, err
		}
		if m != major || info == indefinite {
			return 0, cborError("not well-formed, or not valid")
		}
		if n > uint64(len(data)-at-size) {
			return 0, cborError("it ends early")
		}
		at += size + int(n)
	}
}

// wellFormedElements measures an array or a map.
func wellFormedElements(data []byte, major, info byte, n uint64, size, depth int) (int, error) {
	if depth > MaxNesting {
		return 0, cborError("nested deeper than %d", MaxNesting)
	}
	most := uint64(MaxElements)
	if major == majorMap {
		most *= 2
		if n <= MaxElements {
			n *= 2
		} else {
			n = most + 1
		}
	}
	if n > most {
		return 0, cborError("more than %d elements in one array or map", MaxElements)
	}
	at := size
	for i := uint64(0); ; i++ {
		if info == indefinite {
			if at >= len(data) {
				return 0, cborError("it ends early")
			}
			if data[at] == breakCode {
				if major == majorMap && i%2 == 1 {
					return 0, cborError("not well-formed, or not valid")
				}
				return at + 1, nil
			}
			if i == most {
				return 0, cborError("more than %d elements in one array or map", MaxElements)
			}
		} else if i == n {
			return at, nil
		}
		inner, err := wellFormed(data[at:], depth)
		if err != nil {
			return 0, err
		}
		at += inner
	}
}

// length is wellFormed for what is known to be so: it gives where the first item
// of data ends.
func length(data []byte) int {
	switch first := data[0]; { // most items of a code are short
	case first < 0x18:
		return 1
	case first >= 0x40 && first < 0x58, first >= 0x60 && first < 0x78:
		return 1 + int(first&31)
	}
	major, info, n, size, _ := head(data)
	switch major {
	case majorBytes, majorText:
		if info != indefinite {
			return size + int(n)
		}
		return size + closed(data[size:])
	case majorArray, majorMap:
		if info == indefinite {
			return size + closed(data[size:])
		}
		if major == majorMap {
			n *= 2
		}
		for range n {
			size += length(data[size:])
		}
	case majorTag:
		size += length(data[size:])
	}
	return size
}

// closed gives the length of all items up to a break, that included.
func closed(data []byte) (at int) {
	for data[at] != breakCode {
		at += length(data[at:])
	}
	return at + 1
}

// half reads an IEEE 754 half-precision float (RFC 8949 appendix D).
func half(bits uint16) float64 {
	exponent, fraction := int(bits>>10&31), float64(bits&1023)
	var v float64
	switch exponent {
	case 0:
		v = math.Ldexp(fraction, -24)
	case 31:
		if v = math.Inf(1); fraction != 0 {
			v = math.NaN()
		}
	default:
		v = math.Ldexp(fraction+1024, exponent-25)
	}
	if bits>>15 == 1 {
		return -v
	}
	return v
}
