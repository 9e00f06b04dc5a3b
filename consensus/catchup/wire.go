package catchup

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
)

// Requests and answers are maps in deterministic CBOR (RFC 8949 §4.2.1). An
// answer has one byte before it, which says what became of the request.
const (
	statusDone   = 0
	statusBusy   = 1 // ask again later; nothing follows
	statusAbsent = 2 // this node does not have it (yet); nothing follows
)

// ErrMalformed: the bytes are no request or answer of this protocol, in its one encoding.
var ErrMalformed = errors.New("malformed message")

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, a...))
}

// offerRequest asks how far a node is.
type offerRequest struct {
	Size uint64 `cbor:"1,keyasint"` // of which the place in the order is asked; 0: of the node's newest certified one
}

// offerAnswer says how far a node is, and where in Raft's order one size ends.
type offerAnswer struct {
	Head  uint64            `cbor:"1,keyasint"` // the size of its ledger
	Note  []byte            `cbor:"2,keyasint"` // its newest certified checkpoint; empty: none
	Size  uint64            `cbor:"3,keyasint"` // what follows is of; 0: no block is known here that ends there
	Root  [sha256.Size]byte `cbor:"4,keyasint"`
	Index uint64            `cbor:"5,keyasint"` // of the entry of Raft's log after which the ledger had that size
	Term  uint64            `cbor:"6,keyasint"` // of that entry
	Seals uint64            `cbor:"7,keyasint"` // one more than the index of the newest seal below that size; 0: none
}

func (o *offerAnswer) position() ledger.Position {
	return ledger.Position{Index: o.Index, Term: o.Term}
}

// tilesRequest asks for hash tiles, each at a width.
type tilesRequest struct {
	Tiles []tileRef `cbor:"1,keyasint"`
}

type tileRef struct {
	_     struct{} `cbor:",toarray"`
	Level uint8
	Index uint64
	Width uint64 // hashes, 1 to 256
}

func (t tileRef) tile() merkle.Tile { return merkle.Tile{Level: t.Level, Index: t.Index} }
func (t tileRef) bytes() int        { return int(t.Width) * merkle.HashSize }

// tilesAnswer has the tiles in the order of the request.
type tilesAnswer struct {
	Tiles [][]byte `cbor:"1,keyasint"`
}

// entriesRequest asks for statements by index.
type entriesRequest struct {
	From  uint64 `cbor:"1,keyasint"`
	Count uint64 `cbor:"2,keyasint"` // 1 to MaxRange
}

// entriesAnswer has the first statements of those asked for, at least one.
type entriesAnswer struct {
	Entries [][]byte `cbor:"1,keyasint"`
}

// attachmentsRequest asks for attachments by their SHA-256.
type attachmentsRequest struct {
	Digests [][sha256.Size]byte `cbor:"1,keyasint"`
}

// attachmentsAnswer has the first of those asked for, at least one; an empty
// one was erased, or never had.
type attachmentsAnswer struct {
	Attachments [][]byte `cbor:"1,keyasint"`
}

// blocksRequest asks for the records of the blocks whose first statement is at
// From or after and before To.
type blocksRequest struct {
	From   uint64 `cbor:"1,keyasint"`
	To     uint64 `cbor:"2,keyasint"`           // From+1 to From+MaxRange
	Digest bool   `cbor:"3,keyasint,omitempty"` // only the digest of the records is wanted
}

// blocksAnswer has the records, or the digest of their headers.
type blocksAnswer struct {
	Records [][]byte           `cbor:"1,keyasint,omitempty"`
	Digest  *[sha256.Size]byte `cbor:"2,keyasint,omitempty"`
}

// stepsRequest asks for the changes of validators since the genesis.
type stepsRequest struct {
	Have uint64 `cbor:"1,keyasint"` // how many of the first the asker has already
}

// stepsAnswer has the first of those asked for, each a receipt.Step, and at least
// one unless there is none.
type stepsAnswer struct {
	Steps [][]byte `cbor:"1,keyasint"`
}

// A record is what a ledger keeps of a block, beside its statements: the header
// as its proposer signed it, a block.HeaderProof. Where it stands in Raft's order
// is not in it: nothing that is fetched could vouch for that.

// headersDigest is what validators compare (C2). It covers the headers and not
// their signatures, of which a proposer can make any number for one header.
func headersDigest(proofs []block.HeaderProof) [sha256.Size]byte {
	headers := make([][]byte, len(proofs)) // an empty array, never null
	for i, p := range proofs {
		headers[i] = p.Header
	}
	return sha256.Sum256(mustEncode(headers))
}

// readRecords reads the records of all blocks that begin at from or after and
// before to. Errors wrap ErrMalformed, or are of package block.
func readRecords(raw [][]byte, from, to uint64) ([]record, error) {
	out := make([]record, len(raw))
	at := from
	for i, r := range raw {
		proof, err := block.ParseHeaderProof(r)
		if err != nil {
			return nil, err
		}
		h, err := proof.Claimed()
		if err != nil {
			return nil, err
		}
		if h.Size < at || i > 0 && h.Size != at || h.Size >= to {
			return nil, malformed("a block of %d statements from %d, where one from %d, before %d, is due", h.Count, h.Size, at, to)
		}
		out[i] = record{Header: h, proof: proof}
		at = out[i].end()
	}
	if len(out) > 0 && at < to {
		return nil, malformed("blocks until %d, want all that begin before %d", at, to)
	}
	return out, nil
}

// record is a block's record, read: what its header claims, and the header as it
// was signed.
type record struct {
	block.Header
	proof block.HeaderProof
	from  string // the validator that gave it, with the signature
}

func (r *record) end() uint64 { return r.Size + r.Count }

func (q *offerRequest) validate() error {
	if q.Size > block.MaxLogSize {
		return malformed("size %d, at most %d", q.Size, uint64(block.MaxLogSize))
	}
	return nil
}

func (o *offerAnswer) validate() error {
	switch {
	case len(o.Note) > checkpoint.MaxNote:
		return malformed("a note of %d bytes, at most %d", len(o.Note), checkpoint.MaxNote)
	case o.Size > o.Head || o.Seals > o.Size:
		return malformed("the place of size %d, with a seal before %d, in a ledger of %d", o.Size, o.Seals, o.Head)
	case o.Size != 0 && (o.Index == 0 || o.Term == 0):
		return malformed("size %d ends at entry %d of term %d; the first are 1", o.Size, o.Index, o.Term)
	}
	return nil
}

func (q *tilesRequest) validate() error {
	if n := len(q.Tiles); n == 0 || n > MaxTiles {
		return malformed("%d tiles, want 1 to %d", n, MaxTiles)
	}
	for _, t := range q.Tiles {
		if t.Width == 0 || t.Width > uint64(t.tile().Width(merkle.MaxSize)) {
			return malformed("tile %d of level %d at width %d is of no tree", t.Index, t.Level, t.Width)
		}
	}
	return nil
}

func (a *tilesAnswer) validate() error {
	if n := len(a.Tiles); n == 0 || n > MaxTiles {
		return malformed("%d tiles, want 1 to %d", n, MaxTiles)
	}
	return nil
}

func (q *entriesRequest) validate() error {
	if q.Count == 0 || q.Count > MaxRange || q.From > block.MaxLogSize {
		return malformed("%d statements from %d, want 1 to %d", q.Count, q.From, MaxRange)
	}
	return nil
}

func (a *entriesAnswer) validate() error {
	if n := len(a.Entries); n == 0 || n > MaxRange {
		return malformed("%d statements, want 1 to %d", n, MaxRange)
	}
	for _, e := range a.Entries {
		if len(e) == 0 || len(e) > statement.MaxSize {
			return malformed("a statement of %d bytes, want 1 to %d", len(e), statement.MaxSize)
		}
	}
	return nil
}

func (q *attachmentsRequest) validate() error {
	if n := len(q.Digests); n == 0 || n > MaxAttachments {
		return malformed("%d attachments, want 1 to %d", n, MaxAttachments)
	}
	return nil
}

func (a *attachmentsAnswer) validate() error {
	if n := len(a.Attachments); n == 0 || n > MaxAttachments {
		return malformed("%d attachments, want 1 to %d", n, MaxAttachments)
	}
	return nil
}

func (q *blocksRequest) validate() error {
	if q.From >= q.To || q.To-q.From > MaxRange || q.To > block.MaxLogSize {
		return malformed("blocks from %d to %d, want 1 to %d statements", q.From, q.To, MaxRange)
	}
	return nil
}

func (a *blocksAnswer) validate() error {
	if a.Digest != nil && a.Records != nil {
		return malformed("both records and their digest")
	}
	return nil // the codec bounds their number; readRecords checks what they say
}

func (q *stepsRequest) validate() error {
	if q.Have > receipt.MaxSteps {
		return malformed("%d changes of validators, at most %d", q.Have, receipt.MaxSteps)
	}
	return nil
}

func (a *stepsAnswer) validate() error {
	for _, s := range a.Steps {
		if len(s) == 0 || len(s) > receipt.MaxStep {
			return malformed("a change of validators of %d bytes, want 1 to %d", len(s), receipt.MaxStep)
		}
	}
	return nil // the codec bounds their number
}

type message interface{ validate() error }

// codec bounds what a message may hold.
var enc, dec = modes()

func modes() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err) // a fault of the program
	}
	dec, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:   4,
		MaxArrayElements:  MaxRange,
		MaxMapPairs:       16,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8RejectInvalid,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return enc, dec
}

// decode reads a message that must be the one encoding of what it says, within
// at most so many bytes. Errors wrap ErrMalformed.
func decode(data []byte, most int, into message) error {
	if len(data) > most {
		return malformed("%d bytes, at most %d", len(data), most)
	}
	if err := dec.Unmarshal(data, into); err != nil {
		return malformed("%w", err)
	}
	if again, err := enc.Marshal(into); err != nil || !bytes.Equal(again, data) {
		return malformed("not in deterministic CBOR (RFC 8949 §4.2.1)")
	}
	return into.validate()
}

func mustEncode(v any) []byte {
	b, err := enc.Marshal(v)
	if err != nil {
		panic(err) // only numbers, byte strings and arrays of them are encoded
	}
	return b
}

// done encodes an answer.
func done(v any) []byte { return append([]byte{statusDone}, mustEncode(v)...) }
