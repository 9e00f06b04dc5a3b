package statement

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Three kinds of statement are made by nodes, without a person: what they say can
// be computed or verified by every replica, and is, before it is applied. So a
// key that a machine holds may sign them, and may sign nothing else.

// ByNode reports whether statements of kind k are made by nodes: signed with
// the node key of the authority that issues them. All others are signed with
// its statement key or its governance key (ByGovernance).
func (k Kind) ByNode() bool { return k == Seal || k == EvidenceReport || k == Handover }

// SealState carries the digest of the state as the first Size statements have
// made it, so that whoever holds that state can hold it against a receipt. It
// stands at index Size: it is the next statement after those it seals.
type SealState struct {
	Size       uint64            `cbor:"1,keyasint"`
	At         Time              `cbor:"2,keyasint"` // what has expired by then is left out of Revoked
	Records    [sha256.Size]byte `cbor:"3,keyasint"` // root over the shards of the records
	Revoked    [sha256.Size]byte `cbor:"4,keyasint"` // root over the shards of the revoked hashes
	Validators []SealedValidator `cbor:"5,keyasint"` // all of them at Size, in ascending order of id
}

// SealedValidator is a validator with the keys that it vouches with. A list of
// them under certified seals is how a stranger gets from the genesis to today's.
type SealedValidator struct {
	ID     Region `cbor:"1,keyasint"`
	Cosign []byte `cbor:"2,keyasint"` // Ed25519: checkpoints
	Node   []byte `cbor:"3,keyasint"` // Ed25519: the log's own signature, blocks, and what nodes say
	// Governance is Ed25519: votes, and recoveries, which a stranger must be able
	// to hold against it.
	Governance []byte `cbor:"4,keyasint"`
}

// ReportEvidence says that a validator has vouched for what cannot both be
// true, and proves it. Proof is an evidence.Proof as package evidence encodes it.
type ReportEvidence struct {
	Culprit Region `cbor:"1,keyasint"` // whom the proof convicts
	Proof   []byte `cbor:"2,keyasint"`
}

// SealSubject is the subject of the seal on the state at a size.
func SealSubject(size uint64) string { return fmt.Sprintf("seal/%d", size) }

// EvidenceSubject is the subject of every report on one validator.
func EvidenceSubject(culprit Region) string { return "evidence/" + string(culprit) }

// Validate checks the time, and that the validators ascend and have whole keys.
// Whether a key is fit to verify with was checked where it came into the
// ledger (CheckPublicKey); a seal only repeats what the state has.
func (b *SealState) Validate() error {
	if b.Size > MaxLogSize {
		return invalid("it seals a state of %d statements, at most %d", b.Size, uint64(MaxLogSize))
	}
	if n := len(b.Validators); n < 1 || n > MaxValidators {
		return invalid("%d validators, want 1 to %d", n, MaxValidators)
	}
	last := Region("")
	for _, v := range b.Validators {
		switch {
		case v.ID <= last:
			return invalid("validator %.40q after %.40q: want each once, in ascending order", v.ID, last)
		case len(v.Cosign) != ed25519.PublicKeySize || len(v.Node) != ed25519.PublicKeySize || len(v.Governance) != ed25519.PublicKeySize:
			return invalid("keys of validator %.40q have %d, %d and %d bytes, want %d", v.ID, len(v.Cosign), len(v.Node), len(v.Governance), ed25519.PublicKeySize)
		}
		if err := v.ID.Validate(); err != nil {
			return err
		}
		last = v.ID
	}
	return checkTime("at", b.At, true)
}

// Validate checks the region and the proof's size; what the proof proves is for
// package evidence to say, with the keys that the ledger has.
func (b *ReportEvidence) Validate() error {
	var size error
	if n := len(b.Proof); n == 0 || n > MaxEvidence {
		size = invalid("proof has %d bytes, want 1 to %d", n, MaxEvidence)
	}
	return errors.Join(b.Culprit.Validate(), size)
}

func (b *SealState) words() string {
	return fmt.Sprintf("the state of %s at %s with records %.8x, revocations %.8x and %s",
		countInWords(b.Size, "statement"), b.At, b.Records, b.Revoked, countInWords(uint64(len(b.Validators)), "validator"))
}

func countInWords(n uint64, of string) string {
	if n == 1 {
		return "one " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
