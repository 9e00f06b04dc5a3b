package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/statement"
	"concordat/node/httpapi"
)

// keeperPause is how long the keeper waits before it offers again what could
// not be ordered.
const keeperPause = 500 * time.Millisecond

// keeper keeps this node's promises: it offers what was accepted, and is not
// yet ordered, until it is ordered or refused; oldest first and one batch at a
// time, because a statement may rest on one that was accepted before it. It
// owns the goroutine that does so. What is held lies in the ledger's store and
// outlives a crash.
type keeper struct {
	n       *Node
	pending *pending // what waits here and elsewhere
	quotas  *quotas  // of what authorities say through this node
	senders *quotas  // of what other nodes send the leader and is refused, by whoSent
	wake    chan struct{}
	refused refusals
	ctx     context.Context // ends with close
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

// newKeeper makes a keeper that may be nudged; it offers nothing before start.
func newKeeper(n *Node) *keeper {
	ctx, cancel := context.WithCancel(context.Background())
	return &keeper{
		n: n, pending: newPending(n), quotas: newQuotas(n.cfg.Limits.QuotaStatements, n.cfg.Limits.QuotaBytes),
		senders: newQuotas(n.cfg.Limits.QuotaStatements, n.cfg.Limits.QuotaBytes),
		wake:    make(chan struct{}, 1), ctx: ctx, cancel: cancel,
	}
}

// start begins to offer what an earlier run of the node accepted, and puts into
// force what of it is urgent. When it returns, checks take that into account.
func (k *keeper) start() {
	if err := k.pending.recall(); err != nil {
		k.n.log.Error("held statements cannot be read", "err", err) // a store that fails is seen by who watches it
	}
	k.n.host.Handle(pendingProtocol, maxPending, k.pending.servePush)
	k.n.host.Handle(fetchProtocol, maxFetched*40+64, k.pending.serveFetch)
	k.wg.Go(func() { k.run(k.ctx) })
	k.wg.Go(func() { k.pending.run(k.ctx) })
}

func (k *keeper) close() {
	k.cancel()
	k.wg.Wait()
}

// nudge tells the keeper that there is something to offer.
func (k *keeper) nudge() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) run(ctx context.Context) {
	for ctx.Err() == nil {
		// First what an earlier run of the node accepted.
		batch, err := k.n.ledger.OldestHeld(maxBatch, batchBytes)
		switch {
		case err != nil:
			k.n.log.Error("held statements cannot be read", "err", err)
			if errors.Is(err, ledger.ErrBroken) {
				return // the node stops; the next run goes on
			}
			_ = sleep(ctx, keeperPause) // the loop asks ctx itself
		case len(batch) == 0:
			select {
			case <-k.wake:
			case <-ctx.Done():
			}
		case !k.offer(ctx, batch):
			_ = sleep(ctx, keeperPause)
		}
	}
}

// offer gets a batch ordered, and reports whether none of it need be offered again.
func (k *keeper) offer(ctx context.Context, batch []ledger.Candidate) (settled bool) {
	settled = true
	ordered := uint64(0) // beyond the last that was
	done := k.pending.log.offers(batch)
	results := k.n.courier.deliver(ctx, batch)
	done(results)
	for i, r := range results {
		switch {
		case r.err != nil:
			k.n.log.Debug("held statement waits", "err", r.err)
			settled = false
		case r.outcome.Verdict.Name == client.QuotaExceeded:
			k.n.log.Debug("held statement waits", "refusal", r.outcome.Verdict.String())
			settled = false
		case r.outcome.Verdict.Accepted():
			ordered = max(ordered, r.outcome.Index+1)
		default:
			settled = k.letGo(batch[i], r) && settled
		}
	}
	if ordered == 0 {
		return settled
	}
	// The block that brings them into this node's ledger also takes them off the list.
	ctx, cancel := context.WithTimeout(ctx, k.n.order.Patience())
	defer cancel()
	if err := k.n.ledger.Wait(ctx, ordered); err != nil {
		k.n.log.Debug("held statements are ordered, and not here yet", "err", err)
		return false
	}
	return settled
}

// letGo ends the holding of a statement that was refused after all, if this
// node's own ledger refuses it too: a leader's word alone does not undo a promise.
func (k *keeper) letGo(cand ledger.Candidate, r orderResult) bool {
	u, err := statement.Parse(cand.Raw)
	if err != nil { // it was parsed before it was held: the disk is not what it was
		k.n.log.Error("held statement cannot be parsed", "err", err)
		return false
	}
	own, err := k.n.ledger.Judge([]ledger.Candidate{cand})
	if err != nil {
		k.n.log.Error("held statement cannot be judged", "hash", u.Hash(), "err", err)
		return false
	}
	if own[0].Accepted() || own[0].Known {
		k.n.log.Warn("the leader refuses a statement that this node's ledger accepts", "hash", u.Hash(), "refusal", r.outcome.Verdict.String())
		return false
	}
	s := u.Statement()
	k.n.log.Warn("accepted statement was refused", "hash", u.Hash(), "kind", s.Kind(), "subject", s.Subject(), "refusal", r.outcome.Verdict.String())
	k.refused.add(u, asFailure(r.outcome.Verdict))
	if err := k.n.ledger.Drop(u.Hash()); err != nil {
		k.n.log.Error("refused statement cannot be dropped", "hash", u.Hash(), "err", err)
		return false
	}
	k.n.accused.drop(u.Hash())
	k.pending.refused(u.Hash())
	return true
}

// maxRefusals bounds how many refused statements are remembered.
const maxRefusals = 256

// refusals remembers the latest statements that were refused after this node
// had accepted them, for those who come back to ask. They are not kept over a
// restart: the log has them, and whoever sends such a statement again is told
// the same.
type refusals struct {
	mu     sync.Mutex
	byHash map[statement.Hash]httpapi.Pending
	oldest []statement.Hash
}

func (r *refusals) add(u *statement.Unverified, why *client.Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byHash == nil {
		r.byHash = map[statement.Hash]httpapi.Pending{}
	}
	if _, again := r.byHash[u.Hash()]; !again {
		r.oldest = append(r.oldest, u.Hash())
	}
	r.byHash[u.Hash()] = httpapi.Pending{Statement: u, Refusal: why}
	if len(r.oldest) > maxRefusals {
		delete(r.byHash, r.oldest[0])
		r.oldest = r.oldest[1:]
	}
}

func (r *refusals) get(hash statement.Hash) (httpapi.Pending, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, is := r.byHash[hash]
	return p, is
}

// Pending gives a statement that this node has accepted and that is not in
// its ledger: it waits to be ordered, or it was refused since.
func (n *Node) Pending(hash statement.Hash) (httpapi.Pending, bool, error) {
	cand, is, err := n.ledger.HeldByHash(hash)
	if err != nil {
		return httpapi.Pending{}, false, err
	}
	if !is {
		p, is := n.keeper.refused.get(hash)
		return p, is, nil
	}
	u, err := statement.Parse(cand.Raw)
	return httpapi.Pending{Statement: u}, err == nil, err
}
