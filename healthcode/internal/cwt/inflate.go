package cwt

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"sync"

	"concordat/healthcode"
)

// inflaters holds zlib readers for reuse: a fresh one allocates some 40 KB,
// more than all else that decoding does. A reader is owned by one Inflate call
// at a time, and Reset clears it, so nothing of one code reaches the next.
var inflaters sync.Pool

// Inflate undoes RFC 1950. It stops at MaxInflated whatever the input promises,
// checks the closing checksum, and refuses a preset dictionary and bytes after
// the end.
func Inflate(data []byte) ([]byte, error) {
	// compress/zlib takes an empty dictionary as given, so it alone would not
	// refuse the flag (RFC 1950 section 2.2, FDICT).
	if len(data) >= 2 && data[1]&0x20 != 0 {
		return nil, compressionError(zlib.ErrDictionary)
	}
	src := bytes.NewReader(data) // an io.ByteReader, so zlib takes no byte too many
	zr, err := newInflater(src)
	if err != nil {
		return nil, compressionError(err)
	}
	defer inflaters.Put(zr)

	// One byte over the cap tells "too large" from "exactly the cap", and makes
	// the reader reach the checksum in the latter case.
	// The room is what codes need, with what ReadFrom keeps free: one allocation.
	out := bytes.NewBuffer(make([]byte, 0, 3*len(data)+bytes.MinRead))
	if _, err := out.ReadFrom(io.LimitReader(zr, MaxInflated+1)); err != nil {
		return nil, compressionError(err)
	}
	if out.Len() > MaxInflated {
		return nil, fmt.Errorf("%w: %d bytes inflate to more than %d", healthcode.ErrTooLarge, len(data), MaxInflated)
	}
	if src.Len() != 0 {
		return nil, fmt.Errorf("%w: %d bytes follow the end of the zlib stream", healthcode.ErrCompression, src.Len())
	}
	return out.Bytes(), nil
}

func newInflater(src io.Reader) (io.ReadCloser, error) {
	zr, ok := inflaters.Get().(io.ReadCloser)
	if !ok {
		return zlib.NewReader(src)
	}
	if err := zr.(zlib.Resetter).Reset(src, nil); err != nil {
		// A reader that failed is fit for the next Reset all the same.
		inflaters.Put(zr)
		return nil, err
	}
	return zr, nil
}

// compressionError words the faults itself, since a library's wording may
// change and may quote.
func compressionError(err error) error {
	what := "the DEFLATE data is broken"
	switch {
	case errors.Is(err, zlib.ErrHeader):
		what = "there is no zlib header (RFC 1950); such a code is always compressed"
	case errors.Is(err, zlib.ErrChecksum):
		what = "the checksum does not match"
	case errors.Is(err, zlib.ErrDictionary):
		what = "a preset dictionary is asked for"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		what = "the zlib stream ends early"
	}
	return fmt.Errorf("%w: %s", healthcode.ErrCompression, what)
}

// Deflate is RFC 1950 at its smallest.
func Deflate(data []byte) []byte {
	var out bytes.Buffer
	// Neither the level, a constant, nor a write into memory can fail.
	w, _ := zlib.NewWriterLevel(&out, zlib.BestCompression)
	_, _ = w.Write(data)
	_ = w.Close()
	return out.Bytes()
}
