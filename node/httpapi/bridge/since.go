package bridge

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
)

var (
	errSince = errors.New("not a time that the clients of these lists send")
	errToken = errors.New("not a resume token")
	errPage  = errors.New("not a page")
)

// margin is how much more than what it asked for a client is given of what
// turned before: its clock may be ahead of the proposers', and what it missed
// by that it would miss for good. What it has already does no harm.
const margin = 10 * 60

// readSince reads an If-Modified-Since as the gateway's and the verifier
// service's clients send it: ISO 8601, or RFC 1123. Errors wrap errSince.
func readSince(s string) (statement.Time, error) {
	const most = 64
	if len(s) > most {
		return 0, fmt.Errorf("%w: it has %d bytes, at most %d", errSince, len(s), most)
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04:05.999999999Z0700", http.TimeFormat, time.RFC1123Z, time.RFC1123} {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		if t.Unix() < 0 || t.Unix() > statement.MaxTime {
			return 0, fmt.Errorf("%w: %s is out of bounds", errSince, t.UTC().Format(time.RFC3339))
		}
		return statement.Time(t.Unix()), nil
	}
	return 0, fmt.Errorf("%w: %q; want 2021-06-01T00:00:00Z or Tue, 01 Jun 2021 00:00:00 GMT", errSince, s)
}

// since is from when on a request wants what turned, with the margin; false if
// it wants all.
func since(r *http.Request) (from statement.Time, is bool, err error) {
	s := r.Header.Get("If-Modified-Since")
	if s == "" {
		return 0, false, nil
	}
	t, err := readSince(s)
	if err != nil {
		return 0, false, client.Fail(client.BadRequest, "If-Modified-Since: %v", err).
			WithHint("send back the Last-Modified of the answer before, or leave it out")
	}
	return t - margin, true, nil
}

// dated tells a client what to send back as If-Modified-Since (B4).
func (r *roster) dated(w http.ResponseWriter) {
	if r.modified > 0 { // otherwise nothing is final yet
		w.Header().Set("Last-Modified", r.modified.Time().UTC().Format(http.TimeFormat))
	}
}

// readToken reads a resume token: the number that came with the certificate
// before. An empty one, and the 0 that some clients begin with, are before all.
// Errors wrap errToken.
func readToken(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	t, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%w: %q; want the number that X-RESUME-TOKEN had in the answer before", errToken, clip(s))
	}
	return t, nil
}

// maxPage bounds the size of a page.
const maxPage = 100_000

// readPage reads which page of a list is wanted: from element first on, to
// before last of all. Without page and pagesize it is the whole. Errors wrap errPage.
func readPage(q url.Values, all int) (first, last int, err error) {
	page, size := q.Get("page"), q.Get("pagesize")
	if page == "" && size == "" {
		return 0, all, nil
	}
	p, err := strconv.ParseUint(page, 10, 31)
	if page != "" && err != nil {
		return 0, 0, fmt.Errorf("%w: page is %q, want 0 or more", errPage, clip(page))
	}
	n, err := strconv.ParseUint(size, 10, 31)
	if err != nil || n == 0 || n > maxPage {
		return 0, 0, fmt.Errorf("%w: pagesize is %q, want 1 to %d", errPage, clip(size), maxPage)
	}
	from := min(p*n, uint64(all))
	return int(from), int(min(from+n, uint64(all))), nil
}

// page is the part of a list that a request wants.
func page[T any](r *http.Request, all []T) ([]T, error) {
	first, last, err := readPage(r.URL.Query(), len(all))
	if err != nil {
		return nil, client.Fail(client.BadRequest, "%v", err)
	}
	return all[first:last], nil
}
