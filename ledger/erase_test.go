package ledger

import (
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// batchOfAll is a batch that by revokes, or undoes, as a candidate.
func (n *network) batchOfAll(t testing.TB, by statement.Region, undo bool, hashes []statement.RevocationHash, expires statement.Time) Candidate {
	t.Helper()
	a := statement.NewAttachment(hashes)
	b := statement.NewBatch(statement.HashSignature, a, expires, "lost")
	var body statement.Body = &statement.Revoke{Batch: b}
	if undo {
		body = &statement.Reinstate{Batch: b}
	}
	return Candidate{n.statement(t, by, 0, body).Raw(), a}
}

func mustErase(t testing.TB, l *Ledger, now statement.Time, margin time.Duration, limit, want int) {
	t.Helper()
	if got, err := l.Erase(now.Time(), margin, limit); err != nil || got != want {
		t.Fatalf("erasing at %s gave %d, %v; want %d", now, got, err, want)
	}
}

// L13: what is erased has expired by a certified seal and by the node's clock,
// no undo goes before what it undoes, and the log stays whole.
func TestErase(t *testing.T) {
	n := newNetwork(t, "erase.test")
	fs := vfs.NewMem()
	l := n.open(t, small(fs))
	defer func() { closeLedger(t, l) }()
	const at = sealTime
	shared := testHashes(100, 20)
	batches := []Candidate{
		n.batchOfAll(t, "XA", false, testHashes(0, 10), at+100),
		n.batchOfAll(t, "XA", false, testHashes(5, 10), at+300),
		n.batchOfAll(t, "XA", true, testHashes(0, 8), at+50), // cancels both: stays as long as the second
		n.batchOfAll(t, "XB", false, shared, at+100),
		n.batchOfAll(t, "XC", false, shared, at+9000), // the same attachment, for longer
		n.batchOfAll(t, "XD", true, testHashes(50, 3), at+60),
	}
	must(t, l, Position{1, 1}, n.sealBlock(t, l.Head(), 1, at, batches...))
	digests := make([][32]byte, len(batches))
	for i, b := range batches {
		digests[i] = hashOf(b.Attachment)
	}
	index := uint64(1)
	seal := func(at statement.Time) {
		t.Helper()
		_, raw := n.sealNow(t, l, 1, at)
		index++
		must(t, l, Position{index, 1}, raw)
	}
	certify := func(at statement.Time) { mustCertify(t, l, n.certify(t, l, l.Head().Size, at.Time())) }
	gone := func(want ...int) {
		t.Helper()
		v := l.View()
		defer closeView(t, v)
		erased, err := v.pin.erasedBatches()
		if err != nil || len(erased) != len(want) {
			t.Fatalf("erased are %v, want %v; %v", erased, want, err)
		}
		for i, d := range digests {
			still := false
			for j := range digests {
				still = still || digests[j] == d && !erased[uint64(j)]
			}
			a, err := v.Attachment(d)
			if has := v.HasAttachment(d); has != still || (err == nil) != still || (len(a) > 0) != still {
				t.Errorf("attachment of batch %d: %v, %d bytes, %v; want %v", i, has, len(a), err, still)
			}
			if !still && (!errors.Is(err, ErrErased) || !errors.Is(err, ErrNotFound)) {
				t.Errorf("an erased attachment gave %v", err)
			}
		}
		for _, i := range want {
			if !erased[uint64(i)] {
				t.Errorf("batch %d is not erased", i)
			}
		}
		check(t, l)
	}
	far := at + 1_000_000
	mustErase(t, l, far, 0, 0, 0) // before any seal
	seal(at + 200)
	mustErase(t, l, far, 0, 0, 0) // before it is certified
	certify(at + 201)
	mustErase(t, l, at+60, 0, 0, 1) // by its own clock, little has expired: XD's undo, which undoes nothing that is left
	gone(5)
	mustErase(t, l, at+200, 150*time.Second, 0, 0)
	mustErase(t, l, far, 0, 1, 1)
	gone(5, 0)
	mustErase(t, l, far, 0, 0, 1)
	gone(5, 0, 3) // the attachment of the fourth is the fifth's, too
	events := func(h int) []state.RevocationEvent {
		t.Helper()
		v := l.View()
		defer closeView(t, v)
		out, _, err := v.State().Revocations(testHash(h), 10)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if e := events(6); len(e) != 2 || e[0].InForce(at) || e[0].UndoneBy == nil {
		t.Errorf("a hash that was undone and whose first batch is erased: %+v", e)
	}
	if e := events(110); len(e) != 1 || e[0].Authority != "XC" {
		t.Errorf("a hash of two batches, of which one is erased: %+v", e)
	}
	closeLedger(t, l)
	l = n.open(t, small(fs))
	seal(at + 400)
	certify(at + 401)
	mustErase(t, l, far, 0, 0, 2)
	gone(5, 0, 3, 1, 2)
	// The same attachment may come again, and is then there again.
	again := n.batchOfAll(t, "XA", false, testHashes(0, 10), at+5000)
	index++
	must(t, l, Position{index, 1}, n.sealBlock(t, l.Head(), 1, at+410, again))
	if e := events(3); len(e) != 1 {
		t.Errorf("a hash that was revoked again: %+v", e)
	}
	v := l.View()
	if !v.HasAttachment(digests[0]) {
		t.Error("an attachment that came again is not there")
	}
	closeView(t, v)
	seal(at + 420)
	certify(at + 421)
	check(t, l)

	// A ledger that was grafted from this one lacks the same, and is as good.
	blocks := scionsOf(t, l, at+400)
	g := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, g)
	mustGraft(t, g, blocks...)
	check(t, g)
	if err := g.Adopt(l.Head().Applied); err != nil {
		t.Fatal(err)
	}
	check(t, g)
	if tablesOf(t, g) == tablesOf(t, l) {
		t.Error("positions came with what was grafted") // block records differ in them alone
	}
	if erasedIn(t, g) != 3 { // the first's attachment is the last's, and the fourth's the fifth's
		t.Errorf("%d batches are erased in the grafted ledger", erasedIn(t, g))
	}
	a, err := l.MakeSeal(at + 500)
	if err != nil {
		t.Fatal(err)
	}
	b, err := g.MakeSeal(at + 500)
	if err != nil || a.Records != b.Records || a.Revoked != b.Revoked {
		t.Errorf("the next seals differ: %v", err)
	}

	// What is erased and was not to be, Check finds; what is missing and not erased, too.
	for what, key := range map[string][]byte{"erased too early": indexKey(tableErased, 4), "missing": nil} {
		bad := n.open(t, small(vfs.NewMem()))
		must(t, bad, Position{1, 1}, n.sealBlock(t, bad.Head(), 1, at, batches...))
		db := bad.store.db
		if key != nil {
			if err := db.Set(key, digests[4][:], pebble.Sync); err != nil {
				t.Fatal(err)
			}
		} else if err := db.Set(attachmentKey(digests[0]), nil, pebble.Sync); err != nil {
			t.Fatal(err)
		}
		must(t, bad, Position{2, 1}, nil)
		if err := bad.Check(t.Context()); !errors.Is(err, ErrCorrupt) {
			t.Errorf("an attachment that is %s passes the check: %v", what, err)
		}
		closeLedger(t, bad)
	}
}
