package certify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"concordat/ledger"
	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// Certifier is this node's part in certification. Its methods may be called by
// any number of goroutines.
//
// Four goroutines do the work: tell (what is held: marks and echoes), sign (the
// only one that uses the signer), judge (what others signed) and pull; and two
// for each other node send to it (F7). All that they share is under mu, which
// is held for moments only: never over I/O, a signature or a caller's function.
type Certifier struct {
	cfg    Config
	log    *slog.Logger
	signer *signer // nil: this node has no keys
	jitter time.Duration

	began time.Time // by the clock of signatures: who signs a later time was there after that

	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	wakeTell, wakeSign, wakeJudge signal

	facts facts

	mu      sync.Mutex
	closed  bool
	changed chan struct{}
	pins    pins
	latest  checkpoint.Electorate // of the newest pin's size
	peers   map[string]*peer
	mine    []echo // own echoes, the newest of each size and root; ascending by size

	final      *checkpoint.Certified
	finalAt    time.Time // when it became so here, as intervals are measured
	grownAt    time.Time // when one of a greater size last did: an old size signed again is no progress
	assembled  time.Time // when its note was last made
	gathering  bool      // there are co-signatures that its note lacks
	openSince  time.Time // since when there is something that is not final; zero: there is not
	lastMark   mark
	lastMarked time.Time
	ahead      *checkpoint.Certified // certified, and beyond our head

	signed    signed    // a copy of the signer's
	signedAt  time.Time // when, as intervals are measured
	signError error     // why the last write failed
	stray     mark      // the greatest that our key signed and the signer does not know
	strayTime int64
	joins     bool                        // Joins was called
	heads     map[statement.Region]uint64 // what each other validator first said since the quarantine began (F10)

	records  map[statement.Region]*record
	headers  map[statement.Region][]header
	told     map[conviction]bool
	shown    bucket // notes that strangers may still show us
	probing  bool
	forked   error // F9; it stays
	rivalKey error // our key signed another history elsewhere; it stays
	broken   error // the ledger failed
}

// signal wakes a goroutine that may be busy: it then looks once more.
type signal chan struct{}

func (s signal) wake() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// echo is that somebody holds a size under a root, and when that was heard.
type echo struct {
	mark
	at       time.Time
	digest   merkle.Hash // of the header of the block that ends there; zero: not told
	compared bool        // another digest than ours, and the header was asked for
	// by certifies that size, in what we hold ourselves.
	by checkpoint.Electorate
}

// ErrClosed: the certifier was closed.
var ErrClosed = errors.New("certify: closed")

// Open starts certifying. Errors wrap ErrConfig, ErrLocked or ErrSignerFile
// where they are that.
func Open(cfg Config) (*Certifier, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Certifier{
		cfg: cfg, log: cfg.Logger, jitter: rand.N(stalled / 4),
		wakeTell: make(signal, 1), wakeSign: make(signal, 1), wakeJudge: make(signal, 1),
		changed: make(chan struct{}), peers: map[string]*peer{},
		began: cfg.Now(), heads: map[statement.Region]uint64{},
		records: map[statement.Region]*record{}, headers: map[statement.Region][]header{}, told: map[conviction]bool{},
		shown: newBucket(notesRate),
	}
	if cfg.signs() {
		s, err := openSigner(cfg)
		if err != nil {
			return nil, err
		}
		x := cfg.Ledger.Certified()
		if err := s.begin(cfg.Ran, x != nil && x.Checkpoint().Origin == cfg.Origin); err != nil {
			return nil, errors.Join(err, s.close())
		}
		c.signer, c.signed = s, s.last
		for id, size := range s.last.heads {
			c.heads[id] = size
		}
	}
	if err := c.recall(); err != nil {
		err = errors.Join(err, closeAll(c.pins.clear()))
		if c.signer != nil {
			err = errors.Join(err, c.signer.close())
		}
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.reconcile()
	for _, loop := range []func(){c.tellLoop, c.signLoop, c.judgeLoop, c.pullLoop} {
		c.wg.Go(loop)
	}
	return c, nil
}

// recall takes up where the ledger stands, what it has certified, and whom we suspected.
func (c *Certifier) recall() error {
	c.final = c.cfg.Ledger.Certified()
	if err := c.advance(time.Now()); err != nil {
		return fmt.Errorf("reading the ledger: %w", err)
	}
	if c.final != nil {
		// A refresh is due as if we had been here all along.
		age := min(max(c.cfg.Now().Sub(c.final.Time()), 0), 2*c.cfg.RefreshEvery)
		c.finalAt = time.Now().Add(-age)
		n, err := checkpoint.ParseNote(c.final.Note())
		if err == nil {
			err = c.collect(n)
		}
		if err != nil {
			return fmt.Errorf("reading the certified checkpoint that the ledger keeps: %w", err)
		}
	}
	// What was signed last, and perhaps never sent.
	if len(c.signed.lines) > 0 {
		if err := c.collect(checkpoint.Assemble(c.checkpoint(c.signed.mark), c.signed.lines)); err != nil {
			c.log.Warn("what was signed last is not signed with this validator's present keys", "err", err)
		}
	}
	return c.recallSuspects()
}

// Close stops certifying, waits for all goroutines, and lets go of the ledger.
func (c *Certifier) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	c.cancel(ErrClosed)
	c.wg.Wait()
	c.mu.Lock()
	c.notifyLocked()
	drop := c.pins.clear()
	c.mu.Unlock()
	err := closeAll(drop)
	if c.signer != nil {
		err = errors.Join(err, c.signer.close())
	}
	return err
}

// spawn runs fn in a goroutine that Close waits for; not once it is closed.
func (c *Certifier) spawnLocked(fn func()) {
	if !c.closed {
		c.wg.Go(fn)
	}
}

// notifyLocked tells those who wait that something changed.
func (c *Certifier) notifyLocked() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// Changed gives a channel that is closed when there is something new: a
// checkpoint certified, or whether and why this node vouches. Take it before
// looking, so that nothing is missed.
func (c *Certifier) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// Diverged is nil unless a quorum has contradicted this node's ledger (F9). It
// says what of; and it stays so until the ledger is made anew.
func (c *Certifier) Diverged() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.forked
}

// Final is the newest certified checkpoint of this ledger; nil before the first (F4).
func (c *Certifier) Final() *checkpoint.Certified {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.final
}

func (c *Certifier) finalSizeLocked() uint64 {
	if c.final == nil {
		return 0
	}
	return c.final.Checkpoint().Size
}

// FinalView gives the ledger as it was at the newest certified size, and keeps
// it until release is called, once. Where blocks come faster than they are
// certified it may be the view of a block's end a little below, which is as
// final. Before the first certificate it is the founding state, to which the
// genesis alone testifies. ok is false if no such view was kept: the node has
// started on a ledger that is ahead of its certificate.
func (c *Certifier) FinalView() (v *ledger.View, release func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pins.upTo(c.finalSizeLocked())
	if p == nil || c.closed {
		return nil, nil, false
	}
	c.pins.hold(p)
	return p.view, sync.OnceFunc(func() { c.letGo(p) }), true
}

// WaitFinal waits until size statements are final here, and visible in
// FinalView. The error is the context's, or wraps ErrClosed.
func (c *Certifier) WaitFinal(ctx context.Context, size uint64) error {
	var grace <-chan time.Time
	for {
		c.mu.Lock()
		changed, closed, final := c.changed, c.closed, c.finalSizeLocked()
		pin := c.pins.upTo(final)
		c.mu.Unlock()
		switch {
		case closed:
			return fmt.Errorf("waiting for %d statements to be final: %w", size, ErrClosed)
		case final >= size && pin != nil && pin.size >= size:
			return nil
		case final >= size && grace == nil:
			// It is final; the view at hand is of a smaller size. The next round
			// brings a newer one, if there is a next round.
			t := time.NewTimer(2 * c.cfg.MarkEvery)
			defer t.Stop()
			grace = t.C
		}
		select {
		case <-changed:
		case <-grace:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("waiting for %d statements to be final; %d are: %w", size, final, context.Cause(ctx))
		}
	}
}

// blockedLocked lists why this node may neither echo nor sign anything. may is
// what May said. Whether it is asked at all depends on the size (Config.voice).
func (c *Certifier) blockedLocked(may error) []string {
	var why []string
	for _, err := range []error{c.forked, c.rivalKey, c.broken, may} {
		if err != nil {
			why = append(why, err.Error())
		}
	}
	if w := c.quarantineLocked(); w != "" {
		why = append(why, w)
	}
	if c.signed.later != "" {
		why = append(why, fmt.Sprintf("this validator has signed for the log %q, and its ledger is still that of %q: it signs again when it has caught up", c.signed.later, c.cfg.Origin))
	}
	return why
}

// voiceLocked is what this node signs with, where those certify.
func (c *Certifier) voiceLocked(e checkpoint.Electorate) (voice, error) {
	return c.cfg.voice(e, c.signed.silent)
}

// breaks takes note that the ledger failed. Its owner stops the node (ledger.ErrBroken).
func (c *Certifier) breaks(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken == nil && !errors.Is(err, ledger.ErrClosed) && !errors.Is(err, ErrClosed) {
		c.broken = fmt.Errorf("the ledger cannot be read: %w", err)
		c.log.Error("nothing is certified any more", "err", err)
		c.notifyLocked()
	}
}

// conviction is for what a culprit was told of.
type conviction struct {
	culprit statement.Region
	kind    evidence.Kind
}
