package certify

import (
	"fmt"
	"slices"
	"time"

	"concordat/ledger"
	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// signLoop co-signs what a quorum echoes. It alone uses the signer, and may
// wait for its disk.
func (c *Certifier) signLoop() {
	if c.signer == nil {
		return
	}
	for {
		if err := c.signStep(time.Now()); err != nil {
			c.mu.Lock()
			c.signError = err
			c.signed = c.signer.last
			c.notifyLocked()
			c.mu.Unlock()
			c.log.Error("nothing was signed", "err", err)
			if !pause(c.ctx, backoffMost) {
				return
			}
			continue
		}
		t := time.NewTimer(time.Second)
		select {
		case <-c.wakeSign:
		case <-t.C:
		case <-c.ctx.Done():
			t.Stop()
			return
		}
		t.Stop()
	}
}

// signStep signs at most once.
func (c *Certifier) signStep(now time.Time) error {
	may := c.cfg.May()
	c.mu.Lock()
	stray, strayTime, joins := c.stray, c.strayTime, c.joins
	m, own, found := c.targetLocked(now)
	blocked := len(c.blockedLocked(may)) > 0
	c.mu.Unlock()

	if c.signer.last.later != "" {
		return nil
	}
	if last := c.signer.last; stray.size > last.size || stray == last.mark && strayTime > last.time {
		s, err := c.signer.raise(stray, strayTime)
		if err != nil {
			return err
		}
		c.log.Warn("the signer's file did not know what this validator has signed: it signs nothing until the others have certified something without it", "size", stray.size)
		c.mu.Lock()
		// What others said before is no bound on it: the file may be an old copy.
		c.signed, c.heads = s, map[statement.Region]uint64{}
		c.notifyLocked()
		c.mu.Unlock()
		return nil
	}
	if did, err := c.forgets(joins); did || err != nil {
		return err
	}
	if err := c.begins(may); err != nil {
		return err
	}
	if fits, err := c.signedFits(); err != nil {
		c.breaks(err)
		return nil
	} else if fits && c.signer.last.quarantine {
		return c.endQuarantine()
	} else if !found || blocked || !fits {
		return nil
	}
	if err := c.verifyRoot(m); err != nil {
		c.breaks(err)
		return nil
	}
	s, err := c.signer.sign(m, c.cfg.Now(), own)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.signError != nil {
		c.signError = nil
		c.notifyLocked()
	}
	c.signed, c.signedAt = s, now
	rec := c.recordLocked(c.cfg.Self)
	at := time.Unix(s.time, 0).UTC()
	for i, k := range own.cosign {
		rec.add(signedLine{m, s.lines[i], kindCosign, at, ours, string(publicOf(k))})
	}
	for i, k := range own.node {
		rec.add(signedLine{m, s.lines[len(own.cosign)+i], kindLog, time.Time{}, ours, string(publicOf(k))})
	}
	for _, p := range c.peers {
		c.queueOwnLocked(p, now)
	}
	c.wakeJudge.wake()
	return nil
}

// verifyRoot looks at the tree itself, once more (F3).
func (c *Certifier) verifyRoot(m mark) error {
	return c.newest(func(v *ledger.View) error {
		root, err := v.RootAt(m.size)
		if err == nil && root != m.root {
			err = fmt.Errorf("%w: this ledger's root at size %d is %x, a moment ago it was %x", ledger.ErrCorrupt, m.size, root, m.root)
		}
		return err
	})
}

// signedFits reports that what was signed last is in this ledger, or beyond it.
// A ledger that was replaced with another history's is never signed.
func (c *Certifier) signedFits() (bool, error) {
	last := c.signer.last.mark
	if last.size == 0 {
		return true, nil
	}
	stands, err := c.stands(last)
	return stands == ours, err // one that is beyond it is not signed below: allows
}

// targetLocked gives the greatest size that a quorum echoes and that may be
// signed, and with what. Where validators change it takes a quorum of each set.
func (c *Certifier) targetLocked(now time.Time) (mark, voice, bool) {
	for _, own := range slices.Backward(c.mine) {
		var since time.Time
		if own.mark == c.signed.mark && len(c.signed.lines) > 0 {
			// Signing the same again says that it is still so. That takes echoes
			// made since.
			if now.Sub(c.signedAt) < c.cfg.RefreshEvery/2 {
				continue
			}
			since = c.signedAt
		}
		if own.size < c.finalSizeLocked() || c.signed.allows(own.mark) != nil || !own.at.After(since) {
			continue
		}
		keys, err := c.voiceLocked(own.by)
		if err != nil {
			continue // it was asked for before, so what has changed since is what we were told to sign with
		}
		if quorums(own.by, func(v checkpoint.Validator) bool {
			if v.ID == c.cfg.Self {
				return true
			}
			p := c.peers[string(v.ID)]
			if p == nil {
				return false
			}
			e, ok := p.echoOf(own.mark)
			return ok && e.at.After(since)
		}) {
			return own.mark, keys, true
		}
	}
	return mark{}, voice{}, false
}

// queueOwnLocked has a peer told what we signed last.
func (c *Certifier) queueOwnLocked(p *peer, now time.Time) {
	if len(c.signed.lines) == 0 {
		return
	}
	p.own, p.ownAt = c.signed.lines[0], now
	p.queuePush(checkpoint.Assemble(c.checkpoint(c.signed.mark), c.signed.lines).Bytes())
}
