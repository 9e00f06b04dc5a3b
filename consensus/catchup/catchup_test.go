package catchup

import (
	"testing"
)

func TestCatchUp(t *testing.T) {
	noLeaks(t)
	n := newNetwork(t)
	c := n.chain(t)
	c.risks(t, 700, 7)
	c.term = 3
	c.add(t, n.revoke(t, 0, 1000, 1_900_000_000), n.revoke(t, 5000, 10, 1_900_000_000), c.risk(t, 1_000_000, 0))
	c.risks(t, 1300, 100)
	cert := c.certify(t)
	l := n.opened(t)
	w := newWires().serve(c.l, "XA", "XB", "XC", "XO")
	var last Progress
	cfg := config(l, w)
	cfg.Progress = func(p Progress) { last = p }
	result := mustRun(t, cfg, l, c)
	if result.Size != 2003 || result.Position != c.l.Head().Applied || result.Fetched != 2003 || result.Bytes == 0 || result.Certified.Checkpoint() != cert.Checkpoint() {
		t.Errorf("result: %+v", result)
	}
	if last.Phase != Done || last.Size != 2003 || last.Target != 2003 || last.Waiting != "" || len(last.Peers) != 4 {
		t.Errorf("progress at the end: %+v", last)
	}
	if got := l.Certified(); got == nil || got.Checkpoint() != cert.Checkpoint() {
		t.Errorf("the ledger keeps %v as certified", got)
	}
	if err := l.Adopt(result.Position); err != nil {
		t.Fatal(err)
	}
	// Once there, another run has nothing to do.
	if again := mustRun(t, cfg, l, c); again.Fetched != 0 || again.Size != 2003 || again.Position != result.Position {
		t.Errorf("again: %+v", again)
	}
	// And from there it goes on.
	c.risks(t, 300, 1)
	c.certify(t)
	if more := mustRun(t, cfg, l, c); more.Fetched != 300 || more.Position != c.l.Head().Applied {
		t.Errorf("more: %+v", more)
	}
}
