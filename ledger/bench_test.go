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

// BenchmarkCatchUp compares applying blocks of the order with grafting the same
// blocks below a certified checkpoint, in statements a second.
func BenchmarkCatchUp(b *testing.B) {
	const perBlock, blocks = 500, 40
	n := newNetwork(b, "bench.test")
	src := benchLedger(b, n)
	var raws [][]byte
	for i := range blocks {
		raw := n.seal(b, src.Head(), 1, declarations(b, n, i, perBlock)...)
		must(b, src, Position{uint64(i + 1), 1}, raw)
		raws = append(raws, raw)
	}
	scions := scionsOf(b, src, 0)
	run := func(name string, fill func(*testing.B, *Ledger)) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				l := n.open(b, Options{Dir: b.TempDir(), Logger: quiet})
				b.StartTimer()
				fill(b, l)
				b.StopTimer()
				if l.Head().Root != src.Head().Root {
					b.Fatal("another root")
				}
				closeLedger(b, l)
				b.StartTimer()
			}
			b.ReportMetric(float64(b.N)*perBlock*blocks/b.Elapsed().Seconds(), "statements/s")
		})
	}
	run("apply", func(b *testing.B, l *Ledger) {
		for i, raw := range raws {
			must(b, l, Position{uint64(i + 1), 1}, raw)
		}
	})
	run("graft", func(b *testing.B, l *Ledger) { mustGraft(b, l, scions...) })
}

// BenchmarkSeal measures a seal of what has changed since the last, over a state
// of LEDGER_BENCH_AREAS risk areas (100,000: three records each) or of a million
// revoked hashes.
func BenchmarkSeal(b *testing.B) {
	areas := 100_000
	if s := os.Getenv("LEDGER_BENCH_AREAS"); s != "" {
		var err error
		if areas, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	measure := func(b *testing.B, fill func(*network, *Ledger, *Position), change func(n *network, i int) []Candidate) {
		n := newNetwork(b, "bench.test")
		l := benchLedger(b, n)
		pos := Position{0, 1}
		fill(n, l, &pos)
		at := sealTime
		seal := func() []byte {
			at += 60
			_, raw := n.sealNow(b, l, 1, at)
			l.sealed.Store(nil) // a follower computes it anew
			return raw
		}
		pos.Index++
		must(b, l, pos, seal())
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			pos.Index++
			must(b, l, pos, n.sealBlock(b, l.Head(), 1, at, change(n, i)...))
			raw := seal()
			b.StartTimer()
			pos.Index++
			must(b, l, pos, raw)
		}
	}
	records := func(n *network, l *Ledger, pos *Position) {
		for i := 0; i < areas; i += 1000 {
			pos.Index++
			must(b, l, *pos, n.seal(b, l.Head(), 1, declarations(b, n, i+1_000_000, 1000)...))
		}
	}
	for _, changes := range []int{1, 1000} {
		b.Run(fmt.Sprintf("%d of %d areas changed", changes, areas), func(b *testing.B) {
			measure(b, records, func(n *network, i int) []Candidate { return declarations(b, n, i, changes) })
		})
	}
	b.Run("65536 hashes more than a million", func(b *testing.B) {
		measure(b, func(n *network, l *Ledger, pos *Position) {
			for i := range 16 {
				pos.Index++
				must(b, l, *pos, n.seal(b, l.Head(), 1, n.revoke(b, "XA", testHashes(i<<16, 1<<16), "lost")))
			}
		}, func(n *network, i int) []Candidate {
			return []Candidate{n.revoke(b, "XA", testHashes((20+i)<<16, 1<<16), "lost")}
		})
	})
}
