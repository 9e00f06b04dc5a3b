package certify

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"concordat/ledger"
	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
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
	c.collectLater()
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
				c.ownLineLocked(id, l)
				r.add(l)
			}
		}
		c.mu.Unlock()
	}
	return nil
}

// settle makes certified what a quorum has co-signed.
func (c *Certifier) settle(now time.Time) error {
	due, err := c.candidates(now)
	if err != nil {
		return err
	}
	for _, d := range due {
		x, err := c.assemble(d)
		if err != nil {
			if errors.Is(err, checkpoint.ErrNoQuorum) {
				continue // a suspension came between
			}
			return err
		}
		if err := c.certified(x, d.known, now); err != nil {
			return err
		}
	}
	return c.reached(now)
}

// reached takes up what was known to be certified beyond our head, when the
// ledger is there: only now it says who certifies that size.
func (c *Certifier) reached(now time.Time) error {
	c.mu.Lock()
	x, head := c.ahead, c.pins.newest()
	if x == nil || head == nil || x.Checkpoint().Size > head.size {
		c.mu.Unlock()
		return nil
	}
	c.ahead = nil
	c.mu.Unlock()
	f, known, err := c.at(x.Checkpoint().Size)
	if err != nil || !known {
		return err
	}
	n, err := checkpoint.ParseNote(x.Note())
	if err != nil {
		return fmt.Errorf("reading a note of ours again: %w", err)
	}
	x, err = n.CertifyBy(f.by)
	if err != nil {
		// The validators changed on the way there. The others have a note with all signatures.
		c.log.Debug("what was certified by former validators is not by those of its size", "size", n.Checkpoint.Size, "err", err)
		return nil
	}
	return c.certified(x, true, now)
}

// candidate is what a quorum has co-signed, and whose quorum.
type candidate struct {
	mark
	by    checkpoint.Electorate
	known bool // false: our ledger is shorter, and they may change until then
}

// signerKey is a validator by one of its keys.
type signerKey struct {
	id  statement.Region
	key string
}

// candidates lists what a quorum of each set has co-signed and is news, greatest first.
func (c *Certifier) candidates(now time.Time) ([]candidate, error) {
	signed := map[mark]map[signerKey]bool{}
	c.mu.Lock()
	c.gathering = false
	least := c.finalSizeLocked()
	if c.ahead != nil {
		least = min(least, c.ahead.Checkpoint().Size)
	}
	for id, r := range c.records {
		for _, list := range [][]signedLine{r.recent, r.suspects} {
			for _, l := range list {
				// Foreign ones count at any size: a quorum of them says that we are wrong.
				if l.kind == kindCosign && (l.verdict == foreign || l.size >= least) {
					if signed[l.mark] == nil {
						signed[l.mark] = map[signerKey]bool{}
					}
					signed[l.mark][signerKey{id, l.key}] = true
				}
			}
		}
	}
	c.mu.Unlock()
	by, known, err := c.electorates(slices.Collect(maps.Keys(signed)))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []candidate
	for m, who := range signed {
		e := by[m.size]
		if e.Origin != c.cfg.Origin || !quorums(e, func(v checkpoint.Validator) bool { return who[signerKey{v.ID, string(v.Cosign)}] }) || c.settledLocked(m, e) {
			continue
		}
		if c.final != nil && c.final.Checkpoint() == c.checkpoint(m) && now.Sub(c.assembled) < gather {
			c.gathering = true
			continue
		}
		out = append(out, candidate{m, e, known[m.size]})
	}
	slices.SortFunc(out, func(a, b candidate) int {
		if a.size > b.size {
			return -1
		}
		return 1
	})
	return out, nil
}

// settledLocked reports that all co-signatures of m are in the final note already.
func (c *Certifier) settledLocked(m mark, by checkpoint.Electorate) bool {
	if c.forked != nil {
		return true
	}
	for _, x := range []*checkpoint.Certified{c.final, c.ahead} {
		if x == nil || x.Checkpoint() != c.checkpoint(m) {
			continue
		}
		have := x.Cosigners()
		return !slices.ContainsFunc(by.Sets, func(vs checkpoint.Validators) bool {
			return slices.ContainsFunc(vs, func(v checkpoint.Validator) bool {
				r := c.records[v.ID]
				if r == nil || v.Suspended {
					return false
				}
				l, ok := r.cosigned(m, string(v.Cosign))
				return ok && !slices.ContainsFunc(have, func(s checkpoint.Cosignature) bool { return s.Line == l.line })
			})
		})
	}
	return false
}

// assemble makes the certificate of a candidate from the lines at hand.
func (c *Certifier) assemble(d candidate) (*checkpoint.Certified, error) {
	c.mu.Lock()
	var lines []string
	for _, v := range members(d.by) {
		if r := c.records[v.ID]; r != nil {
			for _, list := range [][]signedLine{r.recent, r.suspects} {
				for _, l := range list {
					if l.mark == d.mark && l.kind != kindEarly && names(d.by, v.ID, l.key) {
						lines = append(lines, l.line)
					}
				}
			}
		}
	}
	c.mu.Unlock()
	return checkpoint.Assemble(c.checkpoint(d.mark), lines).CertifyBy(d.by)
}

// certified takes a certified checkpoint in: as final, as known ahead, or as
// the proof that we have diverged. Unless it is known who certifies its size, it
// is beyond our head, or was when that was looked at.
func (c *Certifier) certified(x *checkpoint.Certified, known bool, now time.Time) error {
	at := x.Checkpoint()
	stands, err := c.stands(mark{at.Size, at.Root})
	if err != nil {
		return err
	}
	switch {
	case stands == unjudged || !known:
		c.mu.Lock()
		defer c.mu.Unlock()
		if checkpoint.Newer(x, c.ahead) {
			c.ahead = x
			c.notifyLocked()
		}
		return nil
	case stands == foreign:
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
