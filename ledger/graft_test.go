package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"concordat/ledger/block"
	"concordat/ledger/bundle"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// scionsOf gives l's blocks as a peer would, with the attachments that it has.
func scionsOf(t testing.TB, l *Ledger, spent statement.Time) (out []GraftBlock) {
	t.Helper()
	v := l.View()
	defer closeView(t, v)
	for from := uint64(0); ; {
		blocks, err := v.Blocks(from, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(blocks) == 0 {
			return out
		}
		for _, b := range blocks {
			g := GraftBlock{Proof: b.Proof, Spent: spent, Attachments: map[[32]byte][]byte{}}
			for i := range b.Count {
				e, err := v.ByIndex(b.First + i)
				if err != nil {
					t.Fatal(err)
				}
				g.Statements = append(g.Statements, e.Raw())
				said := e.Statement()
				digest, has := attachmentDigest(&said)
				if !has {
					continue
				}
				a, err := v.Attachment(digest)
				if err != nil && !errors.Is(err, ErrErased) {
					t.Fatal(err)
				}
				if a != nil {
					g.Attachments[digest] = a
				}
			}
			out = append(out, g)
			from = b.First + b.Count
		}
	}
}

func mustGraft(t testing.TB, l *Ledger, blocks ...GraftBlock) Applied {
	t.Helper()
	a, err := l.Graft(blocks...)
	if err != nil {
		t.Fatalf("grafting: %v", err)
	}
	return a
}

// told is a ledger to which the whole story was told.
func (s *story) told(t testing.TB) *Ledger {
	t.Helper()
	l := s.net.open(t, s.options(vfs.NewMem()))
	s.goOn(t, l)
	return l
}

// A grafted ledger is the one that the order makes (L2), from wherever it
// begins and however the blocks are brought, and goes on in the order.
func TestGraft(t *testing.T) {
	s := newStory(t, 7, 40)
	whole := s.told(t)
	defer closeLedger(t, whole)
	blocks := scionsOf(t, whole, 0)
	end := whole.Head()
	rng := rand.New(rand.NewPCG(7, 7))
	for _, begin := range []int{0, 1, 9, 25} { // entries that the order brought before
		t.Run(fmt.Sprintf("after %d entries", begin), func(t *testing.T) {
			fs := vfs.NewMem()
			l := s.net.open(t, s.options(fs))
			defer func() { closeLedger(t, l) }()
			for _, e := range s.entries[:begin] {
				if _, err := l.Apply(e.pos, e.raw); err != nil {
					t.Fatal(err)
				}
			}
			base := l.Head()
			rest := blocks[slices.IndexFunc(blocks, func(b GraftBlock) bool { h, _ := b.Proof.Claimed(); return h.Size == base.Size }):]
			for len(rest) > 0 {
				n := min(1+rng.IntN(9), len(rest))
				a := mustGraft(t, l, rest[:n]...)
				if h := l.Head(); a.First+uint64(a.Count) != h.Size || len(a.Hashes) != a.Count || h.Applied != base.Applied {
					t.Fatalf("grafted %+v, the head is %+v", a, h)
				}
				rest = rest[n:]
				if rng.IntN(3) == 0 {
					closeLedger(t, l)
					l = s.net.open(t, s.options(fs))
				}
			}
			got, want := l.Head(), end
			want.Applied = base.Applied
			if got != want || stateOf(t, l) != stateOf(t, whole) {
				t.Fatalf("the head is %+v, want %+v", got, want)
			}
			check(t, l)

			v := whole.View()
			last, err := v.PositionOf(end.Size)
			closeView(t, v)
			if err != nil {
				t.Fatal(err)
			}
			for _, bad := range []Position{{}, {last.Index, last.Term + 1}, {base.Applied.Index, last.Term}} {
				if err := l.Adopt(bad); !errors.Is(err, ErrConflict) {
					t.Errorf("adopting %v gave %v", bad, err)
				}
			}
			for range 2 {
				if err := l.Adopt(last); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Adopt(Position{last.Index + 1, last.Term}); !errors.Is(err, ErrConflict) {
				t.Errorf("adopting another position than the block has gave %v", err)
			}
			if l.Head().Applied != last {
				t.Errorf("after adopting %v the ledger stands at %v", last, l.Head().Applied)
			}
			closeLedger(t, l)
			l = s.net.open(t, s.options(fs))
			check(t, l)
			// The order goes on, and a seal of the next state is the same here and there.
			for _, e := range s.entries {
				if e.pos.Index <= last.Index {
					if a, err := l.Apply(e.pos, e.raw); err != nil || !a.Duplicate {
						t.Fatalf("an entry from before was applied: %+v, %v", a, err)
					}
				}
			}
			at := storyForgets
			ours, err := l.MakeSeal(at)
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := whole.MakeSeal(at)
			if err != nil || ours.Records != theirs.Records || ours.Revoked != theirs.Revoked {
				t.Errorf("the next seal is %x %x here and %x %x there; %v", ours.Records, ours.Revoked, theirs.Records, theirs.Revoked, err)
			}
		})
	}
}

// What was grafted may come again by the order, from any point on: it is not
// applied twice, and gets its place.
func TestGraftThenOrder(t *testing.T) {
	s := newStory(t, 8, 30)
	whole := s.told(t)
	defer closeLedger(t, whole)
	blocks := scionsOf(t, whole, 0)
	for _, n := range []int{1, len(blocks) / 2, len(blocks)} {
		l := s.net.open(t, s.options(vfs.NewMem()))
		mustGraft(t, l, blocks[:n]...)
		s.goOn(t, l) // to the byte the ledger of the order, positions too
		check(t, l)
		// Once all is placed, a block that comes again is stale here as everywhere.
		last := s.entries[len(s.entries)-1].pos
		raw := s.entries[slices.IndexFunc(s.entries, func(e entry) bool { return e.head.Size > 0 })].raw
		a, err := l.Apply(Position{last.Index + 1, last.Term}, raw)
		if err != nil || a.Refused == "" {
			t.Errorf("an old block in a new entry: %+v, %v", a, err)
		}
		closeLedger(t, l)
	}
}

// Whatever is wrong with a block, it is not taken; those before it are.
func TestGraftMisfits(t *testing.T) {
	n := newNetwork(t, "misfit.test")
	other := newNetwork(t, "other.test")
	src := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, src)
	revoked := n.revoke(t, "XB", testHashes(0, 30), "lost")
	must(t, src, Position{1, 1}, n.seal(t, src.Head(), 1, n.say(t, "XA", 1, grant("XB"))))
	must(t, src, Position{2, 1}, n.seal(t, src.Head(), 1, n.say(t, "XB", 1, grant("XA")), revoked, n.say(t, "XC", 1, grant("XA"))))
	_, raw := n.sealNow(t, src, 1, sealTime)
	must(t, src, Position{3, 1}, raw)
	blocks := scionsOf(t, src, 0)
	proofOf := func(change func(*block.Header), key string, statements [][]byte, attachments ...[]byte) block.HeaderProof {
		t.Helper()
		h, err := blocks[1].Proof.Claimed()
		if err != nil {
			t.Fatal(err)
		}
		change(&h)
		raw, err := block.Seal(h, statements, attachments, testKey(key))
		if err != nil {
			t.Fatal(err)
		}
		b, err := block.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return b.Proof()
	}
	same := func(*block.Header) {}
	good := blocks[1]
	with := func(statements ...[]byte) func(*GraftBlock) {
		return func(b *GraftBlock) {
			b.Statements = statements
			b.Proof = proofOf(same, "XA/node", statements, revoked.Attachment)
		}
	}
	for _, tt := range []struct {
		name, says string
		change     func(*GraftBlock)
	}{
		{"no header", "", func(b *GraftBlock) { b.Proof = block.HeaderProof{} }},
		{"a header of another network", "network", func(b *GraftBlock) {
			b.Proof = proofOf(func(h *block.Header) { h.Network = other.id }, "XA/node", good.Statements, revoked.Attachment)
		}},
		{"another size", "builds on", func(b *GraftBlock) { b.Proof = blocks[2].Proof }},
		{"another root", "builds on", func(b *GraftBlock) {
			b.Proof = proofOf(func(h *block.Header) { h.Root[0] ^= 1 }, "XA/node", good.Statements, revoked.Attachment)
		}},
		{"a statement too few", "counts 3", func(b *GraftBlock) { b.Statements = b.Statements[:2] }},
		{"a stranger's header", "no validator", func(b *GraftBlock) {
			b.Proof = proofOf(func(h *block.Header) { h.Proposer = "XZ" }, "XA/node", good.Statements, revoked.Attachment)
		}},
		{"an observer's header", "no validator", func(b *GraftBlock) {
			b.Proof = proofOf(func(h *block.Header) { h.Proposer = observer }, "XE/node", good.Statements, revoked.Attachment)
		}},
		{"a header that another signed", "", func(b *GraftBlock) { b.Proof = proofOf(same, "XB/node", good.Statements, revoked.Attachment) }},
		{"no statement", "", with(good.Statements[0], []byte("?"), good.Statements[2])},
		{"a statement from before", RepeatedStatement, with(blocks[0].Statements[0], good.Statements[1], good.Statements[2])},
		{"a statement twice", RepeatedStatement, with(good.Statements[0], good.Statements[1], good.Statements[0])},
		{"an old revision", state.RevisionConflict, with(n.say(t, "XA", 1, withdraw("XB")).Raw, good.Statements[1], good.Statements[2])},
		{"a seal among others", state.SealMisplaced, with(good.Statements[0], good.Statements[1], blocks[2].Statements[0])},
		{"a missing attachment", "missing", func(b *GraftBlock) { b.Attachments = nil }},
		{"a missing attachment that is needed", "missing", func(b *GraftBlock) { b.Attachments, b.Spent = nil, 1_999_999_999 }},
		{"another attachment", state.AttachmentMismatch, func(b *GraftBlock) {
			b.Attachments = map[[32]byte][]byte{hashOf(revoked.Attachment): statement.NewAttachment(testHashes(1, 30))}
		}},
		{"other statements than the header names", "header names", func(b *GraftBlock) {
			b.Statements = [][]byte{good.Statements[2], good.Statements[1], good.Statements[0]}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := n.open(t, small(vfs.NewMem()))
			defer closeLedger(t, l)
			bad := good
			tt.change(&bad)
			a, err := l.Graft(blocks[0], bad, blocks[2])
			if !errors.Is(err, ErrGraft) || !strings.Contains(err.Error(), tt.says) || errors.Is(err, ErrBroken) {
				t.Errorf("grafting it gave %v; want ErrGraft, saying %q", err, tt.says)
			}
			if a.Count != 1 || l.Head().Size != 1 {
				t.Errorf("%d statements were grafted, the ledger has %d; want the one before", a.Count, l.Head().Size)
			}
			check(t, l)
			mustGraft(t, l, blocks[1:]...)
			check(t, l)
			if l.Head().Root != src.Head().Root {
				t.Error("the root is another")
			}
		})
	}
	t.Run("a seal of another state", func(t *testing.T) {
		l := n.open(t, small(vfs.NewMem()))
		defer closeLedger(t, l)
		var said *statement.SealState
		u, err := statement.Parse(blocks[2].Statements[0])
		if err != nil {
			t.Fatal(err)
		}
		st := u.Statement()
		said = st.Body.(*statement.SealState)
		said.Records[0] ^= 1
		c := n.signSeal(t, *said)
		s, err := block.Parse(n.sealBlock(t, Head{Size: 4, Root: mustClaim(t, blocks[2]).Root}, 1, sealTime, c))
		if err != nil {
			t.Fatal(err)
		}
		a, err := l.Graft(blocks[0], blocks[1], GraftBlock{Proof: s.Proof(), Statements: [][]byte{c.Raw}})
		if !errors.Is(err, ErrDiverged) || errors.Is(err, ErrGraft) || a.Count != 4 {
			t.Errorf("it gave %+v, %v; want ErrDiverged after 4 statements", a, err)
		}
		if l.Err() != nil {
			t.Errorf("it broke the ledger: %v", l.Err())
		}
	})
	// Signatures are not looked at: a quorum has, or the root would not be certified.
	t.Run("a signature", func(t *testing.T) {
		l := n.open(t, small(vfs.NewMem()))
		defer closeLedger(t, l)
		forged := slices.Clone(good.Statements[0])
		forged[len(forged)-1] ^= 1
		b := good
		with(forged, good.Statements[1], good.Statements[2])(&b)
		mustGraft(t, l, blocks[0], b)
		if err := l.Check(t.Context()); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "statement 1") {
			t.Errorf("the audit, which verifies all, says %v", err)
		}
	})
}

func mustClaim(t testing.TB, b GraftBlock) block.Header {
	t.Helper()
	h, err := b.Proof.Claimed()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A header's time and term are its proposer's word alone; one that is ahead of
// those after it, which a liar may have signed for the same statements, stops nothing.
func TestGraftAheadOfItsTime(t *testing.T) {
	n := newNetwork(t, "time.test")
	src := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, src)
	for i := range 3 {
		must(t, src, Position{uint64(i + 1), 2}, n.seal(t, src.Head(), 2, n.say(t, validators[i], 1, grant("XD"))))
	}
	blocks := scionsOf(t, src, 0)
	h := mustClaim(t, blocks[1])
	h.Time, h.Term = block.MaxTime, 1<<62
	raw, err := block.Seal(h, blocks[1].Statements, nil, testKey("XA/node"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := block.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	blocks[1].Proof = b.Proof()
	l := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, l)
	mustGraft(t, l, blocks...)
	if err := l.Adopt(Position{3, 2}); err != nil {
		t.Fatal(err)
	}
	// What it says of the time stays with the head, and is in nobody's way.
	want := src.Head()
	want.Time = block.MaxTime
	if l.Head() != want {
		t.Errorf("the head is %+v, want %+v", l.Head(), want)
	}
	must(t, l, Position{4, 2}, n.seal(t, src.Head(), 2, n.say(t, "XD", 1, grant("XA"))))
	check(t, l)
}

// Blocks that are joined are taken together or not at all, whatever comes in one
// call with them; and the error says which of them does not fit.
func TestGraftJoined(t *testing.T) {
	n := newNetwork(t, "joined.test")
	src := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, src)
	for i, by := range []statement.Region{"XA", "XB", "XC", "XD"} {
		must(t, src, Position{uint64(i + 1), 2}, n.seal(t, src.Head(), 2, n.say(t, by, 1, grant(validators[(i+1)%4]))))
	}
	l := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, l)
	blocks := scionsOf(t, src, 0)
	blocks[1].Joined, blocks[2].Joined = true, true
	bad := slices.Clone(blocks)
	bad[3].Proof.Signature = bytes.Clone(bad[3].Proof.Signature)
	bad[3].Proof.Signature[0] ^= 1
	a, err := l.Graft(bad...)
	var which *GraftError
	if !errors.Is(err, ErrHeader) || !errors.Is(err, ErrGraft) || !errors.As(err, &which) || which.First != 3 {
		t.Errorf("it gave %v; want ErrHeader of the block at 3", err)
	}
	if a.Count != 1 || l.Head().Size != 1 {
		t.Errorf("%d statements were grafted, the ledger has %d; want the one block that is not joined", a.Count, l.Head().Size)
	}
	check(t, l)
	mustGraft(t, l, blocks[1:]...)
	if l.Head().Root != src.Head().Root {
		t.Error("the root is another")
	}
	check(t, l)
}

// A crash while grafting and adopting leaves a ledger at some block's end, to
// go on with from there (L1, L8).
func TestCrashWhileGrafting(t *testing.T) {
	s := newStory(t, 9, 32)
	whole := s.told(t)
	defer closeLedger(t, whole)
	blocks := scionsOf(t, whole, 0)
	v := whole.View()
	last, err := v.PositionOf(whole.Head().Size)
	closeView(t, v)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(9, 9))
	type crash struct {
		fs      *vfs.MemFS
		durable uint64
		adopted bool
	}
	var (
		mu      sync.Mutex
		crashes []crash
		now     crash
	)
	disk := vfs.NewCrashableMem()
	fs := errorfs.Wrap(disk, &countWrites{fn: func(n int64, op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if n > 25 && rng.IntN(100) < 15 {
			c := now
			c.fs = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			crashes = append(crashes, c)
		}
		return nil
	}})
	draw := func(n int) int { // the store writes from goroutines of its own
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(n)
	}
	l := s.net.open(t, s.options(fs))
	for rest := blocks; len(rest) > 0; {
		n := min(1+draw(3), len(rest))
		mustGraft(t, l, rest[:n]...)
		rest = rest[n:]
		if draw(2) == 0 {
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			now.durable = l.Head().Size
			mu.Unlock()
		}
	}
	if err := l.Adopt(last); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	now.durable, now.adopted = l.Head().Size, true
	mu.Unlock()
	mustCertify(t, l, s.entries[len(s.entries)-1].cert)
	if _, err := l.Erase(storyForgets.Time(), 0, 0); err != nil {
		t.Fatal(err)
	}
	closeLedger(t, l)
	if len(crashes) < 10 {
		t.Fatalf("only %d crashes", len(crashes))
	}
	for _, c := range crashes {
		l := s.net.open(t, s.options(c.fs))
		check(t, l)
		h := l.Head()
		at := slices.IndexFunc(blocks, func(b GraftBlock) bool { return mustClaim(t, b).Size == h.Size })
		if h.Size < c.durable || at < 0 && h.Size != whole.Head().Size || c.adopted && h.Applied != last {
			t.Fatalf("a crash left size %d at %v; Flush had returned for %d, Adopt %v", h.Size, h.Applied, c.durable, c.adopted)
		}
		if at >= 0 {
			mustGraft(t, l, blocks[at:]...)
		}
		if err := l.Adopt(last); err != nil {
			t.Fatal(err)
		}
		got, want := l.Head(), whole.Head()
		want.Applied = last
		if got != want {
			t.Fatalf("the head is %+v, want %+v", got, want)
		}
		check(t, l)
		closeLedger(t, l)
	}
	t.Logf("%d crashes", len(crashes))
}

// L9: what is held and comes by grafting is held no more.
func TestGraftFreesTheHeld(t *testing.T) {
	n := newNetwork(t, "held.test")
	src, l := n.open(t, small(vfs.NewMem())), n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, src)
	defer closeLedger(t, l)
	c := n.say(t, "XA", 1, grant("XB"))
	must(t, src, Position{1, 1}, n.seal(t, src.Head(), 1, c))
	if err := l.Hold(c); err != nil {
		t.Fatal(err)
	}
	mustGraft(t, l, scionsOf(t, src, 0)...)
	if held, err := l.Held(); err != nil || len(held) != 0 || l.HeldCount() != 0 {
		t.Errorf("%d are held, %v", len(held), err)
	}
}

// A ledger that was grafted without hashes that a seal still covers takes the
// seal, whose records it can recompute, and neither makes such a seal nor gives
// a bundle of it. With the seal that leaves them out it is as good as any.
func TestGraftWithoutHashes(t *testing.T) {
	n := newNetwork(t, "without.test")
	src, l := n.open(t, small(vfs.NewMem())), n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, src)
	defer closeLedger(t, l)
	must(t, src, Position{1, 1}, n.sealBlock(t, src.Head(), 1, sealTime,
		n.batchOfAll(t, "XA", false, testHashes(0, 9), sealTime+100), n.batchOfAll(t, "XA", false, testHashes(9, 9), sealTime+900)))
	blocks := scionsOf(t, src, sealTime+100)
	blocks[0].Attachments = map[[32]byte][]byte{}
	first := statement.NewAttachment(testHashes(9, 9))
	blocks[0].Attachments[hashOf(first)] = first
	mustGraft(t, l, blocks...)
	if err := l.Adopt(Position{1, 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.MakeSeal(sealTime + 50); !errors.Is(err, ErrErased) {
		t.Errorf("making a seal of hashes that it lacks gave %v", err)
	}
	for i, tt := range []struct {
		at   statement.Time
		want error
	}{{sealTime + 50, ErrErased}, {sealTime + 150, nil}} {
		_, raw := n.sealNow(t, src, 1, tt.at)
		must(t, src, Position{uint64(i + 2), 1}, raw)
		must(t, l, Position{uint64(i + 2), 1}, raw)
		mustCertify(t, l, n.certify(t, l, l.Head().Size, tt.at.Time()))
		if _, err := l.Bundle(io.Discard, 0); !errors.Is(err, tt.want) {
			t.Errorf("a bundle of the seal for %s gave %v, want %v", tt.at, err, tt.want)
		}
	}
	check(t, l)
}

// A ledger that lacked, at an older seal, hashes that others had then does not
// know what of them is gone since; it gives deltas all the same that anybody's
// bundle of that seal is brought up to date with.
func TestDeltaOfLedgerThatLackedHashes(t *testing.T) {
	n := newNetwork(t, "delta.test")
	src, l := n.open(t, small(vfs.NewMem())), n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, src)
	defer closeLedger(t, l)
	pos := Position{0, 1}
	get := func(l *Ledger, since uint64) *bundle.Unverified {
		t.Helper()
		var b bytes.Buffer
		if _, err := l.Bundle(&b, since); err != nil {
			t.Fatal(err)
		}
		u, err := bundle.Parse(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	seal := func(at statement.Time, to ...*Ledger) {
		t.Helper()
		_, raw := n.sealNow(t, src, 1, at)
		pos.Index++
		for _, l := range to {
			must(t, l, pos, raw)
			mustCertify(t, l, n.certify(t, l, l.Head().Size, at.Time()))
		}
	}
	pos.Index++
	must(t, src, pos, n.sealBlock(t, src.Head(), 1, sealTime,
		n.batchOfAll(t, "XA", false, testHashes(0, 9), sealTime+100), n.batchOfAll(t, "XA", false, testHashes(9, 9), sealTime+9000)))
	seal(sealTime+50, src)
	old, err := get(src, 0).Verify(n.doc)
	if err != nil {
		t.Fatal(err)
	}
	seal(sealTime+150, src) // leaves the first batch out
	blocks := scionsOf(t, src, sealTime+150)
	for i := range blocks { // of a peer that has erased
		delete(blocks[i].Attachments, hashOf(statement.NewAttachment(testHashes(0, 9))))
	}
	mustGraft(t, l, blocks...)
	if err := l.Adopt(pos); err != nil {
		t.Fatal(err)
	}
	mustCertify(t, l, n.certify(t, l, l.Head().Size, (sealTime+150).Time()))
	update := func(b *bundle.Bundle, l *Ledger) *bundle.Bundle {
		t.Helper()
		out, err := b.Update(get(l, b.Size()), n.doc)
		if err != nil {
			t.Fatalf("from size %d: %v", b.Size(), err)
		}
		return out
	}
	live, grafted := update(old, src), update(old, l)
	if live.Size() != grafted.Size() || live.Seal().Revoked != grafted.Seal().Revoked {
		t.Errorf("the bundle became %d (%+v), from the other ledger %d (%+v)", live.Size(), live.Seal(), grafted.Size(), grafted.Seal())
	}
	check(t, l)
	// From here on only what changes counts as changed.
	pos.Index++
	raw := n.sealBlock(t, src.Head(), 1, sealTime+151, n.say(t, "XA", 1, grant("XB")))
	must(t, src, pos, raw)
	must(t, l, pos, raw)
	seal(sealTime+200, src, l)
	update(grafted, l)
	update(old, l)
	var a, b bytes.Buffer
	for l, to := range map[*Ledger]*bytes.Buffer{src: &a, l: &b} {
		if _, err := l.Bundle(to, grafted.Size()); err != nil {
			t.Fatal(err)
		}
	}
	sameBytes(t, "the delta of the next seal", b.Bytes(), a.Bytes())
	check(t, l)
}

// A disk that fails while a ledger is grafted breaks it, and what is there when
// it is opened again is good to go on with (L6).
func TestFailedWriteWhileGrafting(t *testing.T) {
	s := newStory(t, 10, 16)
	whole := s.told(t)
	defer closeLedger(t, whole)
	blocks := scionsOf(t, whole, 0)
	v := whole.View()
	last, err := v.PositionOf(whole.Head().Size)
	closeView(t, v)
	if err != nil {
		t.Fatal(err)
	}
	fill := func(l *Ledger) error {
		from := slices.IndexFunc(blocks, func(b GraftBlock) bool { return mustClaim(t, b).Size == l.Head().Size })
		for i := from; i >= 0 && i < len(blocks); i += 2 {
			if _, err := l.Graft(blocks[i:min(i+2, len(blocks))]...); err != nil {
				return err
			}
			if err := l.Flush(); err != nil {
				return err
			}
		}
		return errors.Join(l.Adopt(last), l.Certify(s.entries[len(s.entries)-1].cert))
	}
	broke := 0
	for at := int64(0); at < 24; at += 2 {
		disk := vfs.NewMem()
		var opened atomic.Bool
		var writes atomic.Int64
		l := s.net.open(t, s.options(errorfs.Wrap(disk, &countWrites{fn: func(int64, errorfs.Op) error {
			if opened.Load() && writes.Add(1)-1 == at {
				return syscall.ENOSPC
			}
			return nil
		}})))
		opened.Store(true)
		err := fill(l)
		if err != nil {
			broke++
			if !errors.Is(err, ErrBroken) || !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrGraft) {
				t.Fatalf("write %d failed with ENOSPC; the ledger said %v", at, err)
			}
		}
		if err := l.Close(); err != nil && !errors.Is(err, ErrBroken) {
			t.Fatal(err)
		}
		l = s.net.open(t, s.options(disk))
		check(t, l)
		if err := fill(l); err != nil {
			t.Fatal(err)
		}
		if got := l.Head(); got.Root != whole.Head().Root || got.Applied != last {
			t.Fatalf("write %d failed; opened again and filled, the head is %+v", at, got)
		}
		closeLedger(t, l)
	}
	if broke < 5 {
		t.Errorf("only %d failures were noticed", broke)
	}
}
