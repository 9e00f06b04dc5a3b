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
)

// statements answers GET /v1/statements.
func (a *api) statements(w http.ResponseWriter, r *http.Request) error {
	f, err := readFilter(r.URL.Query())
	if err != nil {
		return err
	}
	return a.listing(w, r, func(v *ledger.View) (any, error) {
		entries, err := v.Statements(f)
		if err != nil {
			return nil, err
		}
		out := client.Statements{Statements: make([]client.Statement, 0, len(entries)), AsOf: a.node.AsOf(v)}
		for _, e := range entries {
			s, err := present(e, false)
			if err != nil {
				return nil, err
			}
			out.Statements = append(out.Statements, s)
		}
		if len(entries) == f.Limit {
			last := entries[len(entries)-1].Index
			out.Next = &last
		}
		return out, nil
	})
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
	view := a.node.View()
	defer closeView(a, view)
	e, err := find(view, r.PathValue("ref"))
	if err != nil {
		return err
	}
	// What stands at an index never changes; what is not there yet may come.
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("ETag", `"`+e.Hash().String()+`"`)
	w.Header().Set("Vary", "Accept")
	if strings.Contains(r.Header.Get("Accept"), "application/cose") {
		w.Header().Set("Content-Type", "application/cose")
		_, err := w.Write(e.Raw())
		return err
	}
	s, err := present(e, true)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, s)
}

func find(v *ledger.View, ref string) (ledger.Entry, error) {
	var e ledger.Entry
	var err error
	if b, hexErr := hex.DecodeString(ref); hexErr == nil && len(b) == len(statement.Hash{}) {
		e, err = v.ByHash(statement.Hash(b))
	} else if index, numErr := strconv.ParseUint(ref, 10, 64); numErr == nil {
		e, err = v.ByIndex(index)
	} else {
		return e, client.Fail(client.BadRequest, "%q is no statement: want its index, or its hash in 64 hex digits", clip(ref))
	}
	if errors.Is(err, ledger.ErrNotFound) {
		return e, client.Fail(client.NotFound, "%v", err)
	}
	return e, err
}

// events gives what the event stream sends from index next on: at most a page.
func (a *api) eventPage(next uint64) ([]client.Event, error) {
	v := a.node.View()
	defer closeView(a, v)
	entries, err := v.Statements(ledger.Filter{From: next, Limit: eventPage})
	if err != nil {
		return nil, err
	}
	out := make([]client.Event, len(entries))
	for i, e := range entries {
		s, err := present(e, false)
		if err != nil {
			return nil, err
		}
		out[i] = client.Event{State: client.Ordered, Statement: s, AsOf: a.node.AsOf(v)}
	}
	return out, nil
}

// present says a statement in words.
func present(e ledger.Entry, whole bool) (client.Statement, error) {
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
