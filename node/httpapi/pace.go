package httpapi

import (
	"errors"
	"net/http"
	"time"
)

const (
	// DefaultBundleRate is the least that a bundle's reader takes, in bytes a
	// second: half a megabit.
	DefaultBundleRate = 64 << 10
	// DefaultBundleTime is what a bundle's reader has beyond what its bytes take at that rate.
	DefaultBundleTime = 30 * time.Second
)

// pace is how quickly a long answer has to be read. The time for the whole
// grows with its size, and not with the reader's patience: who reads a byte now
// and then, or a piece just before its time is up, holds a place for no longer
// than the slowest honest reader does.
type pace struct {
	rate int64         // bytes a second, at least
	more time.Duration // from the first byte, beyond what the rate gives
}

// paced is an answer that is cut off when it falls behind its pace.
type paced struct {
	http.ResponseWriter
	pace
	out     *http.ResponseController
	began   time.Time // of the first write; zero before it
	written int64
}

// writer gives w that pace. Until the first write the server's timeouts count.
func (p pace) writer(w http.ResponseWriter) *paced {
	return &paced{ResponseWriter: w, pace: p, out: http.NewResponseController(w)}
}

// Write implements io.Writer.
func (p *paced) Write(b []byte) (int, error) {
	if p.began.IsZero() {
		p.began = time.Now()
	}
	p.written += int64(len(b))
	whole := time.Duration(float64(p.written) / float64(p.rate) * float64(time.Second))
	err := p.out.SetWriteDeadline(p.began.Add(p.more + whole))
	if err != nil && !errors.Is(err, http.ErrNotSupported) { // no connection to set it on: a test's recorder
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}
