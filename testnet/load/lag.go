package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"concordat/client"
)

// Lag is how long after it was ordered a statement was final, by the times at
// which one client, who had waited for the first, was told of the second.
type Lag struct {
	Samples int     `json:"samples"`
	P50     float64 `json:"p50Millis"`
	P99     float64 `json:"p99Millis"`
	Max     float64 `json:"maxMillis"`
}

// startLag begins to measure how long it takes from ordered to final, if that
// is asked for, and gives what ends it.
func (s Submit) startLag(ctx context.Context, statements *pool) (stop func() (*Lag, error)) {
	if !s.Lag {
		return func() (*Lag, error) { return nil, nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	var took []time.Duration
	var fault error
	var wg sync.WaitGroup
	wg.Go(func() {
		c, err := newCaller(s.Nodes[0])
		if err != nil {
			fault = err
			return
		}
		defer c.wire.close()
		warm := time.Now().Add(s.Window.Warm)
		for ctx.Err() == nil {
			x, ok := statements.take()
			if !ok {
				return
			}
			d, err := x.lag(ctx, c)
			switch {
			case errors.Is(err, ErrWrong):
				fault = err
				return
			case err == nil && time.Now().After(warm):
				took = append(took, d)
			}
		}
	})
	return func() (*Lag, error) {
		cancel()
		wg.Wait()
		l := &Lag{Samples: len(took)}
		if len(took) > 0 {
			slices.Sort(took)
			l.P50, l.P99, l.Max = millis(quantile(took, 0.50)), millis(quantile(took, 0.99)), millis(took[len(took)-1])
		}
		return l, fault
	}
}

// lag sends a statement, and once it is ordered the same again, to be told when
// it is final.
func (x *sent) lag(ctx context.Context, c *caller) (time.Duration, error) {
	again := false
	for {
		got, err := c.Submit(ctx, x.raw, nil, client.Ordered)
		if err == nil && got.Index != nil {
			if err := x.acknowledge(got, c.Nodes()[0], again); err != nil {
				return 0, err
			}
			break
		}
		if ctx.Err() != nil {
			return 0, err
		}
		again = true
		time.Sleep(retryAfter)
	}
	began := time.Now()
	got, err := c.Submit(ctx, x.raw, nil, client.Final)
	if err == nil && got.State != client.Final {
		err = fmt.Errorf("a statement is %s and not final: %s", got.State, got.Note)
	}
	return time.Since(began), err
}
