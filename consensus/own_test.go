package consensus

import (
	"context"
	"crypto/ed25519"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// sealer gives statements that stand for seals: to consensus a seal is a
// statement that the leader makes.
type sealer struct {
	c *cluster

	mu    sync.Mutex
	due   int // how many are wanted
	made  int
	at    map[string]time.Time // by the statement's bytes
	fail  error
	asked int
}

func (s *sealer) seal(_ ledger.Head, at time.Time) (*ledger.Candidate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.due == 0 {
		return nil, nil
	}
	if s.fail != nil {
		return nil, s.fail
	}
	s.due--
	s.made++
	c := s.c.net.risk(s.c.t, "XA", 900000+s.made)
	s.at[string(c.Raw)] = at
	return &c, nil
}

func (s *sealer) want(n int, fail error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due, s.fail = n, fail
}

func (s *sealer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made
}

func TestLeadersOwnStatement(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC")
	s := &sealer{c: c, at: map[string]time.Time{}}
	var mu sync.Mutex
	blocks := map[string]*block.Signed{} // by their first statement
	c.wires.watch = func(_, _ raft.ServerAddress, command any) {
		a, ok := command.(*raft.AppendEntriesRequest)
		if !ok {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range a.Entries {
			if e.Type != raft.LogCommand {
				continue
			}
			b, err := block.Parse(e.Data)
			if err != nil {
				t.Error(err)
				return
			}
			v, err := b.VerifyBy(nodeKeyOf(b))
			if err != nil {
				t.Error(err)
				return
			}
			blocks[string(v.Statements[0])] = b
		}
	}
	for _, m := range c.members {
		m.tune = func(c *Config) { c.Seal = s.seal }
		m.start()
	}
	c.must(c.net.risk(t, "XA", 0))
	// An idle leader is asked too.
	s.want(1, nil)
	until(t, "an idle leader orders its seal", func() bool { return s.count() == 1 && c.leader().ledger.Head().Size == 2 })
	// Between others' blocks, alone in its own, and with the time that it was made for.
	s.want(2, nil)
	for i := range 5 {
		c.must(c.net.risk(t, "XB", i), c.net.risk(t, "XC", i))
	}
	until(t, "both are ordered", func() bool { return c.leader().ledger.Head().Size == 2+10+2 })
	c.agree(nil)
	mu.Lock()
	defer mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.at) != 3 {
		t.Fatalf("%d seals were made, want 3", len(s.at))
	}
	for raw, at := range s.at {
		b := blocks[raw]
		if b == nil {
			t.Error("a seal is the first of no block")
			continue
		}
		if h := b.Header(); h.Count != 1 || h.Time != at.UnixMilli() {
			t.Errorf("a seal for %d is in a block of %d statements of %d", at.UnixMilli(), h.Count, h.Time)
		}
	}
}

func nodeKeyOf(b *block.Signed) ed25519.PublicKey {
	return testKey(string(b.Header().Proposer) + "/node").Public().(ed25519.PublicKey)
}

// TestFailedSealDisturbsNobody: one that cannot be made, and one that the ledger
// would refuse.
func TestFailedSealDisturbsNobody(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA")
	m := c.member("XA")
	s := &sealer{c: c, at: map[string]time.Time{}}
	s.want(1, errors.New("no seal today"))
	bad, tried := false, make(chan struct{}, 100)
	m.tune = func(conf *Config) {
		conf.sealRetryForTest = time.Millisecond
		conf.Seal = func(h ledger.Head, at time.Time) (*ledger.Candidate, error) {
			select {
			case tried <- struct{}{}:
			default:
			}
			if bad = !bad; bad {
				return s.seal(h, at)
			}
			return &ledger.Candidate{Raw: []byte("no statement")}, nil
		}
	}
	m.start()
	made := 0
	until(t, "a seal has failed in both ways", func() bool {
		c.must(c.net.risk(t, "XA", made))
		made++
		return len(tried) >= 2
	})
	if err := m.node.fault.get(); err != nil {
		t.Error(err)
	}
	c.agree(nil)
}

// picky refuses one statement when it is applied, which it had judged good.
type picky struct {
	Ledger
	refuse string
}

func (p picky) Apply(pos ledger.Position, raw []byte) (ledger.Applied, error) {
	b, err := block.Parse(raw)
	if err != nil {
		return ledger.Applied{}, err
	}
	if v, err := b.VerifyBy(nodeKeyOf(b)); err == nil && string(v.Statements[0]) == p.refuse {
		return ledger.Applied{Refused: ledger.RefusedStatement, Detail: "seal-mismatch", Culprit: b.Header().Proposer}, nil
	}
	return p.Ledger.Apply(pos, raw)
}

// TestRefusedSealBeginsAnotherTerm: its block is used up, and a second for the same
// size in the same term would be evidence against its signer (C2).
func TestRefusedSealBeginsAnotherTerm(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC")
	s := &sealer{c: c, at: map[string]time.Time{}}
	refused := c.net.risk(t, "XA", 900001)
	for _, m := range c.members {
		m.tune = func(conf *Config) {
			conf.Seal = s.seal
			conf.Ledger = picky{conf.Ledger, string(refused.Raw)}
		}
		m.start()
	}
	c.must(c.net.risk(t, "XA", 0))
	c.agree(nil)
	term := c.leader().node.Term()
	s.want(1, nil)
	until(t, "the seal is proposed", func() bool { return s.count() == 1 })
	until(t, "another term has begun", func() bool { return c.leader().node.Term() > term })
	for i := range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if _, err := c.submit(ctx, c.net.risk(t, "XB", i)); err != nil {
			t.Error(err)
		}
		cancel()
	}
	for _, m := range c.members {
		if err := m.node.fault.get(); err != nil {
			t.Errorf("%s: %v", m.id, err)
		}
	}
	c.agree(nil)
}

// TestSealsAreTakenFromNobody: one that is right about the ledger, and that this very
// ledger has computed, is refused at once like any other, wherever it stands in a
// request; and nobody stops or leads no more over it.
func TestSealsAreTakenFromNobody(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "XA", "XB", "XC")
	c.must(c.net.risk(t, "XA", 0))
	c.agree(nil)
	l := c.leader()
	term := l.node.Term()
	right := func(by statement.Region, at time.Time) ledger.Candidate {
		body, err := l.ledger.MakeSeal(statement.TimeOf(at))
		if err != nil {
			t.Fatal(err)
		}
		v, err := statement.Sign(statement.Statement{Network: c.net.doc.ID(), Issuer: by, Body: &body}, testKey(string(by)+"/node"))
		if err != nil {
			t.Fatal(err)
		}
		return ledger.Candidate{Raw: v.Raw()}
	}
	for round, at := range []time.Time{time.Now(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)} {
		s := right("XB", at)
		for i, cs := range [][]ledger.Candidate{{s}, {s, c.net.risk(t, "XC", 10*round), s}, {c.net.risk(t, "XC", 10*round+1), right(statement.Region(l.id), at)}} {
			outcomes, err := l.node.Submit(t.Context(), cs)
			if err != nil || len(outcomes) != len(cs) {
				t.Fatalf("request %d: %v, %v", i, outcomes, err)
			}
			for at, o := range outcomes {
				want := ""
				if isSeal(cs[at]) {
					want = state.SealMisplaced
				}
				if o.Verdict.Name != want || o.Known {
					t.Errorf("request %d: statement %d: %+v, want %q", i, at, o, want)
				}
			}
		}
	}
	if got := l.ledger.Head().Size; got != 1+2*3 {
		t.Errorf("the ledger has %d statements, want 7", got)
	}
	if err := l.node.fault.get(); err != nil || !l.node.reigns(term) {
		t.Errorf("the leader of term %d is in term %d: %v", term, l.node.Term(), err)
	}
	c.agree(nil)
}
