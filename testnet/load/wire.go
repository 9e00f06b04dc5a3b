package load

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"concordat/client"
)

// answerWithin bounds how long one answer may take. A node gives a submission
// up after 30 s by itself.
const answerWithin = 60 * time.Second

// wire carries HTTP/1.1 over one keep-alive connection, for one caller at a
// time. net/http's transport hands every request to two goroutines of its own,
// and on a machine that the servers share those wake-ups would be a good part
// of what is measured.
type wire struct {
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
}

// RoundTrip sends a request and reads the whole answer.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if w.conn == nil {
		var d net.Dialer
		conn, err := d.DialContext(req.Context(), "tcp", req.URL.Host)
		if err != nil {
			return nil, err
		}
		w.conn, w.r, w.w = conn, bufio.NewReader(conn), bufio.NewWriter(conn)
	}
	resp, err := w.exchange(req)
	if err != nil || resp.Close {
		w.close()
	}
	return resp, err
}

func (w *wire) exchange(req *http.Request) (*http.Response, error) {
	deadline := time.Now().Add(answerWithin)
	if d, ok := req.Context().Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := w.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if err := req.Write(w.w); err != nil {
		return nil, err
	}
	if err := w.w.Flush(); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(w.r, req)
	if err != nil {
		return nil, err
	}
	// Read to its end, so that the connection is free for the next request.
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

func (w *wire) close() {
	if w.conn != nil {
		_ = w.conn.Close() // nothing is under way on it
		w.conn = nil
	}
}

// caller is one client of a closed loop: a client of one node, over one connection.
type caller struct {
	*client.Client
	wire *wire
}

func newCaller(node string) (*caller, error) {
	w := &wire{}
	c, err := client.New([]string{node}, client.WithHTTP(&http.Client{Transport: w}))
	if err != nil {
		return nil, err
	}
	return &caller{c, w}, nil
}

// callers makes n of them, over the nodes in turn.
func callers(nodes []string, n int) ([]*caller, error) {
	if n < 1 {
		return nil, fmt.Errorf("%d clients, want 1 or more", n)
	}
	if len(nodes) == 0 {
		return nil, fmt.Errorf("no node is given to put the load on")
	}
	out := make([]*caller, n)
	for i := range out {
		var err error
		if out[i], err = newCaller(nodes[i%len(nodes)]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func closeAll(cs []*caller) {
	for _, c := range cs {
		c.wire.close()
	}
}
