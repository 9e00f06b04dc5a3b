package consensus

import (
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/raft"
)

// Membership is who takes part in ordering, as the ledger names them. Nobody is
// in both lists.
type Membership struct {
	Voters    []Server // validators in good standing
	Followers []Server // get the order, and never vote: observers, and who is suspended
}

// server finds who has an id, and whether it votes.
func (m Membership) server(id string) (s Server, votes, is bool) {
	for _, s := range m.Voters {
		if s.ID == id {
			return s, true, true
		}
	}
	for _, s := range m.Followers {
		if s.ID == id {
			return s, false, true
		}
	}
	return Server{}, false, false
}

// equal reports that both name the same servers, in whatever order.
func (m Membership) equal(o Membership) bool {
	same := func(a, b []Server) bool {
		return len(a) == len(b) && !slices.ContainsFunc(a, func(s Server) bool { return !slices.Contains(b, s) })
	}
	return same(m.Voters, o.Voters) && same(m.Followers, o.Followers)
}

// configuration is the membership as Raft writes it, with self in it: who is to
// get the order must be in it, and whoever does not know its place yet follows.
func (m Membership) configuration(self Server) (conf raft.Configuration) {
	add := func(s Server, suffrage raft.ServerSuffrage) {
		conf.Servers = append(conf.Servers, raft.Server{Suffrage: suffrage, ID: raft.ServerID(s.ID), Address: raft.ServerAddress(s.Address)})
	}
	for _, s := range m.Voters {
		add(s, raft.Voter)
	}
	for _, s := range m.Followers {
		add(s, raft.Nonvoter)
	}
	if _, _, is := m.server(self.ID); !is {
		add(self, raft.Nonvoter)
	}
	slices.SortFunc(conf.Servers, func(a, b raft.Server) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return conf
}

// members is who takes part now: what the ledger says, or else the founders.
func (c Config) members() (Membership, error) {
	if c.Members == nil {
		return Membership{Voters: c.Servers}, nil
	}
	return c.Members()
}

// alone reports that there is no other validator.
func (c Config) alone() bool {
	m, err := c.members()
	return err == nil && len(m.Voters) == 1 && m.Voters[0].ID == c.Self
}

// self is this node as a server: as the ledger has it, or by its transport.
func (c Config) self() Server {
	if m, err := c.members(); err == nil {
		if s, _, is := m.server(c.Self); is {
			return s
		}
	}
	s := Server{ID: c.Self, Address: unknownAddress}
	if c.Transport != nil {
		s.Address = string(c.Transport.LocalAddr())
	}
	return s
}

// unknownAddress stands for this node's own in a guess: nobody sends to itself.
const unknownAddress = "unknown"

// enrolled is a membership as Raft has it, and the entry that it stands in.
type enrolled struct {
	Index uint64             `json:"index"`
	Conf  raft.Configuration `json:"membership"`
}

// guessed reports that the membership is what the ledger said when this node
// began after an entry (Adopt), and that no leader's log has confirmed it yet (C22).
// Raft itself does not stand for election while the newest membership that it
// knows has no entry.
func (e enrolled) guessed() bool { return e.Index == 0 }

// guess is the membership with which Raft begins after the ledger's last entry.
// Where nobody else is in it, nobody is left to confirm it.
func (c Config) guess(at uint64) (enrolled, error) {
	m, err := c.members()
	if err != nil {
		return enrolled{}, err
	}
	e := enrolled{Conf: m.configuration(c.self())}
	switch {
	case c.Members == nil:
		e.Index = 1 // the founders, for ever
	case len(e.Conf.Servers) == 1:
		e.Index = at
	}
	return e, nil
}

// roll is the memberships in Raft's log, as it writes them: Raft v1.7.3 does not
// say which entry the newest stands in.
type roll struct {
	mu       sync.Mutex
	of       []enrolled // ascending; never empty once begun
	scanning bool       // Raft reads its log for the first time
}

// keptEnrolled is how many are remembered. Raft writes none before the last is
// committed, so that at most one can be taken back.
const keptEnrolled = 4

// begin is what the log goes on from; Raft reads what follows.
func (r *roll) begin(base *raft.SnapshotMeta) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scanning = true
	if base != nil {
		r.of = []enrolled{{base.ConfigurationIndex, base.Configuration}}
	}
}

// begun ends what begin began: what is read from here on is old.
func (r *roll) begun() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scanning = false
}

// read takes note of an entry that was read from the log.
func (r *roll) read(l *raft.Log) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.scanning {
		r.noteLocked(l)
	}
}

// stored takes note of entries that were stored.
func (r *roll) stored(logs []*raft.Log) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range logs {
		r.noteLocked(l)
	}
}

func (r *roll) noteLocked(l *raft.Log) {
	if l.Type != raft.LogConfiguration || len(r.of) > 0 && l.Index <= r.of[len(r.of)-1].Index {
		return
	}
	conf, err := decodeConfiguration(l.Data)
	if err != nil {
		return // Raft ends over it, and says so
	}
	r.of = append(r.of, enrolled{l.Index, conf})
	if n := len(r.of) - keptEnrolled; n > 0 {
		r.of = slices.Delete(r.of, 0, n)
	}
}

// cut forgets the entries from one on, which were deleted at the log's end.
func (r *roll) cut(from uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.of) > 1 && r.of[len(r.of)-1].Index >= from {
		r.of = r.of[:len(r.of)-1]
	}
}

// newest is the newest membership in the log, committed or not.
func (r *roll) newest() enrolled {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.of) == 0 {
		return enrolled{}
	}
	return r.of[len(r.of)-1]
}

// votes reports that a server has a vote.
func (e enrolled) votes(id raft.ServerID) bool {
	return slices.ContainsFunc(e.Conf.Servers, func(s raft.Server) bool { return s.ID == id && s.Suffrage == raft.Voter })
}

// voters are those who have a vote.
func (e enrolled) voters() (out []raft.Server) {
	for _, s := range e.Conf.Servers {
		if s.Suffrage == raft.Voter {
			out = append(out, s)
		}
	}
	return out
}
