package ledger

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger/checkpoint"
)

// L8: a certificate that was taken is on the disk, with the blocks below it.
func TestCertifiedOutlivesCrash(t *testing.T) {
	n := newNetwork(t, "certify.test")
	disk := vfs.NewCrashableMem()
	l := n.open(t, small(disk))
	must(t, l, Position{1, 1}, n.seal(t, l.Head(), 1, n.say(t, "XA", 1, grant("XB"))))
	noon := time.Unix(1_700_000_000, 0)
	mustCertify(t, l, n.certify(t, l, 1, noon))
	lost := disk.CrashClone(vfs.CrashCloneCfg{}) // all that was not synced is gone
	closeLedger(t, l)
	l = n.open(t, small(lost))
	defer closeLedger(t, l)
	if c := l.Certified(); c == nil || c.Checkpoint().Size != 1 || l.Head().Size != 1 {
		t.Errorf("after a crash the ledger has %d statements, and keeps the certificate %v", l.Head().Size, c)
	}
}

// L12: the ledger keeps the newest checkpoint that a quorum has certified, and
// none that is not of its own history.
func TestCertify(t *testing.T) {
	n := newNetwork(t, "certify.test")
	fs := vfs.NewMem()
	l := n.open(t, small(fs))
	defer func() { closeLedger(t, l) }()
	noon := time.Unix(1_700_000_000, 0)
	if l.Certified() != nil {
		t.Error("a founded ledger has a certificate")
	}
	mustCertify(t, l, n.certify(t, l, 0, noon)) // the empty log: that there is nothing yet can be certified too
	must(t, l, Position{1, 1}, n.seal(t, l.Head(), 1, n.say(t, "XA", 1, grant("XB")), n.say(t, "XB", 1, grant("XA"))))
	must(t, l, Position{2, 1}, n.seal(t, l.Head(), 1, n.say(t, "XC", 1, grant("XB"))))
	before := l.View()

	two := n.certify(t, l, 2, noon)
	mustCertify(t, l, two)
	if c := l.Certified(); c != two {
		t.Errorf("it keeps %v", c)
	}
	if c := before.Certified(); c.Checkpoint().Size != 0 {
		t.Errorf("a view from before has the certificate of size %d (L7)", c.Checkpoint().Size)
	}
	v := l.View()
	if v.Certified() != two {
		t.Error("a new view has not the new certificate")
	}
	again := v.Retain()
	closeView(t, v)
	if again.Certified() != two || again.Head().Size != 3 {
		t.Error("a view that was retained is another")
	}
	closeView(t, again)

	older, later := n.certify(t, l, 2, noon.Add(-time.Minute)), n.certify(t, l, 2, noon.Add(time.Minute))
	three := n.certify(t, l, 3, noon)
	for _, step := range []struct {
		what string
		c    *checkpoint.Certified
		want *checkpoint.Certified
	}{
		{"an earlier one of the same size", older, two}, {"a later one", later, later}, {"the same", later, later},
		{"one of a larger size", three, three}, {"one of a smaller size", later, three},
	} {
		mustCertify(t, l, step.c)
		if l.Certified() != step.want {
			t.Errorf("%s: it keeps size %d of %s", step.what, l.Certified().Checkpoint().Size, l.Certified().Time())
		}
	}

	other := newNetwork(t, "other.test")
	cp := three.Checkpoint()
	certified := func(n *network, vs checkpoint.Validators, c checkpoint.Checkpoint, by ...string) *checkpoint.Certified {
		t.Helper()
		var lines []string
		for _, id := range by {
			co, err := checkpoint.Cosign(c, validators[strings.IndexByte("ABCD", id[1])], noon.Add(time.Hour), testKey(id+"/cosign"))
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, co.Line)
		}
		out, err := checkpoint.Assemble(c, lines).Certify(vs)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	quorum := []string{"XA", "XB", "XC"}
	beyond, fork, inside := cp, cp, cp
	beyond.Size++
	fork.Root[0] ^= 1
	inside.Size = 1
	root, err := before.RootAt(1)
	if err != nil {
		t.Fatal(err)
	}
	inside.Root = root
	foreign := cp
	foreign.Origin = other.doc.Network
	for what, tt := range map[string]struct {
		c    *checkpoint.Certified
		want error
	}{
		"beyond the head":   {certified(n, n.validators(t), beyond, quorum...), ErrNotFound},
		"of another root":   {certified(n, n.validators(t), fork, quorum...), ErrConflict},
		"inside of a block": {certified(n, n.validators(t), inside, quorum...), ErrNoBlockEnd},
		"of another log":    {certified(other, other.validators(t), foreign, quorum...), ErrOtherNetwork},
		"by two of two":     {certified(n, n.validators(t)[:2], cp, "XA", "XB"), checkpoint.ErrNoQuorum},
	} {
		if err := l.Certify(tt.c); !errors.Is(err, tt.want) {
			t.Errorf("one %s gave %v, want %v", what, err, tt.want)
		}
	}
	if l.Certified() != three || l.Err() != nil {
		t.Error("what was refused changed something")
	}
	err = l.Certify(certified(n, n.validators(t), fork, quorum...))
	for _, root := range []string{fmt.Sprintf("%x", fork.Root), fmt.Sprintf("%x", cp.Root)} {
		if err == nil || !strings.Contains(err.Error(), root) {
			t.Errorf("a conflict does not tell both roots: %v", err)
		}
	}

	check(t, l)
	closeView(t, before)
	closeLedger(t, l)
	if err := l.Certify(three); !errors.Is(err, ErrClosed) {
		t.Errorf("certifying a closed ledger gave %v", err)
	}
	l = n.open(t, small(fs))
	if c := l.Certified(); c == nil || c.Checkpoint() != cp || !c.Time().Equal(noon) {
		t.Errorf("after a restart it keeps %v", c)
	}
	// What is kept is verified: when it is read, and by Check.
	if err := l.store.db.Set(keyCertified, n.noteAt(t, l, 3, noon, "XA", "XB").Bytes(), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	must(t, l, Position{9, 1}, nil)
	if err := l.Check(t.Context()); !errors.Is(err, ErrCorrupt) || !errors.Is(err, checkpoint.ErrNoQuorum) {
		t.Errorf("a kept note without a quorum passes the check: %v", err)
	}
	closeLedger(t, l)
	if l, err := Open(n.doc, small(fs)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a kept note without a quorum: %v, %v", l, err)
	}
	if err := fs.RemoveAll("ledger"); err != nil {
		t.Fatal(err)
	}
	l = n.open(t, small(fs))
}

func TestBlocks(t *testing.T) {
	n := newNetwork(t, "blocks.test")
	l := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, l)
	var want []Block
	rev := uint64(0)
	for i := range 5 {
		var cs []Candidate
		for range i + 1 {
			rev++
			of := validators[1+rev%3]
			cs = append(cs, n.say(t, "XA", (rev-1)/3*2+1, grant(of)))
			cs = append(cs, n.say(t, "XA", (rev-1)/3*2+2, withdraw(of)))
		}
		head := l.Head()
		must(t, l, Position{uint64(10 * (i + 1)), 1}, n.seal(t, head, 1, cs...))
		want = append(want, Block{First: head.Size, Count: uint64(len(cs)), Position: Position{uint64(10 * (i + 1)), 1}})
	}
	v := l.View()
	defer closeView(t, v)
	same := func(got, want []Block) bool {
		if len(got) != len(want) {
			return false
		}
		for i := range got {
			if got[i].First != want[i].First || got[i].Count != want[i].Count || got[i].Position != want[i].Position {
				return false
			}
		}
		return true
	}
	for _, tt := range []struct {
		from  uint64
		limit int
		want  []Block
	}{{0, 0, want}, {1, 2, want[:2]}, {2, 2, want[1:3]}, {19, 9, want[3:]}, {29, 1, want[4:]}, {30, 1, nil}, {99, 0, nil}} {
		got, err := v.Blocks(tt.from, tt.limit)
		if err != nil || !same(got, tt.want) {
			t.Errorf("from %d, %d: %v, %v", tt.from, tt.limit, got, err)
		}
	}
	for size, want := range map[uint64]Position{0: {}, 2: {10, 1}, 6: {20, 1}, 30: {50, 1}} {
		if got, err := v.PositionOf(size); err != nil || got != want {
			t.Errorf("size %d is at %v, %v; want %v", size, got, err, want)
		}
	}
	if _, err := v.PositionOf(3); !errors.Is(err, ErrNoBlockEnd) {
		t.Errorf("the position of a size inside of a block: %v", err)
	}
	if _, err := v.PositionOf(31); !errors.Is(err, ErrNotFound) {
		t.Errorf("the position of a size beyond the end: %v", err)
	}
}
