package statement_test

import (
	"crypto/ed25519"
	"fmt"
	"sync"
	"testing"

	"concordat/ledger/statement"
)

// manySigned gives n statements by four authorities in turn, parsed and not yet verified.
func manySigned(t testing.TB, n int) ([]*statement.Unverified, []ed25519.PublicKey) {
	t.Helper()
	us, keys := make([]*statement.Unverified, n), make([]ed25519.PublicKey, n)
	for i := range n {
		by := statement.Region([]string{"XA", "XB", "XC", "XD"}[i%4])
		key := testKey(string(by))
		v := sign(t, statement.Statement{Issuer: by, Network: network, Revision: uint64(i) + 1, IssuedAt: june,
			Body: &statement.Withdraw{Region: "XE", Reason: fmt.Sprint("statement ", i)}}, key)
		u, err := statement.Parse(v.Raw())
		if err != nil {
			t.Fatal(err)
		}
		us[i], keys[i] = u, public(key)
	}
	return us, keys
}

// One wrong signature among many is found, wherever it stands, and harms no other.
func TestCheckerFindsTheWrongOne(t *testing.T) {
	us, keys := manySigned(t, 700)
	wrong := map[int]bool{0: true, 255: true, 256: true, 511: true, 699: true}
	for i := range wrong {
		keys[i] = public(testKey("another"))
	}
	vs, errs := statement.NewChecker(1000).VerifyAll(us, keys)
	for i := range us {
		if (errs[i] != nil) != wrong[i] || (vs[i] == nil) != wrong[i] {
			t.Errorf("statement %d: %v, %v", i, vs[i], errs[i])
		}
	}
}

// A statement that was verified with one key is not verified with another; and
// one that was refused is not taken when it is asked about again.
func TestCheckerRemembersOnlyWhatIsTrue(t *testing.T) {
	c := statement.NewChecker(10)
	us, keys := manySigned(t, 1)
	other := public(testKey("another"))
	for range 3 {
		if _, err := c.Verify(us[0], other); err == nil {
			t.Fatal("took another key")
		}
		if v, err := c.Verify(us[0], keys[0]); err != nil || v.Hash() != us[0].Hash() {
			t.Fatalf("refused the right key: %v", err)
		}
	}
}

func TestCheckerOfNothing(t *testing.T) {
	vs, errs := statement.NewChecker(0).VerifyAll(nil, nil)
	if len(vs) != 0 || len(errs) != 0 {
		t.Errorf("got %v, %v", vs, errs)
	}
}

// Many callers, one memory far too small for them: the race detector's test.
func TestCheckerConcurrently(t *testing.T) {
	c := statement.NewChecker(16)
	us, keys := manySigned(t, 64)
	bad := append([]ed25519.PublicKey(nil), keys...)
	bad[13] = public(testKey("another"))
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			use := keys
			if i%2 == 1 {
				use = bad
			}
			_, errs := c.VerifyAll(us, use)
			for j, err := range errs {
				if (err != nil) != (i%2 == 1 && j == 13) {
					t.Errorf("caller %d, statement %d: %v", i, j, err)
				}
			}
		})
	}
	wait.Wait()
}

func BenchmarkParse(b *testing.B) {
	us, _ := manySigned(b, 1)
	raw := us[0].Raw()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := statement.Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifySingle(b *testing.B) {
	us, keys := manySigned(b, 1)
	for b.Loop() {
		if _, err := us[0].Verify(keys[0]); err != nil {
			b.Fatal(err)
		}
	}
}

// Nothing is remembered but the four keys. On all processors: divide by as many for one.
func BenchmarkVerifyAll(b *testing.B) {
	for _, n := range []int{1, 4, 16, 64, 256, 1024} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			us, keys := manySigned(b, n+4)
			for b.Loop() {
				b.StopTimer()
				c := statement.NewChecker(1)
				c.VerifyAll(us[n:], keys[n:]) // expands the keys
				b.StartTimer()
				if _, errs := c.VerifyAll(us[:n], keys[:n]); errs[0] != nil {
					b.Fatal(errs[0])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/statement")
		})
	}
}

func BenchmarkVerifyAllKnown(b *testing.B) {
	us, keys := manySigned(b, 1)
	c := statement.NewChecker(1)
	for b.Loop() {
		if _, err := c.Verify(us[0], keys[0]); err != nil {
			b.Fatal(err)
		}
	}
}
