package recognition

import (
	"fmt"

	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// Standing is what the others, by their vote, made of an authority. It takes
// from it what it would say next, never what it has said: what it revoked, gave
// up or declared counts as before (W2 to W4). So no vote on an authority turns
// what is refused into what is recognised.

// issuerStanding judges how the authority of a code's key stands with the others (W7).
func (j *judge) issuerStanding(f *findings, region statement.Region) error {
	a, _, err := j.authority(region)
	if err != nil {
		return err
	}
	switch a.Standing {
	case state.StandingExpelled:
		f.add(IssuerExpelled, a.StandingBy, "%s was expelled from the network by a vote of the others, and its keys are relied on no more.", region)
	case state.StandingSuspended:
		f.add(IssuerSuspended, a.StandingBy, "%s is suspended by a vote of the others: what it said stands, and until it is restored it can revoke nothing more and give up no key.", region)
	}
	return nil
}

// regionStanding judges how the region that checks stands with the others (W8).
func (j *judge) regionStanding(f *findings) error {
	region := j.query.Region
	a, _, err := j.authority(region)
	if err != nil {
		return err
	}
	switch a.Standing {
	case state.StandingExpelled:
		f.add(RegionExpelled, a.StandingBy, "%s, for which this is asked, was expelled from the network by a vote of the others: what it recognises since then, nobody here knows.", region)
	case state.StandingSuspended:
		f.add(RegionSuspended, a.StandingBy, "%s, for which this is asked, is suspended by a vote of the others: this is by what it said before, and until it is restored it can change nothing of that.", region)
	}
	return nil
}

// isMember reports whether a region has an authority that may speak for it, now
// or once its suspension ends.
func (j *judge) isMember(r statement.Region) (bool, error) {
	a, known, err := j.authority(r)
	return known && a.Present(), err
}

// authority reads the authority that a region has or had; false if it never had one.
func (j *judge) authority(r statement.Region) (state.Authority, bool, error) {
	if a, ok := j.authorities[r]; ok {
		return a.Authority, a.known, nil
	}
	a, known, err := j.state.Authority(r)
	if err != nil {
		return state.Authority{}, false, fmt.Errorf("reading authority %s: %w", r, err)
	}
	if known && j.remembers() {
		return a, known, nil
	}
	if j.authorities == nil {
		j.authorities = make(map[statement.Region]*authority)
	}
	j.authorities[r] = &authority{a, known}
	return a, known, nil
}

// authority is one look-up of the authority of a region.
type authority struct {
	state.Authority
	known bool
}
