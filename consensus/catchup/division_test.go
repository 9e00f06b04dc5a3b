package catchup

import (
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concordat/ledger"
	"concordat/ledger/block"
)

// told is one of several ledgers to which a traitor that leads shows the same
// statements in blocks of its own making.
type told struct {
	*chain
	name string
}

// divided are the ledgers of the honest validators, XA apart, who catches up.
func divided(t *testing.T, names ...string) (out []*told) {
	t.Helper()
	n := newNetwork(t)
	for _, name := range names {
		out = append(out, &told{n.chain(t), name})
	}
	return out
}

// block makes a block of XD's, ahead of the last one's time.
func (c *told) block(t *testing.T, ahead time.Duration, cs ...ledger.Candidate) {
	t.Helper()
	c.time += ahead.Milliseconds()
	c.apply(t, c.seal(t, "XD", cs...))
	c.time -= ahead.Milliseconds()
}

// wiresOf lets each serve its own ledger, and what it shows be changed.
func wiresOf(all []*told) *wires {
	w := newWires()
	for _, c := range all {
		w.serve(c.l, c.name)
	}
	return w
}

// certifyAll certifies the one head that all have.
func certifyAll(t *testing.T, all []*told) {
	t.Helper()
	for _, c := range all {
		if a, b := c.l.Head(), all[0].l.Head(); a.Size != b.Size || a.Root != b.Root {
			t.Fatalf("%s has size %d and root %x, %s %d and %x", c.name, a.Size, a.Root, all[0].name, b.Size, b.Root)
		}
		c.certify(t)
	}
}

// sights collects what is handed on as evidence.
type sights struct {
	mu  sync.Mutex
	saw []block.HeaderProof
}

func (s *sights) see(p block.HeaderProof) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saw = append(s.saw, p)
}

// proves checks that it is exactly two headers of one place by one validator.
func (s *sights) proves(t *testing.T, by string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.saw) != 2 {
		t.Fatalf("%d headers were handed on, want 2", len(s.saw))
	}
	if err := block.CheckRivals(s.saw[0], s.saw[1], testKey(by+"/node").Public().(ed25519.PublicKey)); err != nil {
		t.Error(err)
	}
}

// reach catches up, and checks that nobody is named but liars.
func reach(t *testing.T, w *wires, all []*told, liars ...string) (*ledger.Ledger, Result, *sights) {
	t.Helper()
	l := all[0].opened(t)
	s := &sights{}
	var last Progress
	cfg := config(l, w)
	cfg.SawBlock = s.see
	cfg.Progress = func(p Progress) { last = p }
	result, err := Run(testContext(t), cfg)
	if err != nil {
		t.Fatalf("catching up: %v", err)
	}
	if a, b := l.Head(), all[0].l.Head(); a.Size != b.Size || a.Root != b.Root {
		t.Errorf("the ledger is at %+v, want %+v", a, b)
	}
	for _, p := range last.Peers {
		if (p.Lies > 0) != slices.Contains(liars, p.Name) {
			t.Errorf("%s is said to have lied %d times: %s", p.Name, p.Lies, p.LastLie)
		}
	}
	if err := l.Adopt(result.Position); err != nil {
		t.Fatal(err)
	}
	if err := l.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	return l, result, s
}

// A leader that shows each validator the same statements under a header with
// another time stops nobody who catches up later, and has convicted itself: no
// two validators show the same, and each is honest.
func TestHeaderTimes(t *testing.T) {
	all := divided(t, "XB", "XC")
	for i, c := range all {
		c.risks(t, 20, 3)
		for range 5 {
			c.block(t, time.Duration(i)*time.Millisecond, c.risk(t, c.made, 0), c.revoke(t, c.made, 3, 1_900_000_000))
			c.made++
		}
		c.risks(t, 20, 3)
	}
	certifyAll(t, all)
	l, _, s := reach(t, wiresOf(all), all)
	s.proves(t, "XD")
	// The earliest is taken where no two show the same.
	v := l.View()
	defer func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}()
	for at := uint64(0); at < l.Head().Size; {
		mine, err := v.BlockOf(at)
		if err != nil {
			t.Fatal(err)
		}
		first := all[0].l.View()
		theirs, err := first.BlockOf(at)
		if err := errors.Join(err, first.Close()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(mine.Proof.Header, theirs.Proof.Header) {
			t.Errorf("the block at %d is not XB's, who was shown the earlier one", at)
		}
		at += mine.Count
	}
}

// The same where the traitor says something too: headers of its own making, one
// more than any honest validator has, ahead of the time and behind it.
func TestHeaderTimesOfALiar(t *testing.T) {
	for name, by := range map[string]time.Duration{"far ahead": 24 * 365 * time.Hour, "long ago": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			all := divided(t, "XB", "XC", "XD")
			for i, c := range all {
				c.block(t, time.Duration(i)*time.Millisecond, c.risk(t, 0, 0), c.risk(t, 1, 0))
				ahead := time.Duration(i) * time.Millisecond
				if c.name == "XD" {
					ahead = by
				}
				c.block(t, ahead, c.risk(t, 2, 0))
				c.made = 3
				c.risks(t, 5, 1)
			}
			certifyAll(t, all)
			l, _, s := reach(t, wiresOf(all), all)
			s.proves(t, "XD")
			if at := l.Head().Time; at > startTime+60_000 {
				t.Errorf("the head's time is %d, of a header that only the liar showed", at)
			}
		})
	}
}

// The same statements in blocks of other sizes: what is taken is a way through
// that ends where an honest validator goes on.
func TestBlocksDivided(t *testing.T) {
	all := divided(t, "XB", "XC")
	for i, c := range all {
		c.risks(t, 10, 3)
		// 4 and 2, or 1, 4 and 1: the first end that both have is that of the six.
		var six []ledger.Candidate
		for range 6 {
			six = append(six, c.risk(t, c.made, 0))
			c.made++
		}
		ends := [][]int{{4, 6}, {1, 5, 6}}[i]
		from := 0
		for _, end := range ends {
			c.block(t, 0, six[from:end]...)
			from = end
		}
		c.index, c.time = 40, startTime+1000 // from here on the order is one again
		c.risks(t, 10, 3)
	}
	certifyAll(t, all)
	t.Run("by the honest", func(t *testing.T) {
		_, _, s := reach(t, wiresOf(all), all)
		s.proves(t, "XD")
	})
	// XD shows the first block of a third division, the earliest of all, and then
	// nothing that goes on from there.
	for name, spoil := range map[string]func(h *block.Header) [][]byte{
		"into other statements": func(*block.Header) [][]byte { return [][]byte{{1}, {2}} },
		"into another root":     func(h *block.Header) [][]byte { h.Root[0] ^= 1; return entries(t, all[0].l, 12, 14) },
	} {
		t.Run(name, func(t *testing.T) {
			w := wiresOf(all).serve(all[0].l, "XD")
			v := all[0].l.View()
			at, err := v.BlockOf(10)
			if err := errors.Join(err, v.Close()); err != nil {
				t.Fatal(err)
			}
			h, err := at.Proof.Claimed()
			if err != nil {
				t.Fatal(err)
			}
			h.Time -= 1000
			raw, err := block.Seal(h, entries(t, all[0].l, 10, 12), nil, testKey("XD/node"))
			if err != nil {
				t.Fatal(err)
			}
			sealed, err := block.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			h = sealed.Header()
			w.fault("XD", func(_ context.Context, name string, req []byte, next func([]byte) ([]byte, error)) ([]byte, error) {
				var q blocksRequest
				if name != BlocksProtocol || decode(req, MaxRequest, &q) != nil {
					return next(req)
				}
				full, err := next(mustEncode(&blocksRequest{From: q.From, To: q.To}))
				if err != nil || full[0] != statusDone {
					return full, err
				}
				var a blocksAnswer
				if err := decode(full[1:], MaxAnswer, &a); err != nil {
					return nil, err
				}
				records, err := readRecords(a.Records, q.From, q.To)
				if err != nil {
					return nil, err
				}
				var out [][]byte
				for i, r := range records {
					switch {
					case r.Size == h.Size:
						out = append(out, sealed.Proof().Encode())
						rest := r.Header // of no statements that there are
						rest.Size, rest.Time = h.Size+2, h.Time
						statements := spoil(&rest)
						raw, err := block.Seal(rest, statements, nil, testKey("XD/node"))
						if err != nil {
							return nil, err
						}
						s, err := block.Parse(raw)
						if err != nil {
							return nil, err
						}
						out = append(out, s.Proof().Encode())
					default:
						out = append(out, a.Records[i])
					}
				}
				if q.Digest {
					d := digestOf(out)
					return done(blocksAnswer{Digest: &d}), nil
				}
				return done(blocksAnswer{Records: out}), nil
			})
			_, _, s := reach(t, w, all, "XD")
			s.proves(t, "XD")
		})
	}
}

// entries are some statements of a ledger.
func entries(t *testing.T, l *ledger.Ledger, from, to uint64) (out [][]byte) {
	t.Helper()
	v := l.View()
	for at := from; at < to; at++ {
		e, err := v.ByIndex(at)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e.Raw())
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

// A signature is not what validators compare, since a proposer can make any
// number for one header: so a false one is the word of who gave it alone.
func TestSignaturesDiffer(t *testing.T) {
	c, _ := story(t)
	w := newWires().serve(c.l, "XA", "XB", "XC")
	var changed atomic.Bool
	// XA gives signatures that nobody made: it alone is named, and others are asked.
	w.fault("XA", rewritten(BlocksProtocol, func(a *blocksAnswer) {
		if a.Records != nil {
			p, err := block.ParseHeaderProof(a.Records[0])
			if err != nil {
				panic(err)
			}
			p.Signature = slices.Clone(p.Signature)
			p.Signature[3] ^= 1
			a.Records[0] = p.Encode()
			changed.Store(true)
		}
	}))
	l := c.opened(t)
	s := &sights{}
	var last Progress
	cfg := config(l, w)
	cfg.SawBlock = s.see
	cfg.Progress = func(p Progress) { last = p }
	mustRun(t, cfg, l, c)
	for _, p := range last.Peers {
		// XA's answer may come after another's, and then nobody looks at it.
		if p.Lies > 0 && (!changed.Load() || p.Name != "XA") {
			t.Errorf("%s is said to have lied %d times: %s", p.Name, p.Lies, p.LastLie)
		}
	}
	if len(s.saw) != 0 {
		t.Errorf("%d headers were handed on as evidence", len(s.saw))
	}
}

// Who names a place in the order, and shows a header that was signed for
// another, contradicts itself: what the others show is taken.
func TestTermOfTheLast(t *testing.T) {
	all := divided(t, "XB", "XC")
	last := make([]*told, 0, 2)
	for _, c := range all {
		c.risks(t, 10, 2)
		x := c.risk(t, c.made, 0)
		if c.name == "XC" {
			c.term++ // XC was told that it was ordered later
		}
		c.block(t, 0, x)
		last = append(last, c)
	}
	certifyAll(t, all)
	// XD names XB's place, and shows XC's headers.
	w := wiresOf(all).serve(last[0].l, "XD")
	w.fault("XD", func(ctx context.Context, name string, req []byte, next func([]byte) ([]byte, error)) ([]byte, error) {
		if name == BlocksProtocol {
			return w.peers["XC"](ctx, name, req)
		}
		return next(req)
	})
	l := all[0].opened(t)
	cfg := config(l, w)
	cfg.LieRest = 20 * time.Millisecond // XC, who was told another place, is asked again
	result, err := Run(testContext(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if result.Position != all[0].l.Head().Applied {
		t.Errorf("position %+v, want %+v", result.Position, all[0].l.Head().Applied)
	}
	if err := l.Adopt(result.Position); err != nil {
		t.Fatal(err)
	}
}
