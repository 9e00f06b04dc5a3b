package certify

import (
	"fmt"
	"math/rand/v2"
	"time"

	"concordat/ledger/evidence"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// Our own tree proves what any smaller size of our history was. What a larger
// tree of others began with only those know who have it; but their word is not
// needed, as a consistency proof (RFC 6962) binds the beginning to its root.

// compareHistories asks others for the beginnings that we cannot compute: of
// what is certified beyond our head, to see whether it goes on from ours; and
// of what a validator signed on another history, larger than what it signed on
// ours, to prove that they are two. It asks one node for one of each at a time.
func (c *Certifier) compareHistories() {
	type suspicion struct {
		by           statement.Region
		older, newer signedLine
	}
	c.mu.Lock()
	var peers []*peer
	for _, p := range c.peers {
		if !p.mute(time.Now(), c.cfg.RefreshEvery+silent) {
			peers = append(peers, p)
		}
	}
	var all []suspicion
	for id, r := range c.records {
		if r.vouched.line == "" || c.told[conviction{id, evidence.KindTwoHistories}] {
			continue
		}
		for _, list := range [][]signedLine{r.suspects, r.recent} {
			for _, l := range list {
				if l.size > r.vouched.size && (l.verdict == foreign || l.verdict == unjudged && c.forked != nil) {
					all = append(all, suspicion{id, r.vouched, l})
				}
			}
		}
	}
	ahead, head, forked := c.ahead, c.pins.newest(), c.forked != nil
	var top mark
	if head != nil {
		top = mark{head.size, head.view.Head().Root}
	}
	c.mu.Unlock()
	if len(peers) == 0 {
		return
	}
	if ahead != nil && !forked && top.size > 0 && ahead.Checkpoint().Size > top.size {
		at := ahead.Checkpoint()
		a, err := c.askHistory(peers[rand.N(len(peers))], top.size, mark{at.Size, at.Root})
		if err == nil && a.root != top.root {
			c.mu.Lock()
			c.forkedLocked(fmt.Errorf("what a quorum has certified at size %d has another beginning than this ledger, which has size %d: this node's ledger has diverged; "+
				"find out why, then build its ledger anew from the others", at.Size, top.size))
			c.mu.Unlock()
		}
	}
	if len(all) == 0 {
		return
	}
	s := all[rand.N(len(all))]
	a, err := c.askHistory(peers[rand.N(len(peers))], s.older.size, s.newer.mark)
	if err == nil && a.root != s.older.root {
		c.convict(evidence.TwoHistories(c.exhibit(s.by, s.older), c.exhibit(s.by, s.newer), a.root, a.path))
	}
}

// askHistory asks a node what the tree at m began with, and verifies it.
func (c *Certifier) askHistory(p *peer, old uint64, m mark) (historyAnswer, error) {
	raw, err := c.ask(c.ctx, p, HistoryProtocol, encodeHistoryRequest(old, m.size))
	if err != nil {
		return historyAnswer{}, err
	}
	a, err := decodeHistoryAnswer(raw)
	if err != nil {
		return historyAnswer{}, err
	}
	return a, merkle.VerifyConsistency(old, m.size, a.root, m.root, a.path)
}
