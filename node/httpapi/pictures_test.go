package httpapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/healthcode/picture"
)

const corpus = "../../../shared/corpus/dcc"

// drawn gives a text as a picture of a QR code.
func drawn(t testing.TB, text string) []byte {
	t.Helper()
	data, err := picture.PNG(text, 2)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// postForm checks with a form of parts: name and bytes in turns.
func postForm(t testing.TB, parts ...any) answer {
	t.Helper()
	body, contentType := form(t, parts...)
	return ask(t, http.MethodPost, "/v1/check", bytes.NewReader(body), "Content-Type", contentType)
}

// TestEveryPictureOfTheCorpus is read over HTTP, and judged as its text is.
func TestEveryPictureOfTheCorpus(t *testing.T) {
	genuine := []string{"AT/png/1.png", "AT/png/2.png", "DE/2DCode/png/1.png", "DE/2DCode/png/3.png", "CH/png/1.png", "CH/png/3.png"}
	for _, name := range []string{"AT-1", "DE-1", "CH-1"} {
		registered(t, name)
	}
	at := []byte(clock.Format(time.RFC3339))
	read := 0
	err := fs.WalkDir(os.DirFS(corpus), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".png" {
			return err
		}
		data, err := os.ReadFile(path.Join(corpus, name))
		if err != nil {
			return err
		}
		read++
		var c client.CheckAnswer
		postForm(t, "picture", data, "at", at).into(t, http.StatusOK, &c)
		for _, r := range c.Reasons {
			if r.Detail == "picture-unreadable" || r.Detail == "format-unknown" {
				t.Errorf("%s: %s", name, r.Detail)
			}
		}
		if len(c.Codes) != 1 || slices.Contains(genuine, name) && c.Decision.Decision != "recognized" {
			t.Errorf("%s: %d codes, %s: %s", name, len(c.Codes), c.Decision.Decision, names(c))
		}
		return nil
	})
	if err != nil || read != 30 {
		t.Errorf("%d pictures, %v; want 30", read, err)
	}
}

func TestCheckWithPictures(t *testing.T) {
	at1, at3 := registered(t, "AT-1"), registered(t, "AT-3") // one person's
	at := []byte(clock.Format(time.RFC3339))
	whole, err := json.Marshal(client.Check{Codes: []string{at3.Text}, At: &clock})
	if err != nil {
		t.Fatal(err)
	}
	cards := "../../../shared/corpus/shc/example-02-f-qr-code-numeric-value-"
	chunk := func(i int) []byte {
		b, err := os.ReadFile(fmt.Sprintf("%s%d.txt", cards, i))
		if err != nil {
			t.Fatal(err)
		}
		return bytes.TrimSpace(b)
	}
	for _, c := range []struct {
		name    string
		parts   []any
		outcome string
		places  string // of each code
	}{
		{"one", []any{"picture", drawn(t, at1.Text), "at", at}, "recognized", "[]"},
		{"two", []any{"picture", drawn(t, at1.Text), "at", at, "picture", drawn(t, at3.Text)}, "recognized", "[][]"},
		{"beside a text", []any{"picture", drawn(t, at1.Text), "codes", []byte(at3.Text), "region", []byte("xa"), "at", at}, "recognized", "[][]"},
		{"with the whole check", []any{"check", whole, "picture", drawn(t, at1.Text)}, "recognized", "[][]"},
		{"no picture", []any{"codes", []byte(at3.Text), "at", at, "consistency", []byte("linearizable"), "maxAge", []byte("60s")}, "recognized", "[]"},
		{"itinerary", []any{"picture", drawn(t, at1.Text), "at", at, "itinerary", []byte(`[{"area":"FR-75","from":"2021-08-01T00:00:00Z","to":"2021-08-02T00:00:00Z"}]`)}, "recognized", "[]"},
		{"one without a code", []any{"picture", drawn(t, at1.Text), "picture", blank(t), "at", at}, "refused", "[][]"},
		{"a card over pictures and texts", []any{"picture", drawn(t, string(chunk(2))), "codes", chunk(0), "codes", chunk(1), "at", at}, "refused", "[0 1 2]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got client.CheckAnswer
			postForm(t, c.parts...).into(t, http.StatusOK, &got)
			places := ""
			for _, code := range got.Codes {
				places += fmt.Sprint(code.Texts)
			}
			if string(got.Decision.Decision) != c.outcome || places != c.places {
				t.Errorf("%s, codes of %s: %s; want %s, of %s", got.Decision.Decision, places, names(got), c.outcome, c.places)
			}
		})
	}
	t.Run("no code in it", func(t *testing.T) {
		var got client.CheckAnswer
		postForm(t, "picture", blank(t)).into(t, http.StatusOK, &got)
		if got.Decision.Decision != "refused" || len(got.Reasons) == 0 || got.Reasons[0].Name != "code-unreadable" || got.Reasons[0].Detail != "picture-unreadable" {
			t.Errorf("%s: %+v", got.Decision.Decision, got.Reasons)
		}
	})
	t.Run("as the body", func(t *testing.T) {
		var got client.CheckAnswer
		ask(t, http.MethodPost, "/v1/check?region=XA&at="+url.QueryEscape(string(at)), bytes.NewReader(drawn(t, at1.Text)), "Content-Type", "image/png").into(t, http.StatusOK, &got)
		if got.Decision.Decision != "recognized" {
			t.Errorf("%s: %s", got.Decision.Decision, names(got))
		}
	})
	t.Run("by the client", func(t *testing.T) {
		c, err := client.New([]string{network.URL(region)})
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Check(t.Context(), client.Check{Codes: []string{at3.Text}, Pictures: [][]byte{drawn(t, at1.Text)}, At: &clock, Language: "de"})
		if err != nil || got.Decision.Decision != "recognized" || len(got.Codes) != 2 {
			t.Errorf("%s, %d codes, %v", got.Decision.Decision, len(got.Codes), err)
		}
	})
	t.Run("arrival", func(t *testing.T) {
		if got := check(t, client.Check{Codes: []string{at1.Text}, At: &clock, Arrival: "XA-1"}); got.Decision.Decision != "recognized" {
			t.Errorf("%s: %s", got.Decision.Decision, names(got))
		}
		postCheck(t, client.Check{Codes: []string{at1.Text}, Arrival: "FR"}).failure(t, 400, client.BadRequest)
		postCheck(t, client.Check{Codes: []string{at1.Text}, Arrival: "!"}).failure(t, 400, client.BadRequest)
	})
	t.Run("nothing is logged, and all are counted", func(t *testing.T) {
		log := network.Log(region).String()
		for _, text := range []string{at1.Text, at3.Text} {
			if strings.Contains(log, text[len(text)/2:len(text)/2+40]) {
				t.Error("the log has a code that was in a picture")
			}
		}
		if m := get(t, "/metrics"); !strings.Contains(string(m.body), "concordat_check_pictures_total ") || strings.Contains(string(m.body), "concordat_check_pictures_total 0\n") {
			t.Error("no picture was counted")
		}
	})
}

// blank is a picture of nothing.
func blank(t testing.TB) []byte {
	t.Helper()
	data := drawn(t, "A")
	// The palette of two colours, white and black, becomes white and white. The
	// checksum of its chunk is known.
	i := bytes.Index(data, []byte("PLTE"))
	if i < 0 {
		t.Fatal("no palette")
	}
	copy(data[i+4:], "\xff\xff\xff\xff\xff\xff")
	copy(data[i+10:], crc(data[i:i+10]))
	return data
}

func TestCheckRefusesPictures(t *testing.T) {
	code := drawn(t, "HC1:SECRET")
	bomb := slices.Clone(code)
	copy(bomb[16:24], "\x00\x00\xff\xff\x00\x00\xff\xff") // 65535 by 65535 pixels
	copy(bomb[29:33], crc(bomb[12:29]))
	many := []any{"picture", code, "picture", code, "picture", code, "picture", code, "picture", code}
	for _, c := range []struct {
		name    string
		parts   []any
		status  int
		failure string
		says    string
	}{
		{"a bomb", []any{"picture", bomb}, 413, client.PictureTooLarge, "65535 by 65535"},
		{"too many bytes", []any{"picture", make([]byte, picture.MaxBytes+1)}, 413, client.PictureTooLarge, "8388608 bytes"},
		{"too many bytes of text", []any{"codes", bytes.Repeat([]byte("A"), 300<<10)}, 413, client.TooLarge, "262144 bytes"},
		{"too many pictures", many, 400, client.BadRequest, "4 pictures"},
		{"too many codes", slices.Concat(many[:6], repeat("codes", []byte("HC1:X"), 14)), 400, client.BadRequest, "17 codes"},
		{"very many codes", repeat("codes", []byte{}, 40), 400, client.BadRequest, "16 codes"},
		{"a GIF", []any{"picture", []byte("GIF89aSECRET")}, 415, client.WrongContentType, "GIF"},
		{"a drawing", []any{"picture", []byte("<svg>SECRET</svg>")}, 415, client.WrongContentType, "SVG"},
		{"no picture", []any{"picture", []byte("HC1:SECRET")}, 415, client.WrongContentType, "picture 0"},
		{"an empty picture", []any{"picture", code, "picture", []byte{}}, 415, client.WrongContentType, "picture 1"},
		{"nothing", []any{}, 400, client.BadRequest, "no code"},
		{"no code", []any{"region", []byte("XA")}, 400, client.BadRequest, "no code"},
		{"an unknown field", []any{"picture", code, "SECRET", []byte("x")}, 400, client.BadRequest, "not known"},
		{"a field twice", []any{"picture", code, "region", []byte("XA"), "region", []byte("XA")}, 400, client.BadRequest, "region comes twice"},
		{"the check twice", []any{"check", []byte("{}"), "check", []byte("{}")}, 400, client.BadRequest, "twice"},
		{"the check and fields", []any{"check", []byte("{}"), "region", []byte("XA")}, 400, client.BadRequest, "one or the other"},
		{"a check that is none", []any{"check", []byte(`{"codes":"SECRET"}`), "picture", code}, 400, client.BadRequest, "field codes"},
		{"no time", []any{"picture", code, "at", []byte("SECRET")}, 400, client.BadRequest, "RFC 3339"},
		{"no itinerary", []any{"picture", code, "itinerary", []byte("SECRET")}, 400, client.BadRequest, "not JSON"},
		{"a strange itinerary", []any{"picture", code, "itinerary", []byte(`{"SECRET":1}`)}, 400, client.BadRequest, "itinerary"},
		{"an unknown region", []any{"picture", code, "region", []byte("XQ")}, 400, client.UnknownRegion, "XQ"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := postForm(t, c.parts...)
			f := a.failure(t, c.status, c.failure)
			if !strings.Contains(f.Message, c.says) || f.Hint == "" {
				t.Errorf("it says %q (hint %q), want something of %q", f.Message, f.Hint, c.says)
			}
			if len(a.body) > 1024 || strings.Contains(string(a.body), "SECRET") {
				t.Errorf("the answer quotes the form: %s", a.body)
			}
		})
	}
	body, contentType := form(t, "picture", code)
	for name, c := range map[string]struct {
		path, contentType string
		body              []byte
		status            int
		failure           string
	}{
		"cut in a part":        {"", contentType, body[:len(body)/2], 400, client.BadRequest},
		"cut before the end":   {"", contentType, body[:len(body)-8], 400, client.BadRequest},
		"another boundary":     {"", "multipart/form-data; boundary=x", body, 400, client.BadRequest},
		"no boundary":          {"", "multipart/form-data", body, 400, client.BadRequest},
		"codes in the URL":     {"?codes=HC1:SECRET", "image/png", code, 400, client.BadRequest},
		"an unknown parameter": {"?SECRET=1", "image/png", code, 400, client.BadRequest},
		"a JPEG in name only":  {"", "image/jpeg", []byte("SECRET"), 415, client.WrongContentType},
		"a large body":         {"", "image/png", make([]byte, picture.MaxBytes+1), 413, client.PictureTooLarge},
	} {
		a := ask(t, http.MethodPost, "/v1/check"+c.path, bytes.NewReader(c.body), "Content-Type", c.contentType)
		if a.failure(t, c.status, c.failure); strings.Contains(string(a.body), "SECRET") {
			t.Errorf("%s: the answer quotes the request: %s", name, a.body)
		}
	}
	var c client.CheckAnswer
	postForm(t, "picture", code[:len(code)-30]).into(t, http.StatusOK, &c)
	if c.Decision.Decision != "refused" || c.Reasons[0].Detail != "picture-unreadable" {
		t.Errorf("a picture that is cut short: %s: %s", c.Decision.Decision, names(c))
	}
}

// TestEndlessPicture: a body over the bound is not read to its end.
func TestEndlessPicture(t *testing.T) {
	conn, err := net.Dial("tcp", network.Node(region).HTTPAddress())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/check HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n", 1<<40)
	block := make([]byte, 1<<20)
	sent := 0
	for ; sent < 64; sent++ {
		if _, err := conn.Write(block); err != nil {
			break // the node has hung up
		}
	}
	if sent == 64 {
		t.Error("64 MiB were taken of a picture")
	}
}

func repeat(name string, data []byte, n int) (parts []any) {
	for range n {
		parts = append(parts, name, data)
	}
	return parts
}
