package state

import (
	"concordat/ledger/statement"
)

// What an authority changes of itself: its keys, with the one of governance,
// and where its node is.

// MaxOwnRotations is how often an authority replaces its node and co-signing keys
// by its own word, until a vote replaces one for it. Each is a change of
// validators that everybody's receipts carry for good, and that others' changes
// wait for: nobody may make them as often as he likes.
const MaxOwnRotations = 16

// rotateOwnKey replaces one of the issuer's keys. What the old one signed stays
// what it is; after this statement it signs nothing.
func (a *act) rotateOwnKey(b *statement.RotateOwnKey) ([]Write, Verdict, error) {
	return a.changeSelf(func(e *effect, n Network, au *Authority, against *EvidenceRecord) (Verdict, error) {
		if b.Use == statement.UseNode || b.Use == statement.UseCosign {
			if au.OwnRotations >= MaxOwnRotations {
				return refuse(TooManyRotations, "ask a member to propose it: a vote that carries a new key of yours also lets you replace the next ones yourself",
					"%s has replaced its node and co-signing keys %d times by its own word, at most %d", au.ID, au.OwnRotations, MaxOwnRotations), nil
			}
			au.OwnRotations++
		}
		return a.rotate(e, n, au, against, &b.NewKey)
	})
}

func (a *act) setNode(b *statement.SetNode) ([]Write, Verdict, error) {
	return a.changeSelf(func(e *effect, n Network, au *Authority, against *EvidenceRecord) (Verdict, error) {
		return a.place(e, au, against, &b.Place)
	})
}

func (a *act) changeSelf(change func(*effect, Network, *Authority, *EvidenceRecord) (Verdict, error)) ([]Write, Verdict, error) {
	n, err := View{a.r}.Network()
	if err != nil {
		return nil, Verdict{}, err
	}
	vs, err := loadValidators(a.r)
	if err != nil {
		return nil, Verdict{}, err
	}
	au, against, v, err := a.present(a.by)
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	if v := nextOf(a.s, au); !v.Accepted() {
		return nil, v, nil
	}
	e := effectOn(vs)
	if v, err := change(&e, n, au, against); err != nil || !v.Accepted() {
		return nil, v, err
	}
	if v := handingOver(vs, !sameKeys(vs.Members, e.vouch.Members)); !v.Accepted() {
		return nil, v, nil
	}
	return append(e.records, a.settle(vs, &e, n.Lineage)...), Verdict{}, nil
}

// nextOf is nextRevision for an authority, which exists before its first revision.
func nextOf(s *statement.Statement, au *Authority) Verdict {
	if au.ChangedAt != nil {
		return nextRevision(s, au.Revision, *au.ChangedAt)
	}
	if s.Revision == 1 {
		return Verdict{}
	}
	return refuse(RevisionConflict, "sign it again with revision 1",
		"%s is as the genesis has it, and this statement makes revision %d", s.Subject(), s.Revision)
}
