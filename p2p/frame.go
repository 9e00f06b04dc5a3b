package p2p

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
)

// A frame is a 4-byte big-endian length, a byte that says its kind, and that many
// bytes of body (the kind is not counted). FORMAT.md has the bytes of the bodies.
const frameHeaderSize = 5

// readStep is how much memory a body gets before any of it has arrived. More is
// added only as bytes come in, so that announcing much costs the announcer as
// much as it costs us.
const readStep = 64 << 10

// kind says what a frame's body is. Answers have the high bit set.
type kind uint8

const (
	kindAppendEntries   kind = 0x01
	kindRequestVote     kind = 0x02
	kindRequestPreVote  kind = 0x03
	kindTimeoutNow      kind = 0x04
	kindInstallSnapshot kind = 0x05 // only ever a notice, and always refused (P12)
	kindCall            kind = 0x10
	kindPing            kind = 0x11

	kindReply   kind = 0x80 // or-ed to the kind of the request that it answers
	kindError   kind = 0xfe // a call's error: code and message
	kindRefused kind = 0xff // one byte: the Refusal
)

// frameHeader is what precedes a body.
type frameHeader struct {
	size int
	kind kind
}

// beginFrame starts a frame in dst; endFrame completes it.
func beginFrame(dst []byte, k kind) []byte {
	return append(dst, 0, 0, 0, 0, byte(k))
}

// endFrame writes the length of the frame that begins at start.
func endFrame(frame []byte, start int) []byte {
	binary.BigEndian.PutUint32(frame[start:], uint32(len(frame)-start-frameHeaderSize))
	return frame
}

// parseFrameHeader reads a header and refuses a size above max, before anything
// is allocated for it.
func parseFrameHeader(b [frameHeaderSize]byte, max int) (frameHeader, error) {
	size := binary.BigEndian.Uint32(b[:4])
	h := frameHeader{size: int(min(size, math.MaxInt32)), kind: kind(b[4])}
	if uint64(size) > uint64(max) {
		return h, refuse(RefusedTooLarge, "frame of %d bytes, at most %d", size, max)
	}
	return h, nil
}

// readBody reads size bytes. What it allocates follows what has arrived.
func readBody(r io.Reader, size int) ([]byte, error) {
	if size <= readStep {
		b := make([]byte, size)
		_, err := io.ReadFull(r, b)
		return b, err
	}
	var buf bytes.Buffer
	buf.Grow(readStep)
	n, err := io.Copy(&buf, io.LimitReader(r, int64(size)))
	if err == nil && n < int64(size) {
		err = io.ErrUnexpectedEOF
	}
	return buf.Bytes(), err
}

func refusalFrame(reason Refusal) []byte {
	return endFrame(append(beginFrame(nil, kindRefused), byte(reason)), 0)
}
