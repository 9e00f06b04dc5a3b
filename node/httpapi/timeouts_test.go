package httpapi_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"concordat/node/httpapi"
)

// TestSlowSenders: whoever sends a byte at a time is cut off.
func TestSlowSenders(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	api := httpapi.New(network.Node(region), httpapi.Config{Logger: log, Registry: prometheus.NewRegistry(), Checks: 1, Submits: 1, Events: 1})
	const short = 200 * time.Millisecond
	server := httpapi.NewServer(api, httpapi.Timeouts{Header: short, Body: 2 * short, Answer: time.Second, Idle: short}, log)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() { // after the parallel parts
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
	for name, first := range map[string]string{
		"header":    "POST /v1/check HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"check":     "POST /v1/check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n",
		"statement": "POST /v1/statements HTTP/1.1\r\nHost: x\r\nContent-Type: application/cose\r\nContent-Length: 1000\r\n\r\n",
		"idle":      "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			began := time.Now()
			stop := make(chan struct{})
			go func() {
				defer close(stop)
				if _, err := fmt.Fprint(conn, first); err != nil || name == "idle" {
					return
				}
				for { // a byte now and then, until the connection is gone
					time.Sleep(20 * time.Millisecond)
					if _, err := fmt.Fprint(conn, " "); err != nil {
						return
					}
				}
			}()
			if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(conn); isTimeout(err) { // a reset is as good an end as any
				t.Fatal("the connection was kept")
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			conn.Close()
			<-stop
		})
	}
	t.Run("header too large", func(t *testing.T) {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: %01048576d\r\n\r\n", 0)
		if a := readAnswer(t, conn); a.status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d", a.status)
		}
	})
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
