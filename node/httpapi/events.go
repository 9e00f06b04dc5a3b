package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"concordat/client"
)

// heartbeat keeps a quiet event stream open through proxies that cut idle connections.
const heartbeat = 15 * time.Second

// eventPage is how many statements one view of the ledger is asked for.
const eventPage = 256

// stream answers GET /v1/events: every statement after the one named, in
// order, then each new one as it is ordered. A slow reader slows only itself:
// its place is an index, and nothing is queued for it.
func (a *api) stream(w http.ResponseWriter, r *http.Request) error {
	next := uint64(0)
	from := r.URL.Query().Get("after")
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		from = id // a browser's EventSource goes on by itself after a fault
	}
	if from != "" {
		after, err := strconv.ParseUint(from, 10, 63) // so that the next one is a number too
		if err != nil {
			return client.Fail(client.BadRequest, "after is %q, want the index of the last statement seen", clip(from))
		}
		next = after + 1
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
		err = a.node.Await(wait, next)
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

// sendEvents sends everything from index next on, and says where to go on.
func (a *api) sendEvents(w http.ResponseWriter, out *http.ResponseController, next uint64) (uint64, error) {
	for {
		page, err := a.eventPage(next)
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
			if _, err := fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", e.Statement.Index, e.State, b); err != nil {
				return next, err
			}
			next = e.Statement.Index + 1
		}
		if err := out.Flush(); err != nil {
			return next, err
		}
	}
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
