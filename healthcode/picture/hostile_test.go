package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"concordat/healthcode"
)

// painted makes a grey PNG of what shade says of each pixel.
func painted(t testing.TB, w, h int, shade func(x, y int) byte) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Pix[y*img.Stride+x] = shade(x, y)
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// cornerAt draws the pattern of a QR code's corner, of m pixels a module, in every
// cell of so many modules.
func cornerAt(x, y, m, cell int) byte {
	x, y = x/m%cell, y/m%cell
	if x > 6 || y > 6 {
		return 255
	}
	if x == 0 || x == 6 || y == 0 || y == 6 || x > 1 && x < 5 && y > 1 && y < 5 {
		return 0
	}
	return 255
}

// hostile are pictures that were made to keep a reader busy, each by another part of it.
func hostile(t testing.TB, w, h int) map[string][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	stripe := func(i int) byte { return cornerAt(i, 0, 3, 8) }
	bigStripe := func(i int) byte { return [8]byte{0, 255, 0, 0, 0, 255, 0, 255}[i/2%8] }
	return map[string][]byte{
		"white":             painted(t, w, h, func(int, int) byte { return 255 }),
		"black":             painted(t, w, h, func(int, int) byte { return 0 }),
		"noise":             painted(t, w, h, func(int, int) byte { return byte(random.Uint32()) }),
		"salt and pepper":   painted(t, w, h, func(int, int) byte { return byte(-(random.Uint32() & 1)) }),
		"checkerboard":      painted(t, w, h, func(x, y int) byte { return byte(-((x + y) & 1)) }),
		"upright stripes":   painted(t, w, h, func(x, _ int) byte { return bigStripe(x) }),
		"level stripes":     painted(t, w, h, func(_, y int) byte { return bigStripe(y) }),
		"solid stripes":     painted(t, w, h, func(x, _ int) byte { return stripe(x) }),
		"slanting stripes":  painted(t, w, h, func(x, y int) byte { return bigStripe(x + y) }),
		"gradient":          painted(t, w, h, func(x, y int) byte { return byte((x + y) / 8) }),
		"tiny corners":      painted(t, w, h, func(x, y int) byte { return cornerAt(x, y, 2, 8) }),
		"small corners":     painted(t, w, h, func(x, y int) byte { return cornerAt(x, y, 6, 8) }),
		"corners in a grid": painted(t, w, h, func(x, y int) byte { return cornerAt(x, y, 8, 15) }),
		"large corners":     painted(t, w, h, func(x, y int) byte { return cornerAt(x, y, 20, 8) }),
		"huge corners":      painted(t, w, h, func(x, y int) byte { return cornerAt(x, y, 60, 8) }),
		"corners on noise": painted(t, w, h, func(x, y int) byte {
			if x/12%20 > 7 || y/12%20 > 7 {
				return byte(-(random.Uint32() & 1))
			}
			return cornerAt(x, y, 12, 20)
		}),
		"rings": painted(t, w, h, func(x, y int) byte { return bigStripe(max(x-w/2, w/2-x, y-h/2, h/2-y)) }),
	}
}

// TestHostilePictures: none is read, none takes long.
func TestHostilePictures(t *testing.T) {
	worst, worstName := time.Duration(0), ""
	for name, data := range hostile(t, 700, 700) {
		began := time.Now()
		texts, err := Read(data)
		took := time.Since(began)
		if !errors.Is(err, ErrNoCode) || !errors.Is(err, healthcode.ErrUnreadable) || healthcode.Name(err) != "picture-unreadable" {
			t.Errorf("%s: %d texts, %v; want %v", name, len(texts), err, ErrNoCode)
		}
		if took > worst {
			worst, worstName = took, name
		}
		t.Logf("%-18s %v", name, took.Round(time.Millisecond))
	}
	t.Logf("slowest: %s, %v", worstName, worst)
}

// chunk writes a chunk of a PNG.
func chunk(kind string, data []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	out = append(append(out, kind...), data...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

// pngHeader is the beginning of a PNG that claims a size.
func pngHeader(w, h uint32, depth, colour, interlaced byte) []byte {
	ihdr := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	ihdr = append(ihdr, depth, colour, 0, 0, interlaced)
	return append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", ihdr)...)
}

// TestBounds: what is over a bound is refused by its header, without a pixel
// being decoded.
func TestBounds(t *testing.T) {
	plain := painted(t, 64, 64, func(x, y int) byte { return cornerAt(x, y, 1, 8) })
	var baseline bytes.Buffer
	if err := jpeg.Encode(&baseline, image.NewGray(image.Rect(0, 0, 32, 32)), nil); err != nil {
		t.Fatal(err)
	}
	scan := bytes.Index(baseline.Bytes(), []byte{0xff, markerSOS})
	scans := bytes.Repeat(baseline.Bytes()[scan:baseline.Len()-2], maxScans+1)
	manyScans := append(append([]byte{}, baseline.Bytes()[:scan]...), scans...)
	progressive := append([]byte{}, baseline.Bytes()...)
	frame := bytes.Index(progressive, []byte{0xff, 0xc0})
	progressive[frame+1] = markerSOF2
	binary.BigEndian.PutUint16(progressive[frame+5:], 3000)
	binary.BigEndian.PutUint16(progressive[frame+7:], 4000)
	for _, c := range []struct {
		name string
		data []byte
		want error
		says string
	}{
		{"65535 by 65535", pngHeader(65535, 65535, 8, 2, 0), ErrTooLarge, "65535 by 65535"},
		{"2³¹−1 by 2³¹−1", pngHeader(1<<31-1, 1<<31-1, 8, 2, 0), ErrBroken, ""},
		{"long and thin", pngHeader(MaxSide+1, 1, 8, 0, 0), ErrTooLarge, "at most 12000"},
		{"26 megapixels", pngHeader(5100, 5100, 8, 2, 0), ErrTooLarge, "at most 25165824"},
		{"24 megapixels of 16 bits", pngHeader(4800, 4800, 16, 6, 0), ErrTooLarge, "to decode"},
		{"24 megapixels interlaced", pngHeader(4800, 4800, 8, 6, 1), ErrTooLarge, "to decode"},
		{"12 megapixels progressive", progressive, ErrTooLarge, "to decode"},
		{"many scans", manyScans, ErrTooLarge, "scans"},
		{"too many bytes", make([]byte, MaxBytes+1), ErrTooLarge, "8388609 bytes"},
		{"nothing", nil, ErrKind, "0 bytes"},
		{"text", []byte("HC1:SECRET"), ErrKind, "something else"},
		{"GIF", []byte("GIF89aSECRET"), ErrKind, "GIF"},
		{"WebP", []byte("RIFF\x00\x00\x00\x00WEBPSECRET"), ErrKind, "WebP"},
		{"HEIC", []byte("\x00\x00\x00\x18ftypheic"), ErrKind, "HEIC"},
		{"PDF", []byte("%PDF-1.4"), ErrKind, "PDF"},
		{"SVG", []byte("<svg xmlns='SECRET'>"), ErrKind, "SVG"},
		{"SVG with a head", []byte("\ufeff<?xml version='1.0'?>\n<svg>"), ErrKind, "SVG"},
		{"a signature only", []byte("\x89PNG\r\n\x1a\n"), ErrBroken, "header"},
		{"half a JPEG", baseline.Bytes()[:baseline.Len()/2], ErrBroken, ""},
		{"half a PNG", plain[:len(plain)-40], ErrBroken, "cut short"},
		{"a wrong checksum", append(plain[:len(plain)-20:len(plain)-20], bytes.Repeat([]byte{7}, 20)...), ErrBroken, "cut short"},
		{"a header without pixels", pngHeader(100, 100, 8, 0, 0), ErrBroken, "cut short"},
	} {
		before := testing.AllocsPerRun(1, func() {
			texts, err := Read(c.data)
			if !errors.Is(err, c.want) || !errors.Is(err, healthcode.ErrPicture) || len(texts) > 0 {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			} else if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%s: it says %q, want something of %q", c.name, err, c.says)
			}
		})
		if before > 1000 {
			t.Errorf("%s: %v allocations", c.name, before)
		}
	}
}

// TestEveryKindOfPixel reads one code through every kind of picture that the
// decoders know.
func TestEveryKindOfPixel(t *testing.T) {
	const text = "HC1:6BF+70790T9WJWG.FKY*4GO0.O1CV2 O5 N2FBBRW1*70HS8WY04AC*WIFN0AHCD8KD97TK0F90KECTHGWJC0FDC:5AIA%G7X+AQB9746HS80:54IBQF60R6$A80X6S1BTYACG6M+9XG8KIAWNA91AY%67092L4WJCT3EHS8XJC$+DXJCCWENF6OF63W5NW6WF6%JC QE/IAYJC5LEW34U3ET7DXC9 QE-ED8%E.JCBECB1A-:8$96646AL60A60S6Q$D.UDRYA 96NF6L/5QW6307KQEPD09WEQDD+Q6TW6FA7C466KCN9E%961A6DL6FA7D46JPCT3E5JDLA7$Q6E464W5TG6..DX%DZJC6/DTZ9 QE5$CB$DA/D JC1/D3Z8WED1ECW.CCWE.Y92OAGY8MY9L+9MPCG/D5 C5IA5N9$PC5$CUZCY$5Y$527BHB6*L8ARHDJL.Q7*2T7:SCNFZN70H6*AS6+T$D9UCAD97R8NIBO+/RJVE$9PAGPTBIZEP MO-Q0:R13IURRQ5MV93M9V3X2U:NDZSF"
	one, err := PNG(text, 4)
	if err != nil {
		t.Fatal(err)
	}
	src, err := png.Decode(bytes.NewReader(one))
	if err != nil {
		t.Fatal(err)
	}
	b := src.Bounds()
	fill := func(set func(x, y int, c color.Color)) {
		for y := range b.Dy() {
			for x := range b.Dx() {
				set(x, y, src.At(x, y))
			}
		}
	}
	clear := func(c color.Color) color.Color { // black on nothing at all
		r, _, _, _ := c.RGBA()
		return color.NRGBA64{A: uint16(0xffff - r)}
	}
	gray, gray16, rgba, nrgba, nrgba64 := image.NewGray(b), image.NewGray16(b), image.NewRGBA(b), image.NewNRGBA(b), image.NewNRGBA64(b)
	fill(gray.Set)
	fill(gray16.Set)
	fill(rgba.Set)
	fill(func(x, y int, c color.Color) { nrgba.Set(x, y, clear(c)) })
	fill(func(x, y int, c color.Color) { nrgba64.Set(x, y, clear(c)) })
	for name, img := range map[string]image.Image{"paletted": src, "gray": gray, "gray 16": gray16, "rgba": rgba, "transparent": nrgba, "transparent 16": nrgba64} {
		var out bytes.Buffer
		if err := png.Encode(&out, img); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(out.Bytes()); err != nil || len(got) != 1 || got[0] != text {
			t.Errorf("PNG, %s: %d texts, %v", name, len(got), err)
		}
	}
	for name, img := range map[string]image.Image{"gray": gray, "colour": rgba} {
		var out bytes.Buffer
		if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 30}); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(out.Bytes()); err != nil || len(got) != 1 || got[0] != text {
			t.Errorf("JPEG, %s: %d texts, %v", name, len(got), err)
		}
	}
}
