package certify

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// lineKind is what sort of signature a line is.
type lineKind uint8

const (
	kindCosign lineKind = iota
	kindEarly           // a co-signature from too far in the future to count; a signature all the same
	kindLog             // the log's own, by the node key
)

// signedLine is a verified line of a validator.
type signedLine struct {
	mark
	line    string
	kind    lineKind
	at      time.Time // of a co-signature
	verdict verdict
	key     string // the public key that verified it
}

// record is what is remembered of one validator's signatures (F6).
type record struct {
	recent   []signedLine // on our history, or beyond it; descending by size, at most maxRecent
	vouched  signedLine   // the greatest on our history; none if its line is empty
	suspects []signedLine // on another history; ascending by size, at most maxSuspects: the least need the least to prove
	fresh    []signedLine // suspects that the others are to be told of
	forwards int          // how many suspects the others were told of
}

func (r *record) knows(m mark, line string) bool {
	same := func(l signedLine) bool { return l.mark == m && l.line == line }
	return slices.ContainsFunc(r.recent, same) || slices.ContainsFunc(r.suspects, same) || same(r.vouched)
}

// add keeps a line whose signature is verified.
func (r *record) add(l signedLine) {
	switch l.verdict {
	case foreign:
		if r.knows(l.mark, l.line) || slices.ContainsFunc(r.suspects, func(o signedLine) bool { return o.mark == l.mark && o.kind == l.kind && o.key == l.key }) {
			return
		}
		r.suspects = append(r.suspects, l)
		slices.SortStableFunc(r.suspects, func(a, b signedLine) int { return cmp.Compare(a.size, b.size) })
		r.suspects = r.suspects[:min(len(r.suspects), maxSuspects)]
		if len(r.fresh) < maxSuspects {
			r.fresh = append(r.fresh, l)
		}
		return
	case ours:
		if r.vouched.line == "" || l.size > r.vouched.size {
			r.vouched = l
		}
	}
	for i, o := range r.recent {
		if o.mark == l.mark && o.kind == l.kind && o.key == l.key {
			if l.at.After(o.at) {
				r.recent[i] = l
			}
			return
		}
	}
	r.recent = append(r.recent, l)
	slices.SortStableFunc(r.recent, func(a, b signedLine) int { return cmp.Compare(b.size, a.size) })
	r.recent = r.recent[:min(len(r.recent), maxRecent)]
}

// cosigned gives the co-signature of m by a key that counts.
func (r *record) cosigned(m mark, key string) (signedLine, bool) {
	for _, l := range r.recent {
		if l.mark == m && l.kind == kindCosign && l.key == key {
			return l, true
		}
	}
	return signedLine{}, false
}

func (c *Certifier) recordLocked(id statement.Region) *record {
	r := c.records[id]
	if r == nil {
		r = &record{}
		c.records[id] = r
	}
	return r
}

// collect verifies a note's lines, whoever gave them, and keeps those of
// validators (F5). Errors: the note is of another network's log, or a line of a
// known key fails; what was verified before it is kept.
func (c *Certifier) collect(n *checkpoint.Note) error {
	_, err := c.collected(n)
	return err
}

// collection is what came of a note.
type collection struct {
	stands verdict            // how it stands to our ledger
	by     []statement.Region // which validators are known to have signed it
	early  bool               // somebody has whom the ledger does not know as a validator, and may when it is there
}

// collected collects a note. One of another lineage of this network is of
// another log, from before a recovery or after it, and tells nothing about this one.
func (c *Certifier) collected(n *checkpoint.Note) (out collection, err error) {
	if n.Checkpoint.Origin != c.cfg.Origin {
		if networkOf(n.Checkpoint.Origin) == networkOf(c.cfg.Origin) {
			return collection{}, nil
		}
		return collection{}, fmt.Errorf("%w: a checkpoint of the log %q, this one is %q", errMalformed, n.Checkpoint.Origin, c.cfg.Origin)
	}
	m := mark{n.Checkpoint.Size, n.Checkpoint.Root}
	if m.size == 0 {
		return collection{}, fmt.Errorf("%w: a checkpoint of size 0, which nobody signs", errMalformed)
	}
	by, known, err := c.electorate(m.size)
	if err == nil {
		out.stands, err = c.stands(m)
	}
	if err != nil {
		c.breaks(err)
		return collection{}, nil
	}
	c.mu.Lock()
	latest := c.latest
	var lines []string
	for _, s := range n.Lines {
		known := false
		for id, r := range c.records {
			if r.knows(m, s) {
				known, out.by = true, append(out.by, id)
			}
		}
		if !known {
			lines = append(lines, s)
		}
	}
	c.mu.Unlock()
	for _, s := range lines {
		l, who, err := c.verify(n.Checkpoint, s, by)
		if errors.Is(err, checkpoint.ErrUnknownSigner) && latest.From != by.From {
			// It counts for nothing, and may be evidence.
			l, who, err = c.verify(n.Checkpoint, s, latest)
		}
		switch {
		case errors.Is(err, checkpoint.ErrUnknownSigner):
			out.early = !known // a witness, or who becomes a validator beyond our head
			continue
		case err != nil:
			return out, fmt.Errorf("%w: %w", errMalformed, err)
		}
		l.verdict = out.stands
		c.keep(who, l)
		out.by = append(out.by, who)
	}
	c.wakeJudge.wake()
	slices.Sort(out.by)
	out.by = slices.Compact(out.by)
	return out, nil
}

// verify reads a line as one of those validators'.
func (c *Certifier) verify(at checkpoint.Checkpoint, s string, by checkpoint.Electorate) (signedLine, statement.Region, error) {
	l := signedLine{mark: mark{at.Size, at.Root}, line: s, kind: kindCosign}
	cosig, v, err := by.VerifyCosignature(at, s)
	switch {
	case err == nil:
		if l.at, l.key = cosig.At, string(v.Cosign); cosig.At.After(c.cfg.Now().Add(clockSlack)) {
			l.kind = kindEarly
		}
	case errors.Is(err, checkpoint.ErrUnknownSigner):
		l.kind = kindLog
		v, err = by.VerifyLog(at, s)
		l.key = string(v.Node)
	}
	return l, v.ID, err
}

// networkOf is the network's name in an origin.
func networkOf(origin string) string {
	name, _, _ := strings.Cut(origin, "/")
	return name
}

// collectLater looks again at what was signed by whom we did not know, at sizes
// that our ledger has by now.
func (c *Certifier) collectLater() {
	c.mu.Lock()
	var due []*checkpoint.Note
	if head := c.pins.newest(); head != nil {
		for _, p := range c.peers {
			p.later = slices.DeleteFunc(p.later, func(n *checkpoint.Note) bool {
				if n.Checkpoint.Size > head.size {
					return false
				}
				due = append(due, n)
				return true
			})
		}
	}
	c.mu.Unlock()
	for _, n := range due {
		if err := c.collect(n); err != nil {
			c.log.Debug("what was signed before this ledger had it is no signature", "size", n.Checkpoint.Size, "err", err)
		}
	}
}

// keep takes a verified line into the records.
func (c *Certifier) keep(by statement.Region, l signedLine) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ownLineLocked(by, l)
	c.recordLocked(by).add(l)
}

// ownLineLocked looks at a signature of our own key. That we do not know it
// means that the signer's file was lost or is an old one, or that somebody else
// has the key: the first is mended, the second is not. A key that this node has
// no more, or signs nothing with, may be anybody's.
func (c *Certifier) ownLineLocked(by statement.Region, l signedLine) {
	if by != c.cfg.Self || c.signer == nil || !c.cfg.holds(l.key) || slices.Contains(c.signed.silent, l.key) {
		return
	}
	if l.mark == c.signed.mark && l.verdict == foreign {
		return // it is what the signer remembers; signedFits sees that this ledger is another history
	}
	if l.verdict == foreign || l.size == c.signed.size && l.root != c.signed.root {
		if c.rivalKey == nil {
			c.rivalKey = fmt.Errorf("this validator's key has signed another history at size %d, with the root %x: another process has its keys, or its signer file and its ledger were replaced; "+
				"stop whatever else runs with these keys", l.size, l.root[:8])
			c.log.Error("this node vouches for nothing any more", "why", c.rivalKey)
			c.notifyLocked()
		}
		return
	}
	// A time from beyond our clock is not taken over: it would be ours for ever.
	at := int64(0)
	if l.kind == kindCosign {
		at = l.at.Unix()
	}
	switch {
	case l.size > c.stray.size && l.size > c.signed.size:
		c.stray, c.strayTime = l.mark, at
	case l.mark == c.stray, l.mark == c.signed.mark && at > c.signed.time && l.size >= c.stray.size:
		c.stray, c.strayTime = l.mark, max(at, c.strayTime)
	}
	c.wakeSign.wake()
}
