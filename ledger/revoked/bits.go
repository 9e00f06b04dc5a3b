package revoked

import (
	"encoding/binary"
	"math/bits"
)

// Arrays of bits begin at the lowest bit of their first byte, and the bits
// that fill their last byte are zero.

// A field of get and put has at most 57 bits: with the up to 7 bits before it in
// its first byte it fits in eight bytes.

// load reads the eight bytes at b[at:], those beyond the end as zero.
func load(b []byte, at int) uint64 {
	if at+8 <= len(b) {
		return binary.LittleEndian.Uint64(b[at:])
	}
	if at >= len(b) {
		return 0
	}
	var tail [8]byte
	copy(tail[:], b[at:])
	return binary.LittleEndian.Uint64(tail[:])
}

// get reads field i of width bits.
func get(b []byte, i, width int) uint64 {
	at := i * width
	return load(b, at>>3) >> (at & 7) & (1<<width - 1)
}

// put writes field i of width bits, over zeros.
func put(b []byte, i, width int, v uint64) {
	at := i * width
	v <<= at & 7
	for k := at >> 3; v != 0; k, v = k+1, v>>8 {
		b[k] |= byte(v)
	}
}

// fill is the number of bytes that n bits take.
func fill(n int) int { return (n + 7) >> 3 }

// padded reports whether the bits after the first n are zero, in b of fill(n) bytes.
func padded(b []byte, n int) bool { return n&7 == 0 || b[len(b)-1]>>(n&7) == 0 }

// zero finds the place of zero number n (from 0) at or after bit at, which is
// a multiple of 8. There must be one.
func zero(b []byte, at, n int) int {
	for {
		w := ^load(b, at>>3)
		if c := bits.OnesCount64(w); n >= c {
			n -= c
			at += 64
			continue
		}
		// Halve the word until one bit is left.
		for half := 32; half > 0; half /= 2 {
			if c := bits.OnesCount64(w & (1<<half - 1)); n >= c {
				n -= c
				w >>= half
				at += half
			}
		}
		return at
	}
}

// nextZero finds the first zero at or after bit at.
func nextZero(b []byte, at int) int {
	if run := bits.TrailingZeros64(^load(b, at>>3) >> (at & 7)); run < 57 { // within what was loaded
		return at + run
	}
	start := at &^ 7
	return zero(b, start, bits.OnesCount8(^b[start>>3]&(1<<(at&7)-1)))
}
