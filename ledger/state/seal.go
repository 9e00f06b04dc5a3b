package state

import (
	"crypto/sha256"
	"fmt"

	"concordat/ledger/statement"
)

// Seal is the newest seal: the digest of the state as the statements before
// Index made it, which includes the record of the seal before.
type Seal struct {
	Index   uint64            `cbor:"1,keyasint"` // of the statement, and the size that it seals
	By      statement.Region  `cbor:"2,keyasint"` // whose node made it
	At      statement.Time    `cbor:"3,keyasint"`
	Records [sha256.Size]byte `cbor:"4,keyasint"`
	Revoked [sha256.Size]byte `cbor:"5,keyasint"`
}

func (s *Seal) key() []byte { return sealKey() }

func (s *Seal) check() error { return s.By.Validate() }

func (s *Seal) words() string {
	return fmt.Sprintf("sealed by statement %d of %s at %s: records %x, revoked %x", s.Index, s.By, moment(s.At), s.Records[:8], s.Revoked[:8])
}

// seal checks all that can be checked of a seal with a few Gets: who makes it,
// where it stands, when, and whom it lists. The two digests are over the whole
// state. Whoever holds it in shards, the ledger or an auditor, has recomputed
// and compared them before Apply (SealMismatch).
func (a *act) seal(b *statement.SealState) ([]Write, Verdict, error) {
	vs, err := loadValidators(a.r)
	if err != nil {
		return nil, Verdict{}, err
	}
	if find(vs.Members, a.by) == nil && find(vs.Former, a.by) == nil {
		return nil, refuse(NotAValidator, "leave seals to the validators; they make one by themselves",
			"%s is not a validator", a.by), nil
	}
	if b.Size != a.index {
		return nil, refuse(SealMisplaced, "make a seal of the state as it is now",
			"the seal is of the state at size %d, and would stand at index %d", b.Size, a.index), nil
	}
	last, err := load[Seal](a.r, sealKey())
	if err != nil {
		return nil, Verdict{}, err
	}
	if last != nil && b.At < last.At {
		v := refuse(SealBackdated, "set the clock of the node that made it; until then the others make the seals",
			"the seal is for %s, and the one in statement %d is for %s", moment(b.At), last.Index, moment(last.At))
		v.Index = &last.Index
		return nil, v, nil
	}
	if !vs.sealedAs(b.Validators) {
		return nil, refuse(SealMismatch, "make a seal of the state as it is now",
			"the seal lists other validators, or other keys, than the ledger has: %d against %d", len(b.Validators), len(vs.Members)), nil
	}
	writes := []Write{put(&Seal{Index: a.index, By: a.by, At: b.At, Records: b.Records, Revoked: b.Revoked})}
	if vs.ChangedAt != nil && vs.SealedAt == nil {
		vs.SealedAt = &a.index
		writes = append(writes, put(vs))
	}
	return writes, Verdict{}, nil
}

// LastSeal is the newest seal; false before the first.
func (v View) LastSeal() (Seal, bool, error) { return one[Seal](v, sealKey()) }
