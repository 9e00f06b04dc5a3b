package audit_test

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"concordat/client/audit"
	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
)

func foundingValidators(l *memory) (checkpoint.Validators, error) {
	return receipt.FoundingValidators(l.doc), nil
}

// served is a log behind HTTP, whose every third answer is a failure that passes.
func served(t *testing.T, l *memory, partial bool) (url string, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1)%3 == 0 {
			http.Error(w, "come back", http.StatusServiceUnavailable)
			return
		}
		data, err := l.get(r.Context(), strings.TrimPrefix(r.URL.Path, "/"), partial)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			http.NotFound(w, r)
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		default:
			_, _ = w.Write(data)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

func (l *memory) get(ctx context.Context, path string, partial bool) ([]byte, error) {
	if path == "checkpoint" {
		return l.Checkpoint(ctx)
	}
	if digest, is := strings.CutPrefix(path, "attachment/"); is {
		raw, err := hex.DecodeString(digest)
		if err != nil || len(raw) != 32 {
			return nil, errors.New("no digest")
		}
		return l.Attachment(ctx, [32]byte(raw))
	}
	if strings.Contains(path, ".p/") && !partial {
		return nil, fs.ErrNotExist
	}
	if index, width, err := merkle.ParseEntriesPath(path); err == nil {
		return l.Entries(ctx, index, width)
	}
	t, width, err := merkle.ParsePath(path)
	if err != nil {
		return nil, err
	}
	return l.Tile(ctx, t, width)
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	l := story(t)
	url, requests := served(t, l, true)
	s, err := audit.HTTP(url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := run(t, s, l.doc)
	if err != nil {
		t.Fatal(err)
	}
	if r.Checkpoint != l.checkpoint() || r.Seals.Whole != 3 {
		t.Errorf("over HTTP the report is %+v", r)
	}
	if requests.Load() < 12 {
		t.Errorf("%d requests were made", requests.Load())
	}
}

// A log may drop its partial tiles once they are full.
func TestHTTPFullForPartial(t *testing.T) {
	t.Parallel()
	l := newLog(t, founding(t, "full.test"))
	l.register(t, 300)
	l.certify(t)
	older := l.note
	l.register(t, 212)
	l.note = older
	url, _ := served(t, l, false)
	s, err := audit.HTTP(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := merkle.Tile{Index: 1}
	if data, err := s.Tile(t.Context(), at, 44); err != nil || len(data) != merkle.TileWidth*merkle.HashSize {
		t.Errorf("the full tile for a partial one: %d bytes, %v", len(data), err)
	}
	if _, err := s.Tile(t.Context(), merkle.Tile{Index: 2}, 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a tile that is not there: %v", err)
	}
	if _, err := s.Entries(t.Context(), 1, 44); err != nil {
		t.Errorf("the full bundle for a partial one: %v", err)
	}
}

// What a node answers is bounded, and an error of its own accuses nobody.
func TestHTTPFaults(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/checkpoint":
			_, _ = w.Write(make([]byte, checkpoint.MaxNote+1))
		case "/attachment/" + strings.Repeat("00", 32):
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer server.Close()
	s, err := audit.HTTP(server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Checkpoint(t.Context()); err == nil || !strings.Contains(err.Error(), "more than 65536 bytes") {
		t.Errorf("an endless answer: %v", err)
	}
	if _, err := s.Attachment(t.Context(), [32]byte{}); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a forbidden attachment: %v", err)
	}
	for _, bad := range []string{"", "node.example", "ftp://node.example", "http://node.example/?x=1", "http://"} {
		if _, err := audit.HTTP(bad, nil); err == nil {
			t.Errorf("%q passes for a URL", bad)
		}
	}
}
