package receipt

import (
	"errors"
	"fmt"
	"slices"

	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/internal/canonical"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

const (
	// MaxSize bounds a receipt of either form, in bytes.
	MaxSize = 8 << 20
	// MaxSteps bounds the changes of validators in a receipt.
	MaxSteps = 1024
	// MaxStep bounds one step by itself, in bytes.
	MaxStep = statement.MaxSize + checkpoint.MaxNote + merkle.MaxProof*(merkle.HashSize+2) + 64
)

var (
	// ErrMalformed: the bytes are not a receipt in its one encoding.
	ErrMalformed = errors.New("malformed receipt")
	// ErrTooLarge: a limit is exceeded.
	ErrTooLarge = fmt.Errorf("%w: too large", ErrMalformed)
	// ErrRefused: the receipt does not prove what it says to whoever trusts the genesis.
	ErrRefused = errors.New("receipt refused")
	// ErrOtherNetwork: it is of another network than the genesis.
	ErrOtherNetwork = fmt.Errorf("%w: it is of another network", ErrRefused)
	// ErrNotIncluded: the statement is not in the tree at that index.
	ErrNotIncluded = fmt.Errorf("%w: the statement is not there", ErrRefused)
	// ErrNotCertified: no quorum of the validators vouches for the tree.
	ErrNotCertified = fmt.Errorf("%w: the checkpoint is not certified", ErrRefused)
	// ErrOtherLineage: the checkpoint is of another lineage of the network than the steps lead to.
	ErrOtherLineage = fmt.Errorf("%w: it is of another lineage", ErrRefused)
	// ErrHandover: a step does not lead from one set of validators to the next.
	ErrHandover = fmt.Errorf("%w: broken handover", ErrRefused)
	// ErrRecovery: a recovery was not agreed by those before it, or does not follow here.
	ErrRecovery = fmt.Errorf("%w: broken recovery", ErrRefused)
)

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, a...))
}

// codec bounds what a receipt may hold.
var codec = canonical.New(6, MaxSteps, 16)

// Receipt is a statement, its place, and the checkpoint that proves it. Nothing
// of it counts before Verify.
type Receipt struct {
	Index     uint64        // of the statement in the ledger
	Statement []byte        // as its authority signed it: the leaf of the tree
	Proof     []merkle.Hash // that the tree has it there (merkle.InclusionProof)
	Note      []byte        // of the certified checkpoint (checkpoint.Certified.Note)
	Steps     []Step        // from the validators of the genesis to those of the note, oldest first

	seal *coseSeal // of a receipt that was read as COSE
}

// Step leads from one set of validators to the next. Its CBOR is an array of its
// fields. It is one of two things:
//
//   - a handover: a statement of kind seal, which lists the new ones, under a
//     checkpoint that a quorum of either co-signs;
//   - a recovery: that statement, and neither proof nor note.
type Step struct {
	_         struct{}      `cbor:",toarray"`
	Index     uint64        // of the statement in the ledger
	Statement []byte        // the seal, or the recovery
	Proof     []merkle.Hash // that the tree has the seal there
	Note      []byte        // co-signed by both
}

func (s *Step) recovers() bool { return len(s.Note) == 0 }

// checkForm checks the bounds that an encoding relies on.
func (s *Step) checkForm() error {
	if !s.recovers() {
		return checkPart(s.Index, s.Statement, s.Proof, s.Note)
	}
	if len(s.Proof) > 0 {
		return errors.New("a proof without its checkpoint")
	}
	return checkLeaf(s.Index, s.Statement)
}

// Encode gives the step by itself, as it stands in a receipt too. Errors wrap ErrMalformed.
func (s Step) Encode() ([]byte, error) {
	if err := s.checkForm(); err != nil {
		return nil, malformed("%w", err)
	}
	return codec.Encode(wireSteps([]Step{s})[0])
}

// ParseStep reads what Encode wrote. Errors wrap ErrMalformed.
func ParseStep(raw []byte) (Step, error) {
	if len(raw) > MaxStep {
		return Step{}, fmt.Errorf("%w: a step of %d bytes, at most %d", ErrTooLarge, len(raw), MaxStep)
	}
	var s Step
	if err := codec.Decode(raw, &s); err != nil {
		return Step{}, malformed("%w", err)
	}
	if err := errors.Join(s.checkForm(), checkRead([]Step{s})); err != nil {
		return Step{}, malformed("%w", err)
	}
	return s, nil
}

// wireSteps are steps as they are written: what is empty is an empty array or
// string, never null (P1).
func wireSteps(steps []Step) []Step {
	out := slices.Clone(steps)
	for i := range out {
		if out[i].Proof == nil {
			out[i].Proof = []merkle.Hash{}
		}
		if out[i].Note == nil {
			out[i].Note = []byte{}
		}
	}
	return out
}

// checkRead refuses steps that were read and are not as wireSteps has them.
func checkRead(steps []Step) error {
	for i, s := range steps {
		if s.Proof == nil || s.Note == nil {
			return fmt.Errorf("step %d has null where it has nothing, want it empty", i+1)
		}
	}
	return nil
}

// checkForm checks the bounds that an encoding relies on. Errors wrap ErrMalformed.
func (r *Receipt) checkForm() error {
	if len(r.Steps) > MaxSteps {
		return fmt.Errorf("%w: %d steps, at most %d", ErrTooLarge, len(r.Steps), MaxSteps)
	}
	if err := checkPart(r.Index, r.Statement, r.Proof, r.Note); err != nil {
		return malformed("%w", err)
	}
	for i, s := range r.Steps {
		if err := s.checkForm(); err != nil {
			return malformed("step %d: %w", i+1, err)
		}
	}
	return nil
}

// parts reads the statement and the checkpoint, of which nothing counts yet.
// Errors wrap ErrMalformed.
func (r *Receipt) parts() (*statement.Unverified, checkpoint.Checkpoint, error) {
	if err := r.checkForm(); err != nil {
		return nil, checkpoint.Checkpoint{}, err
	}
	u, err := statement.Parse(r.Statement)
	if err != nil {
		return nil, checkpoint.Checkpoint{}, malformed("%w", err)
	}
	note, err := checkpoint.ParseNote(r.Note)
	if err != nil {
		return nil, checkpoint.Checkpoint{}, malformed("%w", err)
	}
	return u, note.Checkpoint, nil
}

func checkPart(index uint64, raw []byte, proof []merkle.Hash, note []byte) error {
	switch {
	case len(proof) > merkle.MaxProof:
		return fmt.Errorf("%d hashes, no proof has more than %d", len(proof), merkle.MaxProof)
	case len(note) == 0 || len(note) > checkpoint.MaxNote:
		return fmt.Errorf("a note of %d bytes, want 1 to %d", len(note), checkpoint.MaxNote)
	}
	return checkLeaf(index, raw)
}

func checkLeaf(index uint64, raw []byte) error {
	switch {
	case index >= merkle.MaxSize:
		return fmt.Errorf("index %d, want below %d", index, uint64(merkle.MaxSize))
	case len(raw) == 0 || len(raw) > statement.MaxSize:
		return fmt.Errorf("a statement of %d bytes, want 1 to %d", len(raw), statement.MaxSize)
	}
	return nil
}

// Verified is what a receipt has proved.
type Verified struct {
	Index uint64
	// Statement stands in the ledger at Index. Unverified means that its
	// signature was not verified here: the validators did, before they vouched.
	Statement  *statement.Unverified
	Certified  *checkpoint.Certified
	Validators checkpoint.Validators // those who vouch
	Lineage    uint64                // of the network: 1, and one more with each recovery that the steps go through
	Signer     statement.Region      // whose node signed the COSE Receipt; empty in a tlog-proof, and if it is no validator
}

// Verify verifies a receipt with the genesis of its network, and nothing else.
// Errors wrap ErrRefused, refined by ErrOtherNetwork, ErrOtherLineage,
// ErrNotIncluded, ErrNotCertified, ErrHandover or ErrRecovery, or ErrMalformed.
func Verify(doc *genesis.Document, r Receipt) (*Verified, error) {
	if err := r.checkForm(); err != nil {
		return nil, err
	}
	t, err := Walk(doc, r.Steps)
	if err != nil {
		return nil, err
	}
	u, note, err := t.read(r.Index, r.Statement, r.Proof, r.Note)
	if err != nil {
		return nil, err
	}
	certified, err := t.Certify(note)
	if err != nil {
		return nil, err
	}
	signer, err := r.seal.verify(t.Validators, certified.Checkpoint().Root)
	if err != nil {
		return nil, err
	}
	return &Verified{Index: r.Index, Statement: u, Certified: certified, Validators: t.Validators, Lineage: t.Lineage, Signer: signer}, nil
}

// parse reads a statement of the network.
func (t Trust) parse(raw []byte) (*statement.Unverified, error) {
	u, err := statement.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if n := u.Statement().Network; n != t.network {
		return nil, fmt.Errorf("%w: the statement is for %s, the genesis is that of %s", ErrOtherNetwork, n, t.network)
	}
	return u, nil
}

// read checks that the statement is of the network and in the tree of the note,
// for which nobody vouches yet.
func (t Trust) read(index uint64, raw []byte, proof []merkle.Hash, rawNote []byte) (*statement.Unverified, *checkpoint.Note, error) {
	u, err := t.parse(raw)
	if err != nil {
		return nil, nil, err
	}
	note, err := checkpoint.ParseNote(rawNote)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	c := note.Checkpoint
	if err := t.checkOrigin(c.Origin); err != nil {
		return nil, nil, err
	}
	if err := merkle.VerifyInclusion(index, c.Size, merkle.LeafHash(raw), proof, c.Root); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNotIncluded, err)
	}
	return u, note, nil
}
