package receipt_test

import (
	"errors"
	"slices"
	"testing"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
)

// walked is a world in which the validators have changed.
type walked struct {
	*world
	set   []member // those of today
	sets  [][]member
	steps []receipt.Step
}

// change says a few things, seals the new set, and has old and new co-sign it.
func (w *walked) change(next ...member) {
	w.t.Helper()
	w.say(2)
	index := w.seal(next)
	w.say(1)
	w.steps = append(w.steps, w.step(index, both(w.set, next)...))
	w.set, w.sets = next, append(w.sets, next)
}

// both is the union; who has changed its keys signs with either.
func both(a, b []member) []member {
	out := slices.Clone(a)
	for _, m := range b {
		if !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

// longWalk is ten changes: members come, go, change keys; once all at once.
func longWalk(t testing.TB) *walked {
	w := &walked{world: newWorld(t, origin), set: founders, sets: [][]member{founders}}
	w.change(members("XA", "XB", "XC", "XD", "XE")...)
	w.change(members("XA", "XB", "XC", "XD", "XE", "XF", "XG")...)
	w.change(members("XB", "XC", "XD", "XE", "XF", "XG")...)
	w.change(member{"XB", "2"}, member{"XC", ""}, member{"XD", ""}, member{"XE", ""}, member{"XF", ""}, member{"XG", ""})
	w.change(members("YA", "YB", "YC", "YD")...)
	w.change(members("XA", "XB", "XC", "XD")...)
	w.change(members("XA")...)
	w.change(members("XA", "YA", "YB", "YC")...)
	w.change(member{"XA", "3"}, member{"YA", "3"}, member{"YB", "3"}, member{"YC", "3"})
	w.change(members("ZA", "ZB", "ZC", "ZD", "ZE")...)
	return w
}

func TestWalk(t *testing.T) {
	w := longWalk(t)
	for n := range len(w.steps) + 1 {
		trust, err := receipt.Walk(w.doc, w.steps[:n])
		if err != nil {
			t.Fatalf("%d steps: %v", n, err)
		}
		vs := trust.Validators
		if len(vs) != len(w.sets[n]) {
			t.Fatalf("%d steps lead to %d validators, want %d", n, len(vs), len(w.sets[n]))
		}
		for i, m := range w.sets[n] {
			if vs[i].ID != m.id || !vs[i].Cosign.Equal(public(m.key("cosign"))) || !vs[i].Node.Equal(public(m.key("node"))) ||
				!vs[i].Governance.Equal(public(m.key("governance"))) {
				t.Errorf("%d steps: validator %d is %s", n, i, vs[i].ID)
			}
		}
	}
	// A seal without a change may be a step too.
	w.change(w.set...)
	if _, err := receipt.Walk(w.doc, w.steps); err != nil {
		t.Error(err)
	}
	// The receipt of the very first statement, under today's validators, in both forms.
	r := w.receipt(0, w.steps, w.set[:4]...)
	tlogProof, err := r.TLogProof()
	if err != nil {
		t.Fatal(err)
	}
	a, err := receipt.ParseTLogProof(tlogProof)
	if err != nil {
		t.Fatal(err)
	}
	coseProof, err := r.COSE(w.set[0].key("node"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := receipt.ParseCOSE(coseProof)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []receipt.Receipt{a, b} {
		v, err := receipt.Verify(w.doc, r)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Steps) != 11 || len(v.Validators) != 5 || v.Certified.Checkpoint().Size != w.size() {
			t.Errorf("%d steps, %+v", len(r.Steps), v)
		}
	}
	t.Logf("a receipt with 11 steps has %d bytes as a tlog-proof, %d as COSE", len(tlogProof), len(coseProof))
}

func TestWalkRefuses(t *testing.T) {
	good := longWalk(t)
	// The fifth change replaces all; its attackers hold what they need of one side.
	const all = 4
	old, next := good.sets[all], good.sets[all+1]
	// upTo is the world before the fifth change.
	upTo := func() *walked {
		w := &walked{world: newWorld(t, origin), set: founders, sets: [][]member{founders}}
		for _, s := range good.sets[1 : all+1] {
			w.change(s...)
		}
		return w
	}
	forged := func(make func(w *walked) receipt.Step) func() []receipt.Step {
		return func() []receipt.Step {
			w := upTo()
			return append(w.steps, make(w))
		}
	}
	for name, x := range map[string]struct {
		steps func() []receipt.Step
		want  error
	}{
		"no quorum of the old": {forged(func(w *walked) receipt.Step {
			return w.step(w.seal(next), both(old[:4], next)...) // 4 of 6, want 5
		}), receipt.ErrHandover},
		"none of the old": {forged(func(w *walked) receipt.Step { return w.step(w.seal(next), next...) }), receipt.ErrHandover},
		"no quorum of the new": {forged(func(w *walked) receipt.Step {
			return w.step(w.seal(next), both(old, next[:2])...)
		}), receipt.ErrHandover},
		"none of the new": {forged(func(w *walked) receipt.Step { return w.step(w.seal(next), old...) }), receipt.ErrHandover},
		"co-signed by another set than the seal's": {forged(func(w *walked) receipt.Step {
			return w.step(w.seal(members("ZA", "ZB", "ZC", "ZD")), both(old, next)...)
		}), receipt.ErrHandover},
		"co-signed with other keys than the seal's": {forged(func(w *walked) receipt.Step {
			return w.step(w.seal(next), both(old, []member{{"YA", "2"}, {"YB", "2"}, {"YC", "2"}, {"YD", "2"}})...)
		}), receipt.ErrHandover},
		"not a seal": {forged(func(w *walked) receipt.Step {
			return w.step(w.say(1), both(old, next)...)
		}), receipt.ErrHandover},
		"a seal of another size": {forged(func(w *walked) receipt.Step {
			return w.step(w.append(w.sealOf(next, w.size()-1)), both(old, next)...)
		}), receipt.ErrHandover},
		"a seal that is not in the tree": {forged(func(w *walked) receipt.Step {
			s := w.step(w.seal(old), both(old, next)...)
			s.Statement = w.sealOf(next, s.Index)
			return s
		}), receipt.ErrNotIncluded},
		"a seal at another index": {forged(func(w *walked) receipt.Step {
			s := w.step(w.seal(next), both(old, next)...)
			s.Index--
			return s
		}), receipt.ErrNotIncluded},
		"a seal of another network": {forged(func(w *walked) receipt.Step {
			other := newWorld(t, "other.example")
			other.say(int(w.size()))
			return other.step(other.seal(next), both(old, next)...)
		}), receipt.ErrOtherNetwork},
		"a seal of another network in this one's tree": {forged(func(w *walked) receipt.Step {
			other := newWorld(t, "other.example")
			return w.step(w.append(other.sealOf(next, w.size())), both(old, next)...)
		}), receipt.ErrOtherNetwork},
		"a checkpoint of another network": {forged(func(w *walked) receipt.Step {
			s := w.step(w.seal(next), both(old, next)...)
			c := w.checkpoint()
			c.Origin = "other.example"
			s.Note = noteOf(t, c, both(old, next))
			return s
		}), receipt.ErrOtherNetwork},
		"no note":                 {forged(func(w *walked) receipt.Step { s := w.step(w.seal(next), old...); s.Note = nil; return s }), receipt.ErrMalformed},
		"a step left out":         {func() []receipt.Step { return append(slices.Clone(good.steps[:4]), good.steps[5:]...) }, receipt.ErrHandover},
		"the first four left out": {func() []receipt.Step { return good.steps[4:] }, receipt.ErrHandover},
		"two exchanged": {func() []receipt.Step {
			s := slices.Clone(good.steps)
			s[4], s[5] = s[5], s[4]
			return s
		}, receipt.ErrHandover},
		"one twice": {func() []receipt.Step { return append(slices.Clone(good.steps[:6]), good.steps[5]) }, receipt.ErrHandover},
		// The founders rule again from step 6 on: a former handover of theirs must not count again.
		"back to an earlier one": {func() []receipt.Step { return append(slices.Clone(good.steps[:6]), good.steps[0]) }, receipt.ErrHandover},
		"too many":               {func() []receipt.Step { return make([]receipt.Step, receipt.MaxSteps+1) }, receipt.ErrMalformed},
	} {
		trust, err := receipt.Walk(good.doc, x.steps())
		if !errors.Is(err, x.want) || trust.Validators != nil {
			t.Errorf("%s: %d validators, %v; want %v", name, len(trust.Validators), err, x.want)
		}
	}
	// The control: with nothing wrong it is taken.
	w := upTo()
	if _, err := receipt.Walk(w.doc, append(w.steps, w.step(w.seal(next), both(old[:5], next[:3])...))); err != nil {
		t.Error(err)
	}
}

func noteOf(t testing.TB, c checkpoint.Checkpoint, by []member) []byte {
	t.Helper()
	var lines []string
	for _, m := range by {
		sig, err := checkpoint.Cosign(c, m.id, created, m.key("cosign"))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, sig.Line)
	}
	return checkpoint.Assemble(c, lines).Bytes()
}

// A later seal under an earlier checkpoint, or a receipt from before the last
// handover: validators go forwards only (P3).
func TestOnlyForwards(t *testing.T) {
	w := &walked{world: newWorld(t, origin), set: founders, sets: [][]member{founders}}
	w.say(3)
	before := w.receipt(1, nil, both(founders, members("YA", "YB", "YC", "YD"))...)
	first := w.seal(founders)
	second := w.seal(founders)
	early := w.step(second, founders...)
	w.say(1)
	late := w.step(first, founders...)
	if _, err := receipt.Walk(w.doc, []receipt.Step{late, early}); !errors.Is(err, receipt.ErrHandover) {
		t.Errorf("a checkpoint of size %d after one of %d: %v", w.size()-1, w.size(), err)
	}
	w.change(members("YA", "YB", "YC", "YD")...)
	if _, err := receipt.Verify(w.doc, before); err != nil {
		t.Errorf("by the founders, before the handover: %v", err)
	}
	before.Steps = w.steps
	if _, err := receipt.Verify(w.doc, before); !errors.Is(err, receipt.ErrHandover) {
		t.Errorf("by the new, before the handover: %v", err)
	}
	if _, err := receipt.Verify(w.doc, w.receipt(1, w.steps, founders...)); !errors.Is(err, receipt.ErrNotCertified) {
		t.Errorf("by the old, after the handover: %v", err)
	}
	if _, err := receipt.Verify(w.doc, w.receipt(1, nil, w.set...)); !errors.Is(err, receipt.ErrNotCertified) {
		t.Errorf("by the new, with no handover shown: %v", err)
	}
	if _, err := receipt.Verify(w.doc, w.receipt(1, w.steps, w.set...)); err != nil {
		t.Error(err)
	}
}

func TestFoundingValidators(t *testing.T) {
	doc := document(t, origin)
	vs := receipt.FoundingValidators(doc)
	if len(vs) != 4 || vs.Quorum() != 3 {
		t.Fatalf("%d validators", len(vs))
	}
	for i, m := range founders {
		if vs[i].ID != m.id || !vs[i].Cosign.Equal(public(m.key("cosign"))) || !vs[i].Node.Equal(public(m.key("node"))) || !vs[i].Governance.Equal(public(m.key("governance"))) || vs[i].Suspended {
			t.Errorf("validator %d is %+v", i, vs[i])
		}
	}
	body := &statement.SealState{Validators: []statement.SealedValidator{{ID: "XA", Cosign: make([]byte, 32), Node: make([]byte, 32)}}}
	if got := receipt.SealedValidators(body); len(got) != 1 || got[0].ID != "XA" || len(got[0].Cosign) != merkle.HashSize {
		t.Errorf("%+v", got)
	}
}
