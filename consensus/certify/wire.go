package certify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
)

// Names of the calls that Serve answers.
const (
	EchoProtocol    = "certify/echo/1"    // what a validator holds
	CosignProtocol  = "certify/cosign/1"  // signature lines
	NewestProtocol  = "certify/newest/1"  // asks for the newest certified note
	BlockProtocol   = "certify/block/1"   // asks for a root and the signed header of the block after it
	HistoryProtocol = "certify/history/1" // asks for the root at a size, with the proof that a larger tree begins so
	HeadProtocol    = "certify/head/1"    // asks a validator for the size of its ledger
)

// Protocol is one kind of call, for whoever registers the handlers.
type Protocol struct {
	Name       string
	MaxRequest int // in bytes; larger requests are refused unread
}

// Protocols lists what Serve answers.
func Protocols() []Protocol {
	return []Protocol{
		{EchoProtocol, maxEchoRequest},
		{CosignProtocol, maxPushRequest},
		{NewestProtocol, 1},
		{BlockProtocol, 1 + 8},
		{HistoryProtocol, 1 + 8 + 8},
		{HeadProtocol, 1},
	}
}

// wireVersion opens every message: the layouts below, all numbers big-endian.
//
//	echo request    1 ‖ n ‖ n × (size[8] ‖ root[32])
//	                2 ‖ n ‖ n × digest[32] ‖ n × (size[8] ‖ root[32])
//	push request    version ‖ n ‖ n × (length[4] ‖ signed note)
//	newest request  version               answer: a signed note, or nothing
//	block request   version ‖ size[8]     answer: version ‖ root at size[32] ‖ header proof of the block that begins at or before index size, or nothing
//	history request version ‖ old[8] ‖ size[8]     answer: version ‖ root at old[32] ‖ consistency proof from old to size, n × hash[32]
//	head request    version               answer: version ‖ size[8]
//
// The digests of an echo are the SHA-256 of the header, unsigned, of the block
// that ends at each size, by which nodes find two headers that one proposer
// signed over the same statements; zero: not told. With none to tell, it is of
// version 1.
const (
	wireVersion       = 1
	echoDigestVersion = 2
)

// errMalformed: a message is not one of the layouts.
var errMalformed = errors.New("malformed message")

// mark is a size and the root that somebody says it has.
type mark struct {
	size uint64
	root merkle.Hash
}

func (c *Certifier) checkpoint(m mark) checkpoint.Checkpoint {
	return checkpoint.Checkpoint{Origin: c.cfg.Origin, Size: m.size, Root: m.root}
}

// encodeEchoes writes an echo; digests has one for each mark, or is nil.
func encodeEchoes(marks []mark, digests []merkle.Hash) []byte {
	out := []byte{wireVersion, byte(len(marks))}
	if slices.ContainsFunc(digests, func(d merkle.Hash) bool { return d != merkle.Hash{} }) {
		out[0] = echoDigestVersion
		for _, d := range digests {
			out = append(out, d[:]...)
		}
	}
	for _, m := range marks {
		out = binary.BigEndian.AppendUint64(out, m.size)
		out = append(out, m.root[:]...)
	}
	return out
}

// decodeEchoes reads an echo; there are as many digests as marks, or none.
func decodeEchoes(b []byte) (marks []mark, digests []merkle.Hash, err error) {
	each := echoSize
	if len(b) > 0 && b[0] == echoDigestVersion {
		each += merkle.HashSize
	}
	if len(b) < 2 || b[0] != wireVersion && b[0] != echoDigestVersion || b[1] == 0 || b[1] > maxEchoes || len(b) != 2+int(b[1])*each {
		return nil, nil, fmt.Errorf("%w: an echo of %d bytes, want version %d or %d and 1 to %d sizes with roots", errMalformed, len(b), wireVersion, echoDigestVersion, maxEchoes)
	}
	n, version := int(b[1]), b[0]
	b = b[2:]
	if version == echoDigestVersion {
		told := false
		for range n {
			d := merkle.Hash(b[:merkle.HashSize])
			told = told || d != merkle.Hash{}
			digests, b = append(digests, d), b[merkle.HashSize:]
		}
		if !told {
			return nil, nil, fmt.Errorf("%w: an echo of version %d without a digest", errMalformed, version)
		}
	}
	for ; len(b) > 0; b = b[echoSize:] {
		m := mark{binary.BigEndian.Uint64(b), merkle.Hash(b[8:echoSize])}
		if m.size == 0 || m.size > checkpoint.MaxSize {
			return nil, nil, fmt.Errorf("%w: an echo of size %d, want 1 to %d", errMalformed, m.size, uint64(checkpoint.MaxSize))
		}
		marks = append(marks, m)
	}
	return marks, digests, nil
}

func encodePush(notes [][]byte) []byte {
	out := []byte{wireVersion, byte(len(notes))}
	for _, n := range notes {
		out = binary.BigEndian.AppendUint32(out, uint32(len(n)))
		out = append(out, n...)
	}
	return out
}

func decodePush(b []byte) ([]*checkpoint.Note, error) {
	if len(b) < 2 || b[0] != wireVersion || b[1] == 0 || b[1] > maxPushed {
		return nil, fmt.Errorf("%w: a push of %d bytes, want version %d and 1 to %d notes", errMalformed, len(b), wireVersion, maxPushed)
	}
	n := int(b[1])
	var out []*checkpoint.Note
	for b = b[2:]; len(b) > 0; {
		if len(b) < 4 {
			return nil, fmt.Errorf("%w: a push ends within a length", errMalformed)
		}
		size := binary.BigEndian.Uint32(b)
		if b = b[4:]; size > maxPushedNote || uint64(size) > uint64(len(b)) {
			return nil, fmt.Errorf("%w: a note of %d bytes in a push, at most %d", errMalformed, size, min(maxPushedNote, len(b)))
		}
		note, err := checkpoint.ParseNote(b[:size])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errMalformed, err)
		}
		if len(note.Lines) > maxPushedLines {
			return nil, fmt.Errorf("%w: %d lines in a pushed note, at most %d", errMalformed, len(note.Lines), maxPushedLines)
		}
		out, b = append(out, note), b[size:]
	}
	if len(out) != n {
		return nil, fmt.Errorf("%w: %d notes in a push that counts %d", errMalformed, len(out), n)
	}
	return out, nil
}

func encodeBlockRequest(size uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{wireVersion}, size)
}

func decodeBlockRequest(b []byte) (uint64, error) {
	if len(b) != 1+8 || b[0] != wireVersion {
		return 0, fmt.Errorf("%w: a request for a block of %d bytes, want 9", errMalformed, len(b))
	}
	return binary.BigEndian.Uint64(b[1:]), nil
}

// blockAnswer is a root and, unless the ledger ends there, the header of the
// block that brought the statement after it.
type blockAnswer struct {
	root  merkle.Hash
	proof *block.HeaderProof
}

func (a blockAnswer) encode() []byte {
	out := append([]byte{wireVersion}, a.root[:]...)
	if a.proof != nil {
		out = append(out, a.proof.Encode()...)
	}
	return out
}

func decodeBlockAnswer(b []byte) (blockAnswer, error) {
	if len(b) < 1+merkle.HashSize || len(b) > maxBlockAnswer || b[0] != wireVersion {
		return blockAnswer{}, fmt.Errorf("%w: an answer of %d bytes about a block", errMalformed, len(b))
	}
	a := blockAnswer{root: merkle.Hash(b[1 : 1+merkle.HashSize])}
	if rest := b[1+merkle.HashSize:]; len(rest) > 0 {
		p, err := block.ParseHeaderProof(rest)
		if err != nil {
			return blockAnswer{}, fmt.Errorf("%w: %w", errMalformed, err)
		}
		a.proof = &p
	}
	return a, nil
}

func encodeHistoryRequest(old, size uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte{wireVersion}, old), size)
}

func decodeHistoryRequest(b []byte) (old, size uint64, err error) {
	if len(b) != 1+8+8 || b[0] != wireVersion {
		return 0, 0, fmt.Errorf("%w: a request for a history of %d bytes, want 17", errMalformed, len(b))
	}
	old, size = binary.BigEndian.Uint64(b[1:]), binary.BigEndian.Uint64(b[9:])
	if old > size {
		return 0, 0, fmt.Errorf("%w: a history from size %d to size %d", errMalformed, old, size)
	}
	return old, size, nil
}

// historyAnswer is the root of the beginning of a tree, and the proof that it is its beginning.
type historyAnswer struct {
	root merkle.Hash
	path []merkle.Hash
}

func (a historyAnswer) encode() []byte {
	out := append([]byte{wireVersion}, a.root[:]...)
	for _, h := range a.path {
		out = append(out, h[:]...)
	}
	return out
}

func decodeHistoryAnswer(b []byte) (a historyAnswer, err error) {
	n := (len(b) - 1) / merkle.HashSize
	if n < 1 || n > 1+merkle.MaxProof || len(b) != 1+n*merkle.HashSize || b[0] != wireVersion {
		return a, fmt.Errorf("%w: an answer of %d bytes about a history", errMalformed, len(b))
	}
	for b = b[1:]; len(b) > 0; b = b[merkle.HashSize:] {
		a.path = append(a.path, merkle.Hash(b[:merkle.HashSize]))
	}
	a.root, a.path = a.path[0], a.path[1:]
	return a, nil
}

func encodeHead(size uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{wireVersion}, size)
}

func decodeHead(b []byte) (uint64, error) {
	if len(b) != 1+8 || b[0] != wireVersion {
		return 0, fmt.Errorf("%w: an answer of %d bytes about a head, want 9", errMalformed, len(b))
	}
	return binary.BigEndian.Uint64(b[1:]), nil
}
