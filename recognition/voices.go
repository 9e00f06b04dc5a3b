package recognition

import (
	"fmt"
	"slices"

	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// voices is the authorities whose word counts about codes of a class that are
// judged under one registration (W2, W3), by id.
type voices []statement.Region

// has reports whether an authority's word counts.
func (v voices) has(r statement.Region) bool {
	_, is := slices.BinarySearch(v, r)
	return is
}

// add lets an authority's word count.
func (v voices) add(r statement.Region) voices {
	if i, is := slices.BinarySearch(v, r); !is {
		return slices.Insert(v, i, r)
	}
	return v
}

// voices finds whose word counts for codes of a class under registration k. same
// is every registration of its public key.
//
// Of two authorities that have registered one key, the earlier one may speak of
// the later one's codes and not the other way round: a key is published by its
// owner before anybody can copy it. Else whoever is recognised for anything
// could register another's key and have that one's codes refused. The first
// registration of each counts, because the owner may register its key again
// later, with a newer certificate.
func (j *judge) voices(k *state.IssuerKey, same []state.IssuerKey, c class) (voices, error) {
	out := voices{k.Region}.add(j.query.Region)
	if !slices.ContainsFunc(same, func(o state.IssuerKey) bool { return o.Region != k.Region }) {
		return out, nil
	}
	first := make(map[statement.Region]uint64)
	for i := range same {
		o := &same[i]
		if at, known := first[o.Region]; !known || o.RegisteredAt < at {
			first[o.Region] = o.RegisteredAt
		}
	}
	for i := range same {
		o := &same[i]
		if out.has(o.Region) || first[o.Region] >= first[k.Region] {
			continue
		}
		trusted, err := j.trusts(o.Region, c)
		if err != nil {
			return nil, err
		}
		if trusted {
			out = out.add(o.Region)
		}
	}
	return out, nil
}

// registrants are those, but for the one of k, whose word counts and who have
// registered its public key, too. same is every registration of that.
func (v voices) registrants(k *state.IssuerKey, same []state.IssuerKey) (out []statement.Region) {
	for i := range same {
		if r := same[i].Region; r != k.Region && v.has(r) && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// registrations reads every registration of the public key of k, by region and thumbprint.
func (j *judge) registrations(k *state.IssuerKey) ([]state.IssuerKey, error) {
	if same, ok := j.sameKey[string(k.PublicKey)]; ok {
		return same, nil
	}
	same, err := j.state.IssuerKeysByPublicKey(k.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("reading the registrations of the key %s: %w", k.Thumbprint, err)
	}
	same = inOrder(same)
	if j.remembers() {
		return same, nil
	}
	if j.sameKey == nil {
		j.sameKey = make(map[string][]state.IssuerKey)
	}
	j.sameKey[string(k.PublicKey)] = same
	return same, nil
}

// trusts reports whether an authority's word about what is not its own counts
// for codes of a class (W2, W3): it is the verifying region, or that region
// recognises its codes of that class at the time asked about.
func (j *judge) trusts(authority statement.Region, c class) (bool, error) {
	if authority == j.query.Region {
		return true, nil
	}
	r, err := j.recognition(authority)
	return r.inForce(c, j.query.At), err
}

// trustsSomehow reports the same for codes of a format, of whichever kind (W6);
// the format "" is any (W4).
func (j *judge) trustsSomehow(authority statement.Region, format string) (bool, error) {
	if authority == j.query.Region {
		return true, nil
	}
	r, err := j.recognition(authority)
	return r.somehow(format, j.query.At), err
}
