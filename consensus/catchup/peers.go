package catchup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Net reaches the other nodes.
type Net interface {
	// Members are the authorities whose nodes may be asked, not this node's own.
	Members() []string
	// Call sends a request to a member's handler of that name; it ends with ctx.
	Call(ctx context.Context, to, name string, req []byte) ([]byte, error)
}

var (
	// errLie marks what no honest node sends (C3).
	errLie = errors.New("lie")
	// errHasNot: the peer does not have it, now.
	errHasNot = errors.New("it does not have it")
	// errIsBusy: the peer wants to be asked later.
	errIsBusy = errors.New("it is busy")
)

func lie(format string, a ...any) error {
	return fmt.Errorf("%w: %w", errLie, fmt.Errorf(format, a...))
}

// peers is who may be asked, and how each has done. Its methods may be called
// by any number of goroutines.
type peers struct {
	net    Net
	cfg    *Config
	log    *slog.Logger
	meter  *meter
	flying sync.WaitGroup // calls in progress, and who waits for them

	mu      sync.Mutex
	all     map[string]*peer
	pace    time.Duration // of all that answer
	changed chan struct{} // closed, and made anew, when somebody may be asked who could not be before
}

// peer is one node that may be asked. peers.mu guards it.
type peer struct {
	name     string
	member   bool
	inFlight int
	calls    uint64
	bytes    uint64
	pace     time.Duration // how long a call takes, as a moving mean; 0: not known yet
	failures int           // in a row
	rest     time.Time     // it is not asked before; a good answer ends that
	banned   time.Time     // it is not asked before, because of a lie
	why      string        // of the rest
	lies     int
	lastLie  string
	head     uint64 // the size of its ledger, as it said
}

func newPeers(cfg *Config, m *meter) *peers {
	return &peers{net: cfg.Net, cfg: cfg, log: cfg.Logger, meter: m, all: map[string]*peer{}, changed: make(chan struct{})}
}

// refresh takes the members as they are now.
func (p *peers) refresh() []string {
	names := p.net.Members()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pe := range p.all {
		pe.member = false
	}
	for _, name := range names {
		pe := p.all[name]
		if pe == nil {
			pe = &peer{name: name}
			p.all[name] = pe
		}
		pe.member = true
	}
	p.wake()
	return names
}

func (p *peers) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// take chooses who is asked next, and counts the call that follows as in
// progress; release ends that. It gives nil if there is nobody now: changed is
// then closed when that may be different, and full says that somebody has only
// too many calls in progress.
//
// The one is chosen of whom the answer is due first, by its pace and the calls
// that it has already: so the slow get less. A much slower one is not asked just
// because the quick are occupied.
func (p *peers) take(not map[string]bool, may func(name string) bool) (chosen *peer, full bool, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	const slower = 4
	var best, idle *peer
	due := func(pe *peer) time.Duration {
		return time.Duration(pe.inFlight+1) * max(pe.pace, time.Millisecond)
	}
	better := func(a, b *peer) bool {
		if b == nil || due(a) != due(b) {
			return b == nil || due(a) < due(b)
		}
		if a.calls != b.calls {
			return a.calls < b.calls
		}
		return a.name < b.name
	}
	for _, pe := range p.all {
		if until, _ := pe.idle(now); !pe.member || not[pe.name] || !until.IsZero() || may != nil && !may(pe.name) {
			continue
		}
		if better(pe, best) {
			best = pe
		}
		if pe.inFlight < p.cfg.CallsPerPeer && better(pe, idle) {
			idle = pe
		}
	}
	if idle == nil || idle != best && due(best)*slower < due(idle) {
		return nil, best != nil, p.changed
	}
	idle.inFlight++
	return idle, false, p.changed
}

func (p *peers) release(pe *peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pe.inFlight--
	p.wake()
}

// done notes how asking a peer ended. slow is for how long it kept us waiting
// when somebody else was quicker in the end; 0 otherwise.
func (p *peers) done(pe *peer, err error, slow time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		if pe.failures > 0 {
			pe.failures, pe.rest = 0, time.Time{}
		}
		return
	case errors.Is(err, errLie):
		pe.lies++
		pe.lastLie = strings.TrimPrefix(err.Error(), errLie.Error()+": ")
		pe.banned = time.Now().Add(p.cfg.LieRest)
		p.log.Error("a peer gives what does not verify; it is not asked for a while", "peer", pe.name, "what", pe.lastLie, "rest", p.cfg.LieRest)
		return
	case slow > 0:
		pe.pace = max(pe.pace, 2*slow)
	}
	pe.failures++
	rest := min(p.cfg.Rest<<min(pe.failures-1, 16), p.cfg.MaxRest)
	if errors.Is(err, errIsBusy) {
		rest = min(rest, 4*p.cfg.Rest)
	}
	if slow > 0 && pe.failures < 3 {
		return // it may still be good for what others are slow with
	}
	pe.rest, pe.why = time.Now().Add(rest), err.Error()
	p.log.Debug("a peer did not answer as hoped", "peer", pe.name, "error", err, "rest", rest)
}

// idle says until when a peer is not asked, and why; zero if it may be.
func (pe *peer) idle(now time.Time) (until time.Time, why string) {
	switch {
	case now.Before(pe.banned):
		return pe.banned, "it lies: " + pe.lastLie
	case now.Before(pe.rest):
		return pe.rest, pe.why
	}
	return time.Time{}, ""
}

// judge notes how asking a peer ended, for those that were not taken.
func (p *peers) judge(name string, err error) {
	p.mu.Lock()
	pe := p.all[name]
	p.mu.Unlock()
	if pe != nil {
		p.done(pe, err, 0)
	}
}

// said notes how large a peer's ledger is, by its word.
func (p *peers) said(name string, head uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pe := p.all[name]; pe != nil {
		pe.head = max(pe.head, head)
	}
}

// headLocked is the size of a peer's ledger, by its word. p.mu is held, as it is
// for wish.may.
func (p *peers) headLocked(name string) uint64 {
	if pe := p.all[name]; pe != nil {
		return pe.head
	}
	return 0
}

// call asks a peer and gives what follows the status of its answer. Errors wrap
// errHasNot, errIsBusy, errLie, or are of the network.
func (p *peers) call(ctx context.Context, name, protocol string, q, a message) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.CallTimeout)
	defer cancel()
	began := time.Now()
	raw, err := p.net.Call(ctx, name, protocol, mustEncode(q))
	took := time.Since(began)
	p.mu.Lock()
	if pe := p.all[name]; pe != nil {
		pe.calls++
		pe.bytes += uint64(len(raw))
		if err == nil {
			pe.pace = mean(pe.pace, took)
			p.pace = mean(p.pace, took)
		}
	}
	p.mu.Unlock()
	p.meter.received(len(raw))
	switch {
	case err != nil:
		return fmt.Errorf("asking %s for %s: %w", name, protocol, err)
	case len(raw) > MaxAnswer:
		return lie("an answer of %d bytes to %s, at most %d", len(raw), protocol, MaxAnswer)
	case len(raw) == 0:
		return lie("an empty answer to %s", protocol)
	}
	switch raw[0] {
	case statusDone:
	case statusBusy:
		return fmt.Errorf("asking %s for %s: %w", name, protocol, errIsBusy)
	case statusAbsent:
		return fmt.Errorf("asking %s for %s: %w", name, protocol, errHasNot)
	default:
		return lie("an answer of status %d to %s", raw[0], protocol)
	}
	if err := decode(raw[1:], MaxAnswer, a); err != nil {
		return lie("the answer to %s: %w", protocol, err)
	}
	return nil
}

// mean is a moving mean.
func mean(old, now time.Duration) time.Duration {
	if old == 0 {
		return now
	}
	return old + (now-old)/8
}

// hedge is how long an answer is waited for before somebody else is asked as
// well: longer where all are slow.
func (p *peers) hedge() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(max(p.cfg.Hedge, 4*p.pace), p.cfg.CallTimeout)
}

// errStuck: nobody gives it, though all were asked, several times. What is
// wanted may be another thing by now: it is time to look around again.
var errStuck = errors.New("nobody gives it")

// stuckAfter is how often all are asked before errStuck.
const stuckAfter = 5

// wish is something that peers are asked for.
type wish struct {
	order uint64                 // of the first statement that it concerns: the lowest is what Progress tells
	what  string                 // for people
	may   func(name string) bool // nil: anybody may be asked; called with peers.mu held
	// enough says how many more answers are needed at least; nil: none after the first.
	enough func() int
	// content says, once everybody was asked and all have answered or kept us
	// waiting, whether what was heard does though it is not enough; nil: it does not.
	content func() bool
	// told adds to what, for people, what the answers so far were like; may be nil.
	told func() string
}

// gather asks peers, each at most once in a round, until enough answers have
// been kept. A peer that fails is replaced by another; one that keeps us
// waiting gets company. When everybody was asked it begins again, after a
// pause, and Progress says what is missing. keep is called by the caller's
// goroutine. Errors wrap errStuck, or are what ended ctx.
func gather[T any](ctx context.Context, p *peers, w wish, ask func(ctx context.Context, name string) (T, error), keep func(name string, answer T)) error {
	type answer struct {
		from  *peer
		value T
		err   error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	needed := func() int {
		if w.enough == nil {
			return 1
		}
		return w.enough()
	}
	answers := make(chan answer)
	began := map[string]time.Time{} // of those asked and not heard
	asked := map[string]bool{}      // in this round
	company := 0                    // how many more are asked than are needed
	var failures []string
	start := func(pe *peer) {
		asked[pe.name] = true
		began[pe.name] = time.Now()
		p.flying.Go(func() {
			value, err := ask(ctx, pe.name)
			p.release(pe)
			select {
			case answers <- answer{pe, value, err}:
			case <-ctx.Done():
			}
		})
	}
	hedge := p.hedge()
	defer func() {
		// Whoever is still at it was too slow.
		for name, at := range began {
			if slow := time.Since(at); slow > hedge {
				p.mu.Lock()
				pe := p.all[name]
				p.mu.Unlock()
				p.done(pe, fmt.Errorf("it kept us waiting for %v, somebody else did not", slow.Round(time.Millisecond)), slow)
			}
		}
	}()
	for round := 1; ; {
		for len(began) < needed()+company {
			pe, full, changed := p.take(asked, w.may)
			if pe != nil {
				start(pe)
				continue
			}
			if len(began) > 0 {
				break
			}
			if full {
				select {
				case <-changed:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
				continue
			}
			// Nobody is left to ask in this round.
			if w.content != nil && w.content() {
				p.meter.goesOn(w.order)
				return nil
			}
			what := w.what
			if w.told != nil {
				what += w.told()
			}
			p.meter.waiting(w.order, what+p.missing(failures))
			if round++; round > stuckAfter {
				return fmt.Errorf("%w: %s", errStuck, w.what)
			}
			pause := min(p.cfg.Rest<<round, p.cfg.MaxRest)
			select {
			case <-time.After(pause/2 + rand.N(pause/2+1)):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			clear(asked)
			failures, company = nil, 0
		}
		timer := time.NewTimer(hedge)
		select {
		case a := <-answers:
			timer.Stop()
			delete(began, a.from.name)
			p.done(a.from, a.err, 0)
			if a.err != nil {
				failures = append(failures, a.err.Error())
				continue
			}
			keep(a.from.name, a.value)
			if w.enough == nil || w.enough() <= 0 {
				p.meter.goesOn(w.order)
				return nil
			}
		case <-timer.C:
			if w.content != nil && w.content() {
				p.meter.goesOn(w.order)
				return nil
			}
			company++
		case <-ctx.Done():
			timer.Stop()
			clear(began) // it is not they who are slow
			return context.Cause(ctx)
		}
	}
}

// fetch asks until one peer's answer is good.
func fetch[T any](ctx context.Context, p *peers, w wish, ask func(ctx context.Context, name string) (T, error)) (T, error) {
	var out T
	err := gather(ctx, p, w, ask, func(_ string, got T) { out = got })
	return out, err
}

// missing says why nobody can be asked.
func (p *peers) missing(failures []string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var why []string
	for _, pe := range p.all {
		if until, reason := pe.idle(time.Now()); pe.member && !until.IsZero() {
			why = append(why, fmt.Sprintf("%s is left alone until %s: %s", pe.name, until.UTC().Format(time.TimeOnly), reason))
		}
	}
	slices.Sort(why)
	for _, f := range failures {
		if !slices.ContainsFunc(why, func(s string) bool { return strings.Contains(s, f) }) {
			why = append(why, f)
		}
	}
	if len(why) == 0 {
		return ": no peer is there to be asked"
	}
	const most = 8
	if len(why) > most {
		why = append(why[:most], fmt.Sprintf("and %d more", len(why)-most))
	}
	return ": " + strings.Join(why, "; ")
}
