package shc

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"sync"

	"concordat/healthcode"
)

// inflaters holds flate readers for reuse: a fresh one allocates some 40 KB, more
// than all else that decoding does. A reader is owned by one inflate call at a
// time, and Reset clears it, so nothing of one card reaches the next.
var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// inflate undoes raw DEFLATE (RFC 1951). It stops at MaxInflated whatever the
// input promises, and refuses bytes after the end.
func inflate(data []byte) ([]byte, error) {
	src := bytes.NewReader(data) // an io.ByteReader, so flate takes no byte too many
	zr := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(zr)
	if err := zr.(flate.Resetter).Reset(src, nil); err != nil {
		return nil, compressionError(data, err)
	}
	// One byte over the cap tells "too large" from "exactly the cap". Cards shrink
	// to a third or so; room for four times their size seldom has to grow.
	out := make([]byte, 0, min(4*len(data)+512, MaxInflated+1))
	for {
		n, err := zr.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		if len(out) > MaxInflated {
			return nil, fmt.Errorf("%w: %d bytes inflate to more than %d", healthcode.ErrTooLarge, len(data), MaxInflated)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, compressionError(data, err)
		}
		if len(out) == cap(out) {
			grown := make([]byte, len(out), min(2*cap(out), MaxInflated+1))
			copy(grown, out)
			out = grown
		}
	}
	if src.Len() != 0 {
		return nil, fmt.Errorf("%w: %d bytes follow the end of the DEFLATE data", healthcode.ErrCompression, src.Len())
	}
	return out, nil
}

// compressionError words the faults itself, since a library's wording may change
// and may quote. Where the data is something that issuers take for DEFLATE, it
// says so.
func compressionError(data []byte, err error) error {
	what := "the DEFLATE data is broken"
	switch {
	case len(data) >= 2 && data[0]&0x0f == 8 && (int(data[0])<<8|int(data[1]))%31 == 0:
		what = "the payload is a zlib stream (RFC 1950); SMART Health Cards have raw DEFLATE (RFC 1951), without its header"
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		what = "the payload is a gzip file (RFC 1952); SMART Health Cards have raw DEFLATE (RFC 1951), without its header"
	case bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")):
		what = "the payload is not compressed"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		what = "the DEFLATE data ends early"
	}
	return fmt.Errorf("%w: %s", healthcode.ErrCompression, what)
}
