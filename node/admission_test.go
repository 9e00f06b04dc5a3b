package node

import (
	"log/slog"
	"testing"
	"time"

	"concordat/client/authority"
	"concordat/ledger/genesis"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// TestOutlookNeverGoesBack: a newcomer that knows from a bundle that it was
// admitted does not take an older one for news, and does not start anew again and again.
func TestOutlookNeverGoesBack(t *testing.T) {
	var ds []genesis.Descriptor
	var dir *authority.Directory
	for _, id := range []statement.Region{"XA", "XB"} {
		at := t.TempDir() + "/d"
		d, err := authority.Create(at, id, "n", []string{"/ip4/127.0.0.1/tcp/4001"}, "", "")
		if err != nil {
			t.Fatal(err)
		}
		ds = append(ds, *d)
		if dir, err = authority.Open(at, nil); err != nil {
			t.Fatal(err)
		}
	}
	with, err := genesis.New("x.test", time.Unix(1_600_000_000, 0), ds)
	if err != nil {
		t.Fatal(err)
	}
	without, err := genesis.New("x.test", time.Unix(1_600_000_000, 0), ds[:1])
	if err != nil {
		t.Fatal(err)
	}
	view := func(d *genesis.Document) state.View { return state.View{Reader: state.NewMemory(state.Found(d))} }
	n := &Node{log: slog.Default(), dir: dir, superseded: make(chan *changed, 1)}
	n.cfg.outlook = &outlook{size: 500, state: view(with)} // what this node was started with
	if n.me, err = n.selfIn(n.cfg.outlook.state, dir); err != nil {
		t.Fatal(err)
	}
	n.roster = &roster{n: n}
	list, _ := n.cfg.outlook.state.Authorities()
	n.roster.take(list, 500)
	superseded := func() bool {
		select {
		case <-n.superseded:
			return true
		default:
			return false
		}
	}
	for _, size := range []uint64{200, 500} {
		if err := n.takeOutlook(&outlook{size: size, state: view(without)}); err != nil || superseded() {
			t.Errorf("it takes one of %d, knowing one of 500: %v", size, err)
		}
	}
	n.cfg.outlook.size = 100
	if err := n.takeOutlook(&outlook{size: 500, state: view(without)}); err != nil || superseded() {
		t.Errorf("it takes one of 500, and its roster knows one of 500: %v", err)
	}

	// A newer one counts; but not at once after the one before.
	began := time.Now()
	n.cfg.outlook.at = began
	if err := n.takeOutlook(&outlook{size: 501, state: view(without)}); err == nil || superseded() {
		t.Errorf("it starts anew twice at once: %v", err)
	}
	n.cfg.outlook.at = began.Add(-time.Hour)
	if err := n.takeOutlook(&outlook{size: 501, state: view(without)}); err != nil || !superseded() {
		t.Errorf("it does not take a newer one: %v", err)
	}
	was := &outlook{at: began}
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 120, 120} {
		if was.pause() != want*time.Second {
			t.Errorf("after %d it is left for %v", i, was.pause())
		}
		next := &outlook{}
		if err := next.follows(was, was.at.Add(was.pause()-1)); err == nil {
			t.Errorf("%d: before the pause is over", i)
		}
		if err := next.follows(was, was.at.Add(was.pause())); err != nil {
			t.Error(err)
		}
		was = next
	}
	rested := &outlook{}
	if err := rested.follows(was, was.at.Add(time.Hour)); err != nil || rested.after != 0 {
		t.Errorf("after an hour of rest: %d, %v", rested.after, err)
	}
}
