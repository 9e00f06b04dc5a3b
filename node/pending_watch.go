package node

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/statement"
)

// watchman looks whether a leader leaves out what others have accepted.
//
// Nobody is suspected on another's word. A statement that stays out for half of
// the bound is fetched from the node that promised it, verified and judged, and
// offered to the leader by this node itself. Only if this node's own ledger would
// accept it, and the leader, which had it from here and leads without a break,
// orders others and not this one until the bound is over, is the leader named.
// Each node that has the statement offers it to whoever leads next.
type watchman struct {
	p     *pending
	bound time.Duration

	reign    reign
	looked   time.Time
	fetching map[string]bool // by node; while pending.mu
	offering bool            // while pending.mu
	reigns   uint64          // how many there were; while pending.mu
	bytes    int             // of what was fetched and waits; while pending.mu
	found    map[string]uint64
}

// reign is a time in which one leader led, with a quorum behind it, and nothing
// kept this node from following.
type reign struct {
	leader string // "": there is none
	since  time.Time
	size   uint64
	grown  time.Time // when it last ordered something
}

// watched is what the watchman knows of a statement.
type watched struct {
	raw      *ledger.Candidate // fetched from another node
	onItsWay bool              // it is being offered by this node
	offered  time.Time         // since when, in this reign
	excused  bool              // in this reign: this node's own ledger does not accept it, or its authority is over its quota
	censored string            // the leader that is suspected
}

// maxFetchedBytes bounds what is fetched to be offered here.
const maxFetchedBytes = 32 << 20

func newWatchman(p *pending, bound time.Duration) *watchman {
	return &watchman{p: p, bound: bound, fetching: map[string]bool{}, found: map[string]uint64{}}
}

// look is called by pending.run, often.
func (x *watchman) look(ctx context.Context, wg *sync.WaitGroup, now time.Time) {
	x.follow(now)
	if now.Sub(x.looked) < min(x.bound/16, time.Second) {
		return
	}
	x.looked = now
	var accuse, offer []*waiting
	fetch := map[string][]statement.Hash{}
	p := x.p
	p.mu.Lock()
	x.bytes = 0
	for _, w := range p.all {
		if x.reign.leader == "" {
			break
		}
		if w.raw != nil {
			x.bytes += sizeOf(*w.raw)
		}
		if last := len(w.leaders) - 1; last < 0 || w.leaders[last] != x.reign.leader {
			w.leaders = append(w.leaders[max(0, len(w.leaders)-7):], x.reign.leader)
		}
		start := w.seen
		if x.reign.since.After(start) {
			start = x.reign.since
		}
		if w.onItsWay && w.offered.IsZero() {
			w.offered = now
		}
		if w.raw != nil && !w.held && !w.onItsWay { // it was overdue once, and is offered to whoever leads
			offer = append(offer, w)
		}
		if now.Sub(start) < x.bound/2 {
			continue
		}
		if !w.held && w.raw == nil {
			for node := range w.promised {
				if !x.fetching[node] && len(fetch[node]) < maxFetched && x.bytes < maxFetchedBytes {
					fetch[node] = append(fetch[node], w.hash)
					break
				}
			}
		}
		known := (w.held || w.raw != nil) && !w.offered.IsZero() && now.Sub(w.offered) >= x.bound/4
		if known && !w.excused && w.censored != x.reign.leader && x.reign.leader != p.n.self() &&
			now.Sub(start) >= x.bound && x.reign.grown.After(start.Add(x.bound/2)) {
			accuse = append(accuse, w)
		}
	}
	for node := range fetch {
		x.fetching[node] = true
	}
	batch := x.batchLocked(offer)
	p.mu.Unlock()

	for node, hashes := range fetch {
		wg.Go(func() { x.fetch(ctx, node, hashes) })
	}
	if len(batch) > 0 {
		wg.Go(func() { x.offer(ctx, batch) })
	}
	x.accuse(accuse)
}

// follow notes who leads, and whether anything is ordered.
func (x *watchman) follow(now time.Time) {
	n := x.p.n
	s := n.order.Status()
	leader := s.Leader
	if !s.Quorum || s.Diverged != "" || n.order.isAway() || n.order.refused() != nil {
		leader = ""
	}
	size := n.ledger.Head().Size
	if leader != x.reign.leader {
		x.reign = reign{leader: leader, since: now, size: size}
		x.p.mu.Lock()
		x.reigns++
		for _, w := range x.p.all {
			w.offered, w.excused = time.Time{}, false
		}
		x.p.mu.Unlock()
	}
	if size != x.reign.size {
		x.reign.size, x.reign.grown = size, now
	}
}

// batchLocked takes some of what is to be offered; none while some is on its way.
func (x *watchman) batchLocked(offer []*waiting) (batch []*waiting) {
	if x.offering {
		return nil
	}
	slices.SortFunc(offer, func(a, b *waiting) int { return a.since.Compare(b.since) })
	size := 0
	for _, w := range offer {
		if len(batch) == maxPushed || size >= batchBytes {
			break
		}
		batch = append(batch, w)
		size += sizeOf(*w.raw)
		w.onItsWay = true
	}
	x.offering = len(batch) > 0
	return batch
}

// offer offers to the leader what others have promised.
func (x *watchman) offer(ctx context.Context, batch []*waiting) {
	p := x.p
	p.mu.Lock()
	var cands []ledger.Candidate
	var of []*waiting
	reign := x.reigns
	for _, w := range batch {
		if w.raw != nil { // else it was ordered since
			cands, of = append(cands, *w.raw), append(of, w)
		}
	}
	p.mu.Unlock()
	results := x.deliver(ctx, cands)
	var refused []*waiting
	for i, r := range results {
		if r.err == nil && !r.outcome.Verdict.Accepted() && x.refusedHere(cands[i]) {
			refused = append(refused, of[i])
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	x.offering = false
	for _, w := range batch {
		w.onItsWay = false
	}
	for i, r := range results {
		x.excuseLocked(of[i], r, reign)
	}
	for _, w := range refused {
		if !w.removed && !w.held { // nothing censors it: it cannot be ordered
			p.removeLocked(w, false)
		}
	}
}

// deliver gets a batch ordered, as one that came from another node: what others
// have promised comes out of its authority's quota where this node leads, too.
func (x *watchman) deliver(ctx context.Context, cands []ledger.Candidate) []orderResult {
	n := x.p.n
	if len(cands) == 0 || !n.order.leads() {
		return n.courier.deliver(ctx, cands)
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Limits.SubmitTimeout)
	defer cancel()
	outcomes, err := n.submitWithinQuotas(ctx, n.self(), cands)
	out := make([]orderResult, len(cands))
	for i := range out {
		if out[i].err = err; err == nil { // else it is offered again
			out[i].outcome = outcomes[i]
		}
	}
	return out
}

// excuseLocked excuses the leader of a reign for what it was offered in it, and
// did not order because the statement's authority has said too much.
func (x *watchman) excuseLocked(w *waiting, r orderResult, reign uint64) {
	if r.err == nil && r.outcome.Verdict.Name == client.QuotaExceeded && reign == x.reigns {
		w.excused = true
	}
}

// refusedHere reports that this node's own ledger does not accept a statement either.
func (x *watchman) refusedHere(c ledger.Candidate) bool {
	own, err := x.p.n.ledger.Judge([]ledger.Candidate{c})
	return err == nil && !own[0].Known && !own[0].Accepted()
}

// fetch gets statements of which this node knows the promise only.
func (x *watchman) fetch(ctx context.Context, node string, hashes []statement.Hash) {
	got, gone, err := x.ask(ctx, node, hashes)
	p := x.p
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(x.fetching, node)
	if err != nil {
		p.n.log.Debug("a statement that another node promised cannot be fetched", "node", node, "err", err)
		return
	}
	for h, c := range got {
		if w := p.all[h]; w != nil && !w.held && w.raw == nil {
			w.raw, w.size = &c, sizeOf(c)
		}
	}
	for _, h := range gone {
		if w := p.all[h]; w != nil {
			p.breakLocked(w, node)
		}
	}
}

// ask fetches, and gives what is whole and signed by its authority, and what the
// other node does not hold: it was refused or ordered there, or there is none.
func (x *watchman) ask(ctx context.Context, node string, hashes []statement.Hash) (map[statement.Hash]ledger.Candidate, []statement.Hash, error) {
	request, err := encodeFetch(hashes)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	answer, err := x.p.n.host.Call(ctx, node, fetchProtocol, request)
	if err != nil {
		return nil, nil, err
	}
	cands, gone, err := decodeFetched(answer)
	if err != nil {
		return nil, nil, err
	}
	out := map[statement.Hash]ledger.Candidate{}
	for _, c := range cands {
		u, err := statement.Parse(c.Raw)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", errPending, err)
		}
		s := u.Statement()
		if s.Network != x.p.n.network || !slices.Contains(hashes, u.Hash()) || s.CheckAttachment(c.Attachment) != nil {
			return nil, nil, fmt.Errorf("%w: a statement that was not asked for, or is not whole", errPending)
		}
		if err := x.p.n.checkSignature(u); err != nil {
			x.p.n.log.Debug("a statement that another node promised cannot be verified here", "node", node, "hash", u.Hash(), "err", err)
			continue
		}
		out[u.Hash()] = c
	}
	return out, gone, nil
}

// accuse names the leader, where this node's own ledger would have taken what is left out.
func (x *watchman) accuse(suspects []*waiting) {
	leader := x.reign.leader
	for _, w := range suspects {
		c, is := x.candidate(w)
		if !is {
			continue
		}
		own, err := x.p.n.ledger.Judge([]ledger.Candidate{c})
		if err != nil {
			return // the store has failed, and the node says so
		}
		x.p.mu.Lock()
		switch {
		case w.removed || w.excused || own[0].Known:
		case !own[0].Accepted():
			w.excused = true
		default:
			w.censored = leader
			x.found[leader]++
			x.p.n.log.Warn("the leader seems to leave a statement out", "leader", leader, "hash", w.hash, "authority", w.issuer, "kind", w.kind, "since", stamp(w.since), "bound", x.bound)
		}
		x.p.mu.Unlock()
	}
}

// candidate is the statement itself, where this node has it.
func (x *watchman) candidate(w *waiting) (ledger.Candidate, bool) {
	x.p.mu.Lock()
	raw := w.raw
	x.p.mu.Unlock()
	if raw != nil {
		return *raw, true
	}
	c, is, err := x.p.n.ledger.HeldByHash(w.hash)
	return c, is && err == nil
}

// offers takes note that the keeper offers what is held here, until the function
// that it gives is called with what came of it.
func (x *watchman) offers(batch []ledger.Candidate) (done func([]orderResult)) {
	p := x.p
	each := func(f func(i int, w *waiting)) {
		for i, c := range batch {
			if w := p.all[statement.Hash(sha256.Sum256(c.Raw))]; w != nil {
				f(i, w)
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	reign := x.reigns
	each(func(_ int, w *waiting) { w.onItsWay = true })
	return func(results []orderResult) {
		p.mu.Lock()
		defer p.mu.Unlock()
		each(func(i int, w *waiting) {
			w.onItsWay = false
			x.excuseLocked(w, results[i], reign)
		})
	}
}

// tally is how many statements each leader was suspected of leaving out. It is
// called by pending.run, as all that changes it is.
func (x *watchman) tally() map[string]uint64 { return maps.Clone(x.found) }

// pendingProblems says who is suspected of leaving statements out.
func (n *Node) pendingProblems() (out []client.Problem) {
	p := n.keeper.pending
	type suspicion struct {
		count   int
		issuers map[string]bool
		first   *waiting
	}
	by := map[string]*suspicion{}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.all {
		if w.censored == "" {
			continue
		}
		s := by[w.censored]
		if s == nil {
			s = &suspicion{issuers: map[string]bool{}}
			by[w.censored] = s
		}
		s.count++
		s.issuers[string(w.issuer)] = true
		if s.first == nil || w.since.Before(s.first.since) {
			s.first = w
		}
	}
	for _, leader := range slices.Sorted(maps.Keys(by)) {
		s := by[leader]
		out = append(out, client.Problem{
			Name: "censored",
			Message: fmt.Sprintf("%s, while it led, did not order %d statements of %s for more than %s, and ordered others; the oldest, %s, waits since %s",
				leader, s.count, strings.Join(slices.Sorted(maps.Keys(s.issuers)), ", "), n.cfg.Order.CensorAfter, s.first.hash, stamp(s.first.since)),
			Hint: "GET /v1/pending lists them; if " + leader + " still leads, move leadership (concordat node transfer), and ask its operator; nothing is lost: every node that has such a statement offers it to the next leader",
		})
	}
	return out
}
