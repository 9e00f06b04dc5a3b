package rules

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"fmt"
	"io"

	"concordat/ledger/statement"
)

// Document packs a text for a statement.
func Document(text []byte) (statement.Document, error) {
	if len(text) == 0 || len(text) > statement.MaxDocumentText {
		return statement.Document{}, fmt.Errorf("%w: %d bytes, want 1 to %d", ErrDocument, len(text), statement.MaxDocumentText)
	}
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return statement.Document{}, err
	}
	if _, err := w.Write(text); err != nil {
		return statement.Document{}, err
	}
	if err := w.Close(); err != nil {
		return statement.Document{}, err
	}
	if out.Len() > statement.MaxDocument {
		return statement.Document{}, fmt.Errorf("%w: %d bytes compressed, at most %d; leave out what it can do without", ErrDocument, out.Len(), statement.MaxDocument)
	}
	return statement.Document{Deflated: out.Bytes(), Size: uint64(len(text)), Digest: sha256.Sum256(text)}, nil
}

// Text unpacks a document, and checks that it holds just the text that it names
// by size and digest. Errors wrap ErrDocument.
func Text(d statement.Document) ([]byte, error) {
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	packed := bytes.NewReader(d.Deflated)
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(flate.NewReader(packed), int64(d.Size)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	case uint64(n) != d.Size:
		return nil, fmt.Errorf("%w: it does not hold the %d bytes that it says", ErrDocument, d.Size)
	case packed.Len() > 0: // flate reads no further than it has to from a bytes.Reader
		return nil, fmt.Errorf("%w: %d bytes follow after the text", ErrDocument, packed.Len())
	case sha256.Sum256(out.Bytes()) != d.Digest:
		return nil, fmt.Errorf("%w: the text has another digest than it says", ErrDocument)
	}
	return out.Bytes(), nil
}
