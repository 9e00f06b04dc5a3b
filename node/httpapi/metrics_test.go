package httpapi_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"concordat/client"
	"concordat/node/httpapi"
)

// TestMetrics: the figures are there, and their labels tell of nobody.
func TestMetrics(t *testing.T) {
	code := registered(t, "AT-1")
	c := check(t, client.Check{Codes: []string{code.Text}, At: &clock})
	get(t, "/v1/nothing/SECRET")
	get(t, "/v1/statements/12345678")
	a := get(t, "/metrics")
	if a.status != http.StatusOK {
		t.Fatal(a.status)
	}
	text := string(a.body)
	for _, want := range []string{
		`concordat_http_requests_total{route="POST /v1/check",status="200"}`, `concordat_http_requests_total{route="other",status="404"}`,
		`concordat_http_request_seconds_bucket{route="GET /v1/statements/{ref}"`, `concordat_check_decisions_total{decision="recognized"}`,
		"\nconcordat_ledger_size ", "\nconcordat_knowledge_age_seconds ", "\nconcordat_leader 1\n", "\nconcordat_quorum 1\n", "\nconcordat_raft_term ",
		"\nconcordat_held_statements 0\n", "\nconcordat_peers_connected 0\n", "\ngo_goroutines ", "\nprocess_open_fds ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, private := range append(personal(c), "SECRET", "12345678", code.Text) {
		if strings.Contains(text, private) {
			t.Errorf("the figures name %q", private)
		}
	}
	// Labels are of a fixed set: nothing of a request makes a new one.
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "concordat_check_reasons_total{") && !strings.Contains(line, `{reason="`) {
			t.Errorf("a figure is labelled %s", line)
		}
	}
}

// glanced counts how often a node is asked for its status.
type glanced struct {
	httpapi.Node
	n atomic.Int32
}

// Status implements httpapi.Node.
func (g *glanced) Status() client.Status {
	g.n.Add(1)
	return g.Node.Status()
}

// TestGlances: a scrape asks for one status, whatever it shows, and the list of
// peers for none.
func TestGlances(t *testing.T) {
	n := &glanced{Node: network.Node(region)}
	api := httpapi.New(n, httpapi.Config{Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Checks: 1, Submits: 1, Events: 1})
	for path, want := range map[string]int32{"/metrics": 1, "/v1/status": 1, "/v1/peers": 0} {
		n.n.Store(0)
		rw := httptest.NewRecorder()
		api.ServeHTTP(rw, httptest.NewRequest(http.MethodGet, path, nil))
		if got := n.n.Load(); rw.Code != http.StatusOK || got != want {
			t.Errorf("%s is answered %d from %d statuses, want %d", path, rw.Code, got, want)
		}
	}
}
