package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
)

// gray is a picture in shades of grey, one byte for each pixel, 255 for white.
type gray struct {
	pix  []byte
	w, h int
}

func newGray(w, h int) gray { return gray{make([]byte, w*h), w, h} }

// decode turns bytes into grey, within the bounds.
func decode(data []byte) (g gray, err error) {
	kind, err := inspect(data)
	if err != nil {
		return gray{}, err
	}
	defer func() {
		if recover() != nil {
			g, err = gray{}, fmt.Errorf("%w: the %s makes its decoder fail", ErrBroken, kind)
		}
	}()
	read := png.Decode
	if kind == kindJPEG {
		read = jpeg.Decode
	}
	img, err := read(bytes.NewReader(data))
	if err != nil { // which may quote the bytes: it is not repeated
		return gray{}, fmt.Errorf("%w: the %s cannot be decoded; was it cut short?", ErrBroken, kind)
	}
	return toGray(img), nil
}

// toGray gives the luminance of an image on white paper.
func toGray(img image.Image) gray {
	b := img.Bounds()
	g := newGray(b.Dx(), b.Dy())
	switch src := img.(type) {
	case *image.Gray:
		for y := range g.h {
			copy(g.pix[y*g.w:(y+1)*g.w], src.Pix[y*src.Stride:])
		}
	case *image.YCbCr:
		for y := range g.h {
			copy(g.pix[y*g.w:(y+1)*g.w], src.Y[y*src.YStride:])
		}
	case *image.Paletted:
		var shade [256]byte
		for i, c := range src.Palette[:min(len(src.Palette), 256)] {
			r, gr, b, a := c.RGBA()
			shade[i] = onWhite(r, gr, b, a)
		}
		for y := range g.h {
			for x, i := range src.Pix[y*src.Stride:][:g.w] {
				g.pix[y*g.w+x] = shade[i]
			}
		}
	case *image.RGBA: // what image/png makes of pictures without transparency
		for y := range g.h {
			row := src.Pix[y*src.Stride:][:4*g.w]
			for x := range g.w {
				p := row[4*x : 4*x+4]
				g.pix[y*g.w+x] = byte((uint32(p[0]) + 2*uint32(p[1]) + uint32(p[2]) + 4*uint32(255-p[3])) / 4)
			}
		}
	case image.RGBA64Image: // all others of the standard library
		for y := range g.h {
			for x := range g.w {
				c := src.RGBA64At(b.Min.X+x, b.Min.Y+y)
				g.pix[y*g.w+x] = onWhite(uint32(c.R), uint32(c.G), uint32(c.B), uint32(c.A))
			}
		}
	}
	return g
}

// onWhite gives the luminance of a colour, premultiplied and of 16 bits, on
// white paper: green counts for half.
func onWhite(r, g, b, a uint32) byte {
	return byte(((r+2*g+b)/4 + 0xffff - a) >> 8)
}

// shrunk gives the picture at a smaller size, each pixel the mean of those it
// stands for.
func (g gray) shrunk(w, h int) gray {
	out := newGray(w, h)
	sums := make([]uint32, w)
	for y := range h {
		clear(sums)
		top, bottom := y*g.h/h, (y+1)*g.h/h
		for sy := top; sy < bottom; sy++ {
			row := g.pix[sy*g.w:][:g.w]
			for x := range w {
				for _, p := range row[x*g.w/w : (x+1)*g.w/w] {
					sums[x] += uint32(p)
				}
			}
		}
		for x := range w {
			n := uint32((bottom - top) * ((x+1)*g.w/w - x*g.w/w))
			out.pix[y*w+x] = byte(sums[x] / n)
		}
	}
	return out
}

// fitted gives the picture with its longer side at most so long.
func (g gray) fitted(side int) gray {
	long := max(g.w, g.h)
	if long <= side {
		return g
	}
	return g.shrunk(max(g.w*side/long, 1), max(g.h*side/long, 1))
}

// enlarged gives the picture n times as large, with steps as sharp as they were.
func (g gray) enlarged(n int) gray {
	out := newGray(g.w*n, g.h*n)
	for y := range g.h {
		row := out.pix[y*n*out.w:][:out.w]
		for x, p := range g.pix[y*g.w:][:g.w] {
			for k := range n {
				row[x*n+k] = p
			}
		}
		for k := 1; k < n; k++ {
			copy(out.pix[(y*n+k)*out.w:][:out.w], row)
		}
	}
	return out
}

// smoothed gives the picture with each pixel the weighted mean of the nine
// around it.
func (g gray) smoothed() gray {
	out := newGray(g.w, g.h)
	for y := range g.h {
		rows := [3][]byte{}
		for k := range rows {
			rows[k] = g.pix[min(max(y+k-1, 0), g.h-1)*g.w:][:g.w]
		}
		for x := range g.w {
			l, r := max(x-1, 0), min(x+1, g.w-1)
			sum := 0
			for k, row := range rows {
				weight := 1 + k&1
				sum += weight * (int(row[l]) + 2*int(row[x]) + int(row[r]))
			}
			out.pix[y*g.w+x] = byte(sum / 16)
		}
	}
	return out
}

// doubled gives the picture twice as large, with its steps smoothed.
func (g gray) doubled() gray { return g.enlarged(2).smoothed() }

// inverted swaps black and white.
func (g gray) inverted() gray {
	out := newGray(g.w, g.h)
	for i, p := range g.pix {
		out.pix[i] = 255 - p
	}
	return out
}

// framed gives the picture with a border of white, as wide as the quiet zone that
// a code needs and that a screenshot may have cut off.
func (g gray) framed(border int) gray {
	out := newGray(g.w+2*border, g.h+2*border)
	for i := range out.pix {
		out.pix[i] = 255
	}
	for y := range g.h {
		copy(out.pix[(y+border)*out.w+border:], g.pix[y*g.w:][:g.w])
	}
	return out
}
