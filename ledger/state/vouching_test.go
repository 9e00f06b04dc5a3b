package state

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

func (w *world) validators() checkpoint.Validators {
	w.t.Helper()
	vs, err := View{w.mem}.Validators()
	if err != nil {
		w.t.Fatal(err)
	}
	return vs
}

// suspended lists whose vouching is suspended.
func (w *world) suspended() (out []statement.Region) {
	w.t.Helper()
	for _, v := range w.validators() {
		if v.Suspended {
			out = append(out, v.ID)
		}
	}
	return out
}

// TestValidators: they are those of the founding, with their keys; observers are not among them.
func TestValidators(t *testing.T) {
	w := newWorld(t, "XA", "XB", "XC", "XD")
	pub := func(name string) ed25519.PublicKey { return testKey(name).Public().(ed25519.PublicKey) }
	for i, v := range w.validators() {
		id := []string{"XA", "XB", "XC"}[i]
		if string(v.ID) != id || !bytes.Equal(v.Cosign, pub(id+"/cosign")) || !bytes.Equal(v.Node, pub(id+"/node")) || v.Suspended {
			t.Errorf("validator %d is %+v, want %s", i, v, id)
		}
	}
	if n := len(w.validators()); n != 3 {
		t.Errorf("%d validators, want 3", n)
	}
	// What was handed out is the caller's.
	w.validators()[0].Cosign[0] ^= 1
	if v := w.validators()[0]; !bytes.Equal(v.Cosign, pub("XA/cosign")) {
		t.Error("a caller has changed the state")
	}
}

// TestLastSeal: the newest seal is what was said last, and a seal that is
// refused leaves it as it was.
func TestLastSeal(t *testing.T) {
	w := newWorld(t, "XA", "XB")
	v := View{w.mem}
	if s, ok, err := v.LastSeal(); err != nil || ok || s != (Seal{}) {
		t.Fatalf("before the first: %+v, %v, %v", s, ok, err)
	}
	w.must("XA", w.sealNow(100), nil) // of the founding
	w.must("XB", w.sealNow(100), nil)
	if verdict := w.say("XA", w.sealNow(99), nil); verdict.Name != SealBackdated || verdict.Index == nil || *verdict.Index != 1 {
		t.Errorf("a seal for an earlier time: %s", verdict)
	}
	want := Seal{Index: 1, By: "XB", At: 100, Records: sha256.Sum256([]byte("records")), Revoked: sha256.Sum256([]byte("revoked"))}
	if s, ok, err := v.LastSeal(); err != nil || !ok || s != want {
		t.Errorf("the newest seal is %+v, %v, %v; want %+v", s, ok, err, want)
	}
	dump(t, w.mem)
}

// TestSealListsEveryone: any other list than the state's is refused, a single
// wrong key included.
func TestSealListsEveryone(t *testing.T) {
	w := newWorld(t, "XA", "XB", "XC", "XD")
	wrong := func(change func(list []statement.SealedValidator) []statement.SealedValidator) *statement.SealState {
		b := w.sealNow(1)
		for i := range b.Validators { // a copy, keys included
			b.Validators[i].Cosign, b.Validators[i].Node = slices.Clone(b.Validators[i].Cosign), slices.Clone(b.Validators[i].Node)
			b.Validators[i].Governance = slices.Clone(b.Validators[i].Governance)
		}
		b.Validators = change(b.Validators)
		return b
	}
	type list = []statement.SealedValidator
	for what, b := range map[string]*statement.SealState{
		"the first is missing": wrong(func(l list) list { return l[1:] }),
		"the last is missing":  wrong(func(l list) list { return l[:2] }),
		"an observer": wrong(func(l list) list {
			return append(l, statement.SealedValidator{ID: "XD", Cosign: l[0].Cosign, Node: l[0].Node, Governance: l[0].Governance})
		}),
		"another":           wrong(func(l list) list { l[2].ID = "XX"; return l }),
		"a cosign key":      wrong(func(l list) list { l[1].Cosign[31] ^= 1; return l }),
		"a node key":        wrong(func(l list) list { l[1].Node[0] ^= 1; return l }),
		"a governance key":  wrong(func(l list) list { l[2].Governance[9] ^= 1; return l }),
		"keys changed over": wrong(func(l list) list { l[0].Node, l[0].Cosign = l[0].Cosign, l[0].Node; return l }),
	} {
		if v := w.say("XA", b, nil); v.Name != SealMismatch {
			t.Errorf("%s: %s, want %s", what, v, SealMismatch)
		}
	}
	w.must("XA", wrong(func(l list) list { return l }), nil)
}

// TestEvidence: a proof suspends its culprit and nobody else, is kept as it
// came, and the quorum does not shrink.
func TestEvidence(t *testing.T) {
	w := newWorld(t, "XA", "XB", "XC", "XD")
	quorum := w.validators().Quorum()
	for i, c := range []struct {
		culprit, by statement.Region
		proof       evidence.Proof
	}{
		{"XB", "XA", w.twoRoots("XB", "XB/cosign")},
		{"XA", "XD", w.twoBlocks("XA", "XA/node")},
		{"XC", "XC", w.twoHistories("XC", "XC/cosign")},
	} {
		before := w.suspended()
		w.must(c.by, &statement.ReportEvidence{Culprit: c.culprit, Proof: c.proof.Encode()}, nil)
		now := w.suspended()
		if len(now) != len(before)+1 || !slices.Contains(now, c.culprit) {
			t.Errorf("evidence against %s: suspended are %v, before %v", c.culprit, now, before)
		}
		all, err := View{w.mem}.Evidence()
		if err != nil || len(all) != i+1 {
			t.Fatalf("%d records (%v), want %d", len(all), err, i+1)
		}
		at := slices.IndexFunc(all, func(e EvidenceRecord) bool { return e.Culprit == c.culprit })
		if at < 0 {
			t.Fatalf("no record of %s", c.culprit)
		}
		if e := all[at]; e.Reporter != c.by || e.Index != uint64(i) || e.Kind != c.proof.Kind() || !bytes.Equal(e.Proof, c.proof.Encode()) {
			t.Errorf("the record is %+v", e)
		}
	}
	if got := w.validators().Quorum(); got != quorum {
		t.Errorf("the quorum is %d, was %d", got, quorum)
	}
	dump(t, w.mem)
}

// twoHistories is evidence that a validator signed one tree, and later another that does not begin with it.
func (w *world) twoHistories(by statement.Region, key string) evidence.Proof {
	w.t.Helper()
	leaf := func(name string) merkle.Hash { return merkle.LeafHash([]byte(name)) }
	// The tree of two leaves has the first as its beginning, and its proof is the second.
	root := merkle.NodeHash(leaf("one"), leaf("two"))
	sign := func(size uint64, root merkle.Hash) evidence.SignedCheckpoint {
		c := checkpoint.Checkpoint{Origin: "test.concordat", Size: size, Root: root}
		line, err := checkpoint.SignLog(c, testKey(strings.Replace(key, "cosign", "node", 1)))
		if err != nil {
			w.t.Fatal(err)
		}
		return evidence.SignedCheckpoint{By: by, Checkpoint: c, Line: line}
	}
	return evidence.TwoHistories(sign(1, leaf("another")), sign(2, root), leaf("one"), []merkle.Hash{leaf("two")})
}

// TestNobodyElseIsSuspended: what is not proven with the keys that the state
// has now for the one who is named suspends nobody.
func TestNobodyElseIsSuspended(t *testing.T) {
	w := newWorld(t, "XA", "XB", "XC", "XD")
	good := w.twoRoots("XB", "XB/cosign").Encode()
	foreign := newWorld(t, "XA", "XB")
	continued := func() evidence.Proof { // an honest validator signed a tree and its continuation
		one, two := merkle.LeafHash([]byte("one")), merkle.LeafHash([]byte("two"))
		sign := func(size uint64, root merkle.Hash) evidence.SignedCheckpoint {
			c := checkpoint.Checkpoint{Origin: "test.concordat", Size: size, Root: root}
			line, err := checkpoint.SignLog(c, testKey("XB/node"))
			if err != nil {
				t.Fatal(err)
			}
			return evidence.SignedCheckpoint{By: "XB", Checkpoint: c, Line: line}
		}
		return evidence.TwoHistories(sign(1, one), sign(2, merkle.NodeHash(one, two)), one, []merkle.Hash{two})
	}
	for what, c := range map[string]struct {
		culprit statement.Region
		proof   []byte
	}{
		"of another":                 {"XC", good},
		"with another's key":         {"XB", w.twoRoots("XB", "XA/cosign").Encode()},
		"with a statement key":       {"XB", w.twoRoots("XB", "XB/statement").Encode()},
		"blocks by the cosign key":   {"XB", w.twoBlocks("XB", "XB/cosign").Encode()},
		"blocks of another network":  {"XB", foreign.twoBlocks("XB", "XB/node").Encode()},
		"one block twice":            {"XB", evidence.TwoBlocks(w.header("XB", "XB/node", 1), w.header("XB", "XB/node", 1)).Encode()},
		"blocks of two":              {"XB", evidence.TwoBlocks(w.header("XB", "XB/node", 1), w.header("XA", "XA/node", 2)).Encode()},
		"two sizes":                  {"XB", evidence.TwoRoots(w.cosigned("XB", "XB/cosign", 7, "one"), w.cosigned("XB", "XB/cosign", 8, "two")).Encode()},
		"a tree and its next":        {"XB", continued().Encode()},
		"an observer":                {"XD", w.twoBlocks("XD", "XD/node").Encode()},
		"nobody":                     {"XZ", good},
		"no proof":                   {"XB", []byte{0xa0}},
		"cut short":                  {"XB", good[:len(good)-1]},
		"more behind it":             {"XB", append(slices.Clone(good), 0)},
		"as large as a proof may be": {"XB", make([]byte, statement.MaxEvidence)},
	} {
		if v := w.say("XA", &statement.ReportEvidence{Culprit: c.culprit, Proof: c.proof}, nil); v.Name != ProvesNothing || v.Class() != Forbidden {
			t.Errorf("%s: %s, want %s", what, v, ProvesNothing)
		}
	}
	if s := w.suspended(); s != nil {
		t.Errorf("suspended are %v", s)
	}
	// The key that signed counts no longer: whoever has it now is not the validator.
	vs, err := loadValidators(w.mem)
	if err != nil {
		t.Fatal(err)
	}
	find(vs.Members, "XB").Cosign = testKey("XB/newer cosign").Public().(ed25519.PublicKey)
	rotated := NewMemory(entries(t, w.mem))
	rotated.Put([]Write{put(vs)})
	s := w.sign("XA", 0, &statement.ReportEvidence{Culprit: "XB", Proof: good}, testKey("XA/node"))
	if _, v, err := Apply(rotated, w.index, s, nil); err != nil || v.Name != ProvesNothing {
		t.Errorf("a key since rotated: %s (%v), want %s", v, err, ProvesNothing)
	}
	w.must("XA", &statement.ReportEvidence{Culprit: "XB", Proof: good}, nil)
}

// TestKnownEvidenceIsCheap: once a validator is suspended, nothing that names
// it is so much as read; of its proof only the size is looked at.
func TestKnownEvidenceIsCheap(t *testing.T) {
	w := newWorld(t, "XA", "XB")
	w.must("XA", &statement.ReportEvidence{Culprit: "XB", Proof: w.twoRoots("XB", "XB/cosign").Encode()}, nil)
	before := digest(t, w.mem)
	for what, proof := range map[string][]byte{
		"the same":     w.twoRoots("XB", "XB/cosign").Encode(),
		"another kind": w.twoBlocks("XB", "XB/node").Encode(),
		"noise":        make([]byte, statement.MaxEvidence),
	} {
		v := w.say("XA", &statement.ReportEvidence{Culprit: "XB", Proof: proof}, nil)
		if v.Name != AlreadyKnown || v.Index == nil || *v.Index != 0 {
			t.Errorf("%s: %s, want %s by statement 0", what, v, AlreadyKnown)
		}
	}
	if digest(t, w.mem) != before {
		t.Error("the state has changed")
	}
}

// TestKeysAreApart: of the four keys of an authority, one signs what nodes make,
// one all else (ST5).
func TestKeysAreApart(t *testing.T) {
	w := newWorld(t, "XA", "XB")
	for _, body := range []statement.Body{
		&statement.Grant{Terms: statement.Terms{Region: "XB"}},
		w.sealNow(1),
		&statement.ReportEvidence{Culprit: "XB", Proof: w.twoRoots("XB", "XB/cosign").Encode()},
	} {
		for _, use := range uses {
			s := w.sign("XA", w.next("XA", body), body, testKey("XA/"+string(use)))
			_, v, err := Apply(w.mem, w.index, s, nil)
			want := UnknownKey
			if use == signs(body.Kind()) {
				want = ""
			}
			if err != nil || v.Name != want {
				t.Errorf("a %s with the %s key: %s (%v)", body.Kind(), use, v, err)
			}
			key, v, err := SigningKey(w.mem, "XA", s.KeyID(), body.Kind())
			if err != nil || v.Name != want || (key != nil) != (want == "") {
				t.Errorf("SigningKey of a %s with the %s key: %x, %s (%v)", body.Kind(), use, key, v, err)
			}
		}
	}
}

// TestVouchingIsCorrupt: damaged records stop what needs them (ST9), and Dump
// sees what does not agree (ST13).
func TestVouchingIsCorrupt(t *testing.T) {
	members := func(change func(vs *validatorSet)) Write {
		vs, err := loadValidators(story(t).mem)
		if err != nil {
			t.Fatal(err)
		}
		change(vs)
		return put(vs)
	}
	last := func(change func(s *Seal)) Write {
		s, _, err := View{story(t).mem}.LastSeal()
		if err != nil {
			t.Fatal(err)
		}
		change(&s)
		return put(&s)
	}
	proof := func(change func(e *EvidenceRecord)) Write {
		all, err := View{story(t).mem}.Evidence()
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		change(&all[0])
		return put(&all[0])
	}
	zero := uint64(0)
	for what, damage := range map[string]Write{
		"no validators":            {Key: validatorsKey()},
		"one is missing":           members(func(vs *validatorSet) { vs.Members = vs.Members[:2] }),
		"an observer":              members(func(vs *validatorSet) { m := vs.Members[0]; m.ID = "XD"; vs.Members = append(vs.Members, m) }),
		"out of order":             members(func(vs *validatorSet) { slices.Reverse(vs.Members) }),
		"one twice":                members(func(vs *validatorSet) { vs.Members[1] = vs.Members[0] }),
		"a short key":              members(func(vs *validatorSet) { vs.Members[0].Node = vs.Members[0].Node[:31] }),
		"another key":              members(func(vs *validatorSet) { vs.Members[0].Cosign[0] ^= 1 }),
		"of no region":             members(func(vs *validatorSet) { vs.Members[0].ID = "UK" }),
		"suspended by nothing":     members(func(vs *validatorSet) { vs.Members[0].SuspendedBy = &zero }),
		"suspended by another":     members(func(vs *validatorSet) { vs.Members[2].SuspendedBy = &zero }),
		"not suspended":            members(func(vs *validatorSet) { vs.Members[2].SuspendedBy = nil }),
		"no evidence":              {Key: evidenceKey("XC")},
		"evidence, not suspended":  proof(func(e *EvidenceRecord) { e.Culprit = "XB" }),
		"evidence on nobody":       proof(func(e *EvidenceRecord) { e.Culprit = "XZ" }),
		"evidence with short keys": proof(func(e *EvidenceRecord) { e.NodeKey = e.NodeKey[:31] }),
		"evidence since closed":    proof(func(e *EvidenceRecord) { e.Closed = &zero }),
		"seal of no change":        members(func(vs *validatorSet) { vs.SealedAt = &zero }),
		"change without former":    members(func(vs *validatorSet) { vs.ChangedAt = &zero }),
		"former without change":    members(func(vs *validatorSet) { vs.Former = vs.Members }),
		"another governance key":   members(func(vs *validatorSet) { vs.Members[0].Governance[0] ^= 1 }),
		"an earlier electorate":    members(func(vs *validatorSet) { vs.Since-- }),
		"evidence without proof":   proof(func(e *EvidenceRecord) { e.Proof = nil }),
		"evidence with too much":   proof(func(e *EvidenceRecord) { e.Proof = make([]byte, statement.MaxEvidence+1) }),
		"evidence by nobody":       proof(func(e *EvidenceRecord) { e.Reporter = "xa" }),
		"sealed by nobody":         last(func(s *Seal) { s.By = "xa" }),
		"a running number of none": put(&ordinals{}),
		"a running number too low": {Key: ordinalsKey()},
	} {
		w := story(t)
		w.mem.Put([]Write{damage})
		if err := Dump(w.mem, new(bytes.Buffer)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: want ErrCorrupt, got %v", what, err)
		}
	}
	empty := []byte{0xa0}
	for what, c := range map[string]struct {
		damage Write
		body   func(w *world) statement.Body
	}{
		"no validators": {Write{Key: validatorsKey()}, func(w *world) statement.Body { return w.sealNow(99) }},
		"validators":    {Write{validatorsKey(), empty}, func(w *world) statement.Body { return w.sealNow(99) }},
		"the seal":      {Write{sealKey(), empty}, func(w *world) statement.Body { return w.sealNow(99) }},
		"validators, of evidence": {Write{validatorsKey(), empty}, func(w *world) statement.Body {
			return &statement.ReportEvidence{Culprit: "XB", Proof: w.twoRoots("XB", "XB/cosign").Encode()}
		}},
	} {
		w := story(t)
		s := w.sign("XA", 0, c.body(w), testKey("XA/node"))
		w.mem.Put([]Write{c.damage})
		if _, v, err := Apply(w.mem, w.index, s, nil); !errors.Is(err, ErrCorrupt) || !v.Accepted() {
			t.Errorf("%s damaged: want ErrCorrupt, got %s and %v", what, v, err)
		}
	}
}

// TestLargestVouchingFits: the largest network there can be, all of it
// suspended at the end of the largest ledger, and the largest proof are read back.
func TestLargestVouchingFits(t *testing.T) {
	end := uint64(statement.MaxLogSize)
	var vs validatorSet
	for i := range statement.MaxValidators {
		id := statement.Region(fmt.Sprintf("XAA-ABCDEFGHIJKL-ABCDEFGHIJ-%04d", i))
		vs.Members = append(vs.Members, member{ID: id, Cosign: make([]byte, 32), Node: make([]byte, 32), Governance: make([]byte, 32), SuspendedBy: &end})
	}
	vs.Former, vs.ChangedAt, vs.Since = slices.Clone(vs.Members), &end, end
	id := vs.Members[0].ID
	w := put(&vs)
	if got, err := parse[validatorSet](w.Key, w.Value); err != nil || len(got.Members) != len(vs.Members) {
		t.Errorf("%d validators in %d bytes: %v", len(vs.Members), len(w.Value), err)
	}
	w = put(&electorate{From: end, Lineage: 1000, Sets: vs.sets()})
	if _, err := parse[electorate](w.Key, w.Value); err != nil {
		t.Errorf("an electorate in %d bytes: %v", len(w.Value), err)
	}
	w = put(&EvidenceRecord{
		Culprit: id, Reporter: id, Index: end, Kind: evidence.KindTwoHistories, Proof: make([]byte, statement.MaxEvidence),
		NodeKey: make([]byte, 32), CosignKey: make([]byte, 32), Closed: &end,
	})
	if _, err := parse[EvidenceRecord](w.Key, w.Value); err != nil {
		t.Errorf("evidence in %d bytes: %v", len(w.Value), err)
	}
}
