package seal

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"concordat/ledger/merkle"
	"concordat/ledger/state"
)

type noTiles struct{}

func (noTiles) ReadTile(merkle.Tile, int) ([]byte, error) { return nil, errors.New("no tiles") }

// Root is the root that the ledger's own tree has.
func TestRoot(t *testing.T) {
	var leaves []merkle.Hash
	for n := range 70 {
		_, want, err := merkle.Append(noTiles{}, 0, leaves)
		if err != nil {
			t.Fatal(err)
		}
		if got := Root(leaves); got != want {
			t.Errorf("of %d leaves: %x, want %x", n, got, want)
		}
		leaves = append(leaves, merkle.LeafHash([]byte{byte(n)}))
	}
}

// However records come and go, the shard is that of what is left.
func TestMergeAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		model, shard := map[string]string{}, []byte(nil)
		key := rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 1, 3, -1)
		for range rapid.IntRange(1, 6).Draw(t, "merges") {
			var changes []state.Write
			for range rapid.IntRange(0, 8).Draw(t, "changes") {
				w := state.Write{Key: []byte(key.Draw(t, "key"))}
				if rapid.IntRange(0, 2).Draw(t, "delete") > 0 {
					w.Value = bytes.Repeat([]byte{7}, rapid.SampledFrom([]int{1, 127, 128, 300}).Draw(t, "length"))
					model[string(w.Key)] = string(w.Value)
				} else {
					delete(model, string(w.Key))
				}
				changes = append(changes, w)
			}
			before := bytes.Clone(shard)
			next, err := Merge(shard, changes)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, shard) {
				t.Fatal("Merge changed the shard that it was given")
			}
			shard = next
		}
		var want, got []string
		for _, k := range slices.Sorted(maps.Keys(model)) {
			want = append(want, k+"="+model[k])
		}
		if err := Each(shard, func(k, v []byte) error {
			got = append(got, string(k)+"="+string(v))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("holds %q, want %q", got, want)
		}
	})
}

func TestMalformedShards(t *testing.T) {
	for name, shard := range map[string]string{
		"key cut short":         "\x03ab",
		"value missing":         "\x01a",
		"empty key":             "\x00\x01x",
		"empty value":           "\x01a\x00",
		"length not shortest":   "\x81\x00a\x01x",
		"length too great":      "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
		"keys out of order":     "\x01b\x01x\x01a\x01x",
		"one key twice":         "\x01a\x01x\x01a\x01x",
		"length without an end": "\xff",
	} {
		if err := Each([]byte(shard), func(k, v []byte) error { return nil }); !errors.Is(err, ErrShard) {
			t.Errorf("%s: %v, want ErrShard", name, err)
		}
		if _, err := Merge([]byte(shard), []state.Write{{Key: []byte("z"), Value: []byte("z")}}); !errors.Is(err, ErrShard) {
			t.Errorf("merging into %s: %v, want ErrShard", name, err)
		}
	}
	stop := errors.New("stop")
	if err := Each([]byte("\x01a\x01x"), func(k, v []byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v, want fn's own error", err)
	}
}

// Keys spread over all shards.
func TestShardOf(t *testing.T) {
	seen := map[int]bool{}
	for i := range 20 * RecordShards {
		n := ShardOf(fmt.Appendf(nil, "key %d", i))
		if n < 0 || n >= RecordShards {
			t.Fatalf("shard %d", n)
		}
		seen[n] = true
	}
	if len(seen) != RecordShards {
		t.Errorf("%d shards used, want %d", len(seen), RecordShards)
	}
}

// What Each takes is what Merge writes of it.
func FuzzEach(f *testing.F) {
	f.Add([]byte("\x01a\x01x\x02ab\x01y"))
	f.Add([]byte("\x01b\x01x\x01a\x01x"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, shard []byte) {
		var writes []state.Write
		if Each(shard, func(k, v []byte) error {
			writes = append(writes, state.Write{Key: k, Value: v})
			return nil
		}) != nil {
			return
		}
		slices.Reverse(writes)
		again, err := Merge(nil, writes)
		if err != nil || !bytes.Equal(again, shard) {
			t.Fatalf("%x was taken, and would be written %x, %v", shard, again, err)
		}
	})
}
