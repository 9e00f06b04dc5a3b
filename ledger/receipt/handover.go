package receipt

import (
	"crypto/ed25519"
	"fmt"

	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// FoundingValidators gives the validators of the genesis.
func FoundingValidators(doc *genesis.Document) checkpoint.Validators {
	var vs checkpoint.Validators
	for _, a := range doc.Validators() {
		vs = append(vs, checkpoint.Validator{
			ID: a.ID, Cosign: a.Keys.Cosign.Public(), Node: a.Keys.Node.Public(), Governance: a.Keys.Governance.Public(),
		})
	}
	return vs
}

// SealedValidators gives the validators that a seal lists.
func SealedValidators(s *statement.SealState) checkpoint.Validators {
	vs := make(checkpoint.Validators, len(s.Validators))
	for i, v := range s.Validators {
		vs[i] = checkpoint.Validator{
			ID: v.ID, Cosign: ed25519.PublicKey(v.Cosign), Node: ed25519.PublicKey(v.Node), Governance: ed25519.PublicKey(v.Governance),
		}
	}
	return vs
}

// Trust is whom a verifier believes, and in what: where some steps have led.
type Trust struct {
	// Validators certify checkpoints of Least statements and more, in their lineage.
	Validators checkpoint.Validators
	Lineage    uint64 // 1 before any recovery
	Least      uint64 // what is smaller is for those before them

	network statement.NetworkID
	name    string // of the network
	next    uint64 // the least index that the next step may have
}

// Founding is the trust that the genesis gives: where all steps begin.
func Founding(doc *genesis.Document) Trust {
	return Trust{Validators: FoundingValidators(doc), Lineage: 1, network: doc.ID(), name: doc.Network}
}

// Walk follows steps from the genesis, oldest first (P3). Without steps it is
// Founding. Errors wrap ErrRefused or ErrMalformed.
func Walk(doc *genesis.Document, steps []Step) (Trust, error) {
	t := Founding(doc)
	if len(steps) > MaxSteps {
		return Trust{}, fmt.Errorf("%w: %d steps, at most %d", ErrTooLarge, len(steps), MaxSteps)
	}
	for i, s := range steps {
		next, err := t.Step(s)
		if err != nil {
			return Trust{}, fmt.Errorf("step %d: %w", i+1, err)
		}
		t = next
	}
	return t, nil
}

// Origin is what checkpoints of the lineage bear.
func (t Trust) Origin() string { return checkpoint.Origin(t.name, t.Lineage) }

// Certify verifies a note with those who are believed. Errors wrap ErrRefused:
// ErrOtherNetwork, ErrOtherLineage, ErrHandover (it is for those before them) or
// ErrNotCertified.
func (t Trust) Certify(n *checkpoint.Note) (*checkpoint.Certified, error) {
	c := n.Checkpoint
	if err := t.checkOrigin(c.Origin); err != nil {
		return nil, err
	}
	if c.Size < t.Least {
		return nil, fmt.Errorf("%w: the checkpoint of size %d is older than the last change of validators, at size %d", ErrHandover, c.Size, t.Least)
	}
	certified, err := n.Certify(t.Validators)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotCertified, err)
	}
	return certified, nil
}

func (t Trust) checkOrigin(origin string) error {
	lineage, ours := checkpoint.Lineage(t.name, origin)
	switch {
	case !ours:
		return fmt.Errorf("%w: the checkpoint is of %.110q, the genesis is that of %q", ErrOtherNetwork, origin, t.name)
	case lineage != t.Lineage:
		return fmt.Errorf("%w: the checkpoint is of lineage %d, and the steps lead to lineage %d", ErrOtherLineage, lineage, t.Lineage)
	}
	return nil
}

// Step follows one step. Errors wrap ErrRefused or ErrMalformed.
func (t Trust) Step(s Step) (Trust, error) {
	if err := s.checkForm(); err != nil {
		return Trust{}, malformed("%w", err)
	}
	if s.recovers() {
		return t.recovery(s)
	}
	return t.handover(s)
}

// handover follows a seal that lists others, under a checkpoint of either.
func (t Trust) handover(s Step) (Trust, error) {
	fail := func(format string, a ...any) (Trust, error) {
		return Trust{}, fmt.Errorf("%w: %w", ErrHandover, fmt.Errorf(format, a...))
	}
	u, note, err := t.read(s.Index, s.Statement, s.Proof, s.Note)
	if err != nil {
		return Trust{}, err
	}
	said := u.Statement()
	seal, ok := said.Body.(*statement.SealState)
	switch size := note.Checkpoint.Size; {
	case !ok:
		return fail("a statement of kind %s at index %d, want a seal", said.Kind(), s.Index)
	case seal.Size != s.Index:
		return fail("a seal of size %d at index %d; a seal stands where its size ends", seal.Size, s.Index)
	case s.Index < t.next:
		return fail("the seal at index %d comes after a step at index %d; want the oldest first", s.Index, t.next-1)
	case size < t.Least:
		return fail("its checkpoint has size %d, and that before it %d; want the oldest first", size, t.Least)
	}
	vs := SealedValidators(seal)
	// Over both sets at once, as nodes do: a line of a key that one of the two has
	// is not held against another key of the other that happens to have its id.
	e := checkpoint.Electorate{Origin: note.Checkpoint.Origin, Sets: []checkpoint.Validators{t.Validators, vs}}
	if _, err := note.CertifyBy(e); err != nil {
		return fail("by those who hand over and those who take over: %w", err)
	}
	t.Validators, t.Least, t.next = vs, note.Checkpoint.Size, s.Index+1
	return t, nil
}
