package catchup

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger"
	"concordat/ledger/ledgertest"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
)

// changedWorld has ten changes of validators, after which none of the founders is one.
func changedWorld(t testing.TB, recovered bool) *ledgertest.World {
	w := ledgertest.New(t, "changes.test", "XA", "XB", "XC", "XD")
	documents.Store(w.Doc.ID(), w.Doc)
	w.TenChanges()
	if recovered {
		w.Say(w.Recovery([]statement.Region{"YA", "YB"}, "YA", "YB"))
		w.Change(w.Admission("ZA", statement.RoleValidator))
		w.Change(w.Admission("ZB", statement.RoleValidator))
		w.Fill(2)
		w.Certify()
	}
	return w
}

// toldOf is a ledger that has been given the first entries of a world's order.
func toldOf(t testing.TB, w *ledgertest.World, entries int) *ledger.Ledger {
	t.Helper()
	l := w.Open(vfs.NewMem())
	t.Cleanup(func() { closeLedger(t, l) })
	for _, e := range w.Entries[:entries] {
		if _, err := l.Apply(e.At, e.Raw); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func reaches(t *testing.T, cfg Config, l *ledger.Ledger, w *ledgertest.World) Result {
	t.Helper()
	result, err := Run(testContext(t), cfg)
	if err != nil {
		t.Fatalf("catching up: %v", err)
	}
	if got, want := l.Head(), w.Ledger.Head(); got.Size != want.Size || got.Root != want.Root {
		t.Fatalf("it is at %+v, want %+v", got, want)
	}
	if c := l.Certified(); c == nil || c.Checkpoint() != w.Certificate.Checkpoint() {
		t.Errorf("it keeps %+v", c)
	}
	if result.Position != w.Ledger.Head().Applied {
		t.Errorf("its place is %+v, want %+v", result.Position, w.Ledger.Head().Applied)
	}
	return result
}

// Whoever has the genesis alone, or was away over some changes, believes those
// who certify today, none of whom it knows.
func TestOverChanges(t *testing.T) {
	noLeaks(t)
	for _, recovered := range []bool{false, true} {
		w := changedWorld(t, recovered)
		for _, away := range []int{0, len(w.Entries) / 2, len(w.Entries) - 2} {
			l := toldOf(t, w, away)
			net := newWires().serve(w.Ledger, "YA", "YB", "YC", "ZA")
			reaches(t, config(l, net), l, w)
			if err := l.Check(context.Background()); err != nil {
				t.Fatalf("check: %v", err)
			}
			o, err := Look(testContext(t), config(l, net))
			if err != nil || o.Certified == nil || o.Certified.Checkpoint() != w.Certificate.Checkpoint() || o.Heard < o.Need {
				t.Errorf("recovered %v, away since entry %d: it looks out and sees %+v, %v", recovered, away, o, err)
			}
		}
	}
}

// Who shows a way that leads nowhere is named, and the others go on.
func TestLiesAboutChanges(t *testing.T) {
	noLeaks(t)
	w := changedWorld(t, true)
	for name, change := range map[string]func(a *stepsAnswer){
		"none":          func(a *stepsAnswer) { a.Steps = [][]byte{} },
		"nine left out": func(a *stepsAnswer) { a.Steps = a.Steps[min(9, len(a.Steps)):] }, // one or two would not be missed
		"no step at all": func(a *stepsAnswer) {
			if len(a.Steps) > 0 {
				a.Steps[0] = []byte{1}
			}
		},
		"one twice": func(a *stepsAnswer) {
			if len(a.Steps) > 0 {
				a.Steps = append(a.Steps, a.Steps[len(a.Steps)-1])
			}
		},
		"a bit changed": func(a *stepsAnswer) {
			if len(a.Steps) > 0 {
				a.Steps[0][len(a.Steps[0])/2] ^= 1
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := toldOf(t, w, 0)
			net := newWires().serve(w.Ledger, "YA", "YB", "YC", "ZA", "ZB")
			net.fault("YB", rewritten[stepsAnswer](StepsProtocol, change))
			var last Progress
			cfg := config(l, net)
			cfg.Progress = func(p Progress) { last = p }
			// The others must not have shown the way before it is asked.
			for _, p := range []string{"YA", "YC", "ZA", "ZB"} {
				net.fault(p, slowly(2*cfg.Rest))
			}
			reaches(t, cfg, l, w)
			for _, p := range last.Peers {
				if (p.Name == "YB") != (p.Lies > 0) {
					t.Errorf("%s has lied %d times: %s", p.Name, p.Lies, p.LastLie)
				}
			}
		})
	}
}

// A node that was away when the others recovered is told that it is of another
// history, if it is; and others do not blame it for what it still believes.
func TestLeftBehindByRecovery(t *testing.T) {
	noLeaks(t)
	w := changedWorld(t, false)
	// It has gone on where the others lost it all.
	lost := toldOf(t, w, len(w.Entries))
	size := len(w.Entries)
	w.Fill(40)
	for _, e := range w.Entries[size:] {
		if _, err := lost.Apply(e.At, e.Raw); err != nil {
			t.Fatal(err)
		}
	}
	if err := lost.Certify(w.Certified(lost)); err != nil {
		t.Fatal(err)
	}
	// The same world again, up to there.
	r := changedWorld(t, true)
	if r.Doc.ID() != w.Doc.ID() {
		t.Fatal("two worlds of one making are not the same")
	}
	if r.Ledger.Head().Size >= lost.Head().Size {
		t.Fatalf("the recovered ledger has %d statements, the one that was lost %d", r.Ledger.Head().Size, lost.Head().Size)
	}
	_, err := Run(testContext(t), config(lost, newWires().serve(r.Ledger, "YA", "YB", "ZA", "ZB")))
	if !errors.Is(err, ErrOtherHistory) {
		t.Errorf("the one that was lost: %v, want ErrOtherHistory", err)
	}
	l := toldOf(t, r, 0)
	net := newWires().serve(r.Ledger, "YA", "YB", "ZA", "ZB").serve(lost, "YC")
	net.fault("YC", slowly(20*time.Millisecond)) // one of three is enough, if it is heard alone
	var last Progress
	cfg := config(l, net)
	cfg.Progress = func(p Progress) { last = p }
	reaches(t, cfg, l, r)
	for _, p := range last.Peers {
		if p.Name != "YC" && p.Lies > 0 {
			t.Errorf("%s is blamed: %s", p.Name, p.LastLie)
		}
	}
}

// A server shows all steps, a part at a time.
func TestServeSteps(t *testing.T) {
	w := changedWorld(t, true)
	s := NewServer(ServerConfig{Source: w.Ledger, BytesPerSecond: -1})
	trust := receipt.Founding(w.Doc)
	for have := uint64(0); ; {
		raw, err := s.Serve(testContext(t), StepsProtocol, "XJ", mustEncode(&stepsRequest{Have: have}))
		if err != nil || raw[0] != statusDone {
			t.Fatal(raw, err)
		}
		var a stepsAnswer
		if err := decode(raw[1:], MaxAnswer, &a); err != nil {
			t.Fatal(err)
		}
		if len(a.Steps) == 0 {
			break
		}
		for _, raw := range a.Steps {
			s, err := receipt.ParseStep(raw)
			if err != nil {
				t.Fatal(err)
			}
			if trust, err = trust.Step(s); err != nil {
				t.Fatal(err)
			}
		}
		have += uint64(len(a.Steps))
	}
	if trust.Lineage != 2 || len(trust.Validators) != 4 {
		t.Errorf("it leads to %d validators of lineage %d", len(trust.Validators), trust.Lineage)
	}
	if _, err := s.Serve(testContext(t), StepsProtocol, "XJ", mustEncode(&stepsRequest{Have: receipt.MaxSteps + 1})); !errors.Is(err, ErrMalformed) {
		t.Errorf("too many: %v", err)
	}
}
