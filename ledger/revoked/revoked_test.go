package revoked

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"concordat/ledger/statement"
)

// hash is the same hash for the same numbers, always.
func hash(kind, i int) statement.RevocationHash {
	var h statement.RevocationHash
	binary.BigEndian.PutUint64(h[:], uint64(kind))
	binary.BigEndian.PutUint64(h[8:], uint64(i))
	return h
}

// drawEntries draws entries that belong in one shard, from so few keys and
// ordinals that some meet.
func drawEntries(t *rapid.T, p Params, label string) []Entry {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Entry {
		local := rapid.Uint64Range(0, 40).Draw(t, "key")
		if rapid.Bool().Draw(t, "far") {
			local = rapid.Uint64Range(0, 1<<p.KeyBits-1).Draw(t, "key")
		}
		return Entry{
			Key:     local<<(64-p.KeyBits)>>p.ShardBits | rapid.Uint64Range(0, 3).Draw(t, "beyond"), // in shard 0
			Ordinal: rapid.Uint64Range(1, 1000).Draw(t, "ordinal"),
		}
	}), 0, 60).Draw(t, label)
}

func drawParams(t *rapid.T) Params {
	return Params{ShardBits: rapid.Uint8Range(0, 5).Draw(t, "shard bits"), KeyBits: rapid.Uint8Range(MinBits+shardFill, MaxBits+shardFill).Draw(t, "key bits")}
}

func drawUndos(t *rapid.T, p Params, label string) []Undo {
	var in []statement.RevocationHash // of shard 0
	for i := 0; len(in) < 12; i++ {
		if h := hash(9, i); p.ShardOf(Key(h)) == 0 {
			in = append(in, h)
		}
	}
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Undo {
		return Undo{Hash: rapid.SampledFrom(in).Draw(t, "hash"), Index: rapid.Uint64Range(0, 5).Draw(t, "index")}
	}), 0, 20, rapid.ID).Draw(t, label)
}

func build(t rapid.TB, p Params, e []Entry, u []Undo) []byte {
	t.Helper()
	raw, err := Build(p, e, u)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// RV1, RV3, RV4 against a plain list.
func TestShardAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawParams(t)
		entries, undos := drawEntries(t, p, "entries"), drawUndos(t, p, "undos")
		raw := build(t, p, entries, undos)
		if again := build(t, p, rapid.Permutation(entries).Draw(t, "order"), rapid.Permutation(undos).Draw(t, "order")); !bytes.Equal(raw, again) {
			t.Fatalf("RV3: in another order %x, want %x", again, raw)
		}
		s, err := Open(p, 0, raw)
		if err != nil {
			t.Fatalf("RV4: %v", err)
		}
		if n, m := s.Count(); n != len(entries) || m != len(undos) {
			t.Fatalf("holds %d and %d, want %d and %d", n, m, len(entries), len(undos))
		}
		keys := []uint64{rapid.Uint64().Draw(t, "some key") >> p.ShardBits}
		for _, e := range entries {
			keys = append(keys, e.Key, e.Key^1<<(63-p.ShardBits))
		}
		for _, key := range keys {
			var want []uint64
			for _, e := range entries {
				if p.local(e.Key) == p.local(key) {
					want = append(want, e.Ordinal)
				}
			}
			slices.Sort(want)
			if got := s.AppendBatches(nil, key); !slices.Equal(got, want) {
				t.Fatalf("key %x is in batches %d, want %d", key, got, want)
			}
		}
		for i := range 20 {
			var want []uint64
			for _, u := range undos {
				if u.Hash == hash(9, i) {
					want = append(want, u.Index)
				}
			}
			slices.Sort(want)
			if got := s.AppendUndone(nil, hash(9, i)); !slices.Equal(got, want) {
				t.Fatalf("hash %d is undone by %d, want %d", i, got, want)
			}
		}
	})
}

// A shard to which entries came and from which they went is the shard that is
// built of what is left (RV3), without the hashes of what stays.
func TestUpdateIsRebuild(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawParams(t)
		stay, go1, come := drawEntries(t, p, "stay"), drawEntries(t, p, "go"), drawEntries(t, p, "come")
		undos := drawUndos(t, p, "undos")
		cut := rapid.IntRange(0, len(undos)).Draw(t, "cut")
		raw := build(t, p, append(slices.Clone(stay), go1...), undos[:cut])
		half := cut / 2
		got, err := Update(p, raw, Change{Insert: come, Remove: go1, Undo: undos[cut:], Forget: undos[:half]})
		if err != nil {
			t.Fatal(err)
		}
		want := build(t, p, append(slices.Clone(stay), come...), undos[half:])
		if !bytes.Equal(got, want) {
			t.Fatalf("updated %x, rebuilt %x", got, want)
		}

		// By batch, without any hash.
		drop, dropUndos := map[uint64]bool{}, map[uint64]bool{}
		for _, e := range come {
			drop[e.Ordinal] = true
		}
		for _, u := range undos[cut:] {
			dropUndos[u.Index] = true
		}
		got, err = Update(p, got, Change{Drop: drop, DropUndos: dropUndos})
		if err != nil {
			t.Fatal(err)
		}
		left := slices.DeleteFunc(slices.Clone(stay), func(e Entry) bool { return drop[e.Ordinal] })
		leftUndos := slices.DeleteFunc(slices.Clone(undos[half:]), func(u Undo) bool { return dropUndos[u.Index] })
		if want := build(t, p, left, leftUndos); !bytes.Equal(got, want) {
			t.Fatalf("dropped to %x, rebuilt %x", got, want)
		}
	})
}

func TestRemoveWhatIsNotThere(t *testing.T) {
	p := Params{KeyBits: 38}
	raw := build(t, p, []Entry{{1 << 60, 7}, {3 << 60, 7}}, nil)
	for name, c := range map[string]Change{
		"another key":     {Remove: []Entry{{2 << 60, 7}}},
		"another ordinal": {Remove: []Entry{{1 << 60, 8}}},
		"after the last":  {Remove: []Entry{{4 << 60, 7}}},
		"twice":           {Remove: []Entry{{1 << 60, 7}, {1 << 60, 7}}},
		"an undo":         {Forget: []Undo{{hash(1, 1), 1}}},
	} {
		if _, err := Update(p, raw, c); !errors.Is(err, ErrAbsent) {
			t.Errorf("%s: %v, want ErrAbsent", name, err)
		}
	}
	if _, err := Update(p, nil, Change{Undo: []Undo{{hash(1, 1), 1}, {hash(1, 1), 1}}}); err == nil {
		t.Error("one undo twice was taken")
	}
	if _, err := Update(p, nil, Change{Insert: []Entry{{1, 1 << maxOrdinalBits}}}); err == nil {
		t.Error("an ordinal beyond the bound was taken")
	}
}

func TestParamsFor(t *testing.T) {
	for _, c := range []struct {
		count  uint64
		bits   int
		shards uint8
		key    uint8
	}{
		{0, 28, 0, 38}, {1, 28, 0, 38}, {1024, 28, 0, 38}, {1025, 28, 1, 38}, {2048, 28, 1, 38}, {2049, 28, 2, 38},
		{10_000_000, 28, 14, 38}, {10_000_000, 8, 14, 18}, {1 << 30, 32, 20, 42}, {1<<30 + 1, 32, 20, 43}, {1 << 32, 32, 20, 44},
	} {
		p, err := ParamsFor(c.count, c.bits)
		if err != nil || p != (Params{c.shards, c.key}) {
			t.Errorf("%d entries at 2^-%d: %+v, %v; want 2^%d shards, %d bits", c.count, c.bits, p, err, c.shards, c.key)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(MinBits, MaxBits).Draw(t, "bits")
		count := rapid.Uint64Range(0, maxCount).Draw(t, "count") >> rapid.IntRange(0, 32).Draw(t, "shift")
		p, err := ParamsFor(count, bits)
		if err != nil {
			t.Fatal(err)
		}
		undos := rapid.Uint64Range(0, count).Draw(t, "undos")
		s := Summary{p, count - undos, undos}
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		if s.Rate() > math.Pow(2, -float64(bits)) {
			t.Fatalf("RV2: rate %g with %d entries, want at most 2^-%d", s.Rate(), count, bits)
		}
		if p.ShardBits < MaxShardBits && count > 1024 && (count>>p.ShardBits < 512 || (count-1)>>p.ShardBits >= 1024) {
			t.Fatalf("%d entries in %d shards", count, p.Shards())
		}
		if p.ShardBits > 0 {
			s.ShardBits--
			if err := s.Check(); err == nil && s.ShardBits < MaxShardBits-1 && p.ShardBits < MaxShardBits {
				t.Fatalf("half the shards for %d entries were taken", count)
			}
		}
	})
	for _, bits := range []int{MinBits - 1, MaxBits + 1} {
		if _, err := ParamsFor(1, bits); !errors.Is(err, ErrParams) {
			t.Errorf("2^-%d: %v, want ErrParams", bits, err)
		}
	}
}

// sample builds a set of n hashes in equal batches.
func sample(t testing.TB, n, batches, bits int) *Set {
	t.Helper()
	p, err := ParamsFor(uint64(n), bits)
	if err != nil {
		t.Fatal(err)
	}
	shards := make([][]Entry, p.Shards())
	for i := range n {
		k := Key(hash(1, i))
		shards[p.ShardOf(k)] = append(shards[p.ShardOf(k)], Entry{k, 1 + uint64(i%batches)})
	}
	raw := make([][]byte, p.Shards())
	for i, e := range shards {
		raw[i] = build(t, p, e, nil)
		shards[i] = nil
	}
	s, err := Load(Summary{p, uint64(n), 0}, func(i int) []byte { return raw[i] })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// RV1 and RV2, counted, at rates that can be: false positives follow the
// stated rate, and there is no false negative.
func TestRates(t *testing.T) {
	for _, c := range []struct{ n, bits int }{{60_000, 8}, {131_072, 10}, {40_000, 12}} {
		s := sample(t, c.n, 7, c.bits)
		for i := range c.n {
			if !slices.Contains(s.AppendBatches(nil, hash(1, i)), 1+uint64(i%7)) {
				t.Fatalf("RV1: hash %d of %d is not found", i, c.n)
			}
		}
		const asked = 400_000
		found := 0
		for i := range asked {
			if len(s.AppendBatches(nil, hash(2, i))) > 0 {
				found++
			}
		}
		rate, bound := float64(found)/asked, math.Pow(2, -float64(c.bits))
		t.Logf("%d hashes: false positives %.3g, expected %.3g, stated at most %.3g", c.n, rate, s.Rate(), bound)
		// Four standard deviations of what is expected.
		slack := 4 * math.Sqrt(s.Rate()/asked)
		if math.Abs(rate-s.Rate()) > slack || rate > bound+slack {
			t.Errorf("RV2: of %d hashes that are not in the set, %d are found", asked, found)
		}
	}
}

// cost is what a set takes: of it, for each hash, the bits for membership and
// for the batch. The ends of shards and their counts are membership's.
func cost(s *Set) (membership, ordinals float64) {
	total, ord := 0, 0
	for i := range s.shards {
		sh := &s.shards[i]
		total += 2 + 2 + 1 + len(sh.lows) + len(sh.highs) // counts, first ordinal, width
		ord += len(sh.ordinals)
	}
	n := float64(s.Entries)
	return float64(total) * 8 / n, float64(ord) * 8 / n
}

// The size stays near what no coding can go below, however full the shards are.
func TestSize(t *testing.T) {
	const batches = 153
	for _, n := range []int{1000, 33_000, 48_000, 65_536} {
		s := sample(t, n, batches, DefaultBits)
		membership, ordinals := cost(s)
		if bound := float64(DefaultBits); n >= 1024 && membership > 1.25*bound {
			t.Errorf("%d hashes: %.2f bits for membership, the bound is %.2f", n, membership, bound)
		}
		if bound := math.Log2(batches); ordinals > 1.25*bound {
			t.Errorf("%d hashes: %.2f bits for the batch, the bound is %.2f", n, ordinals, bound)
		}
		t.Logf("%d hashes: membership %.2f bits (%.3f of the bound), batch %.2f bits (%.3f)", n,
			membership, membership/DefaultBits, ordinals, ordinals/math.Log2(batches))
	}
}

// A shard that somebody crowded is as right as any, and its look-ups stay quick (BenchmarkLookupCrowded).
func TestCrowdedShard(t *testing.T) {
	p := Params{ShardBits: 10, KeyBits: 38}
	var entries []Entry
	for i := range uint64(20_000) {
		local := i * 3 // all in the first buckets
		if i%2 == 0 {
			local = 1<<38 - 1 - i
		}
		entries = append(entries, Entry{local << 26 >> 10, 1 + i%5})
	}
	s, err := Open(p, 0, build(t, p, entries, nil))
	if err != nil {
		t.Fatal(err)
	}
	if s.far == nil {
		t.Fatal("the shard is not a large one")
	}
	for _, e := range entries {
		if got := s.AppendBatches(nil, e.Key); !slices.Equal(got, []uint64{e.Ordinal}) {
			t.Fatalf("key %x: %d, want %d", e.Key, got, e.Ordinal)
		}
		if got := s.AppendBatches(nil, e.Key+1<<16); len(got) > 1 {
			t.Fatalf("beside key %x: %d", e.Key, got)
		}
	}
}

// The example of docs/formats/bundle.md.
func TestGolden(t *testing.T) {
	one, two := hash(1, 1), hash(1, 2)
	if Key(one) != 0xa786e17724e6a70f || Key(two) != 0x595d6124a1ca5696 {
		t.Fatalf("keys %x and %x", Key(one), Key(two))
	}
	p := Params{KeyBits: 38}
	got := build(t, p, []Entry{{Key(one), 5}, {Key(two), 9}, {Key(two), 6}}, []Undo{{two, 77}})
	want := "03" + "01" + "05" + "03" + // entries, undos, first ordinal, width
		"284958578692847565c95db8e109" + // 3 times 36 bits
		"16" + // buckets 1, 1 and 2 of 4
		"2100" + // 6-5, 9-5, 5-5 in 3 bits each
		"00000000000000010000000000000002" + "000000000000004d"
	if fmt.Sprintf("%x", got) != want {
		t.Errorf("shard\n%x, want\n%s", got, want)
	}
	leaf := fmt.Sprintf("%x", []byte("concordat revoked set v1\n")) + "00" + "26" + "0000000000000003" + "0000000000000001"
	if got := fmt.Sprintf("%x", Summary{p, 3, 1}.Leaf()); got != leaf {
		t.Errorf("summary\n%s, want\n%s", got, leaf)
	}
}

func ExampleSummary_Rate() {
	p, _ := ParamsFor(10_000_000, DefaultBits)
	s := Summary{Params: p, Entries: 10_000_000}
	fmt.Printf("one in %.0f\n", 1/s.Rate())
	// Output: one in 450359963
}
