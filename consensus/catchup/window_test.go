package catchup

import (
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// However pieces come, short or whole, late or early, the window hands out all
// of them, once each, gives them in order, keeps to its limit and never locks
// itself up.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Uint64Range(0, 3000).Draw(t, "from")
		to := from + rapid.Uint64Range(1, 20_000).Draw(t, "length")
		limit := pieceBytes * rapid.IntRange(1, 4).Draw(t, "limit")
		most := rapid.IntRange(1, 4).Draw(t, "blocks not grafted, at most")
		seed := rapid.Uint64().Draw(t, "seed")
		w := newWindow(from, to, limit)
		ctx := t.Context()
		var workers sync.WaitGroup
		for i := range 3 {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			workers.Go(func() {
				for {
					s, more, err := w.take(ctx)
					if err != nil || !more {
						return
					}
					if s.from/MaxRange != (s.to-1)/MaxRange {
						t.Errorf("a span from %d to %d", s.from, s.to)
					}
					n := s.to - s.from
					if r.IntN(2) == 0 {
						n = 1 + r.Uint64N(n)
					}
					entries := make([][]byte, n)
					for i := range entries {
						entries[i] = make([]byte, r.IntN(pieceBytes/MaxRange-64))
					}
					w.put(s, &piece{span: span{s.from, s.from + n}, entries: entries})
				}
			})
		}
		queued := 0
		for at := from; at < to; {
			p, err := w.wait(ctx, at)
			if err != nil {
				t.Fatal(err)
			}
			at = p.to
			w.assembled()
			if queued++; queued == most || at == to {
				w.grafted(at, queued)
				queued = 0
			}
			w.mu.Lock()
			used := w.used
			w.mu.Unlock()
			if used > limit+pieceBytes {
				t.Errorf("%d bytes are used, the limit is %d and a piece", used, limit)
			}
			if queued > 0 && used+pieceBytes > limit {
				w.grafted(at, queued) // as the grafter does in the end
				queued = 0
			}
		}
		workers.Wait()
		if w.used != 0 || w.verified() != to {
			t.Errorf("in the end %d bytes are used, and %d of %d verified", w.used, w.verified(), to)
		}
	})
}
