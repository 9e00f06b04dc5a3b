package evidence

import (
	"fmt"

	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/internal/canonical"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// Version is the version of the layout.
const Version = 1

const (
	// MaxSize bounds an encoded proof, in bytes.
	MaxSize = 32 << 10
	// MaxLine bounds a signature line, in bytes. The longest of a validator has less than 256.
	MaxLine = 512
)

// proofBytes is a proof's layout.
type proofBytes struct {
	Version     uint64            `cbor:"1,keyasint"`
	Kind        Kind              `cbor:"2,keyasint"`
	Culprit     statement.Region  `cbor:"3,keyasint"`
	Checkpoints []checkpointBytes `cbor:"4,keyasint,omitempty"`
	Prefix      []byte            `cbor:"5,keyasint,omitempty"`
	Consistency [][]byte          `cbor:"6,keyasint,omitempty"`
	Blocks      [][]byte          `cbor:"7,keyasint,omitempty"`
}

type checkpointBytes struct {
	_    struct{} `cbor:",toarray"`
	Text string   // as it is signed
	Line string
}

var codec = canonical.New(4, merkle.MaxProof, 16)

// Encode gives the proof's bytes: deterministic CBOR. Every proof of Parse, and
// every one that Verify takes, has at most MaxSize of them.
func (p Proof) Encode() []byte {
	b := proofBytes{Version: Version, Kind: p.kind, Culprit: p.culprit}
	switch p.kind {
	case KindTwoRoots, KindTwoHistories:
		for _, s := range []SignedCheckpoint{p.first, p.second} {
			b.Checkpoints = append(b.Checkpoints, checkpointBytes{Text: s.Checkpoint.Text(), Line: s.Line})
		}
		if p.kind == KindTwoHistories {
			b.Prefix = p.prefix[:]
			for i := range p.consistency {
				b.Consistency = append(b.Consistency, p.consistency[i][:])
			}
		}
	case KindTwoBlocks:
		for _, s := range p.blocks {
			b.Blocks = append(b.Blocks, s.Encode())
		}
	}
	raw, err := codec.Encode(b)
	if err != nil {
		panic(fmt.Sprintf("evidence: strings and bytes always encode: %v", err))
	}
	return raw
}

// Parse reads a proof, which is still to be verified. Errors wrap ErrMalformed.
func Parse(raw []byte) (Proof, error) {
	if len(raw) > MaxSize {
		return Proof{}, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(raw), MaxSize)
	}
	var b proofBytes
	if err := codec.Decode(raw, &b); err != nil {
		return Proof{}, malformed("%w", err)
	}
	if b.Version != Version {
		return Proof{}, malformed("version is %d, want %d", b.Version, Version)
	}
	if err := b.Culprit.Validate(); err != nil {
		return Proof{}, malformed("culprit: %w", err)
	}
	p := Proof{kind: b.Kind, culprit: b.Culprit}
	var err error
	switch b.Kind {
	case KindTwoRoots, KindTwoHistories:
		if b.Blocks != nil || len(b.Checkpoints) != 2 {
			return Proof{}, malformed("%s has %d checkpoints and %d blocks, want two checkpoints", b.Kind, len(b.Checkpoints), len(b.Blocks))
		}
		if p.first, err = parseSigned(b.Culprit, b.Checkpoints[0]); err != nil {
			return Proof{}, malformed("checkpoint 1: %w", err)
		}
		if p.second, err = parseSigned(b.Culprit, b.Checkpoints[1]); err != nil {
			return Proof{}, malformed("checkpoint 2: %w", err)
		}
		if b.Kind == KindTwoRoots {
			if b.Prefix != nil || b.Consistency != nil {
				return Proof{}, malformed("%s has no other root and no consistency proof", b.Kind)
			}
			if compareSigned(p.first, p.second) > 0 { // E1
				return Proof{}, malformed("the checkpoints are not in ascending order of their bytes")
			}
			return p, nil
		}
		if p.prefix, err = parseHash(b.Prefix); err != nil {
			return Proof{}, err
		}
		if len(b.Consistency) > merkle.MaxProof {
			return Proof{}, fmt.Errorf("%w: %d hashes, no proof has more than %d", ErrTooLarge, len(b.Consistency), merkle.MaxProof)
		}
		for _, h := range b.Consistency {
			hash, err := parseHash(h)
			if err != nil {
				return Proof{}, err
			}
			p.consistency = append(p.consistency, hash)
		}
		return p, nil
	case KindTwoBlocks:
		if b.Checkpoints != nil || b.Prefix != nil || b.Consistency != nil || len(b.Blocks) != 2 {
			return Proof{}, malformed("%s has %d blocks, want two and nothing else", b.Kind, len(b.Blocks))
		}
		for i, raw := range b.Blocks {
			if p.blocks[i], err = block.ParseHeaderProof(raw); err != nil {
				return Proof{}, malformed("block %d: %w", i+1, err)
			}
		}
		if compareBlocks(p.blocks[0], p.blocks[1]) > 0 { // E1
			return Proof{}, malformed("the blocks are not in ascending order of their bytes")
		}
		return p, nil
	}
	return Proof{}, malformed("kind %.40q is not known", b.Kind)
}

func parseSigned(by statement.Region, b checkpointBytes) (SignedCheckpoint, error) {
	c, err := checkpoint.Parse(b.Text)
	if err != nil {
		return SignedCheckpoint{}, err
	}
	if len(b.Line) > MaxLine {
		return SignedCheckpoint{}, fmt.Errorf("%w: a line of %d bytes, at most %d", ErrTooLarge, len(b.Line), MaxLine)
	}
	if err := checkpoint.CheckLine(b.Line); err != nil {
		return SignedCheckpoint{}, err
	}
	return SignedCheckpoint{By: by, Checkpoint: c, Line: b.Line}, nil
}

func parseHash(b []byte) (merkle.Hash, error) {
	if len(b) != merkle.HashSize {
		return merkle.Hash{}, malformed("a hash of %d bytes, want %d", len(b), merkle.HashSize)
	}
	return merkle.Hash(b), nil
}
