package revoked

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

const (
	benchHashes  = 10_000_000
	benchBatches = 1000
)

// BenchmarkLookup asks a set of ten million hashes, in random order: for those
// that are in it, and for those that are not.
func BenchmarkLookup(b *testing.B) {
	s := sample(b, benchHashes, benchBatches, DefaultBits)
	r := rand.New(rand.NewPCG(1, 2))
	var to []uint64
	for name, kind := range map[string]int{"revoked": 1, "not-revoked": 2} {
		b.Run(name, func(b *testing.B) {
			found := 0
			b.ReportAllocs()
			for b.Loop() {
				to = s.AppendBatches(to[:0], hash(kind, r.IntN(benchHashes)))
				found += min(len(to), 1)
			}
			b.ReportMetric(float64(found)/float64(b.N), "found/op")
		})
	}
}

// BenchmarkLookupCrowded asks a shard of a million hashes that somebody has put
// together, most of them in one bucket: the worst that a look-up can meet.
func BenchmarkLookupCrowded(b *testing.B) {
	p := Params{ShardBits: 14, KeyBits: 38}
	var entries []Entry
	for i := range uint64(1_000_000) {
		entries = append(entries, Entry{i << 26 >> 14, 1 + i%5})
	}
	entries[0].Key = 1<<50 - 1
	raw, err := Build(p, entries, nil)
	if err != nil {
		b.Fatal(err)
	}
	s, err := Open(p, 0, raw)
	if err != nil {
		b.Fatal(err)
	}
	var to []uint64
	for i := uint64(0); b.Loop(); i++ {
		to = s.AppendBatches(to[:0], i%1_000_000<<26>>14)
	}
}

// BenchmarkSize prints what a set takes beside what no coding can go below:
// log2 of one over the rate for each hash, and log2 of the number of batches
// for its batch. It is measured with full shards, half full ones, and between.
// rice-bits is what Golomb-Rice coding would take for membership, without the
// places to start from that its look-ups would need.
func BenchmarkSize(b *testing.B) {
	for _, c := range []struct {
		name string
		n    int
	}{{"full", 1 << 20}, {"between", 768 << 10}, {"half", 1<<19 + 1}, {"10M", benchHashes}} {
		b.Run(c.name, func(b *testing.B) {
			var s *Set
			for b.Loop() {
				s = sample(b, c.n, benchBatches, DefaultBits)
			}
			membership, ordinals := cost(s)
			b.ReportMetric(membership, "bits/hash")
			b.ReportMetric(membership/DefaultBits, "of-stated-bound")
			b.ReportMetric(membership/-math.Log2(s.Rate()), "of-actual-bound")
			b.ReportMetric(ordinals, "batch-bits/hash")
			b.ReportMetric(ordinals/math.Log2(benchBatches), "of-batch-bound")
			b.ReportMetric(rice(s), "rice-bits")
		})
	}
}

// rice is the bits for each hash of Golomb-Rice coding the gaps between keys.
func rice(s *Set) float64 {
	total := 0
	for i := range s.shards {
		c := s.shards[i].contents()
		best := math.MaxInt
		for k := range int(s.KeyBits) {
			size, last := 0, uint64(0)
			for _, e := range c.entries {
				size += int((e.Key-last)>>k) + 1 + k
				last = e.Key
			}
			best = min(best, size)
		}
		total += best + 8*2
	}
	return float64(total) / float64(s.Entries)
}

// BenchmarkUpdate changes a shard of the usual size: what a seal costs for each shard.
func BenchmarkUpdate(b *testing.B) {
	p := Params{ShardBits: 10, KeyBits: 38}
	var entries []Entry
	for i := 0; len(entries) < 1024; i++ {
		if k := Key(hash(1, i)); p.ShardOf(k) == 0 {
			entries = append(entries, Entry{k, uint64(1 + i%153)})
		}
	}
	raw, err := Build(p, entries[4:], nil)
	if err != nil {
		b.Fatal(err)
	}
	come := Change{Insert: slices.Clone(entries[:4])}
	for b.Loop() {
		if _, err := Update(p, raw, come); err != nil {
			b.Fatal(err)
		}
	}
}
