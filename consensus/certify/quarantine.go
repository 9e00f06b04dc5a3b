package certify

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"concordat/ledger/statement"
)

// A validator whose signer file is lost, or an old copy, does not know what its
// key has signed. Signing again what a quorum echoes now could make a second
// quorum, of another history, together with the signature that it forgot. So it
// is in quarantine: it neither echoes nor signs until the others have certified,
// without it, as much as it can have signed (F10). DESIGN.md has the argument.

// Joins says that this node takes its ledger over from others: the network runs
// already. Where the signer's file says that nothing was signed yet it is taken
// for lost then (F10), before anything is signed; it has to be called before May
// allows that. It may be called at any time, for an observer too.
func (c *Certifier) Joins() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joins = true
	c.wakeSign.wake()
}

// forgets does what Joins asks for, and says whether there was anything to do.
func (c *Certifier) forgets(joins bool) (bool, error) {
	if last := c.signer.last; !joins || last.size > 0 || last.quarantine {
		return false, nil
	}
	err := c.signer.forget()
	c.mu.Lock()
	c.signed = c.signer.last
	c.notifyLocked()
	c.mu.Unlock()
	if err == nil {
		c.log.Warn("this validator has no signer file in a network that runs: it signs nothing until the others have certified something without it")
	}
	return true, err
}

// begins takes the first certificate that this node sees as the least that it
// will sign, where it takes part and has signed nothing yet. At its next start
// the file tells it from a node that took its ledger over from others and does
// not know what it signed (signer.begin).
func (c *Certifier) begins(may error) error {
	c.mu.Lock()
	final := c.final
	c.mu.Unlock()
	if last := c.signer.last; may != nil || final == nil || last.size > 0 || last.quarantine {
		return nil
	}
	x := final.Checkpoint()
	s, err := c.signer.release(mark{x.Size, x.Root})
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.signed = s
	c.mu.Unlock()
	return nil
}

// endQuarantine ends it where that is safe.
func (c *Certifier) endQuarantine() error {
	c.mu.Lock()
	m, ok := c.safeLocked()
	c.mu.Unlock()
	if !ok {
		return nil
	}
	if err := c.verifyRoot(m); err != nil {
		c.breaks(err)
		return nil
	}
	s, err := c.signer.release(m)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.signed, c.signError = s, nil
	c.notifyLocked()
	c.mu.Unlock()
	c.log.Info("the others have certified this ledger without this validator: it co-signs again", "from size", m.size)
	c.wakeTell.wake()
	return nil
}

// safeLocked gives the greatest checkpoint of this ledger that a quorum of
// others has co-signed since we began, and that is no smaller than what a quorum
// of others said to be all that they have (F10).
func (c *Certifier) safeLocked() (m mark, ok bool) {
	floor, known := c.floorLocked()
	if !known {
		return mark{}, false
	}
	count := map[mark]int{}
	for _, v := range c.vs {
		r := c.records[v.ID]
		if r == nil || v.Suspended || v.ID == c.cfg.Self {
			continue
		}
		for _, l := range r.recent { // of each size, root and kind there is one
			if l.kind == kindCosign && l.verdict == ours && l.at.After(c.began) {
				count[l.mark]++
			}
		}
	}
	for x, n := range count {
		if n >= c.vs.Quorum() && x.size >= floor && c.signed.allows(x) == nil && (!ok || x.size > m.size) {
			m, ok = x, true
		}
	}
	return m, ok
}

// floorLocked is the least size that a quorum of others did not exceed when
// they were asked.
func (c *Certifier) floorLocked() (uint64, bool) {
	var told []uint64
	for _, v := range c.vs {
		if size, ok := c.heads[v.ID]; ok && !v.Suspended && v.ID != c.cfg.Self {
			told = append(told, size)
		}
	}
	q := c.vs.Quorum()
	if len(told) < q {
		return 0, false
	}
	slices.Sort(told)
	return told[q-1], true
}

// quarantineLocked says why this node does not sign, if that is why.
func (c *Certifier) quarantineLocked() string {
	if c.signer == nil || !c.signed.quarantine {
		return ""
	}
	why := fmt.Sprintf("this validator's signer file is lost, or an old copy: it co-signs again when the other validators have certified something without it; %d of %d must be there",
		c.vs.Quorum(), len(c.vs))
	if floor, ok := c.floorLocked(); ok {
		return why + fmt.Sprintf(", and it waits for their signatures on size %d or more", floor)
	}
	var missing []string
	for _, v := range c.vs {
		if _, ok := c.heads[v.ID]; !ok && v.ID != c.cfg.Self && !v.Suspended {
			missing = append(missing, string(v.ID))
		}
	}
	return why + fmt.Sprintf(", and %s have not answered yet: bring them back", strings.Join(missing, ", "))
}

// askHeads asks those validators how far they are who have not said it since we
// began, while that matters. Whatever they echoed before, and we signed upon it
// and forgot, is no more than what they say now.
func (c *Certifier) askHeads() {
	c.mu.Lock()
	var ask []*peer
	if c.signer != nil && c.signed.quarantine {
		for _, p := range c.othersLocked() {
			if _, ok := c.heads[p.region()]; !ok {
				ask = append(ask, p)
			}
		}
	}
	c.mu.Unlock()
	var asked sync.WaitGroup
	for _, p := range ask {
		asked.Go(func() { c.askHead(p) })
	}
	asked.Wait()
}

func (c *Certifier) askHead(p *peer) {
	raw, err := c.ask(c.ctx, p, HeadProtocol, []byte{wireVersion})
	var size uint64
	if err == nil {
		size, err = decodeHead(raw)
	}
	if err != nil {
		c.log.Debug("a validator does not say how far it is", "validator", p.id, "err", err)
		return
	}
	c.mu.Lock()
	c.heads[statement.Region(p.id)] = size
	c.mu.Unlock()
	c.wakeSign.wake()
}

// serveHead tells how far this validator is, to one that forgot what it signed.
// Only who vouches tells: the ledger of one that catches up, or is in quarantine
// itself, may be shorter than what it echoed before.
func (c *Certifier) serveHead(req []byte) ([]byte, error) {
	if len(req) != 1 || req[0] != wireVersion {
		return nil, refuse(CodeMalformed, "a request for the head has one byte, %d", wireVersion)
	}
	may := c.cfg.May()
	c.mu.Lock()
	defer c.mu.Unlock()
	head := c.pins.newest()
	if head == nil || len(c.blockedLocked(may)) > 0 {
		return nil, refuse(CodeNotVouching, "this node does not vouch for its ledger now")
	}
	return encodeHead(head.size), nil
}
