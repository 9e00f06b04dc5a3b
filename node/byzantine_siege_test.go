package node_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"concordat/client"
	"concordat/consensus/certify"
	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
	"concordat/node"
	"concordat/node/nodetest"
)

// siege is a network of which one validator is in hostile hands: the others run
// whole nodes, and XD is a traitor. All that is certified or signed anywhere
// meanwhile is collected, and held against each other: see hold.
type siege struct {
	*nodetest.Network
	t      *testing.T
	x      *traitor
	honest []string
	vs     checkpoint.Validators

	mu        sync.Mutex
	certified map[mark]string                      // who showed it first
	signed    map[statement.Region]map[uint64]mark // what each honest validator has co-signed, by size
	said      int                                  // statements by tell, for their names
}

// besiege founds a network of the traitor and some others, XA, XB and XC unless
// they are named, and waits until something is final that the traitor has too.
func besiege(t *testing.T, honest ...string) *siege {
	t.Parallel()
	if len(honest) == 0 {
		honest = []string{"XA", "XB", "XC"}
	}
	s := &siege{
		Network: found(t, append(slices.Clone(honest), "XD")...), t: t, honest: honest,
		certified: map[mark]string{}, signed: map[statement.Region]map[uint64]mark{},
	}
	s.vs = receipt.FoundingValidators(s.Doc)
	s.Config = func(_ string, c *node.Config) {
		c.Vouch.Refresh = time.Second
		c.Vouch.Seal = time.Hour // those that a test does not make are in its way
	}
	for _, id := range s.honest {
		if err := s.Start(id); err != nil {
			t.Fatal(err)
		}
	}
	s.x = newTraitor(t, s.Network, "XD")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.watch(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if t.Failed() {
			for _, id := range s.honest {
				t.Logf("log of %s ends with\n%s", id, loud(s.Log(id).String()))
			}
		}
	})
	s.await("a leader", func() bool { return s.leader() != "" })
	s.work()
	s.settle()
	return s
}

// loud are the last lines of a log that are not for debugging.
func loud(log string) string {
	var out []string
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "level=DEBUG") {
			out = append(out, line)
		}
	}
	return strings.Join(out[max(0, len(out)-40):], "")
}

func (s *siege) await(what string, holds func() bool) {
	s.t.Helper()
	if err := nodetest.Await(s.t.Context(), what, holds); err != nil {
		for _, id := range s.honest {
			if n := s.Node(id); n != nil {
				st := n.Status()
				s.t.Logf("%s: size %d, root %.8s, final %d (%s), leader %q, term %d, problems %+v", id, st.Size, st.Root, st.Final.Size, st.Final.Note, st.Leader, st.Term, st.Problems)
			}
		}
		s.t.Fatal(err)
	}
}

// leader is whom all honest nodes that run follow; "" if they do not agree.
func (s *siege) leader() string {
	leaders := map[string]bool{}
	leader := ""
	for _, id := range s.honest {
		if n := s.Node(id); n != nil {
			leader = n.Status().Leader
			leaders[leader] = true
		}
	}
	if len(leaders) != 1 {
		return ""
	}
	return leader
}

// settle waits until the traitor and all honest nodes hold one history, all of it final.
func (s *siege) settle() {
	s.t.Helper()
	s.await("one history, all of it final", func() bool {
		m := s.x.branch().mark()
		return !slices.ContainsFunc(s.honest, func(id string) bool {
			st := s.Node(id).Status()
			return st.Size != m.size || st.Root != hex.EncodeToString(m.root[:]) || st.Final.Size != m.size
		})
	})
}

// statement makes one more statement of a region.
func (s *siege) statement(region string) *statement.Verified {
	s.t.Helper()
	s.said++
	return s.Sign(s.t, region, 1, risk(fmt.Sprintf("%s-%d", region, s.said)))
}

// work has every honest node take a statement and see it final.
func (s *siege) work() {
	s.t.Helper()
	for _, id := range s.honest {
		ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
		v := s.statement(id)
		var err error
		for {
			// While leadership changes a statement may have to be offered again.
			var f *client.Failure
			if _, err = s.Client(id).Submit(ctx, v.Raw(), nil, client.Final); err == nil || !errors.As(err, &f) || !f.Retriable() || ctx.Err() != nil {
				break
			}
		}
		cancel()
		if err != nil {
			s.t.Fatalf("%s's statement: %v", id, err)
		}
	}
}

// peace has the traitor leave the others alone, and holds that they work.
func (s *siege) peace() {
	s.t.Helper()
	s.x.resign()
	s.await("an honest leader", func() bool { l := s.leader(); return l != "" && l != s.x.id })
	s.work()
}

// sizes are the honest nodes' ledgers' sizes.
func (s *siege) sizes() (out []uint64) {
	for _, id := range s.honest {
		out = append(out, s.Node(id).Status().Size)
	}
	return out
}

// wiped replaces a node's data with nothing, and waits until it is back.
func (s *siege) wiped(id string) {
	s.t.Helper()
	if err := s.Stop(id); err != nil {
		s.t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(s.NodeDir(id), "data")); err != nil {
		s.t.Fatal(err)
	}
	if err := s.Start(id); err != nil {
		s.t.Fatal(err)
	}
	s.await(id+" to be back", func() bool { return s.Node(id).Ready() == nil })
}

// diverged reports that a node says that its ledger may not be the others'.
func (s *siege) diverged(id string) bool {
	st := s.Node(id).Status()
	return !st.Vouching && slices.ContainsFunc(st.Problems, func(p client.Problem) bool { return p.Name == "diverged" })
}

// problem waits until a node tells of a problem in such words, and that it does not vouch.
func (s *siege) problem(id string, words ...string) {
	s.t.Helper()
	s.await(fmt.Sprintf("%s to say %q", id, words), func() bool {
		st := s.Node(id).Status()
		return !st.Vouching && slices.ContainsFunc(st.Problems, func(p client.Problem) bool {
			return p.Vouch && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(p.Message+" "+p.Name, w) })
		}) && s.Node(id).Ready() != nil
	})
}

// watch collects what is certified, and what is signed.
func (s *siege) watch(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	read := 0
	for {
		for _, id := range s.honest {
			if raw, err := s.x.host.Call(ctx, id, certify.NewestProtocol, []byte{1}); err == nil && len(raw) > 0 {
				s.note(id+" by libp2p", raw)
			}
		}
		s.x.mu.Lock()
		pushed := s.x.pushed[read:]
		read += len(pushed)
		s.x.mu.Unlock()
		for _, raw := range pushed {
			s.lines(raw)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// note takes a certified note in.
func (s *siege) note(from string, raw []byte) {
	n, err := checkpoint.ParseNote(raw)
	if err != nil {
		s.t.Errorf("%s gives a note that is none: %v", from, err)
		return
	}
	c, err := n.Certify(s.vs)
	if err != nil {
		s.t.Errorf("%s gives a certified note that is none: %v", from, err)
		return
	}
	m := mark{c.Checkpoint().Size, c.Checkpoint().Root}
	s.mu.Lock()
	if s.certified[m] == "" {
		s.certified[m] = from
	}
	s.mu.Unlock()
	s.lines(raw)
}

// lines takes in what honest validators have signed.
func (s *siege) lines(raw []byte) {
	n, err := checkpoint.ParseNote(raw)
	if err != nil {
		s.t.Errorf("what was pushed is no note: %v", err)
		return
	}
	for _, line := range n.Lines {
		c, err := s.vs.VerifyCosignature(n.Checkpoint, line)
		if err != nil || string(c.By) == s.x.id {
			continue
		}
		m := mark{n.Checkpoint.Size, n.Checkpoint.Root}
		s.mu.Lock()
		if s.signed[c.By] == nil {
			s.signed[c.By] = map[uint64]mark{}
		}
		if was, ok := s.signed[c.By][m.size]; ok && was != m {
			s.t.Errorf("honest %s has signed two roots of size %d", c.By, m.size)
		}
		s.signed[c.By][m.size] = m
		s.mu.Unlock()
	}
}

// hold holds what every siege must end with: all that anybody ever certified, and
// all that anybody honest ever signed, is of one history.
func (s *siege) hold() {
	s.t.Helper()
	for _, id := range s.honest {
		resp, err := http.Get(s.URL(id) + "/checkpoint")
		if err != nil {
			s.t.Fatal(err)
		}
		raw, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != http.StatusOK {
			s.t.Fatalf("%s's checkpoint: %d %v", id, resp.StatusCode, err)
		}
		s.note(id+" by HTTP", raw)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var newest mark
	marks := map[mark]string{}
	for m, from := range s.certified {
		marks[m] = "certified, as shown by " + from
		if m.size > newest.size {
			newest = m
		}
	}
	for by, signed := range s.signed {
		for _, m := range signed {
			if m.size <= newest.size {
				marks[m] = "signed by " + string(by)
			}
		}
	}
	if newest.size == 0 {
		s.t.Fatal("nothing was ever certified")
	}
	// Its beginnings, as the newest one's tree proves them.
	for m, what := range marks {
		root, path, err := s.history(m.size, newest)
		if err != nil {
			s.t.Fatal(err)
		}
		if err := merkle.VerifyConsistency(m.size, newest.size, root, newest.root, path); err != nil {
			s.t.Fatalf("the history from %d to %d: %v", m.size, newest.size, err)
		}
		if root != m.root {
			s.t.Errorf("size %d with the root %x is %s, and the certified size %d began with %x there", m.size, m.root[:4], what, newest.size, root[:4])
		}
	}
}

// history asks whichever honest node has it what a tree began with.
func (s *siege) history(old uint64, of mark) (root merkle.Hash, path []merkle.Hash, err error) {
	req := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte{1}, old), of.size)
	for _, id := range s.honest {
		var a []byte
		for range 20 { // it answers so many questions a second
			if a, err = s.x.call(id, certify.HistoryProtocol, req); err == nil || !strings.Contains(err.Error(), certify.CodeBusy) {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		if err != nil {
			continue
		}
		for a = a[1:]; len(a) > 0; a = a[merkle.HashSize:] {
			path = append(path, merkle.Hash(a[:merkle.HashSize]))
		}
		return path[0], path[1:], nil
	}
	return root, nil, fmt.Errorf("nobody knows size %d of %d: %w", old, of.size, err)
}

// proofs are those that a node lists, each verified with nothing but the genesis.
// Whoever is named must be the traitor.
func (s *siege) proofs(id string) (out []client.Culprit) {
	s.t.Helper()
	list, err := s.Client(id).Evidence(s.t.Context())
	if err != nil {
		s.t.Fatalf("%s's evidence: %v", id, err)
	}
	for _, c := range list.Evidence {
		p, network, err := evidence.ParseFile(c.Proof)
		if err != nil {
			s.t.Fatalf("%s's evidence is none: %v", id, err)
		}
		if err := p.Verify(s.Doc.Network, s.Doc.ID(), receipt.FoundingValidators(s.Doc)); err != nil || network != s.Doc.ID() {
			s.t.Errorf("%s's evidence of network %s: %v", id, network, err)
		}
		if c.Region != s.x.id || string(p.Culprit()) != c.Region || string(p.Kind()) != c.Kind {
			s.t.Errorf("%s accuses %s: %s", id, c.Region, c.Words)
		}
	}
	return list.Evidence
}

// caught waits until all of some honest nodes' ledgers have evidence against the
// traitor, of one of these kinds, and nobody accuses anybody else.
func (s *siege) caught(at []string, kinds ...evidence.Kind) {
	s.t.Helper()
	for _, id := range at {
		s.await(fmt.Sprintf("%s to have the evidence in its ledger", id), func() bool {
			return slices.ContainsFunc(s.proofs(id), func(c client.Culprit) bool {
				return c.Statement != nil && slices.Contains(kinds, evidence.Kind(c.Kind))
			})
		})
	}
	for _, id := range s.honest {
		s.proofs(id)
	}
}

// nobody holds that nobody is accused, of anything, anywhere.
func (s *siege) nobody() {
	s.t.Helper()
	for _, id := range s.honest {
		for _, c := range s.proofs(id) {
			s.t.Errorf("%s accuses %s: %s", id, c.Region, c.Words)
		}
	}
}

// contains reports that a text has all of some words.
func contains(text string, words ...string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}
