package certify

import (
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/evidence"
	"concordat/ledger/merkle"
)

// retime gives a chain's last block under a header of another time and term,
// validly signed.
func (c *chain) retime(later int64, term uint64) chained {
	c.t.Helper()
	last := c.blocks[len(c.blocks)-1]
	signed, err := block.Parse(last.raw)
	if err != nil {
		c.t.Fatal(err)
	}
	content, err := signed.VerifyBy(testKey("XA/node").Public().(ed25519.PublicKey))
	if err != nil {
		c.t.Fatal(err)
	}
	h := signed.Header()
	h.Time, h.Term = h.Time+later, term
	raw, err := block.Seal(h, content.Statements, nil, testKey("XA/node"))
	if err != nil {
		c.t.Fatal(err)
	}
	return chained{ledger.Position{Index: last.pos.Index, Term: term}, raw, last.end}
}

// TestHeaderTimes: the leader gives one follower the same statements under
// another header that it signed too. The roots are equal, so all is certified;
// the echoes tell of the headers, and both are found, without anybody being wiped.
func TestHeaderTimes(t *testing.T) {
	for _, x := range []struct {
		name   string
		term   uint64 // of the other header
		guilty bool
	}{{"one term", 1, true}, {"two terms", 2, false}} {
		t.Run(x.name, func(t *testing.T) {
			inBubble(t, 71, func(t *testing.T, w *world) {
				xa := w.puppet("XA")
				honest := []string{"XB", "XC", "XD"}
				w.start(honest...)
				top := w.chain.add(3)
				b := w.chain.retime(1, x.term)
				w.apply("XB", "XC")
				if out, err := w.members["XD"].ledger.Apply(b.pos, b.raw); err != nil || out.Refused != "" {
					t.Fatalf("XD: %+v, %v", out, err)
				}
				xa.cosigns(top, honest...)
				w.final(top.size, honest...)
				if x.guilty {
					w.wait("both sides find it", func() bool {
						want := "XA " + string(evidence.KindTwoBlocks)
						return w.members["XD"].convicted()[want] && (w.members["XB"].convicted()[want] || w.members["XC"].convicted()[want])
					})
				}
				time.Sleep(30 * time.Second)
				if x.guilty {
					w.onlyEvil()
				} else if n := len(w.members["XB"].convicted()) + len(w.members["XD"].convicted()); n != 0 {
					t.Errorf("%d are accused", n)
				}
			})
		})
	}
}

// TestLyingDigests: whoever tells of headers that are not there has one asked for
// now and then, and convicts nobody.
func TestLyingDigests(t *testing.T) {
	inBubble(t, 72, func(t *testing.T, w *world) {
		xa := w.puppet("XA")
		w.start("XB", "XC", "XD")
		top := w.chain.add(1)
		w.apply()
		xa.cosigns(top, "XB", "XC", "XD")
		w.final(top.size, "XB", "XC", "XD")
		asked := 0
		w.mu.Lock()
		xa.serve = func(from, name string, _ []byte) ([]byte, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if name == BlockProtocol && from == "XB" {
				asked++
			}
			return nil, errUnreachable
		}
		w.mu.Unlock()
		for i := range 120 {
			req := encodeEchoes([]mark{top}, []merkle.Hash{markAt(uint64(i), "lie").root})
			if err := xa.tell("XB", EchoProtocol, req); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond)
		}
		if asked < 3 || asked > 7 {
			t.Errorf("%d headers were asked for in a minute", asked)
		}
		w.onlyEvil()
		if s := w.members["XB"].cert.Status(); !s.Vouching {
			t.Errorf("XB: %q", s.Why)
		}
	})
}

// TestEvidenceAgain: evidence that was not taken is told again until it is.
func TestEvidenceAgain(t *testing.T) {
	inBubble(t, 73, func(t *testing.T, w *world) {
		xa := w.puppet("XA")
		told, full := 0, true
		w.tune = func(c *Config) {
			if c.Self == "XB" {
				c.OnEvidence = func(evidence.Proof) error {
					w.mu.Lock()
					defer w.mu.Unlock()
					told++
					if full {
						return errors.New("the store is full")
					}
					return nil
				}
			}
		}
		w.start("XB", "XC", "XD")
		top := w.chain.add(1)
		w.apply()
		xa.cosigns(top, "XB", "XC", "XD")
		w.final(top.size, "XB")
		xa.cosigns(markAt(top.size, "lie"), "XB")
		count := func() int {
			w.mu.Lock()
			defer w.mu.Unlock()
			return told
		}
		time.Sleep(10 * time.Minute)
		if n := count(); n < 10 || n > 20 {
			t.Errorf("it was told %d times in ten minutes", n)
		}
		w.mu.Lock()
		full = false
		w.mu.Unlock()
		time.Sleep(2 * time.Minute)
		n := count()
		time.Sleep(10 * time.Minute)
		if count() != n {
			t.Error("it was told again after it was taken")
		}
	})
}
