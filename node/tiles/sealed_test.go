package tiles_test

import (
	"errors"
	"testing"
	"time"

	"concordat/client/audit"
	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
)

// seal applies the seal that the ledger makes for a time, alone in its block.
func (s *served) seal(t testing.TB, at statement.Time) {
	t.Helper()
	body, err := s.ledger.MakeSeal(at)
	if err != nil {
		t.Fatal(err)
	}
	v, err := statement.Sign(statement.Statement{Issuer: "XA", Network: s.doc.ID(), IssuedAt: at, Body: &body}, testKey("XA/node"))
	if err != nil {
		t.Fatal(err)
	}
	head := s.ledger.Head()
	raw, err := block.Seal(block.Header{
		Network: s.doc.ID(), Term: 1, Size: head.Size, Root: head.Root, Time: int64(at) * 1000, Proposer: "XA",
	}, [][]byte{v.Raw()}, nil, testKey("XA/node"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.ledger.Apply(ledger.Position{Index: head.Applied.Index + 1, Term: 1}, raw)
	if err != nil || a.Refused != "" {
		t.Fatalf("applying a seal: %s: %s, %v", a.Refused, a.Detail, err)
	}
}

// TestSealsAndErasure audits a ledger's own seals, before and after it has
// erased what expired.
func TestSealsAndErasure(t *testing.T) {
	t.Parallel()
	s := serve(t, 300)
	const expires = 2_000_000_000 // of the batch at index 5
	s.seal(t, expires-1000)
	s.grow(t, 20)
	s.seal(t, expires+1)
	s.certify(t, s.ledger.Head().Size)
	run := func() *audit.Report {
		t.Helper()
		source, err := audit.HTTP(s.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := audit.Run(t.Context(), audit.Config{Genesis: s.doc, Source: source})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := run(); r.Seals != (audit.Seals{Whole: 2}) || r.Batches != (audit.Batches{Verified: 1}) {
		t.Errorf("seals %+v, batches %+v", r.Seals, r.Batches)
	}

	n, err := checkpoint.ParseNote(s.note.Load().note)
	if err != nil {
		t.Fatal(err)
	}
	c, err := n.Certify(receipt.FoundingValidators(s.doc))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ledger.Certify(c); err != nil {
		t.Fatal(err)
	}
	if erased, err := s.ledger.Erase(statement.Time(expires+10).Time().Add(time.Hour), 0, 0); err != nil || erased != 1 {
		t.Fatalf("%d batches were erased: %v", erased, err)
	}
	v := s.ledger.View()
	if _, err := v.Attachment(s.batch); !errors.Is(err, ledger.ErrErased) {
		t.Errorf("the attachment: %v", err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	if r := run(); r.Seals != (audit.Seals{Whole: 1, Partial: 1}) || r.Batches != (audit.Batches{Erased: 1}) {
		t.Errorf("erased: seals %+v, batches %+v", r.Seals, r.Batches)
	}
}
