package state

import (
	"crypto/ed25519"
	"fmt"
	"slices"

	"concordat/ledger/evidence"
	"concordat/ledger/statement"
)

// EvidenceRecord is why a validator is suspended. There is one for each culprit
// at most, so evidence cannot fill the state. It stands until the culprit has
// other keys and a vote restores it, or expels and admits it anew.
type EvidenceRecord struct {
	Culprit  statement.Region `cbor:"1,keyasint"`
	Reporter statement.Region `cbor:"2,keyasint"` // whose node reported it; the proof stands without its word
	Index    uint64           `cbor:"3,keyasint"` // of the statement
	Kind     evidence.Kind    `cbor:"4,keyasint"`
	Proof    []byte           `cbor:"5,keyasint"` // as evidence.Parse reads it
	// The keys that it was judged with.
	NodeKey   ed25519.PublicKey `cbor:"6,keyasint"`
	CosignKey ed25519.PublicKey `cbor:"7,keyasint"`
	Closed    *uint64           `cbor:"8,keyasint,omitempty"` // index of the vote that ended its effect; nil: it suspends
}

func (e *EvidenceRecord) key() []byte { return evidenceKey(e.Culprit) }

func (e *EvidenceRecord) check() error {
	if n := len(e.Proof); n == 0 || n > statement.MaxEvidence {
		return fmt.Errorf("proof of %d bytes, want 1 to %d", n, statement.MaxEvidence)
	}
	if len(e.NodeKey) != ed25519.PublicKeySize || len(e.CosignKey) != ed25519.PublicKeySize {
		return fmt.Errorf("keys of %d and %d bytes, want %d", len(e.NodeKey), len(e.CosignKey), ed25519.PublicKeySize)
	}
	if err := e.Reporter.Validate(); err != nil {
		return err
	}
	return e.Culprit.Validate()
}

func (e *EvidenceRecord) words() string {
	s := fmt.Sprintf("evidence against %s (%s), reported by statement %d of %s: %s",
		e.Culprit, e.Kind, e.Index, e.Reporter, count(uint64(len(e.Proof)), "byte", "bytes"))
	if e.Closed != nil {
		s += fmt.Sprintf("; closed by statement %d", *e.Closed)
	}
	return s
}

// reportEvidence suspends a validator's vouching. The proof decides, and not
// who reports: it is judged with the keys that the state has for the culprit
// now, so that nobody without them, a thief of a key since rotated included,
// can have a validator suspended; and while validators hand over, also with
// those it still vouches with. What is known, or is not about a validator, is
// refused before the proof is looked at.
func (a *act) reportEvidence(b *statement.ReportEvidence) ([]Write, Verdict, error) {
	vs, err := loadValidators(a.r)
	if err != nil {
		return nil, Verdict{}, err
	}
	if find(vs.Members, b.Culprit) == nil && find(vs.Former, b.Culprit) == nil {
		return nil, refuse(ProvesNothing, "nothing needs to be done; only validators vouch",
			"%s is not a validator", b.Culprit), nil
	}
	old, err := load[EvidenceRecord](a.r, evidenceKey(b.Culprit))
	if err != nil {
		return nil, Verdict{}, err
	}
	if old != nil && old.Closed == nil {
		v := refuse(AlreadyKnown, "nothing needs to be done",
			"statement %d has suspended %s on evidence", old.Index, b.Culprit)
		v.Index = &old.Index
		return nil, v, nil
	}
	n, err := View{a.r}.Network()
	if err != nil {
		return nil, Verdict{}, err
	}
	const hint = "see with `concordat evidence verify` what it proves, and for which network"
	p, err := evidence.Parse(b.Proof)
	if err != nil {
		return nil, refuse(ProvesNothing, hint, "the proof cannot be read: %v", err), nil
	}
	if p.Culprit() != b.Culprit {
		return nil, refuse(ProvesNothing, hint, "the report names %s, and its proof is about %s", b.Culprit, p.Culprit()), nil
	}
	with, err := convicted(p, n, vs)
	if err != nil {
		return nil, refuse(ProvesNothing, hint, "against %s: %v", b.Culprit, err), nil
	}
	e := &EvidenceRecord{
		Culprit: b.Culprit, Reporter: a.by, Index: a.index, Kind: p.Kind(), Proof: b.Proof,
		NodeKey: with.Node, CosignKey: with.Cosign,
	}
	vs.mark(b.Culprit, &e.Index)
	return append(a.certifyFrom(vs, n.Lineage), put(e)), Verdict{}, nil
}

// convicted is the validator with the keys that the proof holds for; those of now first.
func convicted(p evidence.Proof, n Network, vs *validatorSet) (with *member, err error) {
	for _, set := range slices.Backward(vs.sets()) {
		m := find(set, p.Culprit())
		if m == nil {
			continue
		}
		e := p.Verify(n.Name, n.ID, validators(set))
		if e == nil {
			return m, nil
		}
		if err == nil {
			err = e
		}
	}
	return nil, err
}

// Evidence lists what suspends validators, by culprit.
func (v View) Evidence() ([]EvidenceRecord, error) {
	return list[EvidenceRecord](v, []byte{tagEvidence})
}
