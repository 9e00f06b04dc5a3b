package catchup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
)

var (
	// ErrOtherHistory: what the ledger holds is not the beginning of what is
	// certified (C5). Nothing was changed.
	ErrOtherHistory = errors.New("this ledger is of another history than the network's")
	// ErrFork: two roots are certified for one size.
	ErrFork = errors.New("the network has two histories")
)

// Ledger is what Run brings up to date: a *ledger.Ledger.
type Ledger interface {
	Source
	Head() ledger.Head
	Graft(...ledger.GraftBlock) (ledger.Applied, error)
	Certify(*checkpoint.Certified) error
	Flush() error
}

// Config is what Run needs and may use. Ledger, Net and Doc must be given.
type Config struct {
	Ledger Ledger
	Net    Net
	// Doc is the network's founding document, from which on its validators are walked to.
	Doc *genesis.Document
	// SawBlock is given the signed headers of two blocks that one validator has
	// signed for one place: evidence (certify.Certifier.SawBlock). It is called by
	// any goroutine, and must not wait. nil: they are only logged.
	SawBlock func(block.HeaderProof)
	// Progress is called now and then, and at the end, by one goroutine; it must not wait.
	Progress func(Progress)
	// ProgressEvery is how often. Default: 250 ms.
	ProgressEvery time.Duration
	// Logger gets who lies, and how it went. Default: slog.Default.
	Logger *slog.Logger

	// Near is how many statements may be certified beyond what Run leaves: Raft
	// brings them faster. Default: 1024.
	Near uint64
	// Memory bounds what is fetched and not yet grafted, in bytes. Default:
	// 96 MiB, of which a third is for attachments; at least 24 MiB.
	Memory int
	// Workers is how many pieces are fetched at once. Default: 12.
	Workers int
	// CallsPerPeer is how many calls one peer answers at once. Default: 6.
	CallsPerPeer int
	// CallTimeout is how long one call may take. Default: 15 s.
	CallTimeout time.Duration
	// Hedge is how long an answer is waited for before somebody else is asked as well. Default: 1 s.
	Hedge time.Duration
	// Rest is how long a peer that failed is not asked; it doubles with each
	// failure in a row, up to MaxRest. Defaults: 250 ms and 15 s.
	Rest, MaxRest time.Duration
	// LieRest is how long a peer is not asked that gave what does not verify. Default: 10 min.
	LieRest time.Duration
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&c.ProgressEvery, 250*time.Millisecond)
	def(&c.CallTimeout, 15*time.Second)
	def(&c.Hedge, time.Second)
	def(&c.Rest, 250*time.Millisecond)
	def(&c.MaxRest, 15*time.Second)
	def(&c.LieRest, 10*time.Minute)
	if c.Near == 0 {
		c.Near = 1024
	}
	if c.Memory <= 0 {
		c.Memory = 96 << 20
	}
	c.Memory = max(c.Memory, 24<<20)
	if c.Workers <= 0 {
		c.Workers = 12
	}
	if c.CallsPerPeer <= 0 {
		c.CallsPerPeer = 6
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// Result is where Run left the ledger.
type Result struct {
	// Certified is the newest checkpoint that could be had, which the ledger
	// holds; nil if nobody has one.
	Certified *checkpoint.Certified
	// Size is Certified's size, 0 without, and Position where in Raft's order it
	// stands, as more than a third of the validators say.
	Size     uint64
	Position ledger.Position
	// Head is where the ledger stands. It is beyond Size if it had been before.
	Head ledger.Head
	// Fetched is how many statements came by this run, Bytes what was received for them, Took the time.
	Fetched uint64
	Bytes   uint64
	Took    time.Duration
}

// Run brings the ledger up to the newest certified checkpoint that it can learn
// of, and returns when no more than Config.Near statements are certified beyond
// it. It goes on until then or until ctx ends, whatever peers do; Progress says
// what it waits for. What it did stays: another Run goes on from there.
//
// It returns at once, with nothing done, when the validators that could know
// better know of no certified checkpoint beyond the ledger's size. It may be
// called while nobody else writes to the ledger. Errors wrap ErrOtherHistory,
// ErrFork, ledger.ErrDiverged, ledger.ErrBroken, or what ended ctx.
func Run(ctx context.Context, cfg Config) (Result, error) {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithCancel(ctx)
	r := newRun(&cfg)
	stop := r.report()
	defer func() {
		cancel()
		r.peers.flying.Wait() // C6
		stop()
	}()
	result, err := r.run(ctx)
	if err == nil {
		r.meter.update(func(p *Progress) { p.Phase = Done })
	} else if waits := r.meter.snapshot(r.peers).Waiting; waits != "" && ctx.Err() != nil {
		err = fmt.Errorf("%w; still waiting for %s", err, waits)
	}
	return result, err
}

// report calls Progress until it is stopped, and once more then.
func (r *run) report() (stop func()) {
	if r.cfg.Progress == nil {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(r.cfg.ProgressEvery)
		defer tick.Stop()
		for {
			r.cfg.Progress(r.meter.snapshot(r.peers))
			select {
			case <-tick.C:
			case <-quit:
				r.cfg.Progress(r.meter.snapshot(r.peers))
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}
