package revoked

import (
	"bytes"
	"testing"
)

// RV4: what Open takes, it takes apart and Build puts together again, and no
// look-up in it fails; no input makes it panic or allocate more than it has.
func FuzzOpen(f *testing.F) {
	p := Params{KeyBits: 38}
	for _, n := range []int{0, 1, 3, 200} {
		var e []Entry
		for i := range n {
			e = append(e, Entry{Key(hash(1, i)), uint64(i%9 + 1)})
		}
		for _, u := range [][]Undo{nil, {{hash(1, 1), 3}, {hash(1, 1), 4}}} {
			raw, err := Build(p, e, u)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(0), uint8(38), raw)
			if len(raw) > 5 {
				f.Add(uint8(0), uint8(38), append(bytes.Clone(raw), 0))
				f.Add(uint8(1), uint8(38), raw[:len(raw)-1])
			}
		}
	}
	f.Add(uint8(0), uint8(18), []byte{0xff, 0xff, 0xff, 0x1f, 0, 1, 1})
	f.Fuzz(func(t *testing.T, shardBits, keyBits uint8, raw []byte) {
		p := Params{shardBits, keyBits}
		s, err := Open(p, 0, raw)
		if err != nil {
			return
		}
		c := s.contents()
		again, err := c.encode(p)
		if err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("%x was taken, and would be written %x, %v", raw, again, err)
		}
		for _, e := range c.entries {
			key := e.Key << (64 - p.KeyBits) >> p.ShardBits
			found := false
			for _, o := range s.AppendBatches(nil, key) {
				found = found || o == e.Ordinal
			}
			if !found {
				t.Fatalf("RV1: key %x is in batch %d and not found", key, e.Ordinal)
			}
		}
		for _, u := range c.undos {
			if len(s.AppendUndone(nil, u.Hash)) == 0 {
				t.Fatalf("undo of %x is not found", u.Hash)
			}
		}
		s.AppendBatches(nil, 0)
		s.AppendBatches(nil, ^uint64(0)>>p.ShardBits)
	})
}
