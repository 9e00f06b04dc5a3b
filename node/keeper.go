package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"concordat/ledger"
	"concordat/ledger/statement"
)

// keeperPause is how long the keeper waits before it offers again what could
// not be ordered.
const keeperPause = 500 * time.Millisecond

// keeper keeps this node's promises: it offers what was accepted, and is not
// yet ordered, until it is ordered or refused. It owns the goroutine that does
// so; what is held lies in the ledger's store and outlives a crash.
type keeper struct {
	n      *Node
	wake   chan struct{}
	held   atomic.Int64
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newKeeper(n *Node) *keeper {
	ctx, cancel := context.WithCancel(context.Background())
	k := &keeper{n: n, wake: make(chan struct{}, 1), cancel: cancel}
	k.nudge() // what an earlier run of the node accepted
	k.wg.Go(func() { k.run(ctx) })
	return k
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

// count is how many statements are held, as of the last look.
func (k *keeper) count() int { return int(k.held.Load()) }

func (k *keeper) run(ctx context.Context) {
	for {
		select {
		case <-k.wake:
		case <-ctx.Done():
			return
		}
		for !k.offer(ctx) {
			pause := time.NewTimer(keeperPause)
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
				return
			}
		}
	}
}

// offer offers everything that is held once, and reports whether nothing is left.
func (k *keeper) offer(ctx context.Context) bool {
	held, err := k.n.ledger.Held()
	if err != nil {
		k.n.log.Error("held statements cannot be read", "err", err)
		return errors.Is(err, ledger.ErrBroken) || errors.Is(err, ledger.ErrClosed)
	}
	k.held.Store(int64(len(held)))
	var wg sync.WaitGroup
	var left atomic.Int64
	room := make(chan struct{}, maxForwarded)
	for _, cand := range held {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			if !k.keep(ctx, cand) {
				left.Add(1)
			}
		})
	}
	wg.Wait()
	k.held.Store(left.Load())
	return left.Load() == 0
}

// keep gets one held statement ordered, and reports whether it need not be offered again.
func (k *keeper) keep(ctx context.Context, cand ledger.Candidate) bool {
	u, err := statement.Parse(cand.Raw)
	if err != nil { // it was parsed before it was held: the disk is not what it was
		k.n.log.Error("held statement cannot be parsed", "err", err)
		return true
	}
	outcome, err := k.n.courier.order(ctx, cand)
	if err != nil {
		k.n.log.Debug("held statement waits", "hash", u.Hash(), "err", err)
		return false
	}
	if outcome.Verdict.Accepted() {
		// The block that brings it into this node's ledger also takes it off the list.
		return true
	}
	s := u.Statement()
	k.n.log.Log(ctx, slog.LevelWarn, "accepted statement was refused", "hash", u.Hash(), "statement", s.Words(), "refusal", outcome.Verdict.String())
	if err := k.n.ledger.Drop(u.Hash()); err != nil {
		k.n.log.Error("refused statement cannot be dropped", "hash", u.Hash(), "err", err)
		return false
	}
	return true
}
