package certify

import (
	"slices"
	"strings"
	"sync"
	"time"

	"concordat/ledger/checkpoint"
)

// pullLoop asks others for what this node missed, and in quarantine how far they
// are. It asks for the newest certified note at start, while this node
// knows that it is behind or nothing becomes final, and now and then in any
// case, as their notes may have a signature that contradicts what we know.
func (c *Certifier) pullLoop() {
	var last time.Time
	turn := 0
	for {
		if c.pullDue(last) {
			if n := c.pull(turn); n > 0 {
				last, turn = time.Now(), turn+n
			}
		}
		c.askHeads()
		c.compareHistories()
		if !pause(c.ctx, pullEvery) {
			return
		}
	}
}

func (c *Certifier) pullDue(last time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return last.IsZero() || now.Sub(last) >= c.cfg.RefreshEvery || c.ahead != nil ||
		!c.openSince.IsZero() && now.Sub(c.progressLocked()) >= stalled
}

// pull asks a few, and says how many.
func (c *Certifier) pull(turn int) int {
	c.mu.Lock()
	var all []*peer
	for _, p := range c.peers {
		all = append(all, p)
	}
	c.mu.Unlock()
	slices.SortFunc(all, func(a, b *peer) int { return strings.Compare(a.id, b.id) })
	n := min(len(all), pullPeers)
	var asked sync.WaitGroup
	for i := range n {
		p := all[(turn+i)%len(all)]
		asked.Go(func() { c.pullFrom(p) })
	}
	asked.Wait()
	return n
}

func (c *Certifier) pullFrom(p *peer) {
	raw, err := c.ask(c.ctx, p, NewestProtocol, []byte{wireVersion})
	if err != nil || len(raw) == 0 || len(raw) > maxNewestAnswer {
		return // it has none, or is not there: others are asked too
	}
	n, err := checkpoint.ParseNote(raw)
	if err == nil {
		err = c.collect(n)
	}
	if err != nil {
		c.log.Warn("a node gave a certified checkpoint that is none", "node", p.id, "err", err)
	}
}
