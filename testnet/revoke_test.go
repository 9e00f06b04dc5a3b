package testnet

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"concordat/client"
)

// TestRevokeHundredThousand revokes 100,000 hashes from a file, as an
// operator who has them in an export, and asks every node about them.
func TestRevokeHundredThousand(t *testing.T) {
	const hashes, sample = 100_000, 1_000
	s := newStranger(t)
	path := filepath.Join(t.TempDir(), "hashes.txt")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range hashes {
		fmt.Fprintln(w, hash(i))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	s.must("XA", "revoke", "--file", path, "--hash-type", "uci", "--expires", "2030-01-01T00:00:00Z", "--reason", "a drill")
	t.Logf("100,000 hashes submitted in %s", time.Since(start).Round(time.Millisecond))

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for region, n := range s.nodes {
		c, err := client.New([]string{n.http})
		if err != nil {
			t.Fatal(err)
		}
		if err := waitFor(ctx, region+" to have both batches", func() bool {
			st, err := c.Status(ctx)
			return err == nil && st.Size >= 2
		}); err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(seed, 1))
		asked := []int{0, hashes - 1, 65_535, 65_536}
		for range sample {
			asked = append(asked, random.IntN(hashes))
		}
		var wg sync.WaitGroup
		for part := range 8 {
			wg.Go(func() {
				for i := part; i < len(asked); i += 8 {
					got, err := c.Revocations(ctx, hash(asked[i]))
					if err != nil {
						t.Errorf("%s about hash %d: %v", region, asked[i], err)
						return
					}
					if !got.Revoked || len(got.Revocations) != 1 {
						t.Errorf("%s says of hash %d: %+v", region, asked[i], got)
						return
					}
				}
			})
		}
		wg.Wait()
		if got, err := c.Revocations(ctx, hash(hashes)); err != nil || got.Revoked {
			t.Errorf("%s says of a hash that nobody revoked: %+v, %v", region, got, err)
		}
	}
}

// hash is the i-th of the invented revocation hashes, in hex.
func hash(i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "hash %d", i))
	return hex.EncodeToString(sum[:16])
}
