package state

import (
	"fmt"
	"slices"

	"concordat/ledger/statement"
)

// RecoveryRecord is a recovery: where a lineage began.
type RecoveryRecord struct {
	Index   uint64 `cbor:"1,keyasint"` // of the statement, and the size that was left
	Lineage uint64 `cbor:"2,keyasint"` // that began, from 2
}

func (r *RecoveryRecord) key() []byte { return recoveryKey(r.Index) }

func (r *RecoveryRecord) check() error {
	if r.Lineage < 2 {
		return fmt.Errorf("lineage %d, want 2 or more", r.Lineage)
	}
	return nil
}

func (r *RecoveryRecord) words() string {
	return fmt.Sprintf("statement %d: recovered, and lineage %d began", r.Index, r.Lineage)
}

// Recoveries lists the recoveries, in the order of the log.
func (v View) Recoveries() ([]RecoveryRecord, error) {
	return list[RecoveryRecord](v, []byte{tagRecovery})
}

// recover begins a lineage. It is no vote: the disks that hold votes may be the
// ones that are lost. The governance keys of a majority of the validators, as
// the ledger has them here, have signed exactly this plan, and nobody else's
// signature helps. That the root is the log's own, whoever has the tree has
// checked before (RecoveryMismatch).
func (a *act) recover(b *statement.Recover) ([]Write, Verdict, error) {
	n, err := View{a.r}.Network()
	if err != nil {
		return nil, Verdict{}, err
	}
	vs, err := loadValidators(a.r)
	if err != nil {
		return nil, Verdict{}, err
	}
	const again = "make the plan anew from the ledger as it is, and have it signed again"
	if next := max(n.Lineage, 1) + 1; b.Plan.Lineage != next {
		return nil, refuse(RecoveryMisplaced, again, "the plan begins lineage %d, and the next is %d", b.Plan.Lineage, next), nil
	}
	if b.Plan.Size != a.index {
		return nil, refuse(RecoveryMisplaced, again,
			"the plan is for a ledger of %d statements, and would stand at index %d", b.Plan.Size, a.index), nil
	}
	if first := proposerOf(vs, b.Plan.Validators); first != "" && a.by != first {
		return nil, refuse(RecoveryMismatch, "have it made by the node that is to make it",
			"the recovery is said by %s, and for this plan it is for %s to say", a.by, first), nil
	}
	if v, err := signedByMajority(n, vs, b); err != nil || !v.Accepted() {
		return nil, v, err
	}
	writes, v, err := a.goOn(vs, b.Plan.Validators)
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	n.Lineage = b.Plan.Lineage
	writes = append(writes, put(&n), put(&RecoveryRecord{Index: a.index, Lineage: n.Lineage}))
	return append(writes, a.certifyFrom(vs, n.Lineage)...), Verdict{}, nil
}

// proposerOf is who says the recovery of a plan: the first of those who go on that
// is a validator with a voice. There is one, so that there are not two recoveries
// of one plan.
func proposerOf(vs *validatorSet, goOn []statement.Region) statement.Region {
	for _, id := range goOn {
		if m := find(vs.Members, id); m != nil && m.SuspendedBy == nil {
			return id
		}
	}
	return ""
}

// signedByMajority counts the signatures of validators that are not suspended,
// against all validators; one that is wrong spoils the statement.
func signedByMajority(n Network, vs *validatorSet, b *statement.Recover) (Verdict, error) {
	message, err := statement.RecoveryMessage(n.ID, b.Plan)
	if err != nil {
		return Verdict{}, err // it was decoded from these very bytes
	}
	const hint = "have the plan signed with the governance keys that the ledger has for the validators"
	signed := 0
	for _, s := range b.Signatures {
		m := find(vs.Members, s.Authority)
		if m == nil {
			return refuse(RecoveryUnsigned, hint, "%s has signed, and is not a validator", s.Authority), nil
		}
		if !statement.VerifySignature(m.Governance, message, s.Signature) {
			return refuse(RecoveryUnsigned, hint, "the signature of %s is not by its governance key %x over this plan",
				s.Authority, statement.KeyIDOf(m.Governance)), nil
		}
		if m.SuspendedBy == nil {
			signed++
		}
	}
	if need := 1 + len(vs.Members)/2; signed < need {
		return refuse(RecoveryUnsigned, "collect the signatures of a majority of the validators; suspended ones do not count",
			"%d of %d validators have signed, want %d", signed, len(vs.Members), need), nil
	}
	return Verdict{}, nil
}

// goOn makes those who are named the validators, and the others observers.
func (a *act) goOn(vs *validatorSet, named []statement.Region) ([]Write, Verdict, error) {
	e := effect{vouch: vs}
	for _, m := range vs.Members {
		if slices.Contains(named, m.ID) {
			continue
		}
		au, against, v, err := a.present(m.ID)
		if err != nil {
			return nil, Verdict{}, err
		}
		if !v.Accepted() {
			return nil, Verdict{}, fmt.Errorf("%w: validator %s is not a member", ErrCorrupt, m.ID)
		}
		au.Role = Observer
		a.changeAuthority(&e, au, against)
	}
	for _, id := range named {
		au, against, v, err := a.present(id)
		if err != nil || !v.Accepted() {
			return nil, v, err
		}
		if au.Role != Validator {
			au.Role = Validator
			a.changeAuthority(&e, au, against)
		}
	}
	if voiced(vs.Members) == 0 {
		return nil, refuse(LastValidator, "name a validator that is not suspended", "no validator would be left that is not suspended"), nil
	}
	vs.Former, vs.ChangedAt, vs.SealedAt = nil, nil, nil
	return e.records, Verdict{}, nil
}
