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

// revoked judges what was said of the code for one registration of its key (W2).
func (j *judge) revoked(f *findings, k *state.IssuerKey, all []said) error {
	free := true
	for _, s := range all {
		counts, err := j.mayRevoke(s.Authority, k)
		if err != nil {
			return err
		}
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
	return nil
}

// mayRevoke reports whether an authority's revocation counts for a code of the key (W2).
func (j *judge) mayRevoke(by statement.Region, k *state.IssuerKey) (bool, error) {
	if by == k.Region || by == j.query.Region {
		return true, nil
	}
	same, err := j.state.IssuerKeysByPublicKey(k.PublicKey)
	if err != nil {
		return false, fmt.Errorf("reading the registrations of the key %s: %w", k.Thumbprint, err)
	}
	if !slices.ContainsFunc(same, func(o state.IssuerKey) bool { return o.Region == by }) {
		return false, nil
	}
	return j.trusts(by)
}
