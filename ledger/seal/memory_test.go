package seal

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"concordat/ledger/genesis"
	"concordat/ledger/merkle"
	"concordat/ledger/revoked"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("seal test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func testHash(i int) statement.RevocationHash {
	sum := sha256.Sum256(fmt.Appendf(nil, "hash %d", i))
	return statement.RevocationHash(sum[:statement.HashSize])
}

// world is a state machine over real statements, and everything it wrote.
type world struct {
	t           rapid.TB
	doc         *genesis.Document
	state       *state.Memory
	index       uint64
	writes      [][]state.Write
	attachments map[uint64][]byte
	erased      map[uint64]bool
}

func newWorld(t rapid.TB) *world {
	doc := &genesis.Document{
		Format: genesis.Format, Network: "test.example", Created: "2021-01-01T00:00:00Z",
		ProtocolLevel: genesis.ProtocolLevel, Policy: genesis.DefaultPolicy(),
	}
	for _, id := range []statement.Region{"XA", "XB"} {
		key := func(use string) genesis.Key {
			return genesis.Key(testKey(string(id) + use).Public().(ed25519.PublicKey))
		}
		doc.Authorities = append(doc.Authorities, genesis.Authority{ID: id, Name: string(id), Role: genesis.Validator,
			Keys: genesis.Keys{Governance: key("g"), Statement: key("s"), Node: key("n"), Cosign: key("c")}, Addresses: []string{"/ip4/127.0.0.1/tcp/4001"}})
	}
	if err := doc.Check(); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, doc: doc, attachments: map[uint64][]byte{}, erased: map[uint64]bool{}}
	w.writes = [][]state.Write{state.Found(doc)}
	w.state = state.NewMemory(w.writes[0])
	return w
}

// say applies one batch, and gives what it wrote.
func (w *world) say(by statement.Region, undo bool, of statement.HashType, expires statement.Time, hashes ...statement.RevocationHash) []state.Write {
	w.t.Helper()
	attachment := statement.NewAttachment(hashes)
	batch := statement.NewBatch(of, attachment, expires, "a reason")
	var body statement.Body = &statement.Revoke{Batch: batch}
	if undo {
		body = &statement.Reinstate{Batch: batch}
	}
	s, err := statement.Sign(statement.Statement{Issuer: by, Network: w.doc.ID(), IssuedAt: 1, Body: body}, testKey(string(by)+"s"))
	if err != nil {
		w.t.Fatal(err)
	}
	writes, verdict, err := state.Apply(w.state, w.index, s, attachment)
	if err != nil || !verdict.Accepted() {
		w.t.Fatalf("%v %v", verdict, err)
	}
	w.state.Put(writes)
	w.writes = append(w.writes, writes)
	w.attachments[w.index] = attachment
	w.index++
	return writes
}

func (w *world) source(b Batch) ([]byte, error) {
	if w.erased[b.Index] {
		return nil, nil
	}
	return w.attachments[b.Index], nil
}

func (w *world) put(m *Memory, writes ...[]state.Write) {
	w.t.Helper()
	for _, one := range writes {
		if err := m.Put(one); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) seal(m *Memory, at statement.Time) Sealed {
	w.t.Helper()
	s, err := m.Seal(at, w.source)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// fresh is a Memory that saw everything and seals once.
func (w *world) fresh(at statement.Time) (*Memory, Sealed) {
	m := NewMemory()
	w.put(m, w.writes...)
	return m, w.seal(m, at)
}

// The roots depend on the state and the time alone: sealing step by step, with
// hashes erased on the way, ends where sealing once does.
func TestStepsAndOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		m := NewMemory()
		w.put(m, w.writes...)
		next, at := 0, statement.Time(100)
		hashes := func() (out []statement.RevocationHash) {
			n := rapid.SampledFrom([]int{1, 3, 40, 700}).Draw(t, "hashes")
			for range n {
				i := next
				if next > 0 && rapid.IntRange(0, 3).Draw(t, "known") == 0 {
					i = rapid.IntRange(0, next).Draw(t, "which")
				}
				next++
				out = append(out, testHash(i))
			}
			return out
		}
		for range rapid.IntRange(1, 7).Draw(t, "seals") {
			for range rapid.IntRange(0, 4).Draw(t, "batches") {
				w.put(m, w.say(
					rapid.SampledFrom([]statement.Region{"XA", "XB"}).Draw(t, "by"),
					rapid.IntRange(0, 3).Draw(t, "undo") == 0,
					rapid.SampledFrom(statement.HashTypes[:2]).Draw(t, "of"),
					at+statement.Time(rapid.IntRange(0, 60).Draw(t, "lives")), hashes()...))
			}
			at += statement.Time(rapid.IntRange(0, 40).Draw(t, "pause"))
			got := w.seal(m, at)
			fresh, want := w.fresh(at)
			if got.Records != want.Records || got.Revoked != want.Revoked || len(got.Unverifiable) > 0 {
				t.Fatalf("step by step %+v, at once %+v", got, want)
			}
			if m.Summary() != fresh.Summary() {
				t.Fatalf("step by step %+v, at once %+v", m.Summary(), fresh.Summary())
			}
			w.checkHeld(m, at)
			// What no seal covers any more may be erased.
			spent := state.SpentAt(at)
			if err := (state.View{Reader: w.state}).Batches(func(i uint64, b state.Batch) (bool, error) {
				w.erased[i] = spent(b) && rapid.Bool().Draw(t, "erase")
				return true, nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// checkHeld looks every hash of every batch up: those that count are there (no
// false negative), and undos are exactly those that count.
func (w *world) checkHeld(m *Memory, at statement.Time) {
	w.t.Helper()
	set, err := revoked.Load(m.Summary(), m.Revoked)
	if err != nil {
		w.t.Fatal(err)
	}
	undone := map[statement.RevocationHash][]uint64{}
	spent := state.SpentAt(at)
	err = state.View{Reader: w.state}.Batches(func(i uint64, b state.Batch) (bool, error) {
		gone := spent(b)
		for raw := range slices.Chunk(w.attachments[i], statement.HashSize) {
			h := statement.RevocationHash(raw)
			switch {
			case b.Undo && gone:
				undone[h] = append(undone[h], nil...) // to be asked about, too
			case b.Undo:
				undone[h] = append(undone[h], i)
			case slices.Contains(set.AppendBatches(nil, h), b.Ordinal) == gone:
				w.t.Fatalf("batch %d spent: %v, and its hash is found otherwise", i, gone)
			}
		}
		return true, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for h, want := range undone {
		if got := set.AppendUndone(nil, h); !slices.Equal(got, want) {
			w.t.Fatalf("undone by %d, want %d", got, want)
		}
	}
}

// An auditor who lacks the hashes of a batch knows which seals he cannot
// recompute, and why; and recomputes the others.
func TestErased(t *testing.T) {
	w := newWorld(t)
	w.say("XA", false, statement.HashUCI, 200, testHash(1), testHash(2)) // 0
	w.say("XA", false, statement.HashUCI, 900, testHash(3))              // 1
	w.say("XA", true, statement.HashUCI, 150, testHash(1))               // 2: counts as long as batch 1 does
	whole := NewMemory()
	w.put(whole, w.writes...)
	at100, at300, at900 := w.seal(whole, 100), w.seal(whole, 300), w.seal(whole, 900)

	m := NewMemory()
	w.put(m, w.writes...)
	w.erased[0] = true
	got := w.seal(m, 100)
	if got.Records != at100.Records || got.Revoked == at100.Revoked || !slices.Equal(got.Unverifiable, []uint64{0}) {
		t.Errorf("at 100: %+v; want the records of %+v, and batch 0 to blame for the rest", got, at100)
	}
	if got := w.seal(m, 300); got.Revoked != at300.Revoked || got.Records != at300.Records || len(got.Unverifiable) > 0 {
		t.Errorf("at 300: %+v, want %+v", got, at300)
	}
	w.erased[1], w.erased[2] = true, true // dropping them takes no hash
	if got := w.seal(m, 900); got.Revoked != at900.Revoked || len(got.Unverifiable) > 0 {
		t.Errorf("at 900: %+v, want %+v", got, at900)
	}
	if m.Summary() != (revoked.Summary{Params: revoked.Params{KeyBits: 38}}) {
		t.Errorf("at 900 the set is %+v, want nothing", m.Summary())
	}
	if at300.Revoked == at100.Revoked || at900.Revoked == at300.Revoked {
		t.Error("the root does not see that batches expire")
	}
	if _, err := m.Seal(899, w.source); err == nil {
		t.Error("a seal for an earlier time was made")
	}

	// Hashes that are there again are taken in.
	w.erased = map[uint64]bool{1: true}
	m = NewMemory()
	w.put(m, w.writes...)
	w.seal(m, 100)
	w.erased = map[uint64]bool{}
	if got := w.seal(m, 300); got.Revoked != at300.Revoked || len(got.Unverifiable) > 0 {
		t.Errorf("with the hashes back: %+v, want %+v", got, at300)
	}
	// Those of another batch are not.
	w.attachments[1] = statement.NewAttachment([]statement.RevocationHash{testHash(4)})
	m = NewMemory()
	w.put(m, w.writes...)
	if _, err := m.Seal(100, w.source); err == nil {
		t.Error("other hashes than the batch's were taken")
	}
}

// Whoever keeps the shards and comes back plans as if he had never been away.
func TestResume(t *testing.T) {
	w := newWorld(t)
	w.say("XA", false, statement.HashUCI, 200, testHash(1))
	w.say("XB", false, statement.HashUCI, 900, testHash(2))
	w.erased[1] = true
	m := NewMemory()
	w.put(m, w.writes...)
	absent := w.seal(m, 100).Unverifiable
	last := w.say("XB", true, statement.HashUCI, 900, testHash(2))

	b, err := NewBatches(revoked.DefaultBits)
	if err != nil {
		t.Fatal(err)
	}
	for _, writes := range w.writes[:len(w.writes)-1] {
		if err := b.Put(writes); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Resume(100, absent); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(last); err != nil {
		t.Fatal(err)
	}
	w.put(m, last)
	got, err := b.Plan(250)
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.batches.Plan(250)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("resumed %+v\nwant    %+v", got, want)
	}
	if len(got.Add) != 2 || len(got.Drop) != 1 || got.Rebuild {
		t.Errorf("%d to add, %d to drop, rebuild %v; want 2 (the absent one and the new one), 1, false", len(got.Add), len(got.Drop), got.Rebuild)
	}
	if err := b.Resume(250, []uint64{77}); err == nil {
		t.Error("an absent batch that there never was was taken")
	}
	if err := b.Add(1, state.Batch{}); err == nil {
		t.Error("a batch out of order was taken")
	}
}

// A seal computes what changed: the shards of what was said since, and no other.
func TestCostsWhatChanged(t *testing.T) {
	w := newWorld(t)
	var many []statement.RevocationHash
	for i := range 40_000 {
		many = append(many, testHash(i))
	}
	w.say("XA", false, statement.HashUCI, 900, many...)
	m := NewMemory()
	w.put(m, w.writes...)
	w.seal(m, 100)
	if n := m.Summary().Shards(); n != 64 {
		t.Fatalf("%d shards for 40,000 hashes, want 64", n)
	}
	w.put(m, w.say("XB", false, statement.HashUCI, 900, testHash(50_000), testHash(50_001)))
	p, err := m.batches.Plan(200)
	if err != nil {
		t.Fatal(err)
	}
	read, written := 0, 0
	_, err = p.Shards(
		func(i int) ([]byte, error) { read++; return m.shards[i], nil },
		func(b Batch) ([]byte, error) {
			if b.Index != 1 {
				t.Errorf("the hashes of batch %d were read", b.Index)
			}
			return w.source(b)
		},
		func(int, []byte) error { written++; return nil })
	if err != nil || read != 2 || written != 2 {
		t.Errorf("read %d shards and wrote %d, %v; want 2", read, written, err)
	}
}

// BenchmarkSeal seals a minute's statements, among a million revoked hashes and ten thousand records.
func BenchmarkSeal(b *testing.B) {
	m := NewMemory()
	w := newWorld(b)
	w.put(m, w.writes...)
	for k := range 16 {
		var hashes []statement.RevocationHash
		for i := range statement.MaxBatchHashes {
			hashes = append(hashes, testHash(k<<20+i))
		}
		w.put(m, w.say("XA", false, statement.HashUCI, 1<<30, hashes...))
	}
	var records []state.Write
	for i := range 10_000 {
		records = append(records, state.Write{Key: fmt.Appendf(nil, "x%d", i), Value: make([]byte, 200)})
	}
	w.put(m, records)
	w.seal(m, 100)
	at := statement.Time(100)
	n := 0
	var last merkle.Hash
	for b.Loop() {
		b.StopTimer()
		w.put(m, records[n%9000:n%9000+100])
		for range 10 {
			n++
			w.put(m, w.say("XB", false, statement.HashUCI, 1<<30, testHash(-n)))
		}
		b.StartTimer()
		at += 60
		last = w.seal(m, at).Revoked
	}
	_ = last
}
