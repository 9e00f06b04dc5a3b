package httpapi

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/statement"
)

// Pages of statements.
const (
	defaultPage = 100
	maxPage     = 1000
	pageStep    = 64      // read from the ledger at once
	pageBytes   = 4 << 20 // of signed statements; in words they may be some times as long
)

// statements answers GET /v1/statements.
func (a *api) statements(w http.ResponseWriter, r *http.Request) error {
	f, err := readFilter(r.URL.Query())
	if err != nil {
		return err
	}
	return a.listing(w, r, func(v *ledger.View) (any, error) {
		entries, more, err := page(v, f)
		if err != nil {
			return nil, err
		}
		out := client.Statements{Statements: make([]client.Statement, 0, len(entries)), AsOf: a.node.AsOf(v)}
		for _, e := range entries {
			s, err := present(e, false, out.AsOf.FinalSize)
			if err != nil {
				return nil, err
			}
			out.Statements = append(out.Statements, s)
		}
		if more {
			last := entries[len(entries)-1].Index
			out.Next = &last
		}
		return out, nil
	})
}

// page gives the statements that f wants, fewer where they are large, and
// whether there are more after them.
func page(v *ledger.View, f ledger.Filter) (out []ledger.Entry, more bool, err error) {
	want, size := f.Limit, 0
	for {
		f.Limit = min(want-len(out), pageStep) + 1 // one more, to know that it is there
		some, err := v.Statements(f)
		if err != nil {
			return nil, false, err
		}
		for i, e := range some {
			if len(out) == want || size >= pageBytes {
				return out, true, nil
			}
			if i == pageStep {
				break // it comes again, with the next step
			}
			out = append(out, e)
			size += len(e.Raw())
			f.From = e.Index + 1
		}
		if len(some) < f.Limit {
			return out, false, nil
		}
	}
}

func readFilter(q url.Values) (ledger.Filter, error) {
	f := ledger.Filter{Limit: defaultPage}
	if s := q.Get("after"); s != "" {
		after, err := strconv.ParseUint(s, 10, 63)
		if err != nil {
			return f, client.Fail(client.BadRequest, "after is %q, want the index of the last statement seen", clip(s))
		}
		f.From = after + 1
	}
	if s := q.Get("limit"); s != "" {
		limit, err := strconv.Atoi(s)
		if err != nil || limit < 1 || limit > maxPage {
			return f, client.Fail(client.BadRequest, "limit is %q, want 1 to %d", clip(s), maxPage)
		}
		f.Limit = limit
	}
	if s := q.Get("kind"); s != "" {
		f.Kind = statement.Kind(s)
		if !f.Kind.Known() {
			return f, client.Fail(client.BadRequest, "kind %q is unknown, want one of %v", clip(s), statement.Kinds())
		}
	}
	if s := q.Get("authority"); s != "" {
		region, err := statement.ParseRegion(s)
		if err != nil {
			return f, client.Fail(client.BadRequest, "authority: %v", err)
		}
		f.Authority = region
	}
	return f, nil
}

// statement answers GET /v1/statements/{index or hash}, in words or, to
// Accept: application/cose, as it was signed.
func (a *api) statement(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Vary", "Accept")
	ref := r.PathValue("ref")
	if b, err := hex.DecodeString(ref); err == nil && len(b) == len(statement.Hash{}) {
		return a.byHash(w, r, statement.Hash(b))
	}
	index, err := strconv.ParseUint(ref, 10, 64)
	if err != nil {
		return client.Fail(client.BadRequest, "%q is no statement: want its index, or its hash in 64 hex digits", clip(ref))
	}
	return a.ordered(w, r, func(v *ledger.View) (ledger.Entry, error) { return v.ByIndex(index) })
}

// byHash looks for a statement in the ledger, among those accepted, and in the
// ledger again: it may have gone from there to here meanwhile.
func (a *api) byHash(w http.ResponseWriter, r *http.Request, hash statement.Hash) error {
	find := func(v *ledger.View) (ledger.Entry, error) { return v.ByHash(hash) }
	err := a.ordered(w, r, find)
	var f *client.Failure
	if !errors.As(err, &f) || f.Name != client.NotFound {
		return err
	}
	p, is, err := a.node.Pending(hash)
	switch {
	case err != nil:
		return err
	case is:
		return a.pending(w, r, p)
	}
	return a.ordered(w, r, find)
}

// ordered answers with a statement of the ledger.
func (a *api) ordered(w http.ResponseWriter, r *http.Request, find func(*ledger.View) (ledger.Entry, error)) error {
	view := a.node.View()
	defer closeView(a, view)
	e, err := find(view)
	if errors.Is(err, ledger.ErrNotFound) {
		return client.Fail(client.NotFound, "%v", err)
	}
	if err != nil {
		return err
	}
	s, err := present(e, true, a.node.FinalSize())
	if err != nil {
		return err
	}
	if wantsCOSE(r) {
		// What was signed, and where it stands, never changes.
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		return cose(w, r, e.Unverified)
	}
	// Its state may yet change: ordered becomes final.
	w.Header().Set("Cache-Control", "no-cache")
	etag := fmt.Sprintf(`"%s-%s"`, s.Hash, s.State)
	w.Header().Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return reply(w, http.StatusOK, s)
}

// pending answers with a statement that is in no ledger, which has no index.
func (a *api) pending(w http.ResponseWriter, r *http.Request, p Pending) error {
	if wantsCOSE(r) {
		w.Header().Set("Cache-Control", "no-store")
		return cose(w, r, p.Statement)
	}
	s, err := present(ledger.Entry{Unverified: p.Statement}, true, 0)
	if err != nil {
		return err
	}
	s.State = client.Accepted
	if p.Refusal != nil {
		s.State, s.Refusal = client.Refused, p.Refusal
	}
	return reply(w, http.StatusOK, struct {
		client.Statement
		Index *uint64 `json:"index,omitempty"`
	}{Statement: s})
}

func wantsCOSE(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/cose")
}

// cose answers with a statement as it was signed.
func cose(w http.ResponseWriter, r *http.Request, u *statement.Unverified) error {
	etag := `"` + u.Hash().String() + `"`
	w.Header().Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.Header().Set("Content-Type", "application/cose")
	_, err := w.Write(u.Raw())
	return err
}

// present says a statement in words, of a ledger of which finalSize statements are final.
func present(e ledger.Entry, whole bool, finalSize uint64) (client.Statement, error) {
	s := e.Statement()
	body, err := bodyJSON(s.Body)
	if err != nil {
		return client.Statement{}, fmt.Errorf("statement %d: %w", e.Index, err)
	}
	out := client.Statement{
		Index: e.Index, Hash: e.Hash().String(), Kind: string(s.Kind()), Authority: string(s.Issuer),
		Subject: s.Subject(), Revision: s.Revision, IssuedAt: timeOrNil(s.IssuedAt), Words: s.Words(),
		Body: body, State: client.Ordered,
	}
	if e.Index < finalSize {
		out.State = client.Final
	}
	if whole {
		out.Raw = e.Raw()
	}
	return out, nil
}

// revision answers GET /v1/revisions?subject=….
func (a *api) revision(w http.ResponseWriter, r *http.Request) error {
	subject := r.URL.Query().Get("subject")
	if subject == "" || len(subject) > statement.MaxSubject {
		return client.Fail(client.BadRequest, "subject has %d bytes, want 1 to %d, like recognition/XB/XA", len(subject), statement.MaxSubject)
	}
	return a.listing(w, r, func(v *ledger.View) (any, error) {
		n, err := v.State().Revision(subject)
		if err != nil {
			return nil, err
		}
		return client.Revision{Subject: subject, Revision: n, AsOf: a.node.AsOf(v)}, nil
	})
}
