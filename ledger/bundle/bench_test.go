package bundle_test

import (
	"testing"

	"concordat/ledger/bundle"
	"concordat/ledger/revoked"
	"concordat/ledger/statement"
)

// BenchmarkVerify reads and verifies a bundle with a million revoked hashes.
func BenchmarkVerify(b *testing.B) {
	w := newWorld(b, revoked.DefaultBits)
	for k := range 16 {
		var hashes []statement.RevocationHash
		for i := range statement.MaxBatchHashes {
			hashes = append(hashes, testHash(k<<20+i))
		}
		w.revoke("XA", statement.HashUCI, now+1000, hashes...)
	}
	_, raw := w.sealedAt(now)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		u, err := bundle.Parse(raw)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := u.Verify(w.doc); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRevocations asks a bundle about a hash, as a check does.
func BenchmarkRevocations(b *testing.B) {
	w := newWorld(b, revoked.DefaultBits)
	populate(w, 1, 300)
	bun, _ := w.sealedAt(now)
	s := bun.State()
	for i := 0; b.Loop(); i++ {
		if _, _, err := s.Revocations(testHash(i%8000), 32); err != nil {
			b.Fatal(err)
		}
	}
}
