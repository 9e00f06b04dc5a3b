package catchup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
)

// run is one Run.
type run struct {
	cfg        *Config
	peers      *peers
	belief     *belief
	meter      *meter
	log        *slog.Logger
	began      time.Time
	validators checkpoint.Validators // the newest that were believed when peers were last asked: their word counts
	fetched    uint64
	exposed    sync.Map // by statement.Region: who is known to have signed two blocks for one place
}

func newRun(cfg *Config) *run {
	m := newMeter(cfg.Ledger.Head().Size)
	p := newPeers(cfg, m)
	return &run{cfg: cfg, peers: p, belief: newBelief(cfg, p), meter: m, log: cfg.Logger, began: time.Now()}
}

// run asks and fetches by turns until enough is there.
func (r *run) run(ctx context.Context) (Result, error) {
	var reached *target
	for idle := 0; ; {
		r.meter.update(func(p *Progress) { p.Phase = Asking })
		s, err := r.ask(ctx)
		if err != nil {
			return Result{}, err
		}
		goal, lacking, err := r.decide(s, reached)
		if err != nil {
			return Result{}, err
		}
		if lacking != "" {
			idle++
			r.meter.waiting(0, lacking)
			if err := r.pause(ctx, idle); err != nil {
				return Result{}, err
			}
			continue
		}
		idle = 0
		r.meter.goesOn(0)
		if goal == nil {
			if s.best != nil && (reached == nil || s.best.size() <= r.cfg.Ledger.Head().Size) {
				reached = s.best
			}
			return r.finish(reached)
		}
		switch err := r.round(ctx, goal); {
		case err == nil:
			reached = goal
		case errors.Is(err, errStuck), errors.Is(err, errMisfit):
			// What is wanted may be another thing by now.
			if err := r.pause(ctx, 1); err != nil {
				return Result{}, err
			}
		default:
			return Result{}, err
		}
	}
}

func (r *run) pause(ctx context.Context, times int) error {
	select {
	case <-time.After(min(r.cfg.Rest<<min(times, 16), r.cfg.MaxRest)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// decide says what comes next: a round to a goal, or nothing more to do (goal
// is nil), or another survey because something is lacking. reached is where the
// last round went. Errors wrap ErrOtherHistory.
func (r *run) decide(s *survey, reached *target) (goal *target, lacking string, err error) {
	v := r.cfg.Ledger.View()
	defer func() { err = errors.Join(err, v.Close()) }()
	head := v.Head()
	best := s.best
	for _, known := range s.known {
		c := known.Checkpoint()
		if c.Size > head.Size {
			continue
		}
		root, err := v.RootAt(c.Size)
		if err != nil {
			return nil, "", err
		}
		if root != c.Root {
			return nil, "", otherHistory(c.Size, root, c.Root)
		}
	}
	switch {
	case best != nil && best.size() > head.Size:
		if reached != nil && reached.size() == head.Size && best.size()-head.Size <= r.cfg.Near {
			return nil, "", nil
		}
		return best, "", nil
	case best != nil && best.size() == head.Size, head.Size == 0 && s.lacking == "" && s.heard >= need(r.validators):
		return nil, "", nil
	case s.heard < need(r.validators):
		return nil, fmt.Sprintf("validators to answer: %d are needed, %d did; silent: %s", need(r.validators), s.heard, orNobody(s.silent)), nil
	}
	// It is beyond what is certified, as far as anybody says. What it took from
	// the order it has a place for; what a killed run left, it has not.
	at, err := v.PositionOf(head.Size)
	switch {
	case err != nil:
		return nil, "", err
	case at.Index != 0:
		return nil, "", nil
	case s.lacking != "":
		return nil, s.lacking, nil
	}
	return nil, fmt.Sprintf("a certified checkpoint of size %d or more, which was fetched before: %d validators have to know its place in the order", head.Size, need(r.validators)), nil
}

func orNobody(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

// finish makes what was reached durable, and tells of it.
func (r *run) finish(t *target) (Result, error) {
	l := r.cfg.Ledger
	out := Result{Fetched: r.fetched, Took: time.Since(r.began)}
	if t != nil {
		if err := l.Certify(t.certified); err != nil {
			return Result{}, err
		}
		out.Certified, out.Size, out.Position = t.certified, t.size(), t.position
	}
	if r.fetched > 0 {
		if err := l.Flush(); err != nil {
			return Result{}, err
		}
	}
	out.Head = l.Head()
	r.meter.update(func(p *Progress) { p.Size, out.Bytes = out.Head.Size, p.Bytes })
	if r.fetched > 0 {
		r.log.Info("caught up", "statements", r.fetched, "size", out.Size, "entry", out.Position.Index, "term", out.Position.Term,
			"bytes", out.Bytes, "took", out.Took.Round(time.Millisecond))
	}
	return out, nil
}

func otherHistory(size uint64, ours, theirs merkle.Hash) error {
	return fmt.Errorf("%w: at size %d its root is %x, and the certified history has %x; nothing was changed: move this node's ledger away and start the node again",
		ErrOtherHistory, size, ours, theirs)
}
