package node

import (
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/healthcode/hc1"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
	"concordat/recognition"
	"concordat/testnet/codes"
	"concordat/testnet/ports"
)

// soloNode is a network of one node, XA's, in this process, and the voices of
// the authorities: XA's, and those of observers that have no node.
type soloNode struct {
	*Node
	dir     string
	authors map[statement.Region]*client.Author
	grown   int // areas declared by grow
}

func startSolo(b *testing.B, observers ...statement.Region) *soloNode {
	b.Helper()
	root := b.TempDir()
	s := &soloNode{dir: filepath.Join(root, "XA"), authors: map[statement.Region]*client.Author{}}
	regions := append([]statement.Region{"XA"}, observers...)
	free, err := ports.Free(len(regions))
	if err != nil {
		b.Fatal(err)
	}
	var ds []genesis.Descriptor
	for i, r := range regions {
		d, err := authority.Create(filepath.Join(root, string(r)), r, "Health authority of "+string(r), []string{"/ip4/127.0.0.1/tcp/" + strconv.Itoa(free[i])}, "", "")
		if err != nil {
			b.Fatal(err)
		}
		ds = append(ds, *d)
	}
	doc, err := genesis.New("bench.concordat.example", time.Now(), ds)
	if err != nil {
		b.Fatal(err)
	}
	for i := range doc.Authorities {
		if a := &doc.Authorities[i]; a.ID != "XA" {
			a.Role = genesis.Observer
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, "genesis.json"), doc.Encode(), 0o600); err != nil {
		b.Fatal(err)
	}
	s.Node, err = Start(Config{Dir: s.dir, Found: true, HTTP: "127.0.0.1:0", Profile: "site", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Errorf("closing: %v", err)
		}
	})
	for _, r := range regions {
		dir, err := authority.Open(filepath.Join(root, string(r)), nil)
		if err != nil {
			b.Fatal(err)
		}
		key, err := dir.Key(authority.Statement)
		if err != nil {
			b.Fatal(err)
		}
		s.authors[r] = &client.Author{Authority: r, Network: doc.ID(), Key: key.Ed25519()}
	}
	return s
}

// say gets a statement of XA's ordered. revision is 0 where its kind has none.
func (s *soloNode) say(b *testing.B, body statement.Body, revision uint64, attachment []byte) {
	b.Helper()
	s.sayAs(b, "XA", body, revision, attachment, client.Ordered)
}

// sayAs gets a statement of an authority's ordered, or final.
func (s *soloNode) sayAs(b *testing.B, by statement.Region, body statement.Body, revision uint64, attachment []byte, wait string) {
	b.Helper()
	v, err := s.authors[by].Compose(b.Context(), body, revision)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Submit(b.Context(), v.Raw(), attachment, wait); err != nil {
		b.Fatal(err)
	}
}

// register registers the signer of a code, and gives the question whether the code is good.
func (s *soloNode) register(b *testing.B, name string) client.Check {
	b.Helper()
	code, err := codes.Get(name)
	if err != nil {
		b.Fatal(err)
	}
	cert, err := x509.ParseCertificate(code.Certificate)
	if err != nil {
		b.Fatal(err)
	}
	kid := hc1.KeyID(code.Certificate)
	s.say(b, &statement.RegisterKey{
		PublicKey: cert.RawSubjectPublicKeyInfo, KeyID: kid[:], Certificate: code.Certificate, ValidUntil: statement.TimeOf(cert.NotAfter),
	}, 1, nil)
	at := time.Date(2021, 9, 1, 12, 0, 0, 0, time.UTC)
	return client.Check{Codes: []string{code.Text}, At: &at}
}

// revoke revokes count random hashes, in batches as large as they may be.
func (s *soloNode) revoke(b *testing.B, count int) {
	b.Helper()
	expires := statement.TimeOf(time.Now().AddDate(1, 0, 0))
	for left := count; left > 0; left -= statement.MaxBatchHashes {
		hashes := make([]statement.RevocationHash, min(left, statement.MaxBatchHashes))
		for i := range hashes {
			if _, err := rand.Read(hashes[i][:]); err != nil {
				b.Fatal(err)
			}
		}
		attachment := statement.NewAttachment(hashes)
		s.say(b, &statement.Revoke{Batch: statement.NewBatch(statement.HashSignature, attachment, expires, "made up to measure with")}, 0, attachment)
	}
}

// grow declares a risk in a made-up area that no call before has named.
func (s *soloNode) grow(b *testing.B, wait string) {
	b.Helper()
	s.grown++
	s.sayAs(b, "XA", &statement.DeclareRisk{RiskLevel: statement.RiskLevel{
		Area: statement.Area(fmt.Sprintf("XZ-%d", s.grown)), Scheme: "default", Level: "high", From: 1_630_000_000, Lookback: 14,
	}}, 1, nil, wait)
}

// BenchmarkCheck is a check of a real code at a node whose ledger has no
// revoked hash, and at one that has a million, or CHECK_BENCH_HASHES:
//
//	go test ./node -run '^$' -bench 'Check$'
//	CHECK_BENCH_HASHES=10000000 go test ./node -run '^$' -bench 'Check$' -benchtime 5s -timeout 1h
//
// The hashes come the way that a revocation comes: signed, submitted, ordered
// through Raft's log, applied. x-of-none says how many times as much a check
// costs as with none; what is promised is less than 1.5.
//
// The nodes are asked in turns of a thousand checks, so that what else the
// machine does disturbs both alike. Before each turn the ledgers grow by a
// statement, as they do all the time: what is read then is read from the store
// as its compactions have left it by now.
func BenchmarkCheck(b *testing.B) {
	hashes := 1_000_000
	if s := os.Getenv("CHECK_BENCH_HASHES"); s != "" {
		var err error
		if hashes, err = strconv.Atoi(s); err != nil {
			b.Fatalf("CHECK_BENCH_HASHES: %v", err)
		}
	}
	type subject struct {
		node *soloNode
		ask  client.Check
		name string
		cost time.Duration // of one check
	}
	var subjects []*subject
	for _, count := range []int{0, hashes} {
		s := &subject{node: startSolo(b), name: fmt.Sprintf("revoked=%d", count)}
		s.ask = s.node.register(b, "AT-1")
		began := time.Now()
		s.node.revoke(b, count)
		if count > 0 {
			b.Logf("%d hashes revoked in %s", count, time.Since(began).Round(time.Millisecond))
		}
		subjects = append(subjects, s)
	}
	check := func(s *subject) {
		got, err := s.node.Check(b.Context(), s.ask)
		if err != nil || got.Decision.Decision != recognition.Recognized {
			b.Fatal(got.Decision.Decision, got.Reasons, err)
		}
	}
	b.Run("ratio", func(b *testing.B) {
		const turn = 1000
		turns := 0
		for b.Loop() {
			for _, s := range subjects {
				s.node.grow(b, client.Ordered)
				began := time.Now()
				for range turn {
					check(s)
				}
				s.cost += time.Since(began)
			}
			turns++
		}
		per := func(s *subject) float64 { return float64(s.cost.Nanoseconds()) / float64(turns*turn) }
		b.ReportMetric(per(subjects[0]), "ns/check-of-none")
		b.ReportMetric(per(subjects[1]), fmt.Sprintf("ns/check-of-%d", hashes))
		b.ReportMetric(per(subjects[1])/per(subjects[0]), "x-of-none")
		b.ReportMetric(0, "ns/op") // a turn is no operation of anybody's
	})
	for _, s := range subjects {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				check(s)
			}
		})
	}
}
