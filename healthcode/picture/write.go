package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"

	"github.com/makiuchi-d/gozxing/qrcode/encoder"
)

// quiet is the white border that a QR code needs, in modules (ISO/IEC 18004, 9.1).
const quiet = 4

// MaxScale bounds the pixels for each module of a picture that is written.
const MaxScale = 64

// PNG draws a text as a QR code of black and white, scale pixels to a module,
// with its quiet zone. The same text gives the same bytes. Errors: ErrTooLong,
// and a scale that is not from 1 to MaxScale.
func PNG(text string, scale int) ([]byte, error) {
	if scale < 1 || scale > MaxScale {
		return nil, fmt.Errorf("scale is %d pixels a module, want 1 to %d", scale, MaxScale)
	}
	m, err := matrix(text)
	if err != nil {
		return nil, err
	}
	side := (m.GetWidth() + 2*quiet) * scale
	img := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range m.GetHeight() {
		top := img.Pix[(y+quiet)*scale*img.Stride:]
		for x := range m.GetWidth() {
			if m.Get(x, y) == 1 {
				for i := range scale {
					top[(x+quiet)*scale+i] = 1
				}
			}
		}
		for i := 1; i < scale; i++ {
			copy(top[i*img.Stride:(i+1)*img.Stride], top)
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, img); err != nil {
		return nil, fmt.Errorf("writing the PNG: %w", err)
	}
	return out.Bytes(), nil
}

// SVG draws a text as a QR code of any size, with its quiet zone: one path of
// black on white, one unit to a module. The same text gives the same bytes.
func SVG(text string) ([]byte, error) {
	m, err := matrix(text)
	if err != nil {
		return nil, err
	}
	side := m.GetWidth() + 2*quiet
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`, side, side)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#fff"/><path fill="#000" d="`, side, side)
	for y := range m.GetHeight() {
		for x := 0; x < m.GetWidth(); x++ {
			n := 0
			for x+n < m.GetWidth() && m.Get(x+n, y) == 1 {
				n++
			}
			if n > 0 {
				fmt.Fprintf(&out, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, n, n)
				x += n
			}
		}
	}
	out.WriteString("\"/></svg>\n")
	return out.Bytes(), nil
}

// matrix lays a text out as a QR code, with the mask that gives the fewest
// patterns that a reader could mistake.
func matrix(text string) (*encoder.ByteMatrix, error) {
	p, err := planFor(text)
	if err != nil {
		return nil, err
	}
	words, err := p.codewords()
	if err != nil {
		return nil, err
	}
	side := p.version.GetDimensionForVersion()
	m := encoder.NewByteMatrix(side, side)
	best, least := 0, math.MaxInt
	for mask := range encoder.QRCode_NUM_MASK_PATERNS {
		if err := encoder.MatrixUtil_buildMatrix(words, p.level, p.version, mask, m); err != nil {
			return nil, fmt.Errorf("QR code with mask %d: %w", mask, err)
		}
		penalty := encoder.MaskUtil_applyMaskPenaltyRule1(m) + encoder.MaskUtil_applyMaskPenaltyRule2(m) +
			encoder.MaskUtil_applyMaskPenaltyRule3(m) + encoder.MaskUtil_applyMaskPenaltyRule4(m)
		if penalty < least {
			best, least = mask, penalty
		}
	}
	if err := encoder.MatrixUtil_buildMatrix(words, p.level, p.version, best, m); err != nil {
		return nil, fmt.Errorf("QR code with mask %d: %w", best, err)
	}
	return m, nil
}
