package certify

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"concordat/ledger"
	"concordat/ledger/checkpoint"
)

// judgeLoop turns what others signed into certified checkpoints and evidence.
func (c *Certifier) judgeLoop() {
	for {
		c.mu.Lock()
		var late <-chan time.Time
		if c.gathering {
			late = time.After(gather)
		}
		c.mu.Unlock()
		select {
		case <-c.wakeJudge:
		case <-late:
		case <-c.ctx.Done():
			return
		}
		if err := c.judge(); err != nil {
			c.breaks(err)
		}
	}
}

func (c *Certifier) judge() error {
	if err := c.judgeLines(); err != nil {
		return err
	}
	if err := c.settle(time.Now()); err != nil {
		return err
	}
	return c.convictAll()
}

// judgeLines compares with our ledger what was beyond it when it came.
func (c *Certifier) judgeLines() error {
	c.mu.Lock()
	head := c.pins.newest()
	var open []mark
	for _, r := range c.records {
		for _, l := range r.recent {
			if l.verdict == unjudged && head != nil && l.size <= head.size && !slices.Contains(open, l.mark) {
				open = append(open, l.mark)
			}
		}
	}
	c.mu.Unlock()
	for _, m := range open {
		stands, err := c.stands(m)
		if err != nil {
			return err
		}
		c.mu.Lock()
		for id, r := range c.records {
			var again []signedLine
			r.recent = slices.DeleteFunc(r.recent, func(l signedLine) bool {
				if l.mark != m || stands == unjudged {
					return false
				}
				l.verdict = stands
				again = append(again, l)
				return true
			})
			for _, l := range again {
				if id == c.cfg.Self && c.signer != nil {
					c.ownLineLocked(l)
				}
				r.add(l)
			}
		}
		c.mu.Unlock()
	}
	return nil
}

// settle makes certified what a quorum has co-signed.
func (c *Certifier) settle(now time.Time) error {
	for _, m := range c.candidates(now) {
		x, err := c.assemble(m)
		if err != nil {
			if errors.Is(err, checkpoint.ErrNoQuorum) {
				continue // a suspension came between
			}
			return err
		}
		if err := c.certified(x, now); err != nil {
			return err
		}
	}
	c.mu.Lock()
	ahead, head := c.ahead, c.pins.newest()
	c.mu.Unlock()
	if ahead != nil && head != nil && ahead.Checkpoint().Size <= head.size {
		c.mu.Lock()
		c.ahead = nil
		c.mu.Unlock()
		return c.certified(ahead, now)
	}
	return nil
}

// candidates lists what a quorum has co-signed and is news, greatest first.
func (c *Certifier) candidates(now time.Time) []mark {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gathering = false
	least := c.finalSizeLocked()
	if c.ahead != nil {
		least = min(least, c.ahead.Checkpoint().Size)
	}
	count := map[mark]int{}
	for _, v := range c.vs {
		r := c.records[v.ID]
		if r == nil || v.Suspended {
			continue
		}
		for _, list := range [][]signedLine{r.recent, r.suspects} {
			for _, l := range list {
				// Foreign ones count at any size: a quorum of them says that we are wrong.
				if l.kind == kindCosign && (l.verdict == foreign || l.size >= least) {
					count[l.mark]++
				}
			}
		}
	}
	var out []mark
	for m, n := range count {
		if n < c.vs.Quorum() || c.settledLocked(m) {
			continue
		}
		if c.final != nil && c.final.Checkpoint() == c.checkpoint(m) && now.Sub(c.assembled) < gather {
			c.gathering = true
			continue
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b mark) int {
		if a.size > b.size {
			return -1
		}
		return 1
	})
	return out
}

// settledLocked reports that all co-signatures of m are in the final note already.
func (c *Certifier) settledLocked(m mark) bool {
	if c.forked != nil {
		return true
	}
	for _, x := range []*checkpoint.Certified{c.final, c.ahead} {
		if x == nil || x.Checkpoint() != c.checkpoint(m) {
			continue
		}
		have := x.Cosigners()
		for _, v := range c.vs {
			r := c.records[v.ID]
			if r == nil || v.Suspended {
				continue
			}
			if l, ok := r.cosigned(m); ok && !slices.ContainsFunc(have, func(s checkpoint.Cosignature) bool { return s.Line == l.line }) {
				return false
			}
		}
		return true
	}
	return false
}

// assemble makes the certificate of m from the lines at hand.
func (c *Certifier) assemble(m mark) (*checkpoint.Certified, error) {
	c.mu.Lock()
	vs := c.vs
	var lines []string
	for _, v := range vs {
		if r := c.records[v.ID]; r != nil {
			for _, list := range [][]signedLine{r.recent, r.suspects} {
				for _, l := range list {
					if l.mark == m && l.kind != kindEarly {
						lines = append(lines, l.line)
					}
				}
			}
		}
	}
	c.mu.Unlock()
	return checkpoint.Assemble(c.checkpoint(m), lines).Certify(vs)
}

// certified takes a certified checkpoint in: as final, as known ahead, or as
// the proof that we have diverged.
func (c *Certifier) certified(x *checkpoint.Certified, now time.Time) error {
	at := x.Checkpoint()
	stands, err := c.stands(mark{at.Size, at.Root})
	if err != nil {
		return err
	}
	switch stands {
	case unjudged:
		c.mu.Lock()
		defer c.mu.Unlock()
		if checkpoint.Newer(x, c.ahead) {
			c.ahead = x
			c.notifyLocked()
		}
		return nil
	case foreign:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.forkedLocked(fmt.Errorf("a quorum has certified another history at size %d, with the root %x: this node's ledger has diverged; "+
			"find out why, then build its ledger anew from the others", at.Size, at.Root[:8]))
		return nil
	}
	if checkpoint.Newer(x, c.cfg.Ledger.Certified()) {
		switch err := c.cfg.Ledger.Certify(x); {
		case errors.Is(err, ledger.ErrBroken), errors.Is(err, ledger.ErrCorrupt):
			return fmt.Errorf("keeping the checkpoint of size %d: %w", at.Size, err)
		case err != nil:
			// The ledger has reasons not to call it final, so nobody here does (F4).
			c.log.Error("a checkpoint of a quorum was not kept", "size", at.Size, "err", err)
			return nil
		}
	}
	c.mu.Lock()
	was := c.final
	switch {
	case checkpoint.Newer(x, was):
		c.finalAt = now
		if was == nil || was.Checkpoint().Size < at.Size {
			c.grownAt = now
		}
	case checkpoint.Newer(was, x) || len(x.Cosigners()) <= len(was.Cosigners()):
		c.mu.Unlock()
		return nil
	}
	c.final, c.assembled = x, now
	if head := c.pins.newest(); head == nil || head.size <= at.Size {
		c.openSince = time.Time{}
	}
	drop := c.pins.trim(at.Size)
	c.notifyLocked()
	c.mu.Unlock()
	c.drop(drop)
	c.wakeTell.wake()
	if was == nil || was.Checkpoint().Size < at.Size {
		c.log.Debug("certified", "size", at.Size, "cosigners", len(x.Cosigners()), "time", x.Time())
	}
	return nil
}
