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
		vs = append(vs, checkpoint.Validator{ID: a.ID, Cosign: a.Keys.Cosign.Public(), Node: a.Keys.Node.Public()})
	}
	return vs
}

// SealedValidators gives the validators that a seal lists.
func SealedValidators(s *statement.SealState) checkpoint.Validators {
	vs := make(checkpoint.Validators, len(s.Validators))
	for i, v := range s.Validators {
		vs[i] = checkpoint.Validator{ID: v.ID, Cosign: ed25519.PublicKey(v.Cosign), Node: ed25519.PublicKey(v.Node)}
	}
	return vs
}

// Walk follows the steps from the validators of the genesis, and gives those to
// whom the last hands over (P3). Without steps they are those of the genesis.
// Errors wrap ErrRefused or ErrMalformed.
func Walk(doc *genesis.Document, steps []Step) (checkpoint.Validators, error) {
	if len(steps) > MaxSteps {
		return nil, fmt.Errorf("%w: %d steps, at most %d", ErrTooLarge, len(steps), MaxSteps)
	}
	vs, _, err := walk(doc, steps)
	return vs, err
}

// walk gives also the size of the last step's checkpoint: from there on the
// validators are those it gives.
func walk(doc *genesis.Document, steps []Step) (vs checkpoint.Validators, least uint64, err error) {
	vs = FoundingValidators(doc)
	p := part{network: doc.ID(), origin: doc.Network}
	next := uint64(0) // the least index that the next seal may have
	for i, s := range steps {
		if vs, least, err = p.step(vs, s, next, least); err != nil {
			return nil, 0, fmt.Errorf("step %d: %w", i+1, err)
		}
		next = s.Index + 1
	}
	return vs, least, nil
}

func (p part) step(old checkpoint.Validators, s Step, next, least uint64) (checkpoint.Validators, uint64, error) {
	fail := func(format string, a ...any) (checkpoint.Validators, uint64, error) {
		return nil, 0, fmt.Errorf("%w: %w", ErrHandover, fmt.Errorf(format, a...))
	}
	if err := checkPart(s.Index, s.Statement, s.Proof, s.Note); err != nil {
		return nil, 0, malformed("%w", err)
	}
	u, note, err := p.read(s.Index, s.Statement, s.Proof, s.Note)
	if err != nil {
		return nil, 0, err
	}
	said := u.Statement()
	seal, ok := said.Body.(*statement.SealState)
	switch size := note.Checkpoint.Size; {
	case !ok:
		return fail("a statement of kind %s at index %d, want a seal", said.Kind(), s.Index)
	case seal.Size != s.Index:
		return fail("a seal of size %d at index %d; a seal stands where its size ends", seal.Size, s.Index)
	case s.Index < next:
		return fail("the seal at index %d comes after one at index %d; want the oldest first", s.Index, next-1)
	case size < least:
		return fail("its checkpoint has size %d, and that before it %d; want the oldest first", size, least)
	}
	if _, err := note.Certify(old); err != nil {
		return fail("by those who hand over: %w", err)
	}
	vs := SealedValidators(seal)
	if _, err := note.Certify(vs); err != nil {
		return fail("by those who take over: %w", err)
	}
	return vs, note.Checkpoint.Size, nil
}
