package state

import (
	"fmt"
	"slices"

	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// propose opens a proposal. That it could be carried out as things are is
// checked now, so that nobody votes on what can never be, and once more when
// the votes are there. Proposing is the proposer's own yes, if it has a vote:
// the key that signs lies in a safe, and is fetched once instead of twice.
func (a *act) propose(b *statement.Propose) ([]Write, Verdict, error) {
	n, err := View{a.r}.Network()
	if err != nil {
		return nil, Verdict{}, err
	}
	vs, err := loadValidators(a.r)
	if err != nil {
		return nil, Verdict{}, err
	}
	switch m := find(vs.Members, a.by); {
	case m == nil:
		return nil, refuse(NotAValidator, "ask a validator to propose it", "%s is not a validator", a.by), nil
	case m.SuspendedBy != nil:
		return nil, refuse(NotAValidator, "ask another validator to propose it",
			"%s is suspended as a validator by statement %d", a.by, *m.SuspendedBy), nil
	}
	made, err := load[proposalCount](a.r, proposalCountKey(a.by))
	if err != nil {
		return nil, Verdict{}, err
	}
	if made == nil {
		made = &proposalCount{By: a.by}
	}
	if v := nextRevision(a.s, made.Made, made.Last); !v.Accepted() {
		return nil, v, nil
	}
	if made.Open >= MaxOpenProposals {
		return nil, refuse(TooManyProposals, "withdraw one, or wait until one is decided",
			"%s has %d open proposals, at most %d", a.by, made.Open, MaxOpenProposals).on(made.Made, made.Last), nil
	}
	would, v, err := a.effects(n, vs, &b.Action)
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	p := &Proposal{
		Index: a.index, By: a.by, Hash: a.hash, Action: b.Action, Reason: b.Reason,
		Electorate: electors(vs, &b.Action), Status: ProposalOpen,
	}
	// Somebody votes: the proposer, or if it is about itself whoever is left then.
	p.Needed = needed(n.Policy, &b.Action, vs, len(p.Electorate))
	if v := tooFew(p.Needed, p.Electorate); !v.Accepted() {
		return nil, v, nil
	}
	if slices.Contains(p.Electorate, a.by) {
		p.Yes = []Ballot{{a.by, a.index}}
	}
	made.Made++
	made.Open++
	made.Last = a.index
	return a.decide(n, vs, p, made, func() (effect, Verdict, error) { return would, Verdict{}, nil })
}

// vote takes one elector's word on a proposal. The yes that reaches the number
// needed carries it out, in this very statement.
func (a *act) vote(b *statement.Vote) ([]Write, Verdict, error) {
	p, v, err := a.openProposal(b.Proposal, b.Of)
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	if _, elector := slices.BinarySearch(p.Electorate, a.by); !elector {
		return nil, refuse(NotAnElector, "nothing needs to be done; who votes was fixed when it was proposed, and nobody votes on its own place",
			"%s has no vote on proposal %d; %s have", a.by, p.Index, names(p.Electorate)), nil
	}
	for _, old := range slices.Concat(p.Yes, p.No) {
		if old.Authority == a.by {
			v := refuse(AlreadyVoted, "nothing needs to be done; a vote is final", "%s voted on proposal %d in statement %d", a.by, p.Index, old.Index)
			v.Index = &old.Index
			return nil, v, nil
		}
	}
	if b.Yes {
		p.Yes = append(p.Yes, Ballot{a.by, a.index})
	} else {
		p.No = append(p.No, Ballot{a.by, a.index})
	}
	n, err := View{a.r}.Network()
	if err != nil {
		return nil, Verdict{}, err
	}
	if len(p.Yes) < p.Needed && len(p.Electorate)-len(p.No) >= p.Needed {
		return []Write{put(p)}, Verdict{}, nil
	}
	vs, err := loadValidators(a.r)
	if err != nil {
		return nil, Verdict{}, err
	}
	made, err := a.proposalsOf(p.By)
	if err != nil {
		return nil, Verdict{}, err
	}
	return a.decide(n, vs, p, made, func() (effect, Verdict, error) { return a.effects(n, vs, &p.Action) })
}

// withdrawProposal takes an open proposal back.
func (a *act) withdrawProposal(b *statement.WithdrawProposal) ([]Write, Verdict, error) {
	p, v, err := a.openProposal(b.Proposal, b.Of)
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	if p.By != a.by {
		return nil, refuse(NotTheProposer, "vote no instead", "proposal %d is %s's, and not %s's", p.Index, p.By, a.by), nil
	}
	made, err := a.proposalsOf(p.By)
	if err != nil {
		return nil, Verdict{}, err
	}
	p.Why = b.Reason
	a.closeAs(p, made, ProposalWithdrawn)
	return []Write{put(p), put(made)}, Verdict{}, nil
}

// openProposal is the proposal that a statement is about; the verdict says why
// nothing can be said of it.
func (a *act) openProposal(index uint64, of statement.Hash) (*Proposal, Verdict, error) {
	p, err := load[Proposal](a.r, proposalKey(index))
	if err != nil {
		return nil, Verdict{}, err
	}
	switch {
	case p == nil:
		return nil, refuse(UnknownProposal, "see the open proposals for their numbers", "statement %d is not a proposal", index), nil
	case p.Hash != of:
		return nil, refuse(ProposalMismatch, "read the proposal as the ledger has it, and sign for that one",
			"proposal %d is %s, and this is about %s", index, p.Hash, of), nil
	case p.Status != ProposalOpen:
		v := refuse(ProposalClosed, "nothing needs to be done", "proposal %d was %s by statement %d", index, p.Status, *p.ClosedAt)
		v.Index = p.ClosedAt
		return nil, v, nil
	}
	return p, Verdict{}, nil
}

// proposalsOf is the count of an authority that has made some.
func (a *act) proposalsOf(by statement.Region) (*proposalCount, error) {
	made, err := load[proposalCount](a.r, proposalCountKey(by))
	if err != nil {
		return nil, err
	}
	if made == nil || made.Open == 0 {
		return nil, fmt.Errorf("%w: there is an open proposal of %s, and the count says none", ErrCorrupt, by)
	}
	return made, nil
}

func (a *act) closeAs(p *Proposal, made *proposalCount, as ProposalStatus) {
	p.Status, p.ClosedAt = as, &a.index
	made.Open--
}

// decide writes a proposal with the ballots that it has now, and closes it if
// they decide. What cannot be done any more is told and done with: the votes
// were given, and nobody should have to give them again on the same.
func (a *act) decide(n Network, vs *validatorSet, p *Proposal, made *proposalCount, would func() (effect, Verdict, error)) ([]Write, Verdict, error) {
	switch {
	case len(p.Yes) >= p.Needed:
		e, v, err := would()
		if err != nil {
			return nil, Verdict{}, err
		}
		if !v.Accepted() {
			p.Why = v.Name // a sentence may be put better in the next release, and the state stays the same
			a.closeAs(p, made, ProposalFailed)
			break
		}
		if v := handingOver(vs, e.waits); !v.Accepted() {
			return nil, v, nil
		}
		if e.level > genesis.ProtocolLevel {
			return nil, Verdict{}, errLevel(e.level)
		}
		a.closeAs(p, made, ProposalCarried)
		return slices.Concat([]Write{put(p), put(made)}, e.records, a.settle(vs, &e, n.Lineage)), Verdict{}, nil
	case len(p.Electorate)-len(p.No) < p.Needed:
		a.closeAs(p, made, ProposalRejected)
	}
	return []Write{put(p), put(made)}, Verdict{}, nil
}

// needed is how many yes votes carry an action: the policy's share of all
// validators, whom it is about and those who are suspended included; of fewer only
// where all but the one whom it is about are. However few are left with a voice,
// they decide nothing that the share of all would not: else a bare majority could
// suspend the rest, one after the other, and have the whole network. But what
// gives a voice back, or is about somebody without one, all who may vote can carry.
func needed(p Policy, do *statement.Action, vs *validatorSet, electors int) int {
	share := threshold(p, do).Votes(len(vs.Members))
	m := find(vs.Members, concerned(do))
	switch {
	case do.Restore != nil, m != nil && m.SuspendedBy != nil:
		return min(share, electors)
	case m != nil:
		return min(share, len(vs.Members)-1)
	}
	return share
}

// tooFew refuses a proposal that could not be carried by all who may vote.
func tooFew(need int, electors []statement.Region) Verdict {
	if need <= len(electors) {
		return Verdict{}
	}
	return refuse(TooFewElectors, "end the suspensions of the others first, or expel those who are suspended",
		"%d votes would carry it, and %d may vote: %s", need, len(electors), names(electors))
}

// threshold is what carries an action by the policy.
func threshold(p Policy, do *statement.Action) genesis.Threshold {
	role := func(r statement.Role, observer string) string {
		if r == statement.RoleValidator {
			return p.AdmitValidator
		}
		return observer
	}
	var t string
	switch {
	case do.Admit != nil:
		t = role(do.Admit.Role, p.AdmitObserver)
	case do.ChangeRole != nil:
		t = role(do.ChangeRole.Role, p.Expel)
	case do.Suspend != nil, do.Restore != nil:
		t = p.Suspend
	case do.Expel != nil:
		t = p.Expel
	case do.RotateKey != nil, do.SetNode != nil:
		t = p.RotateKeys
	default:
		t = p.ChangePolicy
	}
	return genesis.Threshold(t)
}
