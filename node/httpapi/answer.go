package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"concordat/client"
	"concordat/ledger"
)

// retryAfter is what a client that was told "later" waits, in seconds.
const retryAfter = 1

// fail writes an error answer.
func fail(w http.ResponseWriter, f *client.Failure) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	switch again, known := seconds(f.Detail["retryAfter"]); {
	case known:
		w.Header().Set("Retry-After", strconv.FormatUint(again, 10))
	case f.Status() == http.StatusServiceUnavailable, f.Status() == http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	for _, name := range []string{"ETag", "Content-Disposition"} { // of what was asked for, which this is not
		w.Header().Del(name)
	}
	w.WriteHeader(f.Status())
	// The client may be gone by now; there is nobody else to tell.
	_ = json.NewEncoder(w).Encode(map[string]*client.Failure{"error": f})
}

// seconds reads when to come again out of a failure's detail.
func seconds(detail any) (uint64, bool) {
	switch n := detail.(type) {
	case uint64:
		return n, true
	case int:
		return uint64(max(n, 0)), true
	}
	return 0, false
}

// reply writes v as JSON.
func reply(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, err = w.Write(append(b, '\n'))
	return err
}

// listing answers a GET on the state: the size is the ETag, so a poller that
// has this size already is answered 304.
func (a *api) listing(w http.ResponseWriter, r *http.Request, build func(*ledger.View) (any, error)) error {
	view := a.node.View()
	defer closeView(a, view)
	etag := fmt.Sprintf(`"%d"`, view.Head().Size)
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", "no-cache")
	if matches(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	v, err := build(view)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, v)
}

// matches reports whether an If-None-Match names the entity tag (RFC 9110
// §13.1.2: a list, compared weakly, because proxies weaken tags; or a star).
func matches(header, etag string) bool {
	for _, tag := range strings.Split(header, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}

// closeView lets a view go. That it cannot be closed is the store's fault, and
// says nothing against what was read from it.
func closeView(a *api, v *ledger.View) {
	if err := v.Close(); err != nil {
		a.log.Warn("view not closed", "err", err)
	}
}
