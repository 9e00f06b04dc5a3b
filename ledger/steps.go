package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
)

// ErrSteps: the way from the genesis to today's validators cannot be shown in one file.
var ErrSteps = errors.New("the way from the genesis is too long")

// Steps gives the way from the validators of the genesis to those who certify
// checkpoints of size statements, oldest first: each handover and each recovery
// below that size (package receipt). With it and the genesis a stranger believes
// what they certify. The error wraps ErrNotFound if the view has not so much, or
// ErrSteps.
func (v *View) Steps(size uint64) ([]receipt.Step, error) {
	out, err := v.steps(size)
	return out, v.blame(err)
}

func (v *View) steps(size uint64) ([]receipt.Step, error) {
	if err := v.covers(size); err != nil {
		return nil, err
	}
	changes, err := v.changes(size)
	if err != nil {
		return nil, err
	}
	if n := len(changes); n > receipt.MaxSteps {
		return nil, fmt.Errorf("%w: %d changes of validators before size %d, at most %d", ErrSteps, n, size, receipt.MaxSteps)
	}
	return v.stepsOf(changes)
}

// StepsFrom gives those of all the view's steps that come after the first have,
// as many as together take at most so many bytes, and at least one if there is
// any: for who has the ledger up to there.
func (v *View) StepsFrom(have uint64, bytes int) ([]receipt.Step, error) {
	if v.err != nil {
		return nil, v.err
	}
	changes, err := v.changes(v.pin.head.Size)
	if err != nil {
		return nil, v.blame(err)
	}
	var out []receipt.Step
	for i := have; i < uint64(len(changes)); i++ {
		next, err := v.stepsOf(changes[i : i+1])
		if err != nil {
			return nil, v.blame(err)
		}
		s := next[0]
		bytes -= len(s.Statement) + len(s.Note) + len(s.Proof)*(merkle.HashSize+2) + stepOverhead
		if bytes < 0 && len(out) > 0 {
			break
		}
		out = append(out, s)
	}
	return out, nil
}

// stepOverhead is more than what is around the parts of a step takes.
const stepOverhead = 64

// changeOf is where the log changes who certifies. seal is that of a handover.
type changeOf struct {
	index    uint64
	seal     uint64
	recovers bool
}

// changes are all below a size, in order.
func (v *View) changes(size uint64) ([]changeOf, error) {
	handovers, err := v.State().Handovers()
	if err != nil {
		return nil, err
	}
	recoveries, err := v.State().Recoveries()
	if err != nil {
		return nil, err
	}
	var out []changeOf
	for _, h := range handovers {
		out = append(out, changeOf{index: h.Index, seal: h.Seal})
	}
	for _, r := range recoveries {
		out = append(out, changeOf{index: r.Index, recovers: true})
	}
	slices.SortFunc(out, func(a, b changeOf) int { return cmp.Compare(a.index, b.index) })
	end, _ := slices.BinarySearchFunc(out, size, func(c changeOf, size uint64) int { return cmp.Compare(c.index, size) })
	return out[:end], nil
}

func (v *View) stepsOf(changes []changeOf) ([]receipt.Step, error) {
	var out []receipt.Step
	for _, c := range changes {
		e, err := v.ByIndex(c.index)
		if err != nil {
			return nil, err
		}
		if c.recovers {
			out = append(out, receipt.Step{Index: c.index, Statement: e.Raw()})
			continue
		}
		said := e.Statement()
		body, is := said.Body.(*statement.HandOver)
		if !is {
			return nil, fmt.Errorf("%w: statement %d is a %s, and the state has it as a handover", ErrCorrupt, c.index, said.Kind())
		}
		note, err := checkpoint.ParseNote(body.Note)
		if err != nil {
			return nil, fmt.Errorf("%w: the handover in statement %d: %w", ErrCorrupt, c.index, err)
		}
		seal, err := v.ByIndex(c.seal)
		if err != nil {
			return nil, err
		}
		proof, err := v.Inclusion(c.seal, note.Checkpoint.Size)
		if err != nil {
			return nil, err
		}
		out = append(out, receipt.Step{Index: c.seal, Statement: seal.Raw(), Proof: proof, Note: body.Note})
	}
	return out, nil
}

// Receipt proves the statement at index to a stranger who has the genesis, under
// a certified note (checkpoint.Certified.Note, or what witnesses made of it). Who
// has signed the note is not looked at. The error wraps ErrNotFound if the view
// has not so much or the note does not reach the statement, or ErrSteps.
func (v *View) Receipt(index uint64, note []byte) (receipt.Receipt, error) {
	n, err := checkpoint.ParseNote(note)
	if err != nil {
		return receipt.Receipt{}, err
	}
	size := n.Checkpoint.Size
	if size <= index {
		return receipt.Receipt{}, fmt.Errorf("%w: statement %d under a checkpoint of %d", ErrNotFound, index, size)
	}
	e, err := v.ByIndex(index)
	if err != nil {
		return receipt.Receipt{}, err
	}
	proof, err := v.Inclusion(index, size)
	if err != nil {
		return receipt.Receipt{}, err
	}
	steps, err := v.Steps(size)
	if err != nil {
		return receipt.Receipt{}, err
	}
	return receipt.Receipt{Index: index, Statement: e.Raw(), Proof: proof, Note: note, Steps: steps}, nil
}
