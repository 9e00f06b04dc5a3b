package certify

import (
	"crypto/ed25519"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"concordat/ledger/checkpoint"
)

// TestConfig: every fault is reported at once, and defaults are those of the design.
func TestConfig(t *testing.T) {
	_, err := Open(Config{Cosign: make(ed25519.PrivateKey, 3), MarkEvery: time.Hour, RefreshEvery: 1})
	if !errors.Is(err, ErrConfig) {
		t.Fatal(err)
	}
	for _, want := range []string{"Self", "Origin", "Network is zero", "Cosign has 3 bytes", "Node has 0 bytes", "SignerPath is missing", "Ledger is missing", "Net is missing", "MarkEvery is 1h0m0s", "RefreshEvery is 1ns"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	c := Config{}.withDefaults()
	if c.MarkEvery != 100*time.Millisecond || c.RefreshEvery != 15*time.Second || c.Logger != slog.Default() || c.Leads() || c.May() != nil || c.Now().IsZero() {
		t.Errorf("defaults: %+v", c)
	}
	for _, p := range Protocols() {
		if p.MaxRequest < 1 || p.MaxRequest > 32<<10 {
			t.Errorf("%s: requests of %d bytes", p.Name, p.MaxRequest)
		}
	}
}

// TestWrongKeys: a node whose keys are not what the ledger has does not vouch, and says which.
func TestWrongKeys(t *testing.T) {
	for want, tune := range map[string]func(*Config){
		"the co-signing key is not the one":  func(c *Config) { c.Cosign = testKey("other") },
		"the node key is not the one":        func(c *Config) { c.Node = testKey("other") },
		"this node has no keys to sign with": func(c *Config) { c.Cosign, c.Node, c.SignerPath = nil, nil, "" },
	} {
		inBubble(t, 41, func(t *testing.T, w *world) {
			w.tune = func(c *Config) {
				if c.Self == "XB" {
					tune(c)
				}
			}
			w.start()
			changed := w.members["XB"].cert.Changed()
			w.final(w.grow(1).size)
			synctest.Wait()
			select {
			case <-changed:
			default:
				t.Error("Changed did not tell")
			}
			s := w.members["XB"].cert.Status()
			by := slices.ContainsFunc(s.Final.Cosigners(), func(o checkpoint.Cosignature) bool { return o.By == "XB" })
			if s.Vouching || !strings.Contains(s.Why[0], want) || by {
				t.Errorf("%q, has signed: %v; want %q", s.Why, by, want)
			}
		})
	}
}

// TestPins: a ledger that grows far without certificates does not keep a view
// of each head, and has one of what then becomes final.
func TestPins(t *testing.T) {
	inBubble(t, 42, func(t *testing.T, w *world) {
		w.start("XA", "XB")
		for range 3 * maxPins {
			w.grow(1)
			synctest.Wait()
		}
		xa := w.members["XA"].cert
		xa.mu.Lock()
		n := len(xa.pins.list)
		xa.mu.Unlock()
		if n > maxPins+1 {
			t.Errorf("%d views are kept", n)
		}
		w.start("XC")
		top := w.grow(1)
		w.final(top.size, "XA", "XB", "XC")
		v, release, ok := xa.FinalView()
		if !ok || v.Head().Size != top.size {
			t.Errorf("no view of size %d", top.size)
			return
		}
		release()
		xa.mu.Lock()
		defer xa.mu.Unlock()
		if n := len(xa.pins.list); n != 1 {
			t.Errorf("%d views are kept of a ledger that is final", n)
		}
	})
}
