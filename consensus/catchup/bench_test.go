package catchup

import (
	"os"
	"strconv"
	"testing"
	"time"

	"concordat/ledger"
	"concordat/ledger/statement"
)

// BenchmarkCatchUp brings an empty ledger on disk up to 100,000 statements
// (CATCHUP_STATEMENTS for another number), in blocks of 64, from three peers in
// this process, which share its processors; and applies the same blocks to
// another empty ledger, signatures verified, as a node does that has them in
// Raft's log. It prints both rates. Run it with -benchtime 1x.
func BenchmarkCatchUp(b *testing.B) {
	total := 100_000
	if s := os.Getenv("CATCHUP_STATEMENTS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		total = n
	}
	const perBlock = 64
	n := newNetwork(b)
	open := func(dir string) *ledger.Ledger {
		l, err := ledger.Open(n.doc, ledger.Options{Dir: dir, Logger: quiet, Checker: statement.NewChecker(1 << 10)})
		if err != nil {
			b.Fatal(err)
		}
		return l
	}
	c := &chain{network: n, l: open(b.TempDir()), term: 1, index: 10, time: startTime}
	defer func() { closeLedger(b, c.l) }()

	// Made and applied in turns, so that the blocks need not be kept: what is
	// timed is only the applying.
	var local time.Duration
	for c.made < total {
		var cs []ledger.Candidate
		for range min(perBlock, total-c.made) {
			cs = append(cs, c.risk(b, c.made, 0))
			c.made++
		}
		raw := c.seal(b, validators[c.made/perBlock%4], cs...)
		began := time.Now()
		c.apply(b, raw)
		local += time.Since(began)
	}
	c.certify(b)
	if err := c.l.Flush(); err != nil {
		b.Fatal(err)
	}

	for b.Loop() {
		l := open(b.TempDir())
		began := time.Now()
		cfg := config(l, newWires().serve(c.l, "XA", "XB", "XC"))
		cfg.Hedge, cfg.CallTimeout = time.Second, 15*time.Second
		result, err := Run(b.Context(), cfg)
		if err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		sameHead(b, l, c)
		closeLedger(b, l)
		fetched, applied := float64(total)/took.Seconds(), float64(total)/local.Seconds()
		b.ReportMetric(fetched, "caught-up/s")
		b.ReportMetric(applied, "applied-locally/s")
		b.ReportMetric(fetched/applied, "ratio")
		b.ReportMetric(float64(result.Bytes)/float64(total), "B/statement")
		b.ReportMetric(0, "ns/op")
	}
}
