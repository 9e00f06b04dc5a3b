package state

import (
	"concordat/ledger/statement"
)

// Standing is how an authority stands with the others, by their vote.
type Standing string

// The standings. What an authority said before stays what it is in each.
const (
	StandingMember    Standing = ""          // it may say what its role allows
	StandingSuspended Standing = "suspended" // it says nothing for the time being
	StandingExpelled  Standing = "expelled"  // it is no member any more; a vote may admit it anew, with other keys
)

// speaker is the authority that speaks for a region; nil and the refusal if
// there is none, or if it may not say anything. The record is shared: it is not
// to be changed.
func speaker(r Reader, issuer statement.Region) (*Authority, Verdict, error) {
	au, err := authorities.load(r, authorityKey(issuer))
	if err != nil {
		return nil, Verdict{}, err
	}
	switch {
	case au == nil:
		return nil, refuse(UnknownAuthority, "see the network's authorities for who may; a region joins by a vote",
			"%s is not an authority of this network", issuer), nil
	case au.Standing == StandingSuspended:
		return nil, refuse(AuthoritySuspended, "what it said before stands; a vote of the others ends the suspension",
			"%s is suspended by the vote in statement %d and may say nothing", issuer, *au.StandingBy).on(au.Revision, *au.StandingBy), nil
	case au.Standing == StandingExpelled:
		return nil, refuse(AuthorityExpelled, "to come back, ask a validator to propose the admission of a descriptor with new keys",
			"%s is expelled by the vote in statement %d and may say nothing", issuer, *au.StandingBy).on(au.Revision, *au.StandingBy), nil
	}
	return au, Verdict{}, nil
}

// suspension is what suspends a validator's vouching: the index of the evidence
// that stands against it, or else of the vote; nil if neither does (ST13).
func suspension(au *Authority, against *EvidenceRecord) *uint64 {
	if against != nil && against.Closed == nil {
		return &against.Index
	}
	return au.StandingBy
}

// memberOf is a validator as the authority and the evidence make it.
func memberOf(au *Authority, against *EvidenceRecord) member {
	return member{
		ID: au.ID, Cosign: au.Key(Cosign), Node: au.Key(Node), Governance: au.Key(Governance),
		SuspendedBy: suspension(au, against),
	}
}
