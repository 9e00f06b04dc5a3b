package consensus

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"concordat/ledger"
	"concordat/ledger/block"
)

// choosy is a wire whose peers refuse blocks of a time too far ahead, as p2p's
// filter does for a node.
type choosy struct {
	*wire
	takes func(to raft.ServerAddress) bool // whatever the time; nil: nobody does
}

// refusal is p2p's RefusedError, as this package knows it.
type refusal struct{}

func (refusal) Error() string      { return "the peer refused the message (entry)" }
func (refusal) EntryRefused() bool { return true }

func (w *choosy) AppendEntries(id raft.ServerID, at raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	for _, e := range args.Entries {
		if e.Type != raft.LogCommand {
			continue
		}
		h, err := block.PeekHeader(e.Data)
		if err == nil && time.Until(time.UnixMilli(h.Time)) > time.Minute && (w.takes == nil || !w.takes(at)) {
			return fmt.Errorf("sending entries: %w", refusal{})
		}
	}
	return w.wire.AppendEntries(id, at, args, resp)
}

// TestRefusedLeaderStepsDown: the blocks of a leader whose clock is ahead are taken
// by nobody; another leads soon, what is acknowledged is everywhere, and the one
// that was refused says so until its clock is right.
func TestRefusedLeaderStepsDown(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC", "XD")
	ahead := map[string]*atomic.Int64{}
	for _, m := range c.members {
		ahead[m.id] = &atomic.Int64{}
		m.tune = func(conf *Config) {
			conf.Transport = &choosy{wire: conf.Transport.(*wire)}
			conf.Now = func() time.Time { return time.Now().Add(time.Duration(ahead[m.id].Load())) }
		}
		m.start()
	}
	said := map[uint64]ledger.Candidate{}
	one := c.net.risk(t, "XA", 0)
	said[c.must(one)[0]] = one
	was := c.leader()
	ahead[was.id].Store(int64(time.Hour))
	began := time.Now()
	two := c.net.risk(t, "XB", 0)
	said[c.must(two)[0]] = two
	if took := time.Since(began); took > 40*brisk.Heartbeat {
		t.Errorf("it took %v until another ordered it", took)
	}
	if next := c.leader(); next == was {
		t.Error("it leads as before, and should not be able to")
	}
	st := was.node.Status()
	for _, m := range c.members {
		if m != was && !strings.Contains(st.Refused, m.id) {
			t.Errorf("%s does not say that %s refused it: %q", was.id, m.id, st.Refused)
		}
	}
	if st.RefusedSince.Before(began) {
		t.Errorf("it was refused since %v, and its clock is wrong only since %v", st.RefusedSince, began)
	}
	if err := was.node.tap.mayStand(); !errors.Is(err, errAside) {
		t.Errorf("it may stand for election: %v", err)
	}
	c.agree(said)

	// The next block of another's shows it that its clock is right.
	ahead[was.id].Store(0)
	three := c.net.risk(t, "XC", 0)
	said[c.must(three)[0]] = three
	until(t, "it may lead again", func() bool { return was.node.tap.mayStand() == nil && was.node.Status().Refused == "" })
	c.agree(said)
}

// TestRefusedByFew: one who refuses, rightly or not, costs nobody the leadership.
func TestRefusedByFew(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "XA", "XB", "XC", "XD")
	for _, m := range c.members {
		m.tune = func(conf *Config) {
			conf.Transport = &choosy{conf.Transport.(*wire), func(to raft.ServerAddress) bool { return to != "peer-XD" }}
			conf.Now = func() time.Time { return time.Now().Add(time.Hour) }
		}
		m.start()
	}
	l := c.leader()
	until(t, "another than XD to lead", func() bool {
		if l.id == "XD" {
			l.node.handOver()
			l = c.leader()
		}
		return l.id != "XD"
	})
	c.must(c.net.risk(t, "XA", 0))
	until(t, "XD to have refused for longer than an election takes", func() bool {
		l.node.tap.mu.Lock()
		defer l.node.tap.mu.Unlock()
		p := l.node.tap.peers["XD"]
		return p != nil && !p.refused.IsZero() && time.Since(p.refused) > 3*brisk.Election
	})
	if why := l.node.Status().Refused; why != "" || c.leading() != l {
		t.Errorf("%s stepped down because of one: %q", l.id, why)
	}
}

func TestRefusedByMost(t *testing.T) {
	for _, x := range []struct {
		voters, refuse int
		most           bool
	}{{1, 0, false}, {2, 1, true}, {3, 1, false}, {3, 2, true}, {4, 1, false}, {4, 2, true}, {5, 2, false}, {5, 3, true}, {7, 3, false}, {7, 4, true}} {
		tp := &tap{self: "v0", peers: map[raft.ServerID]*peer{}}
		var voters []raft.Server
		began := time.Unix(1000, 0)
		for i := range x.voters {
			id := raft.ServerID(fmt.Sprintf("v%d", i))
			voters = append(voters, raft.Server{ID: id})
			if i > 0 && i <= x.refuse {
				tp.peers[id] = &peer{term: 3, refused: began.Add(time.Duration(i) * time.Second)}
			}
		}
		by, since := tp.refusedBy(3, voters)
		if (len(by) > 0) != x.most {
			t.Errorf("%d of %d refuse: %v", x.refuse, x.voters, by)
		}
		if want := began.Add(time.Duration(x.refuse) * time.Second); x.most && !since.Equal(want) {
			t.Errorf("%d of %d refuse since %v, want %v, when it were most", x.refuse, x.voters, since, want)
		}
		if by, _ := tp.refusedBy(4, voters); len(by) != 0 {
			t.Errorf("what was refused in another term counts: %v", by)
		}
	}
}
