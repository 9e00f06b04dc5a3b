package state

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// story says one thing of every kind, and is what several tests start from.
func story(t testing.TB) *world {
	t.Helper()
	w := newWorld(t, "XA", "XB", "XC", "XD")
	batch := statement.NewBatch(statement.HashUCI, attachmentOf(someHashes), 100, "reason")
	level := statement.RiskLevel{Area: "CN-31", Scheme: "default", Level: "high", From: 5, Lookback: 14, Refuse: true}
	changed := level
	changed.Level, changed.From = "low", 9
	k1, k2 := issuerKeyFor("K1"), issuerKeyFor("K2")
	k2.Kinds = []statement.CodeKind{statement.Test}
	w.must("XA", k1, nil)
	w.must("XA", k2, nil)
	w.must("XB", issuerKeyFor("K1"), nil)
	w.must("XA", &statement.RetireKey{Key: k1.Thumbprint(), At: 5}, nil)
	w.must("XA", &statement.CompromiseKey{Key: k2.Thumbprint(), Since: 5, Reason: "stolen"}, nil)
	w.must("XA", &statement.Revoke{Batch: batch}, attachmentOf(someHashes))
	w.must("XA", &statement.Reinstate{Batch: batch}, attachmentOf(someHashes))
	w.must("XA", &statement.DeclareRisk{RiskLevel: level}, nil)
	w.must("XA", &statement.ChangeRisk{RiskLevel: changed}, nil)
	w.must("XA", &statement.LiftRisk{Area: "CN-31", Scheme: "default", At: 12}, nil)
	w.must("XA", &statement.Grant{Terms: statement.Terms{Region: "XB"}}, nil)
	w.must("XA", &statement.ChangeGrant{Terms: statement.Terms{Region: "XB", From: 3}}, nil)
	w.must("XA", &statement.Suspend{Region: "XB", Reason: "reason"}, nil)
	w.must("XA", &statement.Withdraw{Region: "XB"}, nil)
	w.must("XA", &statement.Grant{Terms: statement.Terms{Region: "XB", LegalRef: "law", Formats: []string{"hc1"}, RuleSet: "neighbours"}}, nil)
	sparing := batch
	sparing.IssuedBefore = 50
	w.must("XB", &statement.Revoke{Batch: sparing}, attachmentOf(someHashes))
	w.must("XA", &statement.PublishRule{Set: "default", ID: "R1", Version: "1.0.0", From: 5, Document: testDocument("{a}")}, nil)
	w.must("XA", &statement.RetireRule{Set: "default", ID: "R1", At: 9}, nil)
	w.must("XA", &statement.PublishRule{Set: "default", ID: "R1", Version: "1.0.1", From: 12, Document: testDocument("{bb}")}, nil)
	w.must("XA", &statement.PublishValueSet{ID: "vaccines", Version: "1", Document: testDocument("{c}")}, nil)
	w.must("XA", &statement.RetireValueSet{ID: "vaccines"}, nil)
	w.must("XA", &statement.PublishScheme{Name: "default", Levels: []statement.SchemeLevel{{Name: "high", Refuse: true}}, Supersedes: "old"}, nil)
	condition := testDocument("{d}")
	w.must("XA", &statement.DeclareCase{Name: "crew", Admit: true, Region: "XB", Condition: &condition, Reason: "reason"}, nil)
	w.must("XA", &statement.EndCase{Name: "crew", At: 9}, nil)
	w.must("XB", w.sealNow(50), nil)
	w.must("XD", &statement.RotateOwnKey{NewKey: statement.ProveKey(w.net, "XD", statement.UseStatement, testKey("XD/newer"))}, nil)
	w.must("XA", &statement.SetNode{Place: statement.Place{Addresses: []string{"/dns/xa.example/tcp/4001"}, HTTP: "https://xa.example"}}, nil)
	w.must("XA", raise(genesis.ProtocolLevel+1), nil)
	w.must("XB", &statement.Vote{Proposal: w.index - 1, Of: w.said[w.index-1].s.Hash()}, nil)
	w.must("XA", raise(genesis.ProtocolLevel+1), nil)
	w.must("XA", &statement.WithdrawProposal{Proposal: w.index - 1, Of: w.said[w.index-1].s.Hash()}, nil)
	w.must("XA", raise(genesis.ProtocolLevel+1), nil) // stays open
	w.must("XB", &statement.RotateOwnKey{NewKey: statement.ProveKey(w.net, "XB", statement.UseCosign, testKey("XB/newer"))}, nil)
	w.must("XA", w.sealNow(60), nil)
	w.must("XA", &statement.ReportIncident{Title: "an outage"}, nil)
	w.must("XA", &statement.HandOver{Seal: w.index - 2, Note: w.note(w.index,
		[]statement.Region{"XA", "XB", "XB", "XC"}, []ed25519.PrivateKey{testKey("XA/cosign"), testKey("XB/cosign"), testKey("XB/newer"), testKey("XC/cosign")})}, nil)
	w.must("XD", &statement.ReportEvidence{Culprit: "XC", Proof: w.twoRoots("XC", "XC/cosign").Encode()}, nil)
	w.must("XA", w.recovery("XA", "XB", "XC"), nil)
	return w
}

// raise is a proposal to raise the protocol level.
func raise(level uint64) *statement.Propose {
	return &statement.Propose{Action: statement.Action{RaiseLevel: &statement.RaiseLevel{Level: level}}, Reason: "reason"}
}

// recovery is the next one, with those who go on, signed by XA and XB.
func (w *world) recovery(with ...statement.Region) *statement.Recover {
	w.t.Helper()
	n, err := View{w.mem}.Network()
	if err != nil {
		w.t.Fatal(err)
	}
	b := &statement.Recover{Plan: statement.RecoveryPlan{Lineage: max(n.Lineage, 1) + 1, Size: w.index, Validators: with, Reason: "reason"}}
	message, err := statement.RecoveryMessage(w.net, b.Plan)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, id := range []statement.Region{"XA", "XB"} {
		b.Signatures = append(b.Signatures, statement.RecoverySignature{Authority: id, Signature: ed25519.Sign(testKey(string(id)+"/governance"), message)})
	}
	return b
}

// TestSameBytes applies one sequence again and again (ST1), once with each
// statement's writes still pending over the ones before, as in a block.
func TestSameBytes(t *testing.T) {
	w := story(t)
	want := digest(t, w.mem)
	for range 20 {
		doc := founding(t, "XA", "XB", "XC", "XD")
		stored, pending := NewMemory(Found(doc)), NewMemory(nil)
		for i, said := range w.said {
			parsed, err := statement.Parse(said.s.Raw())
			if err != nil {
				t.Fatal(err)
			}
			st := parsed.Statement()
			key, v, err := SigningKey(stored, st.Issuer, parsed.KeyID(), st.Kind())
			if err != nil || !v.Accepted() {
				t.Fatal(v, err)
			}
			s, err := parsed.Verify(key)
			if err != nil {
				t.Fatal(err)
			}
			writes, v, err := Apply(over{pending, stored}, uint64(i), s, said.attachment)
			if err != nil || !v.Accepted() {
				t.Fatal(v, err)
			}
			pending.Put(writes)
			if i%3 == 0 { // the block ends
				err = pending.Scan(nil, func(k, v []byte) (bool, error) {
					stored.Put([]Write{{k, v}})
					return true, nil
				})
				if err != nil {
					t.Fatal(err)
				}
				pending = NewMemory(nil)
			}
		}
		err := pending.Scan(nil, func(k, v []byte) (bool, error) {
			stored.Put([]Write{{k, v}})
			return true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := digest(t, stored); got != want {
			t.Fatalf("state is %x, was %x", got, want)
		}
	}
}

// over is pending writes over a stored state; it has no Scan, since Apply needs none.
type over struct{ pending, stored *Memory }

func (o over) Get(key []byte) ([]byte, error) {
	if v, err := o.pending.Get(key); v != nil || err != nil {
		return v, err
	}
	return o.stored.Get(key)
}

func (o over) Scan([]byte, func(k, v []byte) (bool, error)) error {
	return errors.New("Apply scanned, against ST2")
}

// TestBrokenReader fails each read in turn: that is an error, never a verdict.
func TestBrokenReader(t *testing.T) {
	failed := errors.New("disk on fire")
	w := story(t)
	replayed := NewMemory(Found(founding(t, "XA", "XB", "XC", "XD")))
	for i, said := range w.said {
		for allow := 0; ; allow++ {
			writes, v, err := Apply(&failing{replayed, allow, failed}, uint64(i), said.s, said.attachment)
			if err == nil {
				if !v.Accepted() || allow < 2 {
					t.Fatalf("statement %d: %s after %d reads", i, v, allow)
				}
				replayed.Put(writes)
				break
			}
			if !errors.Is(err, failed) || len(writes) != 0 || !v.Accepted() {
				t.Fatalf("statement %d, read %d fails: %d writes, verdict %s, error %v", i, allow, len(writes), v, err)
			}
		}
	}
}

type failing struct {
	r     Reader
	allow int
	err   error
}

func (f *failing) Get(key []byte) ([]byte, error) {
	if f.allow == 0 {
		return nil, f.err
	}
	f.allow--
	return f.r.Get(key)
}

func (f *failing) Scan(prefix []byte, fn func(k, v []byte) (bool, error)) error {
	return f.r.Scan(prefix, fn)
}

// TestCorrupt damages every record in turn, and moves it under another key:
// whoever reads it says so (ST9).
func TestCorrupt(t *testing.T) {
	w := story(t)
	for _, e := range entries(t, w.mem) {
		damage := map[string][]byte{
			"cut short": e.Value[:len(e.Value)-1],
			"too long":  append(slices.Clone(e.Value), 0),
			"empty map": {0xa0},
			"null":      {0xf6},
			"huge":      make([]byte, maxRecord+1),
		}
		for what, value := range damage {
			broken := NewMemory(entries(t, w.mem))
			broken.Put([]Write{{e.Key, value}})
			if err := Dump(broken, new(bytes.Buffer)); !errors.Is(err, ErrCorrupt) {
				t.Errorf("key %x, value %s: want ErrCorrupt, got %v", e.Key, what, err)
			}
		}
		moved := NewMemory(entries(t, w.mem))
		key := slices.Clone(e.Key)
		key[len(key)-1] ^= 1
		moved.Put([]Write{{e.Key, nil}, {key, e.Value}})
		if err := Dump(moved, new(bytes.Buffer)); e.Key[0] != tagBatch && e.Key[0] != tagTotals && !errors.Is(err, ErrCorrupt) {
			t.Errorf("key %x stands under %x: want ErrCorrupt, got %v", e.Key, key, err)
		}
	}
}

// TestCountsAgree takes a count away, adds one, makes it one too many or too
// few, and takes an entry of the index away: Dump sees each (ST12).
func TestCountsAgree(t *testing.T) {
	same := []byte("the same") // kid of story's keys: two of XA, one of XB
	k1 := issuerKeyFor("K1")
	times := func(region statement.Region, n uint64) Write {
		return put(&registrationCount{Region: region, Key: sha256.Sum256(k1.PublicKey), Times: n})
	}
	schemes := func(area statement.Area, n uint64) Write {
		return put(&schemeCount{Authority: "XA", Area: area, Schemes: n})
	}
	counted := func(region statement.Region, kid []byte, n uint64) Write {
		return put(&keyCount{Region: region, KeyID: kid, Keys: n})
	}
	has := func(change func(*published)) Write {
		p, err := load[published](story(t).mem, publishedKey("XA"))
		if err != nil {
			t.Fatal(err)
		}
		change(p)
		return put(p)
	}
	for what, damage := range map[string]Write{
		"no count":        {Key: keyCountKey("XA", same)},
		"one too few":     counted("XA", same, 1),
		"one too many":    counted("XB", same, 2),
		"of no keys":      counted("XC", same, 1),
		"of another kid":  counted("XA", []byte("another"), 2),
		"index one short": {Key: registration(keyIDPrefix(same), "XA", k1.Thumbprint())},

		"no count of a public key":   {Key: registrationCountKey("XA", sha256.Sum256(k1.PublicKey))},
		"registered once too often":  times("XB", 2),
		"registered by another":      times("XC", 1),
		"public key one short":       {Key: registration(publicKeyPrefix(k1.PublicKey), "XA", k1.Thumbprint())},
		"no count of schemes":        {Key: schemeCountKey("CN-31", "XA")},
		"one scheme too many":        schemes("CN-31", 2),
		"schemes on another area":    schemes("CN-32", 1),
		"an area without its record": {Key: riskKey("CN-31", "XA", "default")},

		"no count of what is published": {Key: publishedKey("XA")},
		"a rule too few":                has(func(p *published) { p.Rules-- }),
		"a value set too many":          has(func(p *published) { p.ValueSets++ }),
		"a scheme too many":             has(func(p *published) { p.Schemes++ }),
		"a special case too many":       has(func(p *published) { p.Cases++ }),
		"a byte too few":                has(func(p *published) { p.Bytes-- }),
		"a version without its record":  {Key: ruleVersionKey("XA", "default", "R1", "1.0.0")},
		"a version without its rule":    {Key: ruleKey("XA", "default", "R1")},
		"published by another":          put(&published{Authority: "XB", Rules: 1}),
	} {
		w := story(t)
		dump(t, w.mem) // as it must be
		w.mem.Put([]Write{damage})
		if err := Dump(w.mem, new(bytes.Buffer)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: want ErrCorrupt, got %v", what, err)
		}
	}
}

// TestCorruptIsNoVerdict: a damaged record stops the statement that needs it.
func TestCorruptIsNoVerdict(t *testing.T) {
	grant, empty := &statement.Grant{Terms: statement.Terms{Region: "XB"}}, []byte{0xa0}
	rule := &statement.PublishRule{Set: "default", ID: "R1", Version: "2.0.0", From: 20, Document: testDocument("{e}")}
	older := &statement.PublishScheme{Name: "newer", Levels: []statement.SchemeLevel{{Name: "high"}}, Supersedes: "older"}
	for what, c := range map[string]struct {
		damage Write
		body   statement.Body
	}{
		"not founded":   {Write{Key: networkKey()}, grant},
		"the authority": {Write{authorityKey("XA"), empty}, grant},
		"the grant":     {Write{recognitionKey("XA", "XB"), empty}, grant},
		"the count":     {Write{keyCountKey("XA", []byte("the same")), empty}, issuerKeyFor("K3")},
		"registrations": {Write{registrationCountKey("XA", sha256.Sum256(issuerKeyFor("K3").PublicKey)), empty}, issuerKeyFor("K3")},
		"the schemes": {Write{schemeCountKey("CN-31", "XA"), empty}, &statement.DeclareRisk{
			RiskLevel: statement.RiskLevel{Area: "CN-31", Scheme: "another", Level: "high", From: 1},
		}},
		"the rule":          {Write{ruleKey("XA", "default", "R1"), empty}, &statement.RetireRule{Set: "default", ID: "R1", At: 1}},
		"the newest":        {Write{Key: ruleVersionKey("XA", "default", "R1", "1.0.1")}, rule},
		"what is published": {Write{publishedKey("XA"), empty}, rule},
		"the value set":     {Write{valueSetKey("XA", "vaccines"), empty}, &statement.RetireValueSet{ID: "vaccines"}},
		"the scheme":        {Write{schemeKey("XA", "older"), empty}, older},
		"the special case":  {Write{caseKey("XA", "crew"), empty}, &statement.EndCase{Name: "crew", At: 1}},
	} {
		w := story(t)
		s := w.sign("XA", w.next("XA", c.body), c.body, testKey("XA/statement"))
		w.mem.Put([]Write{c.damage})
		if _, v, err := Apply(w.mem, w.index, s, nil); !errors.Is(err, ErrCorrupt) || !v.Accepted() {
			t.Errorf("%s is damaged: want ErrCorrupt, got %s and %v", what, v, err)
		}
	}
}

func entries(t testing.TB, r Reader) []Write {
	t.Helper()
	var out []Write
	err := r.Scan(nil, func(k, v []byte) (bool, error) {
		out = append(out, Write{slices.Clone(k), slices.Clone(v)})
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestHistoryIsBounded changes a level more often than the history holds.
func TestHistoryIsBounded(t *testing.T) {
	w := newWorld(t, "XA")
	level := statement.RiskLevel{
		Area: "XA-1", Scheme: "default", Level: "high", From: 1,
		LegalRef: strings.Repeat("x", statement.MaxLegalRef),
	}
	w.must("XA", &statement.DeclareRisk{RiskLevel: level}, nil)
	for i := range MaxWindows + 9 {
		level.From = statement.Time(2 + i)
		w.must("XA", &statement.ChangeRisk{RiskLevel: level}, nil)
	}
	a, _, err := View{w.mem}.RiskArea("XA", "default", "XA-1")
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Windows) != MaxWindows {
		t.Errorf("%d windows, want %d", len(a.Windows), MaxWindows)
	}
	if newest := a.last(); newest.From != level.From || newest.Until != 0 {
		t.Errorf("the newest window is %+v, want the last one said", newest)
	}
	if _, ok := a.At(level.From - MaxWindows); ok {
		t.Error("the oldest window is still there")
	}
	if _, ok := a.At(level.From - MaxWindows + 1); !ok {
		t.Error("a window within the bound is gone")
	}
}

// TestLargestRecordsFit: whatever statements may say, the state can read back.
func TestLargestRecordsFit(t *testing.T) {
	w := newWorld(t, "XA")
	k := &statement.RegisterKey{
		PublicKey: make([]byte, statement.MaxPublicKey), KeyID: make([]byte, statement.MaxKeyID),
		Certificate: make([]byte, statement.MaxCertificate), Kinds: statement.CodeKinds,
		ValidFrom: 1, ValidUntil: statement.MaxTime,
	}
	w.must("XA", k, nil)
	w.must("XA", &statement.CompromiseKey{Key: k.Thumbprint(), Since: 1, Reason: strings.Repeat("x", statement.MaxReason)}, nil)
	if keys, err := (View{w.mem}).IssuerKeysByKID(k.KeyID); err != nil || len(keys) != 1 {
		t.Errorf("%d keys, error %v; want 1", len(keys), err)
	}
	if keys, err := (View{w.mem}).IssuerKeysByKID(make([]byte, 300)); err != nil || len(keys) != 0 {
		t.Errorf("a kid of 300 bytes: %d keys, error %v; want none", len(keys), err)
	}
}

// TestKeysPerID: the bound is for one authority and one kid, and what is refused
// at the bound leaves the keys before it as they are.
func TestKeysPerID(t *testing.T) {
	w := newWorld(t, "XA", "XB")
	for i := range MaxKeysPerID {
		w.must("XA", issuerKeyFor(fmt.Sprint("K", i)), nil)
	}
	if v := w.say("XA", issuerKeyFor("one more"), nil); v.Name != TooManyKeys {
		t.Errorf("key %d with one kid: %s, want %s", MaxKeysPerID+1, v, TooManyKeys)
	}
	w.must("XB", issuerKeyFor("one more"), nil)
	another := issuerKeyFor("one more")
	another.KeyID = []byte("another")
	w.must("XA", another, nil)
	for kid, want := range map[string]int{"the same": MaxKeysPerID + 1, "another": 1} {
		if keys, err := (View{w.mem}).IssuerKeysByKID([]byte(kid)); err != nil || len(keys) != want {
			t.Errorf("kid %q: %d keys (%v), want %d", kid, len(keys), err, want)
		}
	}
}

// TestRegistrations: one authority registers one public key so often, under
// whichever kid and certificate, and another authority as often again.
func TestRegistrations(t *testing.T) {
	w := newWorld(t, "XA", "XB")
	k := func(i int) *statement.RegisterKey {
		return &statement.RegisterKey{PublicKey: []byte("one public key"), KeyID: fmt.Append(nil, "kid ", i), Certificate: fmt.Append(nil, "certificate ", i)}
	}
	for i := range MaxRegistrations {
		w.must("XA", k(i), nil)
	}
	v := w.say("XA", k(MaxRegistrations), nil)
	if v.Name != TooManyKeys || !strings.Contains(v.Message, "this public key 16 times") {
		t.Errorf("registration %d of one public key: %s, want %s", MaxRegistrations+1, v, TooManyKeys)
	}
	w.must("XB", k(MaxRegistrations), nil)
	w.must("XA", &statement.RegisterKey{PublicKey: []byte("another public key"), KeyID: []byte("kid 0")}, nil)
	if keys, err := (View{w.mem}).IssuerKeysByPublicKey([]byte("one public key")); err != nil || len(keys) != MaxRegistrations+1 {
		t.Errorf("%d registrations (%v), want %d", len(keys), err, MaxRegistrations+1)
	}
}

// TestSchemes: one authority speaks of one area in so many schemes, lifted ones included.
func TestSchemes(t *testing.T) {
	w := newWorld(t, "XA", "XB")
	declare := func(area statement.Area, scheme int) *statement.DeclareRisk {
		return &statement.DeclareRisk{RiskLevel: statement.RiskLevel{Area: area, Scheme: fmt.Sprint("scheme-", scheme), Level: "high", From: 1}}
	}
	for i := range MaxSchemes {
		w.must("XA", declare("CN-31", i), nil)
	}
	w.must("XA", &statement.LiftRisk{Area: "CN-31", Scheme: "scheme-0", At: 5}, nil)
	if v := w.say("XA", declare("CN-31", MaxSchemes), nil); v.Name != TooManySchemes {
		t.Errorf("scheme %d on one area: %s, want %s", MaxSchemes+1, v, TooManySchemes)
	}
	w.must("XA", declare("CN-31", 0), nil) // again, in one that there is
	w.must("XA", declare("CN-31-01", MaxSchemes), nil)
	w.must("XB", declare("CN-31", MaxSchemes), nil)
	if areas, err := (View{w.mem}).RiskAreas("CN-31"); err != nil || len(areas) != MaxSchemes+1 {
		t.Errorf("%d words on the area (%v), want %d", len(areas), err, MaxSchemes+1)
	}
}

func TestSigningKey(t *testing.T) {
	w := newWorld(t, "XA", "XB")
	pub := testKey("XA/statement").Public().(ed25519.PublicKey)
	got, v, err := SigningKey(w.mem, "XA", statement.KeyIDOf(pub), statement.RecognitionGrant)
	if err != nil || !v.Accepted() || !bytes.Equal(got, pub) {
		t.Errorf("got %x, %s, %v; want %x", got, v, err, pub)
	}
	for _, c := range []struct {
		by   statement.Region
		key  string
		kind statement.Kind
		want string
	}{
		{"XB", "XA/statement", statement.RecognitionGrant, UnknownKey},
		{"XZ", "XA/statement", statement.RecognitionGrant, UnknownAuthority},
		{"XA", "XA/node", statement.RecognitionGrant, UnknownKey},
		{"XA", "XA/cosign", statement.Seal, UnknownKey},
	} {
		kid := statement.KeyIDOf(testKey(c.key).Public().(ed25519.PublicKey))
		got, v, err := SigningKey(w.mem, c.by, kid, c.kind)
		if err != nil || got != nil || v.Name != c.want {
			t.Errorf("key %s for a %s of %s: %x, %s, %v; want %s", c.key, c.kind, c.by, got, v, err, c.want)
		}
	}
}

// TestSplitKey: a filter on prefixes holds one entry per hash, and no other key is cut.
func TestSplitKey(t *testing.T) {
	w := story(t)
	for _, e := range entries(t, w.mem) {
		want := len(e.Key)
		if e.Key[0] == tagRevocation {
			want = len(RevocationPrefix(statement.RevocationHash{}))
		}
		if got := SplitKey(e.Key); got != want {
			t.Errorf("key %x splits at %d, want %d", e.Key, got, want)
		}
	}
	for _, short := range [][]byte{nil, {}, {tagRevocation}, {tagRevocation, 1, 2}} {
		if got := SplitKey(short); got != len(short) {
			t.Errorf("key %x splits at %d, want %d", short, got, len(short))
		}
	}
}

// foreign is a kind of statement that this protocol level does not have.
type foreign struct{ statement.Withdraw }

func (*foreign) Kind() statement.Kind { return "passport.stamp" }

func TestUnknownKind(t *testing.T) {
	w := newWorld(t, "XA")
	a := act{r: w.mem, by: "XA", s: &statement.Statement{Issuer: "XA", Revision: 1, Body: &foreign{}}}
	if writes, v, err := a.apply(nil); err != nil || len(writes) != 0 || v.Name != UnknownKind {
		t.Errorf("%d writes, %s, %v; want %s", len(writes), v, err, UnknownKind)
	}
}

// elsewhere are the refusals that other tests lead to: here, and in package ledger.
var elsewhere = map[string]bool{UnknownKind: true, TooManyValidators: true, RecoveryMismatch: true}

// TestEveryRefusalHasAScenario: whoever adds a refusal adds the story that leads to it.
func TestEveryRefusalHasAScenario(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var scripts []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, b...)
	}
	for name, r := range Refusals {
		if !elsewhere[name] && !bytes.Contains(scripts, []byte("refused ("+string(r.Class)+"), "+name+":")) {
			t.Errorf("no scenario ends in %s (%s)", name, r.Class)
		}
		if r.Meaning == "" || !strings.HasSuffix(r.Meaning, ".") {
			t.Errorf("%s means %q; want a sentence", name, r.Meaning)
		}
		if r.Class != Conflict && r.Class != Forbidden && r.Class != Malformed {
			t.Errorf("%s has class %q", name, r.Class)
		}
	}
}

// TestRevisionOfNonsense: a subject is foreign text when it comes from a query.
func TestRevisionOfNonsense(t *testing.T) {
	w := story(t)
	for _, subject := range []string{
		"", "/", "issuer-key", "issuer-key/XA", "issuer-key/XA/zz", "issuer-key/XA/" + strings.Repeat("A", 64),
		"issuer-key/XA/" + strings.Repeat("a", 66), "risk-area/XA/default", "recognition/XA/XB/XC", "recognition//", "revocation/XA",
		"recognition/XA\x00/B", "risk-area/XA/a\x00b/CN",
	} {
		if rev, err := (View{w.mem}).Revision(subject); rev != 0 || err != nil {
			t.Errorf("%q: revision %d, error %v; want 0", subject, rev, err)
		}
	}
}

// TestScanStops: a Reader's Scan ends when it is told to.
func TestScanStops(t *testing.T) {
	w := story(t)
	var seen int
	err := w.mem.Scan([]byte{tagAuthority}, func(k, v []byte) (bool, error) {
		seen++
		return seen < 2, nil
	})
	if err != nil || seen != 2 {
		t.Errorf("saw %d, error %v; want 2", seen, err)
	}
}
