package certify

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"concordat/ledger"
	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// convictAll looks for signatures that contradict one another.
func (c *Certifier) convictAll() error {
	if err := c.compareHeaders(); err != nil {
		return err
	}
	type suspicion struct {
		by    statement.Region
		lines []signedLine // of one size and several roots
		alone []signedLine // on another history
		ours  signedLine   // the greatest on ours
	}
	c.mu.Lock()
	var all []suspicion
	fresh := false
	for id, r := range c.records {
		s := suspicion{by: id, alone: slices.Clone(r.suspects), ours: r.vouched}
		s.lines = slices.Concat(r.recent, r.suspects)
		if r.vouched.line != "" {
			s.lines = append(s.lines, r.vouched)
		}
		all = append(all, s)
		fresh = c.forwardLocked(id, r) || fresh
	}
	c.mu.Unlock()
	for _, s := range all {
		for i, a := range s.lines {
			for _, b := range s.lines[:i] {
				if a.size == b.size && a.root != b.root {
					c.convict(evidence.TwoRoots(c.exhibit(s.by, a), c.exhibit(s.by, b)))
				}
			}
		}
		for _, a := range s.alone {
			if s.ours.line == "" || s.ours.size <= a.size {
				continue // it takes a signature on our history at this size or above
			}
			p, err := c.twoHistories(s.by, a, s.ours)
			if err != nil {
				return err
			}
			c.convict(p)
		}
	}
	if fresh {
		c.saveSuspects()
	}
	return nil
}

func (c *Certifier) exhibit(by statement.Region, l signedLine) evidence.SignedCheckpoint {
	return evidence.SignedCheckpoint{By: by, Checkpoint: c.checkpoint(l.mark), Line: l.line}
}

// twoHistories proves from our own tree that older is not its beginning, and newer is on it.
func (c *Certifier) twoHistories(by statement.Region, older, newer signedLine) (p evidence.Proof, err error) {
	err = c.newest(func(v *ledger.View) error {
		prefix, err := v.RootAt(older.size)
		if err != nil {
			return err
		}
		path, err := v.Consistency(older.size, newer.size)
		if err != nil {
			return err
		}
		p = evidence.TwoHistories(c.exhibit(by, older), c.exhibit(by, newer), prefix, path)
		return nil
	})
	return p, err
}

// convict tells of a proof, once it is verified (F8).
func (c *Certifier) convict(p evidence.Proof) {
	k := conviction{p.Culprit(), p.Kind()}
	c.mu.Lock()
	by := c.latest
	v, ok := find(by, k.culprit)
	known := c.told[k] || !ok || v.Suspended // the ledger has it already
	c.mu.Unlock()
	if known {
		return
	}
	// Two signatures by two keys of one validator prove nothing to anybody, nor do
	// those by keys that it has no more: it may have lost them.
	var err error
	for _, vs := range slices.Backward(by.Sets) {
		if err = p.Verify(networkOf(c.cfg.Origin), c.cfg.Network, vs); err == nil {
			break
		}
	}
	if err != nil {
		c.log.Debug("what looks like evidence does not hold by the keys that the ledger has now, and was not told", "culprit", k.culprit, "kind", k.kind, "err", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told[k] || c.closed {
		return
	}
	c.told[k] = true
	c.log.Error("a validator is caught", "culprit", k.culprit, "what", p.Words())
	c.spawnLocked(func() { c.tellEvidence(k, p) })
}

// tellEvidence tells of a proof until it is taken. A place for it may be full
// today and not tomorrow, and nobody else may have the proof.
func (c *Certifier) tellEvidence(k conviction, p evidence.Proof) {
	wait := time.Duration(0)
	for {
		err := c.cfg.OnEvidence(p)
		if err == nil {
			return
		}
		wait = min(max(2*wait, evidenceLeast), evidenceMost)
		c.log.Error("evidence was not taken", "culprit", k.culprit, "kind", k.kind, "err", err, "again in", wait)
		if !pause(c.ctx, wait) {
			return
		}
		c.mu.Lock()
		v, ok := find(c.latest, k.culprit)
		c.mu.Unlock()
		if !ok || v.Suspended {
			return // somebody else's evidence is in the ledger
		}
	}
}

// forwardLocked passes new suspects on to all members, as one of them may have
// the signature that completes the proof. What each node passes on of one
// validator is bounded (F6). It reports whether there were any, to be kept too.
func (c *Certifier) forwardLocked(by statement.Region, r *record) bool {
	fresh := r.fresh
	r.fresh = nil
	some := false
	for _, l := range fresh {
		if r.forwards >= maxSuspects || c.told[conviction{by, evidence.KindTwoRoots}] || c.told[conviction{by, evidence.KindTwoHistories}] {
			break
		}
		r.forwards++
		some = true
		c.log.Warn("a validator has signed another history", "validator", by, "size", l.size, "root", base64.StdEncoding.EncodeToString(l.root[:]))
		note := checkpoint.Assemble(c.checkpoint(l.mark), []string{l.line}).Bytes()
		for _, p := range c.peers {
			if p.region() != by {
				p.queuePush(note)
			}
		}
	}
	return some
}

// suspectFile is a line on another history, kept over restarts: the signature
// that completes the proof may come later.
type suspectFile struct {
	By   statement.Region `json:"by"`
	Size uint64           `json:"size"`
	Root string           `json:"root"` // base64
	Line string           `json:"line"`
}

// suspectsPath is beside the signer's file: it outlives a lost database too.
func (c *Certifier) suspectsPath() string { return c.cfg.SignerPath + ".suspects" }

func (c *Certifier) saveSuspects() {
	if c.signer == nil {
		return // an observer keeps them in memory only
	}
	c.mu.Lock()
	list := []suspectFile{}
	for _, v := range members(c.latest) {
		if r := c.records[v.ID]; r != nil {
			lines := r.suspects
			if len(lines) > 0 && r.vouched.line != "" {
				lines = append(slices.Clone(lines), r.vouched) // what it signed on ours is half of the proof
			}
			for _, l := range lines {
				list = append(list, suspectFile{v.ID, l.size, base64.StdEncoding.EncodeToString(l.root[:]), l.line})
			}
		}
	}
	c.mu.Unlock()
	b, err := json.Marshal(list)
	if err == nil {
		err = replace(c.cfg.disk, c.suspectsPath(), seal(b))
	}
	if err != nil {
		// They are still in memory, and certification does not rest on them.
		c.log.Error("signatures on another history were not kept; a restart forgets them", "path", c.suspectsPath(), "err", err)
	}
}

func (c *Certifier) recallSuspects() error {
	if c.signer == nil {
		return nil
	}
	raw, err := c.cfg.disk.Read(c.suspectsPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the signatures on another history: %w", err)
	}
	content, err := unseal(raw)
	var list []suspectFile
	if err == nil {
		err = json.Unmarshal(content, &list)
	}
	if err != nil {
		c.log.Error("the kept signatures on another history cannot be read; they are begun anew", "path", c.suspectsPath(), "err", err)
		return nil
	}
	for _, s := range list {
		root, err := base64.StdEncoding.DecodeString(s.Root)
		if err != nil || len(root) != merkle.HashSize {
			continue // the checksum was right, so it was written so: it is of no use
		}
		note := checkpoint.Assemble(c.checkpoint(mark{s.Size, merkle.Hash(root)}), []string{s.Line})
		if err := c.collect(note); err != nil {
			c.log.Warn("a kept signature is of no use any more", "validator", s.By, "err", err)
		}
	}
	return nil
}
