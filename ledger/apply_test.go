package ledger

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/mod/sumdb/tlog"

	"concordat/ledger/block"
	"concordat/ledger/merkle"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

func withdraw(of statement.Region) statement.Body { return &statement.Withdraw{Region: of} }

func grant(of statement.Region) statement.Body {
	return &statement.Grant{Terms: statement.Terms{Region: of}}
}

func TestApply(t *testing.T) {
	n := newNetwork(t, "apply.test")
	fs := vfs.NewMem()
	l := n.open(t, small(fs))
	if h := l.Head(); h.Size != 0 || h.Root != merkle.EmptyRoot() || h.Applied != (Position{}) {
		t.Fatalf("a founded ledger has head %+v", h)
	}
	changed := l.Changed()

	first := []Candidate{n.say(t, "XA", 1, grant("XB")), n.revoke(t, "XB", testHashes(0, 300), "lost")}
	a := must(t, l, Position{3, 1}, n.seal(t, l.Head(), 1, first...))
	if a.First != 0 || a.Count != 2 || a.Hashes[1] != hashOf(first[1].Raw) || a.Duplicate {
		t.Errorf("applied %+v", a)
	}
	select {
	case <-changed:
	default:
		t.Error("Changed is open after growth")
	}
	must(t, l, Position{4, 2}, nil)
	second := []Candidate{n.say(t, "XC", 1, grant("XB"))}
	raw := n.seal(t, l.Head(), 2, second...)
	must(t, l, Position{5, 2}, raw)
	all := append(first, second...)

	// An independent tree agrees.
	var hashes []tlog.Hash
	read := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range at {
			out = append(out, hashes[i])
		}
		return out, nil
	})
	for i, c := range all {
		stored, err := tlog.StoredHashes(int64(i), c.Raw, read)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, stored...)
	}
	root, err := tlog.TreeHash(3, read)
	if err != nil {
		t.Fatal(err)
	}
	if h := l.Head(); h.Size != 3 || h.Root != merkle.Hash(root) || h.Applied != (Position{5, 2}) || h.Time != 10 {
		t.Errorf("head is %+v, the root should be %x", h, root)
	}

	check(t, l)
	head, st := l.Head(), stateOf(t, l)
	closeLedger(t, l)
	if err := l.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	l = n.open(t, small(fs))
	defer closeLedger(t, l)
	if l.Head() != head || stateOf(t, l) != st {
		t.Error("closed and opened, the ledger is another")
	}
	a = must(t, l, Position{5, 2}, raw)
	if !a.Duplicate || a.First != 2 || a.Count != 1 || len(a.Hashes) != 1 || a.Hashes[0] != hashOf(second[0].Raw) {
		t.Errorf("applied again after a restart: %+v", a)
	}
}

// Two ledgers that were shown one block under headers with different times have
// one root, and so have to take the same blocks from then on: the root does not
// cover the time, and what it does not cover refuses nothing (L2).
func TestTimesDiffer(t *testing.T) {
	n := newNetwork(t, "times.test")
	ahead, right := n.open(t, small(vfs.NewMem())), n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, ahead)
	defer closeLedger(t, right)
	header := func(l *Ledger, proposer statement.Region, at int64) block.Header {
		return block.Header{Network: n.id, Term: 1, Size: l.Head().Size, Root: l.Head().Root, Time: at, Proposer: proposer}
	}
	const now, minute = int64(sealTime) * 1000, int64(60_000)
	said := n.say(t, "XA", 1, grant("XB"))
	must(t, ahead, Position{1, 1}, n.sealAs(t, header(ahead, "XD", now+9*minute), testKey("XD/node"), said))
	must(t, right, Position{1, 1}, n.sealAs(t, header(right, "XD", now), testKey("XD/node"), said))
	if a, b := ahead.Head(), right.Head(); a.Root != b.Root || a.Time != now+9*minute || b.Time != now {
		t.Fatalf("the heads are %+v and %+v", a, b)
	}
	// An honest block on the clock, then a seal on it: both take both.
	c, raw := n.say(t, "XB", 1, grant("XA")), []byte(nil)
	raw = n.sealAs(t, header(right, "XB", now+1), testKey("XB/node"), c)
	must(t, ahead, Position{2, 1}, raw)
	must(t, right, Position{2, 1}, raw)
	_, raw = n.sealNow(t, right, 1, sealTime+60)
	must(t, ahead, Position{3, 1}, raw)
	must(t, right, Position{3, 1}, raw)
	if a, b := ahead.Head(), right.Head(); a.Root != b.Root || a.Time != now+9*minute || b.Time != now+minute+7 {
		t.Errorf("the heads are %+v and %+v; the time of a head is the latest of its blocks", a, b)
	}
	check(t, ahead)
	check(t, right)
	if again, err := ahead.Apply(Position{2, 1}, n.sealAs(t, header(right, "XB", now+1), testKey("XB/node"), c)); err != nil || !again.Duplicate {
		t.Errorf("once more: %+v, %v", again, err)
	}
	// Seals go by the last seal's time, which the root covers.
	if _, err := ahead.MakeSeal(sealTime + 59); err == nil {
		t.Error("a seal was made for a time before the last one's")
	}
	if _, err := ahead.MakeSeal(sealTime + 61); err != nil {
		t.Errorf("a seal on the clock, with a block ahead of it: %v", err)
	}
}

func TestRefusedBlocks(t *testing.T) {
	n := newNetwork(t, "refused.test")
	other := newNetwork(t, "other.test")
	l := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, l)
	said := n.say(t, "XA", 1, grant("XB"))
	must(t, l, Position{1, 1}, n.seal(t, l.Head(), 1, said))
	base, st := l.Head(), stateOf(t, l)

	fresh := n.say(t, "XB", 1, grant("XA"))
	header := block.Header{Network: n.id, Term: 1, Size: base.Size, Root: base.Root, Time: base.Time, Proposer: "XB"}
	with := func(change func(*block.Header)) block.Header {
		h := header
		change(&h)
		return h
	}
	key := testKey("XB/node")
	revoked := n.revoke(t, "XC", testHashes(0, 3), "lost")
	forged := func() Candidate {
		v, err := statement.Sign(statement.Statement{Issuer: "XB", Network: n.id, Revision: 1, IssuedAt: 1, Body: grant("XC")}, testKey("nobody"))
		if err != nil {
			t.Fatal(err)
		}
		return Candidate{Raw: v.Raw()}
	}()
	mangled := Candidate{Raw: append([]byte{}, fresh.Raw...)}
	mangled.Raw[len(mangled.Raw)-1] ^= 1
	tests := []struct {
		name    string
		refused string
		culprit statement.Region
		says    string
		raw     []byte
	}{
		{"garbage", RefusedMalformed, "", "", []byte("garbage")},
		{"no bytes", RefusedMalformed, "", "", []byte{}},
		{"another network's", RefusedNetwork, "", other.id.String(),
			n.sealAs(t, with(func(h *block.Header) { h.Network = other.id }), key, fresh)},
		{"a stranger's", RefusedProposer, "", "XZ is no validator", n.sealAs(t, with(func(h *block.Header) { h.Proposer = "XZ" }), key, fresh)},
		{"an observer's", RefusedProposer, "", "XE is no validator",
			n.sealAs(t, with(func(h *block.Header) { h.Proposer = observer }), testKey("XE/node"), fresh)},
		{"signed by another node", RefusedProposer, "", "", n.sealAs(t, header, testKey("XC/node"), fresh)},
		{"signed with the statement key", RefusedProposer, "", "", n.sealAs(t, header, testKey("XB/statement"), fresh)},
		{"of another term", RefusedTerm, "", "term 7", n.sealAs(t, with(func(h *block.Header) { h.Term = 7 }), key, fresh)},
		{"on another size", RefusedBase, "", "size 0", n.sealAs(t, with(func(h *block.Header) { h.Size = 0 }), key, fresh)},
		{"on another root", RefusedBase, "", "", n.sealAs(t, with(func(h *block.Header) { h.Root[0] ^= 1 }), key, fresh)},
		{"with a repeated statement", RefusedRepeat, "XB", "index 0", n.sealAs(t, header, key, fresh, said)},
		{"with a statement twice", RefusedRepeat, "XB", "in it before", n.sealAs(t, header, key, fresh, fresh)},
		{"with what is no statement", RefusedStatement, "XB", "", n.sealAs(t, header, key, fresh, Candidate{Raw: []byte("?")})},
		{"with another's statement", RefusedStatement, "XB", state.UnknownKey, n.sealAs(t, header, key, forged)},
		{"with a changed statement", RefusedStatement, "XB", WrongSignature, n.sealAs(t, header, key, mangled)},
		{"with another network's statement", RefusedStatement, "XB", state.WrongNetwork,
			n.sealAs(t, header, key, other.say(t, "XB", 1, grant("XA")))},
		{"with an old revision", RefusedStatement, "XB", state.RevisionConflict,
			n.sealAs(t, header, key, n.say(t, "XA", 1, &statement.Withdraw{Region: "XB"}))},
		{"without its attachment", RefusedStatement, "XB", "", n.sealAs(t, header, key, Candidate{Raw: revoked.Raw})},
		{"with another attachment", RefusedStatement, "XB", "",
			n.sealAs(t, header, key, Candidate{revoked.Raw, statement.NewAttachment(testHashes(9, 3))})},
		{"with an attachment too many", RefusedStatement, "XB", "", n.sealAs(t, header, key, Candidate{fresh.Raw, revoked.Attachment})},
		{"good, then bad", RefusedStatement, "XB", state.RevisionConflict,
			n.sealAs(t, header, key, fresh, n.say(t, "XB", 1, &statement.Suspend{Region: "XA", Reason: "fraud"}))},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pos := Position{uint64(10 + i), 1}
			a, err := l.Apply(pos, tt.raw)
			if err != nil {
				t.Fatalf("bad data is no error (L3): %v", err)
			}
			if a.Refused != tt.refused || a.Culprit != tt.culprit || !strings.Contains(a.Detail, tt.says) {
				t.Errorf("got %q by %q: %s; want %q by %q, saying %q", a.Refused, a.Culprit, a.Detail, tt.refused, tt.culprit, tt.says)
			}
			h := l.Head()
			if h.Applied != pos {
				t.Errorf("the position is %v, want %v (L5)", h.Applied, pos)
			}
			h.Applied = base.Applied
			if h != base || stateOf(t, l) != st {
				t.Error("a refused block changed something (L3)")
			}
			again, err := l.Apply(pos, tt.raw)
			if err != nil || !again.Duplicate || again.Refused == "" || again.Count != 0 {
				t.Errorf("applied again: %+v, %v", again, err)
			}
		})
	}
	// The same statements are taken from an honest proposer.
	must(t, l, Position{100, 1}, n.sealAs(t, header, key, fresh, revoked))
	check(t, l)
}

func TestOrderGoesBack(t *testing.T) {
	n := newNetwork(t, "order.test")
	l := n.open(t, small(vfs.NewMem()))
	must(t, l, Position{5, 4}, nil)
	if _, err := l.Apply(Position{6, 3}, nil); !errors.Is(err, ErrOrder) || !errors.Is(err, ErrBroken) {
		t.Errorf("an entry of an earlier term gave %v", err)
	}
	if err := l.Close(); !errors.Is(err, ErrBroken) {
		t.Errorf("closing gave %v", err)
	}
}

func TestJudge(t *testing.T) {
	n := newNetwork(t, "judge.test")
	l := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, l)
	said := n.say(t, "XA", 1, grant("XB"))
	must(t, l, Position{1, 1}, n.seal(t, l.Head(), 1, said))
	before := l.Head()

	fresh := n.say(t, "XB", 1, grant("XA"))
	cs := []Candidate{
		said,
		fresh,
		n.say(t, "XB", 2, &statement.Suspend{Region: "XA", Reason: "fraud"}), // on what the one before makes
		n.say(t, "XB", 2, &statement.Withdraw{Region: "XA"}),                 // too late
		fresh,
		{Raw: []byte("?")},
		{Raw: n.revoke(t, "XC", testHashes(0, 3), "lost").Raw},
		n.revoke(t, "XC", testHashes(0, 3), "lost"),
	}
	js, err := l.Judge(cs)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		name  string
		class state.Class
		index uint64
	}{
		{"known", "", 0}, {"", "", 1}, {"", "", 2}, {state.RevisionConflict, state.Conflict, 0}, {RepeatedStatement, state.Conflict, 0},
		{MalformedStatement, state.Malformed, 0}, {state.AttachmentMissing, state.Malformed, 0}, {"", "", 3},
	}
	for i, w := range want {
		j := js[i]
		name := j.Verdict.Name
		if j.Known {
			name = "known"
		}
		if name != w.name || j.Index != w.index || ClassOf(j.Verdict) != w.class || j.Accepted() != (w.name == "") {
			t.Errorf("candidate %d: %q (%s) at %d: %s; want %+v", i, name, ClassOf(j.Verdict), j.Index, j.Verdict, w)
		}
	}
	if js[3].Verdict.Revision != 2 {
		t.Errorf("a conflict names revision %d, want 2", js[3].Verdict.Revision)
	}
	if l.Head() != before {
		t.Error("judging moved the ledger")
	}
	// What was judged good makes a good block.
	must(t, l, Position{2, 1}, n.seal(t, before, 1, cs[1], cs[2], cs[7]))
	check(t, l)
}

// Whatever bytes an entry has, applying it is no error, and moves the position alone (L3).
func FuzzApply(f *testing.F) {
	n := newNetwork(f, "fuzz.test")
	l := n.open(f, small(vfs.NewMem()))
	f.Cleanup(func() { closeLedger(f, l) })
	good := n.seal(f, l.Head(), 1, n.say(f, "XA", 1, grant("XB")))
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte{})
	stale := l.Head()
	stale.Size = 9
	f.Add(n.seal(f, stale, 1, n.revoke(f, "XC", testHashes(0, 3), "lost")))
	pos := Position{0, 1}
	f.Fuzz(func(t *testing.T, raw []byte) {
		pos.Index++
		size := l.Head().Size
		a, err := l.Apply(pos, raw)
		if err != nil {
			t.Fatal(err)
		}
		if grown := l.Head().Size - size; grown != uint64(a.Count) || (a.Refused == "") != (a.Count > 0) {
			t.Errorf("grew by %d: %+v", grown, a)
		}
	})
}
