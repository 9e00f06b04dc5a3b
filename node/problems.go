package node

import (
	"fmt"
	"strings"
	"time"

	"concordat/client"
	"concordat/consensus"
	"concordat/ledger/state"
)

// problems lists what is wrong at this node, for its operator: the worst first.
// Those that keep it from vouching are why it does not co-sign.
func (n *Node) problems() []client.Problem {
	var out []client.Problem
	add := func(name string, vouch bool, hint, format string, a ...any) {
		out = append(out, client.Problem{Name: name, Message: fmt.Sprintf(format, a...), Hint: hint, Vouch: vouch})
	}
	if err := n.Healthy(); err != nil && !n.stopping.Load() {
		add("broken", true, "the node's log says which disk or file failed; mend it and start the node again, or let it catch up from the others with an empty data directory", "this node has failed: %v", err)
	}
	if p := n.outsider(); p != nil {
		return append(out, *p)
	}
	if p := n.suspendedSelf(); p != nil {
		out = append(out, *p)
	}
	if l := n.lacks.Load(); l != nil {
		add("key-missing", true, "copy it (mode 0600) to keys/next below this node's directory: it takes it at once, without a restart", "this node goes on with a key that has been replaced: %v", l.err)
	}
	if p := n.isolated(); p != nil {
		out = append(out, *p)
	}
	if a := n.order.away.Load(); a != nil {
		p := a.progress.Load()
		phase := p.Phase
		if p.Waiting != "" {
			phase += "; it waits for " + p.Waiting
		}
		add("catching-up", true, "wait; it needs no help as long as other validators can be reached. If this network is new, start every validator with --found", "since %s this node catches up with the others: %s; %s", stamp(a.since), a.why, phase)
		return out
	}
	s := n.order.Status()
	out = append(out, n.orderProblems(s)...)
	if r := n.order.refused(); r != nil {
		add("refused-block", false, "compare this machine's clock with the others'; if most of them refuse it too, the leader steps down by itself", "since %s this node does not take the block of the leader, %s, and nothing is ordered here: %v", stamp(r.since), r.leader, r.why)
	}
	if s.Diverged == "" && s.Leader != "" && !s.CaughtUp {
		add("behind", true, "wait; if it lasts, look at the network and the disks of this node", "%d entries of the order are applied of %d", s.Applied, s.Commit)
	}
	return out
}

// orderProblems are those that Raft knows of.
func (n *Node) orderProblems(s consensus.Status) (out []client.Problem) {
	add := func(name string, vouch bool, hint, format string, a ...any) {
		out = append(out, client.Problem{Name: name, Message: fmt.Sprintf(format, a...), Hint: hint, Vouch: vouch})
	}
	if s.Diverged != "" {
		// One block that does not fit may be a lie: wiping would help nobody. A ledger
		// that the others contradict is another matter.
		known := n.diverged() != ""
		hint := "wait: if a dishonest leader sent a block that fits nobody, the other nodes say the same, and it ends by itself; if it is this node alone, and lasts, look at doctor again"
		if known {
			hint = "stop this node, keep a copy of its data directory for the others to look at, and start it with an empty one: it fetches everything again"
		}
		add("diverged", true, hint, "since %s this node's ledger may not be what the others have: %s", stamp(s.DivergedSince), s.Diverged)
	}
	if !s.StalledSince.IsZero() {
		add("disk-stalled", true, "look at the disk under data/raft: it is full, failing, or shared with something that floods it", "since %s a write to the order's log has not come back", stamp(s.StalledSince))
	}
	if !s.Quorum {
		out = append(out, n.noQuorum(s))
	}
	if s.Refused != "" {
		add("clock", false, "compare this machine's clock with the others' and mend it; this node need not be started again", "since %s the others refuse this node's blocks: %s; is this machine's clock right?", stamp(s.RefusedSince), s.Refused)
	}
	if s.Abstaining != "" {
		add("abstaining", false, "wait; it ends by itself once the other validators have answered and one of them leads. Where so many lost their votes that no majority is left to elect a leader, it does not end: docs/operations/troubleshooting.md", "this node lost what it had voted and does not vote: %s", s.Abstaining)
	}
	return out
}

// noQuorum says why nothing can be ordered: that validators are missing, or that
// they are there and none of them leads.
func (n *Node) noQuorum(s consensus.Status) client.Problem {
	validators, reached, missing := 1, []string{n.self()}, []string{}
	for _, p := range n.host.Peers() {
		switch {
		case p.Self || !p.Voter:
			continue
		case p.Connected:
			reached = append(reached, p.Authority)
		default:
			missing = append(missing, p.Authority)
		}
		validators++
	}
	out := client.Problem{Name: "no-quorum"}
	if len(reached) > validators/2 {
		out.Message = fmt.Sprintf("since %s there is no leader, though %s reach one another", stamp(s.NoQuorumSince), strings.Join(reached, ", "))
		out.Hint = "wait for an election; if it lasts, ask each of them with concordat doctor: those that lost their votes do not vote yet"
		if len(missing) > 0 {
			out.Hint += "; and bring back " + strings.Join(missing, ", ")
		}
		return out
	}
	out.Message = fmt.Sprintf("since %s this node reaches no majority of the validators: %s are missing", stamp(s.NoQuorumSince), strings.Join(missing, ", "))
	out.Hint = "bring back the nodes that are missing; nothing is lost meanwhile, checks are answered, and nothing can be ordered"
	return out
}

// allProblems adds what certification and outside witnesses know.
func (n *Node) allProblems() []client.Problem {
	out := n.problems()
	if out == nil {
		out = []client.Problem{}
	}
	out = append(out, n.pendingProblems()...)
	c := n.certifier.Status()
	add := func(name string, vouch bool, hint, format string, a ...any) {
		out = append(out, client.Problem{Name: name, Message: fmt.Sprintf(format, a...), Hint: hint, Vouch: vouch})
	}
	if n.me.Role == state.Validator && !c.Vouching && !anyVouch(out) {
		add("not-vouching", true, "see the message; what was signed is in the file signer beside the keys, which must never be an older copy", "this node does not co-sign: %s", strings.Join(c.Why, "; "))
	}
	if !c.NotFinalSince.IsZero() && time.Since(c.NotFinalSince) > notFinalAfter {
		add("not-final", false, "bring back the validators that are missing: more than two thirds must co-sign", "since %s nothing new is final: %s", stamp(c.NotFinalSince), n.notFinal())
	}
	if ahead := n.clockAhead(); ahead > 0 {
		add("clock", false, "set this machine's clock (NTP); it needs no restart", "this node's clock is %s ahead of those of the quorum that it co-signs with: it makes no seals, and soon the others refuse its blocks", ahead)
	}
	if n.feeder != nil {
		for _, w := range n.feeder.Status() {
			if w.Err != nil {
				add("witness", false, "ask the witness's operator; this network goes on without", "since %s the outside witness %s does not co-sign: %v", stamp(w.Since), w.Name, w.Err)
			}
		}
	}
	return out
}

// notFinalAfter is how long something may be ordered and not final before it is
// called a problem: rounds over wide areas take their time.
const notFinalAfter = 3 * time.Second

func anyVouch(ps []client.Problem) bool {
	for _, p := range ps {
		if p.Vouch {
			return true
		}
	}
	return false
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
