package consensus

import (
	"bytes"
	"fmt"
	"time"

	"concordat/ledger"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

const (
	// sealAsk is how often a leader with nothing to order asks whether a seal is due.
	sealAsk = time.Second
	// sealRetry is how long it leaves a seal alone that failed or was refused.
	sealRetry = 10 * time.Second
)

// spoilt is a place for which this node has signed a block that did nothing: in
// that term it has none left for that size (C2).
type spoilt struct{ term, size uint64 }

func (n *Node) isSpoilt(term uint64) bool {
	return n.spoilt == spoilt{term, n.cfg.Ledger.Head().Size}
}

func (n *Node) sealRetry() time.Duration {
	if d := n.cfg.sealRetryForTest; d > 0 {
		return d
	}
	return sealRetry
}

// ownBlock makes a block of the leader's own statement, if one is due. What goes
// wrong with it is told and tried again later: the others' statements do not wait for it.
func (n *Node) ownBlock(term uint64) *sealed {
	if n.cfg.Seal == nil || time.Now().Before(n.sealNext) {
		return nil
	}
	if why, _ := n.astray.get(); why != "" {
		return nil
	}
	base := n.cfg.Ledger.Head()
	at := n.blockTime(base)
	later := func(what string, args ...any) *sealed {
		n.sealNext = time.Now().Add(n.sealRetry())
		n.log.Error(what, append(args, "size", base.Size, "again_in", n.sealRetry())...)
		return nil
	}
	c, err := n.cfg.Seal(base, time.UnixMilli(at))
	if err != nil {
		return later("the ledger's seal could not be made", "err", err)
	}
	if c == nil {
		return nil
	}
	j, err := n.cfg.Ledger.JudgeAlone(at, *c)
	switch {
	case err != nil:
		return later("the ledger's seal could not be judged", "err", err)
	case !j.Accepted():
		return later("the ledger would refuse its own seal", "known", j.Known, "refusal", j.Verdict)
	}
	var attachments [][]byte
	if c.Attachment != nil {
		attachments = [][]byte{c.Attachment}
	}
	s := &sealed{base: base, own: true}
	if s.raw, err = n.sign(term, base, at, [][]byte{c.Raw}, attachments); err != nil {
		return later("the ledger's seal does not make a block", "err", err)
	}
	return s
}

// isSeal reports that a statement is a seal: the one kind that is never queued,
// whoever hands it in, since no leader proposes another's (C19). Only what has the
// kind's name somewhere in it is parsed.
func isSeal(c ledger.Candidate) bool {
	if !bytes.Contains(c.Raw, []byte(statement.Seal)) {
		return false
	}
	u, err := statement.Parse(c.Raw)
	if err != nil {
		return false // the ledger says what is wrong with it
	}
	said := u.Statement()
	return said.Kind() == statement.Seal
}

// sealRefused is the answer to a seal that is handed in.
func sealRefused() Outcome {
	return Outcome{Verdict: state.Verdict{
		Name: state.SealMisplaced, Message: "seals are made by the node that leads, and are not taken from anybody",
		Hint: "leave seals to the nodes; the leader makes one by itself",
	}}
}

// ownRefused: every ledger refused the seal that ours had judged good. The block
// for this size is used up in this term; another term begins, here or elsewhere.
// The node does not fail over it: a seal rests on all of the state, and that two
// nodes have another is found out and mended elsewhere (C15).
func (n *Node) ownRefused(term uint64, s *sealed, why string) {
	n.sealNext = time.Now().Add(n.sealRetry())
	n.spoilt = spoilt{term, s.base.Size}
	if len(n.voters()) == 1 {
		n.fault.set(fmt.Errorf("the ledger refused its own seal at size %d in term %d (%s), and there is no other validator to begin another term", s.base.Size, term, why))
		return
	}
	n.log.Error("the ledger refused its own seal; leadership is handed over, since nothing else may be proposed at this size in this term", "size", s.base.Size, "term", term, "refusal", why)
}
