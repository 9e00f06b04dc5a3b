package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"concordat/client"
	"concordat/ledger"
)

// heartbeat keeps a quiet event stream open through proxies that cut idle connections.
const heartbeat = 15 * time.Second

// eventPage is how many statements one view of the ledger is asked for.
const eventPage = 256

// place is how far a reader of events is: the indexes of the statements that it
// is told of next, as ordered and as final.
type place struct{ ordered, final uint64 }

// String is the id of an event: the last statement that the reader knows as
// ordered, and behind a slash how many it knows to be final.
func (p place) String() string { return fmt.Sprintf("%d/%d", p.ordered-1, p.final) }

// readPlace reads an event's id, or the index of the last statement seen, to
// which what is not final yet is told as it becomes final.
func readPlace(s string, finalSize uint64) (place, error) {
	if s == "" {
		return place{0, 0}, nil
	}
	index, known, whole := strings.Cut(s, "/")
	after, err := strconv.ParseUint(index, 10, 63) // so that the next one is a number too
	p := place{after + 1, min(after+1, finalSize)}
	if whole && err == nil {
		p.final, err = strconv.ParseUint(known, 10, 63)
	}
	if err != nil || p.final > p.ordered {
		return place{}, client.Fail(client.BadRequest, "after is %q, want the index of the last statement seen, or the id of an event", clip(s))
	}
	return p, nil
}

// stream answers GET /v1/events: every statement after the one named, in
// order, then each new one as it is ordered, and each once more as it becomes
// final. A slow reader slows only itself: its place is two indexes, and nothing
// is queued for it.
func (a *api) stream(w http.ResponseWriter, r *http.Request) error {
	from := r.URL.Query().Get("after")
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		from = id // a browser's EventSource goes on by itself after a fault
	}
	next, err := readPlace(from, a.node.FinalSize())
	if err != nil {
		return err
	}
	if err := a.events.enter(r.Context(), "event streams"); err != nil {
		return err
	}
	defer a.events.leave()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	// The header goes out at once: the first statement may be long in coming.
	if err := out.Flush(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(a.stop, cancel)()
	for {
		var err error
		if next, err = a.sendEvents(w, out, next); err != nil {
			return err
		}
		wait, enough := context.WithTimeout(ctx, heartbeat)
		err = a.node.Await(wait, next.ordered, next.final)
		enough()
		switch {
		case ctx.Err() != nil:
			return nil // the reader left, or the node stops: the reader comes back with the last id
		case errors.Is(err, context.DeadlineExceeded):
			if err := extend(out); err != nil {
				return err
			}
			if _, err := fmt.Fprint(w, ": still here\n\n"); err != nil {
				return err
			}
			if err := out.Flush(); err != nil {
				return err
			}
		case err != nil:
			return err
		}
	}
}

// sendEvents sends everything from a place on, and says where to go on. What is
// ordered goes first, so that nobody hears of a final statement that is new to them.
func (a *api) sendEvents(w http.ResponseWriter, out *http.ResponseController, next place) (place, error) {
	for {
		page, state, err := a.eventPage(next)
		if err != nil || len(page) == 0 {
			return next, err
		}
		if err := extend(out); err != nil {
			return next, err
		}
		for _, e := range page {
			b, err := json.Marshal(e)
			if err != nil {
				return next, fmt.Errorf("encoding an event: %w", err)
			}
			if state == client.Final {
				next.final = e.Statement.Index + 1
			} else {
				next.ordered = e.Statement.Index + 1
			}
			if _, err := fmt.Fprintf(w, "id: %s\nevent: %s\ndata: %s\n\n", next, state, b); err != nil {
				return next, err
			}
		}
		if err := out.Flush(); err != nil {
			return next, err
		}
	}
}

// eventPage gives what the stream sends from a place on: at most a page, all of
// one state.
func (a *api) eventPage(next place) (page []client.Event, state string, err error) {
	final := a.node.FinalSize() // before the view, which then has all of them
	v := a.node.View()
	defer closeView(a, v)
	from, limit := next.ordered, uint64(eventPage)
	state = client.Ordered
	if from >= v.Head().Size {
		from, state = next.final, client.Final
		limit = min(limit, max(final, from)-from)
	}
	if limit == 0 {
		return nil, state, nil
	}
	entries, err := v.Statements(ledger.Filter{From: from, Limit: int(limit)})
	if err != nil {
		return nil, "", err
	}
	page = make([]client.Event, len(entries))
	for i, e := range entries {
		s, err := present(e, false, final)
		if err != nil {
			return nil, "", err
		}
		s.State = state
		page[i] = client.Event{State: state, Statement: s, AsOf: a.node.AsOf(v)}
	}
	return page, state, nil
}

// extend gives a stream the time of one answer afresh: the server's write
// timeout counts from the request.
func extend(out *http.ResponseController) error {
	err := out.SetWriteDeadline(time.Now().Add(2 * heartbeat))
	if errors.Is(err, http.ErrNotSupported) { // no connection to set it on: a test's recorder
		return nil
	}
	return err
}
