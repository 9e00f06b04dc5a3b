package audit

import (
	"errors"
	"fmt"

	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
)

var (
	// ErrNoCheckpoint: the source has no certified checkpoint yet. There is
	// nothing to audit, and nobody to blame.
	ErrNoCheckpoint = errors.New("no checkpoint is certified yet")
	// ErrBehind: the source certifies less than the receipt does. It may only be
	// slow; ask again, or another node.
	ErrBehind = errors.New("the node is behind what the receipt proves")
	// ErrLeftBehind: the network has recovered since, from what was left, and its
	// new lineage begins below what the receipt proves. Nobody need have lied.
	ErrLeftBehind = errors.New("the receipt is of a lineage that a recovery has left behind")
)

// Tampering says that a log is not what it is served as.
type Tampering struct {
	Index uint64 // the first statement that is wrong; Size, if no single one is to blame
	Size  uint64 // of the log as its checkpoint says
	What  error
}

// Error implements error.
func (t *Tampering) Error() string {
	if t.Size == 0 { // not even that could be read, or there is nothing
		return fmt.Sprintf("tampering: %v", t.What)
	}
	if t.Index >= t.Size {
		return fmt.Sprintf("tampering: the log of %d statements: %v", t.Size, t.What)
	}
	return fmt.Sprintf("tampering: statement %d of %d: %v", t.Index, t.Size, t.What)
}

// Unwrap implements errors.
func (t *Tampering) Unwrap() error { return t.What }

// Fork says that two histories of one network were signed.
type Fork struct {
	// Older and Newer are the two checkpoints, the smaller first, with the
	// signature lines of validators that verify.
	Older, Newer Signed
	// First is the first statement in which the histories differ, if Known.
	First uint64
	Known bool
	// Evidence convicts each validator that signed both, in ascending order of
	// id. It is verified. None: nobody signed both.
	Evidence []evidence.Proof
}

// Error implements error.
func (f *Fork) Error() string {
	s := fmt.Sprintf("fork: size %d with root %x is no beginning of size %d with root %x",
		f.Older.Checkpoint.Size, f.Older.Checkpoint.Root, f.Newer.Checkpoint.Size, f.Newer.Checkpoint.Root)
	if f.Known {
		s += fmt.Sprintf("; the first difference is statement %d", f.First)
	}
	switch len(f.Evidence) {
	case 0:
		return s + "; no validator signed both"
	default:
		s += "; signed both:"
		for _, p := range f.Evidence {
			s += " " + string(p.Culprit())
		}
		return s
	}
}

// Signed is a checkpoint and what is verified of its note.
type Signed struct {
	Checkpoint checkpoint.Checkpoint
	Lines      []evidence.SignedCheckpoint // one of each validator that signed, ascending by id
	Certified  *checkpoint.Certified       // nil: there is no quorum
	why        error                       // why there is none
}
