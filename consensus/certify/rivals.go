package certify

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
	"concordat/ledger/merkle"
)

// header is the header of a block, signed by its proposer, that is not in our
// ledger, or not yet.
type header struct {
	term, size uint64
	proof      block.HeaderProof
}

// SawBlock takes note of the signed header of a block, from wherever it came,
// applied or not. Two different ones of one proposer for one term and size are
// evidence; so it may be called with every block that passes by. Those of the
// ledger itself need not be given.
func (c *Certifier) SawBlock(p block.HeaderProof) {
	h, err := p.Claimed()
	if err != nil || h.Network != c.cfg.Network {
		return
	}
	by, _, err := c.electorate(h.Size)
	if err != nil {
		c.breaks(err)
		return
	}
	c.mu.Lock()
	sets := slices.Concat(c.latest.Sets, by.Sets)
	known := slices.ContainsFunc(c.headers[h.Proposer], func(o header) bool { return bytes.Equal(o.proof.Header, p.Header) })
	c.mu.Unlock()
	if known || !slices.ContainsFunc(sets, func(vs checkpoint.Validators) bool {
		v, ok := vs.Find(h.Proposer)
		if !ok {
			return false
		}
		_, err := p.Verify(v.Node)
		return err == nil
	}) {
		return // anybody could have made it up, so nobody is blamed
	}
	c.mu.Lock()
	list := append(c.headers[h.Proposer], header{h.Term, h.Size, p})
	c.headers[h.Proposer] = list[max(0, len(list)-maxHeaders):]
	rival, found := findRival(list, h, p)
	c.mu.Unlock()
	if found {
		c.convict(evidence.TwoBlocks(rival, p))
	}
	c.wakeJudge.wake() // and with our own ledger's
}

func findRival(list []header, h block.Header, p block.HeaderProof) (block.HeaderProof, bool) {
	for _, o := range list {
		if o.term == h.Term && o.size == h.Size && !bytes.Equal(o.proof.Header, p.Header) {
			return o.proof, true
		}
	}
	return block.HeaderProof{}, false
}

// compareHeaders compares what was seen with the blocks of our own ledger, and
// forgets what is in it.
func (c *Certifier) compareHeaders() error {
	c.mu.Lock()
	head := c.pins.newest()
	var open []header
	for id, list := range c.headers {
		var later []header
		for _, h := range list {
			if head != nil && h.size < head.size {
				open = append(open, h)
			} else {
				later = append(later, h)
			}
		}
		c.headers[id] = later
	}
	c.mu.Unlock()
	for _, h := range open {
		a, ok, err := c.blockAt(h.size)
		if err != nil {
			return err
		}
		if !ok || a.proof == nil {
			continue
		}
		theirs, err := h.proof.Claimed()
		if err != nil {
			return err
		}
		mine, err := a.proof.Claimed()
		if err != nil {
			return err
		}
		if mine.Term == theirs.Term && mine.Size == theirs.Size && mine.Proposer == theirs.Proposer && !bytes.Equal(a.proof.Header, h.proof.Header) {
			c.convict(evidence.TwoBlocks(*a.proof, h.proof))
		}
	}
	return nil
}

// probeLocked begins to look for the place where a validator's history leaves
// ours: the blocks there may be signed by one proposer for one term and size.
// One probe runs at a time, and one validator is probed now and then (F6).
func (c *Certifier) probeLocked(p *peer, m mark, now time.Time) {
	if p == nil || c.probing || !p.probed.IsZero() && now.Sub(p.probed) < probeEvery || c.closed {
		return
	}
	c.probing, p.probed = true, now
	c.spawnLocked(func() {
		if err := c.probe(p, m); err != nil {
			c.log.Debug("where a validator's history leaves ours was not found", "validator", p.id, "err", err)
		}
		c.mu.Lock()
		c.probing = false
		c.mu.Unlock()
	})
}

// otherHeadersLocked looks for echoes of what we hold too, of which the last
// block has another header than ours: the root does not cover it, and if one
// proposer signed both for one term that is evidence. One header is asked for at
// a time, and of one validator now and then (F6).
func (c *Certifier) otherHeadersLocked(held []heardEcho, now time.Time) {
	for _, e := range held {
		p := c.peers[e.who]
		if p == nil || c.probing || c.closed || !p.probed.IsZero() && now.Sub(p.probed) < probeEvery || e.compared || e.digest == (merkle.Hash{}) {
			continue
		}
		own := c.digests([]mark{e.mark})[0]
		if own == (merkle.Hash{}) || own == e.digest {
			continue
		}
		c.probing, p.probed = true, now
		c.spawnLocked(func() { c.compareHeader(p, e.echo) })
	}
}

// compareHeader asks for the header of the block that ends at an echo's size.
func (c *Certifier) compareHeader(p *peer, e echo) {
	theirs, err := c.askBlock(p, e.size-1)
	switch {
	case err == nil && theirs.proof == nil:
		err = fmt.Errorf("it has no block that ends at size %d", e.size)
	case err == nil:
		c.SawBlock(*theirs.proof)
	}
	if err != nil {
		c.log.Debug("a validator's header was not compared", "validator", p.id, "size", e.size, "err", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probing = false
	for i, o := range p.echoes {
		if o.mark == e.mark && o.digest == e.digest {
			p.echoes[i].compared = err == nil
		}
	}
}

// probe halves the sizes between one at which both agree and one at which they
// do not, at most 60 times. Whatever the peer answers, it convicts nobody who
// has not signed two blocks.
func (c *Certifier) probe(p *peer, m mark) error {
	agree, differ := uint64(0), m.size
	for differ-agree > 1 {
		mid := agree + (differ-agree)/2
		theirs, err := c.askBlock(p, mid)
		if err != nil {
			return err
		}
		f, ok, err := c.at(mid)
		if err != nil {
			return err
		}
		if ok && f.root == theirs.root {
			agree = mid
		} else {
			differ = mid
		}
	}
	theirs, err := c.askBlock(p, agree)
	if err != nil {
		return err
	}
	if theirs.proof == nil {
		return fmt.Errorf("%s has no block after size %d, and said that it has size %d", p.id, agree, m.size)
	}
	c.log.Warn("a validator holds another history", "validator", p.id, "one until", agree, "another at", m.size)
	c.SawBlock(*theirs.proof)
	return nil
}

func (c *Certifier) askBlock(p *peer, size uint64) (blockAnswer, error) {
	raw, err := c.ask(c.ctx, p, BlockProtocol, encodeBlockRequest(size))
	if err != nil {
		return blockAnswer{}, err
	}
	return decodeBlockAnswer(raw)
}
