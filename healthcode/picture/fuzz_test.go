package picture

import (
	"errors"
	"testing"
	"unicode/utf8"

	"concordat/healthcode"
)

// FuzzRead: whatever the bytes, Read comes back with texts or with one of its
// errors, which say nothing of what is in the picture.
func FuzzRead(f *testing.F) {
	for _, data := range corpusPictures(f) {
		if len(data) < 2500 {
			f.Add(data)
			f.Add(data[:len(data)*3/4])
		}
	}
	for _, text := range []string{"HC1:ABC", "shc:/5676", "A"} {
		for _, scale := range []int{1, 3} {
			data, err := PNG(text, scale)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
			f.Add(drawn(f, text, scale).encoded(f, 40))
		}
	}
	for _, data := range hostile(f, 96, 96) {
		f.Add(data)
	}
	f.Add(pngHeader(65535, 65535, 8, 2, 0))
	f.Add([]byte("\xff\xd8\xff\xda"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return // more finds nothing that less does not
		}
		texts, err := Read(data)
		if err != nil {
			if !errors.Is(err, healthcode.ErrPicture) || len(texts) > 0 {
				t.Fatalf("%d texts and %v", len(texts), err)
			}
			return
		}
		if len(texts) == 0 || len(texts) > MaxTexts {
			t.Fatalf("%d texts", len(texts))
		}
		for _, text := range texts {
			if text == "" || len(text) > 4*7089 {
				t.Fatalf("a text of %d bytes, valid UTF-8 %t", len(text), utf8.ValidString(text))
			}
		}
	})
}

// FuzzPixels is FuzzRead behind the picture formats, where their checksums keep a
// fuzzer from getting: the bytes are modules of black and white.
func FuzzPixels(f *testing.F) {
	for _, text := range []string{"HC1:ABC", "shc:/567629595326546034602925407728"} {
		m, err := matrix(text)
		if err != nil {
			f.Fatal(err)
		}
		var modules []byte
		for y := range m.GetHeight() {
			for x := range m.GetWidth() {
				modules = append(modules, byte(m.Get(x, y)))
			}
		}
		f.Add(uint8(m.GetWidth()), uint8(3), modules)
	}
	f.Fuzz(func(t *testing.T, width, scale uint8, modules []byte) {
		w := int(width)
		if w == 0 || len(modules) < w {
			return
		}
		h := min(len(modules)/w, 200)
		g := newGray(w, h)
		for i := range g.pix {
			g.pix[i] = 255 * (1 - modules[i]&1)
		}
		r := reader{steps: maxSteps}
		r.read(g.enlarged(int(scale%4) + 1))
		if r.steps < -50_000_000 {
			t.Fatalf("%d steps over the bound", -r.steps)
		}
	})
}
