package picture

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/makiuchi-d/gozxing"
)

// Read gives the texts of all codes in a picture: at least one, none twice, in
// the order in which one reads them, row by row. Errors wrap ErrTooLarge, ErrKind,
// ErrBroken or ErrNoCode, and with each of them healthcode.ErrPicture.
func Read(data []byte) ([]string, error) {
	whole, err := decode(data)
	if err != nil {
		return nil, err
	}
	r := reader{steps: maxSteps}
	r.read(whole)
	switch {
	case len(r.found) > MaxTexts:
		return nil, fmt.Errorf("%w: more than %d codes in one picture; show them in parts", ErrTooLarge, MaxTexts)
	case len(r.found) == 0:
		return nil, fmt.Errorf("%w in %d by %d pixels; come closer, hold the code flat and in even light, and keep its white border", ErrNoCode, whole.w, whole.h)
	}
	return r.texts(), nil
}

// Sizes at which a picture is searched, by its longer side in pixels. A code in
// a photograph is found fastest, and through the noise best, where its modules
// are a few pixels; the full size is for a small code in a large picture.
const (
	leastSide = 400
	baseSide  = 1600
	halfSide  = 800
	fullSide  = 4000
)

// border is put around every picture.
const border = 16

// reader reads one picture.
type reader struct {
	steps steps
	found []symbol
}

// read tries one way after the other to see codes in the picture, in a fixed
// order, until one was found and nothing is left that looks like another, or the
// ways or the steps come to their end.
func (r *reader) read(whole gray) {
	base := whole.fitted(baseSide)
	if long := max(base.w, base.h); long < leastSide {
		base = base.enlarged((leastSide + long - 1) / long)
	}
	base = base.framed(border)
	ways := []func() (g gray, ok bool){
		func() (gray, bool) { return base, true },
		func() (gray, bool) { return base.fitted(halfSide), max(base.w, base.h) > leastSide },
		func() (gray, bool) { return base.smoothed(), true },
		func() (gray, bool) { return base.doubled(), max(base.w, base.h) <= halfSide },
		func() (gray, bool) { return whole.fitted(fullSide), max(whole.w, whole.h) > baseSide*5/4 },
		func() (gray, bool) { return base.inverted(), true },
		func() (gray, bool) { return base.fitted(leastSide), true },
	}
	for _, way := range ways {
		g, ok := way()
		if !ok {
			continue
		}
		if more := r.look(g); !more || r.steps <= 0 || len(r.found) > MaxTexts {
			return
		}
	}
}

// look searches one version of the picture, in black and white by two measures,
// and reports whether it is worth going on: nothing was found yet, or there are
// corners that are in no code.
func (r *reader) look(g gray) (more bool) {
	if g.w < 8 || g.h < 8 {
		return true
	}
	source, err := gozxing.NewPlanarYUVLuminanceSource(g.pix, g.w, g.h, 0, 0, g.w, g.h, false)
	if err != nil {
		return true
	}
	for _, measure := range []func(gozxing.LuminanceSource) gozxing.Binarizer{gozxing.NewHybridBinarizer, gozxing.NewGlobalHistgramBinarizer} {
		if !r.steps.take(3 * g.w * g.h) {
			return true
		}
		bits, err := measure(source).GetBlackMatrix()
		if err != nil {
			more = true
			continue
		}
		found, left := qrCodes(bits, &r.steps)
		if len(found) == 0 && len(r.found) == 0 {
			if s, ok := aztecCode(bits, &r.steps); ok {
				found = []symbol{s}
			}
		}
		for _, s := range found {
			if !slices.ContainsFunc(r.found, func(known symbol) bool { return known.text == s.text }) {
				r.found = append(r.found, s)
			}
		}
		if len(r.found) > 0 && !left {
			return false
		}
	}
	return true
}

// texts gives what was found row by row: what begins above the middle of the
// first of a row is in that row.
func (r *reader) texts() []string {
	top := func(s symbol) float64 { return s.y - s.high/2 }
	slices.SortStableFunc(r.found, func(a, b symbol) int { return cmp.Compare(top(a), top(b)) })
	var out []string
	for rest := r.found; len(rest) > 0; {
		n := 1
		for n < len(rest) && top(rest[n]) < rest[0].y {
			n++
		}
		row := rest[:n]
		slices.SortStableFunc(row, func(a, b symbol) int { return cmp.Compare(a.x, b.x) })
		for _, s := range row {
			out = append(out, s.text)
		}
		rest = rest[n:]
	}
	return out
}
