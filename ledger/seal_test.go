package ledger

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger/block"
	"concordat/ledger/bundle"
	"concordat/ledger/checkpoint"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// sealNow is XA's seal of l's state for the time at, and the block of it alone.
func (n *network) sealNow(t testing.TB, l *Ledger, term uint64, at statement.Time) (Candidate, []byte) {
	t.Helper()
	s, err := l.MakeSeal(at)
	if err != nil {
		t.Fatalf("sealing: %v", err)
	}
	c := n.signSeal(t, s)
	return c, n.sealBlock(t, l.Head(), term, at, c)
}

func (n *network) signSeal(t testing.TB, s statement.SealState) Candidate {
	t.Helper()
	v, err := statement.Sign(statement.Statement{Issuer: "XA", Network: n.id, IssuedAt: s.At, Body: &s}, testKey("XA/node"))
	if err != nil {
		t.Fatalf("signing a seal: %v", err)
	}
	return Candidate{Raw: v.Raw()}
}

func (n *network) sealBlock(t testing.TB, head Head, term uint64, at statement.Time, cs ...Candidate) []byte {
	t.Helper()
	return n.sealAs(t, block.Header{
		Network: n.id, Term: term, Size: head.Size, Root: head.Root, Time: int64(at)*1000 + 7, Proposer: "XA",
	}, testKey("XA/node"), cs...)
}

// noteAt is what the given validators co-sign of l at a size.
func (n *network) noteAt(t testing.TB, l *Ledger, size uint64, at time.Time, by ...statement.Region) *checkpoint.Note {
	t.Helper()
	v := l.View()
	defer closeView(t, v)
	root, err := v.RootAt(size)
	if err != nil {
		t.Fatal(err)
	}
	return n.note(t, checkpoint.Checkpoint{Origin: n.doc.Network, Size: size, Root: root}, at, by...)
}

func (n *network) note(t testing.TB, c checkpoint.Checkpoint, at time.Time, by ...statement.Region) *checkpoint.Note {
	t.Helper()
	var lines []string
	for _, id := range by {
		co, err := checkpoint.Cosign(c, id, at, testKey(string(id)+"/cosign"))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, co.Line)
	}
	return checkpoint.Assemble(c, lines)
}

func (n *network) validators(t testing.TB) checkpoint.Validators {
	t.Helper()
	vs, err := state.View{Reader: state.NewMemory(state.Found(n.doc))}.Validators()
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

// certify certifies l at a size.
func (n *network) certify(t testing.TB, l *Ledger, size uint64, at time.Time) *checkpoint.Certified {
	t.Helper()
	c, err := n.noteAt(t, l, size, at, "XA", "XB", "XC").Certify(n.validators(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustCertify(t testing.TB, l *Ledger, c *checkpoint.Certified) {
	t.Helper()
	if err := l.Certify(c); err != nil {
		t.Fatalf("certifying size %d: %v", c.Checkpoint().Size, err)
	}
}

// sealTime is when the seals of these tests are made: after every block of n.seal.
const sealTime statement.Time = 1_700_000_000

// L11: every replica recomputes a seal, and refuses one that says anything else.
func TestSeal(t *testing.T) {
	n := newNetwork(t, "seal.test")
	leader, follower := n.open(t, small(vfs.NewMem())), n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, leader)
	defer closeLedger(t, follower)
	pos := Position{0, 1}
	both := func(raw []byte) {
		t.Helper()
		pos.Index++
		must(t, leader, pos, raw)
		must(t, follower, pos, raw)
		if a, b := tablesOf(t, leader), tablesOf(t, follower); a != b {
			t.Fatal("leader and follower have other tables (L2)")
		}
	}
	if _, is, _ := leader.lastSeal(t); is {
		t.Error("a founded ledger has a seal")
	}
	both(n.seal(t, leader.Head(), 1, n.say(t, "XA", 1, grant("XB")), n.revoke(t, "XB", testHashes(0, 300), "lost")))
	for i := range 3 {
		at := sealTime + statement.Time(60*i)
		_, raw := n.sealNow(t, leader, 1, at)
		both(raw)
		last, is, err := follower.lastSeal(t)
		if err != nil || !is || last.At != at || last.Index != follower.Head().Size-1 {
			t.Errorf("the newest seal is %+v, %v, %v", last, is, err)
		}
		check(t, leader)
		check(t, follower)
		next := leader.Head()
		both(n.sealBlock(t, next, 1, at+30, n.revoke(t, "XC", testHashes(300*(i+1), 100*i+1), "lost"), n.say(t, "XC", uint64(i+1), []statement.Body{
			grant("XA"), &statement.Suspend{Region: "XA", Reason: "fraud"}, &statement.Withdraw{Region: "XA"},
		}[i])))
	}
	check(t, follower)

	// What an auditor computes from the statements alone is the same (seal.Memory):
	// check has held every seal against it. Now the seals that are wrong.
	at := sealTime + 1000
	good, err := leader.MakeSeal(at)
	if err != nil {
		t.Fatal(err)
	}
	fresh := n.say(t, "XB", 1, grant("XA"))
	head := follower.Head()
	wrong := func(change func(*statement.SealState)) Candidate {
		s := good
		change(&s)
		return n.signSeal(t, s)
	}
	for _, tt := range []struct {
		name    string
		culprit statement.Region
		says    string
		raw     []byte
	}{
		{"other records", "", state.SealMismatch, n.sealBlock(t, head, 1, at, wrong(func(s *statement.SealState) { s.Records[3] ^= 1 }))},
		{"another revoked set", "", state.SealMismatch, n.sealBlock(t, head, 1, at, wrong(func(s *statement.SealState) { s.Revoked[3] ^= 1 }))},
		{"another time than its block", "XA", state.SealMisplaced, n.sealBlock(t, head, 1, at+1, wrong(func(*statement.SealState) {}))},
		{"another size", "XA", state.SealMisplaced, n.sealBlock(t, head, 1, at, wrong(func(s *statement.SealState) { s.Size++ }))},
		{"an earlier time than the last", "XA", state.SealBackdated, n.sealBlock(t, head, 1, sealTime+160, wrong(func(s *statement.SealState) { s.At = sealTime }))},
		{"after another statement", "XA", state.SealMisplaced, n.sealBlock(t, head, 1, at, fresh, wrong(func(s *statement.SealState) { s.Size++ }))},
		{"before another statement", "XA", state.SealMisplaced, n.sealBlock(t, head, 1, at, n.signSeal(t, good), fresh)},
	} {
		pos.Index++
		a, err := follower.Apply(pos, tt.raw)
		if err != nil {
			t.Fatal(err)
		}
		if a.Refused != RefusedStatement || a.Culprit != tt.culprit || !strings.Contains(a.Detail, tt.says) {
			t.Errorf("%s: %q by %q: %s", tt.name, a.Refused, a.Culprit, a.Detail)
		}
		must(t, leader, pos, nil)
	}
	both(n.sealBlock(t, follower.Head(), 1, at, n.signSeal(t, good)))
	check(t, follower)
}

func (l *Ledger) lastSeal(t testing.TB) (state.Seal, bool, error) {
	t.Helper()
	v := l.View()
	defer closeView(t, v)
	return v.State().LastSeal()
}

// A seal is taken from nobody, however right it is; the leader's own only if it is
// the one that was made here, for the block in which it will stand.
func TestJudgeSeal(t *testing.T) {
	n := newNetwork(t, "offered.test")
	l := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, l)
	must(t, l, Position{1, 1}, n.seal(t, l.Head(), 1, n.say(t, "XA", 1, grant("XB"))))
	alone := func(at statement.Time, c Candidate) Judgement {
		t.Helper()
		j, err := l.JudgeAlone(int64(at)*1000+999, c)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	vs := []statement.SealedValidator{}
	for _, v := range n.validators(t) {
		vs = append(vs, statement.SealedValidator{ID: v.ID, Cosign: v.Cosign, Node: v.Node, Governance: v.Governance})
	}
	if j := alone(sealTime, n.signSeal(t, statement.SealState{Size: 1, At: sealTime, Validators: vs})); j.Verdict.Name != state.SealMisplaced {
		t.Errorf("a seal that nobody made here: %s", j.Verdict)
	}
	good, err := l.MakeSeal(sealTime)
	if err != nil {
		t.Fatal(err)
	}
	// Those behind it in the batch do not suffer from it.
	js, err := l.Judge([]Candidate{n.signSeal(t, good), n.say(t, "XB", 1, grant("XA")), n.signSeal(t, good)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{state.SealMisplaced, "", state.SealMisplaced} {
		if js[i].Verdict.Name != want || js[i].Accepted() != (want == "") {
			t.Errorf("candidate %d beside a right seal: %s", i, js[i].Verdict)
		}
	}
	for _, off := range []statement.Time{-1, 1} {
		if j := alone(sealTime+off, n.signSeal(t, good)); j.Verdict.Name != state.SealMisplaced {
			t.Errorf("a seal in a block of another time: %s", j.Verdict)
		}
	}
	if j := alone(sealTime, n.signSeal(t, good)); !j.Accepted() || j.Index != 1 {
		t.Errorf("the seal that was made here, at index %d: %s", j.Index, j.Verdict)
	}
	if j := alone(sealTime, n.say(t, "XB", 1, grant("XA"))); !j.Accepted() {
		t.Errorf("another statement alone: %s", j.Verdict)
	}
	good.Records[0] ^= 1
	if j := alone(sealTime, n.signSeal(t, good)); j.Verdict.Name != state.SealMismatch {
		t.Errorf("another seal than was made here: %s", j.Verdict)
	}
}

// A bundle of the newest certified seal verifies with the genesis alone, says
// what the state says, and a delta to it gives the next.
func TestBundle(t *testing.T) {
	n := newNetwork(t, "bundle.test")
	fs := vfs.NewMem()
	l := n.open(t, small(fs))
	defer func() { closeLedger(t, l) }()
	pos := Position{0, 1}
	apply := func(raw []byte) {
		t.Helper()
		pos.Index++
		must(t, l, pos, raw)
	}
	get := func(since uint64) (*bundle.Unverified, []byte, uint64) {
		t.Helper()
		var b bytes.Buffer
		size, err := l.Bundle(&b, since)
		if err != nil {
			t.Fatal(err)
		}
		u, err := bundle.Parse(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return u, b.Bytes(), size
	}
	none := func(when string) {
		t.Helper()
		if _, err := l.Bundle(&bytes.Buffer{}, 0); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s, a bundle gave %v", when, err)
		}
	}
	apply(n.seal(t, l.Head(), 1, n.say(t, "XA", 1, grant("XB")), n.revoke(t, "XB", testHashes(0, 3000), "lost")))
	none("before the first seal")
	_, raw := n.sealNow(t, l, 1, sealTime)
	apply(raw)
	none("before the seal is certified")
	apply(n.sealBlock(t, l.Head(), 1, sealTime+1, n.say(t, "XB", 1, grant("XC"))))
	mustCertify(t, l, n.certify(t, l, 4, time.Unix(int64(sealTime)+2, 0)))
	u, wholeRaw, size := get(0)
	if size != 2 {
		t.Fatalf("the bundle is of size %d, want 2", size)
	}
	first, err := u.Verify(n.doc)
	if err != nil {
		t.Fatal(err)
	}
	if _, granted, err := first.State().Recognition("XA", "XB"); err != nil || !granted {
		t.Errorf("the bundle lacks a recognition: %v", err)
	}
	if _, granted, _ := first.State().Recognition("XB", "XC"); granted {
		t.Error("the bundle has what came after its seal")
	}
	for i := range 3000 {
		if events, _, err := first.State().Revocations(testHash(i), 10); err != nil || len(events) != 1 {
			t.Fatalf("hash %d in the bundle: %d events, %v", i, len(events), err)
		}
	}

	// The ledger moves on; until its next seal is certified, the bundle stays.
	apply(n.sealBlock(t, l.Head(), 1, sealTime+2, n.revoke(t, "XB", testHashes(3000, 5), "lost")))
	_, raw = n.sealNow(t, l, 1, sealTime+60)
	apply(raw)
	if _, again, _ := get(0); !bytes.Equal(again, wholeRaw) {
		t.Error("the bundle changed before the next seal was certified")
	}
	// A restart loses the state as the old seal left it, and nothing that is certified.
	closeLedger(t, l)
	l = n.open(t, small(fs))
	none("after a restart, before the newest seal is certified")
	mustCertify(t, l, n.certify(t, l, 6, time.Unix(int64(sealTime)+61, 0)))
	next, nextRaw, _ := get(0)
	if _, err := next.Verify(n.doc); err != nil {
		t.Fatal(err)
	}
	delta, deltaRaw, _ := get(2)
	second, err := first.Update(delta, n.doc)
	if err != nil {
		t.Fatal(err)
	}
	if second.Size() != 5 || len(deltaRaw) > len(nextRaw)*3/4 {
		t.Errorf("the delta of %d bytes gives size %d; the whole has %d", len(deltaRaw), second.Size(), len(nextRaw))
	}
	for _, since := range []uint64{1, 3, 99} { // no seal of that size
		if _, raw, _ := get(since); !bytes.Equal(raw, nextRaw) {
			t.Errorf("since %d, which is no seal's size, gives no whole bundle", since)
		}
	}
	// While nothing else is said, a later certificate of the same tree makes the bundle newer.
	mustCertify(t, l, n.certify(t, l, 6, time.Unix(int64(sealTime)+76, 0)))
	closeLedger(t, l)
	l = n.open(t, small(fs))
	later, _, _ := get(0)
	b, err := later.Verify(n.doc)
	if err != nil || !b.AsOf().Equal(time.Unix(int64(sealTime)+76, 0)) {
		t.Errorf("the bundle is as of %v, %v", b.AsOf(), err)
	}
	if size, c, ok := l.SealCertificate(); !ok || size != 5 || c.Checkpoint().Size != 6 {
		t.Errorf("the newest certified seal is of size %d, under %v", size, c)
	}
	check(t, l)
}

// The set of revoked hashes grows through its sizes, shrinks and is undone, and
// every seal is what an auditor computes (Check), whatever way it came about.
func TestSealsOfAChangingSet(t *testing.T) {
	n := newNetwork(t, "set.test")
	fs := vfs.NewMem()
	l := n.open(t, small(fs))
	defer func() { closeLedger(t, l) }()
	pos := Position{0, 1}
	at := sealTime
	batch := func(body func(statement.Batch) statement.Body, from, count int, expires statement.Time) Candidate {
		a := statement.NewAttachment(testHashes(from, count))
		return Candidate{n.statement(t, "XB", 0, body(statement.NewBatch(statement.HashSignature, a, expires, "r"))).Raw(), a}
	}
	add := func(b statement.Batch) statement.Body { return &statement.Revoke{Batch: b} }
	undo := func(b statement.Batch) statement.Body { return &statement.Reinstate{Batch: b} }
	steps := [][]Candidate{
		{batch(add, 0, 10, at+200)},
		{batch(add, 10, 3000, at+1000)}, // more shards: made anew
		{batch(undo, 0, 5, at+150)},
		{batch(undo, 20, 50, at+400), batch(add, 5000, 20, at+2000)},
		{}, // the first batch and what undid it are spent
		{batch(add, 6000, 40, at+9000)},
		{}, // most are spent: fewer shards
		{batch(add, 0, 10, at+9001)},
	}
	times := []statement.Time{0, 60, 120, 180, 260, 500, 1500, 1560}
	for i, cs := range steps {
		if len(cs) > 0 {
			pos.Index++
			must(t, l, pos, n.sealBlock(t, l.Head(), 1, at+times[i], cs...))
		}
		if i%3 == 1 {
			closeLedger(t, l)
			l = n.open(t, small(fs))
		}
		_, raw := n.sealNow(t, l, 1, at+times[i])
		pos.Index++
		must(t, l, pos, raw)
		check(t, l)
	}
	v := l.View()
	defer closeView(t, v)
	s, err := v.pin.sealed()
	if err != nil || s.summary.Entries != 70 || s.summary.Undos != 0 || len(s.absent) > 0 {
		t.Errorf("the newest seal covers %+v, %v; want the hashes of three batches", s, err)
	}
}

// Bundles, certificates, erasing and applying go on at once, and each sees a
// whole state (L7). Worth most under -race.
func TestBundlesWhileApplying(t *testing.T) {
	n := newNetwork(t, "at-once.test")
	l := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	bundles := make(chan uint64, 1000)
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				var b bytes.Buffer
				size, err := l.Bundle(&b, 0)
				if errors.Is(err, ErrNotFound) {
					runtime.Gosched()
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				u, err := bundle.Parse(b.Bytes())
				if err != nil {
					t.Error(err)
					return
				}
				whole, err := u.Verify(n.doc)
				if err != nil || whole.Size() != size {
					t.Errorf("the bundle of size %d: %v", size, err)
					return
				}
				select {
				case bundles <- size:
				default:
				}
			}
		})
	}
	readers.Go(func() {
		for ctx.Err() == nil {
			if _, err := l.Erase(time.Unix(1_900_000_000, 0), 0, 1); err != nil {
				t.Error(err)
			}
			if s, err := l.MakeSeal(1_900_000_000); err != nil || s.Size > l.Head().Size {
				t.Errorf("a seal of %d: %v", s.Size, err)
			}
		}
	})
	pos := Position{0, 1}
	for i := range 12 {
		at := sealTime + statement.Time(60*i)
		pos.Index++
		must(t, l, pos, n.sealBlock(t, l.Head(), 1, at, n.batchOfAll(t, "XB", false, testHashes(100*i, 200), at+100)))
		_, raw := n.sealNow(t, l, 1, at)
		pos.Index++
		must(t, l, pos, raw)
		mustCertify(t, l, n.certify(t, l, l.Head().Size, at.Time()))
	}
	first := <-bundles
	cancel()
	readers.Wait()
	t.Logf("the first bundle was of size %d", first)
	mustErase(t, l, 1_900_000_000, 0, 0, 10-erasedIn(t, l))
	check(t, l)
}
