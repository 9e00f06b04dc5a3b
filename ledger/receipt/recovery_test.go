package receipt_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
)

// recovery is a recovery to the next lineage with these validators, signed by those.
func (w *walked) recovery(goOn []member, signers ...member) []byte {
	w.t.Helper()
	plan := statement.RecoveryPlan{Lineage: max(w.lineage, 1) + 1, Size: w.size(), Root: w.checkpoint().Root, Reason: "three disks were lost"}
	for _, m := range goOn {
		plan.Validators = append(plan.Validators, m.id)
	}
	return w.sign(signers[0], "governance", 0, &statement.Recover{Plan: plan, Signatures: w.signatures(plan, signers...)})
}

func (w *walked) signatures(plan statement.RecoveryPlan, signers ...member) (out []statement.RecoverySignature) {
	w.t.Helper()
	message, err := statement.RecoveryMessage(w.doc.ID(), plan)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range signers {
		out = append(out, statement.RecoverySignature{Authority: m.id, Signature: ed25519.Sign(m.key("governance"), message)})
	}
	return out
}

// recover begins the next lineage.
func (w *walked) recover(goOn []member, signers ...member) {
	w.t.Helper()
	raw := w.recovery(goOn, signers...)
	w.steps = append(w.steps, receipt.Step{Index: w.append(raw), Statement: raw})
	w.lineage = max(w.lineage, 1) + 1
	w.set, w.sets = goOn, append(w.sets, goOn)
}

// recoveredWorld has two recoveries, and handovers before, between and after.
func recoveredWorld(t testing.TB) *walked {
	w := &walked{world: newWorld(t, origin), set: founders, sets: [][]member{founders}}
	w.say(1)
	w.change(members("XA", "XB", "XC", "XD", "XE")...)
	w.say(2)
	w.recover(members("XA", "XE"), members("XA", "XB", "XC")...)
	w.change(members("XA", "XE", "YA")...)
	w.recover(members("XA", "XE", "YA"), members("XE", "YA")...)
	w.recover(members("XA", "XE", "YA"), members("XA", "XE", "YA")...) // at once again
	w.change(member{"XA", "2"}, member{"XE", ""}, member{"YA", ""})
	w.say(1)
	return w
}

func TestRecovery(t *testing.T) {
	w := recoveredWorld(t)
	for n := range len(w.steps) + 1 {
		trust, err := receipt.Walk(w.doc, w.steps[:n])
		if err != nil {
			t.Fatalf("%d steps: %v", n, err)
		}
		if len(trust.Validators) != len(w.sets[n]) {
			t.Fatalf("%d steps lead to %d validators, want %d", n, len(trust.Validators), len(w.sets[n]))
		}
	}
	r := w.receipt(0, w.steps, w.set...)
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
		if v.Lineage != 4 || v.Signer != "" && v.Signer != "XA" {
			t.Errorf("lineage %d, want 4", v.Lineage)
		}
	}
	for _, s := range w.steps {
		raw, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := receipt.ParseStep(raw)
		if err != nil || again.Index != s.Index || !bytes.Equal(again.Statement, s.Statement) {
			t.Errorf("step at %d is read as that at %d: %v", s.Index, again.Index, err)
		}
	}
}

func TestRecoveryRefused(t *testing.T) {
	begin := func() *walked {
		w := &walked{world: newWorld(t, origin), set: founders, sets: [][]member{founders}}
		w.say(3)
		return w
	}
	step := func(w *walked, raw []byte) receipt.Step { return receipt.Step{Index: w.append(raw), Statement: raw} }
	signed := func(w *walked, change func(*statement.RecoveryPlan)) receipt.Step {
		plan := statement.RecoveryPlan{Lineage: 2, Size: w.size(), Root: w.checkpoint().Root, Validators: []statement.Region{"XA"}, Reason: "lost"}
		change(&plan)
		return step(w, w.sign(founders[0], "governance", 0, &statement.Recover{Plan: plan, Signatures: w.signatures(plan, founders...)}))
	}
	for name, x := range map[string]struct {
		make func(w *walked) receipt.Step
		want error
	}{
		"half of them is no majority": {func(w *walked) receipt.Step { return step(w, w.recovery(founders[:2], founders[:2]...)) }, receipt.ErrRecovery},
		"signed with former keys": {func(w *walked) receipt.Step {
			return step(w, w.recovery(founders[:2], member{"XA", "2"}, member{"XB", "2"}, member{"XC", "2"}))
		}, receipt.ErrRecovery},
		"with somebody who was not one": {func(w *walked) receipt.Step { return step(w, w.recovery(members("XA", "XB", "ZZ"), founders...)) }, receipt.ErrRecovery},
		"a lineage left out":            {func(w *walked) receipt.Step { return signed(w, func(p *statement.RecoveryPlan) { p.Lineage = 3 }) }, receipt.ErrRecovery},
		"of another size":               {func(w *walked) receipt.Step { return signed(w, func(p *statement.RecoveryPlan) { p.Size-- }) }, receipt.ErrRecovery},
		"another statement":             {func(w *walked) receipt.Step { return step(w, w.entries[w.say(1)]) }, receipt.ErrRecovery},
		"a plan changed after it was signed": {func(w *walked) receipt.Step {
			plan := statement.RecoveryPlan{Lineage: 2, Size: w.size(), Validators: []statement.Region{"XA"}, Reason: "lost"}
			signatures := w.signatures(plan, founders...)
			plan.Validators = []statement.Region{"XB"}
			return step(w, w.sign(founders[0], "governance", 0, &statement.Recover{Plan: plan, Signatures: signatures}))
		}, receipt.ErrRecovery},
		"a proof and no note": {func(w *walked) receipt.Step {
			s := step(w, w.recovery(founders[:2], founders[:3]...))
			s.Proof = []merkle.Hash{{1}}
			return s
		}, receipt.ErrMalformed},
		"a note with it": {func(w *walked) receipt.Step {
			raw := w.recovery(founders[:2], founders[:3]...)
			return w.step(w.append(raw), founders...)
		}, receipt.ErrHandover},
	} {
		w := begin()
		s := x.make(w)
		if trust, err := receipt.Walk(w.doc, []receipt.Step{s}); !errors.Is(err, x.want) || trust.Validators != nil {
			t.Errorf("%s: %v, want %v", name, err, x.want)
		}
	}
	// The control.
	w := begin()
	before := w.receipt(1, nil, founders...)
	w.recover(founders[:2], founders[:3]...)
	if _, err := receipt.Walk(w.doc, w.steps); err != nil {
		t.Error(err)
	}
	if v, err := receipt.Verify(w.doc, before); err != nil || v.Lineage != 1 {
		t.Errorf("what the former lineage vouched for: %v", err)
	}
	before.Steps = w.steps
	if _, err := receipt.Verify(w.doc, before); !errors.Is(err, receipt.ErrOtherLineage) {
		t.Errorf("a checkpoint of the former lineage, after the recovery: %v", err)
	}
	if _, err := receipt.Verify(w.doc, w.receipt(1, w.steps, w.set[:1]...)); !errors.Is(err, receipt.ErrNotCertified) {
		t.Errorf("by one of two: %v", err)
	}
	if _, err := receipt.Verify(w.doc, w.receipt(1, nil, founders...)); !errors.Is(err, receipt.ErrOtherLineage) {
		t.Errorf("with no recovery shown: %v", err)
	}
	if _, err := receipt.Verify(w.doc, w.receipt(1, w.steps, w.set...)); err != nil {
		t.Error(err)
	}
}

// While a change of validators is not handed over, who is to go on is the same
// before and after it, and a majority of either has signed.
func TestRecoveringAmidChange(t *testing.T) {
	w := &walked{world: newWorld(t, origin), set: founders, sets: [][]member{founders}}
	set := func(ms ...member) (vs checkpoint.Validators) {
		for _, m := range ms {
			vs = append(vs, checkpoint.Validator{ID: m.id, Cosign: public(m.key("cosign")), Node: public(m.key("node")), Governance: public(m.key("governance")), Suspended: true})
		}
		return vs
	}
	before := set(founders...)
	after := set(append([]member{{"XA", "2"}}, members("XB", "XC", "XD", "XE", "XF", "XG")...)...)
	body := func(goOn []statement.Region, signers ...member) *statement.Recover {
		plan := statement.RecoveryPlan{Lineage: 2, Size: 3, Validators: goOn, Reason: "lost"}
		return &statement.Recover{Plan: plan, Signatures: w.signatures(plan, signers...)}
	}
	for name, x := range map[string]struct {
		body *statement.Recover
		good bool
	}{
		"by majorities of both":       {body([]statement.Region{"XB", "XC"}, members("XB", "XC", "XD", "XE")...), true},
		"by a majority of the former": {body([]statement.Region{"XB", "XC"}, founders[1:]...), false},
		"by a majority of the new":    {body([]statement.Region{"XB", "XC"}, members("XC", "XD", "XE", "XF", "XG")...), false},
		"with one who comes":          {body([]statement.Region{"XB", "XE"}, members("XB", "XC", "XD", "XE")...), false},
		"with one who changed a key":  {body([]statement.Region{"XA", "XB"}, members("XB", "XC", "XD", "XE")...), false},
	} {
		vs, err := receipt.Recovering(w.doc.ID(), x.body, before, after)
		if x.good != (err == nil) || err != nil && !errors.Is(err, receipt.ErrRecovery) {
			t.Errorf("%s: %v", name, err)
		}
		if x.good && (len(vs) != 2 || vs[0].ID != "XB" || vs[0].Suspended) {
			t.Errorf("%s: %+v go on", name, vs)
		}
	}
}

func FuzzParseStep(f *testing.F) {
	w := recoveredWorld(f)
	for _, s := range w.steps[:3] {
		raw, err := s.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte{0x84, 0, 0x41, 0, 0xf6, 0x40})
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := receipt.ParseStep(raw)
		if err != nil {
			if !errors.Is(err, receipt.ErrMalformed) {
				t.Fatalf("an error of no name: %v", err)
			}
			return
		}
		if again, err := s.Encode(); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("took a step that it would not write: %v", err)
		}
		if _, err := receipt.Walk(w.doc, []receipt.Step{s}); err != nil && !errors.Is(err, receipt.ErrRefused) && !errors.Is(err, receipt.ErrMalformed) {
			t.Fatalf("an error of no name: %v", err)
		}
	})
}
