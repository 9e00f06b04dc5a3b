package catchup

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger"
	"concordat/ledger/statement"
)

// stalled is a peer that never answers.
func stalled(ctx context.Context, _ string, _ []byte, _ func([]byte) ([]byte, error)) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

var errGone = errors.New("connection reset")

// gone is a peer that is not there.
func gone(context.Context, string, []byte, func([]byte) ([]byte, error)) ([]byte, error) {
	return nil, errGone
}

// flaky is a peer that fails one call in three.
func flaky(seed uint64) fault {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 1))
	return func(_ context.Context, _ string, req []byte, next func([]byte) ([]byte, error)) ([]byte, error) {
		mu.Lock()
		fails := r.IntN(3) == 0
		mu.Unlock()
		if fails {
			return nil, errGone
		}
		return next(req)
	}
}

// only is a peer that has only what is asked by some names.
func only(names ...string) fault {
	return func(_ context.Context, name string, req []byte, next func([]byte) ([]byte, error)) ([]byte, error) {
		for _, n := range names {
			if n == name {
				return next(req)
			}
		}
		return []byte{statusAbsent}, nil
	}
}

func busy(one int64) fault {
	var calls atomic.Int64
	return func(_ context.Context, _ string, req []byte, next func([]byte) ([]byte, error)) ([]byte, error) {
		if calls.Add(1)%one != 0 {
			return []byte{statusBusy}, nil
		}
		return next(req)
	}
}

// Whatever peers are too slow for, or leave out, others make up for; and nobody
// is said to lie.
func TestFaults(t *testing.T) {
	c, _ := story(t)
	for name, faults := range map[string]map[string]fault{
		"one stalls":               {"XA": stalled},
		"one stalls, one is slow":  {"XA": stalled, "XB": slowly(20 * time.Millisecond)},
		"one is gone":              {"XA": gone},
		"all are flaky":            {"XA": flaky(1), "XB": flaky(2), "XC": flaky(3), "XO": flaky(4)},
		"each serves half":         {"XA": only(OfferProtocol, BlocksProtocol), "XB": only(OfferProtocol, BlocksProtocol, TilesProtocol), "XC": only(OfferProtocol, EntriesProtocol), "XO": only(OfferProtocol, AttachmentsProtocol)},
		"all are busy":             {"XA": busy(2), "XB": busy(3), "XC": busy(4), "XO": busy(2)},
		"all but one are observed": {"XA": only(OfferProtocol, BlocksProtocol), "XB": only(OfferProtocol, BlocksProtocol), "XC": gone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := c.opened(t)
			w := newWires().serve(c.l, "XA", "XB", "XC", "XO")
			for peer, f := range faults {
				w.fault(peer, f)
			}
			var last Progress
			cfg := config(l, w)
			cfg.Progress = func(p Progress) { last = p }
			result := mustRun(t, cfg, l, c)
			if result.Position != c.l.Head().Applied {
				t.Errorf("position %+v, want %+v", result.Position, c.l.Head().Applied)
			}
			for _, p := range last.Peers {
				if p.Lies > 0 {
					t.Errorf("%s is said to lie: %s", p.Name, p.LastLie)
				}
			}
		})
	}
}

// What nobody serves is waited for and named; when somebody has it, it goes on.
func TestWaits(t *testing.T) {
	c, _ := story(t)
	for missing, says := range map[string]string{
		OfferProtocol:       "validators to answer: 2 are needed, 0 did; silent: XA, XB, XC",
		TilesProtocol:       "the tiles of statements",
		EntriesProtocol:     "statements ",
		BlocksProtocol:      "the headers of the blocks from 0",
		AttachmentsProtocol: "attachments of statements",
	} {
		t.Run(missing, func(t *testing.T) {
			noLeaks(t)
			l := c.opened(t)
			w := newWires().serve(c.l, "XA", "XB", "XC")
			var healed atomic.Bool
			for _, peer := range w.Members() {
				w.fault(peer, func(_ context.Context, name string, req []byte, next func([]byte) ([]byte, error)) ([]byte, error) {
					if name == missing && !healed.Load() {
						if name == AttachmentsProtocol {
							var q attachmentsRequest
							if err := decode(req, MaxRequest, &q); err != nil {
								return nil, err
							}
							return done(attachmentsAnswer{Attachments: make([][]byte, len(q.Digests))}), nil
						}
						return nil, errGone
					}
					return next(req)
				})
			}
			cfg := config(l, w)
			cfg.CallTimeout = 100 * time.Millisecond
			heard := make(chan string, 1)
			cfg.Progress = func(p Progress) {
				if strings.Contains(p.Waiting, says) {
					select {
					case heard <- p.Waiting:
					default:
					}
				}
			}
			ended := make(chan error, 1)
			go func() {
				_, err := Run(testContext(t), cfg)
				ended <- err
			}()
			select {
			case <-heard:
			case err := <-ended:
				t.Fatalf("ended while %s was missing: %v", missing, err)
			}
			healed.Store(true)
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			same(t, l, c)
		})
	}
}

// Attachments that had expired by a certified seal may be gone; as many as can
// be dishonest cannot make others pass for erased, nor can anybody those that
// have not expired.
func TestErased(t *testing.T) {
	c := newNetwork(t).chain(t)
	soon, late := statement.Time(startTime/1000+100), statement.Time(1_900_000_000)
	for i := range 4 {
		c.add(t, c.revoke(t, 1000*i, 20, soon), c.revoke(t, 50_000+1000*i, 20, late))
	}
	c.risks(t, 10, 1)
	c.sealState(t, soon+10)
	c.certify(t)
	c.sealState(t, soon+20)
	c.risks(t, 10, 1)

	// While nobody has erased anything, the word of one is not enough.
	full := c.opened(t)
	c.certify(t)
	w := newWires().serve(c.l, "XA", "XB", "XC")
	w.fault("XA", rewritten(AttachmentsProtocol, func(a *attachmentsAnswer) {
		for i := range a.Attachments {
			a.Attachments[i] = nil
		}
	}))
	mustRun(t, config(full, w), full, c)
	if n := missingAttachments(t, full); n != 0 {
		t.Errorf("%d attachments were given up", n)
	}

	erased, err := c.l.Erase(time.Now(), time.Hour, 0)
	if err != nil || erased != 4 {
		t.Fatalf("%d erased, %v", erased, err)
	}
	l := c.opened(t)
	mustRun(t, config(l, newWires().serve(c.l, "XA", "XB", "XC")), l, c)
	if n := missingAttachments(t, l); n != 4 {
		t.Errorf("%d attachments are missing, want the 4 that were erased", n)
	}
}

func missingAttachments(t *testing.T, l *ledger.Ledger) (n int) {
	t.Helper()
	v := l.View()
	entries, err := v.Statements(ledger.Filter{Kind: statement.RevocationAdd})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		said := e.Statement()
		if !v.HasAttachment(said.Body.(*statement.Revoke).Digest) {
			n++
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

// Where all show a block that cannot be, they are named together, and it is
// waited for one that can.
func TestMisfit(t *testing.T) {
	c, _ := story(t)
	l := c.opened(t)
	w := newWires().serve(c.l, "XA", "XB", "XC")
	var healed atomic.Bool
	for _, peer := range w.Members() {
		w.fault(peer, func(ctx context.Context, name string, req []byte, next func([]byte) ([]byte, error)) ([]byte, error) {
			var q blocksRequest
			if name != BlocksProtocol || healed.Load() {
				return next(req)
			}
			if err := decode(req, MaxRequest, &q); err != nil {
				return nil, err
			}
			full, err := next(mustEncode(&blocksRequest{From: q.From, To: q.To}))
			if err != nil {
				return nil, err
			}
			var a blocksAnswer
			if err := decode(full[1:], MaxAnswer, &a); err != nil {
				return nil, err
			}
			twin(a.Records[len(a.Records)/2:])
			if q.Digest {
				d := digestOf(a.Records)
				a = blocksAnswer{Digest: &d}
			}
			return done(a), nil
		})
	}
	cfg := config(l, w)
	cfg.LieRest = 20 * time.Millisecond
	heard := make(chan Progress, 1)
	cfg.Progress = func(p Progress) {
		if strings.Contains(p.Waiting, "a block that fits at size") {
			select {
			case heard <- p:
			default:
			}
		}
	}
	ended := make(chan error, 1)
	go func() {
		_, err := Run(testContext(t), cfg)
		ended <- err
	}()
	select {
	case p := <-heard:
		lies := 0
		for _, peer := range p.Peers {
			lies += peer.Lies
		}
		if lies < 2 {
			t.Errorf("%d are named, want all who showed the block: %+v", lies, p.Peers)
		}
	case err := <-ended:
		t.Fatalf("ended: %v", err)
	}
	healed.Store(true)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	same(t, l, c)
}

func TestLook(t *testing.T) {
	c, cert := story(t)
	w := newWires().serve(c.l, "XA", "XB", "XC", "XO")
	w.fault("XB", gone)
	l := c.opened(t)
	o, err := Look(testContext(t), config(l, w))
	if err != nil {
		t.Fatal(err)
	}
	if o.Certified == nil || o.Certified.Checkpoint() != cert.Checkpoint() || o.Heard != 2 || o.Need != 2 ||
		len(o.Silent) != 1 || o.Silent[0] != "XB" || o.Heads["XO"] != c.l.Head().Size || l.Head().Size != 0 {
		t.Errorf("%+v", o)
	}
	// A network that has certified nothing yet.
	fresh := newNetwork(t).chain(t)
	o, err = Look(testContext(t), config(l, newWires().serve(fresh.l, "XA", "XB", "XC")))
	if err != nil || o.Certified != nil || o.Heard != 3 {
		t.Errorf("%+v, %v", o, err)
	}
	result, err := Run(testContext(t), config(l, newWires().serve(fresh.l, "XA", "XB", "XC")))
	if err != nil || result.Certified != nil || result.Size != 0 {
		t.Errorf("%+v, %v", result, err)
	}
}

// interrupted is a ledger that is cut off after some grafts, by end.
type interrupted struct {
	*ledger.Ledger
	after int
	end   func()
}

func (l *interrupted) Graft(blocks ...ledger.GraftBlock) (ledger.Applied, error) {
	// One at a time, so that there is something to cut off.
	var out ledger.Applied
	for i, b := range blocks {
		if l.after--; l.after == 0 {
			l.end()
			return out, context.Canceled
		}
		a, err := l.Ledger.Graft(b)
		if i == 0 {
			out.First = a.First
		}
		out.Count += a.Count
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// Killed at any moment, the next run goes on from what is there, and no block
// that is there is fetched again.
func TestKilled(t *testing.T) {
	noLeaks(t)
	c, _ := story(t)
	fs := vfs.NewCrashableMem()
	r := rand.New(rand.NewPCG(7, 7))
	size := uint64(0)
	for range 6 {
		l := c.open(t, fs)
		if at := l.Head().Size; at != size {
			t.Fatalf("opened at size %d, want %d", at, size)
		}
		ctx, cancel := context.WithCancel(testContext(t))
		cut := &interrupted{Ledger: l, after: 1 + r.IntN(60), end: cancel}
		if _, err := Run(ctx, config(cut, newWires().serve(c.l, "XA", "XB", "XC"))); !errors.Is(err, context.Canceled) {
			t.Fatalf("cut off: %v", err)
		}
		if l.Head().Size <= size {
			t.Errorf("nothing was won from size %d", size)
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		size = l.Head().Size
		// A crash: what is not on disk is gone, whoever has it open.
		crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: r})
		closeLedger(t, l)
		fs = crashed
	}
	l := c.open(t, fs)
	defer closeLedger(t, l)
	w := newWires().serve(c.l, "XA", "XB", "XC")
	var least atomic.Uint64
	least.Store(1 << 62)
	for _, peer := range w.Members() {
		w.fault(peer, func(_ context.Context, name string, req []byte, next func([]byte) ([]byte, error)) ([]byte, error) {
			var q entriesRequest
			if name == EntriesProtocol && decode(req, MaxRequest, &q) == nil && q.Count > 1 { // one is the seal
				least.Store(min(least.Load(), q.From))
			}
			return next(req)
		})
	}
	if result := mustRun(t, config(l, w), l, c); result.Fetched != c.l.Head().Size-size {
		t.Errorf("%d fetched, want %d", result.Fetched, c.l.Head().Size-size)
	}
	if least.Load() < size {
		t.Errorf("statement %d was fetched again; there were %d", least.Load(), size)
	}
}

// A run that was killed beyond what the others say is certified waits until its
// place is known.
func TestKilledBeyond(t *testing.T) {
	c := newNetwork(t).chain(t)
	c.risks(t, 100, 10)
	old := c.certify(t)
	c.risks(t, 100, 10)
	c.certify(t)
	l := c.opened(t)
	mustRun(t, config(l, newWires().serve(c.l, "XA", "XB", "XC")), l, c)

	var caughtUp atomic.Bool
	w := newWires().serve(c.l, "XA", "XB", "XC")
	for _, peer := range w.Members() {
		w.fault(peer, func(ctx context.Context, name string, req []byte, next func([]byte) ([]byte, error)) ([]byte, error) {
			if name != OfferProtocol || caughtUp.Load() {
				return next(req)
			}
			return done(offerAnswer{Head: old.Checkpoint().Size, Note: old.Note()}), nil
		})
	}
	cfg := config(l, w)
	waits := make(chan struct{})
	var once sync.Once
	cfg.Progress = func(p Progress) {
		if strings.Contains(p.Waiting, "size 100") || strings.Contains(p.Waiting, "size 200") {
			once.Do(func() { close(waits) })
		}
	}
	ended := make(chan error, 1)
	var result Result
	go func() {
		var err error
		result, err = Run(testContext(t), cfg)
		ended <- err
	}()
	select {
	case <-waits:
	case err := <-ended:
		t.Fatalf("ended without a place: %v", err)
	}
	caughtUp.Store(true)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if result.Size != 200 || result.Position != c.l.Head().Applied {
		t.Errorf("result: %+v", result)
	}
}

// gated is a ledger that grafts only when it is let, and counts.
type gated struct {
	*ledger.Ledger
	gate    chan struct{}
	grafted atomic.Int64 // bytes
}

func (l *gated) Graft(blocks ...ledger.GraftBlock) (ledger.Applied, error) {
	<-l.gate
	a, err := l.Ledger.Graft(blocks...)
	for _, b := range blocks {
		for _, s := range b.Statements {
			l.grafted.Add(int64(len(s)))
		}
		for _, at := range b.Attachments {
			l.grafted.Add(int64(len(at)))
		}
	}
	return a, err
}

// C4: however much there is to fetch, no more of it is in memory than allowed.
func TestMemory(t *testing.T) {
	c := newNetwork(t).chain(t)
	for i := range 40 {
		var cs []ledger.Candidate
		for j := range 60 {
			cs = append(cs, c.certificate(t, 60*i+j))
		}
		c.add(t, cs...)
		if i%4 == 0 {
			c.add(t, c.revoke(t, 100_000*i, 16<<10, 1_900_000_000))
		}
	}
	c.certify(t)
	l := &gated{Ledger: c.opened(t), gate: make(chan struct{})}
	w := newWires().serve(c.l, "XA", "XB", "XC")
	var received, most atomic.Int64
	last := make(chan struct{}, 1)
	for _, peer := range w.Members() {
		w.fault(peer, func(_ context.Context, name string, req []byte, next func([]byte) ([]byte, error)) ([]byte, error) {
			answer, err := next(req)
			if name == EntriesProtocol || name == AttachmentsProtocol {
				held := received.Add(int64(len(answer))) - l.grafted.Load()
				for old := most.Load(); held > old && !most.CompareAndSwap(old, held); old = most.Load() {
				}
				select {
				case last <- struct{}{}:
				default:
				}
			}
			return answer, err
		})
	}
	cfg := config(l, w)
	cfg.Memory = 24 << 20
	cfg.Hedge = time.Minute // nothing is fetched twice
	cfg.CallTimeout = time.Minute
	go func() {
		// Grafting begins when nothing comes any more, for want of room.
		for idle := false; !idle; {
			select {
			case <-last:
			case <-time.After(300 * time.Millisecond):
				idle = true
			}
		}
		close(l.gate)
	}()
	mustReach(t, cfg, l.Ledger, c)
	if held := most.Load(); held > 24<<20 || held < 10<<20 {
		t.Errorf("%d bytes were fetched and not grafted, want at most %d and most of it", held, 24<<20)
	}
	if total := received.Load(); total < 20<<20 {
		t.Errorf("only %d bytes were fetched: too few to see anything", total)
	}
}

// A slow peer is asked for less than quick ones.
func TestSlowGetLess(t *testing.T) {
	c, _ := story(t)
	l := c.opened(t)
	w := newWires().serve(c.l, "XA", "XB", "XC")
	w.fault("XA", slowly(30*time.Millisecond))
	cfg := config(l, w)
	cfg.Hedge = time.Second
	mustRun(t, cfg, l, c)
	if a, b := w.called("XA"), w.called("XB"); a >= b {
		t.Errorf("the slow one was asked %d times, a quick one %d times", a, b)
	}
}
