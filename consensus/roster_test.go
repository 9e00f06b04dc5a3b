package consensus

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"concordat/ledger"
)

// roster is what a test's ledger says of the members. A node that is cut off from
// it goes by what it saw last, as one does that has not applied the newest blocks.
type roster struct {
	mu   sync.Mutex
	now  Membership
	seen map[string]Membership // by member, of those who are cut off
}

func (r *roster) of(id string) (Membership, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m, cut := r.seen[id]; cut {
		return m, nil
	}
	return r.now, nil
}

// newRosterCluster is a cluster whose first members found the network, and whose
// others may come in. Nobody runs yet.
func newRosterCluster(t *testing.T, founders int, ids ...string) (*cluster, *roster) {
	t.Helper()
	c := newCluster(t, ids...)
	r := &roster{seen: map[string]Membership{}}
	for _, m := range c.members {
		m.tune = func(conf *Config) {
			conf.Servers = conf.Servers[:founders]
			conf.Members = func() (Membership, error) { return r.of(m.id) }
			conf.Found = slices.Contains(ids[:founders], m.id)
		}
	}
	c.decide(r, ids[:founders], nil)
	return c, r
}

// decide lets the ledger name validators and observers, and tells the nodes.
func (c *cluster) decide(r *roster, voters, followers []string) {
	c.t.Helper()
	servers := func(ids []string) (out []Server) {
		for _, id := range ids {
			out = append(out, Server{ID: id, Address: string(c.member(id).addr())})
		}
		return out
	}
	r.mu.Lock()
	r.now = Membership{Voters: servers(voters), Followers: servers(followers)}
	r.mu.Unlock()
	for _, m := range c.members {
		if n := m.live.Load(); n != nil {
			n.Reconcile()
		}
	}
}

// join starts a member that never ran: it catches up and adopts.
func (m *member) join() *member {
	m.c.t.Helper()
	m.disk = vfs.NewMem()
	m.adopt(m.c.leader().applied(), true)
	return m.start()
}

// have is the membership at whoever leads: voters, then the others in brackets.
func (c *cluster) have() string {
	l := c.leading()
	if l == nil {
		return "nobody leads"
	}
	var voters, others []string
	s := l.node.Status()
	for _, m := range s.Members {
		if m.Voter {
			voters = append(voters, m.ID)
		} else {
			others = append(others, m.ID)
		}
	}
	if s.Config > s.Commit {
		return "a change is under way"
	}
	return strings.Join(voters, " ") + " (" + strings.Join(others, " ") + ")"
}

// becomes waits until Raft's membership is that.
func (c *cluster) becomes(want string) {
	c.t.Helper()
	last := ""
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if last = c.have(); last == want {
			return
		}
		if time.Now().After(end) {
			if l := c.leading(); l != nil {
				c.t.Logf("%s leads: %+v", l.id, l.node.Status())
			}
			c.t.Fatalf("the membership is %q, want %q", last, want)
		}
	}
}

// load submits statements until it is told to stop, and gives all that were acknowledged.
func (c *cluster) load(by string) (stop func() map[uint64]ledger.Candidate) {
	ctx, cancel := context.WithCancel(context.Background())
	said := map[uint64]ledger.Candidate{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			cand := c.net.risk(c.t, by, i)
			for ctx.Err() == nil {
				var n *Node
				for _, m := range c.members {
					if l := m.live.Load(); l != nil && l.reign.Load() != nil {
						n = l
					}
				}
				if n == nil {
					time.Sleep(time.Millisecond)
					continue
				}
				out, err := n.Submit(ctx, []ledger.Candidate{cand})
				if err == nil {
					if !out[0].Verdict.Accepted() && !out[0].Known {
						c.t.Errorf("statement %d is refused: %s", i, out[0].Verdict)
					}
					said[out[0].Index] = cand
					break
				}
				time.Sleep(time.Millisecond)
			}
			time.Sleep(500 * time.Microsecond)
		}
	}()
	return func() map[uint64]ledger.Candidate {
		cancel()
		<-done
		return said
	}
}

// watched checks, on the wires, that nobody claims a term in which another leads.
func (c *cluster) watched() {
	leaders := map[uint64]raft.ServerAddress{}
	var mu sync.Mutex
	c.wires.mu.Lock()
	defer c.wires.mu.Unlock()
	c.wires.watch = func(from, to raft.ServerAddress, command any) {
		a, ok := command.(*raft.AppendEntriesRequest)
		if !ok {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if was, led := leaders[a.Term]; led && was != from {
			c.t.Errorf("%s and %s both lead in term %d", was, from, a.Term)
		}
		leaders[a.Term] = from
	}
}
