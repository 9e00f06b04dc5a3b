package certify

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
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
		if r.knows(l.mark, l.line) || slices.ContainsFunc(r.suspects, func(o signedLine) bool { return o.mark == l.mark && o.kind == l.kind }) {
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
		if o.mark == l.mark && o.kind == l.kind {
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

// cosigned gives the co-signature of m that counts.
func (r *record) cosigned(m mark) (signedLine, bool) {
	for _, l := range r.recent {
		if l.mark == m && l.kind == kindCosign {
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
// validators (F5). Errors: the note is of another log, or a line of a known key
// fails; what was verified before it is kept.
func (c *Certifier) collect(n *checkpoint.Note) error {
	_, _, err := c.collected(n)
	return err
}

// collected collects a note, and says how it stands to our ledger and which
// validators are known to have signed it.
func (c *Certifier) collected(n *checkpoint.Note) (stands verdict, by []statement.Region, err error) {
	if n.Checkpoint.Origin != c.cfg.Origin {
		return unjudged, nil, fmt.Errorf("%w: a checkpoint of the log %q, this one is %q", errMalformed, n.Checkpoint.Origin, c.cfg.Origin)
	}
	m := mark{n.Checkpoint.Size, n.Checkpoint.Root}
	if m.size == 0 {
		return unjudged, nil, fmt.Errorf("%w: a checkpoint of size 0, which nobody signs", errMalformed)
	}
	if stands, err = c.stands(m); err != nil {
		c.breaks(err)
		return unjudged, nil, nil
	}
	c.mu.Lock()
	vs := c.vs
	var lines []string
	for _, s := range n.Lines {
		known := false
		for id, r := range c.records {
			if r.knows(m, s) {
				known, by = true, append(by, id)
			}
		}
		if !known {
			lines = append(lines, s)
		}
	}
	c.mu.Unlock()
	for _, s := range lines {
		l := signedLine{mark: m, line: s, kind: kindCosign, verdict: stands}
		cosig, err := vs.VerifyCosignature(n.Checkpoint, s)
		who := cosig.By
		if errors.Is(err, checkpoint.ErrUnknownSigner) {
			l.kind = kindLog
			who, err = vs.VerifyLog(n.Checkpoint, s)
		} else if l.at = cosig.At; cosig.At.After(c.cfg.Now().Add(clockSlack)) {
			l.kind = kindEarly
		}
		switch {
		case errors.Is(err, checkpoint.ErrUnknownSigner):
			continue // a witness's
		case err != nil:
			return stands, by, fmt.Errorf("%w: %w", errMalformed, err)
		}
		c.keep(who, l)
		by = append(by, who)
	}
	c.wakeJudge.wake()
	slices.Sort(by)
	return stands, slices.Compact(by), nil
}

// keep takes a verified line into the records.
func (c *Certifier) keep(by statement.Region, l signedLine) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if by == c.cfg.Self && c.signer != nil {
		c.ownLineLocked(l)
	}
	c.recordLocked(by).add(l)
}

// ownLineLocked looks at a signature of our own key. That we do not know it
// means that the signer's file was lost or is an old one, or that somebody else
// has the key: the first is mended, the second is not.
func (c *Certifier) ownLineLocked(l signedLine) {
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
