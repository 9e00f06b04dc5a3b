package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"concordat/client"
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
		"\nconcordat_ledger_size ", "\nconcordat_knowledge_age_seconds 0", "\nconcordat_leader 1\n", "\nconcordat_quorum 1\n", "\nconcordat_raft_term ",
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
