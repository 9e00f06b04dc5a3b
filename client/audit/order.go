package audit

import (
	"context"
	"iter"
	"sync"
)

// inOrder calls fetch for 0 to n-1, up to workers of them at once, and gives
// what they return in order. At most workers results wait to be taken. It ends
// after the first error, and nothing that it started outlives it.
func inOrder[T any](ctx context.Context, n uint64, workers int, fetch func(context.Context, uint64) (T, error)) iter.Seq2[T, error] {
	type result struct {
		value T
		err   error
	}
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wait sync.WaitGroup
		defer wait.Wait()
		defer cancel()
		var pending []chan result
		next := uint64(0)
		start := func() {
			i, out := next, make(chan result, 1) // of one: the goroutine ends though nobody takes it
			next++
			pending = append(pending, out)
			wait.Go(func() {
				v, err := fetch(ctx, i)
				out <- result{v, err}
			})
		}
		for next < n && len(pending) < workers {
			start()
		}
		for len(pending) > 0 {
			r := <-pending[0]
			pending = pending[1:]
			if r.err == nil && next < n {
				start()
			}
			if !yield(r.value, r.err) || r.err != nil {
				return
			}
		}
	}
}
