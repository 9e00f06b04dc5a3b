package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"concordat/client"
	"concordat/consensus"
	"concordat/ledger"
	"concordat/node"
)

// TestExplain: what an operator meets has a name, an exit code and a hint, however deep it is wrapped.
func TestExplain(t *testing.T) {
	for _, test := range []struct {
		err  error
		name string
		code int
		hint string
	}{
		{fmt.Errorf("%w: votes: %w", consensus.ErrStorage, fs.ErrPermission), "broken", client.ExitUnreachable, "see to the disk"},
		{ledger.ErrBroken, "broken", client.ExitUnreachable, "make room on the disk"},
		{consensus.ErrLedgerAhead, "ledger-ahead", client.ExitUsage, "never restore raft's votes"},
		{consensus.ErrGap, "ledger-behind", client.ExitUsage, "older than raft's log"},
		{node.ErrPortInUse, "port-in-use", client.ExitUsage, ""},
		{node.ErrListen, "cannot-listen", client.ExitUsage, "--listen"},
		{client.ErrTampered, "tampered", client.ExitTampering, "ask another node"},
		{errors.New("unknown"), "failed", client.ExitRefused, ""},
	} {
		f, code := explain(fmt.Errorf("starting: %w", test.err))
		if f.Name != test.name || code != test.code || !strings.Contains(f.Hint, test.hint) {
			t.Errorf("%v is %s with exit code %d and hint %q, want %s, %d and %q", test.err, f.Name, code, f.Hint, test.name, test.code, test.hint)
		}
	}

	// A port that is taken after the node has looked: whoever listens says so.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = net.Listen("tcp", l.Addr().String())
	if f, code := explain(fmt.Errorf("p2p: start: %w", err)); f.Name != "port-in-use" || code != client.ExitUsage {
		t.Errorf("%v is %s with exit code %d", err, f.Name, code)
	}
}

// roundTrip is a node that answers without a network, so that its time is the test's.
type roundTrip func() (status int, name string)

func (f roundTrip) RoundTrip(*http.Request) (*http.Response, error) {
	status, name := f()
	body := fmt.Sprintf(`{"error":{"name":%q,"message":"m"}}`, name)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// TestWaitsOnce: the wait of a node is not multiplied; what it says at once is asked again, for a while.
func TestWaitsOnce(t *testing.T) {
	for _, test := range []struct {
		name   string
		takes  time.Duration
		asked  int
		within time.Duration
	}{
		{client.NoQuorum, 12 * time.Second, 1, 12 * time.Second},
		{client.NoQuorum, 0, 1, 0},
		{client.Busy, 30 * time.Second, 1, 30 * time.Second},
		{client.Busy, 0, 6, sendFor},
		{client.Timeout, 30 * time.Second, 1, 30 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			c, err := client.New([]string{"http://node"}, client.WithHTTP(&http.Client{Transport: roundTrip(func() (int, string) {
				asked++
				time.Sleep(test.takes)
				return http.StatusServiceUnavailable, test.name
			})}))
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, err = (&voice{&client.Author{Client: c}, client.Ordered}).send(context.Background(), []byte("s"), nil)
			if took := time.Since(began); !isNamed(err, test.name) || asked != test.asked || took != test.within {
				t.Errorf("%s after %s: asked %d times in %s, %v; want %d times in %s", test.name, test.takes, asked, took, err, test.asked, test.within)
			}
		})
	}
}
