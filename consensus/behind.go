package consensus

import (
	"sync"
	"time"
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
// before the leader's begins, at most once in ten seconds: what is missing comes
// from peers' ledgers, and no longer from Raft.
//
// It is a claim, and a hostile leader makes it at will. Who acts on it looks
// first whether certified checkpoints are out that this node's ledger lacks, and
// cannot apply; only then it closes this node, catches up, adopts and opens again.
func (n *Node) Behind() <-chan struct{} { return n.behind.told }

// NoteBehind takes note of the leader's claim: p2p.RaftConfig.Behind calls it.
func (n *Node) NoteBehind() { n.behind.note(time.Now()) }

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
