package httpapi

import (
	"log/slog"
	"net/http"
	"time"
)

// Timeouts bound how long a connection may keep the server waiting. Whoever
// sends or reads a byte at a time is cut off by them.
type Timeouts struct {
	Header time.Duration // from the connection, or the end of the last answer, to the end of a request's header
	Body   time.Duration // from there to the end of its body, header included
	Answer time.Duration // from the header's end to the end of the answer; an event stream has it for each event
	Idle   time.Duration // between requests
}

// DefaultTimeouts suit slow links: an attachment of 1 MiB at 300 kbit/s. Add to
// Answer what a request may wait inside the node.
var DefaultTimeouts = Timeouts{Header: 5 * time.Second, Body: 30 * time.Second, Answer: 30 * time.Second, Idle: 2 * time.Minute}

// maxHeader bounds a request's header, in bytes.
const maxHeader = 16 << 10

// NewServer makes the server for an API.
func NewServer(h http.Handler, t Timeouts, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: t.Header,
		ReadTimeout:       t.Body,
		WriteTimeout:      t.Answer,
		IdleTimeout:       t.Idle,
		MaxHeaderBytes:    maxHeader,
		// What it says names addresses, and comes with every port scan.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
