package node

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/statement"
	"concordat/p2p"
	"concordat/recognition"
)

// The two queues of what the others are told of.
const (
	urgently = iota
	ordinarily
)

// queue is what this node holds, in the order in which it came. Places in it
// stay what they are while what was removed falls out of it.
type queue struct {
	items   []placed // ascending
	next    uint64   // the place of what comes next
	removed int      // of the items
}

// placed is what is at a place.
type placed struct {
	*waiting
	place uint64
}

func (q *queue) add(w *waiting) {
	q.items = append(q.items, placed{w, q.next})
	q.next++
}

// drop takes note that one of the items is removed. Once most are, what is left
// moves together: one that stays for ever keeps no others with it.
func (q *queue) drop() {
	if q.removed++; 2*q.removed <= len(q.items) {
		return
	}
	left := make([]placed, 0, len(q.items)-q.removed)
	for _, x := range q.items {
		if !x.waiting.removed {
			left = append(left, x)
		}
	}
	q.items, q.removed = left, 0
}

// at is where in items a place is, or the first behind it.
func (q *queue) at(place uint64) int {
	i, _ := slices.BinarySearchFunc(q.items, place, func(x placed, place uint64) int { return cmp.Compare(x.place, place) })
	return i
}

// from gives what is at a place or behind it, and the place after that; nil at the end.
func (q *queue) from(place uint64) (*waiting, uint64) {
	i := q.at(place)
	if i == len(q.items) {
		return nil, place
	}
	return q.items[i].waiting, q.items[i].place + 1
}

// before counts what waits before a place.
func (q *queue) before(place uint64) (n int) {
	for _, x := range q.items[:q.at(place)] {
		if !x.waiting.removed {
			n++
		}
	}
	return n
}

// listener is another node, to be told of what is held here.
type listener struct {
	since time.Time // of the connection; the node may have begun anew with it
	next  [2]uint64 // how far in each queue it has been told
	gone  []statement.Hash
	busy  bool // it is being told
	pause time.Duration
	retry time.Time
}

// How long a node that could not be told is left alone.
const (
	leastPause = time.Second
	mostPause  = time.Minute
	tellWithin = 10 * time.Second
)

// gossip tells each node that is connected what it has not been told yet.
func (p *pending) gossip(ctx context.Context, wg *sync.WaitGroup, now time.Time) {
	p.mu.Lock()
	idle := len(p.queue[urgently].items) == 0 && len(p.queue[ordinarily].items) == 0 && len(p.all) == 0
	for _, l := range p.peers {
		idle = idle && len(l.gone) == 0
	}
	p.mu.Unlock()
	if idle {
		return
	}
	for _, peer := range p.n.host.Peers() {
		if peer.Self || !peer.Connected {
			continue
		}
		p.mu.Lock()
		news := p.newsLocked(peer.Authority, peer.Since, now)
		p.mu.Unlock()
		if news != nil {
			wg.Go(func() { p.tell(ctx, peer.Authority, news) })
		}
	}
}

// news is what one node is told at once.
type news struct {
	notices []*waiting
	whole   []statement.Hash // those of them that go whole
	gone    []statement.Hash
	before  [2]uint64 // where the listener was
}

// newsLocked collects what a node has not been told yet, and marks it as being told.
func (p *pending) newsLocked(node string, since, now time.Time) *news {
	l := p.peers[node]
	if l == nil {
		l = &listener{}
		p.peers[node] = l
	}
	if !l.since.Equal(since) { // what it knew may be lost
		l.since, l.next, l.pause, l.retry = since, [2]uint64{}, 0, time.Time{}
	}
	if l.busy || now.Before(l.retry) {
		return nil
	}
	out := &news{before: l.next}
	size := 0
	for k := range p.queue {
		q := &p.queue[k]
		room := maxOfTeller/2 - q.before(l.next[k])
		for room > 0 && len(out.notices) < maxNotices && len(out.whole) < maxPushed && size < batchBytes {
			w, next := q.from(l.next[k])
			if w == nil || k == ordinarily && now.Sub(w.seen) < tellAfter {
				break
			}
			l.next[k] = next
			room--
			if w.removed || !w.held {
				continue
			}
			out.notices = append(out.notices, w)
			if w.urgent && w.from != node && !w.promised[node] {
				out.whole = append(out.whole, w.hash)
				size += w.size
			}
		}
	}
	out.gone, l.gone = l.gone, nil
	if len(out.notices) == 0 && len(out.gone) == 0 {
		return nil
	}
	l.busy = true
	return out
}

// tell tells one node. What it could not be told it is told again later.
func (p *pending) tell(ctx context.Context, node string, n *news) {
	err := p.push(ctx, node, n)
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.peers[node]
	l.busy = false
	if err != nil {
		p.n.log.Debug("a node cannot be told what waits to be ordered", "node", node, "err", err)
		for k := range l.next {
			l.next[k] = min(l.next[k], n.before[k])
		}
		l.gone = append(n.gone, l.gone...)
		l.gone = l.gone[:min(len(l.gone), maxNotices)]
		l.pause = min(max(2*l.pause, leastPause), mostPause)
		l.retry = time.Now().Add(l.pause)
		return
	}
	l.pause = 0
	for _, w := range n.notices {
		w.know(node)
	}
}

func (p *pending) push(ctx context.Context, node string, n *news) error {
	var msg pendingPush
	for _, w := range n.notices { // hash, issuer, kind, size and promise do not change once it is held
		msg.Notices = append(msg.Notices, pendingNotice{Hash: w.hash[:], Issuer: string(w.issuer), Kind: string(w.kind), Size: uint64(w.size), Promise: w.promise.String()})
	}
	for _, h := range n.gone {
		msg.Gone = append(msg.Gone, h[:])
	}
	for _, h := range n.whole {
		c, is, err := p.n.ledger.HeldByHash(h)
		if err != nil {
			return err
		}
		if is { // else it was ordered since
			msg.Statements = append(msg.Statements, forwardedStatement(c))
		}
	}
	b, err := cbor.Marshal(msg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	_, err = p.n.host.Call(ctx, node, pendingProtocol, b)
	return err
}

// servePush takes what another node tells.
func (p *pending) servePush(_ context.Context, from p2p.Member, request []byte) ([]byte, error) {
	t, err := decodePush(request)
	if err != nil {
		return nil, &p2p.RemoteError{Code: client.BadRequest, Message: err.Error()}
	}
	for _, n := range t.notices {
		if err := p.hear(from, n); err != nil {
			return nil, &p2p.RemoteError{Code: client.BadRequest, Message: err.Error()}
		}
	}
	p.unhear(from.Authority, t.gone)
	for _, c := range t.statements {
		if err := p.takePassedOn(from.Authority, c); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// hear takes note of a promise of the node that tells of it.
func (p *pending) hear(from p2p.Member, n notice) error {
	if err := promised(from.Peer, from.Authority, p.n.network, n.hash, n.promise); err != nil {
		return err
	}
	if _, known, err := p.n.known(n.hash); err != nil || known {
		return err
	}
	now := time.Now()
	p.fresh.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.all[n.hash]
	if w != nil && w.promised[from.Authority] {
		return nil
	}
	if p.by[from.Authority] >= maxOfTeller || w == nil && p.known >= maxKnownPending {
		return nil // the others of them say enough
	}
	if w == nil {
		w = &waiting{hash: n.hash, issuer: n.issuer, kind: n.kind, size: n.size, since: now, seen: now}
		p.all[n.hash] = w
		p.known++
	}
	if w.promised == nil {
		w.promised = map[string]bool{}
	}
	w.promised[from.Authority] = true
	p.by[from.Authority]++
	if n.promise.At.Before(w.since) {
		w.since = n.promise.At
	}
	return nil
}

// unhear takes note that another node's promises have ended with a refusal.
func (p *pending) unhear(from string, gone []statement.Hash) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range gone {
		if w := p.all[h]; w != nil {
			p.breakLocked(w, from)
		}
	}
}

// breakLocked ends one node's promise for a statement, and forgets that where
// nobody else holds it.
func (p *pending) breakLocked(w *waiting, from string) {
	if w.promised[from] {
		delete(w.promised, from)
		p.unpromiseLocked(from)
	}
	if !w.held && len(w.promised) == 0 {
		p.removeLocked(w, false)
	}
}

// takePassedOn holds an urgent statement that another node passes on, if this
// node's own state can verify it. An error asks the other to come again; what is
// not fit to be held is passed over.
func (p *pending) takePassedOn(from string, c ledger.Candidate) error {
	u, err := statement.Parse(c.Raw)
	if err != nil {
		return &p2p.RemoteError{Code: client.BadRequest, Message: "a statement that is none"}
	}
	s := u.Statement()
	if s.Network != p.n.network || !recognition.Urgent(s.Body) || s.CheckAttachment(c.Attachment) != nil {
		return &p2p.RemoteError{Code: client.BadRequest, Message: "a statement that is not urgent, or not of this network, or not whole"}
	}
	p.mu.Lock()
	w := p.all[u.Hash()]
	have := w != nil && w.held
	if have {
		w.know(from)
	}
	p.mu.Unlock()
	if have {
		return nil
	}
	// What is public already is taken from nobody's quota.
	if _, known, err := p.n.known(u.Hash()); err != nil || known {
		return err
	}
	later := func(why string) error { return &p2p.RemoteError{Code: p2p.CodeBusy, Message: why} }
	if x := p.doors.take(statement.Region(from), sizeOf(c)); x != nil {
		return later("this node takes no more from yours for now")
	}
	if !p.allows(from, sizeOf(c)) {
		return later("this node holds as much for yours as it may")
	}
	if err := p.n.checkSignature(u); err != nil {
		p.n.log.Debug("urgent statement that was passed on cannot be verified here", "from", from, "hash", u.Hash(), "err", err)
		return nil
	}
	if x := p.n.keeper.quotas.take(s.Issuer, sizeOf(c)); x != nil {
		return later(x.failure().Message)
	}
	var refusal *client.Failure
	switch answer, err := p.n.acceptFrom(from, u, c); {
	case errors.As(err, &refusal):
		p.n.keeper.quotas.giveBack(s.Issuer, sizeOf(c)) // who passes it on again uses up nothing of another's
		p.n.log.Debug("urgent statement that was passed on is refused here", "from", from, "hash", u.Hash(), "err", err)
		return nil
	case errors.Is(err, ledger.ErrHeldFull):
		return later(err.Error())
	case err != nil:
		return err
	case answer.Known: // it was ordered meanwhile
		p.n.keeper.quotas.giveBack(s.Issuer, sizeOf(c))
	case answer.State == client.Accepted:
		p.n.log.Info("urgent statement was passed on to this node, and is in force here", "from", from, "hash", u.Hash(), "kind", s.Kind(), "authority", s.Issuer, "subject", s.Subject())
	}
	return nil
}

// serveFetch gives another node statements that this one holds.
func (p *pending) serveFetch(_ context.Context, _ p2p.Member, request []byte) ([]byte, error) {
	hashes, err := decodeFetch(request)
	if err != nil {
		return nil, &p2p.RemoteError{Code: client.BadRequest, Message: err.Error()}
	}
	var out pendingFetched
	size := 0
	for _, h := range hashes {
		c, is, err := p.n.ledger.HeldByHash(h)
		if err != nil {
			return nil, err
		}
		if !is {
			out.Gone = append(out.Gone, h[:])
			continue
		}
		if out.Statements = append(out.Statements, forwardedStatement(c)); size+sizeOf(c) >= batchBytes {
			break
		}
		size += sizeOf(c)
	}
	return cbor.Marshal(out)
}
