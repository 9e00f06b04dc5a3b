package node_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"concordat/client"
	"concordat/ledger/block"
	"concordat/ledger/evidence"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
	"concordat/p2p"
)

// run is a subtest on the siege that goes on.
func (s *siege) run(name string, fn func(t *testing.T)) {
	whole := s.t
	defer func() { s.t, s.x.t = whole, whole }()
	whole.Run(name, func(t *testing.T) {
		s.t, s.x.t = t, t
		fn(t)
	})
	if whole.Failed() {
		whole.FailNow() // what follows builds on it
	}
}

// nothing holds that what a branch has just got did nothing anywhere: what is
// said after it, in another term, is final in its place.
func (s *siege) nothing(b *branch) {
	s.t.Helper()
	b.show(s.honest...)
	s.x.usurp()
	b.say(s.statement("XB")).show(s.honest...)
	b.becomes()
	for _, id := range s.honest {
		if err := s.x.echo(id, b.mark()); err != nil { // the mark that a leader makes
			s.t.Fatal(err)
		}
	}
	s.settle()
}

// logged waits until all honest nodes have logged a line with some words.
func (s *siege) logged(words ...string) {
	s.t.Helper()
	for _, id := range s.honest {
		s.await(id+" to log "+strings.Join(words, " "), func() bool {
			for line := range strings.Lines(s.Log(id).String()) {
				if contains(line, words...) {
					return true
				}
			}
			return false
		})
	}
}

// TestTraitorLeads is what a leader may try that needs no second signature: the
// others refuse it, go on as soon as there is anything good, and accuse nobody of
// signing two histories, because nobody has. In the end it signs a second block.
func TestTraitorLeads(t *testing.T) {
	s := besiege(t)
	s.x.usurp()
	b := s.x.branch()

	s.run("forges a statement", func(t *testing.T) {
		// The signature is wiped out; behind a good one, which does not count either.
		unsigned := bytes.Clone(s.statement("XA").Raw())
		clear(unsigned[len(unsigned)-64:])
		b.spoil(b.seal(nil, s.statement("XB").Raw(), unsigned))
		s.nothing(b)
		s.logged("proves its proposer wrong", "proposer=XD", "wrong-signature")
	})
	s.run("forges a statement with its own key", func(t *testing.T) {
		s.x.usurp()
		forged, err := statement.Sign(s.statement("XA").Statement(), s.x.node)
		if err != nil {
			t.Fatal(err)
		}
		b.spoil(b.seal(nil, forged.Raw()))
		s.nothing(b)
		s.logged("proves its proposer wrong", "proposer=XD", "unknown-key")
	})
	s.run("forges a block", func(t *testing.T) {
		v := s.statement("XA")
		h := block.Header{Network: s.Doc.ID(), Term: s.x.currentTerm(), Size: b.mark().size, Root: b.root(), Time: time.Now().UnixMilli(), Proposer: "XA"}
		raw, err := block.Seal(h, [][]byte{v.Raw()}, nil, s.x.node) // in XA's name
		if err != nil {
			t.Fatal(err)
		}
		b.spoil(raw).spoil([]byte("no block")).spoil([]byte{})
		s.nothing(b)
		s.logged("bad-proposer")
	})
	s.run("replays blocks", func(t *testing.T) {
		for _, e := range b.clone().log {
			if e.Type == raft.LogCommand {
				b.spoil(e.Data) // those of honest leaders, and its own of this term and of others
			}
		}
		s.nothing(b)
		s.logged("wrong-term")
	})
	s.run("replays a statement", func(t *testing.T) {
		raw, err := s.Client("XA").Raw(t.Context(), "0")
		if err != nil {
			t.Fatal(err)
		}
		s.x.usurp()
		b.spoil(b.seal(nil, s.statement("XA").Raw(), raw))
		s.nothing(b)
		s.logged("repeated-statement", "proposer=XD")
		if st, err := s.Client("XB").Statement(t.Context(), "0"); err != nil || st.State != client.Final || st.Index != 0 {
			t.Errorf("the replayed statement: %+v, %v", st, err)
		}
	})
	s.run("makes a seal of another state", func(t *testing.T) {
		at := time.Now().Add(time.Second).Truncate(time.Second)
		body := statement.SealState{Size: b.mark().size, At: statement.TimeOf(at), Records: sha256.Sum256([]byte("false")), Revoked: sha256.Sum256(nil)}
		for _, a := range s.Doc.Authorities {
			if a.Role == genesis.Validator {
				body.Validators = append(body.Validators, statement.SealedValidator{ID: a.ID, Cosign: a.Keys.Cosign.Public(), Node: a.Keys.Node.Public(), Governance: a.Keys.Governance.Public()})
			}
		}
		v, err := statement.Sign(statement.Statement{Network: s.Doc.ID(), Issuer: statement.Region(s.x.id), Body: &body}, s.x.node)
		if err != nil {
			t.Fatal(err)
		}
		s.x.usurp()
		b.spoil(b.seal(func(h *block.Header) { h.Time = at.UnixMilli() }, v.Raw()))
		s.nothing(b)
		s.logged("seal-mismatch")
	})
	s.run("says that more is committed than there is", func(t *testing.T) {
		for _, id := range s.honest {
			if err := b.send(id, 1<<40); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		s.nothing(b)
	})
	s.run("sends a block of tomorrow", func(t *testing.T) {
		s.x.usurp()
		early := b.clone()
		early.put(early.seal(func(h *block.Header) { h.Time = time.Now().Add(24 * time.Hour).UnixMilli() }, s.statement("XA").Raw()))
		before := s.sizes()
		for _, id := range s.honest {
			var refused *p2p.RefusedError
			if err := early.send(id, uint64(len(early.log))); !errors.As(err, &refused) || refused.Reason != p2p.RefusedEntry {
				t.Errorf("%s answers %v", id, err)
			}
		}
		s.nothing(b)
		for i, size := range s.sizes() {
			if size != before[i]+1 {
				t.Errorf("%s has %d statements, had %d, and one was good", s.honest[i], size, before[i])
			}
		}
		s.logged("ahead of this node's clock")
	})
	s.run("replays echoes and co-signatures", func(t *testing.T) {
		s.x.mu.Lock()
		old := slices.Clone(s.x.pushed)
		s.x.mu.Unlock()
		for _, id := range s.honest {
			for size := 1; size < int(b.mark().size); size++ {
				if err := s.x.echo(id, b.at(size)); err != nil {
					t.Errorf("an old echo to %s: %v", id, err)
				}
			}
			for _, note := range old[:min(len(old), 20)] {
				if err := s.x.push(id, note); err != nil {
					t.Errorf("an old signature to %s: %v", id, err)
				}
			}
		}
		s.nothing(b)
	})
	s.run("withholds marks", func(t *testing.T) {
		b.say(s.statement("XB")).show(s.honest...)
		b.becomes()
		s.settle() // after a second the others do without
	})
	s.run("withholds an authority's statements", func(t *testing.T) {
		v := s.statement("XA")
		kept, err := s.Client("XA").Submit(t.Context(), v.Raw(), nil, client.Accepted)
		if err != nil || kept.State != client.Accepted || kept.Promise == "" {
			t.Fatalf("to be accepted: %+v, %v", kept, err)
		}
		if held := s.Node("XA").Status().Held; held != 1 {
			t.Errorf("XA says that %d statements wait, want 1", held)
		}
		s.x.resign()
		s.await("the promise to be kept", func() bool {
			st, err := s.Client("XC").Statement(t.Context(), kept.Hash)
			return err == nil && st.State == client.Final && s.Node("XA").Status().Held == 0
		})
		s.settle()
	})
	s.run("orders for one only", func(t *testing.T) {
		s.x.votes(false) // so that none is elected who has not all that anybody was told is committed
		s.x.usurp()
		b = s.x.branch().say(s.statement("XC"))
		b.show("XA")
		size := b.mark().size
		s.await("XA to have it, and to say that it is not final, and why", func() bool {
			st := s.Node("XA").Status()
			return st.Size == size && st.Final.Size < size && st.Final.Since != nil && contains(st.Final.Note, "XB", "XC")
		})
		s.peace()
		s.settle()
	})
	s.nobody()
	s.run("signs a second block where one was refused", func(t *testing.T) {
		s.x.usurp()
		b = s.x.branch()
		unsigned := bytes.Clone(s.statement("XA").Raw())
		clear(unsigned[len(unsigned)-64:])
		b.spoil(b.seal(nil, unsigned)).say(s.statement("XB")).show(s.honest...)
		b.becomes()
		s.peace()
		s.caught(s.honest, evidence.KindTwoBlocks)
	})
	s.hold()
}

// TestTraitorMarksAll: one block that it signs on a size that nobody has could
// mean, at each node, that this node's ledger is wrong: all stop vouching, and say
// so. They find out that they agree as soon as there is something to order.
func TestTraitorMarksAll(t *testing.T) {
	s := besiege(t)
	s.x.usurp()
	b := s.x.branch()
	b.spoil(b.seal(func(h *block.Header) { h.Size += 3 }, s.statement("XA").Raw())).show(s.honest...)
	b.becomes()
	for _, id := range s.honest {
		s.problem(id, "diverged", "either somebody lies")
	}
	s.x.resign()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, id := range s.honest {
		var some []*statement.Verified
		for range 300 {
			some = append(some, s.statement(id))
		}
		wg.Go(func() {
			for _, v := range some {
				one, done := context.WithTimeout(ctx, 3*time.Second)
				_, _ = s.Client(id).Submit(one, v.Raw(), nil, client.Ordered) // what becomes of it is not the question
				done()
				if ctx.Err() != nil || pause(ctx, 100*time.Millisecond) {
					return
				}
			}
		})
	}
	began := time.Now()
	s.await("nobody to be marked", func() bool { return !slices.ContainsFunc(s.honest, s.diverged) })
	t.Logf("all agree after %v", time.Since(began).Round(time.Millisecond))
	cancel()
	wg.Wait()
	s.work()
	s.nobody()
	s.hold()
}

// pause waits, and reports that ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return false
	case <-ctx.Done():
		return true
	}
}
