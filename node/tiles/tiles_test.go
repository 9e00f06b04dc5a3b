package tiles_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"concordat/ledger/merkle"
	"concordat/node/tiles"
)

type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask asks as it says, without what a Go client adds or undoes by itself.
func ask(t testing.TB, method, url string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, body}
}

func TestCheckpoint(t *testing.T) {
	t.Parallel()
	s := serve(t, 10)
	a := ask(t, "GET", s.url+"/checkpoint")
	if a.status != 404 || !strings.Contains(string(a.body), "no checkpoint is certified yet") {
		t.Errorf("before the first: %d %q", a.status, a.body)
	}
	if a := ask(t, "GET", s.url+"/tile/0/000.p/1"); a.status != 404 {
		t.Errorf("a tile before the first checkpoint: %d", a.status)
	}
	c := s.certify(t, 10)
	for _, path := range []string{"/checkpoint", "//checkpoint", "/checkpoint/"} {
		a := ask(t, "GET", s.url+path)
		if a.status != 200 || !bytes.HasPrefix(a.body, []byte(c.Text()+"\n— ")) {
			t.Errorf("%s: %d %q", path, a.status, a.body)
		}
		if ct, cc := a.header.Get("Content-Type"), a.header.Get("Cache-Control"); ct != "text/plain; charset=utf-8" || cc != "no-cache" {
			t.Errorf("%s: content type %q, cache control %q", path, ct, cc)
		}
	}
	if a := ask(t, "HEAD", s.url+"/checkpoint"); a.status != 200 || len(a.body) != 0 || a.header.Get("Content-Length") == "" {
		t.Errorf("HEAD: %d, %d bytes, length %q", a.status, len(a.body), a.header.Get("Content-Length"))
	}
	if a := ask(t, "POST", s.url+"/checkpoint"); a.status != 405 || a.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %q", a.status, a.header.Get("Allow"))
	}
}

// TestEveryTile asks for every tile at every width, within the certified size
// and beyond it.
func TestEveryTile(t *testing.T) {
	t.Parallel()
	const size = 530
	s := serve(t, 700)
	s.certify(t, size)
	v := s.ledger.View()
	defer func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, at := range []merkle.Tile{{Index: 0}, {Index: 1}, {Index: 2}, {Index: 3}, {Level: 1}, {Level: 1, Index: 1}, {Level: 2}} {
		for width := 1; width <= merkle.TileWidth; width++ {
			a := ask(t, "GET", s.url+"/"+at.Path(width))
			if width > at.Width(size) {
				if a.status != 404 || a.header.Get("Cache-Control") != "no-cache" {
					t.Fatalf("%s is beyond the certified size, and got %d", at.Path(width), a.status)
				}
				continue
			}
			want, err := tiles.Tile(v, at, width)
			if err != nil {
				t.Fatal(err)
			}
			if a.status != 200 || !bytes.Equal(a.body, want) || len(a.body) != 32*width {
				t.Fatalf("%s: %d, %d bytes", at.Path(width), a.status, len(a.body))
			}
			if ct, cc := a.header.Get("Content-Type"), a.header.Get("Cache-Control"); ct != "application/octet-stream" || !strings.Contains(cc, "immutable") {
				t.Fatalf("%s: content type %q, cache control %q", at.Path(width), ct, cc)
			}
		}
	}
	for _, c := range []struct {
		index uint64
		width int
		ok    bool
	}{{0, 256, true}, {0, 7, true}, {1, 256, true}, {2, 18, true}, {2, 1, true}, {2, 19, false}, {2, 256, false}, {3, 1, false}} {
		path := merkle.EntriesPath(c.index, c.width)
		a := ask(t, "GET", s.url+"/"+path)
		if !c.ok {
			if a.status != 404 {
				t.Errorf("%s is beyond the certified size, and got %d", path, a.status)
			}
			continue
		}
		want, err := tiles.Entries(v, c.index, c.width)
		if err != nil {
			t.Fatal(err)
		}
		if a.status != 200 || !bytes.Equal(a.body, want) || a.header.Get("Content-Encoding") != "" || a.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %d, %d bytes, %v", path, a.status, len(a.body), a.header)
		}
	}
}

func TestGzip(t *testing.T) {
	t.Parallel()
	s := serve(t, 300)
	s.certify(t, 300)
	path := s.url + "/" + merkle.EntriesPath(0, 256)
	plain := ask(t, "GET", path)
	for accept, zipped := range map[string]bool{
		"gzip": true, "br, GZIP;q=0.5": true, "gzip; q=1": true, "identity, gzip": true,
		"gzip;q=0": false, "": false, "*": false, "br": false, "gzip;q=nonsense": false,
	} {
		a := ask(t, "GET", path, "Accept-Encoding", accept)
		if got := a.header.Get("Content-Encoding") == "gzip"; got != zipped {
			t.Errorf("Accept-Encoding %q: gzip is %v", accept, got)
			continue
		}
		body := a.body
		if zipped {
			z, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(body, plain.body) {
			t.Errorf("Accept-Encoding %q: %d bytes, want %d", accept, len(body), len(plain.body))
		}
	}
	if a := ask(t, "HEAD", path, "Accept-Encoding", "gzip"); a.status != 200 || len(a.body) != 0 {
		t.Errorf("HEAD: %d, %d bytes", a.status, len(a.body))
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	s := serve(t, 300)
	s.certify(t, 300)
	for path, want := range map[string]int{
		"/": 404, "/nothing": 404, "/checkpoints": 404, "/tile": 404,
		"/tile/0/000": 200, "/tile/0/000/": 200, "/tile/0/001.p/44": 200, "/tile/entries/001.p/44": 200,
		"/tile/0/1": 400, "/tile/0/x000/000": 400, "/tile/0/000.p/0": 400, "/tile/0/000.p/256": 400, "/tile/0/000.p/01": 400,
		"/tile/00/000": 400, "/tile/8/000": 400, "/tile/-1/000": 400, "/tile/0/": 400, "/tile/0/000//": 400, "/tile/data/000": 400,
		"/tile/entries/": 400, "/tile/entries/1": 400, "/tile/entries/000.p/": 400, "/tile/entries/..%2f000": 400,
		"/tile/0/x999/x999/999": 404, "/tile/entries/x001/000": 404, "/tile/1/000.p/2": 404, "/tile/1/000.p/1": 200,
	} {
		if a := ask(t, "GET", s.url+path); a.status != want {
			t.Errorf("%s: %d, want %d: %q", path, a.status, want, a.body)
		}
	}
}

func TestAttachments(t *testing.T) {
	t.Parallel()
	s := serve(t, 10)
	a := ask(t, "GET", s.url+"/attachment/"+hex.EncodeToString(s.batch[:]))
	if a.status != 200 || len(a.body) != 48 || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("an attachment: %d, %d bytes, %v", a.status, len(a.body), a.header)
	}
	for path, want := range map[string]int{
		fmt.Sprintf("%064x", 1): 404, strings.ToUpper(hex.EncodeToString(s.batch[:])): 400, "00": 400, "": 404, strings.Repeat("z", 64): 400,
	} {
		if a := ask(t, "GET", s.url+"/attachment/"+path); a.status != want || a.header.Get("Cache-Control") == "" && want == 400 {
			t.Errorf("attachment %q: %d, want %d", path, a.status, want)
		}
	}
}

// FuzzPath: whatever the path, it is answered or refused, with a tile that the
// certified size reaches or none.
func FuzzPath(f *testing.F) {
	s := serve(f, 300)
	s.certify(f, 300)
	for _, seed := range []string{"checkpoint", "tile/0/000", "tile/entries/001.p/44", "tile/1/000.p/1", "attachment/" + strings.Repeat("0", 64), "tile/0/x001/000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		w := record(s, path)
		switch w.Code {
		case 200, 400, 404:
		default:
			t.Errorf("%q: %d", path, w.Code)
		}
	})
}
