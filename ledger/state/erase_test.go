package state

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"concordat/ledger/statement"
)

// TestOrdinals: batches that revoke are numbered in the order of the log,
// whoever says them; what undoes has no number, what is refused takes none (ST14).
func TestOrdinals(t *testing.T) {
	w := newWorld(t, "XA", "XB")
	a := attachmentOf(someHashes)
	batch := func(of statement.HashType) statement.Batch { return statement.NewBatch(of, a, 100, "reason") }
	w.must("XA", &statement.Revoke{Batch: batch(statement.HashUCI)}, a)
	w.must("XA", &statement.Reinstate{Batch: batch(statement.HashUCI)}, a)
	if v := w.say("XB", &statement.Revoke{Batch: batch(statement.HashUCI)}, nil); v.Name != AttachmentMissing {
		t.Fatal(v)
	}
	w.must("XB", &statement.Revoke{Batch: batch(statement.HashRID)}, a)
	w.must("XA", &statement.Revoke{Batch: batch(statement.HashUCI)}, a)
	var got []string
	err := View{w.mem}.Batches(func(index uint64, b Batch) (bool, error) {
		got = append(got, fmt.Sprint(index, " ", b.Authority, " ", b.Undo, " ", b.Ordinal))
		return true, nil
	})
	want := []string{"0 XA false 1", "1 XA true 0", "2 XB false 2", "3 XA false 3"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("batches are %q (%v), want %q", got, err, want)
	}
	seen, stop := 0, errors.New("enough")
	err = View{w.mem}.Batches(func(uint64, Batch) (bool, error) { seen++; return seen < 2, nil })
	if err != nil || seen != 2 {
		t.Errorf("told to stop after 2, saw %d (%v)", seen, err)
	}
	if err := (View{w.mem}).Batches(func(uint64, Batch) (bool, error) { return true, stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error comes back as %v", err)
	}
}

// TestApplyErased: whoever replays without an attachment has the state of
// whoever erased it, and goes on to the same state, whichever were erased.
func TestApplyErased(t *testing.T) {
	w := story(t)
	a := attachmentOf(someHashes)
	w.must("XB", &statement.Revoke{Batch: statement.NewBatch(statement.HashRID, a, 50, "reason")}, a)
	var batches []uint64
	for i, said := range w.said {
		if said.attachment != nil {
			batches = append(batches, uint64(i))
		}
	}
	for which := range 1 << len(batches) {
		kept, replayed := NewMemory(entries(t, w.mem)), NewMemory(Found(founding(t, "XA", "XB", "XC", "XD")))
		for i, said := range w.said {
			n := slices.Index(batches, uint64(i))
			erased := n >= 0 && which&(1<<n) != 0
			var writes []Write
			var v Verdict
			var err error
			if erased || n < 0 { // of a kind without attachment it is Apply
				writes, v, err = ApplyErased(replayed, uint64(i), said.s)
			} else {
				writes, v, err = Apply(replayed, uint64(i), said.s, said.attachment)
			}
			if err != nil || !v.Accepted() {
				t.Fatal(v, err)
			}
			replayed.Put(writes)
			if erased {
				b, ok, err := View{w.mem}.Batch(uint64(i))
				if err != nil || !ok {
					t.Fatal(ok, err)
				}
				for _, key := range ExpandedKeys(uint64(i), b, said.attachment) {
					if value, _ := kept.Get(key); value == nil {
						t.Fatalf("key %x is not there to be erased", key)
					}
					kept.Put([]Write{{Key: key}})
				}
			}
		}
		if digest(t, kept) != digest(t, replayed) {
			t.Errorf("erased %b: erasing leaves\n%s\nreplaying gives\n%s", which, dump(t, kept), dump(t, replayed))
		}
		dump(t, kept)
	}
	// A statement that may not be made is refused all the same.
	s := w.sign("XA", 0, &statement.Revoke{Batch: statement.NewBatch(statement.HashRID, a, 50, "reason")}, testKey("XB/statement"))
	if _, v, err := ApplyErased(w.mem, w.index, s); err != nil || v.Name != UnknownKey {
		t.Errorf("with another's key: %s (%v)", v, err)
	}
}

// TestExpand: the entry of each hash can be made again from its batch, and is
// the only thing that seals leave out of the records.
func TestExpand(t *testing.T) {
	w := story(t)
	var entriesOf int
	for _, e := range entries(t, w.mem) {
		if Sealed(e.Key) != (e.Key[0] != 'r') {
			t.Errorf("key %x is sealed: %v", e.Key, Sealed(e.Key))
		}
		if Sealed(e.Key) {
			continue
		}
		entriesOf++
		_, _, index, err := splitRevocationKey(e.Key)
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := View{w.mem}.Batch(index)
		if err != nil {
			t.Fatal(err)
		}
		got := Expand(index, b, statement.RevocationHash(e.Key[1:revocationPrefixSize]))
		if !bytes.Equal(got.Key, e.Key) || !bytes.Equal(got.Value, e.Value) {
			t.Errorf("made again it is %x: %x, want %x: %x", got.Key, got.Value, e.Key, e.Value)
		}
	}
	if entriesOf != 3*len(someHashes) {
		t.Errorf("%d entries of hashes, want %d", entriesOf, 3*len(someHashes))
	}
}

// TestBatchesAgree: a part of a batch, a number or a total that is wrong does
// not pass (ST14).
func TestBatchesAgree(t *testing.T) {
	batch := func(change func(b *Batch)) Write {
		b, _, err := View{story(t).mem}.Batch(5)
		if err != nil {
			t.Fatal(err)
		}
		change(&b)
		return Write{batchKey(5), encode(b)}
	}
	h := testHash("h1")
	totals := totalsKey("XA", statement.HashUCI)
	for what, damage := range map[string]Write{
		"half erased":            {Key: appendRevocationKey(nil, h[:], hashTypeByte(statement.HashUCI), "XA", 5)},
		"one more hash":          batch(func(b *Batch) { b.Count++ }),
		"number of another":      batch(func(b *Batch) { b.Ordinal = 2 }),
		"no number":              batch(func(b *Batch) { b.Ordinal = 0 }),
		"an undo with a number":  batch(func(b *Batch) { b.Undo = true }),
		"an undo that spares":    batch(func(b *Batch) { b.Undo, b.Ordinal, b.IssuedBefore = true, 0, 9 }),
		"one that spares":        batch(func(b *Batch) { b.IssuedBefore = 9 }),
		"running number too low": {Key: ordinalsKey()},
		"running number too far": put(&ordinals{Last: 3}),
		"no totals":              {Key: totals},
		"totals too high":        {totals, encode(Totals{Batches: 2, Revoked: 4, Undone: 3})},
		"totals of nothing":      {totalsKey("XB", statement.HashUCI), encode(Totals{Batches: 1, Revoked: 1})},
	} {
		w := story(t)
		w.mem.Put([]Write{damage})
		if err := Dump(w.mem, new(bytes.Buffer)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: want ErrCorrupt, got %v", what, err)
		}
	}
}

// TestSpentAt erases what is spent at a time, at random: for that time and all
// later, every hash is revoked as before. What is spent stays so, and what has
// expired is kept only to cancel something.
func TestSpentAt(t *testing.T) {
	const end = 8
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, someRegions...)
		for range rapid.IntRange(1, 12).Draw(rt, "batches") {
			by := rapid.SampledFrom(someRegions).Draw(rt, "by")
			names := rapid.SliceOfNDistinct(rapid.SampledFrom(someHashes), 1, 3, rapid.ID).Draw(rt, "hashes")
			b := statement.NewBatch(rapid.SampledFrom(statement.HashTypes[:2]).Draw(rt, "type"), attachmentOf(names),
				statement.Time(rapid.IntRange(1, end-1).Draw(rt, "expires")), "reason")
			var body statement.Body = &statement.Revoke{Batch: b}
			if rapid.Bool().Draw(rt, "undo") {
				body = &statement.Reinstate{Batch: b}
			}
			w.must(by, body, attachmentOf(names))
		}
		at := statement.Time(rapid.IntRange(0, end).Draw(rt, "at"))
		erased := NewMemory(entries(t, w.mem))
		spent, later := SpentAt(at), SpentAt(at+1)
		kept := map[string]bool{} // authorities and types of which a batch that revokes is left
		err := View{w.mem}.Batches(func(index uint64, b Batch) (bool, error) {
			of := fmt.Sprint(b.Authority, b.HashType)
			is, stays := spent(b), later(b)
			switch {
			case is && !stays:
				rt.Fatalf("batch %d is spent at %d and not at %d", index, at, at+1)
			case is && b.Expires > at:
				rt.Fatalf("batch %d is spent at %d, and expires at %d", index, at, b.Expires)
			case !is && b.Expires <= at && !(b.Undo && kept[of]):
				rt.Fatalf("batch %d is kept at %d, expired at %d, and cancels nothing", index, at, b.Expires)
			case !is:
				kept[of] = kept[of] || !b.Undo
			default:
				for _, key := range ExpandedKeys(index, b, w.said[index].attachment) {
					erased.Put([]Write{{Key: key}})
				}
			}
			return true, nil
		})
		if err != nil {
			rt.Fatal(err)
		}
		dump(t, erased)
		for when := at; when <= end; when++ {
			for _, name := range someHashes {
				if was, is := inForce(rt, w.mem, name, when), inForce(rt, erased, name, when); !slices.Equal(was, is) {
					rt.Fatalf("at %d %s was revoked by %q, and, with what is spent at %d erased, by %q", when, name, was, at, is)
				}
			}
		}
	})
}

// inForce lists by whom, and as what, a hash is revoked at a time.
func inForce(t *rapid.T, r Reader, name string, at statement.Time) (out []string) {
	events, more, err := View{r}.Revocations(testHash(name), 1000)
	if err != nil || more {
		t.Fatal(err, more)
	}
	for _, e := range events {
		if e.InForce(at) {
			out = append(out, fmt.Sprint(e.Authority, " ", e.Type))
		}
	}
	return slices.Compact(out)
}
