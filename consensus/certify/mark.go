package certify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"concordat/ledger/checkpoint"
)

// tellLoop tells the others what this node holds: marks and answers to marks.
func (c *Certifier) tellLoop() {
	reconciled := time.Now() // by Open
	for {
		changed := c.cfg.Ledger.Changed()
		now := time.Now()
		if now.Sub(reconciled) >= time.Second {
			reconciled = now
			c.reconcile()
		}
		err := c.advance(now)
		wait := time.Second
		if err == nil {
			wait, err = c.tell(now)
		}
		if err != nil {
			c.breaks(err)
			wait = time.Second
		}
		t := time.NewTimer(max(wait, time.Millisecond))
		select {
		case <-changed:
		case <-c.wakeTell:
		case <-t.C:
		case <-c.ctx.Done():
			t.Stop()
			return
		}
		t.Stop()
	}
}

// heardEcho is an echo of a validator that can be compared with our ledger.
type heardEcho struct {
	echo
	who string
}

// tell echoes what is to be echoed now, and says how long to wait for the next.
func (c *Certifier) tell(now time.Time) (time.Duration, error) {
	leads, may := c.cfg.Leads(), c.cfg.May()
	c.mu.Lock()
	head := c.pins.newest()
	if head == nil || head.size == 0 {
		c.mu.Unlock()
		return time.Second, nil // the founding state is in the genesis; nobody signs it
	}
	top := mark{head.size, head.view.Head().Root}
	var heard []heardEcho
	for _, p := range c.othersLocked() {
		for _, e := range p.echoes {
			if e.size <= head.size {
				heard = append(heard, heardEcho{e, p.id})
			}
		}
	}
	c.mu.Unlock()

	var own fact
	held, against, err := c.compare(heard)
	if err == nil {
		own, _, err = c.at(top.size)
	}
	if err != nil {
		return 0, err
	}
	c.contradicted(against, now)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.otherHeadersLocked(held, now)
	if len(c.blockedLocked(may)) > 0 {
		return time.Second, nil
	}
	var out []echo
	floor := max(c.finalSizeLocked(), c.signed.size)
	for _, e := range held {
		if e.size < floor || hasMark(out, e.mark) {
			continue
		}
		own, echoed := c.mineLocked(e.mark)
		if !echoed || e.at.After(own.at) && now.Sub(own.at) >= c.repeatLocked(e.mark) {
			if _, err := c.voiceLocked(e.by); err == nil {
				out = append(out, echo{mark: e.mark, by: e.by})
			}
		}
	}
	wait := time.Second
	if _, err := c.voiceLocked(own.by); err == nil && top.size >= c.signed.size {
		due := c.markDueLocked(top, leads, now)
		if due <= 0 {
			c.lastMark, c.lastMarked = top, now
			if !hasMark(out, top) {
				out = append(out, echo{mark: top, by: own.by})
			}
			due = c.cfg.MarkEvery
		}
		wait = min(wait, due)
	}
	if len(out) > 0 {
		c.echoLocked(out, now)
	}
	return wait, nil
}

// compare divides what was heard into what we hold too, at a block's end, and
// what contradicts our ledger.
func (c *Certifier) compare(heard []heardEcho) (held, against []heardEcho, err error) {
	for _, e := range heard {
		f, ok, err := c.at(e.size)
		switch {
		case err != nil:
			return nil, nil, err
		case !ok:
		case f.root != e.root:
			e.by = f.by
			against = append(against, e)
		case f.end:
			e.by = f.by
			held = append(held, e)
		}
	}
	return held, against, nil
}

func hasMark(list []echo, m mark) bool {
	return slices.ContainsFunc(list, func(e echo) bool { return e.mark == m })
}

// contradicted looks at the echoes that contradict our ledger. If a quorum of
// others agrees against us we are the ones who are wrong (F9): fewer than a
// third would have to be honest otherwise. While validators change a quorum of
// either set is enough: what we hold is certified by none without it. Where it is
// fewer, nobody gets a quorum without them, and Status names them.
func (c *Certifier) contradicted(against []heardEcho, now time.Time) {
	if len(against) == 0 {
		return
	}
	by := map[mark][]string{}
	sets := map[mark][]checkpoint.Validators{}
	for _, e := range against {
		by[e.mark], sets[e.mark] = append(by[e.mark], e.who), e.by.Sets
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for m, who := range by {
		differs := func(v checkpoint.Validator) bool { return slices.Contains(who, string(v.ID)) }
		if slices.ContainsFunc(sets[m], func(vs checkpoint.Validators) bool { return quorate(vs, differs) }) {
			slices.Sort(who)
			c.forkedLocked(fmt.Errorf("%s hold another history at size %d, with the root %x: this node's ledger has diverged; "+
				"find out why, then build its ledger anew from the others", strings.Join(who, ", "), m.size, m.root[:8]))
		}
	}
	for _, e := range against {
		c.probeLocked(c.peers[e.who], e.mark, now)
	}
}

// forkedLocked ends all vouching (F9).
func (c *Certifier) forkedLocked(why error) {
	if c.forked == nil {
		c.forked = why
		c.log.Error("this node has diverged and vouches for nothing any more", "why", why)
		c.notifyLocked()
	}
}

func (c *Certifier) mineLocked(m mark) (echo, bool) {
	i := slices.IndexFunc(c.mine, func(e echo) bool { return e.mark == m })
	if i < 0 {
		return echo{}, false
	}
	return c.mine[i], true
}

// repeatLocked is how soon an echo of m may be repeated (F6).
func (c *Certifier) repeatLocked(m mark) time.Duration {
	if m.size <= c.finalSizeLocked() {
		return c.cfg.RefreshEvery / 2
	}
	return min(repeat, c.cfg.RefreshEvery/2)
}

// markDueLocked says in how long our head is to be marked.
func (c *Certifier) markDueLocked(top mark, leads bool, now time.Time) time.Duration {
	final := c.finalSizeLocked()
	left := func(since time.Time, d time.Duration) time.Duration {
		if since.IsZero() {
			return 0
		}
		return d - now.Sub(since)
	}
	switch {
	case top.size > final && leads:
		every := c.cfg.MarkEvery
		if c.lastMark.size > final {
			// The last mark is still on its way. On long links the next ones would
			// overtake it at some peers and not at others, and none get a quorum.
			every = max(every, stalled)
		}
		return left(c.lastMarked, every)
	case top.size > final:
		patience := stalled + c.jitter
		return max(left(c.progressLocked(), patience), left(c.lastMarked, patience))
	case leads:
		return max(left(c.finalAt, c.cfg.RefreshEvery), left(c.lastMarked, c.cfg.RefreshEvery/4))
	}
	return max(left(c.finalAt, 2*c.cfg.RefreshEvery+c.jitter), left(c.lastMarked, c.cfg.RefreshEvery/4))
}

// progressLocked is when something more last became final, or when there was
// first something to become final since.
func (c *Certifier) progressLocked() time.Time {
	if c.openSince.After(c.grownAt) {
		return c.openSince
	}
	return c.grownAt
}

// echoLocked tells all validators what we hold, before a change and after it.
func (c *Certifier) echoLocked(echoes []echo, now time.Time) {
	slices.SortFunc(echoes, func(a, b echo) int { return cmp.Compare(a.size, b.size) })
	var marks []mark
	for _, e := range echoes[max(0, len(echoes)-maxEchoes):] {
		e.at = now
		c.mine = slices.DeleteFunc(c.mine, func(o echo) bool { return o.mark == e.mark })
		c.mine, marks = append(c.mine, e), append(marks, e.mark)
	}
	slices.SortStableFunc(c.mine, func(a, b echo) int { return cmp.Compare(a.size, b.size) })
	if over := len(c.mine) - 2*maxEchoes; over > 0 {
		c.mine = slices.Delete(c.mine, 0, over)
	}
	for _, v := range members(c.latest) {
		if p := c.peers[string(v.ID)]; p != nil {
			p.queueEcho(marks...)
		}
	}
	c.wakeSign.wake()
}
