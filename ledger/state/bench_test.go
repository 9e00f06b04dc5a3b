package state

import (
	"encoding/binary"
	"testing"

	"concordat/ledger/statement"
)

// BenchmarkRevoke applies the largest batch there is: 65,536 hashes.
func BenchmarkRevoke(b *testing.B) {
	w := newWorld(b, "XA")
	hashes := make([]statement.RevocationHash, statement.MaxBatchHashes)
	for i := range hashes {
		binary.BigEndian.PutUint64(hashes[i][:], uint64(i))
	}
	attachment := statement.NewAttachment(hashes)
	s := w.sign("XA", 0, &statement.Revoke{Batch: statement.NewBatch(statement.HashSignature, attachment, 100, "reason")}, testKey("XA/statement"))
	b.SetBytes(int64(len(attachment)))
	b.ReportAllocs()
	for b.Loop() {
		if _, v, err := Apply(w.mem, 0, s, attachment); err != nil || !v.Accepted() {
			b.Fatal(v, err)
		}
	}
}

// BenchmarkGrant applies a small statement; what it costs is reading records.
func BenchmarkGrant(b *testing.B) {
	w := newWorld(b, "XA", "XB")
	s := w.sign("XA", 1, &statement.Grant{Terms: statement.Terms{Region: "XB"}}, testKey("XA/statement"))
	b.ReportAllocs()
	for b.Loop() {
		if _, v, err := Apply(w.mem, 0, s, nil); err != nil || !v.Accepted() {
			b.Fatal(v, err)
		}
	}
}

// BenchmarkIssuerKeysByKID is the first question of every check.
func BenchmarkIssuerKeysByKID(b *testing.B) {
	w := newWorld(b, "XA")
	k := issuerKeyFor("K1")
	k.Certificate = make([]byte, 900)
	w.must("XA", k, nil)
	b.ReportAllocs()
	for b.Loop() {
		if keys, err := (View{w.mem}).IssuerKeysByKID(k.KeyID); err != nil || len(keys) != 1 {
			b.Fatal(keys, err)
		}
	}
}
