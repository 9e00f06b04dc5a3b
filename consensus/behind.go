package consensus

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// behindEvery is the least time between two signals of Behind. A hostile leader
// can claim at will that a node is behind; looking whether it is costs a question
// to a few peers, and closing consensus for nothing an election's worth of quiet.
const behindEvery = 10 * time.Second

// behind is the leader's claim that its log begins after ours ends.
type behind struct {
	told chan struct{} // of one element

	mu   sync.Mutex
	last time.Time
}

// Behind gives a signal when the leader has said that this node's log ends
// before the leader's begins, and while no leader has been heard of for long, at most
// once in ten seconds: what is missing comes from peers' ledgers, and not from Raft.
//
// It is a guess, or a claim that a hostile leader makes at will. Who acts on it looks
// first whether certified checkpoints are out that this node's ledger lacks, and
// cannot apply; only then it closes this node, catches up, adopts and opens again.
func (n *Node) Behind() <-chan struct{} { return n.behind.told }

// NoteBehind takes note of the leader's claim: p2p.RaftConfig.Behind calls it.
func (n *Node) NoteBehind() { n.behind.note(time.Now()) }

// leaderless is how many times Profile.Patience a node knows of no leader before it
// takes itself for one that may be behind.
const leaderless = 2

// lookBehind gives the signal where no leader has been heard of for long. One that
// was away while the members changed may not know who leads now, and refuse to hear
// it; what it misses, the leader included, it finds in the ledgers of those it knows.
func (n *Node) lookBehind(s Status) {
	if s.Leader == "" && !s.NoQuorumSince.IsZero() && time.Since(s.NoQuorumSince) > leaderless*n.cfg.Profile.Patience && s.Role != role(raft.Leader) {
		n.NoteBehind()
	}
}

func (b *behind) note(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.last.IsZero() && now.Sub(b.last) < behindEvery {
		return
	}
	b.last = now
	select {
	case b.told <- struct{}{}:
	default:
	}
}
