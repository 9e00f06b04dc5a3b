package picture

import (
	"errors"
	"fmt"
	"strings"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/common/reedsolomon"
	"github.com/makiuchi-d/gozxing/qrcode/decoder"
)

// ErrTooLong: a text does not fit in a QR code.
var ErrTooLong = errors.New("too long for a QR code")

// alphanumeric are the characters that take five and a half bits each (ISO/IEC
// 18004, table 5), in the order of their values.
const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

// segment is a part of a text that is written in one mode.
type segment struct {
	mode *decoder.Mode
	text string
}

// segments cuts a text into parts for the shortest code that the formats need: all
// of an HC1 or CHC1 text is alphanumeric; a SMART Health Card has a prefix in
// bytes, and all that follows is digits.
func segments(text string) []segment {
	head := strings.TrimRight(text, "0123456789")
	if head == "" {
		return []segment{{decoder.Mode_NUMERIC, text}}
	}
	digits := text[len(head):]
	if strings.Trim(head, alphanumeric) == "" {
		return []segment{{decoder.Mode_ALPHANUMERIC, text}}
	}
	if len(digits) < 8 { // a segment's head takes as much as it saves
		return []segment{{decoder.Mode_BYTE, text}}
	}
	return []segment{{decoder.Mode_BYTE, head}, {decoder.Mode_NUMERIC, digits}}
}

// write appends a segment as it is in a code of some version.
func (s segment) write(to *gozxing.BitArray, version *decoder.Version) error {
	put := func(value, bits int) error { return to.AppendBits(value, bits) }
	if err := errors.Join(put(s.mode.GetBits(), 4), put(len(s.text), s.mode.GetCharacterCountBits(version))); err != nil {
		return err
	}
	each := 1 // characters at once
	switch s.mode {
	case decoder.Mode_NUMERIC:
		each = 3
	case decoder.Mode_ALPHANUMERIC:
		each = 2
	}
	for rest := s.text; rest != ""; {
		n := min(each, len(rest))
		value, bits := s.value(rest[:n])
		if err := put(value, bits); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// value gives one, two or three characters as a number, and its bits.
func (s segment) value(chars string) (value, bits int) {
	switch s.mode {
	case decoder.Mode_NUMERIC:
		for _, c := range []byte(chars) {
			value = 10*value + int(c-'0')
		}
		return value, 1 + 3*len(chars)
	case decoder.Mode_ALPHANUMERIC:
		for _, c := range []byte(chars) {
			value = 45*value + strings.IndexByte(alphanumeric, c)
		}
		return value, 1 + 5*len(chars)
	}
	return int(chars[0]), 8
}

// plan is the smallest code that a text fits in.
type plan struct {
	level   decoder.ErrorCorrectionLevel
	version *decoder.Version
	data    *gozxing.BitArray // padded to the code's capacity
}

// easy is the largest version that a telephone reads without effort, of 105
// modules a side: what the SMART Health Cards specification allows.
const easy = 22

// planFor chooses error correction and size: level Q as the EU's specification
// recommends; M or L where the code would else be larger than is easily read; and
// where all are, L at any size.
func planFor(text string) (plan, error) {
	if text == "" {
		return plan{}, fmt.Errorf("%w, or rather there is no text", ErrTooLong)
	}
	parts := segments(text)
	q, m, l := decoder.ErrorCorrectionLevel_Q, decoder.ErrorCorrectionLevel_M, decoder.ErrorCorrectionLevel_L
	for _, try := range []struct {
		level decoder.ErrorCorrectionLevel
		from  int
		to    int
	}{{q, 1, easy}, {m, 1, easy}, {l, 1, easy}, {l, easy + 1, 40}} {
		for number := try.from; number <= try.to; number++ {
			version, err := decoder.Version_GetVersionForNumber(number)
			if err != nil {
				return plan{}, fmt.Errorf("QR code version %d: %w", number, err)
			}
			capacity := 8 * (version.GetTotalCodewords() - version.GetECBlocksForLevel(try.level).GetTotalECCodewords())
			data := gozxing.NewEmptyBitArray()
			for _, p := range parts {
				if len(p.text) >= 1<<p.mode.GetCharacterCountBits(version) {
					data = nil
					break
				}
				if err := p.write(data, version); err != nil {
					return plan{}, fmt.Errorf("QR code segment: %w", err)
				}
			}
			if data == nil || data.GetSize() > capacity {
				continue
			}
			return plan{try.level, version, data}, pad(data, capacity)
		}
	}
	return plan{}, fmt.Errorf("%w: %d characters; the largest holds 4,296 capital letters and digits, or 2,953 bytes", ErrTooLong, len(text))
}

// pad ends the data and fills what is left (ISO/IEC 18004, 7.4.9 and 7.4.10).
func pad(data *gozxing.BitArray, capacity int) error {
	var err error
	err = errors.Join(err, data.AppendBits(0, min(4, capacity-data.GetSize())))
	err = errors.Join(err, data.AppendBits(0, (8-data.GetSize()%8)%8))
	for i := 0; data.GetSize() < capacity; i++ {
		err = errors.Join(err, data.AppendBits([]int{0xec, 0x11}[i%2], 8))
	}
	return err
}

// codewords gives the data and its error correction as they are laid out in the
// code: in blocks, one codeword of each in turn (ISO/IEC 18004, 7.6).
func (p plan) codewords() (*gozxing.BitArray, error) {
	bytes := make([]byte, p.data.GetSizeInBytes())
	p.data.ToBytes(0, bytes, 0, len(bytes))
	blocks := p.version.GetECBlocksForLevel(p.level)
	correction := blocks.GetECCodewordsPerBlock()
	encoder := reedsolomon.NewReedSolomonEncoder(reedsolomon.GenericGF_QR_CODE_FIELD_256)
	var words [][]int
	longest := 0
	for _, kind := range blocks.GetECBlocks() {
		for range kind.GetCount() {
			n := kind.GetDataCodewords()
			block := make([]int, n+correction)
			for i, b := range bytes[:n] {
				block[i] = int(b)
			}
			bytes = bytes[n:]
			if err := encoder.Encode(block, correction); err != nil {
				return nil, fmt.Errorf("QR code error correction: %w", err)
			}
			words = append(words, block)
			longest = max(longest, n)
		}
	}
	out := gozxing.NewEmptyBitArray()
	var err error
	for i := range longest {
		for _, b := range words {
			if i < len(b)-correction {
				err = errors.Join(err, out.AppendBits(b[i], 8))
			}
		}
	}
	for i := range correction {
		for _, b := range words {
			err = errors.Join(err, out.AppendBits(b[len(b)-correction+i], 8))
		}
	}
	return out, err
}
