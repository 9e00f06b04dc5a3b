package main

import (
	"context"
	"sync"
	"time"

	"concordat/client"
)

// screen is standard error of a node that runs: its log and, on a terminal, a
// bar below it while the node catches up. Each line of the log takes the bar's
// line, and the bar is drawn again below.
type screen struct {
	t *terminal

	mu    sync.Mutex
	meter *meter // nil: no bar is shown
}

// Write prints a line of the log.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meter != nil && s.meter.bar != nil {
		// A terminal that cannot be written to is no reason to stop the node.
		_ = s.meter.bar.Clear()
	}
	return s.t.err.Write(p)
}

// show draws how far the node has come; nil: it has caught up.
func (s *screen) show(p *client.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case p == nil && s.meter == nil:
		return
	case p == nil:
		s.meter.done()
		s.meter = nil
		return
	case s.meter == nil:
		s.meter = newMeter(s.t, "catching up")
	}
	what := "catching up: " + p.Phase
	if p.Waiting != "" {
		what += ", waiting for " + p.Waiting
	}
	s.meter.describe("%s", what)
	s.meter.set(p.Size, p.Target)
}

// barEvery is how often the bar is drawn.
const barEvery = 500 * time.Millisecond

// watch shows a bar for as long as the node catches up, now or later, if there
// is a terminal. What it gives ends it.
func (s *screen) watch(ctx context.Context, progress func() *client.Progress) (end func()) {
	if !isTerminal(s.t.rawErr) {
		return func() {} // the log says how far it is
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer s.show(nil)
		tick := time.NewTicker(barEvery)
		defer tick.Stop()
		for {
			s.show(progress())
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}
