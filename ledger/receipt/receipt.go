package receipt

import (
	"errors"
	"fmt"

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
	// ErrHandover: a step does not lead from one set of validators to the next.
	ErrHandover = fmt.Errorf("%w: broken handover", ErrRefused)
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

// Step hands over from one set of validators to another: a statement of kind
// seal, which lists the new one, under a checkpoint that a quorum of either
// co-signs. Its CBOR is an array of its fields.
type Step struct {
	_         struct{}      `cbor:",toarray"`
	Index     uint64        // of the seal in the ledger
	Statement []byte        // the seal
	Proof     []merkle.Hash // that the tree has it there
	Note      []byte        // co-signed by both
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
		if err := checkPart(s.Index, s.Statement, s.Proof, s.Note); err != nil {
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
	case index >= merkle.MaxSize:
		return fmt.Errorf("index %d, want below %d", index, uint64(merkle.MaxSize))
	case len(raw) == 0 || len(raw) > statement.MaxSize:
		return fmt.Errorf("a statement of %d bytes, want 1 to %d", len(raw), statement.MaxSize)
	case len(proof) > merkle.MaxProof:
		return fmt.Errorf("%d hashes, no proof has more than %d", len(proof), merkle.MaxProof)
	case len(note) == 0 || len(note) > checkpoint.MaxNote:
		return fmt.Errorf("a note of %d bytes, want 1 to %d", len(note), checkpoint.MaxNote)
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
	Signer     statement.Region      // whose node signed the COSE Receipt; empty in a tlog-proof, and if it is no validator
}

// Verify verifies a receipt with the genesis of its network, and nothing else.
// Errors wrap ErrRefused, refined by ErrOtherNetwork, ErrNotIncluded,
// ErrNotCertified or ErrHandover, or ErrMalformed.
func Verify(doc *genesis.Document, r Receipt) (*Verified, error) {
	if err := r.checkForm(); err != nil {
		return nil, err
	}
	vs, least, err := walk(doc, r.Steps)
	if err != nil {
		return nil, err
	}
	p := part{network: doc.ID(), origin: doc.Network}
	u, note, err := p.read(r.Index, r.Statement, r.Proof, r.Note)
	if err != nil {
		return nil, err
	}
	if note.Checkpoint.Size < least {
		return nil, fmt.Errorf("%w: the checkpoint of size %d is older than the last handover, at size %d", ErrHandover, note.Checkpoint.Size, least)
	}
	certified, err := note.Certify(vs)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotCertified, err)
	}
	signer, err := r.seal.verify(vs, certified.Checkpoint().Root)
	if err != nil {
		return nil, err
	}
	return &Verified{Index: r.Index, Statement: u, Certified: certified, Validators: vs, Signer: signer}, nil
}

// part reads what a receipt and each of its steps have in common.
type part struct {
	network statement.NetworkID
	origin  string
}

// read checks that the statement is of the network and in the tree of the note,
// for which nobody vouches yet.
func (p part) read(index uint64, raw []byte, proof []merkle.Hash, rawNote []byte) (*statement.Unverified, *checkpoint.Note, error) {
	u, err := statement.Parse(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if n := u.Statement().Network; n != p.network {
		return nil, nil, fmt.Errorf("%w: the statement is for %s, the genesis is that of %s", ErrOtherNetwork, n, p.network)
	}
	note, err := checkpoint.ParseNote(rawNote)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	c := note.Checkpoint
	if c.Origin != p.origin {
		return nil, nil, fmt.Errorf("%w: the checkpoint is of %q, the genesis is that of %q", ErrOtherNetwork, c.Origin, p.origin)
	}
	if err := merkle.VerifyInclusion(index, c.Size, merkle.LeafHash(raw), proof, c.Root); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNotIncluded, err)
	}
	return u, note, nil
}
