package p2p

import (
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"github.com/libp2p/go-libp2p/core/peer"
)

// How high a term may be. The bound is the same on all honest nodes but for their
// clocks, and does not depend on the term that a node has: were it relative, a
// hostile peer could lead honest nodes so far apart that they refuse one another,
// for good.
const (
	// TermSlack is the highest term that is plausible at the network's founding.
	TermSlack = 1 << 16
	// TermsPerSecond is how fast the highest plausible term grows from there. An
	// election takes at least a heartbeat timeout, so honest nodes never keep pace.
	TermsPerSecond = 16
	// MaxTerm is the highest term of all, which the growing bound reaches 2,000
	// years after the founding.
	MaxTerm = 1 << 40
)

// minRaise is the least Every of RaftConfig.TermRaises' default: half as fast as the
// highest plausible term grows.
const minRaise = 2 * time.Second / TermsPerSecond

// DefaultFounded stands for a RaftConfig.Founded that is zero.
var DefaultFounded = time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)

// PlausibleTerm is the highest term that is plausible now (P10), in a network of
// that founding: what a peer says of terms by other ways than Raft's messages is
// held against the same bound. A clock before the founding counts as the founding.
func PlausibleTerm(founded, now time.Time) uint64 {
	age := max(now.Sub(founded), 0)
	return min(TermSlack+uint64(age/(time.Second/TermsPerSecond)), MaxTerm)
}

// Rate lets something happen Burst times at once, and again once in each Every.
type Rate struct {
	Burst int
	Every time.Duration
}

// or returns r with its zero fields taken from fallback.
func (r Rate) or(fallback Rate) Rate {
	if r.Burst == 0 {
		r.Burst = fallback.Burst
	}
	if r.Every == 0 {
		r.Every = fallback.Every
	}
	return r
}

func (r Rate) String() string { return fmt.Sprintf("%d, and one in %v", r.Burst, r.Every) }

// bucket holds at most Burst tokens and gains one in each Every. It is kept as the
// time at which it will be full; the zero bucket is full.
type bucket struct{ full time.Time }

// take takes a token, or says that there is none.
func (b *bucket) take(r Rate, now time.Time) bool {
	full := b.full
	if full.Before(now) {
		full = now
	}
	full = full.Add(r.Every)
	if full.Sub(now) > time.Duration(r.Burst)*r.Every {
		return false
	}
	b.full = full
	return true
}

// pace limits how often each peer may make this node sync its disk and change its
// mind about who leads (P10).
type pace struct {
	transfers, raises Rate

	mu    sync.Mutex
	peers map[peer.ID]*peerPace // as many as there were validators since the start
}

type peerPace struct {
	votes     bucket // its RequestVotes that ask us to leave a living leader
	timeouts  bucket // its TimeoutNows
	raises    bucket // its messages that unsettle our term
	unsettled uint64 // the term of its last request that took from raises
}

func newPace(transfers, raises Rate) *pace {
	return &pace{transfers: transfers, raises: raises, peers: make(map[peer.ID]*peerPace)}
}

func (p *pace) of(from Member) *peerPace {
	pp := p.peers[from.Peer]
	if pp == nil {
		pp = &peerPace{}
		p.peers[from.Peer] = pp
	}
	return pp
}

// request judges a request that has passed the filter f.
func (p *pace) request(from Member, f filter, command any, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	pp := p.of(from)
	switch c := command.(type) {
	case *raft.TimeoutNowRequest:
		// Each one makes this node raise its own term, whatever the highest
		// plausible one is.
		if !pp.timeouts.take(p.transfers, now) {
			return refuse(RefusedTransferRate, "%s hands leadership to us more often than %v", from.Authority, p.transfers)
		}
	case *raft.RequestVoteRequest:
		if c.LeadershipTransfer && !pp.votes.take(p.transfers, now) {
			return refuse(RefusedTransferRate, "%s was handed leadership more often than %v", from.Authority, p.transfers)
		}
	}
	term, yes := f.unsettles(command)
	if !yes || term == pp.unsettled {
		return nil // a term can unsettle us once: then it is ours, and we do not lead in it
	}
	if !pp.raises.take(p.raises, now) {
		return refuse(RefusedTermRate, "%s would unsettle our term, %d, with term %d, more often than %v", from.Authority, f.term, term, p.raises)
	}
	pp.unsettled = term
	return nil
}

// reply judges an answer with a term above ours. Raft does not always adopt such a
// term, so that each answer counts.
func (p *pace) reply(from Member, ours, term uint64, now time.Time) error {
	if term <= ours {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.of(from).raises.take(p.raises, now) {
		return refuse(RefusedTermRate, "%s answers with term %d, above ours, %d, more often than %v", from.Authority, term, ours, p.raises)
	}
	return nil
}
