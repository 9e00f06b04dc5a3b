package intake

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"concordat/healthcode"
	"concordat/healthcode/picture"
)

const shcDir = "../../../shared/corpus/shc/"

func file(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(shcDir + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func png(t testing.TB, text string) []byte {
	t.Helper()
	data, err := picture.PNG(text, 3)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestRead: texts, pictures and files are one list of codes, each with the places
// of what it was read from.
func TestRead(t *testing.T) {
	single := file(t, "example-00-f-qr-code-numeric-value-0.txt")
	chunks := []string{
		file(t, "example-02-f-qr-code-numeric-value-0.txt"), file(t, "example-02-f-qr-code-numeric-value-1.txt"), file(t, "example-02-f-qr-code-numeric-value-2.txt"),
	}
	card := file(t, "example-01-e-file.smart-health-card")
	shown := []Shown{
		Picture(png(t, chunks[2])),           // 0: the last chunk, in a picture
		Text("no code"),                      // 1
		Picture(png(t, single)),              // 2: a card in a picture
		Text(chunks[0]),                      // 3
		Picture([]byte("GIF89a")),            // 4: no picture
		Text(card),                           // 5: a file
		Text(chunks[1]),                      // 6
		{Texts: []string{single, "nothing"}}, // 7: a picture of two
	}
	type want struct {
		err   error
		texts []int
	}
	wants := []want{
		{nil, []int{0, 3, 6}}, {healthcode.ErrFormatUnknown, []int{1}}, {nil, []int{2}}, {healthcode.ErrPicture, []int{4}},
		{nil, []int{5}}, {nil, []int{7}}, {healthcode.ErrFormatUnknown, []int{7}},
	}
	got := Read(shown)
	if len(got) != len(wants) {
		t.Fatalf("%d readings, want %d", len(got), len(wants))
	}
	for i, w := range wants {
		r := got[i]
		if !slices.Equal(r.Texts, w.texts) || (w.err == nil) != (r.Err == nil) || !errors.Is(r.Err, w.err) {
			t.Errorf("reading %d is of %v, %v; want of %v, %v", i, r.Texts, r.Err, w.texts, w.err)
		}
		if r.Err == nil && r.Unverified.Format() != healthcode.FormatSHC {
			t.Errorf("reading %d is %s", i, r.Unverified.Format())
		}
		if r.Err != nil && !errors.Is(r.Err, healthcode.ErrUnreadable) {
			t.Errorf("reading %d: %v is not %v", i, r.Err, healthcode.ErrUnreadable)
		}
	}
	if again := Read(shown); !reflect.DeepEqual(places(got), places(again)) {
		t.Error("read twice, it differs")
	}
	if got := Read(nil); len(got) != 0 {
		t.Errorf("of nothing: %d readings", len(got))
	}
}

func places(readings []healthcode.Reading) (all [][]int) {
	for _, r := range readings {
		all = append(all, r.Texts)
	}
	return all
}

// TestFormats: no format hides another.
func TestFormats(t *testing.T) {
	formats := Formats()
	for i, a := range formats {
		for j, b := range formats {
			if i != j && strings.HasPrefix(a.Prefix(), b.Prefix()) {
				t.Errorf("%q is hidden by %q", a.Prefix(), b.Prefix())
			}
		}
	}
}
