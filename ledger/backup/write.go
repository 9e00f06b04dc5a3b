package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
)

// Writer writes a backup, record after record. After an error nothing more is
// written, and Close gives the error again.
type Writer struct {
	out  *bufio.Writer
	sum  hash.Hash
	next uint64 // the index of the next block's first statement
	size uint64
	err  error
}

// NewWriter begins a backup. proof is a tlog-proof of the last statement that is
// certified, or empty where m.Certified is 0. Errors are w's, or wrap ErrDamaged
// where m is out of bounds.
func NewWriter(w io.Writer, m Manifest, genesis, proof []byte) (*Writer, error) {
	if err := m.validate(); err != nil {
		return nil, err
	}
	manifest, err := codec.Encode(m)
	if err != nil {
		return nil, err
	}
	b := &Writer{out: bufio.NewWriterSize(w, 1<<16), sum: sha256.New(), size: m.Size}
	b.write([]byte(Magic))
	b.record(tagManifest, manifest, MaxManifest)
	b.record(tagGenesis, genesis, maxGenesis)
	b.record(tagProof, proof, maxProof)
	return b, b.err
}

func (w *Writer) write(p []byte) {
	if w.err == nil {
		_, _ = w.sum.Write(p) // a hash takes everything
		_, w.err = w.out.Write(p)
	}
}

func (w *Writer) record(tag byte, content []byte, most int) {
	if w.err == nil && len(content) > most {
		w.err = damaged("a record %q of %d bytes, at most %d", tag, len(content), most)
	}
	w.write(binary.AppendUvarint([]byte{tag}, uint64(len(content))))
	w.write(content)
}

// Block writes the next block (K2).
func (w *Writer) Block(b Block) error {
	if w.err != nil {
		return w.err
	}
	h, err := b.header()
	if err == nil && (h.Size != w.next || h.Count != uint64(len(b.Statements)) || h.Count > w.size-w.next) {
		err = fmt.Errorf("a block of %d statements at %d, where %d of %d are written", h.Count, h.Size, w.next, w.size)
	}
	if err != nil {
		w.err = err
		return err
	}
	attachments := b.Attachments
	if attachments == nil {
		attachments = [][]byte{} // an empty array, never null
	}
	content, err := codec.Encode(wireBlock{Proof: b.Proof.Encode(), Statements: b.Statements, Attachments: attachments})
	if err != nil {
		w.err = err
		return err
	}
	w.record(tagBlock, content, MaxBlock)
	w.next += h.Count
	return w.err
}

// Close ends the backup, of which all blocks must have been written. It does not
// close what is written to.
func (w *Writer) Close() error {
	if w.err == nil && w.next != w.size {
		w.err = fmt.Errorf("%d of %d statements were written", w.next, w.size)
	}
	w.record(tagEnd, w.sum.Sum(nil), sha256.Size)
	if w.err == nil {
		w.err = w.out.Flush()
	}
	return w.err
}
