package picture

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawn gives a text as a grey picture of a QR code.
func drawn(t testing.TB, text string, scale int) gray {
	t.Helper()
	data, err := PNG(text, scale)
	if err != nil {
		t.Fatal(err)
	}
	g, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// encoded writes a grey picture as a JPEG of some quality, or a PNG for 0.
func (g gray) encoded(t testing.TB, quality int) []byte {
	t.Helper()
	img := &image.Gray{Pix: g.pix, Stride: g.w, Rect: image.Rect(0, 0, g.w, g.h)}
	var out bytes.Buffer
	var err error
	if quality == 0 {
		err = png.Encode(&out, img)
	} else {
		err = jpeg.Encode(&out, img, &jpeg.Options{Quality: quality})
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// warped gives a picture of a size whose pixels are those of g at from(x, y),
// between which it is smoothed; paper outside of it.
func (g gray) warped(w, h int, paper byte, from func(x, y float64) (float64, float64)) gray {
	out := newGray(w, h)
	at := func(x, y int) float64 {
		if x < 0 || y < 0 || x >= g.w || y >= g.h {
			return float64(paper)
		}
		return float64(g.pix[y*g.w+x])
	}
	for y := range h {
		for x := range w {
			sx, sy := from(float64(x), float64(y))
			ix, iy := int(math.Floor(sx)), int(math.Floor(sy))
			fx, fy := sx-float64(ix), sy-float64(iy)
			top := at(ix, iy)*(1-fx) + at(ix+1, iy)*fx
			low := at(ix, iy+1)*(1-fx) + at(ix+1, iy+1)*fx
			out.pix[y*w+x] = byte(top*(1-fy) + low*fy)
		}
	}
	return out
}

// turned rotates a picture, on a larger sheet of paper.
func (g gray) turned(degrees float64, paper byte) gray {
	side := int(1.5 * float64(max(g.w, g.h)))
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	c, mx, my := float64(side)/2, float64(g.w)/2, float64(g.h)/2
	return g.warped(side, side, paper, func(x, y float64) (float64, float64) {
		x, y = x-c, y-c
		return cos*x + sin*y + mx, cos*y - sin*x + my
	})
}

// tilted sees a picture from the side: the further down, the larger.
func (g gray) tilted(by float64) gray {
	w, h := float64(g.w), float64(g.h)
	return g.warped(g.w*5/4, g.h*5/4, 255, func(x, y float64) (float64, float64) {
		x, y = x-w/8, y-h/8
		depth := 1 + by*(y/h-0.5)
		return (x-w/2)/depth + w/2, (y-h/2)/depth + h/2
	})
}

// each changes every pixel.
func (g gray) each(change func(x, y int, p float64) float64) gray {
	out := newGray(g.w, g.h)
	for i, p := range g.pix {
		out.pix[i] = byte(min(max(change(i%g.w, i/g.w, float64(p)), 0), 255))
	}
	return out
}

func (g gray) blurred(times int) gray {
	for range times {
		g = g.smoothed()
	}
	return g
}

func (g gray) noisy(spread float64) gray {
	random := rand.New(rand.NewPCG(3, 4))
	return g.each(func(_, _ int, p float64) float64 { return p + random.NormFloat64()*spread })
}

// TestPhotographs reads a certificate's code as it comes off telephones and
// scanners: each line is one harm, at a strength that must be borne.
func TestPhotographs(t *testing.T) {
	texts := corpusTexts(t)
	for name, see := range map[string]func(g gray) []byte{
		"as it is":             func(g gray) []byte { return g.encoded(t, 0) },
		"upside down":          func(g gray) []byte { return g.turned(180, 255).encoded(t, 0) },
		"turned by 7°":         func(g gray) []byte { return g.turned(7, 255).encoded(t, 0) },
		"turned by 30°":        func(g gray) []byte { return g.turned(30, 255).encoded(t, 0) },
		"turned by 45°":        func(g gray) []byte { return g.turned(45, 255).encoded(t, 0) },
		"turned by 100°, gray": func(g gray) []byte { return g.turned(100, 180).encoded(t, 0) },
		"mirrored": func(g gray) []byte {
			return g.warped(g.w, g.h, 255, func(x, y float64) (float64, float64) { return float64(g.w-1) - x, y }).encoded(t, 0)
		},
		"inverted": func(g gray) []byte { return g.inverted().encoded(t, 0) },
		"no quiet zone": func(g gray) []byte {
			return g.warped(g.w-32, g.h-32, 255, func(x, y float64) (float64, float64) { return x + 16, y + 16 }).encoded(t, 0)
		},
		"seen from the side":     func(g gray) []byte { return g.tilted(0.15).encoded(t, 0) },
		"from the side, turned":  func(g gray) []byte { return g.turned(12, 255).tilted(0.12).encoded(t, 60) },
		"blurred":                func(g gray) []byte { return g.blurred(4).encoded(t, 0) },
		"noise":                  func(g gray) []byte { return g.noisy(40).encoded(t, 0) },
		"much noise":             func(g gray) []byte { return g.noisy(60).encoded(t, 0) },
		"JPEG at 10":             func(g gray) []byte { return g.encoded(t, 10) },
		"JPEG at 5, noise, blur": func(g gray) []byte { return g.blurred(1).noisy(20).encoded(t, 8) },
		"faint": func(g gray) []byte {
			return g.each(func(_, _ int, p float64) float64 { return 120 + p*40/255 }).encoded(t, 80)
		},
		"dark": func(g gray) []byte { return g.each(func(_, _ int, p float64) float64 { return p / 5 }).encoded(t, 80) },
		"a shadow over half": func(g gray) []byte {
			return g.each(func(x, _ int, p float64) float64 { return p * (1 - 0.75*float64(x)/float64(g.w)) }).encoded(t, 80)
		},
		"a glare": func(g gray) []byte {
			return g.each(func(x, y int, p float64) float64 {
				return p + 140*math.Exp(-(math.Pow(float64(x-g.w/2), 2)+math.Pow(float64(y-g.h/2), 2))/5000)
			}).encoded(t, 80)
		},
		"a stain": func(g gray) []byte {
			return g.each(func(x, y int, p float64) float64 {
				if x > g.w/2 && x < g.w/2+24 && y > g.h/2 && y < g.h/2+24 {
					return 0
				}
				return p
			}).encoded(t, 80)
		},
		"half the size":              func(g gray) []byte { return g.fitted(g.w/2).encoded(t, 0) },
		"a third more than a module": func(g gray) []byte { return g.fitted(g.w*10/27).encoded(t, 0) },
		"small in a large picture": func(g gray) []byte {
			return g.warped(3000, 2200, 200, func(x, y float64) (float64, float64) { return x - 1900, y - 1500 }).encoded(t, 70)
		},
	} {
		for i, text := range texts {
			got, err := Read(see(drawn(t, text, 4)))
			if err != nil || len(got) != 1 || got[0] != text {
				t.Errorf("%s, code %d of %d characters: %d texts, %v", name, i, len(text), len(got), err)
			}
		}
	}
}

// corpusTexts are codes of a usual and of a large size, and a card's.
func corpusTexts(t testing.TB) []string {
	t.Helper()
	cases := dccCases(t)
	return []string{cases["AT/2DCode/raw/1.json"].Prefix, cases["DE/2DCode/raw/1.json"].Prefix}
}

// TestSeveralCodesInOnePicture are all read, row by row.
func TestSeveralCodesInOnePicture(t *testing.T) {
	var texts []string
	for _, name := range []string{"AT/2DCode/raw/1.json", "DE/2DCode/raw/1.json", "SE/2DCode/raw/2.json", "PT/1.0.0/2DCode/raw/1.json", "BG/2DCode/raw/1.json", "CH/2DCode/raw/1.json"} {
		if c, ok := dccCases(t)[name]; ok {
			texts = append(texts, c.Prefix)
		}
	}
	texts = append(texts, "shc:/1/2/5676295953265460346029254077280433602870286471674522280928613331456437653141590640220306450459085643550341424541364037063665417137241236380304375622046737407532323925433443326057360106452931531270742428395038692212766728666731266342087422624537", "CHC1:ABC")
	const cell = 620
	sheet := newGray(3*cell, 3*cell)
	for i := range sheet.pix {
		sheet.pix[i] = 240
	}
	for i, text := range texts {
		g := drawn(t, text, 5-i%2)
		for y := range g.h {
			copy(sheet.pix[(i/3*cell+y)*sheet.w+i%3*cell:], g.pix[y*g.w:][:g.w])
		}
	}
	got, err := Read(sheet.encoded(t, 85))
	if err != nil || !slices.Equal(got, texts) {
		t.Errorf("%d texts of %d, in their order: %t; %v", len(got), len(texts), slices.Equal(got, texts), err)
	}
	for i, angle := range []float64{3, 11} {
		got, err := Read(sheet.turned(angle, 240).encoded(t, 85))
		for _, text := range texts {
			if err != nil || !slices.Contains(got, text) {
				t.Errorf("turned %d: %d texts of %d, %v", i, len(got), len(texts), err)
				break
			}
		}
	}
}

// TestWriteRead: what is drawn is read, whatever the text.
func TestWriteRead(t *testing.T) {
	digits := rapid.RuneFrom([]rune("0123456789"))
	prefixed := func(prefix string, of *rapid.Generator[rune], most int) *rapid.Generator[string] {
		return rapid.Map(rapid.StringOfN(of, 1, most, -1), func(rest string) string { return prefix + rest })
	}
	texts := rapid.OneOf(
		prefixed("HC1:", rapid.RuneFrom([]rune(alphanumeric)), 1500),
		prefixed("CHC1:", rapid.RuneFrom([]rune(alphanumeric)), 300),
		prefixed("shc:/", digits, 2400),
		prefixed("shc:/2/3/", digits, 2382),
		prefixed("", digits, 800),
		prefixed("", rapid.RuneFrom([]rune("aZ09 {}/:\"+=ä汉\n")), 250),
	)
	rapid.Check(t, func(r *rapid.T) {
		text := texts.Draw(r, "text")
		data, err := PNG(text, rapid.IntRange(1, 5).Draw(r, "scale"))
		if err != nil {
			r.Fatal(err)
		}
		got, err := Read(data)
		if err != nil || len(got) != 1 || got[0] != text {
			r.Fatalf("%d texts, %v", len(got), err)
		}
	})
}
