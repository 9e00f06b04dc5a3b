package picture

import (
	"cmp"
	"math"
	"slices"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode/detector"
)

// Bounds on the search for one picture's QR codes. gozxing has a finder too, and
// one for several codes. They are not used: they compare every three patterns
// that look like corners, however many there are, and walk a whole column for
// each, so that a picture of stripes or of many squares keeps them busy for hours.
const (
	maxCorners = 512 // patterns that look like a code's corner, before the search is given up
	maxTrusted = 72  // of these, the ones most often seen, from which codes are made
	maxTries   = 192 // threes of them that are sampled as a code
)

// corner is a pattern that looks like the square in three of a QR code's corners:
// black, white, black, white and black in proportions of 1:1:3:1:1 in every
// direction.
type corner struct {
	x, y   float64 // its middle
	module float64 // the side of one module of the code, in pixels
	seen   int     // rows that it was found in
}

// trust is how much of the rows in which the pattern should have been seen have
// shown it: about 1 for a real one.
func (c corner) trust(step int) float64 { return float64(c.seen*step) / (3 * c.module) }

// finder looks for the corners in one picture of black and white.
type finder struct {
	bits    *gozxing.BitMatrix
	steps   *steps
	corners []corner
}

// steps counts down the work that may be done on a picture.
type steps int

// take notes n steps, and reports whether there are any left.
func (s *steps) take(n int) bool {
	*s -= steps(n)
	return *s > 0
}

// rowStep is the distance of the rows that are searched: the middle of a corner
// is three modules high, so that one of a pixel and a half a module is met twice.
const rowStep = 2

// search goes through the rows.
func (f *finder) search() {
	w, h := f.bits.GetWidth(), f.bits.GetHeight()
	for y := rowStep / 2; y < h; y += rowStep {
		if !f.steps.take(w) {
			return
		}
		var runs [5]int // the newest last
		black := false
		for x := 0; x <= w; x++ {
			if now := x < w && f.bits.Get(x, y); now == black {
				runs[4]++
				continue
			}
			// The end of a run; of a black one, perhaps of a corner.
			if black && corneredStraight(runs) {
				middle := float64(x) - float64(runs[4]+runs[3]) - float64(runs[2])/2
				f.consider(int(middle), y, runs[0]+runs[1]+runs[2]+runs[3]+runs[4])
				if len(f.corners) > maxCorners {
					return
				}
			}
			copy(runs[:4], runs[1:])
			runs[4] = 1
			black = !black
		}
	}
}

// consider looks at what crosses a point that may be the middle of a corner, and
// keeps it if it is one. width is that of the five runs along the row.
func (f *finder) consider(x, y, width int) {
	down, dy, ok := f.cross(x, y, 0, 1, width)
	if !ok || !corneredStraight(down) || !alike(sum(down), width) {
		return
	}
	middleY := float64(y) + dy
	along, dx, ok := f.cross(x, int(middleY), 1, 0, width)
	if !ok || !corneredStraight(along) || !alike(sum(along), width) {
		return
	}
	middleX := float64(x) + dx
	slant, _, ok := f.cross(int(middleX), int(middleY), 1, 1, width)
	if !ok || !cornered(slant, 0.75) {
		return
	}
	c := corner{middleX, middleY, float64(sum(along)+sum(down)) / 14, 1}
	for i := range f.corners {
		known := &f.corners[i]
		if math.Abs(known.x-c.x) > c.module || math.Abs(known.y-c.y) > c.module || math.Abs(known.module-c.module) > max(1, known.module) {
			continue
		}
		n := float64(known.seen)
		*known = corner{(known.x*n + c.x) / (n + 1), (known.y*n + c.y) / (n + 1), (known.module*n + c.module) / (n + 1), known.seen + 1}
		return
	}
	f.steps.take(len(f.corners))
	f.corners = append(f.corners, c)
}

// cross measures five runs around a black point, along a direction, and gives
// how far the middle of the third is from the point. A run that goes on for
// longer than all five should be ends the matter; outside all is white.
func (f *finder) cross(x, y, dx, dy, limit int) (runs [5]int, off float64, ok bool) {
	run := func(from, sign int, black bool) int {
		n := 0
		for n <= limit && f.bits.Get(x+sign*(from+n)*dx, y+sign*(from+n)*dy) == black {
			n++
		}
		return n
	}
	back := run(0, -1, true) // the point itself among them
	if back == 0 {
		return runs, 0, false
	}
	runs[1] = run(back, -1, false)
	runs[0] = run(back+runs[1], -1, true)
	ahead := run(1, 1, true)
	runs[3] = run(1+ahead, 1, false)
	runs[4] = run(1+ahead+runs[3], 1, true)
	runs[2] = back + ahead
	f.steps.take(sum(runs))
	for _, n := range runs {
		if n > limit {
			return runs, 0, false
		}
	}
	return runs, float64(ahead-back+1)/2 + 0.5, true
}

func sum(runs [5]int) int { return runs[0] + runs[1] + runs[2] + runs[3] + runs[4] }

// alike reports whether two widths differ by less than two fifths: along a row
// and down a column a corner that is seen from the side is not square.
func alike(a, b int) bool { return 5*max(a-b, b-a) < 2*b }

func corneredStraight(runs [5]int) bool { return cornered(runs, 0.5) }

// cornered reports whether five runs are in the proportions 1:1:3:1:1, each
// within so much of a module.
func cornered(runs [5]int, variance float64) bool {
	total := sum(runs)
	if total < 7 {
		return false
	}
	for _, n := range runs {
		if n == 0 {
			return false
		}
	}
	module := float64(total) / 7
	most := module * variance
	off := func(i int, want float64) float64 { return math.Abs(want*module - float64(runs[i])) }
	return off(0, 1) < most && off(1, 1) < most && off(2, 3) < 3*most && off(3, 1) < most && off(4, 1) < most
}

// three are corners that may be those of one code, and by how much they are off
// the corners of a square.
type three struct {
	at  [3]int // places among the corners
	off float64
}

// threes gives what may be codes among the most trusted corners, the likeliest
// first.
func (f *finder) threes() []three {
	slices.SortStableFunc(f.corners, func(a, b corner) int { return cmp.Compare(b.trust(rowStep), a.trust(rowStep)) })
	cs := f.corners[:min(len(f.corners), maxTrusted)]
	f.steps.take(len(cs) * len(cs) * len(cs) / 6)
	var out []three
	for i := range cs {
		for j := i + 1; j < len(cs); j++ {
			if !sized(cs[i], cs[j]) {
				continue
			}
			for k := j + 1; k < len(cs); k++ {
				if !sized(cs[i], cs[k]) || !sized(cs[j], cs[k]) {
					continue
				}
				if off, ok := squareness(cs[i], cs[j], cs[k]); ok {
					out = append(out, three{[3]int{i, j, k}, off})
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b three) int { return cmp.Compare(a.off, b.off) })
	return out
}

// sized reports whether two corners may be of one code by their size.
func sized(a, b corner) bool {
	return max(a.module, b.module) <= 1.6*min(a.module, b.module)
}

// Modules between the middles of two corners, of the smallest and the largest
// code, with room for corners that are measured badly.
const (
	leastApart = 14 * 0.75
	mostApart  = 170 * 1.25
)

// squareness tells by how much three corners are off two legs of the same length
// with a right angle between them: 0 for not at all, and not ok where they are
// no code's, by that or by their distance.
func squareness(a, b, c corner) (off float64, ok bool) {
	distance := func(p, q corner) float64 { return math.Hypot(p.x-q.x, p.y-q.y) }
	sides := []float64{distance(a, b), distance(b, c), distance(a, c)}
	slices.Sort(sides)
	module := (a.module + b.module + c.module) / 3
	if n := sides[0] / module; n < leastApart {
		return 0, false
	}
	if n := sides[1] / module; n > mostApart {
		return 0, false
	}
	legs := sides[1]/sides[0] - 1
	angle := math.Abs(sides[2]/math.Hypot(sides[0], sides[1]) - 1)
	sizes := max(a.module, b.module, c.module)/min(a.module, b.module, c.module) - 1
	return legs + 2*angle + sizes/4, legs < 0.5 && angle < 0.25
}

// pattern is a corner as gozxing knows it.
func (c corner) pattern() *detector.FinderPattern {
	return detector.NewFinderPattern(c.x, c.y, c.module, c.seen)
}
