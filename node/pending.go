package node

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/statement"
	"concordat/recognition"
)

// Bounds of what a node knows to be pending beside what it holds itself.
const (
	maxKnownPending = 8192 // statements promised elsewhere
	maxOfTeller     = 2048 // of them by one node; and what one node tells of its own
	maxListed       = 1000 // in one answer to GET /v1/pending
)

// pendingTick is how often the ledger is looked at for what has been ordered,
// and the other nodes are told what is new.
const pendingTick = 100 * time.Millisecond

// tellAfter is how long a statement that is not urgent waits before the others
// are told of it: nearly all are ordered by then.
const tellAfter = 500 * time.Millisecond

// pending is what waits to be ordered, as far as this node knows: what it holds
// itself, and what other nodes have promised. It tells the others of the former
// and they of the latter, so that all nodes see a statement that is left out. It
// puts what is urgent into force here, and watches the leaders.
//
// One goroutine, run, does all of that; the doors only enter what comes.
type pending struct {
	n     *Node
	force *force
	log   *watchman
	wake  chan struct{}
	fresh atomic.Bool // something came that the ledger may have by now
	doors *quotas     // what other nodes may give whole, by node

	mu    sync.Mutex
	all   map[statement.Hash]*waiting
	known int                   // of all, those not held here
	by    map[string]int        // of all, those promised by a node
	peers map[string]*listener  // the other nodes, by authority
	queue [2]queue              // what the others are told of: the urgent, and the rest
	given map[string]*allowance // what other nodes have given whole, and is held

	counts atomic.Pointer[client.PendingStatus]
}

// waiting is one statement that is accepted somewhere and, as far as this node
// knows, not ordered.
type waiting struct {
	hash   statement.Hash
	issuer statement.Region
	kind   statement.Kind
	size   int
	urgent bool
	since  time.Time // of the first promise
	seen   time.Time // when this node learnt of it

	held    bool           // this node holds it, and offers it
	promise client.Promise // this node's, where it is held
	from    string         // the node that gave it, where another did; "" else
	// promised are the nodes that have promised it, this one left out; knows are
	// those that have heard of it from this one.
	promised, knows map[string]bool
	leaders         []string // since seen; the newest last

	queued  bool // it is in a queue, or was
	removed bool // it is in no map any more
	watched      // by the watchman
}

// allowance is how much of what is held came from one node.
type allowance struct{ statements, bytes int }

// Bounds of what is held here for one other node.
const (
	maxGivenStatements = 1024
	maxGivenBytes      = 32 << 20
)

func newPending(n *Node) *pending {
	p := &pending{
		n: n, wake: make(chan struct{}, 1), all: map[statement.Hash]*waiting{},
		by: map[string]int{}, peers: map[string]*listener{}, given: map[string]*allowance{},
	}
	p.doors = newQuotas(maxGivenStatements, maxGivenBytes)
	p.force = newForce(n)
	p.log = newWatchman(p, n.cfg.Order.CensorAfter)
	p.counts.Store(&client.PendingStatus{CensoredBy: map[string]uint64{}})
	return p
}

// recall finds what an earlier run of the node held. Its promises are given
// anew: the time of the first is not kept.
func (p *pending) recall() error {
	return p.n.ledger.EachHeld(func(c ledger.Candidate) bool {
		if u, err := statement.Parse(c.Raw); err == nil { // else the keeper says so
			p.hold(u, c, "")
		}
		return true
	})
}

// run keeps the picture until the node stops.
func (p *pending) run(ctx context.Context) {
	tick := time.NewTicker(pendingTick)
	defer tick.Stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	size := uint64(0)
	for {
		if now := p.n.ledger.Head().Size; p.fresh.Swap(false) || now != size {
			size = now
			p.sweep()
			p.force.refresh()
		}
		p.log.look(ctx, &wg, time.Now())
		p.gossip(ctx, &wg, time.Now())
		p.count(time.Now())
		select {
		case <-tick.C:
		case <-p.wake:
		case <-ctx.Done():
			return
		}
	}
}

// nudge has run look again at once.
func (p *pending) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// hold enters a statement that is now held here, and gives the promise for it.
// from is the node that gave it, "" where it came through this node's own door.
func (p *pending) hold(u *statement.Unverified, c ledger.Candidate, from string) client.Promise {
	now := time.Now()
	promise := client.SignPromise(p.n.me.ID, p.n.network, u.Hash(), now, p.n.nodeKey)
	s := u.Statement()
	urgent := recognition.Urgent(s.Body)
	if urgent {
		p.force.add(u, c)
	}
	p.fresh.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.all[u.Hash()]
	switch {
	case w == nil:
		w = &waiting{hash: u.Hash(), issuer: s.Issuer, kind: s.Kind(), size: sizeOf(c), urgent: urgent, since: now, seen: now}
		p.all[w.hash] = w
	case w.held:
		return w.promise
	default: // another node has promised it before
		w.size, w.issuer, w.kind, w.urgent = sizeOf(c), s.Issuer, s.Kind(), urgent
		p.known--
	}
	w.held, w.promise, w.from = true, promise, from
	if from != "" {
		g := p.given[from]
		if g == nil {
			g = &allowance{}
			p.given[from] = g
		}
		g.statements++
		g.bytes += w.size
		w.know(from)
	}
	p.queue[w.queue()].add(w)
	w.queued = true
	if urgent {
		p.nudge()
	}
	return promise
}

// queue is where a statement that is held belongs.
func (w *waiting) queue() int {
	if w.urgent {
		return urgently
	}
	return ordinarily
}

func (w *waiting) know(node string) {
	if w.knows == nil {
		w.knows = map[string]bool{}
	}
	w.knows[node] = true
}

// allows reports that more may be held for another node.
func (p *pending) allows(from string, bytes int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.given[from]
	return g == nil || g.statements < maxGivenStatements && g.bytes+bytes <= maxGivenBytes
}

// holds reports that a statement is held here.
func (p *pending) holds(hash statement.Hash) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.all[hash]
	return w != nil && w.held
}

// refused takes note that a statement, which was held here, was refused: it
// counts no more, and those who were told of it are told so.
func (p *pending) refused(hash statement.Hash) {
	p.force.drop(hash)
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.all[hash]
	if w == nil {
		return
	}
	for node := range w.knows {
		if l := p.peers[node]; l != nil && len(l.gone) < maxNotices {
			l.gone = append(l.gone, hash)
		}
	}
	w.held = false
	p.removeLocked(w, true)
	p.nudge()
}

// removeLocked forgets a statement. wasHeld says that it has just been held.
func (p *pending) removeLocked(w *waiting, wasHeld bool) {
	delete(p.all, w.hash)
	w.removed, w.raw = true, nil
	if w.queued {
		p.queue[w.queue()].drop()
	}
	if !wasHeld {
		p.known--
	}
	for node := range w.promised {
		p.unpromiseLocked(node)
	}
	if g := p.given[w.from]; wasHeld && g != nil {
		if g.statements--; g.statements <= 0 {
			delete(p.given, w.from)
		} else {
			g.bytes -= w.size
		}
	}
}

func (p *pending) unpromiseLocked(node string) {
	if p.by[node]--; p.by[node] <= 0 {
		delete(p.by, node)
	}
}

// sweep forgets what has been ordered: what is held no more, and what others
// promised and the ledger has.
func (p *pending) sweep() {
	p.mu.Lock()
	var held, elsewhere []statement.Hash
	for h, w := range p.all {
		if w.held {
			held = append(held, h)
		} else {
			elsewhere = append(elsewhere, h)
		}
	}
	p.mu.Unlock()
	ordered := elsewhere[:0:0]
	if len(elsewhere) > 0 {
		view := p.n.ledger.View()
		for _, h := range elsewhere {
			if _, err := view.IndexOf(h); err == nil { // one that cannot be read is looked for again
				ordered = append(ordered, h)
			}
		}
		p.n.release(view)
	}
	for i, still := range p.n.ledger.StillHeld(held) {
		if !still {
			ordered = append(ordered, held[i])
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range ordered {
		if w := p.all[h]; w != nil {
			p.removeLocked(w, w.held)
		}
	}
}

// count makes the figures.
func (p *pending) count(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := client.PendingStatus{Known: len(p.all), InForce: p.force.count(), CensoredBy: p.log.tally()}
	for _, w := range p.all {
		if c.Since == nil || w.since.Before(*c.Since) {
			since := w.since.UTC().Truncate(time.Second)
			c.Since = &since
		}
		if p.overdue(w, now) {
			c.Overdue++
		}
		if w.censored != "" {
			c.Censored++
		}
	}
	p.counts.Store(&c)
}

// overdue reports that a statement waits for long, for whatever reason.
func (p *pending) overdue(w *waiting, now time.Time) bool {
	return now.Sub(w.seen) >= p.n.cfg.Order.CensorAfter
}

// pendingStatus is what /v1/status shows of what waits, a moment old at most.
func (n *Node) pendingStatus() client.PendingStatus { return *n.keeper.pending.counts.Load() }

// Waiting lists what waits to be ordered, here and at other nodes, oldest first.
func (n *Node) Waiting() client.PendingList {
	p := n.keeper.pending
	now := time.Now()
	p.mu.Lock()
	ws := slices.SortedFunc(maps.Values(p.all), func(a, b *waiting) int {
		return cmp.Or(a.since.Compare(b.since), slices.Compare(a.hash[:], b.hash[:]))
	})
	out := client.PendingList{Pending: []client.PendingStatement{}, More: max(len(ws)-maxListed, 0)}
	for _, w := range ws[:min(len(ws), maxListed)] {
		promisers := slices.AppendSeq([]string{}, maps.Keys(w.promised))
		knowers := map[string]bool{n.self(): true}
		maps.Copy(knowers, w.promised)
		maps.Copy(knowers, w.knows)
		if w.held {
			promisers = append(promisers, n.self())
		}
		slices.Sort(promisers)
		out.Pending = append(out.Pending, client.PendingStatement{
			Hash: w.hash.String(), Authority: string(w.issuer), Kind: string(w.kind), Size: w.size, Since: w.since.UTC().Truncate(time.Second),
			PromisedBy: promisers, KnownTo: slices.Sorted(maps.Keys(knowers)), Leaders: slices.Clone(append([]string{}, w.leaders...)),
			Urgent: w.urgent, InForce: p.force.has(w.hash), Overdue: p.overdue(w, now), CensoredBy: w.censored,
		})
	}
	p.mu.Unlock()
	view := n.ledger.View()
	defer n.release(view)
	out.AsOf = n.AsOf(view)
	return out
}
