package ledger_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/bundle"
	"concordat/ledger/checkpoint"
	"concordat/ledger/ledgertest"
	"concordat/ledger/receipt"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// changes is how many handovers ten changes of a world take.
const changes = 10

func tenChanges(t testing.TB) *ledgertest.World {
	w := ledgertest.New(t, "changes.test", "XA", "XB", "XC", "XD")
	w.TenChanges()
	return w
}

func checkLedger(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	if err := l.Check(t.Context()); err != nil {
		t.Fatalf("check: %v", err)
	}
}

// Who has the genesis alone verifies a receipt of every statement, and the
// bundle, after ten changes of validators; and each of the certificates on the way.
func TestTenChanges(t *testing.T) {
	w := tenChanges(t)
	checkLedger(t, w.Ledger)
	note := w.Certificate.Note()
	w.View(func(v *ledger.View) {
		handovers, err := v.State().Handovers()
		if err != nil || len(handovers) != changes {
			t.Fatalf("%d handovers, want %d: %v", len(handovers), changes, err)
		}
		for index := range v.Head().Size {
			r, err := v.Receipt(index, note)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := receipt.Verify(w.Doc, r); err != nil || got.Lineage != 1 || len(got.Validators) != 3 || len(r.Steps) != changes {
				t.Fatalf("statement %d with %d steps: %v", index, len(r.Steps), err)
			}
		}
		// A checkpoint has those steps that lead to its own validators, and no more.
		for i, h := range handovers {
			for size, want := range map[uint64]int{h.Size: i, h.Index: i, h.Index + 1: i + 1} {
				if steps, err := v.Steps(size); err != nil || len(steps) != want {
					t.Errorf("%d steps to size %d, want %d: %v", len(steps), size, want, err)
				}
			}
		}
		if _, err := v.Steps(v.Head().Size + 1); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("steps beyond the head: %v", err)
		}
		if _, err := v.Receipt(v.Head().Size-1, w.Note(w.Ledger)); err != nil {
			t.Error(err)
		}
	})
	w.Seal()
	w.Certify()
	var out bytes.Buffer
	if _, err := w.Ledger.Bundle(&out, 0); err != nil {
		t.Fatal(err)
	}
	u, err := bundle.Parse(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	b, err := u.Verify(w.Doc)
	if err != nil {
		t.Fatal(err)
	}
	if b.Lineage() != 1 || len(b.Validators()) != 3 || b.Size() != w.Ledger.Head().Size-1 {
		t.Errorf("a bundle of size %d, by %d validators of lineage %d", b.Size(), len(b.Validators()), b.Lineage())
	}
	checkLedger(t, w.Ledger)
}

// Each of the steps is asked for by itself, too, as peers do.
func TestStepsFrom(t *testing.T) {
	w := tenChanges(t)
	w.View(func(v *ledger.View) {
		trust := receipt.Founding(w.Doc)
		var have uint64
		for {
			some, err := v.StepsFrom(have, 3000)
			if err != nil {
				t.Fatal(err)
			}
			if len(some) == 0 {
				break
			}
			if len(some) > 4 {
				t.Errorf("%d steps at once in 3000 bytes", len(some))
			}
			for _, s := range some {
				if trust, err = trust.Step(s); err != nil {
					t.Fatal(err)
				}
			}
			have += uint64(len(some))
		}
		if have != changes || len(trust.Validators) != 3 {
			t.Errorf("%d steps to %d validators", have, len(trust.Validators))
		}
	})
}

// What is kept of a time before a change still opens, whoever certifies now.
func TestKeptBeforeChange(t *testing.T) {
	w := ledgertest.New(t, "kept.test", "XA", "XB", "XC", "XD")
	w.Fill(2)
	w.Seal()
	w.Certify()
	w.Rotate("XA", statement.UseCosign)
	w.Rotate("XB", statement.UseCosign)

	fs := vfs.NewMem()
	l := w.Open(fs)
	kept := false
	for _, e := range w.Entries {
		if _, err := l.Apply(e.At, e.Raw); err != nil {
			t.Fatal(err)
		}
		if !kept && l.Head().Size == 3 {
			if err := l.Certify(w.Certified(l)); err != nil {
				t.Fatal(err)
			}
			kept = true
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = w.Open(fs)
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	if c := l.Certified(); c == nil || c.Checkpoint().Size != 3 {
		t.Fatalf("%+v is kept, want what certified size 3", c)
	}
	checkLedger(t, l)
	// Those of today vouch for nothing of before, and nobody else for today.
	before := l.Certified().Note()
	n, err := checkpoint.ParseNote(before)
	if err != nil {
		t.Fatal(err)
	}
	v := l.View()
	now, err := v.State().ElectorateAt(l.Head().Size)
	if err := errors.Join(err, v.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Certify(now.Newest()); !errors.Is(err, checkpoint.ErrNoQuorum) {
		t.Errorf("by those of today: %v", err)
	}
}

// While validators change, a checkpoint takes a quorum of either.
func TestBothCertify(t *testing.T) {
	w := ledgertest.New(t, "both.test", "XA")
	w.Carry(w.Admission("YA", statement.RoleValidator))
	for _, alone := range []statement.Region{"XA", "YA"} {
		n, err := checkpoint.ParseNote(w.Note(w.Ledger, alone))
		if err != nil {
			t.Fatal(err)
		}
		w.View(func(v *ledger.View) {
			e, err := v.State().ElectorateAt(w.Ledger.Head().Size)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := n.CertifyBy(e); !errors.Is(err, checkpoint.ErrNoQuorum) {
				t.Errorf("%s alone: %v", alone, err)
			}
		})
	}
	w.Certify()
	w.Say(w.HandOver())
	w.Certify()
	checkLedger(t, w.Ledger)
}

// A handover whose checkpoint is not of this ledger's tree is refused by all
// alike; nobody diverges, and the right one is taken afterwards.
func TestWrongHandover(t *testing.T) {
	w := ledgertest.New(t, "wrong.test", "XA", "XB", "XC", "XD")
	w.Fill(2)
	w.Carry(w.Admission("YA", statement.RoleValidator))
	seal := w.Seal()

	// A ledger that goes on otherwise from here, certified by the same.
	fork := w.Open(vfs.NewMem())
	defer func() {
		if err := fork.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, e := range w.Entries {
		if _, err := fork.Apply(e.At, e.Raw); err != nil {
			t.Fatal(err)
		}
	}
	other := w.Block(w.Sign("XA", &statement.Grant{Terms: statement.Terms{Region: "XB"}}))
	if a, err := fork.Apply(w.Next(), other); err != nil || a.Refused != "" {
		t.Fatal(a.Refused, err)
	}
	foreign := w.Certified(fork).Note()
	w.Fill(1)

	wrong := w.Sign("XA", &statement.HandOver{Seal: seal, Note: foreign})
	js, err := w.Ledger.Judge([]ledger.Candidate{wrong})
	if err != nil || js[0].Verdict.Name != state.HandoverMismatch {
		t.Errorf("judged: %s, %v; want %s", js[0].Verdict, err, state.HandoverMismatch)
	}
	raw, size := w.Block(wrong), w.Ledger.Head().Size
	e := ledgertest.Entry{At: w.Next(), Raw: raw}
	a, err := w.Ledger.Apply(e.At, e.Raw)
	if err != nil || a.Refused != ledger.RefusedStatement || a.Culprit == "" || w.Ledger.Head().Size != size {
		t.Errorf("applied: %+v, %v; want %s", a, err, ledger.RefusedStatement)
	}
	w.Entries = append(w.Entries, e)
	// The right one, in one block with what it is about and others.
	note := w.Certify().Note()
	risk := func(area string) ledger.Candidate {
		return w.Sign("XA", &statement.DeclareRisk{RiskLevel: statement.RiskLevel{Area: statement.Area(area), Scheme: "default", Level: "high", From: 1, Lookback: 14}})
	}
	w.Say(risk("XA-900"), w.Sign("XB", &statement.HandOver{Seal: seal, Note: note}), risk("XA-901"))
	w.Certify()
	checkLedger(t, w.Ledger)
	regrown(t, w)
}

// regrown checks that whoever grafts the world's blocks gets the same ledger.
func regrown(t *testing.T, w *ledgertest.World) {
	t.Helper()
	l := w.Open(vfs.NewMem())
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := l.Graft(blocksOf(t, w.Ledger)...); err != nil {
		t.Fatal(err)
	}
	if got, want := l.Head(), w.Ledger.Head(); got.Size != want.Size || got.Root != want.Root {
		t.Fatalf("grafted, it is at %+v, want %+v", got, want)
	}
	if err := l.Certify(w.Certificate); err != nil {
		t.Error(err)
	}
	checkLedger(t, l)
}

// blocksOf are a ledger's blocks, as a peer gives them.
func blocksOf(t testing.TB, l *ledger.Ledger) (out []ledger.GraftBlock) {
	t.Helper()
	v := l.View()
	defer func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}()
	for at := uint64(0); at < v.Head().Size; {
		blocks, err := v.Blocks(at, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			g := ledger.GraftBlock{Proof: b.Proof}
			for i := range b.Count {
				e, err := v.ByIndex(b.First + i)
				if err != nil {
					t.Fatal(err)
				}
				g.Statements = append(g.Statements, e.Raw())
			}
			out = append(out, g)
			at = b.First + b.Count
		}
	}
	return out
}

func TestGraftOverChanges(t *testing.T) {
	w := tenChanges(t)
	recoverWorld(w)
	regrown(t, w)
}

// recoverWorld recovers to two of the three validators of a world after ten
// changes, and changes them again.
func recoverWorld(w *ledgertest.World) {
	w.Say(w.Recovery([]statement.Region{"YA", "YB"}, "YA", "YB"))
	w.Fill(1)
	w.Rotate("YB", statement.UseCosign)
	w.Change(w.Admission("ZA", statement.RoleValidator))
	w.Fill(1)
	w.Seal()
	w.Certify()
}

// After a recovery, checkpoints are of another log; a stranger walks there too.
func TestRecover(t *testing.T) {
	w := tenChanges(t)
	before := w.Certificate
	var old receipt.Receipt
	w.View(func(v *ledger.View) {
		var err error
		if old, err = v.Receipt(1, before.Note()); err != nil {
			t.Fatal(err)
		}
	})
	recoverWorld(w)
	checkLedger(t, w.Ledger)
	w.View(func(v *ledger.View) {
		r, err := v.Receipt(v.Head().Size-1, w.Certificate.Note())
		if err != nil {
			t.Fatal(err)
		}
		got, err := receipt.Verify(w.Doc, r)
		if err != nil || got.Lineage != 2 || len(r.Steps) != changes+3 || len(got.Validators) != 3 {
			t.Fatalf("%d steps: %v", len(r.Steps), err)
		}
		if origin := got.Certified.Checkpoint().Origin; origin != "changes.test/2" {
			t.Errorf("certified by %q", origin)
		}
		// The receipt from before is still one.
		if got, err := receipt.Verify(w.Doc, old); err != nil || got.Lineage != 1 {
			t.Error(err)
		}
	})
	// A note of the lineage that was left is none at these sizes.
	cp := before.Checkpoint()
	if err := w.Ledger.Certify(before); err != nil {
		t.Errorf("a certificate of size %d, which is below the recovery: %v", cp.Size, err)
	}
	var out bytes.Buffer
	if _, err := w.Ledger.Bundle(&out, 0); err != nil {
		t.Fatal(err)
	}
	u, err := bundle.Parse(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := u.Verify(w.Doc); err != nil || b.Lineage() != 2 {
		t.Errorf("the bundle: %v", err)
	}
}

// A bundle from after a recovery is newer than any from before it, though it may
// be of fewer statements.
func TestBundlesOfTwoLineages(t *testing.T) {
	made := func(w *ledgertest.World) *bundle.Unverified {
		t.Helper()
		w.Seal()
		w.Certify()
		var out bytes.Buffer
		if _, err := w.Ledger.Bundle(&out, 0); err != nil {
			t.Fatal(err)
		}
		u, err := bundle.Parse(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	lost := ledgertest.New(t, "lineages.test", "XA", "XB", "XC", "XD")
	lost.Fill(9)
	w := ledgertest.New(t, "lineages.test", "XA", "XB", "XC", "XD")
	w.Fill(2)
	w.Say(w.Recovery([]statement.Region{"XA", "XB"}, "XA", "XB", "XC"))
	before, after := made(lost), made(w)
	old, err := before.Verify(w.Doc)
	if err != nil {
		t.Fatal(err)
	}
	now, err := old.Update(after, w.Doc)
	if err != nil || now.Lineage() != 2 || now.Size() >= old.Size() {
		t.Fatalf("the newer lineage: %v", err)
	}
	if _, err := now.Update(before, w.Doc); !errors.Is(err, bundle.ErrOlder) {
		t.Errorf("the lineage that was left: %v, want ErrOlder", err)
	}
}

// A recovery that is planned for another ledger, or with others in its block, or
// amid a change with somebody whom strangers do not know, is refused by all alike.
func TestWrongRecovery(t *testing.T) {
	w := ledgertest.New(t, "recovery.test", "XA", "XB", "XC", "XD")
	w.Fill(3)
	all := []statement.Region{"XA", "XB", "XC", "XD"}
	refused := func(name string, cs ...ledger.Candidate) {
		t.Helper()
		e := ledgertest.Entry{At: w.Next(), Raw: w.Block(cs...)}
		a, err := w.Ledger.Apply(e.At, e.Raw)
		if err != nil || a.Refused != ledger.RefusedStatement || !bytes.Contains([]byte(a.Detail), []byte(name)) {
			t.Errorf("%+v, %v; want %s by %s", a, err, ledger.RefusedStatement, name)
		}
		w.Entries = append(w.Entries, e)
	}
	stale := w.Recovery(all[:2], all[:3]...)
	w.Fill(1)
	refused(state.RecoveryMisplaced, stale)
	risk := w.Sign("XA", &statement.DeclareRisk{RiskLevel: statement.RiskLevel{Area: "XA-900", Scheme: "default", Level: "high", From: 1, Lookback: 14}})
	good := w.Recovery(all[:2], all[:3]...)
	refused(state.RecoveryMisplaced, good, risk)
	js, err := w.Ledger.Judge([]ledger.Candidate{good, risk})
	if err != nil || js[0].Verdict.Name != state.RecoveryMisplaced || !js[1].Accepted() {
		t.Errorf("judged with others: %s, %s, %v", js[0].Verdict, js[1].Verdict, err)
	}
	for _, judge := range []func() (ledger.Judgement, error){
		func() (ledger.Judgement, error) {
			js, err := w.Ledger.Judge([]ledger.Candidate{good})
			return js[0], err
		},
		func() (ledger.Judgement, error) { return w.Ledger.JudgeAlone(w.Now.UnixMilli(), good) },
	} {
		if j, err := judge(); err != nil || !j.Accepted() {
			t.Errorf("judged alone: %s, %v", j.Verdict, err)
		}
	}
	// Amid a change, who goes on is known before and after it.
	w.Carry(w.Admission("YA", statement.RoleValidator))
	refused(state.RecoveryMismatch, w.Recovery([]statement.Region{"XA", "YA"}, "XA", "XB", "XC"))
	w.Say(w.Recovery([]statement.Region{"XA", "XB"}, "XA", "XB", "XC"))
	w.Certify()
	checkLedger(t, w.Ledger)
	w.View(func(v *ledger.View) {
		r, err := v.Receipt(0, w.Certificate.Note())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := receipt.Verify(w.Doc, r); err != nil || got.Lineage != 2 || len(got.Validators) != 2 {
			t.Error(err)
		}
	})
	regrown(t, w)
}

// One whose plan has another root is refused too: its signers mean another ledger.
func TestRecoveryOfAnotherRoot(t *testing.T) {
	a, b := ledgertest.New(t, "root.test", "XA", "XB", "XC"), ledgertest.New(t, "root.test", "XA", "XB", "XC")
	a.Fill(2)
	b.Fill(1)
	b.Say(b.Sign("XA", &statement.Grant{Terms: statement.Terms{Region: "XB"}}))
	foreign := b.Recovery([]statement.Region{"XA"}, "XA", "XB")
	js, err := a.Ledger.Judge([]ledger.Candidate{foreign})
	if err != nil || js[0].Verdict.Name != state.RecoveryMismatch {
		t.Errorf("%s, %v; want %s", js[0].Verdict, err, state.RecoveryMismatch)
	}
	if js, err := b.Ledger.Judge([]ledger.Candidate{foreign}); err != nil || !js[0].Accepted() {
		t.Errorf("where it belongs: %s, %v", js[0].Verdict, err)
	}
}

// Crashes around a deciding vote and a handover: the ledger opens at some entry
// before, whole, and goes on to the same.
func TestCrashesAroundChanges(t *testing.T) {
	w := ledgertest.New(t, "crash.test", "XA", "XB", "XC", "XD")
	w.Fill(2)
	w.Certify()
	first := len(w.Entries)
	w.Change(w.Admission("YA", statement.RoleValidator))
	w.Rotate("XA", statement.UseNode)
	w.Say(w.Recovery([]statement.Region{"XA", "XB"}, "XA", "XB", "XC"))
	w.Fill(1)
	for stop := first; stop < len(w.Entries); stop++ {
		fs := vfs.NewCrashableMem()
		l := w.Open(fs)
		for i, e := range w.Entries[:stop+1] {
			if _, err := l.Apply(e.At, e.Raw); err != nil {
				t.Fatal(err)
			}
			if i == stop-1 { // it may be lost, and all before it not
				if err := l.Certify(w.Certified(l)); err != nil {
					t.Fatal(err)
				}
			}
		}
		clone := fs.CrashClone(vfs.CrashCloneCfg{})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = w.Open(clone)
		if l.Certified() == nil {
			t.Fatalf("entry %d: what was certified is lost", stop)
		}
		checkLedger(t, l)
		for _, e := range w.Entries {
			if _, err := l.Apply(e.At, e.Raw); err != nil {
				t.Fatal(err)
			}
		}
		if l.Head() != w.Ledger.Head() {
			t.Errorf("entry %d: after the crash it goes on to %+v, want %+v", stop, l.Head(), w.Ledger.Head())
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A vote that raises the level beyond what this program knows: the ledger stops
// before it, whole, and is opened again by whoever knows more.
func TestLevelBeyondProgram(t *testing.T) {
	w := ledgertest.New(t, "level.test", "XA", "XB", "XC")
	w.Fill(2)
	var raise ledger.Candidate
	for {
		var level uint64
		w.View(func(v *ledger.View) {
			n, err := v.State().Network()
			if err != nil {
				t.Fatal(err)
			}
			level = n.ProtocolLevel + 1
		})
		raise = w.Decide(statement.Action{RaiseLevel: &statement.RaiseLevel{Level: level}})
		if js, err := w.Ledger.Judge([]ledger.Candidate{raise}); errors.Is(err, ledger.ErrLevel) {
			break // this program knows no more
		} else if err != nil || !js[0].Accepted() {
			t.Fatal(js, err)
		}
		w.Say(raise)
	}
	w.Certify()
	head := w.Ledger.Head()
	e := ledgertest.Entry{At: w.Next(), Raw: w.Block(raise)}

	fs := vfs.NewMem()
	for try := range 2 { // the same directory, again
		l := w.Open(fs)
		for _, e := range w.Entries {
			if _, err := l.Apply(e.At, e.Raw); err != nil {
				t.Fatal(err)
			}
		}
		_, err := l.Apply(e.At, e.Raw)
		if !errors.Is(err, ledger.ErrLevel) || errors.Is(err, ledger.ErrCorrupt) || errors.Is(err, ledger.ErrBroken) {
			t.Fatalf("try %d: %v, want ErrLevel", try, err)
		}
		if l.Err() != nil || l.Head() != head {
			t.Errorf("the ledger is broken (%v) or at %+v, want %+v", l.Err(), l.Head(), head)
		}
		// What comes after it is not for this program, and what was before can be read.
		after := ledger.Position{Index: e.At.Index + 1, Term: 1}
		if _, err := l.Apply(after, nil); !errors.Is(err, ledger.ErrLevel) {
			t.Errorf("the next entry: %v, want ErrLevel", err)
		}
		if err := l.Certify(w.Certificate); err != nil {
			t.Error(err)
		}
		checkLedger(t, l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// Grafting stops there likewise.
	l := w.Open(vfs.NewMem())
	blocks := blocksOf(t, w.Ledger)
	last := blocks[len(blocks)-1]
	if _, err := l.Graft(blocks...); err != nil {
		t.Fatal(err)
	}
	last.Proof, last.Statements = proofOf(t, e.Raw), [][]byte{raise.Raw}
	if _, err := l.Graft(last); !errors.Is(err, ledger.ErrLevel) || l.Err() != nil {
		t.Errorf("grafted: %v, %v; want ErrLevel", err, l.Err())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func proofOf(t testing.TB, raw []byte) block.HeaderProof {
	t.Helper()
	s, err := block.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s.Proof()
}
