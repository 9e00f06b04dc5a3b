package load

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrWrong: an answer was wrong, or something acknowledged is not where it was said to be.
	ErrWrong = errors.New("wrong answer")

	// errDry: a client has nothing left to send.
	errDry = errors.New("nothing left to send")
)

// Window is for how long load is put on: first Warm, which is not measured, then Measured.
type Window struct{ Warm, Measured time.Duration }

// Figures are what one measurement gave. Latencies are those of operations
// that ended well within the window.
type Figures struct {
	Mode       string  `json:"mode"`
	Clients    int     `json:"clients"`
	Seconds    float64 `json:"seconds"` // the window, as it was
	Done       int     `json:"done"`    // operations that ended well in it
	PerSecond  float64 `json:"perSecond"`
	P50        float64 `json:"p50Millis"`
	P99        float64 `json:"p99Millis"`
	Max        float64 `json:"maxMillis"`
	Errors     int     `json:"errors"` // answers such as "busy", in the window; tried again
	FirstError string  `json:"firstError,omitempty"`
	Short      bool    `json:"short,omitempty"` // the window ended early: what was prepared ran out
	CPU        *CPU    `json:"cpu,omitempty"`   // where the system says it
}

// operation is one request with the check of its answer.
type operation func(ctx context.Context) error

// retryAfter is how long a client waits after an error.
const retryAfter = 5 * time.Millisecond

const (
	warming int32 = iota
	measuring
	over
)

// tally is what one client has seen.
type tally struct {
	latencies []time.Duration
	errors    int
	first     error
	wrong     error
}

// drive runs each operation in a loop of its own and measures them over the window.
func drive(ctx context.Context, ops []operation, w Window, servers []int) (Figures, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var phase atomic.Int32
	stop := make(chan struct{}) // closed by the first client that cannot go on
	var once sync.Once
	tallies := make([]tally, len(ops))
	var dry atomic.Bool
	var wg sync.WaitGroup
	for i, op := range ops {
		wg.Go(func() {
			t := &tallies[i]
			for phase.Load() != over {
				began := time.Now()
				err := op(ctx)
				took := time.Since(began)
				counts := phase.Load() == measuring
				switch {
				case errors.Is(err, errDry), errors.Is(err, ErrWrong):
					if errors.Is(err, ErrWrong) {
						t.wrong = err
					} else {
						dry.Store(true)
					}
					once.Do(func() { close(stop) })
					return
				case err != nil:
					if ctx.Err() != nil {
						return
					}
					if counts {
						t.errors++
					}
					if t.first == nil {
						t.first = err
					}
					time.Sleep(retryAfter)
				case counts:
					t.latencies = append(t.latencies, took)
				}
			}
		})
	}
	wait := func(d time.Duration) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-stop:
		case <-ctx.Done():
		}
		return false
	}
	f := Figures{Clients: len(ops)}
	if wait(w.Warm) {
		before := readCPU(servers)
		began := time.Now()
		phase.Store(measuring)
		wait(w.Measured)
		phase.Store(over)
		f.Seconds = time.Since(began).Seconds()
		f.CPU = readCPU(servers).since(before, f.Seconds)
	}
	phase.Store(over)
	f.Short = dry.Load()
	interrupted := context.Cause(ctx)
	wg.Wait()
	return f.sum(tallies), errors.Join(append(wrongs(tallies), interrupted)...)
}

func wrongs(ts []tally) []error {
	var out []error
	for _, t := range ts {
		out = append(out, t.wrong)
	}
	return out
}

// sum adds up what the clients have seen.
func (f Figures) sum(ts []tally) Figures {
	var all []time.Duration
	for _, t := range ts {
		all = append(all, t.latencies...)
		f.Errors += t.errors
		if f.FirstError == "" && t.first != nil {
			f.FirstError = t.first.Error()
		}
	}
	f.Done = len(all)
	if f.Done == 0 || f.Seconds == 0 {
		return f
	}
	slices.Sort(all)
	f.PerSecond = float64(f.Done) / f.Seconds
	f.P50, f.P99, f.Max = millis(quantile(all, 0.50)), millis(quantile(all, 0.99)), millis(all[len(all)-1])
	return f
}

// quantile of sorted values, by the nearest rank.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
