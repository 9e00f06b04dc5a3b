package catchup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
)

// slowly is an honest peer that others are quicker than.
func slowly(d time.Duration) fault {
	return func(ctx context.Context, _ string, req []byte, next func([]byte) ([]byte, error)) ([]byte, error) {
		select {
		case <-time.After(d):
			return next(req)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// changed is a peer that changes its answers to calls of one name.
func changed(protocol string, change func(req, answer []byte) []byte) fault {
	return func(_ context.Context, name string, req []byte, next func([]byte) ([]byte, error)) ([]byte, error) {
		answer, err := next(req)
		if err == nil && name == protocol && answer[0] == statusDone {
			answer = change(req, answer)
		}
		return answer, err
	}
}

// rewritten is a peer that changes what its answers of one name say.
func rewritten[T any, P interface {
	*T
	message
}](protocol string, change func(a P)) fault {
	return changed(protocol, func(_, answer []byte) []byte {
		var a T
		if err := dec.Unmarshal(answer[1:], &a); err != nil {
			panic(err)
		}
		change(&a)
		return done(a)
	})
}

// story is a chain with something of everything, and its certified head.
func story(t testing.TB) (*chain, *checkpoint.Certified) {
	t.Helper()
	c := newNetwork(t).chain(t)
	c.risks(t, 300, 3)
	for i := range 6 {
		c.add(t, c.revoke(t, 100*i, 90, 1_900_000_000), c.revoke(t, 10_000+i, 1, 1_900_000_000))
		c.term++
		c.risks(t, 50, 5)
	}
	c.sealState(t, startTime/1000+60)
	c.risks(t, 1200, 10)
	return c, c.certify(t)
}

// digestOf is the digest of encoded records' headers.
func digestOf(records [][]byte) [sha256.Size]byte {
	proofs := make([]block.HeaderProof, len(records))
	for i, r := range records {
		p, err := block.ParseHeaderProof(r)
		if err != nil {
			panic(err)
		}
		proofs[i] = p
	}
	return headersDigest(proofs)
}

// twin makes the first record one of the same block with another time, signed
// by its own proposer.
func twin(records [][]byte) {
	p, err := block.ParseHeaderProof(records[0])
	if err != nil {
		panic(err)
	}
	h, err := p.Claimed()
	if err != nil {
		panic(err)
	}
	raw, err := block.Seal(block.Header{Network: h.Network, Term: h.Term, Size: h.Size, Root: h.Root, Time: h.Time + 1_000_000, Proposer: h.Proposer},
		slices.Repeat([][]byte{{1}}, int(h.Count)), nil, testKey(string(h.Proposer)+"/node"))
	if err != nil {
		panic(err)
	}
	s, err := block.Parse(raw)
	if err != nil {
		panic(err)
	}
	records[0] = s.Proof().Encode()
}

// Whatever one peer says that is not so, it is named, the others go on, and
// nothing of it is believed.
func TestLies(t *testing.T) {
	c, _ := story(t)
	flip := func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b }
	other := func(t *testing.T) []byte { // a header that its proposer has really signed, of no block
		raw := c.seal(t, "XA", c.risk(t, 999_999, 0))
		s, err := block.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return s.Proof().Encode()
	}(t)
	for name, f := range map[string]fault{
		"offer/position": rewritten(OfferProtocol, func(a *offerAnswer) { a.Index++ }),
		"offer/term":     rewritten(OfferProtocol, func(a *offerAnswer) { a.Term++ }),
		"offer/root":     rewritten(OfferProtocol, func(a *offerAnswer) { a.Root[0]++ }),
		"offer/size":     rewritten(OfferProtocol, func(a *offerAnswer) { a.Size-- }),
		"offer/head":     rewritten(OfferProtocol, func(a *offerAnswer) { a.Head = 5; a.Size = 0; a.Seals = 0 }),
		"offer/seal":     rewritten(OfferProtocol, func(a *offerAnswer) { a.Seals = a.Size }),
		"offer/note":     rewritten(OfferProtocol, func(a *offerAnswer) { a.Note = flip(a.Note) }),
		"offer/no note":  rewritten(OfferProtocol, func(a *offerAnswer) { a.Note = []byte("nothing\n\nsigned\n") }),
		"offer/forged": rewritten(OfferProtocol, func(a *offerAnswer) {
			a.Note = c.certified(t, checkpoint.Checkpoint{Origin: origin, Size: 4000, Root: [32]byte{1}}, time.Unix(1_700_000_000, 0), "XA", "XB").Bytes()
			a.Head, a.Size, a.Root = 4000, 4000, [32]byte{1}
		}),
		"offer/origin": rewritten(OfferProtocol, func(a *offerAnswer) {
			a.Note = c.certified(t, checkpoint.Checkpoint{Origin: "other.test", Size: a.Size, Root: a.Root}, time.Unix(1_700_000_000, 0), "XA", "XB", "XC").Bytes()
		}),
		"tiles/bit":    rewritten(TilesProtocol, func(a *tilesAnswer) { a.Tiles[0] = flip(a.Tiles[0]) }),
		"tiles/last":   rewritten(TilesProtocol, func(a *tilesAnswer) { a.Tiles[len(a.Tiles)-1] = flip(a.Tiles[len(a.Tiles)-1]) }),
		"tiles/short":  rewritten(TilesProtocol, func(a *tilesAnswer) { a.Tiles[0] = a.Tiles[0][:32] }),
		"tiles/fewer":  rewritten(TilesProtocol, func(a *tilesAnswer) { a.Tiles = append(a.Tiles, a.Tiles[0]) }),
		"entries/bit":  rewritten(EntriesProtocol, func(a *entriesAnswer) { a.Entries[len(a.Entries)-1] = flip(a.Entries[len(a.Entries)-1]) }),
		"entries/swap": rewritten(EntriesProtocol, func(a *entriesAnswer) { slices.Reverse(a.Entries) }),
		"entries/half": rewritten(EntriesProtocol, func(a *entriesAnswer) { a.Entries = a.Entries[:len(a.Entries)/2+1] }),
		"entries/more": rewritten(EntriesProtocol, func(a *entriesAnswer) { a.Entries = append(a.Entries, a.Entries[0]) }),
		"attachments/bit": rewritten(AttachmentsProtocol, func(a *attachmentsAnswer) {
			a.Attachments[len(a.Attachments)-1] = flip(a.Attachments[len(a.Attachments)-1])
		}),
		"attachments/short": rewritten(AttachmentsProtocol, func(a *attachmentsAnswer) { a.Attachments[0] = a.Attachments[0][:8] }),
		"attachments/more":  rewritten(AttachmentsProtocol, func(a *attachmentsAnswer) { a.Attachments = append(a.Attachments, a.Attachments[0]) }),
		"attachments/fewer": rewritten(AttachmentsProtocol, func(a *attachmentsAnswer) { a.Attachments = a.Attachments[:1] }),
		"blocks/other": rewritten(BlocksProtocol, func(a *blocksAnswer) {
			if a.Records != nil {
				a.Records[0] = other
			} else {
				a.Digest[0]++
			}
		}),
		"blocks/twin": rewritten(BlocksProtocol, func(a *blocksAnswer) {
			if a.Records != nil {
				twin(a.Records)
			} else {
				a.Digest[0]++
			}
		}),
		"blocks/only the digest": rewritten(BlocksProtocol, func(a *blocksAnswer) {
			if a.Digest != nil {
				a.Digest[0]++
			}
		}),
		"blocks/fewer": rewritten(BlocksProtocol, func(a *blocksAnswer) {
			if a.Records != nil {
				a.Records = a.Records[:len(a.Records)-1]
			} else {
				a.Digest[0]++
			}
		}),
		"blocks/garbage":          rewritten(BlocksProtocol, func(a *blocksAnswer) { a.Digest, a.Records = nil, [][]byte{{1, 2, 3}} }),
		"entries/garbage":         changed(EntriesProtocol, func(_, a []byte) []byte { return []byte{0, 1, 2, 3} }),
		"entries/not canonical":   changed(EntriesProtocol, func(_, a []byte) []byte { return append(a, 0) }),
		"tiles/nothing":           changed(TilesProtocol, func(_, _ []byte) []byte { return nil }),
		"blocks/unknown status":   changed(BlocksProtocol, func(_, a []byte) []byte { return []byte{9} }),
		"entries/too much":        changed(EntriesProtocol, func(_, _ []byte) []byte { return make([]byte, MaxAnswer+1) }),
		"entries/another's reply": changed(EntriesProtocol, func(_, _ []byte) []byte { return done(tilesAnswer{Tiles: [][]byte{{1}}}) }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := c.opened(t)
			w := newWires().serve(c.l, "XA", "XB", "XC")
			// The liar has its say before the others answer.
			var lied atomic.Bool
			w.fault("XA", func(ctx context.Context, name string, req []byte, next func([]byte) ([]byte, error)) ([]byte, error) {
				var truth []byte
				said, err := f(ctx, name, req, func(req []byte) (answer []byte, err error) {
					answer, err = next(req)
					truth = answer
					return answer, err
				})
				if !bytes.Equal(truth, said) {
					lied.Store(true)
				}
				return said, err
			})
			kind, _, _ := strings.Cut(name, "/")
			for _, peer := range []string{"XB", "XC"} {
				w.fault(peer, func(_ context.Context, name string, req []byte, next func([]byte) ([]byte, error)) ([]byte, error) {
					if name != OfferProtocol && name == "catchup/"+kind+"/1" && !lied.Load() {
						return []byte{statusBusy}, nil
					}
					return next(req)
				})
			}
			var last Progress
			cfg := config(l, w)
			cfg.Progress = func(p Progress) { last = p }
			mustReach(t, cfg, l, c)
			for _, p := range last.Peers {
				if (p.Lies > 0) != (p.Name == "XA") {
					t.Errorf("%s is said to have lied %d times: %s", p.Name, p.Lies, p.LastLie)
				}
			}
			if last.Peers[0].Rests == "" {
				t.Error("who lied may be asked again at once")
			}
		})
	}
}

// A wrong place is not believed from as many as can be dishonest, and a true
// one that too few say is waited for.
func TestPlaceNeedsMoreThanAThird(t *testing.T) {
	c, _ := story(t)
	l := c.opened(t)
	w := newWires().serve(c.l, "XA", "XB", "XO")
	w.fault("XA", rewritten(OfferProtocol, func(a *offerAnswer) { a.Index += 7 }))
	waiting := make(chan string, 1)
	cfg := config(l, w)
	cfg.Progress = func(p Progress) {
		if p.Waiting != "" {
			select {
			case waiting <- p.Waiting:
			default:
			}
		}
	}
	ctx, cancel := context.WithCancel(testContext(t))
	ended := make(chan error)
	go func() {
		_, err := Run(ctx, cfg)
		ended <- err
	}()
	// XO is an observer: its word does not count, so one stands against one.
	if got := <-waiting; !strings.Contains(got, "2 validators") || !strings.Contains(got, "XA says") || !strings.Contains(got, "XB says") {
		t.Errorf("waiting: %s", got)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "2 validators") {
		t.Errorf("ended with %v", err)
	}
	if l.Head().Size != 0 {
		t.Errorf("%d statements were taken", l.Head().Size)
	}
	w.serve(c.l, "XC")
	result := mustRun(t, config(l, w), l, c)
	if result.Position != c.l.Head().Applied {
		t.Errorf("position %+v, want %+v", result.Position, c.l.Head().Applied)
	}
}

// Of several true notes the newest counts that enough know the place of.
func TestNewestThatIsKnown(t *testing.T) {
	c := newNetwork(t).chain(t)
	c.risks(t, 500, 5)
	behind := c.opened(t)
	c.certify(t)
	mustRun(t, config(behind, newWires().serve(c.l, "XA", "XB", "XC")), behind, c)
	old := c.l.Head()
	if err := behind.Adopt(old.Applied); err != nil {
		t.Fatal(err)
	}
	c.risks(t, 500, 5)
	c.certify(t)
	// Only XA has the newer one; XB and XC are behind.
	l := c.opened(t)
	w := newWires().serve(c.l, "XA").serve(behind, "XB", "XC")
	result, err := Run(testContext(t), config(l, w))
	if err != nil {
		t.Fatal(err)
	}
	if result.Size != old.Size || result.Position != old.Applied || l.Head().Size != old.Size {
		t.Errorf("result: %+v, want size %d at %+v", result, old.Size, old.Applied)
	}
	// XD has it too: now it is known by two, whatever those behind offer.
	w.serve(c.l, "XD")
	if result := mustRun(t, config(l, w), l, c); result.Size != 1000 {
		t.Errorf("result: %+v", result)
	}
}

// Two certified roots for one size end everything.
func TestFork(t *testing.T) {
	n := newNetwork(t)
	a, b := n.chain(t), n.chain(t)
	a.risks(t, 10, 2)
	a.certify(t)
	b.made = 100
	b.risks(t, 10, 2)
	b.certify(t)
	l := n.opened(t)
	_, err := Run(testContext(t), config(l, newWires().serve(a.l, "XA", "XB").serve(b.l, "XC", "XD")))
	if !errors.Is(err, ErrFork) {
		t.Fatalf("got %v, want ErrFork", err)
	}
	for _, root := range []string{fmt.Sprintf("%x", a.l.Head().Root), fmt.Sprintf("%x", b.l.Head().Root)} {
		if !strings.Contains(err.Error(), root) {
			t.Errorf("%v does not name root %s", err, root)
		}
	}
	if l.Head().Size != 0 {
		t.Error("something was taken")
	}
}

// A ledger that is of another history is never touched, be it shorter or longer.
func TestOtherHistory(t *testing.T) {
	n := newNetwork(t)
	c := n.chain(t)
	c.risks(t, 50, 5)
	c.certify(t)
	for _, size := range []int{20, 50, 80} {
		other := n.chain(t)
		other.made = 1000
		other.risks(t, size, 5)
		before := other.l.Head()
		_, err := Run(testContext(t), config(other.l, newWires().serve(c.l, "XA", "XB", "XC")))
		if !errors.Is(err, ErrOtherHistory) {
			t.Fatalf("size %d: got %v, want ErrOtherHistory", size, err)
		}
		common := fmt.Sprintf("at size %d", min(size, 50))
		if !strings.Contains(err.Error(), common) {
			t.Errorf("size %d: %v does not say %q", size, err, common)
		}
		if other.l.Head() != before {
			t.Errorf("size %d: the ledger was changed", size)
		}
	}
}

// What came by Raft beyond the newest certified size stays.
func TestUncertifiedTail(t *testing.T) {
	c, cert := story(t)
	c.risks(t, 20, 4)
	before := c.l.Head()
	w := newWires().serve(c.l, "XA", "XB", "XC")
	result, err := Run(testContext(t), config(c.l, w))
	if err != nil || result.Size != cert.Checkpoint().Size || result.Head != before || result.Fetched != 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	v := c.l.View()
	defer func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}()
	if at, err := v.PositionOf(result.Size); err != nil || at != result.Position {
		t.Errorf("position %+v, want %+v (%v)", result.Position, at, err)
	}
}
