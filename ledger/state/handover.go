package state

import (
	"fmt"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// A change of who vouches takes effect where those before it and those after it
// vouch for the same ledger, which has a seal that lists the latter: then
// whoever believed the former can believe the latter, from the genesis on.

// Handover is a change of the validators that has not been handed over yet.
type Handover struct {
	ChangedAt uint64  // index of the change
	SealedAt  *uint64 // index of the first seal after it; nil: there is none yet
}

// HandoverRecord is a handover that is done.
type HandoverRecord struct {
	Index uint64 `cbor:"1,keyasint"` // of the statement
	Seal  uint64 `cbor:"2,keyasint"` // index of the seal that lists who took over
	Size  uint64 `cbor:"3,keyasint"` // of the checkpoint that both co-signed
}

func (h *HandoverRecord) key() []byte { return handoverKey(h.Index) }

func (h *HandoverRecord) check() error {
	if h.Seal >= h.Size || h.Size > h.Index {
		return fmt.Errorf("the seal at %d, the checkpoint of size %d and the handover at %d are not in this order", h.Seal, h.Size, h.Index)
	}
	return nil
}

func (h *HandoverRecord) words() string {
	return fmt.Sprintf("statement %d: handed over to the validators of the seal in statement %d, with a checkpoint of size %d", h.Index, h.Seal, h.Size)
}

// PendingHandover is the change of validators that is being handed over; false if there is none.
func (v View) PendingHandover() (Handover, bool, error) {
	vs, err := loadValidators(v)
	if err != nil || vs.ChangedAt == nil {
		return Handover{}, false, err
	}
	return Handover{ChangedAt: *vs.ChangedAt, SealedAt: vs.SealedAt}, true, nil
}

// Handovers lists the handovers that are done, in the order of the log.
func (v View) Handovers() ([]HandoverRecord, error) {
	return list[HandoverRecord](v, []byte{tagHandover})
}

// handOver ends the time of two sets. The note decides, and not who brings it.
// That its root is the log's own at that size, whoever has the tree has checked
// before (HandoverMismatch).
func (a *act) handOver(b *statement.HandOver) ([]Write, Verdict, error) {
	vs, err := loadValidators(a.r)
	if err != nil {
		return nil, Verdict{}, err
	}
	if !vs.nodeOf(a.by) {
		return nil, refuse(NotAValidator, "leave handovers to the validators; they make them by themselves",
			"%s is not a validator, or is suspended", a.by), nil
	}
	switch {
	case vs.ChangedAt == nil:
		return nil, refuse(NoHandover, "nothing needs to be done", "no change of validators is waiting for it"), nil
	case vs.SealedAt == nil:
		return nil, refuse(NoHandover, "make it when the next seal is there",
			"no seal has listed the validators yet since the change in statement %d", *vs.ChangedAt), nil
	case *vs.SealedAt != b.Seal:
		return nil, refuse(NoHandover, "make it with that seal", "the seal is statement %d, and not %d", *vs.SealedAt, b.Seal), nil
	}
	n, err := View{a.r}.Network()
	if err != nil {
		return nil, Verdict{}, err
	}
	const hint = "make it with a checkpoint beyond the seal that a quorum of the validators before the change and of those after it has co-signed"
	note, err := checkpoint.ParseNote(b.Note)
	if err != nil {
		return nil, refuse(HandoverMismatch, hint, "the note cannot be read: %v", err), nil
	}
	size := note.Checkpoint.Size
	if size <= b.Seal || size > a.index {
		return nil, refuse(HandoverMismatch, hint, "the checkpoint is of size %d, want %d to %d", size, b.Seal+1, a.index), nil
	}
	// Whoever has been suspended since does not help any more, whatever the size.
	who := electorate{From: *vs.ChangedAt + 1, Lineage: n.Lineage, Sets: vs.sets()}
	if _, err := note.CertifyBy(who.electorate(n.Name)); err != nil {
		return nil, refuse(HandoverMismatch, hint, "the checkpoint of size %d: %v", size, err), nil
	}
	vs.Former, vs.ChangedAt, vs.SealedAt = nil, nil, nil
	return append(a.certifyFrom(vs, n.Lineage), put(&HandoverRecord{Index: a.index, Seal: b.Seal, Size: size})), Verdict{}, nil
}

// nodeOf reports whether an authority's node may speak for those who vouch: it
// is a validator, or still one, and not suspended.
func (vs *validatorSet) nodeOf(id statement.Region) bool {
	for _, set := range vs.sets() {
		if m := find(set, id); m != nil && m.SuspendedBy == nil {
			return true
		}
	}
	return false
}
