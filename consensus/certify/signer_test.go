package certify

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concordat/ledger/merkle"
)

func signerConfig(d disk) Config {
	return Config{Self: "XA", Origin: testOrigin, Network: testDoc().ID(), Cosign: testKey("XA/cosign"), Node: testKey("XA/node"),
		SignerPath: "keys/signer", disk: d}
}

// testVoice is what signerConfig's validator signs with.
var testVoice = voice{[]ed25519.PrivateKey{testKey("XA/cosign")}, []ed25519.PrivateKey{testKey("XA/node")}}

func mustSigner(t testing.TB, c Config) *signer {
	t.Helper()
	s, err := openSigner(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func markAt(size uint64, branch string) mark {
	return mark{size, merkle.Hash(sha256.Sum256(fmt.Appendf(nil, "%s %d", branch, size)))}
}

var dawn = time.Unix(1_700_000_000, 0)

// TestSignerRules: F2 in one life and over restarts.
func TestSignerRules(t *testing.T) {
	d := newMemDisk()
	s := mustSigner(t, signerConfig(d))
	sign := func(m mark, at time.Time) (signed, error) {
		out, err := s.sign(m, at, testVoice)
		if err2 := s.close(); err2 != nil {
			t.Fatal(err2)
		}
		s = mustSigner(t, signerConfig(d))
		return out, err
	}
	first, err := sign(markAt(10, "a"), dawn)
	if err != nil || len(first.lines) != 2 {
		t.Fatalf("%+v, %v", first, err)
	}
	if again := s.last; again.mark != first.mark || again.time != first.time || strings.Join(again.lines, "") != strings.Join(first.lines, "") {
		t.Errorf("read back as %+v", again)
	}
	for _, x := range []struct {
		name string
		m    mark
		good bool
	}{
		{"the same again", markAt(10, "a"), true},
		{"another root", markAt(10, "b"), false},
		{"a smaller size", markAt(9, "a"), false},
		{"a greater size", markAt(11, "a"), true},
		{"the one before", markAt(10, "a"), false},
	} {
		if _, err := sign(x.m, dawn.Add(time.Minute)); (err == nil) != x.good || !x.good && !errors.Is(err, errWouldFork) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
	// The clock is set back: the time of signatures is not.
	back, err := sign(markAt(12, "a"), dawn.Add(-time.Hour))
	if err != nil || back.time != dawn.Add(time.Minute).Unix() {
		t.Errorf("signed at %d, %v; want %d", back.time, err, dawn.Add(time.Minute).Unix())
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}

// TestSignerCrash: whatever step fails, or is the last before the power goes,
// what was released is never contradicted, and nothing is released that a
// restart would not know (F1).
func TestSignerCrash(t *testing.T) {
	d := newMemDisk()
	s := mustSigner(t, signerConfig(d))
	if _, err := s.sign(markAt(10, "a"), dawn, testVoice); err != nil {
		t.Fatal(err)
	}
	steps := d.ops
	if want := "create write sync close rename syncdir"; strings.Join(steps, " ") != want {
		t.Fatalf("a signature takes %v, want %s", steps, want)
	}
	for at := range len(steps) + 1 {
		for _, done := range []bool{false, true} {
			for seed := range uint64(8) {
				name := fmt.Sprintf("step %d (done %v), seed %d", at, done, seed)
				d := newMemDisk()
				s := mustSigner(t, signerConfig(d))
				if _, err := s.sign(markAt(10, "a"), dawn, testVoice); err != nil {
					t.Fatal(err)
				}
				step := 0
				d.failing(func(string) (error, bool) {
					step++
					if step == at+1 {
						return errDisk, done
					}
					return nil, false
				})
				_, err := s.sign(markAt(20, "a"), dawn, testVoice)
				released := err == nil
				if released != (at == len(steps)) {
					t.Fatalf("%s: %v", name, err)
				}
				// The process lives: it may not sign the other branch.
				d.failing(nil)
				if _, err := s.sign(markAt(20, "b"), dawn, testVoice); !errors.Is(err, errWouldFork) {
					t.Errorf("%s: the other branch afterwards: %v", name, err)
				}
				// Or the power goes.
				after := signerConfig(d.crashed(rand.New(rand.NewPCG(seed, 1))))
				s = mustSigner(t, after)
				switch s.last.mark {
				case markAt(20, "a"):
				case markAt(10, "a"):
					if released {
						t.Errorf("%s: a signature got out and is forgotten", name)
					}
				default:
					t.Errorf("%s: it remembers %+v", name, s.last)
				}
				if _, err := s.sign(markAt(10, "b"), dawn, testVoice); !errors.Is(err, errWouldFork) {
					t.Errorf("%s: the other branch after the crash: %v", name, err)
				}
				if _, err := s.sign(markAt(20, "a"), dawn, testVoice); err != nil {
					t.Errorf("%s: signing again: %v", name, err)
				}
			}
		}
	}
}

// TestSignerModel: random orders, faults, crashes and restarts against F2.
func TestSignerModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 2))
		d := newMemDisk()
		open := func() *signer {
			s, err := openSigner(signerConfig(d))
			if err != nil {
				rt.Fatal(err)
			}
			return s
		}
		s := open()
		var out []signed // what was released
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rng.IntN(5) {
			case 0: // crash
				d = d.crashed(rng)
				s = open()
			case 1: // a fault on its way
				left := rng.IntN(6)
				done := rng.IntN(2) == 0
				d.failing(func(string) (error, bool) {
					if left--; left == -1 {
						return errDisk, done
					}
					return nil, false
				})
			default:
				m := markAt(uint64(1+rng.IntN(6)), string(rune('a'+rng.IntN(2))))
				x, err := s.sign(m, dawn.Add(time.Duration(rng.IntN(100)-50)*time.Second), testVoice)
				if err != nil {
					continue
				}
				for _, o := range out {
					if o.size > x.size || o.size == x.size && o.root != x.root || o.time > x.time {
						rt.Fatalf("signed size %d root %x at %d after size %d root %x at %d", x.size, x.root[:4], x.time, o.size, o.root[:4], o.time)
					}
				}
				out = append(out, x)
			}
		}
	})
}

// TestSignerFile: on a real disk; for its owner only, for one process only, and
// never read when damaged or another's.
func TestSignerFile(t *testing.T) {
	c := signerConfig(osDisk{})
	c.SignerPath = filepath.Join(t.TempDir(), "signer")
	s := mustSigner(t, c)
	if _, err := openSigner(c); !errors.Is(err, ErrLocked) {
		t.Errorf("a second process: %v", err)
	}
	if _, err := s.sign(markAt(10, "a"), dawn, testVoice); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(c.SignerPath)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(c.SignerPath)
	if err != nil {
		t.Fatal(err)
	}
	try := func(c Config, content []byte) error {
		t.Helper()
		if err := os.WriteFile(c.SignerPath, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openSigner(c)
		if err == nil {
			return s.close()
		}
		return err
	}
	for i := range good {
		bad := append([]byte{}, good...)
		bad[i] ^= 1
		if err := try(c, bad); !errors.Is(err, ErrSignerFile) {
			t.Fatalf("with bit %d changed: %v", i*8, err)
		}
	}
	for name, content := range map[string][]byte{"empty": nil, "cut": good[:len(good)/2], "more": append(append([]byte{}, good...), "x\n"...)} {
		if err := try(c, content); !errors.Is(err, ErrSignerFile) || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := c
	other.Self = "XB"
	if err := try(other, good); !errors.Is(err, ErrSignerFile) {
		t.Errorf("another validator's: %v", err)
	}
	if err := try(c, good); err != nil {
		t.Errorf("put back: %v", err)
	}
}
