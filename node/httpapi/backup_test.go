package httpapi

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"concordat/client"
	"concordat/ledger/backup"
)

// operated is a node that has an operator, and a ledger to back up.
type operated struct{ Node }

func (operated) Operator(token string) bool { return token == "the operator's" }

func (operated) Backup(w io.Writer, begin func(backup.Manifest)) error {
	begin(backup.Manifest{Size: 12})
	_, err := io.WriteString(w, "all of it")
	return err
}

// A backup is for the operator alone.
func TestBackupWantsTheOperator(t *testing.T) {
	a := &api{
		node: operated{}, log: slog.New(slog.DiscardHandler), metrics: newMetrics(prometheus.NewRegistry(), nil),
		backups: newGate(maxBackups), pace: pace{DefaultBundleRate, DefaultBundleTime},
	}
	h := a.wrap("GET /v1/operator/backup", a.backup)
	for header, want := range map[string]int{
		"":                       http.StatusUnauthorized,
		"Bearer":                 http.StatusUnauthorized,
		"Bearer somebody else's": http.StatusUnauthorized,
		"the operator's":         http.StatusUnauthorized,
		"Bearer the operator's":  http.StatusOK,
	} {
		r := httptest.NewRequest(http.MethodGet, "/v1/operator/backup", nil)
		r.Header.Set("Authorization", header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("with %q: status %d, want %d", header, w.Code, want)
		}
		body := w.Body.String()
		switch {
		case want != http.StatusOK && (strings.Contains(body, "all of it") || !strings.Contains(body, client.NotOperator)):
			t.Errorf("with %q: %s", header, body)
		case want == http.StatusOK && (body != "all of it" || w.Header().Get("Content-Disposition") != `attachment; filename="concordat-12.backup"` || w.Header().Get("Cache-Control") != "no-store"):
			t.Errorf("the backup came as %q with %v", body, w.Header())
		}
	}
}
