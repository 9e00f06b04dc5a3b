package httpapi

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"concordat/client"
)

// patience is how long a request waits for room before it is told to come later.
const patience = time.Second

// gate bounds how much of one thing is under way at once.
type gate chan struct{}

func newGate(n int) gate { return make(gate, max(n, 1)) }

// enter waits up to patience for room; leave must be called once it returns nil.
func (g gate) enter(ctx context.Context, what string) error {
	select {
	case g <- struct{}{}:
		return nil
	default:
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return client.Fail(client.Busy, "%d %s are under way already", cap(g), what)
	}
}

func (g gate) leave() { <-g }

// Bounds of the bytes that bodies have in memory at once: some 250 of the largest
// submissions, and some 20 of the largest checks with pictures.
const (
	maxBodies       = 256 << 20
	maxPictureBytes = 256 << 20
)

// scale bounds how many bytes bodies take together, by what they say they have.
type scale struct {
	most int64
	room *semaphore.Weighted
}

func newScale(most int64) scale { return scale{most, semaphore.NewWeighted(most)} }

// enter waits up to patience for room for a body of size bytes, or of most if
// the size is not known; leave must be called with what it returns.
func (s scale) enter(ctx context.Context, size, most int64, what string) (int64, error) {
	if size < 0 || size > most {
		size = most
	}
	size = min(size, s.most)
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if s.room.Acquire(wait, size) == nil {
		return size, nil
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return 0, client.Fail(client.Busy, "%s of %d bytes are under way already", what, s.most)
}

func (s scale) leave(size int64) { s.room.Release(size) }
