package consensus

import (
	"fmt"
	"sync"

	"concordat/ledger"
	"concordat/ledger/block"
)

// request is one Submit: its statements may go into several blocks. Until done
// is closed it belongs to the queue and, for what was taken, to the proposer.
type request struct {
	cs       []ledger.Candidate
	queued   []int // the places in cs of those that are for a block
	outcomes []Outcome
	done     chan struct{} // closed when outcomes or err is whole

	// Under the queue's lock:
	left      int  // outcomes still to come
	taken     bool // the proposer has had some of it
	abandoned bool // nobody waits for it
	finished  bool
	err       error
}

// newRequest answers seals at once; what is left of the request is for the queue.
func newRequest(cs []ledger.Candidate) *request {
	r := &request{cs: cs, outcomes: make([]Outcome, len(cs)), done: make(chan struct{})}
	for at, c := range cs {
		if isSeal(c) {
			r.outcomes[at] = sealRefused()
		} else {
			r.queued = append(r.queued, at)
		}
	}
	r.left = len(r.queued)
	return r
}

// item is one statement of a request.
type item struct {
	of *request
	at int
}

func (i item) candidate() ledger.Candidate { return i.of.cs[i.at] }

func sizeOf(c ledger.Candidate) int { return len(c.Raw) + len(c.Attachment) }

// queue is what waits to be proposed. It is bounded: when it is full, the
// answer is "later", at once.
type queue struct {
	maxItems, maxBytes int

	mu    sync.Mutex
	items []item
	bytes int
	wake  chan struct{} // of one element: there is something
}

func newQueue(maxItems, maxBytes int) *queue {
	return &queue{maxItems: maxItems, maxBytes: maxBytes, wake: make(chan struct{}, 1)}
}

func (q *queue) add(r *request) error {
	size := 0
	for _, at := range r.queued {
		size += sizeOf(r.cs[at])
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	// An empty queue takes whatever comes: else what is larger than all of it could never be submitted.
	if len(q.items) > 0 && (len(q.items)+len(r.queued) > q.maxItems || q.bytes+size > q.maxBytes) {
		return fmt.Errorf("%w: %d in %d bytes, at most %d in %d bytes; try again in a moment", ErrBusy, len(q.items), q.bytes, q.maxItems, q.maxBytes)
	}
	for _, at := range r.queued {
		q.items = append(q.items, item{r, at})
	}
	q.bytes += size
	q.signal()
	return nil
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// gather takes what fits into one block, in the order of arrival. Every
// statement taken would fit even if all are accepted; one that fits no block
// at all is taken alone, for the ledger to refuse.
func (q *queue) gather() []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	var b block.Budget
	var out []item
	n := 0
	for _, it := range q.items {
		c := it.candidate()
		if it.of.finished || it.of.abandoned {
			n++
			q.bytes -= sizeOf(c)
			continue
		}
		if !b.Take(c.Raw, c.Attachment) && len(out) > 0 {
			break
		}
		n++
		q.bytes -= sizeOf(c)
		it.of.taken = true
		out = append(out, it)
	}
	clear(q.items[:n]) // what they hold may be large
	q.items = q.items[n:]
	if len(q.items) > 0 {
		q.signal()
	} else {
		q.items = nil
	}
	return out
}

// answer gives one statement its outcome.
func (q *queue) answer(it item, o Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := it.of
	if r.finished {
		return
	}
	r.outcomes[it.at] = o
	if r.left--; r.left == 0 {
		r.finished = true
		close(r.done)
	}
}

// fail ends the requests that the items are of.
func (q *queue) fail(items []item, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	failLocked(items, err)
}

func failLocked(items []item, err error) {
	for _, it := range items {
		if r := it.of; !r.finished {
			r.finished, r.err, r.outcomes = true, err, nil
			close(r.done)
		}
	}
}

// failAll ends everything that waits.
func (q *queue) failAll(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	failLocked(q.items, err)
	q.items, q.bytes = nil, 0
}

// abandon lets go of a request, and reports whether some of it may have been
// proposed. What was not is never proposed from now on.
func (q *queue) abandon(r *request) (taken bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r.abandoned = true
	return r.taken
}

// waiting is how many statements wait.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}
