package checkpoint

import (
	"cmp"
	"crypto/ed25519"
	"slices"

	"concordat/ledger/statement"
)

// Validator is one of those whose co-signatures make a checkpoint certified.
type Validator struct {
	ID         statement.Region
	Cosign     ed25519.PublicKey // for cosignature/v1
	Node       ed25519.PublicKey // for the log's own signature
	Governance ed25519.PublicKey // its authority's: it signs no checkpoint, and with the others' it vouches for a recovery
	Suspended  bool              // by evidence or vote: it counts in the number of validators and towards no quorum
}

// Validators are all validators at one size, in ascending order of id.
type Validators []Validator

// Quorum is the number of validators that make a checkpoint certified:
// 1+⌊2n/3⌋ of all n, suspended ones included. Any two quorums share more than
// a third.
func (vs Validators) Quorum() int { return 1 + 2*len(vs)/3 }

// Find finds a validator by its id.
func (vs Validators) Find(id statement.Region) (Validator, bool) {
	i, found := slices.BinarySearchFunc(vs, id, func(v Validator, id statement.Region) int { return cmp.Compare(v.ID, id) })
	if !found {
		return Validator{}, false
	}
	return vs[i], true
}
