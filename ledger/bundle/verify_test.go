package bundle_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"concordat/ledger/bundle"
	"concordat/ledger/receipt"
	"concordat/ledger/revoked"
	"concordat/ledger/statement"
)

func written(t testing.TB, b *bundle.Bundle) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := b.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (w *world) update(b *bundle.Bundle, delta []byte) (*bundle.Bundle, error) {
	w.t.Helper()
	u, err := bundle.Parse(delta)
	if err != nil {
		w.t.Fatal(err)
	}
	return b.Update(u, w.doc)
}

// A bundle of any age and the delta since it are the whole bundle, to the byte
// (B1, B4), also where the revoked set is divided anew in between.
func TestDeltas(t *testing.T) {
	w := newWorld(t, revoked.DefaultBits)
	type version struct {
		sealed
		raw []byte
	}
	var versions []version
	for i := range 6 {
		populate(w, uint64(10+i), 40)
		if i == 3 { // 1024 hashes are passed
			var many []statement.RevocationHash
			for k := range 1500 {
				many = append(many, testHash(100_000+k))
			}
			w.revoke("XA", statement.HashUCI, now+100_000, many...)
		}
		at := now + statement.Time(60*i)
		s := w.seal(at)
		raw := w.file(s, w.note(at.Time().Add(time.Second), regions...), nil)
		b := w.bundle(raw)
		if got := written(t, b); !bytes.Equal(got, raw) {
			t.Fatalf("B1: version %d is written otherwise than it was read", i)
		}
		if b.Size() != s.index || b.Seal().At != at || b.Certified().Checkpoint().Size != s.index+1 {
			t.Fatalf("version %d: size %d at %s", i, b.Size(), b.Seal().At)
		}
		if _, err := receipt.Verify(w.doc, b.Receipt()); err != nil {
			t.Fatal(err)
		}
		for _, old := range versions {
			delta := w.file(s, w.note(at.Time().Add(time.Second), regions...), &old.sealed)
			next, err := w.update(w.bundle(old.raw), delta)
			if err != nil {
				t.Fatalf("from size %d to %d: %v", old.index, s.index, err)
			}
			if !bytes.Equal(written(t, next), raw) {
				t.Fatalf("B4: from size %d to %d other bytes than the whole bundle", old.index, s.index)
			}
			if old.head.Summary.Params == s.head.Summary.Params && len(delta) > len(raw)*3/4 {
				t.Errorf("the delta from size %d to %d has %d bytes, the whole %d", old.index, s.index, len(delta), len(raw))
			}
			// One since an older size does as well: the shards are those of now.
			if len(versions) > 1 && old.head.Summary.Params == versions[0].head.Summary.Params {
				next, err := w.update(w.bundle(old.raw), w.file(s, w.note(at.Time().Add(time.Second), regions...), &versions[0].sealed))
				if err != nil || !bytes.Equal(written(t, next), raw) {
					t.Errorf("from size %d with what changed since %d: %v", old.index, versions[0].index, err)
				}
			}
		}
		versions = append(versions, version{s, raw})
	}
	first, last := versions[0], versions[len(versions)-1]
	if first.head.Summary.Params == last.head.Summary.Params {
		t.Error("the revoked set was not divided anew")
	}
	note := w.note((now + 400).Time(), regions...)

	// The wrong way round, and the wrong bundle.
	newest := w.bundle(last.raw)
	u, err := bundle.Parse(first.raw)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newest.Update(u, w.doc); !errors.Is(err, bundle.ErrOlder) {
		t.Errorf("an older bundle: %v, want ErrOlder", err)
	}
	if _, err := w.update(w.bundle(first.raw), w.file(last.sealed, note, &versions[1].sealed)); !errors.Is(err, bundle.ErrDelta) {
		t.Errorf("a delta since a later size: %v, want ErrDelta", err)
	}
	delta, err := bundle.Parse(w.file(last.sealed, note, &first.sealed))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := delta.Verify(w.doc); !errors.Is(err, bundle.ErrDelta) {
		t.Errorf("a delta as a bundle: %v, want ErrDelta", err)
	}
	// A delta that leaves a shard out, over a bundle that it does not belong to.
	lacking := last.sealed
	lacking.head.Summary.Params = versions[4].head.Summary.Params
	if next, err := w.update(w.bundle(versions[3].raw), w.file(lacking, note, &versions[4].sealed)); err == nil {
		t.Errorf("a delta over an older bundle gave one of size %d", next.Size())
	}

	// Nothing but a newer certificate.
	next, err := w.update(newest, w.file(last.sealed, note, &last.sealed))
	if err != nil {
		t.Fatal(err)
	}
	if !next.AsOf().Equal((now + 400).Time()) || next.Size() != newest.Size() {
		t.Errorf("size %d as of %s, want size %d as of %s", next.Size(), next.AsOf(), newest.Size(), now+400)
	}
	if _, err := next.Update(mustParse(t, last.raw), w.doc); !errors.Is(err, bundle.ErrOlder) {
		t.Errorf("the older certificate: %v, want ErrOlder", err)
	}
}

func mustParse(t testing.TB, raw []byte) *bundle.Unverified {
	t.Helper()
	u, err := bundle.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// No bit of a bundle can be changed: it is refused, or is in the signature of
// somebody who then does not count, and changes nothing.
func TestEveryBitCounts(t *testing.T) {
	w := newWorld(t, revoked.DefaultBits)
	populate(w, 3, 60)
	b, raw := w.sealedAt(now)
	body := bytes.Index(raw, b.Certified().Note()) + len(b.Certified().Note())
	refused := 0
	for at := 0; at < len(raw); at++ {
		if at > body+2000 && at%31 != 0 { // the shards are all alike
			continue
		}
		flipped := bytes.Clone(raw)
		flipped[at] ^= 1 << (at % 8)
		u, err := bundle.Parse(flipped)
		if err == nil {
			var got *bundle.Bundle
			if got, err = u.Verify(w.doc); err == nil {
				if at >= body || fmt.Sprint(got.Seal()) != fmt.Sprint(b.Seal()) || got.AsOf().After(b.AsOf()) {
					t.Fatalf("byte %d of %d was changed, and nobody saw it", at, len(raw))
				}
				continue
			}
		}
		refused++
		if !errors.Is(err, bundle.ErrRefused) && !errors.Is(err, bundle.ErrMalformed) && !errors.Is(err, bundle.ErrDelta) {
			t.Fatalf("byte %d: %v is none of our errors", at, err)
		}
	}
	t.Logf("%d bytes, %d changes refused", len(raw), refused)
	for n := range len(raw) / 97 {
		if _, err := bundle.Parse(raw[:n*97]); !errors.Is(err, bundle.ErrMalformed) {
			t.Fatalf("cut to %d bytes: %v, want ErrMalformed", n*97, err)
		}
	}
	if _, err := bundle.Parse(append(bytes.Clone(raw), 0)); !errors.Is(err, bundle.ErrMalformed) {
		t.Errorf("with a byte more: %v, want ErrMalformed", err)
	}
}

// Who vouches decides, by the genesis alone.
func TestWhoVouches(t *testing.T) {
	w := newWorld(t, revoked.DefaultBits)
	populate(w, 4, 30)
	s := w.seal(now)
	at := now.Time().Add(time.Second)
	verify := func(doc string, raw []byte) error {
		_, err := mustParse(t, raw).Verify(founding(t, doc))
		return err
	}
	if err := verify("bundle.test", w.file(s, w.note(at, "AT", "DE", "XA"), nil)); err != nil {
		t.Errorf("three of four: %v", err)
	}
	if err := verify("bundle.test", w.file(s, w.note(at, "AT", "XA"), nil)); !errors.Is(err, bundle.ErrRefused) || !errors.Is(err, receipt.ErrNotCertified) {
		t.Errorf("two of four: %v, want ErrNotCertified", err)
	}
	if err := verify("other.test", w.file(s, w.note(at, regions...), nil)); !errors.Is(err, receipt.ErrOtherNetwork) {
		t.Errorf("with another genesis: %v, want ErrOtherNetwork", err)
	}
	// A receipt for something else than a seal.
	index := w.revoke("XA", statement.HashUCI, now+100, testHash(1))
	other := s
	other.index, other.statement = index, nil
	signed, err := statement.Sign(statement.Statement{Issuer: "XA", Network: w.doc.ID(), IssuedAt: 1, Body: &statement.Revoke{
		Batch: statement.NewBatch(statement.HashUCI, w.attachments[index], now+100, fmt.Sprintf("revoked in %d", index))}}, testKey("XA/statement"))
	if err != nil {
		t.Fatal(err)
	}
	other.statement = signed.Raw()
	if err := verify("bundle.test", w.file(other, w.note(at, regions...), nil)); !errors.Is(err, bundle.ErrRefused) || !strings.Contains(err.Error(), "want a seal") {
		t.Errorf("the receipt of a revocation: %v", err)
	}
	// Shards of another state under a seal that is genuine.
	populate(w, 5, 30)
	later := w.seal(now + 60)
	later.index, later.statement = s.index, s.statement
	if err := verify("bundle.test", w.file(later, w.note(at, regions...), nil)); !errors.Is(err, bundle.ErrRefused) || !strings.Contains(err.Error(), "not those of the seal") {
		t.Errorf("other shards: %v", err)
	}
	later.records = s.records
	if err := verify("bundle.test", w.file(later, w.note(at, regions...), nil)); !errors.Is(err, bundle.ErrRefused) || !strings.Contains(err.Error(), "revoked hashes are not those of the seal") {
		t.Errorf("another revoked set: %v", err)
	}
}

// The genesis is enough also after the validators have changed: the bundle
// carries the handover.
func TestHandover(t *testing.T) {
	w := newWorld(t, revoked.DefaultBits)
	all := receipt.FoundingValidators(w.doc)
	populate(w, 6, 20)
	s := w.seal(now)
	note := w.note(now.Time(), regions...)
	handover := mustParse(t, w.file(s, note, nil)).Header().Receipt

	w.revoke("XA", statement.HashUCI, now+100, testHash(1))
	next := w.seal(now + 60)
	raw := w.file(next, w.note((now+61).Time(), regions...), nil)
	head := mustParse(t, raw).Header()
	head.Receipt.Steps = []receipt.Step{{Index: handover.Index, Statement: handover.Statement, Proof: handover.Proof, Note: handover.Note}}
	var out bytes.Buffer
	if err := bundle.Write(&out, head,
		bundle.Shards{Read: func(i int) ([]byte, error) { return next.records[i], nil }},
		bundle.Shards{Read: func(i int) ([]byte, error) { return next.revoked[i], nil }}); err != nil {
		t.Fatal(err)
	}
	b := w.bundle(out.Bytes())
	if got := b.Certified().Cosigners(); len(got) != len(all) {
		t.Errorf("%d co-signers, want %d", len(got), len(all))
	}
	if !bytes.Equal(written(t, b), out.Bytes()) {
		t.Error("the handover is not written again")
	}
	// One that does not lead on is refused.
	head.Receipt.Steps[0].Proof = nil
	out.Reset()
	if err := bundle.Write(&out, head,
		bundle.Shards{Read: func(i int) ([]byte, error) { return next.records[i], nil }},
		bundle.Shards{Read: func(i int) ([]byte, error) { return next.revoked[i], nil }}); err != nil {
		t.Fatal(err)
	}
	if _, err := mustParse(t, out.Bytes()).Verify(w.doc); !errors.Is(err, bundle.ErrRefused) {
		t.Errorf("a broken handover: %v, want ErrRefused", err)
	}
}

// How new a bundle is, is for a quorum to say (B5), and whether that is new
// enough, for the verifier.
func TestFreshness(t *testing.T) {
	w := newWorld(t, revoked.DefaultBits)
	w.revoke("XA", statement.HashUCI, now+100_000, testHash(1))
	s := w.seal(now)
	at := now.Time()
	day := 24 * time.Hour

	last := w.bundle(w.file(s, w.note(at.Add(30*day), regions...), nil))
	if !last.AsOf().Equal(at.Add(30 * day)) {
		t.Errorf("of a ledger where nothing was said for a month: as of %s, want %s", last.AsOf(), at.Add(30*day))
	}
	for _, c := range []struct {
		after time.Duration
		step  bundle.Step
		words string
	}{
		{0, bundle.Fresh, "This bundle is fresh: it is the state of 2021-07-29T20:53:20Z, 0 seconds ago."},
		{-5 * time.Minute, bundle.Fresh, "0 seconds ago"},
		{-6 * time.Minute, bundle.Stale, "of a time 6 minutes ahead (2021-07-29T20:53:20Z). Set the clock."},
		{90 * time.Minute, bundle.Fresh, "1 hour 30 minutes ago"},
		{day, bundle.Fresh, "1 day ago"},
		{day + time.Second, bundle.Ageing, "This bundle is ageing: it is the state of 2021-07-29T20:53:20Z, 1 day ago. Get a newer one; from 2021-08-01T20:53:20Z on it is stale."},
		{3 * day, bundle.Ageing, "3 days ago"},
		{3*day + time.Second, bundle.Stale, "3 days ago, and at most 3 days is allowed. Get a newer one before deciding."},
	} {
		f := last.Freshness(at.Add(30*day+c.after), bundle.DefaultPolicy)
		if f.Step != c.step || !strings.Contains(f.Words, c.words) || f.Age != max(c.after, 0) || !f.AsOf.Equal(last.AsOf()) {
			t.Errorf("after %s: %+v, want %s, %q", c.after, f, c.step, c.words)
		}
	}

	// A seal of long ago with a certificate of today is not news.
	w.revoke("XA", statement.HashUCI, now+100_000, testHash(2))
	old := w.bundle(w.file(s, w.note(at.Add(30*day), regions...), nil))
	if !old.AsOf().Equal(at) || old.Freshness(at.Add(30*day), bundle.DefaultPolicy).Step != bundle.Stale {
		t.Errorf("B5: a seal of a month ago, under a certificate of today, is as of %s", old.AsOf())
	}

	// A seal ahead of its certificate leaves out what still counts.
	s = w.seal(now + 3600)
	if b := w.bundle(w.file(s, w.note((now+3600).Time().Add(-bundle.SealAhead), regions...), nil)); !b.AsOf().Equal((now + 3300).Time()) {
		t.Errorf("certified five minutes before its seal: as of %s", b.AsOf())
	}
	_, err := mustParse(t, w.file(s, w.note((now+3599).Time().Add(-bundle.SealAhead), regions...), nil)).Verify(w.doc)
	if !errors.Is(err, bundle.ErrRefused) || !strings.Contains(err.Error(), "leaves out revocations") {
		t.Errorf("certified longer before its seal: %v, want ErrRefused", err)
	}

	for _, p := range []bundle.Policy{{}, {Fresh: 1}, {Fresh: 2, Stale: 1}} {
		if p.Check() == nil {
			t.Errorf("policy %+v was taken", p)
		}
	}
	if err := bundle.DefaultPolicy.Check(); err != nil {
		t.Error(err)
	}
}

// FuzzParse: what is taken is written again to the byte, and what is not gives
// one of our errors; no input makes it panic.
func FuzzParse(f *testing.F) {
	w, raw, delta := fuzzWorld(f)
	for _, seed := range [][]byte{raw, delta, raw[:len(raw)/2], []byte(bundle.Magic), append([]byte(bundle.Magic), 0xff, 0xff, 0xff, 3), nil} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		u, err := bundle.Parse(raw)
		if err != nil {
			if !errors.Is(err, bundle.ErrMalformed) {
				t.Fatalf("%v is not ErrMalformed", err)
			}
			return
		}
		b, err := u.Verify(w.doc)
		if err != nil {
			if !errors.Is(err, bundle.ErrRefused) && !errors.Is(err, bundle.ErrDelta) {
				t.Fatalf("%v is none of our errors", err)
			}
			return
		}
		if !bytes.Equal(written(t, b), raw) {
			t.Fatal("B1: it is written otherwise than it was read")
		}
	})
}

// FuzzUpdate: whatever is done with a delta, it gives the bundle or an error.
func FuzzUpdate(f *testing.F) {
	w, raw, delta := fuzzWorld(f)
	base := w.bundle(raw)
	want, err := w.update(base, delta)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(delta)
	f.Add(delta[:len(delta)-3])
	f.Fuzz(func(t *testing.T, delta []byte) {
		u, err := bundle.Parse(delta)
		if err != nil {
			return
		}
		next, err := base.Update(u, w.doc)
		if err != nil {
			return
		}
		if next.Seal().Records != want.Seal().Records && next.Seal().Records != base.Seal().Records {
			t.Fatalf("a bundle of size %d that nobody made", next.Size())
		}
	})
}

// fuzzWorld gives a bundle and a delta to the next.
func fuzzWorld(t testing.TB) (w *world, raw, delta []byte) {
	w = newWorld(t, revoked.DefaultBits)
	populate(w, 7, 20)
	first := w.seal(now)
	raw = w.file(first, w.note(now.Time(), regions...), nil)
	populate(w, 8, 5)
	next := w.seal(now + 60)
	return w, raw, w.file(next, w.note((now+60).Time(), regions...), &first)
}
