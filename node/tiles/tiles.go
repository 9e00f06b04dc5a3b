package tiles

import (
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"concordat/ledger"
	"concordat/ledger/merkle"
)

// View is the ledger at one size, pinned: *ledger.View is one.
type View interface {
	merkle.TileReader
	Statements(ledger.Filter) ([]ledger.Entry, error)
	Attachment(digest [32]byte) ([]byte, error)
	Close() error
}

// Config is what is served.
type Config struct {
	// Certified gives the newest certified checkpoint's size and its note, which
	// is not changed after; a nil note before the first. It waits for nothing.
	Certified func() (size uint64, note []byte)
	// View pins the ledger. It is called after Certified, and what it gives is
	// closed when the answer is made.
	View func() View
	// Logger gets what goes wrong. Default: slog.Default.
	Logger *slog.Logger
}

const (
	// immutable lets caches keep what never changes for a year.
	immutable = "public, max-age=31536000, immutable"
	// compressFrom is the least number of bytes worth compressing.
	compressFrom = 1 << 10
)

// New makes the handler of everything in the package comment.
func New(c Config) http.Handler {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &handler{c}
}

type handler struct{ Config }

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "only GET and HEAD")
		return
	}
	// A base URL that ends in a slash gives two at the front, and some clients
	// end every path with one.
	path := strings.TrimSuffix(strings.TrimLeft(r.URL.Path, "/"), "/")
	if digest, is := strings.CutPrefix(path, "attachment/"); is {
		h.attachment(w, digest)
		return
	}
	if path != "checkpoint" && !strings.HasPrefix(path, "tile/") {
		refuse(w, http.StatusNotFound, "there is nothing here; /checkpoint is where a log begins")
		return
	}
	size, note := h.Certified()
	if note == nil {
		w.Header().Set("Cache-Control", "no-cache")
		refuse(w, http.StatusNotFound, "no checkpoint is certified yet: that takes co-signatures of more than two thirds of the validators")
		return
	}
	switch {
	case path == "checkpoint":
		w.Header().Set("Cache-Control", "no-cache")
		send(w, "text/plain; charset=utf-8", note)
	case strings.HasPrefix(path, "tile/entries/"):
		h.entries(w, r, path, size)
	default:
		h.hashes(w, path, size)
	}
}

// hashes answers with a tile.
func (h *handler) hashes(w http.ResponseWriter, path string, size uint64) {
	t, width, err := merkle.ParsePath(path)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if width > t.Width(size) {
		h.beyond(w, t.Width(size), size)
		return
	}
	v := h.View()
	defer h.close(v)
	data, err := Tile(v, t, width)
	if err != nil {
		h.broken(w, path, err)
		return
	}
	w.Header().Set("Cache-Control", immutable)
	send(w, "application/octet-stream", data)
}

// entries answers with an entry bundle.
func (h *handler) entries(w http.ResponseWriter, r *http.Request, path string, size uint64) {
	index, width, err := merkle.ParseEntriesPath(path)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if have := (merkle.Tile{Index: index}).Width(size); width > have {
		h.beyond(w, have, size)
		return
	}
	v := h.View()
	defer h.close(v)
	data, err := Entries(v, index, width)
	if err != nil {
		h.broken(w, path, err)
		return
	}
	w.Header().Set("Cache-Control", immutable)
	w.Header().Set("Vary", "Accept-Encoding")
	if len(data) < compressFrom || !acceptsGzip(r.Header.Values("Accept-Encoding")) {
		send(w, "application/octet-stream", data)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Encoding", "gzip")
	if r.Method == http.MethodHead {
		return // its length is not known before it is made
	}
	// Nothing is to be done about a client that is gone.
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is a valid one
	_, _ = z.Write(data)
	_ = z.Close()
}

// attachment answers with an attachment by its digest, if the node has it: it
// is erased after its time. So no cache may keep it either.
func (h *handler) attachment(w http.ResponseWriter, name string) {
	w.Header().Set("Cache-Control", "no-store")
	raw, err := hex.DecodeString(name)
	if err != nil || len(raw) != 32 || hex.EncodeToString(raw) != name {
		refuse(w, http.StatusBadRequest, "an attachment is named by its SHA-256 in 64 lower-case hex digits")
		return
	}
	v := h.View()
	defer h.close(v)
	data, err := v.Attachment([32]byte(raw))
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		refuse(w, http.StatusNotFound, "there is no such attachment here: it never was, or was erased after it expired")
	case err != nil:
		h.broken(w, "attachment/"+name, err)
	default:
		send(w, "application/octet-stream", data)
	}
}

// beyond refuses what the certified checkpoint does not reach.
func (h *handler) beyond(w http.ResponseWriter, have int, size uint64) {
	w.Header().Set("Cache-Control", "no-cache") // it may exist in a moment
	refuse(w, http.StatusNotFound, "the tile has "+strconv.Itoa(have)+" of these at the certified size, "+strconv.FormatUint(size, 10))
}

func (h *handler) broken(w http.ResponseWriter, path string, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, ledger.ErrClosed) {
		status = http.StatusServiceUnavailable // the node is stopping
	}
	h.Logger.Error("a tile could not be read", "path", path, "err", err)
	w.Header().Set("Cache-Control", "no-store")
	refuse(w, status, "it could not be read; the node's log says why")
}

func (h *handler) close(v View) {
	if err := v.Close(); err != nil {
		h.Logger.Error("closing a view of the ledger", "err", err)
	}
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, why+"\n") // a client that is gone needs no answer
}

func send(w http.ResponseWriter, contentType string, data []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(data) // as above; of a HEAD's answer net/http drops the body
}

// acceptsGzip reports whether a client named gzip among what it takes, RFC 9110 §12.5.3.
func acceptsGzip(accept []string) bool {
	for coding := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		name, weight, weighted := strings.Cut(coding, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		q, is := strings.CutPrefix(strings.ToLower(strings.TrimSpace(weight)), "q=")
		if !weighted || !is {
			return true
		}
		value, err := strconv.ParseFloat(q, 64)
		return err == nil && value > 0
	}
	return false
}
