package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
)

// The kinds that are read, and those that are named when they are refused.
const (
	kindPNG  = "PNG"
	kindJPEG = "JPEG"
)

// signatures tell a kind by its first bytes; at is where they begin.
var signatures = []struct {
	kind string
	at   int
	is   string
}{
	{kindPNG, 0, "\x89PNG\r\n\x1a\n"},
	{kindJPEG, 0, "\xff\xd8\xff"},
	{"GIF", 0, "GIF8"},
	{"WebP", 8, "WEBP"},
	{"HEIC or AVIF", 4, "ftyp"},
	{"TIFF", 0, "II*\x00"},
	{"TIFF", 0, "MM\x00*"},
	{"BMP", 0, "BM"},
	{"PDF", 0, "%PDF-"},
	{"JPEG 2000", 4, "jP  \r\n\x87\n"},
	{"JPEG XL", 0, "\xff\x0a"},
}

// kindOf names what data is by its first bytes; "" if they say nothing.
func kindOf(data []byte) string {
	for _, s := range signatures {
		if len(data) >= s.at && bytes.HasPrefix(data[s.at:], []byte(s.is)) {
			return s.kind
		}
	}
	start := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(string(data[:min(len(data), 512)]), "\ufeff")))
	if strings.HasPrefix(start, "<svg") || strings.HasPrefix(start, "<?xml") && strings.Contains(start, "<svg") {
		return "SVG"
	}
	return ""
}

// Is reports whether data begins as a picture does that Read reads.
func Is(data []byte) bool {
	k := kindOf(data)
	return k == kindPNG || k == kindJPEG
}

// Inspect reads the header of a picture and holds it against the bounds, without
// decoding a pixel. The errors wrap ErrTooLarge, ErrKind or ErrBroken.
func Inspect(data []byte) error {
	_, err := inspect(data)
	return err
}

// inspect is Inspect, and gives the kind.
func inspect(data []byte) (kind string, err error) {
	if len(data) > MaxBytes {
		return "", fmt.Errorf("%w: %d bytes, at most %d; take it with a lower resolution, or cut out the code", ErrTooLarge, len(data), MaxBytes)
	}
	var header image.Config
	switch kind = kindOf(data); kind {
	case kindPNG:
		header, err = png.DecodeConfig(bytes.NewReader(data))
	case kindJPEG:
		header, err = jpeg.DecodeConfig(bytes.NewReader(data))
	case "SVG", "PDF":
		return "", fmt.Errorf("%w: it is %s, which is a drawing and not a picture; export it as PNG, or scan it off the screen", ErrKind, kind)
	case "":
		return "", fmt.Errorf("%w: %d bytes of something else", ErrKind, len(data))
	default:
		return "", fmt.Errorf("%w: it is %s; save it as one of them", ErrKind, kind)
	}
	if err != nil {
		return "", fmt.Errorf("%w: the header of the %s cannot be read", ErrBroken, kind)
	}
	return kind, within(kind, header, data)
}

// within holds a header against the bounds.
func within(kind string, header image.Config, data []byte) error {
	w, h := header.Width, header.Height
	if w < 1 || h < 1 {
		return fmt.Errorf("%w: %d by %d pixels", ErrBroken, w, h)
	}
	if w > MaxSide || h > MaxSide {
		return fmt.Errorf("%w: %d by %d pixels, at most %d either way; cut out the code", ErrTooLarge, w, h, MaxSide)
	}
	if n := w * h; n > MaxPixels {
		return fmt.Errorf("%w: %d by %d pixels are %d, at most %d; cut out the code", ErrTooLarge, w, h, n, MaxPixels)
	}
	each := 5 // four for the colours, and one for the grey that is made of them
	switch header.ColorModel {
	case color.RGBA64Model, color.NRGBA64Model:
		each = 9
	case color.CMYKModel:
		each = 10 // image/jpeg has it twice for a moment
	}
	switch kind {
	case kindPNG:
		if len(data) > 28 && data[28] != 0 {
			each *= 2 // interlaced: the passes come beside the whole
		}
	case kindJPEG:
		progressive, scans := scansOf(data)
		if scans > maxScans {
			return fmt.Errorf("%w: a JPEG of more than %d scans", ErrTooLarge, maxScans)
		}
		if progressive {
			each = 20 // four bytes for each coefficient of up to four components, and the samples
		}
	}
	if n := w * h * each; n > MaxMemory {
		return fmt.Errorf("%w: %d by %d pixels of this kind take %d bytes to decode, at most %d; save it as an ordinary PNG or JPEG, or cut out the code", ErrTooLarge, w, h, n, MaxMemory)
	}
	return nil
}

// Markers of a JPEG (ITU-T T.81, table B.1).
const (
	markerSOF2 = 0xc2 // start of a progressive frame
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda // start of a scan
	markerTEM  = 0x01
	markerRST0 = 0xd0
)

// scansOf counts the scans of a JPEG, to one more than maxScans, and reports
// whether it is progressive. It walks the segments and skips what is between
// them, as image/jpeg does.
func scansOf(data []byte) (progressive bool, scans int) {
	for i := 0; i+1 < len(data) && scans <= maxScans; {
		if data[i] != 0xff {
			i++
			continue
		}
		switch m := data[i+1]; {
		case m == 0xff: // a fill byte
			i++
		case m == 0, m == markerTEM, m == markerSOI, m >= markerRST0 && m < markerRST0+8:
			i += 2
		case m == markerEOI:
			return progressive, scans
		default:
			if m == markerSOS {
				scans++
			}
			progressive = progressive || m == markerSOF2
			if i+4 > len(data) {
				return progressive, scans
			}
			i += 2 + max(int(binary.BigEndian.Uint16(data[i+2:])), 2)
		}
	}
	return progressive, scans
}
