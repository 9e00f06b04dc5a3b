package ledger

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// BenchmarkReapply applies the blocks of a ledger to an empty one, in their
// order and with all signatures verified, as a node does that has them in Raft's
// log: the yardstick of catching up. The ledger is that of a stopped node which
// took part in the order from the first, whose directory LEDGER_BENCH_DIR names,
// or one that is made here. Run it with -benchtime 1x.
func BenchmarkReapply(b *testing.B) {
	var doc *genesis.Document
	var src *Ledger
	if dir := os.Getenv("LEDGER_BENCH_DIR"); dir != "" {
		raw, err := os.ReadFile(filepath.Join(dir, "genesis.json"))
		if err != nil {
			b.Fatal(err)
		}
		if doc, err = genesis.Parse(raw); err != nil {
			b.Fatal(err)
		}
		if src, err = Open(doc, Options{Dir: filepath.Join(dir, "data", "ledger"), MustExist: true, Logger: quiet}); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { closeLedger(b, src) })
	} else {
		n := newNetwork(b, "bench.test")
		doc, src = n.doc, benchLedger(b, n)
		for i := range 40 {
			must(b, src, Position{uint64(i + 1), 1}, n.seal(b, src.Head(), 1, declarations(b, n, i, 500)...))
		}
	}
	v := src.View()
	defer closeView(b, v)
	var applied time.Duration
	for b.Loop() {
		l, err := Open(doc, Options{Dir: b.TempDir(), CacheBytes: 256 << 20, Logger: quiet, Checker: statement.NewChecker(1 << 16)})
		if err != nil {
			b.Fatal(err)
		}
		for l.Head().Size < v.Head().Size {
			blocks, err := v.Blocks(l.Head().Size, 64)
			if err != nil {
				b.Fatal(err)
			}
			for _, x := range blocks {
				raw := proposed(b, v, x)
				began := time.Now()
				must(b, l, x.Position, raw)
				applied += time.Since(began)
			}
		}
		if l.Head().Root != v.Head().Root {
			b.Fatal("another root")
		}
		closeLedger(b, l)
	}
	b.ReportMetric(float64(b.N)*float64(v.Head().Size)/applied.Seconds(), "statements/s")
	b.ReportMetric(float64(v.Head().Size), "statements")
	b.ReportMetric(0, "ns/op")
}

// proposed makes the bytes of a block again, as its proposer made them.
func proposed(b *testing.B, v *View, x Block) []byte {
	b.Helper()
	body := [2][][]byte{{}, {}} // statements, attachments
	for i := range x.Count {
		e, err := v.ByIndex(x.First + i)
		if err != nil {
			b.Fatal(err)
		}
		body[0] = append(body[0], e.Raw())
		if said, ok := e.Statement().Body.(*statement.Revoke); ok {
			a, err := v.Attachment(said.Digest)
			if err != nil {
				b.Fatal(err)
			}
			body[1] = append(body[1], a)
		}
	}
	content, err := cbor.Marshal(body)
	if err != nil {
		b.Fatal(err)
	}
	raw, err := cbor.Marshal([3][]byte{x.Proof.Header, x.Proof.Signature, content})
	if err != nil {
		b.Fatal(err)
	}
	return raw
}
