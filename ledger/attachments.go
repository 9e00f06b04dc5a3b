package ledger

import (
	"fmt"
)

// Attachment gives the attachment with that SHA-256. The error wraps
// ErrNotFound if the view has none, and ErrErased as well if it had.
func (v *View) Attachment(digest [32]byte) ([]byte, error) {
	if v.err != nil {
		return nil, v.err
	}
	a, err := v.pin.get(attachmentKey(digest))
	switch {
	case err != nil:
		return nil, err
	case a == nil:
		return nil, fmt.Errorf("%w: attachment %x", ErrNotFound, digest)
	case len(a) == 0:
		return nil, fmt.Errorf("attachment %x: %w", digest, ErrErased)
	}
	return a, nil
}

// HasAttachment reports whether the view has the attachment with that SHA-256:
// one that was erased it has not. A store that cannot be read is broken by it
// (L6), and says no.
func (v *View) HasAttachment(digest [32]byte) bool {
	if v.err != nil {
		return false
	}
	a, err := v.pin.get(attachmentKey(digest))
	return err == nil && len(a) > 0
}

func attachmentKey(digest [32]byte) []byte { return keyOf(tableAttachment, digest[:]) }

// erased notes that the batch at index is here without its attachment, which
// nobody has any more.
func (w *batchWriter) erased(index uint64, digest [32]byte) {
	w.set(indexKey(tableErased, index), digest[:])
	w.set(attachmentKey(digest), nil)
}
