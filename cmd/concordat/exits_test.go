package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"concordat/client"
	"concordat/client/audit"
	"concordat/consensus"
	"concordat/consensus/catchup"
	"concordat/consensus/certify"
	"concordat/ledger"
	"concordat/ledger/bundle"
	"concordat/ledger/evidence"
	"concordat/ledger/receipt"
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
		{catchup.ErrOtherHistory, "other-history", client.ExitTampering, "keep a copy"},
		{catchup.ErrFork, "fork", client.ExitTampering, "evidence list"},
		{certify.ErrSignerFile, "signer-file", client.ExitUsage, ""},
		{node.ErrPortInUse, "port-in-use", client.ExitUsage, ""},
		{node.ErrListen, "cannot-listen", client.ExitUsage, "--listen"},
		{client.ErrTampered, "tampered", client.ExitTampering, "ask another node"},
		{receipt.ErrNotCertified, "tampered", client.ExitTampering, "proves nothing"},
		{receipt.ErrMalformed, "no-receipt", client.ExitUsage, "receipt get"},
		{fmt.Errorf("%w: %w", errDamaged, receipt.ErrMalformed), "tampered", client.ExitTampering, "not as it was made"},
		{fmt.Errorf("%w: %w", bundle.ErrRefused, receipt.ErrNotIncluded), "tampered", client.ExitTampering, ""},
		{fmt.Errorf("%w: %w", bundle.ErrRefused, receipt.ErrOtherNetwork), "other-network", client.ExitTampering, "--genesis"},
		{fmt.Errorf("%w: %w", client.ErrTampered, errDamaged), "tampered", client.ExitTampering, "ask another node"},
		{bundle.ErrDelta, "delta", client.ExitUsage, "--since"},
		{evidence.ErrProvesNothing, "proves-nothing", client.ExitRefused, "against nobody"},
		{evidence.ErrMalformed, "no-evidence", client.ExitUsage, "evidence get"},
		{&audit.Tampering{Index: 3, Size: 9, What: errors.New("w")}, "tampered", client.ExitTampering, "other nodes"},
		{&audit.Fork{}, "tampered", client.ExitTampering, "other nodes"},
		{audit.ErrBehind, "behind", client.ExitUnreachable, "another node"},
		{audit.ErrNoCheckpoint, "not-final", client.ExitUnreachable, "status"},
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
		{client.HandoverPending, 0, 61, handoverFor},
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
			_, err = (&voice{&client.Author{Client: c}, client.Ordered}).send(context.Background(), newTerminal(nil, io.Discard, io.Discard), []byte("s"), nil)
			if took := time.Since(began); !isNamed(err, test.name) || asked != test.asked || took != test.within {
				t.Errorf("%s after %s: asked %d times in %s, %v; want %d times in %s", test.name, test.takes, asked, took, err, test.asked, test.within)
			}
		})
	}
}

// TestFindingsForPrograms: what an audit found is there for a program too.
func TestFindingsForPrograms(t *testing.T) {
	f, _ := explain(fmt.Errorf("http://node: %w", &audit.Tampering{Index: 3, Size: 9, What: errors.New("w")}))
	if f.Detail["index"] != uint64(3) || f.Detail["size"] != uint64(9) || !strings.Contains(f.Message, "statement 3 of 9") {
		t.Errorf("%+v", f)
	}
	f, _ = explain(&audit.Fork{First: 4, Known: true})
	if f.Detail["index"] != uint64(4) || f.Detail["culprits"] == nil || f.Detail["fork"] == nil {
		t.Errorf("%+v", f)
	}
}

// TestNotYetFinal: a statement that is ordered, and was to be final, is said to
// be ordered, with why, and the exit code is that of what is not yet certain.
func TestNotYetFinal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "xa")
	if code, _, errs := typed(t, "", "init", "--authority", "XA", "--name", "A", "--dir", dir); code != client.ExitDone {
		t.Fatal(errs)
	}
	for _, test := range []struct {
		state string
		wait  string
		code  int
	}{
		{client.Ordered, client.Final, client.ExitUnreachable},
		{client.Final, client.Final, client.ExitDone},
		{client.Ordered, client.Ordered, client.ExitDone},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/v1/status":
				fmt.Fprintf(w, `{"network":%q,"region":"XA"}`, someHash)
			case "/v1/schemes":
				w.WriteHeader(http.StatusNotFound) // a node of before: risk declare goes without
				fmt.Fprint(w, `{"error":{"name":"not-found","message":"there is nothing at /v1/schemes"}}`)
			case "/v1/revisions":
				fmt.Fprintf(w, `{"subject":%q,"revision":0,"asOf":%s}`, r.URL.Query().Get("subject"), someAsOf)
			case "/v1/statements":
				body := io.Reader(r.Body)
				if part, _, err := r.FormFile("statement"); err == nil {
					body = part // with an attachment beside it
				}
				raw, err := io.ReadAll(body)
				if err != nil {
					t.Error(err)
				}
				w.WriteHeader(http.StatusAccepted)
				fmt.Fprintf(w, `{"hash":"%x","index":7,"state":%q,"note":"XC and XD are missing"}`, sha256.Sum256(raw), test.state)
			}
		}))
		for _, args := range [][]string{
			{"risk", "declare", "FR", "--level", "high", "--from", "now"},
			{"revoke", strings.Repeat("0", 32), "--hash-type", "uci", "--expires", "2040-01-01T00:00:00Z", "--reason", "r"},
		} {
			code, out, errs := typed(t, "", append(args, "--dir", dir, "--node", s.URL, "--wait", test.wait)...)
			if code != test.code || !strings.Contains(out, test.state+" as statement 7") || !strings.Contains(errs, "XC and XD are missing") {
				t.Errorf("%s: %s, waiting for %s: exit code %d, want %d\n%s%s", args[0], test.state, test.wait, code, test.code, out, errs)
			}
		}
		s.Close()
	}
}
