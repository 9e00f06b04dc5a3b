package tiles_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
	"concordat/node/tiles"
)

const origin = "tiles.test"

var validators = []statement.Region{"XA", "XB", "XC", "XD"}

// quiet drops what is said of faults that a test makes.
var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("tiles test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func founding(t testing.TB) *genesis.Document {
	t.Helper()
	doc := &genesis.Document{
		Format: genesis.Format, Network: origin, Created: "2021-01-01T00:00:00Z",
		ProtocolLevel: genesis.ProtocolLevel, Policy: genesis.DefaultPolicy(),
	}
	for i, id := range validators {
		key := func(use string) genesis.Key {
			return genesis.Key(testKey(string(id) + "/" + use).Public().(ed25519.PublicKey))
		}
		doc.Authorities = append(doc.Authorities, genesis.Authority{
			ID: id, Name: "Region " + string(id), Role: genesis.Validator,
			Keys:      genesis.Keys{Governance: key("governance"), Statement: key("statement"), Node: key("node"), Cosign: key("cosign")},
			Addresses: []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", 4001+i)},
		})
	}
	if err := doc.Check(); err != nil {
		t.Fatal(err)
	}
	return doc
}

// served is a ledger behind a handler. What is certified is for the test to say.
type served struct {
	doc    *genesis.Document
	ledger *ledger.Ledger
	batch  [32]byte // digest of an attachment in it
	note   atomic.Pointer[certified]
	url    string
}

type certified struct {
	size uint64
	note []byte
}

// serve serves a ledger of size statements, of which nothing is certified yet.
// The sixth is a batch of revocations.
func serve(t testing.TB, size uint64) *served {
	t.Helper()
	s := &served{doc: founding(t)}
	l, err := ledger.Open(s.doc, ledger.Options{Dir: "ledger", FS: vfs.NewMem(), CacheBytes: 1 << 20, MemTableBytes: 1 << 20, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	s.ledger = l
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("closing the ledger: %v", err)
		}
	})
	for l.Head().Size < size {
		s.grow(t, min(100, size-l.Head().Size))
	}
	server := httptest.NewServer(tiles.New(tiles.Config{
		Certified: func() (uint64, []byte) {
			if c := s.note.Load(); c != nil {
				return c.size, c.note
			}
			return 0, nil
		},
		View:   func() tiles.View { return l.View() },
		Logger: quiet,
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// grow applies a block of n statements.
func (s *served) grow(t testing.TB, n uint64) {
	t.Helper()
	head := s.ledger.Head()
	var statements, attachments [][]byte
	for i := range n {
		index := head.Size + i
		by := validators[index%4]
		var body statement.Body
		revision := uint64(1)
		if index == 5 {
			a := statement.NewAttachment([]statement.RevocationHash{{1}, {2}, {3}})
			body = &statement.Revoke{Batch: statement.NewBatch(statement.HashSignature, a, 2_000_000_000, "lost")}
			revision = 0
			attachments = append(attachments, a)
			s.batch = sha256.Sum256(a)
		} else {
			key := make([]byte, 91)
			binary.BigEndian.PutUint64(key, index)
			body = &statement.RegisterKey{PublicKey: key, KeyID: key[:8]}
		}
		v, err := statement.Sign(statement.Statement{
			Issuer: by, Network: s.doc.ID(), Revision: revision, IssuedAt: 1_600_000_000, Body: body,
		}, testKey(string(by)+"/statement"))
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, v.Raw())
	}
	raw, err := block.Seal(block.Header{
		Network: s.doc.ID(), Term: 1, Size: head.Size, Root: head.Root, Time: head.Time + 5, Proposer: "XA",
	}, statements, attachments, testKey("XA/node"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.ledger.Apply(ledger.Position{Index: head.Applied.Index + 1, Term: 1}, raw)
	if err != nil || a.Refused != "" {
		t.Fatalf("applying a block at %d: %s: %s, %v", head.Size, a.Refused, a.Detail, err)
	}
}

// certify has three of the four validators sign the tree of a size.
func (s *served) certify(t testing.TB, size uint64) checkpoint.Checkpoint {
	t.Helper()
	v := s.ledger.View()
	root, err := v.RootAt(size)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	c := checkpoint.Checkpoint{Origin: origin, Size: size, Root: root}
	var lines []string
	for _, id := range validators[:3] {
		line, err := checkpoint.SignLog(c, testKey(string(id)+"/node"))
		if err != nil {
			t.Fatal(err)
		}
		co, err := checkpoint.Cosign(c, id, statement.Time(1_700_000_000).Time(), testKey(string(id)+"/cosign"))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line, co.Line)
	}
	s.note.Store(&certified{size, checkpoint.Assemble(c, lines).Bytes()})
	return c
}

// vkey is the verifier key of one of the log's keys.
func vkey(id statement.Region) string {
	return checkpoint.LogVKey(origin, testKey(string(id)+"/node").Public().(ed25519.PublicKey))
}
