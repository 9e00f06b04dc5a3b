package httpapi

import (
	"io"
	"mime/multipart"
	"strings"
	"testing"

	"concordat/client"
)

// counting counts what is read of it.
type counting struct {
	in io.Reader
	n  int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += n
	return n, err
}

// TestManyPartsAreNotRead: of a form whose parts cost their sender next to nothing,
// no more is read than a question may have.
func TestManyPartsAreNotRead(t *testing.T) {
	part := func(header, data string) string {
		return "--x\r\nContent-Disposition: form-data; name=" + header + "\r\n\r\n" + data + "\r\n"
	}
	a := &api{maxBody: DefaultCheckBytes, maxPictures: 4}
	for name, c := range map[string]struct {
		body    string
		failure string
		most    int // bytes that may be read of it
	}{
		"empty codes":         {strings.Repeat(part("codes", ""), 400_000), client.BadRequest, 16 << 10},
		"empty fields":        {strings.Repeat(part("region", ""), 100_000), client.BadRequest, 16 << 10},
		"parts without names": {strings.Repeat(part(`""`, ""), 100_000), client.BadRequest, 16 << 10},
		"empty pictures":      {strings.Repeat(part("picture", ""), 100_000), client.BadRequest, 16 << 10},
		"headers":             {strings.Repeat(part("codes\r\nX: "+strings.Repeat("y", 4<<10), ""), 1_000), client.TooLarge, 64 << 10},
		"headers of pictures": {strings.Repeat(part("picture\r\nX: "+strings.Repeat("y", 9<<10), ""), 1_000), client.TooLarge, 64 << 10},
		"one header":          {part("codes\r\nX: "+strings.Repeat("y", 1<<20), ""), client.TooLarge, 2 << 20},
		"codes":               {strings.Repeat(part("codes", strings.Repeat("A", 100<<10)), 100), client.TooLarge, 512 << 10},
		"values of a field":   {part("itinerary", "["+strings.Repeat("{},", 80_000)+"{}]"), client.BadRequest, 1 << 20},
		"values of a check":   {part("check", `{"codes":[`+strings.Repeat(`"",`, 80_000)+`""]}`), client.BadRequest, 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			body := &counting{in: strings.NewReader(c.body + "--x--\r\n")}
			_, err := a.readCheckForm(multipart.NewReader(body, "x"))
			if err == nil || asFailure(err).Name != c.failure || body.n > c.most {
				t.Errorf("after %d bytes, of at most %d: %v, want %s", body.n, c.most, err, c.failure)
			}
		})
	}
}

// TestManyValuesAreNotRead: a body of JSON that would take much more in memory
// than it has bytes is not read to its end. What is in a string is no value.
func TestManyValuesAreNotRead(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		fits bool
	}{
		"codes":              {`{"codes":[` + strings.Repeat(`"",`, 80_000) + `""]}`, false},
		"stays":              {`{"itinerary":[` + strings.Repeat(`{},`, 80_000) + `{}]}`, false},
		"what is not known":  {`{"x":[` + strings.Repeat(`1,`, 80_000) + `1]}`, false},
		"after a quote":      {`{"region":"\\","codes":[` + strings.Repeat(`"\"",`, 80_000) + `""]}`, false},
		"a text with commas": {`{"codes":["` + strings.Repeat(`,\",\\`, 20_000) + `"]}`, true},
		"the largest":        {`{"codes":["x"],"itinerary":[` + strings.Repeat(`{"area":"DE","from":"2021-01-01T00:00:00Z","to":"2021-01-01T00:00:00Z"},`, 255) + `{"area":"DE"}]}`, true},
	} {
		body := &counting{in: strings.NewReader(c.body)}
		var q client.Check
		err := decodeStrictly(body, &q)
		if c.fits != (err == nil) || !c.fits && (body.n > 64<<10 || !strings.Contains(err.Error(), "more values")) {
			t.Errorf("%s: %v after %d bytes", name, err, body.n)
		}
	}
}
