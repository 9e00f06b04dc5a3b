package ledger

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// The benchmarks run on the disk of the temporary directory:
//
//	go test ./ledger -run '^$' -bench .
//	LEDGER_BENCH_HASHES=10000000 go test ./ledger -run '^$' -bench Lookup -timeout 1h

func benchLedger(b *testing.B, n *network) *Ledger {
	b.Helper()
	l := n.open(b, Options{Dir: b.TempDir(), Logger: quiet})
	b.Cleanup(func() { closeLedger(b, l) })
	return l
}

// declarations makes count statements that no other call makes.
func declarations(b *testing.B, n *network, call, count int) []Candidate {
	cs := make([]Candidate, count)
	for i := range cs {
		cs[i] = n.say(b, validators[i%4], 1, &statement.DeclareRisk{RiskLevel: statement.RiskLevel{
			Area: statement.Area(fmt.Sprintf("XZ-%d-%d", call, i)), Scheme: "default", Level: "high", From: 1_600_000_000, Lookback: 14,
		}})
	}
	return cs
}

func BenchmarkApply512(b *testing.B) {
	for _, judged := range []bool{false, true} {
		name := map[bool]string{false: "follower", true: "leader, signatures verified before"}[judged]
		b.Run(name, func(b *testing.B) {
			n := newNetwork(b, "bench.test")
			l := benchLedger(b, n)
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				cs := declarations(b, n, i, 512)
				if judged {
					if _, err := l.Judge(cs); err != nil {
						b.Fatal(err)
					}
				}
				raw := n.seal(b, l.Head(), 1, cs...)
				b.StartTimer()
				must(b, l, Position{uint64(i + 1), 1}, raw)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/512, "µs/statement")
		})
	}
}

func BenchmarkJudge512(b *testing.B) {
	n := newNetwork(b, "bench.test")
	l := benchLedger(b, n)
	cs := declarations(b, n, 0, 512)
	for _, warm := range []bool{false, true} {
		b.Run(map[bool]string{false: "cold", true: "signatures verified before"}[warm], func(b *testing.B) {
			for b.Loop() {
				if !warm {
					b.StopTimer()
					l.options.Checker = statement.NewChecker(1024)
					b.StartTimer()
				}
				js, err := l.Judge(cs)
				if err != nil || !js[511].Accepted() {
					b.Fatal(js[511].Verdict, err)
				}
			}
		})
	}
}

func BenchmarkApplyRevocation65536(b *testing.B) {
	n := newNetwork(b, "bench.test")
	l := benchLedger(b, n)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		raw := n.seal(b, l.Head(), 1, n.revoke(b, "XA", testHashes(i<<16, 1<<16), "lost"))
		b.StartTimer()
		must(b, l, Position{uint64(i + 1), 1}, raw)
	}
}

func BenchmarkApplyEmptyEntry(b *testing.B) {
	n := newNetwork(b, "bench.test")
	l := benchLedger(b, n)
	for i := uint64(1); b.Loop(); i++ {
		must(b, l, Position{i, 1}, nil)
	}
}

// BenchmarkLookup asks what is revoked, as a check does: a view, and the
// events of a hash. 1 million hashes, or LEDGER_BENCH_HASHES.
func BenchmarkLookup(b *testing.B) {
	million := 1_000_000
	if s := os.Getenv("LEDGER_BENCH_HASHES"); s != "" {
		var err error
		if million, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	for _, total := range []int{0, million} {
		n := newNetwork(b, "bench.test")
		l := benchLedger(b, n)
		for i, at := uint64(1), 0; at < total; i++ {
			c := n.revoke(b, "XA", testHashes(at, min(1<<16, total-at)), "lost")
			must(b, l, Position{i, 1}, n.seal(b, l.Head(), 1, c))
			at += 1 << 16
		}
		if err := l.store.db.Flush(); err != nil {
			b.Fatal(err)
		}
		if total > 0 { // as it is in the long run: nearly all in the last level
			if err := l.store.db.Compact(b.Context(), []byte{tableState}, []byte{tableState + 1}, true); err != nil {
				b.Fatal(err)
			}
			must(b, l, Position{1 << 40, 1}, nil) // and a new view
		}
		lookup := func(b *testing.B, present bool) {
			for i := 0; b.Loop(); i++ {
				at := i * 7919 % max(total, 1)
				if !present {
					at += total
				}
				v := l.View()
				events, _, err := v.State().Revocations(testHash(at), 10)
				if err != nil || (len(events) > 0) != present {
					b.Fatal(at, len(events), err)
				}
				closeView(b, v)
			}
		}
		b.Run(fmt.Sprintf("absent among %d", total), func(b *testing.B) { lookup(b, false) })
		if total > 0 {
			b.Run(fmt.Sprintf("present among %d", total), func(b *testing.B) { lookup(b, true) })
		}
		b.Run(fmt.Sprintf("absent among %d, all processors", total), func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for i := total; pb.Next(); i++ {
					v := l.View()
					if events, _, err := v.State().Revocations(testHash(i), 10); err != nil || len(events) > 0 {
						b.Error(i, len(events), err)
					}
					closeView(b, v)
				}
			})
		})
	}
}

func BenchmarkView(b *testing.B) {
	n := newNetwork(b, "bench.test")
	l := benchLedger(b, n)
	b.Run("open and close", func(b *testing.B) {
		for b.Loop() {
			closeView(b, l.View())
		}
	})
	b.Run("with an authority's record", func(b *testing.B) {
		for b.Loop() {
			v := l.View()
			if _, known, err := v.State().Authority("XA"); err != nil || !known {
				b.Fatal(known, err)
			}
			closeView(b, v)
		}
	})
	b.Run("with a key that is absent", func(b *testing.B) {
		prefix := state.RevocationPrefix(testHash(0))
		for b.Loop() {
			v := l.View()
			if value, err := v.Get(prefix); err != nil || value != nil {
				b.Fatal(value, err)
			}
			closeView(b, v)
		}
	})
}
