package picture

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/hc1"
)

const corpus = "../../../shared/corpus/"

// corpusPictures gives the pictures of the corpus by their path.
func corpusPictures(t testing.TB) map[string][]byte {
	t.Helper()
	raw, err := os.ReadFile(corpus + "dcc/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var expected struct {
		PNG []string `json:"png"`
	}
	if err := json.Unmarshal(raw, &expected); err != nil {
		t.Fatal(err)
	}
	var found []string
	err = fs.WalkDir(os.DirFS(corpus+"dcc"), ".", func(name string, _ fs.DirEntry, err error) error {
		if path.Ext(name) == ".png" {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	slices.Sort(expected.PNG)
	if !slices.Equal(found, expected.PNG) || len(found) != 30 {
		t.Fatalf("the corpus has %d pictures and expected.json names %d", len(found), len(expected.PNG))
	}
	out := map[string][]byte{}
	for _, name := range found {
		if out[name], err = os.ReadFile(corpus + "dcc/" + name); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// dccCase is one JSON file of the corpus.
type dccCase struct {
	Prefix  string `json:"PREFIX"`
	Picture string `json:"2DCODE"`
}

func dccCases(t testing.TB) map[string]dccCase {
	t.Helper()
	out := map[string]dccCase{}
	err := fs.WalkDir(os.DirFS(corpus+"dcc"), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".json" || name == "expected.json" {
			return err
		}
		raw, err := os.ReadFile(corpus + "dcc/" + name)
		if err != nil {
			return err
		}
		var c dccCase
		if err := json.Unmarshal(raw, &c); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		out[name] = c
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEveryPictureOfTheCorpus is read, to one code that decodes. Those that are
// of a case of the same name show its very text, but for four.
func TestEveryPictureOfTheCorpus(t *testing.T) {
	cases := dccCases(t)
	number := regexp.MustCompile(`\d+`)
	same, other := 0, []string{}
	for name, data := range corpusPictures(t) {
		texts, err := Read(data)
		if err != nil || len(texts) != 1 {
			t.Errorf("%s: %d texts, %v", name, len(texts), err)
			continue
		}
		_, err = healthcode.Decode(texts[0], hc1.Decoder{})
		if name == "RO/png/2.png" { // a case of two vaccinations in one code, which are refused
			if !errors.Is(err, healthcode.ErrEntries) {
				t.Errorf("%s: %v, want %v", name, err, healthcode.ErrEntries)
			}
		} else if err != nil {
			t.Errorf("%s: what is in the picture is no code: %v", name, err)
		}
		for file, c := range cases {
			stem := strings.TrimSuffix(path.Base(file), ".json")
			folder, _, _ := strings.Cut(name, "/png/")
			if strings.HasPrefix(file, strings.TrimSuffix(folder, "/2DCode")+"/") && stem == number.FindString(path.Base(name)) {
				if c.Prefix == texts[0] {
					same++
				} else {
					other = append(other, name)
				}
			}
		}
	}
	slices.Sort(other)
	// Their files carry these pictures too, beside another text.
	want := []string{"ES/png/2101.png", "ES/png/2103.png", "GR/2DCode/png/3.png", "SG/png/1-booster.png"}
	if same != 22 || !slices.Equal(other, want) {
		t.Errorf("%d pictures show the text of their case, want 22; other texts in %v, want %v", same, other, want)
	}
}

// TestPicturesWithinTheCases reads the pictures that the cases carry.
func TestPicturesWithinTheCases(t *testing.T) {
	read, other := 0, []string{}
	for name, c := range dccCases(t) {
		data, err := base64.StdEncoding.DecodeString(c.Picture)
		if err != nil || !Is(data) {
			continue // most carry none
		}
		texts, err := Read(data)
		if err != nil || len(texts) != 1 {
			t.Errorf("%s: %d texts, %v", name, len(texts), err)
			continue
		}
		read++
		if texts[0] != c.Prefix {
			other = append(other, name)
		}
	}
	slices.Sort(other)
	want := []string{"ES/2DCode/raw/501.json", "ES/2DCode/raw/502.json", "ES/2DCode/raw/503.json"} // three of the issuer's slips
	if read != 75 || !slices.Equal(other, want) {
		t.Errorf("%d pictures were read, want 75; other texts than PREFIX in %v, want %v", read, other, want)
	}
}

// TestCardsOfTheCorpus: the QR codes of the SMART Health Cards examples are
// drawings, and refused as such; drawn as pixels they are read, and say what the
// text beside them says.
func TestCardsOfTheCorpus(t *testing.T) {
	files, err := fs.Glob(os.DirFS(corpus+"shc"), "*.svg")
	if err != nil || len(files) != 6 {
		t.Fatalf("%d drawings, %v", len(files), err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(corpus + "shc/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Read(raw); !errors.Is(err, ErrKind) || !strings.Contains(err.Error(), "SVG") {
			t.Errorf("%s: %v, want %v", name, err, ErrKind)
		}
		texts, err := Read(rasterised(t, raw))
		text, err2 := os.ReadFile(corpus + "shc/" + strings.NewReplacer("-g-qr-code-", "-f-qr-code-numeric-value-", ".svg", ".txt").Replace(name))
		if err != nil || err2 != nil || len(texts) != 1 || texts[0] != strings.TrimSpace(string(text)) {
			t.Errorf("%s: %d texts, %v %v", name, len(texts), err, err2)
		}
	}
}

// rasterised draws what the corpus's drawings consist of: level strokes of one
// module, "M4 4.5h7m2 0h1…".
func rasterised(t testing.TB, svg []byte) []byte {
	t.Helper()
	var drawing struct {
		ViewBox string `xml:"viewBox,attr"`
		Paths   []struct {
			Stroke string `xml:"stroke,attr"`
			D      string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal(svg, &drawing); err != nil {
		t.Fatal(err)
	}
	side := 0
	if _, err := fmt.Sscanf(drawing.ViewBox, "0 0 %d", &side); err != nil {
		t.Fatal(err)
	}
	const scale = 3
	img := image.NewGray(image.Rect(0, 0, side*scale, side*scale))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	step := regexp.MustCompile(`([Mmh])(-?[\d.]+)(?:[ ,]?(-?[\d.]+))?`)
	for _, p := range drawing.Paths {
		if p.Stroke == "" {
			continue
		}
		x, y := 0.0, 0.0
		for _, m := range step.FindAllStringSubmatch(p.D, -1) {
			a, _ := strconv.ParseFloat(m[2], 64)
			b, _ := strconv.ParseFloat(m[3], 64)
			switch m[1] {
			case "M":
				x, y = a, b
			case "m":
				x, y = x+a, y+b
			case "h":
				for py := int(y) * scale; py < (int(y)+1)*scale; py++ {
					for px := int(x) * scale; px < int(x+a)*scale; px++ {
						img.Pix[py*img.Stride+px] = 0
					}
				}
				x += a
			}
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// BenchmarkRead prints what a picture of the corpus costs: the least, the median
// and the most.
func BenchmarkRead(b *testing.B) {
	pictures := corpusPictures(b)
	b.ReportAllocs()
	var took []time.Duration
	for b.Loop() {
		took = took[:0]
		for _, data := range pictures {
			began := time.Now()
			if _, err := Read(data); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(began))
		}
	}
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(took[0]), "min-ms/picture")
	b.ReportMetric(ms(took[len(took)/2]), "median-ms/picture")
	b.ReportMetric(ms(took[len(took)-1]), "max-ms/picture")
}
