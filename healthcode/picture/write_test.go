package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing/qrcode/decoder"
)

// TestPlan: each format is written in the modes that make its code smallest, and
// with as much error correction as fits in a code that is easily read.
func TestPlan(t *testing.T) {
	q, m, l := decoder.ErrorCorrectionLevel_Q, decoder.ErrorCorrectionLevel_M, decoder.ErrorCorrectionLevel_L
	for _, c := range []struct {
		name, text string
		modes      string
		level      decoder.ErrorCorrectionLevel
		version    int
	}{
		{"HC1, short", "HC1:" + strings.Repeat("A", 400), "ALPHANUMERIC", q, 15},
		{"HC1, usual", "HC1:" + strings.Repeat("A", 700), "ALPHANUMERIC", q, 21},
		{"HC1, long", "HC1:" + strings.Repeat("A", 1000), "ALPHANUMERIC", m, 21},
		{"HC1, very long", "HC1:" + strings.Repeat("A", 1400), "ALPHANUMERIC", l, 22},
		{"HC1, over all that is easy", "HC1:" + strings.Repeat("A", 2000), "ALPHANUMERIC", l, 27},
		{"a card", "shc:/" + strings.Repeat("56", 500), "BYTE NUMERIC", q, 19},
		{"the largest card in one code", "shc:/" + strings.Repeat("56", 1195), "BYTE NUMERIC", l, 22},
		{"a chunk", "shc:/1/3/" + strings.Repeat("56", 1191), "BYTE NUMERIC", l, 22},
		{"digits", "0123456789", "NUMERIC", q, 1},
		{"others", "eyJhbGciOiJFUzI1NiJ9.1", "BYTE", q, 3},
	} {
		p, err := planFor(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var modes []string
		for _, s := range segments(c.text) {
			modes = append(modes, fmt.Sprint(s.mode))
		}
		if got := strings.Join(modes, " "); got != c.modes || p.level != c.level || p.version.GetVersionNumber() != c.version {
			t.Errorf("%s: modes %s, level %v, version %d; want %s, %v, %d", c.name, got, p.level, p.version.GetVersionNumber(), c.modes, c.level, c.version)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, text := range []string{"", strings.Repeat("A", 4297), "shc:/" + strings.Repeat("1", 7090), strings.Repeat("a", 2954)} {
		if _, err := PNG(text, 1); !errors.Is(err, ErrTooLong) {
			t.Errorf("%d characters: %v, want %v", len(text), err, ErrTooLong)
		}
		if _, err := SVG(text); !errors.Is(err, ErrTooLong) {
			t.Errorf("%d characters: %v, want %v", len(text), err, ErrTooLong)
		}
	}
	for _, text := range []string{strings.Repeat("A", 4296), strings.Repeat("1", 7089), strings.Repeat("a", 2953)} {
		if _, err := PNG(text, 1); err != nil {
			t.Errorf("the largest of %d characters: %v", len(text), err)
		}
	}
	for _, scale := range []int{0, -1, MaxScale + 1} {
		if _, err := PNG("A", scale); err == nil || !strings.Contains(err.Error(), "1 to 64") {
			t.Errorf("scale %d: %v", scale, err)
		}
	}
}

// TestSVG holds the drawing against the picture, module by module, and both to
// being the same each time.
func TestSVG(t *testing.T) {
	const text = "HC1:6BF+70790T9WJWG.FKY*4GO0"
	svg, err := SVG(text)
	if err != nil {
		t.Fatal(err)
	}
	data, err := PNG(text, 1)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := SVG(text)
	twice, _ := PNG(text, 1)
	if !bytes.Equal(svg, again) || !bytes.Equal(data, twice) {
		t.Error("drawn twice, it differs")
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	side := img.Bounds().Dx()
	if !strings.Contains(string(svg), fmt.Sprintf(`viewBox="0 0 %d %d"`, side, side)) {
		t.Errorf("the drawing is not %d modules wide: %.120s", side, svg)
	}
	black := map[[2]int]bool{}
	_, path, _ := strings.Cut(string(svg), ` d="`)
	for _, run := range strings.Split(strings.TrimSuffix(path, "z\"/></svg>\n"), "z") {
		var x, y, n, back int
		if _, err := fmt.Sscanf(run, "M%d %dh%dv1h-%d", &x, &y, &n, &back); err != nil || n != back {
			t.Fatalf("a run is %q", run)
		}
		for i := range n {
			black[[2]int{x + i, y}] = true
		}
	}
	for y := range side {
		for x := range side {
			r, _, _, _ := img.At(x, y).RGBA()
			if black[[2]int{x, y}] != (r == 0) {
				t.Fatalf("module %d, %d differs", x, y)
			}
			if quietZone := min(x, y, side-1-x, side-1-y) < quiet; quietZone && r == 0 {
				t.Fatalf("module %d, %d is black, within the quiet zone", x, y)
			}
		}
	}
}
