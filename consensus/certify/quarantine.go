package certify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"concordat/ledger"
	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// A validator whose signer file is lost, or an old copy, does not know what its
// key has signed. Signing again what a quorum echoes now could make a second
// quorum, of another history, together with the signature that it forgot. So it
// is in quarantine: it neither echoes nor signs until the others have certified,
// without it, as much as it can have signed; or until it is certain that its key
// has signed nothing, as the others had not yet reached the first size that the
// key counts for (F10). DESIGN.md has the argument.

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
	if !joins || !c.signer.last.unsigned() {
		return false, nil
	}
	err := c.signer.forget()
	c.mu.Lock()
	c.signed, c.heads = c.signer.last, map[statement.Region]uint64{}
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
	if last := c.signer.last; may != nil || final == nil || final.Checkpoint().Origin != c.cfg.Origin || last.size > 0 || last.quarantine || last.later != "" {
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
	heads := maps.Clone(c.heads)
	c.mu.Unlock()
	if !maps.Equal(heads, c.signer.last.heads) {
		if err := c.signer.hears(heads); err != nil {
			return err
		}
	}
	if unused, err := c.unused(heads); err != nil {
		c.breaks(err)
		return nil
	} else if unused {
		s, err := c.signer.vindicate()
		if err != nil {
			return err
		}
		c.released(s)
		c.log.Info("this validator's co-signing key has signed nothing: it counts only from sizes on that the others had not reached")
		return nil
	}
	m, ok, err := c.safe()
	if err != nil {
		c.breaks(err)
		return nil
	}
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
	c.released(s)
	c.log.Info("the others have certified this ledger without this validator: it co-signs again", "from size", m.size)
	return nil
}

func (c *Certifier) released(s signed) {
	c.mu.Lock()
	c.signed, c.signError = s, nil
	c.notifyLocked()
	c.mu.Unlock()
	c.wakeTell.wake()
}

// unused reports that this node's present co-signing key has certainly signed
// nothing. It counts only from a size on, which is in the ledger; if enough of
// those who certified before that had less when they were asked, then nobody can
// have echoed such a size to us before. It takes the ledger to reach as far as
// they said, and says nothing of keys that the genesis or a recovery admitted.
func (c *Certifier) unused(heads map[statement.Region]uint64) (unused bool, err error) {
	if len(heads) == 0 {
		return false, nil
	}
	err = c.newest(func(v *ledger.View) error {
		all, err := c.cfg.electorates(v)
		if err != nil || len(all) == 0 {
			return err
		}
		key := string(publicOf(c.cfg.Cosign))
		first := slices.IndexFunc(all, func(e checkpoint.Electorate) bool {
			return e.Origin == c.cfg.Origin && names(e, c.cfg.Self, key)
		})
		before, least := all[len(all)-1], v.Head().Size+1 // nowhere: it counts beyond our head, if ever
		switch {
		case first == 0:
			return nil
		case first > 0:
			before, least = all[first-1], all[first].From
		}
		if before.Origin != c.cfg.Origin {
			return nil // a recovery made it so that a quorum of them is no more
		}
		vs := before.Newest()
		n := 0
		for _, o := range vs {
			if size, told := heads[o.ID]; told && size < least && !o.Suspended && o.ID != c.cfg.Self {
				n++
			}
		}
		unused = n >= witnesses(vs)
		return nil
	})
	return unused, err
}

// witnesses is how many others of a set are enough to speak for what a quorum of
// it can have held or signed: 2f+1, where f may be dishonest. Any quorum that has
// the one in quarantine shares more than f of the others with them.
func witnesses(vs checkpoint.Validators) int { return 2*(len(vs)-vs.Quorum()) + 1 }

// unanimous reports that every certificate of a set takes all of it, so that
// what one has forgotten certifies nothing without the others, who remember.
func unanimous(vs checkpoint.Validators) bool { return len(vs) > 1 && vs.Quorum() == len(vs) }

// safe gives the greatest checkpoint of this ledger that enough others have
// co-signed since we began, in each set that names this validator, and that is no
// smaller than what enough others said to be all that they have (F10).
func (c *Certifier) safe() (m mark, ok bool, err error) {
	said := map[mark]map[signerKey]bool{}
	c.mu.Lock()
	floor, known := c.floorLocked()
	if known {
		for id, r := range c.records {
			for _, l := range r.recent {
				if l.kind == kindCosign && l.verdict == ours && l.at.After(c.began) && l.size >= floor && c.signed.allows(l.mark) == nil {
					if said[l.mark] == nil {
						said[l.mark] = map[signerKey]bool{}
					}
					said[l.mark][signerKey{id, l.key}] = true
				}
			}
		}
		// Where all have to sign, our own head will do.
		if head := c.pins.newest(); head != nil && head.size > 0 && head.size >= floor {
			if top := (mark{head.size, head.view.Head().Root}); c.signed.allows(top) == nil && said[top] == nil {
				said[top] = map[signerKey]bool{}
			}
		}
	}
	c.mu.Unlock()
	for x, who := range said {
		f, there, err := c.at(x.size)
		if err != nil {
			return mark{}, false, err
		}
		if !there || f.root != x.root || ok && x.size <= m.size {
			continue
		}
		if c.vouchedWithout(f.by, who) {
			m, ok = x, true
		}
	}
	return m, ok, nil
}

// vouchedWithout reports that who signed are enough without this validator, in
// each set that names it.
func (c *Certifier) vouchedWithout(by checkpoint.Electorate, who map[signerKey]bool) bool {
	named := false
	for _, vs := range by.Sets {
		if _, in := vs.Find(c.cfg.Self); !in {
			continue
		}
		named = true
		n := 0
		for _, v := range vs {
			if v.ID != c.cfg.Self && !v.Suspended && who[signerKey{v.ID, string(v.Cosign)}] {
				n++
			}
		}
		if n < witnesses(vs) && !unanimous(vs) {
			return false
		}
	}
	return named
}

// floorLocked is the least size that enough others did not exceed when they were
// asked, in each set.
func (c *Certifier) floorLocked() (floor uint64, ok bool) {
	for _, vs := range c.latest.Sets {
		var told []uint64
		for _, v := range vs {
			if size, ok := c.heads[v.ID]; ok && !v.Suspended && v.ID != c.cfg.Self {
				told = append(told, size)
			}
		}
		n := witnesses(vs)
		if len(told) < n {
			return 0, false
		}
		slices.Sort(told)
		floor = max(floor, told[n-1])
	}
	return floor, len(c.latest.Sets) > 0
}

// quarantineLocked says why this node does not sign, if that is why.
func (c *Certifier) quarantineLocked() string {
	if c.signer == nil || !c.signed.quarantine {
		return ""
	}
	why := "this validator's signer file is lost, or an old copy: it co-signs again when the other validators have certified something without it"
	for _, vs := range c.latest.Sets {
		why += fmt.Sprintf("; %d of %d must be there", witnesses(vs), len(vs))
	}
	if floor, ok := c.floorLocked(); ok {
		return why + fmt.Sprintf(", and it waits for their signatures on size %d or more", floor)
	}
	var missing []string
	for _, v := range members(c.latest) {
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
	if _, told := c.heads[p.region()]; !told && c.signed.quarantine {
		c.heads[p.region()] = size
	}
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
	if _, err := c.voiceLocked(c.latest); err != nil || head == nil || len(c.blockedLocked(may)) > 0 {
		return nil, refuse(CodeNotVouching, "this node does not vouch for its ledger now")
	}
	return encodeHead(head.size), nil
}
