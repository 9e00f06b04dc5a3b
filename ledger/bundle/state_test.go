package bundle_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/hc1"
	"concordat/ledger/bundle"
	"concordat/ledger/revoked"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition"
	"concordat/testnet/codes"
)

// now is when the tests' seals are made: a time at which the corpus' codes are good.
const now = statement.Time(1_625_000_000)

// populate makes the world speak of everything, n times, at random.
func populate(w *world, seed uint64, n int) {
	r := rand.New(rand.NewPCG(seed, 0))
	pick := func() statement.Region { return regions[r.IntN(len(regions))] }
	var keys []*statement.RegisterKey
	for i := range n {
		by := pick()
		switch r.IntN(13) {
		case 0, 1:
			k := &statement.RegisterKey{PublicKey: fmt.Appendf(nil, "key %d", i), KeyID: []byte{byte(r.IntN(40)), 1, 2}, ValidUntil: now + statement.Time(i)}
			if _, ok := w.say(by, k, nil); ok {
				keys = append(keys, k)
			}
		case 2:
			if len(keys) > 0 {
				w.say(by, &statement.RetireKey{Key: keys[r.IntN(len(keys))].Thumbprint(), At: now}, nil)
			}
		case 3:
			if of := pick(); of != by {
				if _, ok := w.say(by, &statement.Grant{Terms: statement.Terms{Region: of, Reason: fmt.Sprint("agreement ", i)}}, nil); !ok {
					w.say(by, &statement.Suspend{Region: of, Reason: fmt.Sprint("errors ", i)}, nil)
				}
			}
		case 4:
			level := statement.RiskLevel{Area: statement.Area(fmt.Sprintf("%s-%d", by, r.IntN(30))), Scheme: "default", Level: "high", From: now, Lookback: 7}
			if _, ok := w.say(by, &statement.DeclareRisk{RiskLevel: level}, nil); !ok {
				w.say(by, &statement.ChangeRisk{RiskLevel: level}, nil)
			}
		case 5:
			w.reinstate(by, statement.HashTypes[r.IntN(4)], now+statement.Time(r.IntN(200)-100), hashesOf(r)...)
		case 6, 7:
			w.say(by, levelThree(r, i), nil)
		case 8: // SMART Health Cards: codes issued later are spared
			a := statement.NewAttachment(hashesOf(r))
			b := statement.NewBatch(statement.HashRID, a, now+statement.Time(r.IntN(300)-100), fmt.Sprint("lot ", i))
			b.IssuedBefore = now - statement.Time(r.IntN(1000))
			w.must(by, &statement.Revoke{Batch: b}, a)
		default:
			w.revoke(by, statement.HashTypes[r.IntN(4)], now+statement.Time(r.IntN(300)-100), hashesOf(r)...)
		}
	}
}

// levelThree is one of the kinds that came with protocol level 3. The versions of a
// rule rise, and there are more than are kept.
func levelThree(r *rand.Rand, i int) statement.Body {
	text := fmt.Appendf(nil, "text %d", i)
	doc := statement.Document{Deflated: text, Size: uint64(len(text))}
	name := fmt.Sprintf("n%d", r.IntN(4))
	switch r.IntN(8) {
	case 0, 1, 2:
		return &statement.PublishRule{Set: statement.DefaultRuleSet, ID: "GR-0001", Version: fmt.Sprintf("1.%d.0", i), From: now, Document: doc}
	case 3:
		return &statement.RetireRule{Set: statement.DefaultRuleSet, ID: "GR-0001", At: now + statement.Time(i)}
	case 4:
		return &statement.PublishValueSet{ID: name, Version: fmt.Sprint(i), Document: doc}
	case 5:
		return &statement.PublishScheme{Name: name, Levels: []statement.SchemeLevel{{Name: "high", Refuse: true, Lookback: uint64(1 + r.IntN(20))}}}
	case 6:
		return &statement.EndCase{Name: name, At: now}
	}
	return &statement.DeclareCase{Name: name, Admit: r.IntN(2) == 0, Region: "XA", Condition: &doc, Reason: fmt.Sprint("reason ", i)}
}

// hashesOf draws from 4,000 hashes, so that many are spoken of again.
func hashesOf(r *rand.Rand) (out []statement.RevocationHash) {
	for range 1 + r.IntN(12) {
		out = append(out, testHash(r.IntN(4000)))
	}
	return out
}

// erased is the world's state as a node has it that erased all it may at a time.
func erased(w *world, at statement.Time) state.View {
	w.t.Helper()
	var writes []state.Write
	if err := w.state.Scan(nil, func(k, v []byte) (bool, error) {
		writes = append(writes, state.Write{Key: bytes.Clone(k), Value: v})
		return true, nil
	}); err != nil {
		w.t.Fatal(err)
	}
	m := state.NewMemory(writes)
	spent := state.SpentAt(at)
	if err := w.view().Batches(func(i uint64, b state.Batch) (bool, error) {
		if spent(b) {
			for _, k := range state.ExpandedKeys(i, b, w.attachments[i]) {
				m.Put([]state.Write{{Key: k}})
			}
		}
		return true, nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return state.View{Reader: m}
}

// The state of a bundle is that of a node, under every key and every prefix
// that a question begins with.
func TestStateIsTheNodes(t *testing.T) {
	w := newWorld(t, revoked.DefaultBits)
	populate(w, 1, 1500)
	want := erased(w, now) // the state before the seal
	b, _ := w.sealedAt(now)
	got := b.State()

	type entry struct{ k, v string }
	scan := func(r state.Reader, prefix []byte) (out []entry) {
		if err := r.Scan(prefix, func(k, v []byte) (bool, error) {
			out = append(out, entry{string(k), string(v)})
			return true, nil
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	all := scan(want, nil)
	entries := 0
	for _, e := range all {
		v, err := got.Get([]byte(e.k))
		if err != nil || string(v) != e.v {
			t.Fatalf("key %x: %x, %v; want %x", e.k, v, err, e.v)
		}
		if !state.Sealed([]byte(e.k)) {
			entries++
		}
		if v, err := got.Get([]byte(e.k + "\x00")); v != nil || err != nil {
			t.Fatalf("beyond key %x: %x, %v", e.k, v, err)
		}
		cut := []byte(e.k[:len(e.k)-1])
		if v, err := got.Get(cut); err != nil || v != nil && len(scan(want, cut)) == 0 {
			t.Fatalf("before key %x: %x, %v", e.k, v, err)
		}
	}
	t.Logf("%d records and %d entries of hashes", len(all)-entries, entries)
	askRules(t, got, want)
	if entries < 2000 {
		t.Errorf("only %d entries of hashes", entries)
	}
	tags := map[byte]bool{}
	for _, e := range all {
		tags[e.k[0]] = true
	}
	for tag := range tags {
		if prefix := []byte{tag}; state.Sealed(prefix) && !slices.Equal(scan(got, prefix), scan(want, prefix)) {
			t.Errorf("other records under %q", prefix)
		}
	}
	for i := range 4500 { // the last 500 were never spoken of
		h := testHash(i)
		wantEvents, wantMore, err := want.Revocations(h, 3)
		if err != nil {
			t.Fatal(err)
		}
		events, more, err := got.Revocations(h, 3)
		if err != nil || more != wantMore || !reflect.DeepEqual(events, wantEvents) {
			t.Fatalf("hash %d: %+v, %v; want %+v", i, events, err, wantEvents)
		}
		for _, e := range events {
			reason, err := got.RevocationReason(e)
			wantReason, wantErr := want.RevocationReason(e)
			if err != nil || wantErr != nil || reason != wantReason {
				t.Fatalf("reason of %+v: %q, %v; want %q, %v", e, reason, err, wantReason, wantErr)
			}
			by, err := got.RevocationsBy(h, e.Type, e.Authority)
			wantBy, wantErr := want.RevocationsBy(h, e.Type, e.Authority)
			if err != nil || wantErr != nil || !reflect.DeepEqual(by, wantBy) {
				t.Fatalf("by %s: %+v, %v; want %+v, %v", e.Authority, by, err, wantBy, wantErr)
			}
		}
	}
	stop := errors.New("stop")
	if err := got.Scan([]byte("a"), func(k, v []byte) (bool, error) { return false, stop }); !errors.Is(err, stop) {
		t.Errorf("%v, want fn's error", err)
	}
	for _, prefix := range []string{"", "r", "r0123456789abcde"} {
		if err := got.Scan([]byte(prefix), func(k, v []byte) (bool, error) { return true, nil }); !errors.Is(err, bundle.ErrNotListed) {
			t.Errorf("listing %q: %v, want ErrNotListed", prefix, err)
		}
	}
}

// askRules asks both states for what rules a check needs, and wants something of each.
func askRules(t *testing.T, got, want state.View) {
	t.Helper()
	dropped := 0
	for _, by := range regions {
		rules, err1 := got.Rules(by)
		sets, err2 := got.ValueSets(by)
		cases, err3 := got.SpecialCases(by)
		scheme, known, err4 := got.Scheme(by, "n0")
		if err := errors.Join(err1, err2, err3, err4); err != nil || len(rules) != 1 || len(sets) == 0 || len(cases) == 0 || !known {
			t.Fatalf("%s: %d rules, %d value sets, %d special cases, a scheme %v (%v)", by, len(rules), len(sets), len(cases), known, err)
		}
		wantRules, err1 := want.Rules(by)
		wantSets, err2 := want.ValueSets(by)
		wantCases, err3 := want.SpecialCases(by)
		wantScheme, _, err4 := want.Scheme(by, "n0")
		if err := errors.Join(err1, err2, err3, err4); err != nil || !reflect.DeepEqual(rules, wantRules) || !reflect.DeepEqual(sets, wantSets) ||
			!reflect.DeepEqual(cases, wantCases) || !reflect.DeepEqual(scheme, wantScheme) {
			t.Fatalf("%s: other rules, value sets, special cases or schemes than the node's (%v)", by, err)
		}
		if rules[0].Revision > state.MaxRuleVersions {
			dropped++
		}
	}
	if dropped == 0 {
		t.Error("no rule has had more versions than are kept")
	}
}

// The decision on every code of the corpus is the node's, reasons and indexes
// included: with the codes revoked in every way, or not.
func TestDecisionsAreTheNodes(t *testing.T) {
	w := newWorld(t, revoked.DefaultBits)
	populate(w, 2, 300)
	type shown struct {
		name  string
		code  recognition.Code
		clock time.Time
	}
	var all []shown
	for i, name := range codes.Names() {
		c, err := codes.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		u, err := healthcode.Decode(c.Text, hc1.Decoder{})
		all = append(all, shown{name, recognition.Code{Unverified: u, Err: err}, c.Clock})
		if err != nil {
			continue
		}
		kid := hc1.KeyID(c.Certificate)
		spki, err := hc1SPKI(c.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		k := &statement.RegisterKey{PublicKey: spki, KeyID: kid[:], Certificate: c.Certificate}
		w.say(regions[i%3], k, nil)
		w.say(regions[(i+1)%3], k, nil) // a copy of the key
		hashes := u.RevocationHashes()
		for j, by := range []statement.Region{regions[i%3], "XA", regions[(i+1)%3]} {
			if (i+j)%2 == 0 {
				continue // not revoked by this one
			}
			h := hashes[(i+j)%len(hashes)]
			w.revoke(by, statement.HashType(h.Type), now+1000, statement.RevocationHash(h.Hash), testHash(9000+i))
			if (i+j)%3 == 0 {
				w.reinstate(by, statement.HashType(h.Type), now+1000, statement.RevocationHash(h.Hash))
			}
			w.revoke(by, statement.HashType(h.Type), now-10, statement.RevocationHash(h.Hash)) // expired
		}
	}
	b, _ := w.sealedAt(now)
	// With the seal's own record, which no decision reads; before and after erasing.
	nodes := []state.View{w.view(), erased(w, now)}

	outcomes, names := map[recognition.Outcome]int{}, map[string]int{}
	for _, s := range all {
		for _, region := range append(regions, "ZZ") {
			for _, at := range []time.Time{now.Time(), s.clock, now.Time().Add(999 * time.Second), now.Time().Add(1000 * time.Second), now.Time().AddDate(1, 0, 0)} {
				if at.Before(now.Time()) {
					continue // Answers refuses the question
				}
				q := recognition.Query{Region: region, At: at, Itinerary: []recognition.Stay{{Area: "AT-3", From: now.Time().Add(-time.Hour), To: now.Time()}}}
				got, err := recognition.Decide([]recognition.Code{s.code}, q, b.State())
				if err != nil {
					t.Fatal(err)
				}
				outcomes[got.Decision]++
				for _, r := range got.Reasons {
					names[r.Name]++
				}
				for i, node := range nodes {
					want, err := recognition.Decide([]recognition.Code{s.code}, q, node)
					if err != nil {
						t.Fatal(err)
					}
					if !reflect.DeepEqual(got, want) {
						t.Fatalf("%s in %s at %s, node %d:\n%+v\nwant\n%+v", s.name, region, at, i, got, want)
					}
				}
			}
		}
	}
	t.Log(outcomes, names)
	for _, name := range []string{recognition.Revoked, recognition.RevocationUndone, recognition.RevokedElsewhere, recognition.NotRevoked} {
		if names[name] == 0 {
			t.Errorf("no decision has %s", name)
		}
	}
}

// At a coarse rate a false positive can be found. It reads as a revocation by a
// batch that there is, of its type and authority, with its reason.
func TestFalsePositive(t *testing.T) {
	w := newWorld(t, revoked.MinBits)
	var many []statement.RevocationHash
	for i := range 900 {
		many = append(many, testHash(i))
	}
	index := w.revoke("XA", statement.HashUCI, now+100, many...)
	b, _ := w.sealedAt(now)
	for i := 1000; i < 10_000; i++ {
		events, _, err := b.State().Revocations(testHash(i), 32)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			continue
		}
		want := state.RevocationEvent{Type: statement.HashUCI, Authority: "XA", Index: index, Expires: now + 100}
		if len(events) != 1 || events[0] != want {
			t.Fatalf("%+v, want one like %+v", events, want)
		}
		if reason, err := b.State().RevocationReason(events[0]); err != nil || reason != "revoked in 0" {
			t.Fatalf("%q, %v", reason, err)
		}
		return
	}
	t.Error("no false positive in 9,000 look-ups at a rate of 1 in 291")
}

// A question about the past is refused, because what had expired is not there.
func TestAnswers(t *testing.T) {
	w := newWorld(t, revoked.DefaultBits)
	b, _ := w.sealedAt(now)
	if err := b.Answers(now.Time()); err != nil {
		t.Error(err)
	}
	if err := b.Answers(now.Time().Add(-time.Nanosecond)); !errors.Is(err, bundle.ErrPast) {
		t.Errorf("%v, want ErrPast", err)
	}
}

// hc1SPKI is the public key of a certificate.
func hc1SPKI(der []byte) ([]byte, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return c.RawSubjectPublicKeyInfo, nil
}
