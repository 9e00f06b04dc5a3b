package backup

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"unicode/utf8"

	"concordat/ledger/block"
	"concordat/ledger/internal/canonical"
	"concordat/ledger/statement"
)

// Magic opens a backup's file.
const Magic = "concordat backup v1\n"

var (
	// ErrMalformed: the bytes are no backup at all.
	ErrMalformed = errors.New("not a backup")
	// ErrDamaged: it begins as a backup, and is not as one was written: it was cut
	// short or changed.
	ErrDamaged = errors.New("damaged backup")
)

func damaged(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, a...))
}

// The tags of records.
const (
	tagManifest = 'm'
	tagGenesis  = 'g'
	tagProof    = 'p'
	tagBlock    = 'b'
	tagEnd      = 'e'
)

// Manifest is what a backup says of itself. Nothing of it counts before it was
// verified by what follows.
type Manifest struct {
	Network   statement.NetworkID `cbor:"1,keyasint"`
	Size      uint64              `cbor:"2,keyasint"`           // statements
	Root      [sha256.Size]byte   `cbor:"3,keyasint"`           // of the tree over them
	Certified uint64              `cbor:"4,keyasint,omitempty"` // size of the proof's checkpoint; 0: nothing was certified
	Time      int64               `cbor:"5,keyasint"`           // when it was made, Unix seconds by the maker's clock
	Version   string              `cbor:"6,keyasint"`           // of the program that made it
}

func (m *Manifest) validate() error {
	switch {
	case m.Size > block.MaxLogSize:
		return damaged("it is of %d statements, at most %d", m.Size, uint64(block.MaxLogSize))
	case m.Certified > m.Size:
		return damaged("its checkpoint is of %d statements, and it has %d", m.Certified, m.Size)
	case m.Time < 0 || m.Time > statement.MaxTime:
		return damaged("its time is %d, want 0 to %d (Unix seconds)", m.Time, int64(statement.MaxTime))
	case len(m.Version) > MaxVersion || !utf8.ValidString(m.Version):
		return damaged("its version has %d bytes, want at most %d of UTF-8", len(m.Version), MaxVersion)
	}
	return nil
}

// Block is one block with all that belongs to it.
type Block struct {
	Proof       block.HeaderProof
	Statements  [][]byte // as they were signed, in order
	Attachments [][]byte // those that are not erased, in the order of their statements
}

// wireBlock is a block's CBOR.
type wireBlock struct {
	_           struct{} `cbor:",toarray"`
	Proof       []byte
	Statements  [][]byte
	Attachments [][]byte
}

// codec bounds what the records may hold.
var codec = canonical.New(4, block.MaxStatements, 16)

// header reads what a block's header says, by nobody yet.
func (b *Block) header() (block.Header, error) {
	h, err := b.Proof.Claimed()
	if err != nil {
		return h, damaged("block: %w", err)
	}
	return h, nil
}
