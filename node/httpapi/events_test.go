package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"concordat/client"
)

// TestEvents: whoever follows the stream, leaves and comes back with the last
// index sees every statement once as ordered, in order.
func TestEvents(t *testing.T) {
	for i := range 20 {
		said(t, 1, risk(fmt.Sprintf("XA-EVENTS-%d", i)), nil)
	}
	size := func() uint64 {
		var s client.Status
		get(t, "/v1/status").into(t, http.StatusOK, &s)
		return s.Size
	}
	enough := errors.New("enough")
	c := network.Client(region)
	var after *uint64
	next := uint64(0)
	upTo := func(end uint64) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := c.Events(ctx, after, func(e client.Event) error {
			if e.State == client.Final {
				if e.Statement.Index >= next || e.Statement.State != client.Final || e.AsOf.FinalSize <= e.Statement.Index {
					t.Errorf("%d is told as final (as of %d, final %d) before it was told as ordered, which %d is next", e.Statement.Index, e.AsOf.Size, e.AsOf.FinalSize, next)
				}
				return nil
			}
			if e.Statement.Index != next || e.State != client.Ordered || e.Statement.State != client.Ordered || e.AsOf.Size <= next {
				t.Errorf("event %d (%s as of %d), want %d", e.Statement.Index, e.State, e.AsOf.Size, next)
			}
			next = e.Statement.Index + 1
			last := e.Statement.Index
			after = &last
			if next == end {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) {
			t.Fatalf("the stream ended at %d: %v", next, err)
		}
	}
	upTo(7)
	upTo(8)
	upTo(size())
	// What is said while nobody follows is not missed, and what is said while somebody waits comes at once.
	said(t, 1, risk("XA-EVENTS-MEANWHILE"), nil)
	done := make(chan struct{})
	go func() { defer close(done); upTo(size() + 1) }()
	said(t, 1, risk("XA-EVENTS-LIVE"), nil)
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("a new statement did not come")
	}
}

// TestEventStream is the stream as a browser's EventSource sees it.
func TestEventStream(t *testing.T) {
	i := said(t, 1, risk("XA-STREAM"), nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	open := func(path string, headers ...string) *bufio.Scanner {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, network.URL(region)+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("status %d, %v", resp.StatusCode, resp.Header)
		}
		s := bufio.NewScanner(resp.Body)
		s.Buffer(nil, 1<<20)
		return s
	}
	// The last event's id weighs more than the address, which the browser does not change.
	s := open("/v1/events?after=0", "Last-Event-ID", fmt.Sprint(i-1))
	var lines []string
	for len(lines) < 4 && s.Scan() {
		lines = append(lines, s.Text())
	}
	var e client.Event
	if len(lines) < 4 || !strings.HasPrefix(lines[0], fmt.Sprintf("id: %d/", i)) || lines[1] != "event: ordered" || lines[3] != "" ||
		json.Unmarshal([]byte(strings.TrimPrefix(lines[2], "data: ")), &e) != nil || e.Statement.Index != i {
		t.Errorf("an event is %q", lines)
	}
	// A stream with nothing to say opens at once.
	began := time.Now()
	open(fmt.Sprintf("/v1/events?after=%d", i+1000))
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("an idle stream took %v to open", took)
	}
	for _, bad := range []string{"after=x", "after=-1", "after=18446744073709551615", "after=5/", "after=5/7", "after=5/x", "after=/5", "after=5/-1", "after=1/1/1"} {
		get(t, "/v1/events?"+bad).failure(t, 400, client.BadRequest)
	}
	if a := ask(t, http.MethodHead, "/v1/events", nil); a.status != http.StatusOK {
		t.Errorf("HEAD: %d", a.status)
	}
}

// TestSlowReader: one who opens the stream and reads nothing keeps nobody waiting.
func TestSlowReader(t *testing.T) {
	for range 8 {
		conn, err := net.Dial("tcp", network.Node(region).HTTPAddress())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	began := time.Now()
	for i := range 20 {
		said(t, 1, risk(fmt.Sprintf("XA-SLOW-%d", i)), nil)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("20 statements took %v", took)
	}
}
