package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"

	"concordat/ledger/block"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// Reader reads a backup. What it gives counts for nothing before Next has given
// io.EOF: then the file is what was written (K1), and whose word it is is for
// package ledger to find out.
type Reader struct {
	in       *bufio.Reader
	sum      hash.Hash
	manifest Manifest
	doc      *genesis.Document
	proof    []byte
	next     uint64
	ended    bool
}

// NewReader reads up to the first block. Errors wrap ErrMalformed where it is no
// backup, ErrDamaged where it is one no more, or are r's.
func NewReader(r io.Reader) (*Reader, error) {
	b := &Reader{in: bufio.NewReaderSize(r, 1<<16), sum: sha256.New()}
	magic := make([]byte, len(Magic))
	if _, err := io.ReadFull(b.in, magic); err != nil && !cut(err) {
		return nil, err
	}
	if string(magic) != Magic {
		return nil, notABackup(magic)
	}
	_, _ = b.sum.Write(magic) // a hash takes everything
	raw, err := b.record(tagManifest, MaxManifest)
	if err != nil {
		return nil, err
	}
	if err := codec.Decode(raw, &b.manifest); err != nil {
		return nil, damaged("manifest: %w", err)
	}
	if err := b.manifest.validate(); err != nil {
		return nil, err
	}
	if raw, err = b.record(tagGenesis, maxGenesis); err != nil {
		return nil, err
	}
	if b.doc, err = genesis.Parse(raw); err != nil {
		return nil, damaged("founding document: %w", err)
	}
	if id := b.doc.ID(); id != b.manifest.Network {
		return nil, damaged("its founding document is that of network %s, its manifest names %s", id, b.manifest.Network)
	}
	b.proof, err = b.record(tagProof, maxProof)
	if err == nil && (len(b.proof) > 0) != (b.manifest.Certified > 0) {
		err = damaged("its checkpoint is of %d statements, and the proof has %d bytes", b.manifest.Certified, len(b.proof))
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// notABackup tells a backup whose first bytes were changed from what never was one.
func notABackup(head []byte) error {
	same := 0
	for i := range head {
		if head[i] == Magic[i] {
			same++
		}
	}
	if same >= len(Magic)-2 {
		return damaged("its first line is %q, want %q", head, Magic)
	}
	return ErrMalformed
}

// Manifest is what the backup says of itself.
func (r *Reader) Manifest() Manifest { return r.manifest }

// Genesis is the founding document that the backup names; whether it is the
// right one only somebody knows who has it from elsewhere.
func (r *Reader) Genesis() *genesis.Document { return r.doc }

// Proof is a receipt of the last statement that is certified, as a tlog-proof;
// empty where none is.
func (r *Reader) Proof() []byte { return r.proof }

// Next gives the next block (K2), or io.EOF after the last, when the digest was
// found to be right. Errors wrap ErrDamaged, or are those of what is read from.
func (r *Reader) Next() (Block, error) {
	if r.ended {
		return Block{}, io.EOF
	}
	if r.next == r.manifest.Size {
		return Block{}, r.end()
	}
	raw, err := r.record(tagBlock, MaxBlock)
	if err != nil {
		return Block{}, err
	}
	var w wireBlock
	if err := codec.Decode(raw, &w); err != nil {
		return Block{}, damaged("block at %d: %w", r.next, err)
	}
	if w.Statements == nil || w.Attachments == nil {
		return Block{}, damaged("block at %d: a list is null; where there is nothing, want an empty array", r.next)
	}
	b := Block{Statements: w.Statements, Attachments: w.Attachments}
	if b.Proof, err = block.ParseHeaderProof(w.Proof); err != nil {
		return Block{}, damaged("block at %d: %w", r.next, err)
	}
	h, err := b.header()
	switch {
	case err != nil:
		return Block{}, err
	case h.Size != r.next || h.Count != uint64(len(b.Statements)) || h.Count > r.manifest.Size-r.next:
		return Block{}, damaged("a block of %d statements for place %d with %d of them, where %d of %d were read",
			h.Count, h.Size, len(b.Statements), r.next, r.manifest.Size)
	}
	for _, s := range b.Statements {
		if len(s) == 0 || len(s) > statement.MaxSize {
			return Block{}, damaged("block at %d: a statement of %d bytes, want 1 to %d", r.next, len(s), statement.MaxSize)
		}
	}
	for _, a := range b.Attachments {
		if len(a) == 0 || len(a) > statement.MaxAttachment {
			return Block{}, damaged("block at %d: an attachment of %d bytes, want 1 to %d", r.next, len(a), statement.MaxAttachment)
		}
	}
	r.next += h.Count
	return b, nil
}

// end reads the digest, and sees that nothing follows.
func (r *Reader) end() error {
	want := r.sum.Sum(nil)
	have, err := r.record(tagEnd, sha256.Size)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, want) {
		return damaged("its digest is %x, it ends with %x", want, have)
	}
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		if err != nil {
			return err
		}
		return damaged("something follows its end")
	}
	r.ended = true
	return io.EOF
}

// record reads the next record, which must have that tag.
func (r *Reader) record(tag byte, most uint64) ([]byte, error) {
	head := make([]byte, 0, 1+binary.MaxVarintLen64)
	for len(head) < 2 || head[len(head)-1] >= 0x80 {
		c, err := r.in.ReadByte()
		if err != nil {
			return nil, r.short(err)
		}
		if head = append(head, c); len(head) == cap(head) {
			break
		}
	}
	n, size := binary.Uvarint(head[1:])
	switch {
	case head[0] != tag:
		return nil, damaged("a record %q after %d statements, want %q", head[0], r.next, tag)
	case size != len(head)-1 || size > 1 && head[size] == 0:
		return nil, damaged("record %q: no length in its shortest form", tag)
	case n > most:
		return nil, damaged("record %q of %d bytes, at most %d", tag, n, most)
	}
	var content bytes.Buffer // grows with what comes (K3)
	if _, err := io.CopyN(&content, r.in, int64(n)); err != nil {
		return nil, r.short(err)
	}
	_, _ = r.sum.Write(head) // a hash takes everything
	_, _ = r.sum.Write(content.Bytes())
	return content.Bytes(), nil
}

// short says of a file that ended too early that it was cut.
func (r *Reader) short(err error) error {
	if cut(err) {
		return damaged("it ends after %d of %d statements: it was cut short", r.next, r.manifest.Size)
	}
	return err
}

func cut(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// Verify reads a backup to its end, and gives what it says of itself: it is as
// it was written, whoever wrote it. Errors are those of NewReader and Next.
func Verify(from io.Reader) (Manifest, error) {
	r, err := NewReader(from)
	if err != nil {
		return Manifest{}, err
	}
	for {
		switch _, err := r.Next(); {
		case errors.Is(err, io.EOF):
			return r.Manifest(), nil
		case err != nil:
			return r.Manifest(), err
		}
	}
}
