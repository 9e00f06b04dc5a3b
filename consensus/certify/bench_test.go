package certify

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkCertified measures, with all nodes in one process and no network,
// the time from a block applied at all to a certified checkpoint at all: what
// echoes, signatures, signer files and certificates cost together. The leader
// may mark as often as it likes. On the disk every signature is fsync'd four
// times: each validator's file, and its directory.
func BenchmarkCertified(b *testing.B) {
	for _, n := range []int{4, 7} {
		for _, where := range []string{"memory", "disk"} {
			b.Run(fmt.Sprintf("validators=%d/%s", n, where), func(b *testing.B) {
				w := newWorld(b, makeDoc(n), 1)
				w.blind = true
				dir := b.TempDir()
				w.tune = func(c *Config) {
					c.MarkEvery = time.Millisecond
					if where == "disk" {
						c.disk, c.SignerPath = nil, filepath.Join(dir, string(c.Self))
					}
				}
				for range b.N {
					w.chain.add(1)
				}
				w.start()
				defer w.stop()
				var total, worst time.Duration
				b.ResetTimer()
				for _, block := range w.chain.blocks {
					b.StopTimer()
					time.Sleep(2 * time.Millisecond) // the last round comes to rest, and the next mark is due
					b.StartTimer()
					for _, id := range w.ids {
						if _, err := w.members[id].ledger.Apply(block.pos, block.raw); err != nil {
							b.Fatal(err)
						}
					}
					applied := time.Now()
					for _, id := range w.ids {
						if err := w.members[id].cert.WaitFinal(b.Context(), block.end.size); err != nil {
							b.Fatal(err)
						}
					}
					took := time.Since(applied)
					total, worst = total+took, max(worst, took)
				}
				b.StopTimer()
				b.ReportMetric(float64(total.Microseconds())/float64(b.N)/1000, "ms-applied-to-certified")
				b.ReportMetric(float64(worst.Microseconds())/1000, "ms-worst")
				w.mu.Lock()
				b.ReportMetric(float64(w.calls)/float64(b.N), "messages/round")
				w.mu.Unlock()
			})
		}
	}
}
