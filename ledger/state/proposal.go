package state

import (
	"fmt"
	"slices"
	"strings"

	"concordat/ledger/statement"
)

// MaxOpenProposals bounds the proposals that one authority may have open.
const MaxOpenProposals = 16

// ProposalStatus is how a proposal stands.
type ProposalStatus string

// The statuses of a proposal. All but the first are final.
const (
	ProposalOpen      ProposalStatus = "open"
	ProposalCarried   ProposalStatus = "carried"   // enough voted yes, and it was carried out
	ProposalRejected  ProposalStatus = "rejected"  // too many voted no
	ProposalWithdrawn ProposalStatus = "withdrawn" // by its proposer
	ProposalFailed    ProposalStatus = "failed"    // enough voted yes, and it could not be carried out any more
)

// Ballot is one authority's vote on a proposal.
type Ballot struct {
	Authority statement.Region `cbor:"1,keyasint"`
	Index     uint64           `cbor:"2,keyasint"` // of the statement; the proposal's own for its proposer
}

// Proposal is something for the validators to decide. Who may vote and how
// many votes carry it were fixed when it was made, whatever has changed since.
type Proposal struct {
	Index      uint64             `cbor:"1,keyasint"` // of the statement that made it
	By         statement.Region   `cbor:"2,keyasint"`
	Hash       statement.Hash     `cbor:"3,keyasint"` // of that statement: votes name it
	Action     statement.Action   `cbor:"4,keyasint"`
	Reason     string             `cbor:"5,keyasint"`
	Electorate []statement.Region `cbor:"6,keyasint"`           // who may vote, in ascending order
	Needed     int                `cbor:"7,keyasint"`           // how many yes votes carry it
	Yes        []Ballot           `cbor:"8,keyasint,omitempty"` // in the order in which they came
	No         []Ballot           `cbor:"9,keyasint,omitempty"`
	Status     ProposalStatus     `cbor:"10,keyasint"`
	ClosedAt   *uint64            `cbor:"11,keyasint,omitempty"` // index of the statement that closed it
	Why        string             `cbor:"12,keyasint,omitempty"` // why it failed, or was withdrawn
}

func (p *Proposal) key() []byte { return proposalKey(p.Index) }

func (p *Proposal) check() error {
	if !slices.Contains([]ProposalStatus{ProposalOpen, ProposalCarried, ProposalRejected, ProposalWithdrawn, ProposalFailed}, p.Status) {
		return fmt.Errorf("status %q", p.Status)
	}
	switch {
	case (p.Status == ProposalOpen) != (p.ClosedAt == nil):
		return fmt.Errorf("status %q and the statement that closed it do not agree", p.Status)
	case p.Needed < 1 || p.Needed > len(p.Electorate):
		return fmt.Errorf("%d votes of %d carry it", p.Needed, len(p.Electorate))
	case !slices.IsSorted(p.Electorate):
		return fmt.Errorf("the electorate %v is not in order", p.Electorate)
	case (p.Status == ProposalCarried || p.Status == ProposalFailed) != (len(p.Yes) >= p.Needed):
		return fmt.Errorf("status %q with %d yes votes of %d", p.Status, len(p.Yes), p.Needed)
	case (p.Status == ProposalRejected) != (len(p.Electorate)-len(p.No) < p.Needed):
		return fmt.Errorf("status %q with %d no votes of %d", p.Status, len(p.No), len(p.Electorate))
	}
	var voted []statement.Region
	for _, b := range slices.Concat(p.Yes, p.No) {
		if _, elector := slices.BinarySearch(p.Electorate, b.Authority); !elector || slices.Contains(voted, b.Authority) {
			return fmt.Errorf("a vote of %q, which has none, or one more than one", b.Authority)
		}
		voted = append(voted, b.Authority)
	}
	for _, id := range p.Electorate {
		if err := id.Validate(); err != nil {
			return err
		}
	}
	if err := p.Action.Validate(); err != nil {
		return err
	}
	return p.By.Validate()
}

// Voted reports what an authority said of the proposal.
func (p *Proposal) Voted(by statement.Region) (yes, voted bool) {
	is := func(b Ballot) bool { return b.Authority == by }
	if slices.ContainsFunc(p.Yes, is) {
		return true, true
	}
	return false, slices.ContainsFunc(p.No, is)
}

// WaitsFor lists who may vote on an open proposal and has not.
func (p *Proposal) WaitsFor() (out []statement.Region) {
	if p.Status != ProposalOpen {
		return nil
	}
	for _, id := range p.Electorate {
		if _, voted := p.Voted(id); !voted {
			out = append(out, id)
		}
	}
	return out
}

func (p *Proposal) words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "proposal %d of %s to %s%s: %s", p.Index, p.By, p.Action.Words(), because(p.Reason), p.Status)
	if p.ClosedAt != nil {
		fmt.Fprintf(&b, " by statement %d", *p.ClosedAt)
	}
	b.WriteString(because(p.Why))
	fmt.Fprintf(&b, "; %d of %s needed; yes: %s; no: %s", p.Needed, names(p.Electorate), ballots(p.Yes), ballots(p.No))
	return b.String()
}

func ballots(bs []Ballot) string {
	if len(bs) == 0 {
		return "nobody"
	}
	s := make([]string, len(bs))
	for i, b := range bs {
		s[i] = fmt.Sprintf("%s (%d)", b.Authority, b.Index)
	}
	return strings.Join(s, ", ")
}

func names(ids []statement.Region) string {
	s := make([]string, len(ids))
	for i, id := range ids {
		s[i] = string(id)
	}
	return strings.Join(s, ", ")
}

// proposalCount tells with one Get how many proposals an authority has made,
// and how many of them are open.
type proposalCount struct {
	By   statement.Region `cbor:"1,keyasint"`
	Made uint64           `cbor:"2,keyasint"` // the revision of "proposals/ID"
	Open uint64           `cbor:"3,keyasint,omitempty"`
	Last uint64           `cbor:"4,keyasint"` // index of the newest
}

func (c *proposalCount) key() []byte { return proposalCountKey(c.By) }

func (c *proposalCount) check() error {
	if c.Made == 0 || c.Open > c.Made || c.Open > MaxOpenProposals {
		return fmt.Errorf("%d proposals, %d of them open; want at least one, and at most %d open", c.Made, c.Open, MaxOpenProposals)
	}
	return c.By.Validate()
}

func (c *proposalCount) words() string {
	return fmt.Sprintf("%s has made %s, %d of them open, the newest by statement %d", c.By, count(c.Made, "proposal", "proposals"), c.Open, c.Last)
}

// Proposal is the proposal that the statement at index made; false if it made none.
func (v View) Proposal(index uint64) (Proposal, bool, error) {
	return one[Proposal](v, proposalKey(index))
}

// Proposals lists every proposal, closed ones included, by index.
func (v View) Proposals() ([]Proposal, error) {
	return list[Proposal](v, []byte{tagProposal})
}
