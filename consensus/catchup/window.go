package catchup

import (
	"context"
	"sync"
)

// span is a range of statements, from inclusive, to exclusive.
type span struct{ from, to uint64 }

// piece is what was fetched of a span, all verified.
type piece struct {
	span
	entries [][]byte
	sheets  []sheet // of the blocks that begin in the span
}

func (p *piece) bytes() int {
	n := 0
	for _, e := range p.entries {
		n += len(e) + 64
	}
	for _, s := range p.sheets {
		n += len(s.records) * 768
	}
	return n
}

// window hands out what is to be fetched, lowest first, and takes what came,
// within a bound of bytes that are fetched and not yet grafted (C4).
// Whoever waits does so for changed.
//
// The bound cannot lock it up: the piece that the assembly waits for is always
// handed out when all before it is grafted, though later ones fill the memory.
type window struct {
	limit int

	mu       sync.Mutex
	pending  []span // ascending, not handed out
	fetching int    // handed out
	came     map[uint64]*piece
	next     uint64 // where the assembly waits for a piece
	taken    uint64 // where those end that it has
	queued   int    // blocks that are assembled and not grafted
	used     int    // bytes of pieces fetched, and the most of those handed out
	held     []heldPiece
	changed  chan struct{}
}

// heldPiece is memory that is given back when the ledger has grown to end.
type heldPiece struct {
	end   uint64
	bytes int
}

// pieceBytes is what a piece takes while it is fetched: the entries of one
// answer, and its records.
const pieceBytes = MaxAnswer

func newWindow(from, to uint64, limit int) *window {
	return &window{limit: limit, pending: []span{{from, to}}, came: map[uint64]*piece{}, next: from, taken: from, changed: make(chan struct{})}
}

func (w *window) wakeLocked() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// until calls try under the mutex until it returns true.
func (w *window) until(ctx context.Context, try func() bool) error {
	for {
		w.mu.Lock()
		ok, changed := try(), w.changed
		w.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// take gives the lowest span that nobody fetches; false when there is no more.
// Spans end at a multiple of MaxRange, where tiles end too.
func (w *window) take(ctx context.Context) (s span, more bool, err error) {
	err = w.until(ctx, func() bool {
		if len(w.pending) == 0 {
			return w.fetching == 0 // what is being fetched may leave a rest
		}
		first := &w.pending[0]
		room := w.used+pieceBytes <= w.limit
		if !room && !(first.from == w.next && w.queued == 0) {
			return false
		}
		s = span{first.from, min(first.to, first.from/MaxRange*MaxRange+MaxRange)}
		if first.from = s.to; first.from == first.to {
			w.pending = w.pending[1:]
		}
		w.fetching++
		w.used += pieceBytes
		more = true
		return true
	})
	return s, more, err
}

// put takes what came of a span; where it came short, the rest is handed out again.
func (w *window) put(asked span, p *piece) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fetching--
	bytes := p.bytes()
	w.used += bytes - pieceBytes
	w.held = append(w.held, heldPiece{p.to, bytes})
	w.came[p.from] = p
	if p.to < asked.to {
		w.pending = append([]span{{p.to, asked.to}}, w.pending...)
		// Later spans may have been handed out before, never earlier ones: all
		// that is pending lies after what was asked, or came short before it did.
		for i := 0; i+1 < len(w.pending) && w.pending[i].from > w.pending[i+1].from; i++ {
			w.pending[i], w.pending[i+1] = w.pending[i+1], w.pending[i]
		}
	}
	w.wakeLocked()
}

// wait gives the piece that begins at from, to the assembly.
func (w *window) wait(ctx context.Context, from uint64) (p *piece, err error) {
	err = w.until(ctx, func() bool {
		if w.next != from {
			w.next = from
			w.wakeLocked() // it may be handed out now
		}
		if p = w.came[from]; p != nil {
			delete(w.came, from)
			w.taken = p.to
		}
		return p != nil
	})
	return p, err
}

// assembled notes a block that is to be grafted.
func (w *window) assembled() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queued++
}

// grafted gives back the memory of what the ledger has, blocks of them.
func (w *window) grafted(size uint64, blocks int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queued -= blocks
	kept := w.held[:0]
	for _, h := range w.held {
		if h.end <= size {
			w.used -= h.bytes
		} else {
			kept = append(kept, h)
		}
	}
	w.held = kept
	w.wakeLocked()
}

// verified is how far pieces have come without a gap.
func (w *window) verified() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.taken
	for p := w.came[at]; p != nil; p = w.came[at] {
		at = p.to
	}
	return at
}

// allowance is a bound on bytes that are taken in order and given back.
type allowance struct {
	limit   int
	mu      sync.Mutex
	used    int
	changed chan struct{}
}

func newAllowance(limit int) *allowance {
	return &allowance{limit: limit, changed: make(chan struct{})}
}

// take waits for n bytes; if n is above the limit, for all to be given back.
func (a *allowance) take(ctx context.Context, n int) error {
	for {
		a.mu.Lock()
		if a.used == 0 || a.used+n <= a.limit {
			a.used += n
			a.mu.Unlock()
			return nil
		}
		changed := a.changed
		a.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (a *allowance) give(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used -= n
	close(a.changed)
	a.changed = make(chan struct{})
}
