package ledger

import (
	"encoding/binary"
	"fmt"

	"concordat/ledger/block"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// The records of our own tables are fixed layouts of big-endian numbers, laid
// out in FORMAT.md. Each has one encoding and one reader, here.

// format is what keyFormat says; another one is for another release.
const format = "concordat-ledger/2"

// Position is where in the order an entry stands: Raft's index and term.
type Position struct {
	Index, Term uint64
}

// Head is what the ledger holds: how many statements, under which root, up to
// which entry, and when the last block was proposed.
type Head struct {
	Size    uint64
	Root    merkle.Hash
	Applied Position
	Time    int64 // of the last block, Unix milliseconds by its proposer's clock; 0 before the first
}

const headSize = 8 + merkle.HashSize + 8 + 8 + 8

func (h Head) encode() []byte {
	b := make([]byte, 0, headSize)
	b = binary.BigEndian.AppendUint64(b, h.Size)
	b = append(b, h.Root[:]...)
	b = binary.BigEndian.AppendUint64(b, h.Applied.Index)
	b = binary.BigEndian.AppendUint64(b, h.Applied.Term)
	return binary.BigEndian.AppendUint64(b, uint64(h.Time))
}

func decodeHead(b []byte) (Head, error) {
	if len(b) != headSize {
		return Head{}, fmt.Errorf("%w: head has %d bytes, want %d", ErrCorrupt, len(b), headSize)
	}
	return Head{
		Size: binary.BigEndian.Uint64(b),
		Root: merkle.Hash(b[8:]),
		Applied: Position{
			Index: binary.BigEndian.Uint64(b[40:]),
			Term:  binary.BigEndian.Uint64(b[48:]),
		},
		Time: int64(binary.BigEndian.Uint64(b[56:])),
	}, nil
}

// Block is what the ledger keeps of an applied block, beside its statements.
type Block struct {
	First    uint64            // index of its first statement
	Count    uint64            // how many statements it has
	Position Position          // of the entry that brought it
	Proof    block.HeaderProof // the header as the proposer signed it; evidence by itself
}

const blockFixed = 8 + 8 + 8

func (b Block) encode() []byte {
	proof := b.Proof.Encode()
	out := make([]byte, 0, blockFixed+len(proof))
	out = binary.BigEndian.AppendUint64(out, b.Count)
	out = binary.BigEndian.AppendUint64(out, b.Position.Index)
	out = binary.BigEndian.AppendUint64(out, b.Position.Term)
	return append(out, proof...)
}

func decodeBlock(key, value []byte) (Block, error) {
	if len(key) != 1+8 || len(value) < blockFixed {
		return Block{}, fmt.Errorf("%w: block record %x has %d bytes, at least %d", ErrCorrupt, key, len(value), blockFixed)
	}
	proof, err := block.ParseHeaderProof(value[blockFixed:])
	if err != nil {
		return Block{}, fmt.Errorf("%w: block record %x: %w", ErrCorrupt, key, err)
	}
	return Block{
		First: lastIndex(key),
		Count: binary.BigEndian.Uint64(value),
		Position: Position{
			Index: binary.BigEndian.Uint64(value[8:]),
			Term:  binary.BigEndian.Uint64(value[16:]),
		},
		Proof: proof,
	}, nil
}

// Candidate is a statement on its way into the ledger, with what came beside it.
type Candidate struct {
	Raw        []byte
	Attachment []byte // nil for most kinds
}

func (c Candidate) size() int { return len(c.Raw) + len(c.Attachment) }

func (c Candidate) encode() []byte {
	b := make([]byte, 0, 4+c.size())
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.Raw)))
	b = append(b, c.Raw...)
	return append(b, c.Attachment...)
}

func decodeCandidate(key, value []byte) (Candidate, error) {
	if len(value) < 4 || uint64(len(value)-4) < uint64(binary.BigEndian.Uint32(value)) {
		return Candidate{}, fmt.Errorf("%w: held record %x ends within its statement", ErrCorrupt, key)
	}
	n := 4 + int(binary.BigEndian.Uint32(value))
	c := Candidate{Raw: value[4:n:n]}
	if n < len(value) {
		c.Attachment = value[n:]
	}
	return c, nil
}

func decodeIndex(key, value []byte) (uint64, error) {
	if len(value) != 8 {
		return 0, fmt.Errorf("%w: index under %x has %d bytes, want 8", ErrCorrupt, key, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}

func hashKey(h statement.Hash) []byte { return keyOf(tableHash, h[:]) }

// heldKey begins with the place, so that what is held is read in the order in
// which it came.
func heldKey(h statement.Hash, place uint64) []byte {
	return append(indexKey(tableHeld, place), h[:]...)
}

func splitHeldKey(k []byte) (h statement.Hash, place uint64, err error) {
	if len(k) != 1+8+len(h) {
		return h, 0, fmt.Errorf("%w: held key %x", ErrCorrupt, k)
	}
	return statement.Hash(k[9:]), binary.BigEndian.Uint64(k[1:]), nil
}
