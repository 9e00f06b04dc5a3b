package state

import (
	"fmt"

	"concordat/ledger/evidence"
	"concordat/ledger/statement"
)

// EvidenceRecord is why a validator is suspended. There is one for each culprit
// at most, so evidence cannot fill the state.
type EvidenceRecord struct {
	Culprit  statement.Region `cbor:"1,keyasint"`
	Reporter statement.Region `cbor:"2,keyasint"` // whose node reported it; the proof stands without its word
	Index    uint64           `cbor:"3,keyasint"` // of the statement
	Kind     evidence.Kind    `cbor:"4,keyasint"`
	Proof    []byte           `cbor:"5,keyasint"` // as evidence.Parse reads it
}

func (e *EvidenceRecord) key() []byte { return evidenceKey(e.Culprit) }

func (e *EvidenceRecord) check() error {
	if n := len(e.Proof); n == 0 || n > statement.MaxEvidence {
		return fmt.Errorf("proof of %d bytes, want 1 to %d", n, statement.MaxEvidence)
	}
	if err := e.Reporter.Validate(); err != nil {
		return err
	}
	return e.Culprit.Validate()
}

func (e *EvidenceRecord) words() string {
	return fmt.Sprintf("evidence against %s (%s), reported by statement %d of %s: %s",
		e.Culprit, e.Kind, e.Index, e.Reporter, count(uint64(len(e.Proof)), "byte", "bytes"))
}

// reportEvidence suspends a validator's vouching. The proof decides, and not
// who reports: it is judged with the keys that the state has for the culprit
// now, so that nobody without them, a thief of a key since rotated included,
// can have a validator suspended. What is known, or is not about a validator,
// is refused before the proof is looked at.
func (a *act) reportEvidence(b *statement.ReportEvidence) ([]Write, Verdict, error) {
	vs, err := loadValidators(a.r)
	if err != nil {
		return nil, Verdict{}, err
	}
	culprit := vs.find(b.Culprit)
	if culprit == nil {
		return nil, refuse(ProvesNothing, "nothing needs to be done; only validators vouch",
			"%s is not a validator", b.Culprit), nil
	}
	if culprit.SuspendedBy != nil {
		v := refuse(AlreadyKnown, "nothing needs to be done",
			"statement %d has suspended %s on evidence", *culprit.SuspendedBy, b.Culprit)
		v.Index = culprit.SuspendedBy
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
	if err := p.Verify(n.Name, n.ID, vs.validators()); err != nil {
		return nil, refuse(ProvesNothing, hint, "against %s: %v", b.Culprit, err), nil
	}
	culprit.SuspendedBy = &a.index
	return []Write{
		put(&EvidenceRecord{Culprit: b.Culprit, Reporter: a.by, Index: a.index, Kind: p.Kind(), Proof: b.Proof}),
		put(vs),
	}, Verdict{}, nil
}

// Evidence lists what suspends validators, by culprit.
func (v View) Evidence() ([]EvidenceRecord, error) {
	return list[EvidenceRecord](v, []byte{tagEvidence})
}
