package consensus

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/statement"
)

// reign is a term in which this node leads and has applied its barrier (C3).
type reign struct{ term uint64 }

// sealed is the block that this node signed for a (term, size), and who waits
// for it (C2). It belongs to the proposer's goroutine.
type sealed struct {
	base     ledger.Head
	raw      []byte
	own      bool           // it holds the leader's own statement (Config.Seal), and nobody waits
	accepted []item         // one for each statement of the block
	twins    map[int][]item // the same statement again, by its place in the block
	later    []judged       // refused because of a statement in this block (C5)
}

type judged struct {
	item    item
	outcome Outcome
}

// count is how many statements the block holds.
func (s *sealed) count() int {
	if s.own {
		return 1
	}
	return len(s.accepted)
}

// everyone is all who wait for the block.
func (s *sealed) everyone() []item {
	out := append([]item(nil), s.accepted...)
	for _, t := range s.twins {
		out = append(out, t...)
	}
	for _, j := range s.later {
		out = append(out, j.item)
	}
	return out
}

// propose is the one goroutine that makes blocks. It ends when the node closes.
func (n *Node) propose() {
	for {
		select {
		case <-n.raft.LeaderCh():
			// The channel keeps only the last of several changes: ask what is so now.
			for n.leads() && n.open() {
				n.lead()
			}
			n.queue.failAll(n.leaving())
		case <-n.queue.wake:
			if !n.leads() {
				n.queue.failAll(n.leaving())
				continue
			}
			// Raft leads, and its word on that channel is on its way; or we
			// have left a reign with the wish to begin another.
			for n.leads() && n.open() {
				n.lead()
			}
			n.queue.failAll(n.leaving())
		case <-n.closing:
			n.queue.failAll(n.closedError())
			return
		case <-n.fault.done:
			n.queue.failAll(n.closedError())
			return
		}
	}
}

func (n *Node) leads() bool { return n.raft.State() == raft.Leader }

// open reports that the node is neither closing nor faulty.
func (n *Node) open() bool {
	select {
	case <-n.closing:
	case <-n.fault.done:
	default:
		return true
	}
	return false
}

// leaving is what those are told whose statements were not proposed.
func (n *Node) leaving() error {
	if !n.open() {
		return n.closedError()
	}
	if _, id := n.raft.LeaderWithID(); id != "" && string(id) != n.cfg.Self {
		return &NotLeader{Leader: string(id)}
	}
	if err := n.vouches(); err != nil {
		return err
	}
	return fmt.Errorf("%w: this node led and has lost touch with the others", ErrNoQuorum)
}

// lead leads for one term, until it is over. What it proposed and does not
// know the outcome of it has answered when it returns.
func (n *Node) lead() {
	term := n.raft.CurrentTerm()
	if n.isSpoilt(term) || n.deposed() {
		n.handOver()
		return
	}
	if err := n.await(n.raft.Barrier(n.cfg.Profile.Heartbeat)); err != nil || !n.reigns(term) {
		n.pause() // unless leadership is gone, Raft is busy: a disk, or a transfer
		return
	}
	if n.astray.yields(len(n.voters())) {
		n.handOver()
		return
	}
	n.reign.Store(&reign{term})
	n.changed.tell()
	n.log.Info("this node leads", "term", term, "size", n.cfg.Ledger.Head().Size)
	defer func() {
		n.reign.Store(nil)
		n.changed.tell()
	}()
	var mine *sealed // signed, and not yet taken by Raft
	defer func() {
		if mine != nil {
			// Raft never had it, and never will: nobody else has seen it.
			n.queue.fail(mine.everyone(), n.leaving())
		}
	}()
	tried := false // to order something, though astray
	for n.reigns(term) && n.open() {
		if why, _ := n.astray.get(); why != "" && (tried || !n.astray.desperate(len(n.voters()))) && mine == nil {
			n.handOver()
			return
		}
		if mine == nil && n.isSpoilt(term) {
			return
		}
		if mine == nil && n.deposed() {
			n.handOver()
			return
		}
		if mine == nil {
			mine = n.ownBlock(term)
		}
		if mine == nil {
			items := n.queue.gather()
			if len(items) == 0 {
				n.idle()
				continue
			}
			tried = true
			var err error
			if mine, err = n.seal(term, items); err != nil {
				n.fault.set(err)
				n.queue.fail(items, n.closedError())
				return
			}
			if mine == nil {
				continue // nothing in it was new
			}
		}
		taken, err := n.commit(term, mine)
		switch {
		case taken:
			mine = nil // answered
		case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrRaftShutdown):
			return
		default:
			n.pause()
		}
	}
}

// deposed reports that no ledger would take another block of this node: what was
// ordered last has replaced its key, or its role. Every ledger refuses such a
// block alike, so nothing would be lost by it but time.
func (n *Node) deposed() bool {
	if n.cfg.Proposes == nil {
		return false
	}
	err := n.cfg.Proposes()
	if err != nil {
		n.log.Info("this node leads no more", "why", err)
	}
	return err != nil
}

// idle waits until there is something to do, or it is time to ask whether there is.
func (n *Node) idle() {
	var tick <-chan time.Time
	if n.cfg.Seal != nil {
		timer := time.NewTimer(sealAsk)
		defer timer.Stop()
		tick = timer.C
	}
	select {
	case <-tick:
	case <-n.queue.wake:
	case <-n.raft.LeaderCh():
	case <-n.closing:
	case <-n.fault.done:
	}
}

// reigns reports that this node still leads in term. It may be over by the
// time the caller acts on it: a block signed for a term and ordered in another
// is refused by every ledger.
func (n *Node) reigns(term uint64) bool { return n.leads() && n.raft.CurrentTerm() == term }

// pause waits a moment for Raft to make up its mind.
func (n *Node) pause() {
	timer := time.NewTimer(n.cfg.Profile.Lease / 20)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-n.closing:
	case <-n.fault.done:
	}
}

// seal judges statements and makes a block of those that are accepted. Those
// that need no block are answered. It returns nil if none needs one.
func (n *Node) seal(term uint64, items []item) (*sealed, error) {
	base := n.cfg.Ledger.Head()
	// The same bytes from several callers are judged once.
	type key struct{ statement, attachment [sha256.Size]byte }
	var cs []ledger.Candidate
	var groups [][]item
	place := map[key]int{}
	for _, it := range items {
		c := it.candidate()
		k := key{sha256.Sum256(c.Raw), sha256.Sum256(c.Attachment)}
		g, again := place[k]
		if !again {
			g = len(cs)
			place[k] = g
			cs, groups = append(cs, c), append(groups, nil)
		}
		groups[g] = append(groups[g], it)
	}
	judgements, err := n.cfg.Ledger.Judge(cs)
	if err != nil {
		return nil, fmt.Errorf("judging statements: %w", err)
	}
	if len(judgements) != len(cs) {
		return nil, fmt.Errorf("the ledger gave %d judgements on %d statements", len(judgements), len(cs))
	}
	s := &sealed{base: base, twins: map[int][]item{}}
	var statements, attachments [][]byte
	in := map[[sha256.Size]byte]int{} // statements of the block, by hash
	for g, j := range judgements {
		hash := sha256.Sum256(cs[g].Raw)
		switch at, twin := in[hash]; {
		case j.Known:
			n.answerAll(groups[g], Outcome{Index: j.Index, Known: true})
		case j.Accepted():
			at = len(statements)
			in[hash] = at
			s.accepted = append(s.accepted, groups[g][0])
			s.twins[at] = groups[g][1:]
			statements = append(statements, cs[g].Raw)
			if said := j.Statement.Statement(); said.Kind().HasAttachment() {
				attachments = append(attachments, cs[g].Attachment)
			}
		case twin:
			s.twins[at] = append(s.twins[at], groups[g]...)
		case len(statements) == 0:
			n.answerAll(groups[g], Outcome{Verdict: j.Verdict})
		default:
			for _, it := range groups[g] {
				s.later = append(s.later, judged{it, Outcome{Verdict: j.Verdict}})
			}
		}
	}
	if len(statements) == 0 {
		return nil, nil
	}
	if s.raw, err = n.sign(term, base, n.blockTime(base), statements, attachments); err != nil {
		return nil, err
	}
	return s, nil
}

// blockTime is the time of a block that is made now, in Unix milliseconds.
// Clocks of two leaders differ; time in the ledger does not run back.
func (n *Node) blockTime(base ledger.Head) int64 {
	return max(n.cfg.Now().UnixMilli(), base.Time)
}

// sign makes the block's bytes.
func (n *Node) sign(term uint64, base ledger.Head, at int64, statements, attachments [][]byte) ([]byte, error) {
	raw, err := block.Seal(block.Header{
		Network: n.cfg.Network, Term: term, Size: base.Size, Root: base.Root, Time: at, Proposer: statement.Region(n.cfg.Self),
	}, statements, attachments, n.cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("sealing a block of %d statements: %w", len(statements), err)
	}
	n.signed(term, base.Size, raw)
	return raw, nil
}

// signed asserts C2: it remembers what was signed last, and a second block for
// the same place is a fault before it has left this goroutine.
func (n *Node) signed(term, size uint64, raw []byte) {
	last := &n.last
	if last.term == term && last.size >= size && !bytes.Equal(last.raw, raw) {
		n.fault.set(fmt.Errorf("a second block was signed for term %d, size %d", term, size))
		return
	}
	last.term, last.size, last.raw = term, size, raw
	n.signedAt.Store(size)
}

// answerAll tells those who wait what became of their statement. A node that
// has diverged does not know (C15): they are told that, and ask another.
func (n *Node) answerAll(items []item, o Outcome) {
	if why, _ := n.astray.get(); why != "" {
		n.queue.fail(items, fmt.Errorf("%w: %w: %s", ErrOutcomeUnknown, ErrDiverged, why))
		return
	}
	for _, it := range items {
		n.queue.answer(it, o)
	}
}

// commit hands a block to Raft and answers those who wait once it is applied.
// taken is false if Raft has not taken it and never will on this account; err
// then says why.
func (n *Node) commit(term uint64, s *sealed) (taken bool, err error) {
	if !n.open() {
		return false, raft.ErrRaftShutdown
	}
	began := time.Now()
	// Without a bound of its own this would wait for Raft's main loop as long
	// as that waits for a disk.
	future := n.raft.Apply(s.raw, n.cfg.Profile.Heartbeat)
	err = n.await(future)
	switch {
	case errors.Is(err, raft.ErrEnqueueTimeout), errors.Is(err, raft.ErrLeadershipTransferInProgress), errors.Is(err, raft.ErrNotLeader):
		return false, err
	case err != nil:
		// In flight when leadership went, or written here and nowhere else, or
		// late: the next leader decides.
		if !n.open() {
			err = n.closedError()
		} else {
			err = n.leaving()
		}
		n.queue.fail(s.everyone(), fmt.Errorf("%w: %w", ErrOutcomeUnknown, err))
		return true, nil
	}
	r, ok := future.Response().(applyResult)
	switch {
	case !ok:
		err = fmt.Errorf("raft's answer to a block is a %T", future.Response())
	case r.err != nil:
		err = r.err
	case r.applied.Refused != "" && s.own:
		if r.term == term {
			n.ownRefused(term, s, r.applied.Refused+": "+r.applied.Detail)
		}
		return true, nil
	case r.applied.Refused != "" && r.term != term:
		// A reign ended and another began between the last look and Raft.
		n.queue.fail(s.everyone(), &NotLeader{})
		return true, nil
	case r.applied.Refused != "":
		err = fmt.Errorf("this node's ledger judged %d statements good and then refused the block of them as %s: %s", len(s.accepted), r.applied.Refused, r.applied.Detail)
	case r.applied.Count != s.count() || r.applied.First != s.base.Size:
		err = fmt.Errorf("a block of %d statements at %d was applied as %d at %d", s.count(), s.base.Size, r.applied.Count, r.applied.First)
	}
	if err != nil {
		n.fault.set(err)
		n.queue.fail(s.everyone(), fmt.Errorf("%w: %w", ErrOutcomeUnknown, n.closedError()))
		return true, nil
	}
	n.blocks.Add(1)
	if n.queue.waiting() == 0 { // else the next block says it soon
		n.tap.committed(term, ledger.Position{Index: future.Index(), Term: r.term}, n.roll.newest().Conf.Servers)
	}
	for i, it := range s.accepted {
		o := Outcome{Index: r.applied.First + uint64(i)}
		n.answerAll([]item{it}, o)
		n.answerAll(s.twins[i], o)
	}
	for _, j := range s.later {
		n.answerAll([]item{j.item}, j.outcome)
	}
	n.log.Debug("block ordered", "first", r.applied.First, "count", r.applied.Count, "bytes", len(s.raw), "took", time.Since(began))
	return true, nil
}

// await waits for Raft's answer. Raft forgets to answer some futures when it
// shuts down, and never answers any while its disk hangs; so this ends too
// when the node breaks, or will wait no longer for its close.
func (n *Node) await(f raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- f.Error() }()
	select {
	case err := <-done:
		return err
	case <-n.fault.done:
		return n.fault.get()
	case <-n.hurry:
		return ErrClosed
	}
}
