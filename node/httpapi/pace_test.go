package httpapi_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"concordat/node/httpapi"
)

// piecewise has a bundle of as many pieces as there are pauses: one before each.
type piecewise struct {
	httpapi.Node
	pauses func(yield func(time.Duration) bool)
	size   int // of a piece
	ended  chan error
}

// Bundle implements httpapi.Node.
func (p piecewise) Bundle(w io.Writer, _ uint64, begin func(uint64, time.Time) bool) (err error) {
	defer func() { p.ended <- err }()
	begin(1, time.Now())
	for pause := range p.pauses {
		time.Sleep(pause)
		if _, err := w.Write(make([]byte, p.size)); err != nil {
			return err
		}
	}
	return nil
}

func bundles(p piecewise, rate int64, more time.Duration) http.Handler {
	return httpapi.New(p, httpapi.Config{
		Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Checks: 1, Submits: 1, Events: 1,
		BundleRate: rate, BundleTime: more,
	})
}

// deadlines keeps by when each piece had to be written.
type deadlines struct {
	*httptest.ResponseRecorder
	by []time.Time
}

// SetWriteDeadline is what http.ResponseController looks for.
func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.by = append(d.by, t)
	return nil
}

// TestPace: the time for a bundle grows with what was written of it, and not
// with how long that took.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, more = 1000, 7 * time.Second
		p := piecewise{pauses: slices.Values([]time.Duration{0, 3 * time.Second, 20 * time.Second}), size: 500, ended: make(chan error, 1)}
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		began := time.Now()
		bundles(p, rate, more).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/bundle", nil))
		if err := <-p.ended; err != nil || w.Code != http.StatusOK {
			t.Errorf("%d, %v", w.Code, err)
		}
		if len(w.by) != 3 {
			t.Fatalf("%d deadlines, want one for each piece", len(w.by))
		}
		for i, by := range w.by {
			if want := more + time.Duration(i+1)*time.Second/2; by.Sub(began) != want {
				t.Errorf("piece %d has until %v after the beginning, want %v", i, by.Sub(began), want)
			}
		}
	})
}

// TestSlowBundle: who takes a little of a bundle again and again, and less than
// the least, is cut off, and holds no place any more.
func TestSlowBundle(t *testing.T) {
	t.Parallel()
	endless := func(yield func(time.Duration) bool) {
		for yield(0) {
		}
	}
	p := piecewise{pauses: endless, size: 64 << 10, ended: make(chan error, 1)}
	server := httptest.NewServer(bundles(p, 64<<20, 100*time.Millisecond))
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "GET /v1/bundle HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	most := time.After(10 * time.Second)
	sip := time.NewTicker(5 * time.Millisecond)
	defer sip.Stop()
	for {
		select {
		case err := <-p.ended:
			if !isTimeout(err) {
				t.Errorf("the answer ended with %v", err)
			}
			return
		case <-most:
			t.Fatal("a slow reader still holds its place")
		case <-sip.C: // 12 MiB a second, of the 64 that are the least
			if _, err := conn.Read(make([]byte, 64<<10)); err != nil {
				continue // the other end will say so
			}
		}
	}
}
