package recognition

import (
	"cmp"
	"fmt"
	"slices"

	"concordat/healthcode"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// said is one statement about a code's revocation.
type said struct{ state.RevocationEvent }

// revocations reads what was said of the code under any of its hashes, by
// statement. A hash only counts under the type that it was revoked by.
func (j *judge) revocations(v *healthcode.Verified) ([]said, error) {
	var out []said
	for _, h := range v.RevocationHashes() {
		events, err := j.state.Revocations(statement.RevocationHash(h.Hash))
		if err != nil {
			return nil, fmt.Errorf("reading the revocations by %s hash: %w", h.Type, err)
		}
		for _, e := range events {
			if e.Type == statement.HashType(h.Type) {
				out = append(out, said{e})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b said) int { return cmp.Compare(a.Index, b.Index) })
	// One batch may hold two hashes of a code: its country code and identifier, by iss and by co.
	return slices.CompactFunc(out, func(a, b said) bool { return a.Index == b.Index && (a.UndoneBy == nil) == (b.UndoneBy == nil) }), nil
}

// revoked judges what was said of the code for a registration's region (W2).
func (j *judge) revoked(f *findings, region statement.Region, all []said) {
	free := true
	for _, s := range all {
		counts := s.Authority == region || s.Authority == j.query.Region
		switch {
		case s.InForce(statement.TimeOf(j.query.At)) && counts:
			free = false
			f.add(Revoked, at(s.Index), "%s revoked the code by its %s hash%s.", s.Authority, s.Type, because(s.Reason))
		case s.InForce(statement.TimeOf(j.query.At)):
			f.add(RevokedElsewhere, at(s.Index), "%s, whose word does not count for this code, revoked it by its %s hash%s.", s.Authority, s.Type, because(s.Reason))
		case s.UndoneBy != nil && counts:
			f.add(RevocationUndone, s.UndoneBy, "%s revoked the code in statement %d and reinstated it.", s.Authority, s.Index)
		}
	}
	if free {
		f.add(NotRevoked, nil, "No revocation that counts names the code.")
	}
}
