package node

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"concordat/client"
	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/statement"
	"concordat/recognition"
)

// urgentAfter is how long an urgent statement is on its way to the order before
// it is put into force here, whatever becomes of it there.
const urgentAfter = time.Second

// orderUrgently gets a statement ordered that counts before it is. Where there
// is no quorum, or the order takes its time, it is held and put into force here;
// and if it is not ordered in the time that a submission has, that is the answer.
func (n *Node) orderUrgently(ctx context.Context, u *statement.Unverified, cand ledger.Candidate, wait string) (client.Submitted, error) {
	if n.order.isAway() {
		return n.inForce(u, cand, n.order.catchingUp())
	}
	if s := n.order.Status(); !s.Quorum {
		return n.inForce(u, cand, n.gaveUp(nil))
	}
	done := make(chan orderResult, 1)
	go func() { // it ends with ctx, which ends with this submission
		outcome, err := n.courier.order(ctx, cand)
		done <- orderResult{outcome, err}
	}()
	soon := time.NewTimer(urgentAfter)
	defer soon.Stop()
	var r orderResult
	select {
	case r = <-done:
	case <-soon.C:
		// Meanwhile it may be ordered, or refused; then nothing is held for long.
		if _, err := n.accept(u, cand); err != nil {
			n.log.Debug("urgent statement cannot be held while it is on its way", "hash", u.Hash(), "err", err)
		}
		r = <-done
	}
	switch {
	case r.err == nil:
		return n.ordered(ctx, u.Hash(), r.outcome, wait)
	case notOrderedNow(r.err) && !n.stopping.Load():
		return n.inForce(u, cand, n.submitFailure(r.err))
	}
	return client.Submitted{}, r.err
}

// notOrderedNow reports that a statement was not ordered because there is no
// quorum, or none was quick enough; and not because somebody refused it.
func notOrderedNow(err error) bool {
	var f *client.Failure
	if errors.As(err, &f) {
		return f.Name == client.NoQuorum || f.Name == client.Timeout
	}
	return errors.Is(err, consensus.ErrNoQuorum) || errors.Is(err, context.DeadlineExceeded)
}

// inForce holds an urgent statement that cannot be ordered now. What stands in
// the way is told with the answer, or, where the statement cannot be held
// either, instead of it.
func (n *Node) inForce(u *statement.Unverified, cand ledger.Candidate, why error) (client.Submitted, error) {
	if !n.order.isAway() {
		answer, err := n.accept(u, cand)
		return noted(answer, why), err
	}
	// A node that catches up knows an old state. What that would accept is in
	// force; what it would refuse may be right by now.
	var f *client.Failure
	if !errors.As(why, &f) || f.Name != client.CatchingUp {
		return client.Submitted{}, why // it is not a member, or not any more
	}
	judged, err := n.ledger.Judge([]ledger.Candidate{cand})
	if err != nil {
		return client.Submitted{}, err
	}
	if !judged[0].Known && !judged[0].Accepted() {
		return client.Submitted{}, why
	}
	answer, err := n.accept(u, cand)
	return noted(answer, why), err
}

// noted says of what is accepted only why that is all.
func noted(answer client.Submitted, why error) client.Submitted {
	if answer.State != client.Accepted || why == nil {
		return answer
	}
	reason := why.Error()
	var f *client.Failure
	if errors.As(why, &f) {
		reason = f.Message
	}
	answer.Note = "in force at this node, and not ordered yet: " + reason + "; this node holds it, passes it on to whom it reaches, and offers it until it is ordered"
	if !answer.InForce {
		answer.Note = "not ordered yet, and not in force at this node, which has too much in force already that waits: " + reason + "; this node holds it, and offers it until it is ordered"
	}
	return answer
}

// Bounds of what is in force before it is ordered: beyond them urgent statements
// are held all the same, and come into force when there is room.
const (
	maxInForce      = 4096
	maxInForceBytes = 64 << 20
	// Of one authority's, half of that.
	maxInForceEach      = maxInForce / 2
	maxInForceBytesEach = maxInForceBytes / 2
)

// force is the urgent statements that this node holds, as its checks take them
// into account.
type force struct {
	n *Node

	mu      sync.Mutex
	in      map[statement.Hash]bool // those said
	said    []recognition.PendingStatement
	sizes   []int
	made    uint64                  // grows with every change
	waits   []statement.Hash        // what had no room, in the order in which it came
	waiting map[statement.Hash]bool // the same

	building sync.Mutex
	built    uint64 // what newest is made of, while building
	newest   atomic.Pointer[recognition.Pending]
}

func newForce(n *Node) *force {
	f := &force{n: n, in: map[statement.Hash]bool{}, waiting: map[statement.Hash]bool{}}
	f.newest.Store(recognition.NewPending(nil))
	return f
}

// pending is what checks lay over the state. Take it before the view: what is
// ordered between the two is in both, and what is in neither was refused.
func (f *force) pending() *recognition.Pending { return f.newest.Load() }

// add puts a statement into force that is held. When it returns, every check
// that begins takes it into account, unless there is no room.
func (f *force) add(u *statement.Unverified, c ledger.Candidate) {
	f.mu.Lock()
	if f.in[u.Hash()] || f.waiting[u.Hash()] {
		f.mu.Unlock()
		f.build()
		return
	}
	if !f.roomLocked(u.Statement().Issuer, sizeOf(c)) {
		f.waits = append(f.waits, u.Hash())
		f.waiting[u.Hash()] = true
		f.mu.Unlock()
		return
	}
	f.addLocked(u, c)
	f.mu.Unlock()
	f.build()
}

func (f *force) addLocked(u *statement.Unverified, c ledger.Candidate) {
	s := u.Statement()
	f.in[u.Hash()] = true
	f.said = append(f.said, recognition.PendingStatement{Hash: u.Hash(), Issuer: s.Issuer, Body: s.Body, Attachment: c.Attachment})
	f.sizes = append(f.sizes, sizeOf(c))
	f.made++
}

// roomLocked reports whether one more of an authority's statements fits.
func (f *force) roomLocked(by statement.Region, bytes int) bool {
	n, own := 0, 0
	sum, ownSum := bytes, bytes
	for i, s := range f.said {
		n++
		sum += f.sizes[i]
		if s.Issuer == by {
			own++
			ownSum += f.sizes[i]
		}
	}
	return n < maxInForce && own < maxInForceEach && sum <= maxInForceBytes && ownSum <= maxInForceBytesEach
}

// build makes newest of what is there now. Those who wait for another to build
// find that theirs was built too: many that come at once cost one.
func (f *force) build() {
	f.building.Lock()
	defer f.building.Unlock()
	f.mu.Lock()
	made, said := f.made, slices.Clone(f.said)
	f.mu.Unlock()
	if made == f.built {
		return
	}
	f.newest.Store(recognition.NewPending(said))
	f.built = made
}

// drop takes a statement out of force: it was refused.
func (f *force) drop(h statement.Hash) { f.remove(map[statement.Hash]bool{h: true}) }

func (f *force) remove(gone map[statement.Hash]bool) {
	f.mu.Lock()
	var said []recognition.PendingStatement
	var sizes []int
	for i, s := range f.said {
		if gone[s.Hash] {
			delete(f.in, s.Hash)
			continue
		}
		said, sizes = append(said, s), append(sizes, f.sizes[i])
	}
	changed := len(said) < len(f.said)
	if changed {
		f.said, f.sizes = said, sizes
		f.made++
	}
	f.waits = slices.DeleteFunc(f.waits, func(h statement.Hash) bool { return gone[h] })
	maps.DeleteFunc(f.waiting, func(h statement.Hash, _ bool) bool { return gone[h] })
	f.mu.Unlock()
	if changed {
		f.build()
	}
}

// refresh takes out of force what is not held any more, since it was ordered,
// and puts into force what had to wait for room.
func (f *force) refresh() {
	f.mu.Lock()
	hashes := slices.Clone(f.waits)
	for _, s := range f.said {
		hashes = append(hashes, s.Hash)
	}
	f.mu.Unlock()
	if len(hashes) == 0 {
		return
	}
	gone := map[statement.Hash]bool{}
	for i, still := range f.n.ledger.StillHeld(hashes) {
		if !still {
			gone[hashes[i]] = true
		}
	}
	if len(gone) > 0 {
		f.remove(gone)
		f.admitWaiting()
	}
}

// admitWaiting puts into force what there is room for now, in the order in which it came.
func (f *force) admitWaiting() {
	f.mu.Lock()
	waits := slices.Clone(f.waits)
	f.mu.Unlock()
	for _, h := range waits {
		c, is, err := f.n.ledger.HeldByHash(h)
		if err != nil || !is {
			continue // ordered since; or the node stops, because its store has failed
		}
		u, err := statement.Parse(c.Raw)
		if err != nil {
			continue // the keeper says so
		}
		f.mu.Lock()
		fits := f.waiting[h] && f.roomLocked(u.Statement().Issuer, sizeOf(c))
		if fits {
			f.addLocked(u, c)
			delete(f.waiting, h)
			f.waits = slices.DeleteFunc(f.waits, func(o statement.Hash) bool { return o == h })
		}
		f.mu.Unlock()
	}
	f.build()
}

func (f *force) has(h statement.Hash) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.in[h]
}

func (f *force) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.said)
}
