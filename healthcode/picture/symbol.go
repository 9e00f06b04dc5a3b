package picture

import (
	"math"

	"github.com/makiuchi-d/gozxing"
	aztecdecoder "github.com/makiuchi-d/gozxing/aztec/decoder"
	aztecdetector "github.com/makiuchi-d/gozxing/aztec/detector"
	"github.com/makiuchi-d/gozxing/qrcode/decoder"
	"github.com/makiuchi-d/gozxing/qrcode/detector"
)

// symbol is a code that was read, and where: as shares of the picture's sides.
type symbol struct {
	text string
	x, y float64 // its middle
	high float64
}

// quietly runs what a library does with foreign bits. Its panics are answers
// too: that there is no code there.
func quietly(do func() (string, error)) (text string, ok bool) {
	defer func() {
		if recover() != nil {
			text, ok = "", false
		}
	}()
	text, err := do()
	return text, err == nil && text != ""
}

// qrCodes reads the QR codes in black and white. more tells that there are
// corners left of which no code could be made.
func qrCodes(bits *gozxing.BitMatrix, s *steps) (found []symbol, more bool) {
	f := &finder{bits: bits, steps: s}
	f.search()
	done := make([]bool, len(f.corners))
	tries := 0
	for _, t := range f.threes() {
		if done[t.at[0]] || done[t.at[1]] || done[t.at[2]] {
			continue
		}
		a, b, c := f.corners[t.at[0]], f.corners[t.at[1]], f.corners[t.at[2]]
		if tries++; tries > maxTries || len(found) > MaxTexts || !s.take(costOf(a, b, c)) {
			break
		}
		bl, tl, tr := gozxing.ResultPoint_OrderBestPatterns(a.pattern(), b.pattern(), c.pattern())
		text, ok := quietly(func() (string, error) {
			info := detector.NewFinderPatternInfo(bl.(*detector.FinderPattern), tl.(*detector.FinderPattern), tr.(*detector.FinderPattern))
			grid, err := detector.NewDetector(bits).ProcessFinderPatternInfo(info)
			if err != nil {
				return "", err
			}
			r, err := decoder.NewDecoder().Decode(grid.GetBits(), nil)
			if err != nil {
				return "", err
			}
			return r.GetText(), nil
		})
		if !ok {
			continue
		}
		found = append(found, f.symbol(text, bl, tr))
		f.settle(done, bl, tl, tr)
	}
	left := 0
	for i, c := range f.corners {
		if !done[i] && c.seen > 1 {
			left++
		}
	}
	return found, left >= 3
}

// costOf estimates the steps that one try takes: the search for the small square
// in the fourth corner, within 16 modules either way and then some, and the
// correction of errors.
func costOf(cs ...corner) int {
	module := max(cs[0].module, cs[1].module, cs[2].module)
	return int(32*module*32*module) + 200_000
}

// symbol is a code between the corners at its lower left and upper right.
func (f *finder) symbol(text string, bl, tr gozxing.ResultPoint) symbol {
	w, h := float64(f.bits.GetWidth()), float64(f.bits.GetHeight())
	return symbol{text, (bl.GetX() + tr.GetX()) / 2 / w, (bl.GetY() + tr.GetY()) / 2 / h, math.Abs(bl.GetY()-tr.GetY()) / h}
}

// settle marks the corners that are in a code that was read.
func (f *finder) settle(done []bool, bl, tl, tr gozxing.ResultPoint) {
	ux, uy := tr.GetX()-tl.GetX(), tr.GetY()-tl.GetY()
	vx, vy := bl.GetX()-tl.GetX(), bl.GetY()-tl.GetY()
	area := ux*vy - uy*vx
	const least, most = -0.1, 1.1
	for i, c := range f.corners {
		px, py := c.x-tl.GetX(), c.y-tl.GetY()
		u, v := (px*vy-py*vx)/area, (ux*py-uy*px)/area
		done[i] = done[i] || u > least && u < most && v > least && v < most
	}
}

// aztecCode reads the Aztec code around the middle of black and white.
func aztecCode(bits *gozxing.BitMatrix, s *steps) (symbol, bool) {
	for _, mirrored := range []bool{false, true} {
		if !s.take(bits.GetWidth() * bits.GetHeight() / 2) {
			break
		}
		text, ok := quietly(func() (string, error) {
			found, err := aztecdetector.NewDetector(bits).Detect(mirrored)
			if err != nil {
				return "", err
			}
			r, err := aztecdecoder.NewDecoder().Decode(found)
			if err != nil {
				return "", err
			}
			return r.GetText(), nil
		})
		if ok {
			return symbol{text: text, x: 0.5, y: 0.5, high: 1}, true
		}
	}
	return symbol{}, false
}
