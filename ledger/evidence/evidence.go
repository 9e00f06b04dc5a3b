package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// Kind is what a proof shows.
type Kind string

// The kinds of evidence.
const (
	KindTwoRoots     Kind = "two-roots"     // one size signed with two roots
	KindTwoHistories Kind = "two-histories" // two sizes signed, of which the one is not the other's beginning
	KindTwoBlocks    Kind = "two-blocks"    // two blocks signed for one term and size
)

// Kinds are all kinds.
var Kinds = []Kind{KindTwoRoots, KindTwoHistories, KindTwoBlocks}

var (
	// ErrMalformed: the bytes are not a proof in its one encoding.
	ErrMalformed = errors.New("malformed evidence")
	// ErrTooLarge: a limit is exceeded.
	ErrTooLarge = fmt.Errorf("%w: too large", ErrMalformed)
	// ErrProvesNothing: the proof does not convict whom it names.
	ErrProvesNothing = errors.New("evidence proves nothing")
)

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, a...))
}

func nothing(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrProvesNothing, fmt.Errorf(format, a...))
}

// SignedCheckpoint is a checkpoint with one signature line of a validator: its
// co-signature (type 0x04), or its node's signature as the log (type 0x01).
type SignedCheckpoint struct {
	By         statement.Region // may be left empty for a co-signature, whose line names its validator
	Checkpoint checkpoint.Checkpoint
	Line       string // with its line feed
}

// Proof convicts one validator, once Verify has said so. Make it with
// TwoRoots, TwoHistories, TwoBlocks, Parse or ParseFile.
type Proof struct {
	kind        Kind
	culprit     statement.Region
	first       SignedCheckpoint // of two-roots and two-histories
	second      SignedCheckpoint
	prefix      merkle.Hash // of two-histories
	consistency []merkle.Hash
	blocks      [2]block.HeaderProof // of two-blocks
}

// TwoRoots makes a proof of two checkpoints of one size. Their order does not matter.
func TwoRoots(a, b SignedCheckpoint) Proof {
	p := Proof{kind: KindTwoRoots, culprit: culpritOf(a, b), first: a, second: b}
	if compareSigned(a, b) > 0 {
		p.first, p.second = b, a
	}
	return p.named()
}

// TwoHistories makes a proof of two checkpoints of different sizes: prefixRoot
// is the root that the newer one's tree had at the older one's size, and
// consistency proves it (merkle.ConsistencyProof).
func TwoHistories(older, newer SignedCheckpoint, prefixRoot merkle.Hash, consistency []merkle.Hash) Proof {
	p := Proof{kind: KindTwoHistories, culprit: culpritOf(older, newer), first: older, second: newer, prefix: prefixRoot, consistency: slices.Clone(consistency)}
	return p.named()
}

// TwoBlocks makes a proof of two signed headers of one term and size. Their
// order does not matter.
func TwoBlocks(a, b block.HeaderProof) Proof {
	p := Proof{kind: KindTwoBlocks, blocks: [2]block.HeaderProof{a, b}}
	if compareBlocks(a, b) > 0 {
		p.blocks = [2]block.HeaderProof{b, a}
	}
	if h, err := a.Claimed(); err == nil {
		p.culprit = h.Proposer
	}
	return p
}

func (p Proof) named() Proof {
	p.first.By, p.second.By = p.culprit, p.culprit
	return p
}

// culpritOf gives whom the checkpoints or, failing that, the lines name.
// Whether it is so is for Verify.
func culpritOf(a, b SignedCheckpoint) statement.Region {
	for _, s := range []SignedCheckpoint{a, b} {
		if s.By != "" {
			return s.By
		}
	}
	for _, s := range []SignedCheckpoint{a, b} {
		rest, ok := strings.CutPrefix(s.Line, "— "+s.Checkpoint.Origin+"/")
		id, _, more := strings.Cut(rest, " ")
		if ok && more {
			return statement.Region(id)
		}
	}
	return ""
}

func compareSigned(a, b SignedCheckpoint) int {
	if c := strings.Compare(a.Checkpoint.Text(), b.Checkpoint.Text()); c != 0 {
		return c
	}
	return strings.Compare(a.Line, b.Line)
}

func compareBlocks(a, b block.HeaderProof) int {
	if c := bytes.Compare(a.Header, b.Header); c != 0 {
		return c
	}
	return bytes.Compare(a.Signature, b.Signature)
}

// Kind gives what the proof is said to show.
func (p Proof) Kind() Kind { return p.kind }

// Culprit gives whom the proof is said to convict.
func (p Proof) Culprit() statement.Region { return p.culprit }
