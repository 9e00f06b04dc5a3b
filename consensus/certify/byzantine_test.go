package certify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"concordat/ledger"
	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
	"concordat/ledger/statement"
)

// puppet makes a validator the test's own: it has the keys, and says what the
// test has it say. Unless serve is set it answers all calls with nothing.
func (w *world) puppet(id string) *member {
	m := w.members[id]
	m.evil = true
	if m.serve == nil {
		m.serve = func(string, string, []byte) ([]byte, error) { return nil, nil }
	}
	return m
}

// signs gives the puppet's lines, with the real keys of by.
func signs(t testing.TB, by string, m mark, at time.Time) []string {
	t.Helper()
	c := checkpoint.Checkpoint{Origin: testOrigin, Size: m.size, Root: m.root}
	cosig, err := checkpoint.Cosign(c, statement.Region(by), at, testKey(by+"/cosign"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := checkpoint.SignLog(c, testKey(by+"/node"))
	if err != nil {
		t.Fatal(err)
	}
	return []string{cosig.Line, log}
}

func noteOf(m mark, lines ...string) []byte {
	return checkpoint.Assemble(checkpoint.Checkpoint{Origin: testOrigin, Size: m.size, Root: m.root}, lines).Bytes()
}

// tell sends as the puppet, and gives the answer.
func (m *member) tell(to, name string, req []byte) error {
	_, err := m.w.deliver(context.Background(), m.id, to, name, req)
	return err
}

func (m *member) echoes(to string, marks ...mark) {
	m.w.t.Helper()
	if err := m.tell(to, EchoProtocol, encodeEchoes(marks, nil)); err != nil {
		m.w.t.Fatalf("%s to %s: %v", m.id, to, err)
	}
}

// cosigns has the puppet echo a mark and sign it, to some.
func (m *member) cosigns(x mark, to ...string) {
	m.w.t.Helper()
	for _, id := range to {
		m.echoes(id, x)
		if err := m.tell(id, CosignProtocol, encodePush([][]byte{noteOf(x, signs(m.w.t, m.id, x, time.Now())...)})); err != nil {
			m.w.t.Fatalf("%s to %s: %v", m.id, id, err)
		}
	}
}

// caught waits until somebody honest has a proof, and holds that no honest one is ever named.
func (w *world) caught(culprit string, kind evidence.Kind) {
	w.t.Helper()
	w.wait(fmt.Sprintf("%s is caught (%s)", culprit, kind), func() bool {
		return slices.ContainsFunc(w.ids, func(id string) bool { return w.members[id].convicted()[culprit+" "+string(kind)] })
	})
	w.onlyEvil()
}

func (w *world) onlyEvil() {
	w.t.Helper()
	for _, id := range w.ids {
		m := w.members[id]
		m.convMu.Lock()
		for _, p := range m.proofs {
			if !w.members[string(p.Culprit())].evil {
				w.t.Errorf("%s accuses honest %s: %s", id, p.Culprit(), p.Words())
			}
			if err := p.Verify(testOrigin, w.doc.ID(), w.validators()); err != nil {
				w.t.Errorf("%s tells of evidence that is none: %v", id, err)
			}
		}
		m.convMu.Unlock()
	}
}

// TestLeaderForks: the leader gives one follower another block than the other
// two, and signs both histories. One gets certified; the follower that was
// fooled finds out and stops; the leader is caught for its signatures and its blocks.
func TestLeaderForks(t *testing.T) {
	inBubble(t, 21, func(t *testing.T, w *world) {
		xa := w.puppet("XA")
		w.start("XB", "XC", "XD", "XZ")
		first := w.chain.add(1)
		w.apply()
		xa.cosigns(first, "XB", "XC", "XD")
		w.final(first.size, "XB", "XC", "XD")
		other := w.chain.fork("F")
		left, right := w.chain.add(2), other.add(3)
		w.members["XB"].follow(w.chain)
		for _, id := range []string{"XC", "XD", "XZ"} {
			w.members[id].follow(other)
		}
		xa.serve = func(from, name string, req []byte) ([]byte, error) { return nil, errUnreachable }
		xa.cosigns(left, "XB")
		xa.cosigns(right, "XC", "XD", "XZ")
		w.final(right.size, "XC", "XD", "XZ")
		w.wait("XB finds out", func() bool { return w.members["XB"].cert.Status().Why != nil })
		if s := w.members["XB"].cert.Status(); !strings.Contains(s.Why[0], "has diverged") || s.Final.Checkpoint().Size != first.size {
			t.Errorf("XB: final %d, %q", s.Final.Checkpoint().Size, s.Why)
		}
		w.caught("XA", evidence.KindTwoBlocks)
		// It signed size 3 on one history and size 4 on the other: what proves that
		// they are two is in a tree that XB does not have, and XC gives it.
		w.caught("XA", evidence.KindTwoHistories)
	})
}

// TestThreeHistories: every follower gets another block. Nothing is final, and each says why.
func TestThreeHistories(t *testing.T) {
	inBubble(t, 22, func(t *testing.T, w *world) {
		xa := w.puppet("XA")
		w.start("XB", "XC", "XD")
		var heads []mark
		for i, id := range []string{"XB", "XC", "XD"} {
			c := w.chain.fork(fmt.Sprintf("F%d", i))
			heads = append(heads, c.add(2))
			w.members[id].follow(c)
		}
		for i, id := range []string{"XB", "XC", "XD"} {
			xa.cosigns(heads[i], id)
		}
		time.Sleep(15 * time.Second)
		w.check()
		for _, id := range []string{"XB", "XC", "XD"} {
			c := w.members[id].cert
			if c.Final() != nil {
				t.Errorf("%s calls size %d final", id, finalSize(c))
			}
			if s := c.Status(); strings.Count(strings.Join(s.NotFinal, "\n"), "holds another history at size 2") != 2 {
				t.Errorf("%s says %q", id, s.NotFinal)
			}
			if n := c.Status().Signed; n != 0 {
				t.Errorf("%s signed size %d", id, n)
			}
		}
		w.caught("XA", evidence.KindTwoBlocks)
		// Each follower has one of its signatures, which fits its own ledger. As
		// soon as one has another's, it has the proof.
		xa.cosigns(heads[0], "XC")
		w.caught("XA", evidence.KindTwoRoots)
	})
}

// TestEchoesTwice: echoes of several roots gain nothing and harm nobody; they are no evidence either.
func TestEchoesTwice(t *testing.T) {
	inBubble(t, 23, func(t *testing.T, w *world) {
		xd := w.puppet("XD")
		w.start("XA", "XB", "XC", "XZ")
		for i := range 5 {
			m := w.grow(1)
			for _, id := range []string{"XA", "XB", "XC"} {
				xd.echoes(id, m, markAt(m.size, id), markAt(m.size, fmt.Sprint(i)))
			}
			w.final(m.size, "XA", "XB", "XC", "XZ")
		}
		w.onlyEvil()
		for _, id := range []string{"XA", "XB", "XC"} {
			if s := w.members[id].cert.Status(); !s.Vouching {
				t.Errorf("%s: %q", id, s.Why)
			}
		}
	})
}

// TestEchoesForAQuorum: with one node down and one that echoes two histories,
// the two others have one each: neither is signed by anybody honest.
func TestEchoesForAQuorum(t *testing.T) {
	inBubble(t, 24, func(t *testing.T, w *world) {
		xd := w.puppet("XD")
		w.start("XA", "XB")
		other := w.chain.fork("F")
		other.term = 2
		left, right := w.chain.add(2), other.add(2)
		w.members["XA"].follow(w.chain)
		w.members["XB"].follow(other)
		for range 10 {
			xd.echoes("XA", left)
			xd.echoes("XB", right)
			time.Sleep(500 * time.Millisecond)
		}
		if n := len(w.vouched["XA"]) + len(w.vouched["XB"]); n != 0 {
			t.Errorf("%d signatures were made", n)
		}
		w.check()
		w.onlyEvil()
	})
}

// TestSignsTwoRoots: each root goes to another node; one of them hears of both
// by what nodes pass on, and certification goes on.
func TestSignsTwoRoots(t *testing.T) {
	inBubble(t, 25, func(t *testing.T, w *world) {
		xd := w.puppet("XD")
		w.start("XA", "XB", "XC", "XZ")
		m := w.grow(2)
		xd.cosigns(m, "XA")
		xd.cosigns(markAt(m.size, "false"), "XB")
		w.final(m.size, "XA", "XB", "XC", "XZ")
		began := time.Now()
		w.caught("XD", evidence.KindTwoRoots)
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v: nobody passed it on", took)
		}
		w.final(w.grow(1).size, "XA", "XB", "XC", "XZ")
	})
}

// TestSignsTwoRootsBeyond: two roots of a size that nobody has yet.
func TestSignsTwoRootsBeyond(t *testing.T) {
	inBubble(t, 26, func(t *testing.T, w *world) {
		xd := w.puppet("XD")
		w.start("XA", "XB", "XC")
		w.final(w.grow(2).size, "XA", "XB", "XC")
		xd.cosigns(markAt(1000, "a"), "XB")
		xd.cosigns(markAt(1000, "b"), "XB")
		w.caught("XD", evidence.KindTwoRoots)
	})
}

// TestSignsTwoHistories: the false signature is of a smaller size than the true
// one, and of a greater one, which only the next true one proves; the node that
// had it was restarted in between.
func TestSignsTwoHistories(t *testing.T) {
	for name, smaller := range map[string]bool{"smaller": true, "greater": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 27, func(t *testing.T, w *world) {
				xd := w.puppet("XD")
				w.start("XA", "XB", "XC")
				w.final(w.grow(2).size, "XA", "XB", "XC")
				low := w.grow(2)
				high := w.grow(3)
				w.final(high.size, "XA", "XB", "XC")
				if smaller {
					xd.cosigns(high, "XA", "XB")
					xd.cosigns(markAt(low.size, "false"), "XB")
				} else {
					xd.cosigns(low, "XA", "XB")
					xd.cosigns(markAt(high.size, "false"), "XB")
					time.Sleep(time.Minute)
					if n := len(w.members["XB"].convicted()); n > 0 {
						t.Error("there is no proof yet")
					}
					for _, id := range []string{"XA", "XB", "XC"} {
						w.members[id].stop()
					}
					w.start("XA", "XB", "XC")
					top := w.grow(1)
					xd.cosigns(top, "XC")
				}
				w.caught("XD", evidence.KindTwoHistories)
			})
		})
	}
}

// TestWithholds: a validator that echoes and never signs, or signs and never echoes.
func TestWithholds(t *testing.T) {
	inBubble(t, 28, func(t *testing.T, w *world) {
		xd := w.puppet("XD")
		w.start("XA", "XB", "XC", "XZ")
		for range 3 {
			m := w.grow(1)
			xd.echoes("XA", m)
			w.final(m.size, "XA", "XB", "XC", "XZ")
		}
		w.members["XC"].stop()
		m := w.grow(1)
		for range 10 {
			xd.echoes("XA", m)
			xd.echoes("XB", m)
			time.Sleep(time.Second)
		}
		for _, id := range []string{"XA", "XB"} {
			c := w.members[id].cert
			if finalSize(c) == m.size {
				t.Errorf("%s: size %d is final with two co-signatures", id, m.size)
			}
			words := strings.Join(c.Status().NotFinal, "\n")
			if !strings.Contains(words, "do not answer: XC;") || !strings.Contains(words, "have not co-signed it: XD;") {
				t.Errorf("%s says %q", id, words)
			}
		}
		w.onlyEvil()
	})
}

// TestReplays: true signatures, old ones and those of others, change nothing
// and convict nobody; and take no room from newer ones.
func TestReplays(t *testing.T) {
	inBubble(t, 29, func(t *testing.T, w *world) {
		xd := w.puppet("XD")
		w.start("XA", "XB", "XC")
		var notes [][]byte
		for range 30 {
			m := w.grow(1)
			w.final(m.size, "XA", "XB", "XC")
			notes = append(notes, w.members["XA"].cert.Final().Note())
		}
		for range 3 {
			for _, raw := range notes {
				n, err := checkpoint.ParseNote(raw)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range n.Lines {
					for _, to := range []string{"XA", "XB", "XC"} {
						if err := xd.tell(to, CosignProtocol, encodePush([][]byte{noteOf(mark{n.Checkpoint.Size, n.Checkpoint.Root}, s)})); err != nil {
							t.Fatal(err)
						}
					}
				}
				time.Sleep(300 * time.Millisecond)
			}
		}
		m := w.grow(1)
		w.final(m.size, "XA", "XB", "XC")
		w.onlyEvil()
	})
}

// TestForgedCheckpoints: what has no quorum is not believed, whoever gives it.
func TestForgedCheckpoints(t *testing.T) {
	inBubble(t, 30, func(t *testing.T, w *world) {
		xd := w.puppet("XD")
		forged := markAt(500, "forged")
		line := signs(t, "XD", forged, time.Now())
		alien := checkpoint.Checkpoint{Origin: "other.example", Size: 500, Root: forged.root}
		var aliens []string
		for _, id := range []string{"XA", "XB", "XC", "XD"} {
			s, err := checkpoint.Cosign(alien, statement.Region(id), time.Now(), testKey(id+"/cosign"))
			if err != nil {
				t.Fatal(err)
			}
			aliens = append(aliens, s.Line)
		}
		for name, answer := range map[string][]byte{
			"one signature":           noteOf(forged, line...),
			"one signature often":     noteOf(forged, append(signs(t, "XD", forged, time.Now().Add(time.Second)), append(line, signs(t, "XD", forged, time.Now().Add(2*time.Second))...)...)...),
			"another's moved":         noteOf(forged, signs(t, "XA", markAt(400, "x"), time.Now())...),
			"another log":             checkpoint.Assemble(alien, aliens).Bytes(),
			"nothing":                 nil,
			"rubbish":                 []byte("rubbish"),
			"another network's names": noteOf(forged, aliens...),
		} {
			xd.serve = func(string, string, []byte) ([]byte, error) { return answer, nil }
			w.start("XA", "XB", "XC", "XZ")
			w.final(w.grow(1).size, "XA", "XB", "XC", "XZ")
			for _, id := range []string{"XA", "XB", "XC", "XZ"} {
				if s := w.members[id].cert.Status(); s.KnownAhead != 0 {
					t.Errorf("%s: %s believes in size %d", name, id, s.KnownAhead)
				}
			}
			for _, id := range []string{"XA", "XB", "XC", "XZ"} {
				w.members[id].stop()
			}
		}
		w.onlyEvil()
	})
}

// TestFlood: what one peer can have kept, computed and sent is bounded (F6).
func TestFlood(t *testing.T) {
	inBubble(t, 31, func(t *testing.T, w *world) {
		xd := w.puppet("XD")
		w.start("XA", "XB", "XC")
		m := w.grow(3)
		w.final(m.size, "XA", "XB", "XC")
		w.mu.Lock()
		calls := w.calls
		w.mu.Unlock()
		busy := 0
		for i := range 3000 {
			// Sizes that nobody has, old ones, the newest again and again, and signatures of all kinds.
			marks := []mark{markAt(uint64(1000+i), "x"), m, {1, m.root}, markAt(uint64(i+1), "y")}
			err := xd.tell("XB", EchoProtocol, encodeEchoes(marks, nil))
			var r *Refusal
			if errors.As(err, &r) && r.Code == CodeBusy {
				busy++
			}
			if i%10 == 0 {
				var notes [][]byte
				for j := range maxPushed {
					x := markAt(uint64(2000+i), fmt.Sprint("z", j))
					if i%20 == 0 {
						x = markAt(2, fmt.Sprint("lie", i, j))
					}
					notes = append(notes, noteOf(x, signs(t, "XD", x, time.Now().Add(time.Duration(i)*time.Minute))...))
				}
				if err := xd.tell("XB", CosignProtocol, encodePush(notes)); err != nil && !errors.As(err, &r) {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Millisecond)
		}
		if busy < 2000 {
			t.Errorf("%d of 3000 messages in 3 s were refused", busy)
		}
		synctest.Wait()
		w.mu.Lock()
		sent := w.calls - calls
		w.mu.Unlock()
		if sent > 200 {
			t.Errorf("the flood had the nodes send %d messages", sent)
		}
		xb := w.members["XB"].cert
		xb.mu.Lock()
		if n := len(xb.peers["XD"].echoes); n > maxEchoes {
			t.Errorf("%d echoes are kept", n)
		}
		if r := xb.records["XD"]; len(r.recent) > maxRecent || len(r.suspects) > maxSuspects || len(r.fresh) > maxSuspects {
			t.Errorf("%d lines, %d suspects and %d fresh are kept", len(r.recent), len(r.suspects), len(r.fresh))
		}
		xb.mu.Unlock()
		w.final(w.grow(1).size, "XA", "XB", "XC")
		w.onlyEvil()
	})
}

// TestFromTheFuture: co-signatures from too far ahead do not count, and are evidence all the same.
func TestFromTheFuture(t *testing.T) {
	inBubble(t, 32, func(t *testing.T, w *world) {
		xd := w.puppet("XD")
		w.start("XA", "XB")
		m := w.grow(2)
		push := func(x mark) {
			for _, id := range []string{"XA", "XB"} {
				xd.echoes(id, m)
				if err := xd.tell(id, CosignProtocol, encodePush([][]byte{noteOf(x, signs(t, "XD", x, time.Now().Add(time.Hour))[0])})); err != nil {
					t.Fatal(err)
				}
			}
		}
		push(m)
		time.Sleep(10 * time.Second)
		if n := finalSize(w.members["XA"].cert); n != 0 {
			t.Errorf("size %d is final by a signature from the future", n)
		}
		push(markAt(m.size, "false"))
		w.caught("XD", evidence.KindTwoRoots)
		xd.cosigns(m, "XA", "XB")
		w.final(m.size, "XA", "XB")
	})
}

// TestStrangers: who is no validator is not listened to; malformed calls are refused.
func TestStrangers(t *testing.T) {
	inBubble(t, 33, func(t *testing.T, w *world) {
		w.start("XA", "XB", "XC", "XZ")
		m := w.grow(1)
		w.final(m.size, "XA")
		code := func(err error) string {
			var r *Refusal
			if errors.As(err, &r) {
				return r.Code
			}
			return fmt.Sprint(err)
		}
		xa := w.members["XA"].cert
		for _, x := range []struct {
			name, from string
			voter      bool
			req        []byte
			want       string
		}{
			{EchoProtocol, "XZ", false, encodeEchoes([]mark{m}, nil), CodeNotValidator},
			{EchoProtocol, "XZ", true, encodeEchoes([]mark{m}, nil), CodeNotValidator},
			{CosignProtocol, "XZ", false, nil, CodeNotValidator},
			{EchoProtocol, "QQ", true, encodeEchoes([]mark{m}, nil), CodeNotMember},
			{EchoProtocol, "XB", true, nil, CodeMalformed},
			{CosignProtocol, "XB", true, []byte{1, 1}, CodeMalformed},
			{CosignProtocol, "XB", true, encodePush([][]byte{noteOf(m, strings.Replace(signs(t, "XB", m, dawn)[0], "A", "B", 9))}), CodeMalformed},
			{NewestProtocol, "XB", true, []byte{9}, CodeMalformed},
			{BlockProtocol, "XB", true, nil, CodeMalformed},
			{BlockProtocol, "XB", true, encodeBlockRequest(99), CodeNotThere},
			{HistoryProtocol, "XB", true, encodeHistoryRequest(2, 1), CodeMalformed},
			{HistoryProtocol, "XB", true, encodeHistoryRequest(1, 99), CodeNotThere},
			{"certify/nothing/1", "XB", true, nil, CodeMalformed},
		} {
			_, err := xa.Serve(t.Context(), x.name, x.from, x.voter, x.req)
			if got := code(err); got != x.want {
				t.Errorf("%s from %s: %s, want %s", x.name, x.from, got, x.want)
			}
		}
		if _, err := xa.Serve(t.Context(), NewestProtocol, "XZ", false, []byte{wireVersion}); err != nil {
			t.Errorf("an observer may ask: %v", err)
		}
	})
}

// TestSawBlock: rivals are caught from wherever they come; what is forged or of
// another term blames nobody.
func TestSawBlock(t *testing.T) {
	inBubble(t, 34, func(t *testing.T, w *world) {
		w.members["XA"].evil = true // it leads honestly, and has signed more than it shows
		w.start()
		w.final(w.grow(2).size)
		honest, other := w.chain.fork("H"), w.chain.fork("F")
		honest.term = 2
		honest.add(2)
		other.add(2)
		w.final(w.grow(2).size)
		xb := w.members["XB"].cert
		xb.SawBlock(honest.header(1)) // another term
		xb.SawBlock(w.chain.header(1))
		forged := other.header(1)
		forged.Signature = slices.Clone(forged.Signature)
		forged.Signature[3] ^= 1
		xb.SawBlock(forged)
		time.Sleep(time.Second)
		if got := w.members["XB"].convicted(); len(got) > 0 {
			t.Errorf("caught %v", slices.Collect(maps.Keys(got)))
		}
		xb.SawBlock(other.header(1))
		w.caught("XA", evidence.KindTwoBlocks)
		// Two that nobody has applied.
		next := w.chain.fork("N")
		next.add(1)
		w.chain.add(2)
		xc := w.members["XC"].cert
		xc.SawBlock(next.header(2))
		xc.SawBlock(w.chain.header(2))
		w.wait("XC knows too", func() bool { return w.members["XC"].convicted()["XA two-blocks"] })
		for i := range 3 * maxHeaders {
			f := next.fork(fmt.Sprintf("M%d", i))
			f.add(1)
			xc.SawBlock(f.header(3))
		}
		xc.mu.Lock()
		n := len(xc.headers["XA"])
		xc.mu.Unlock()
		if n > maxHeaders {
			t.Errorf("%d headers are kept", n)
		}
	})
}

// TestTooManyDishonest: with two of four dishonest two histories do get
// certified, and both culprits are caught as soon as the honest meet.
func TestTooManyDishonest(t *testing.T) {
	inBubble(t, 35, func(t *testing.T, w *world) {
		w.lost = true
		xc, xd := w.puppet("XC"), w.puppet("XD")
		w.isolate("XA", true)
		w.start("XA", "XB")
		other := w.chain.fork("F")
		other.term = 2
		left, right := w.chain.add(2), other.add(2)
		w.members["XA"].follow(w.chain)
		w.members["XB"].follow(other)
		for _, evil := range []*member{xc, xd} {
			evil.cosigns(left, "XA")
			evil.cosigns(right, "XB")
		}
		w.final(2, "XA", "XB")
		w.isolate("XA", false)
		w.caught("XC", evidence.KindTwoRoots)
		w.caught("XD", evidence.KindTwoRoots)
		w.wait("they know that they differ", func() bool {
			return !w.members["XA"].cert.Status().Vouching || !w.members["XB"].cert.Status().Vouching
		})
	})
}

// TestSuspended: once the ledger has the evidence the culprit counts no more,
// and the quorum stays what it was.
func TestSuspended(t *testing.T) {
	inBubble(t, 36, func(t *testing.T, w *world) {
		xd := w.puppet("XD")
		w.start("XA", "XB", "XC")
		m := w.grow(2)
		xd.cosigns(m, "XA", "XB", "XC")
		xd.cosigns(markAt(m.size, "false"), "XA")
		w.caught("XD", evidence.KindTwoRoots)
		proof := w.members["XA"].proofs[0]
		m = w.chain.block([][]byte{w.chain.say("XA/node", 0, &statement.ReportEvidence{Culprit: "XD", Proof: proof.Encode()})})
		w.apply()
		xd.cosigns(m, "XA", "XB", "XC")
		w.final(m.size, "XA", "XB", "XC")
		for _, sig := range w.members["XA"].cert.Final().Cosigners() {
			if sig.By == "XD" {
				t.Error("XD counts")
			}
		}
		w.members["XC"].stop()
		m = w.grow(1)
		for range 10 {
			xd.cosigns(m, "XA", "XB")
			time.Sleep(time.Second)
		}
		c := w.members["XA"].cert
		if finalSize(c) >= m.size {
			t.Error("two of four make a quorum")
		}
		words := strings.Join(c.Status().NotFinal, "\n")
		if !strings.Contains(words, "1 of 4 validators are suspended by evidence or vote: XD; 3 are needed") || !strings.Contains(words, "do not answer: XC") {
			t.Errorf("it says %q", words)
		}
	})
}

// TestKeyElsewhere: this validator's key signs another history in another
// process. It stops, and says so.
func TestKeyElsewhere(t *testing.T) {
	inBubble(t, 37, func(t *testing.T, w *world) {
		w.members["XB"].evil = true // somebody has its keys
		w.start("XA", "XB", "XC", "XD")
		m := w.grow(2)
		w.final(m.size, "XA", "XB", "XC", "XD")
		x := markAt(m.size, "false")
		if err := w.members["XC"].tell("XB", CosignProtocol, encodePush([][]byte{noteOf(x, signs(t, "XB", x, time.Now())...)})); err != nil {
			t.Fatal(err)
		}
		w.wait("XB stops", func() bool { return !w.members["XB"].cert.Status().Vouching })
		if s := w.members["XB"].cert.Status(); !strings.Contains(s.Why[0], "another process has its keys") {
			t.Errorf("%q", s.Why)
		}
		w.caught("XB", evidence.KindTwoRoots)
		w.final(w.grow(1).size, "XA", "XC", "XD")
	})
}

// TestBrokenLedger: a ledger that fails ends all vouching.
func TestBrokenLedger(t *testing.T) {
	inBubble(t, 38, func(t *testing.T, w *world) {
		w.start("XA", "XB", "XC")
		w.final(w.grow(1).size, "XA", "XB", "XC")
		xb := w.members["XB"].cert
		xb.breaks(fmt.Errorf("%w: in a test", ledger.ErrBroken))
		if s := xb.Status(); s.Vouching || !strings.Contains(s.Why[0], "cannot be read") {
			t.Errorf("%q", s.Why)
		}
	})
}
