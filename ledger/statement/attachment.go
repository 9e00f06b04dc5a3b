package statement

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
)

// NewAttachment puts hashes in the attachment's one form: 16 bytes each, in
// ascending order, none twice.
func NewAttachment(hashes []RevocationHash) []byte {
	sorted := slices.Clone(hashes)
	slices.SortFunc(sorted, func(a, b RevocationHash) int { return bytes.Compare(a[:], b[:]) })
	sorted = slices.Compact(sorted)
	out := make([]byte, 0, len(sorted)*HashSize)
	for _, h := range sorted {
		out = append(out, h[:]...)
	}
	return out
}

// NewBatch describes an attachment.
func NewBatch(t HashType, attachment []byte, expires Time, reason string) Batch {
	return Batch{
		HashType: t,
		Count:    uint64(len(attachment) / HashSize),
		Digest:   sha256.Sum256(attachment),
		Expires:  expires,
		Reason:   reason,
	}
}

// CheckAttachment checks that a is the attachment that the batch describes, in
// its one form. Errors wrap ErrAttachment.
func (b *Batch) CheckAttachment(a []byte) error {
	if len(a) > MaxAttachment {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrAttachment, len(a), MaxAttachment)
	}
	// Not Count*HashSize: a count from elsewhere may be too great for that.
	if len(a)%HashSize != 0 || uint64(len(a)/HashSize) != b.Count {
		return fmt.Errorf("%w: %d bytes, want %d hashes of %d", ErrAttachment, len(a), b.Count, HashSize)
	}
	if sha256.Sum256(a) != b.Digest {
		return fmt.Errorf("%w: SHA-256 differs", ErrAttachment)
	}
	for i := HashSize; i < len(a); i += HashSize {
		if bytes.Compare(a[i-HashSize:i], a[i:i+HashSize]) >= 0 {
			return fmt.Errorf("%w: hash %d is not above the one before it", ErrAttachment, i/HashSize)
		}
	}
	return nil
}

// CheckAttachment checks that a is the attachment that s wants: none, for most kinds.
func (s *Statement) CheckAttachment(a []byte) error {
	switch b := s.Body.(type) {
	case *Revoke:
		return b.CheckAttachment(a)
	case *Reinstate:
		return b.CheckAttachment(a)
	}
	if len(a) != 0 {
		return fmt.Errorf("%w: %d bytes where a %s has none", ErrAttachment, len(a), s.Kind())
	}
	return nil
}
