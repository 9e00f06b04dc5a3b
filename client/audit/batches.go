package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"concordat/ledger/statement"
)

// maxKeptBytes bounds the attachments that are kept for the seals after them.
// What does not fit is fetched again.
const maxKeptBytes = 64 << 20

// batches fetches the attachments of a log, and counts what became of them.
type batches struct {
	config   Config
	verified uint64
	missing  []missing
	kept     map[uint64][]byte // by index of the statement
	order    []uint64          // of kept, the oldest first
	bytes    int               // of kept
}

// missing is a batch whose attachment the source does not have.
type missing struct {
	index   uint64
	expires statement.Time
}

// attachment is what a source gave as a statement's attachment.
type attachment struct {
	data  []byte // nil: it has none
	wrong error  // it is not the one that the statement describes
}

// lied says that a source gave another attachment than the one asked for.
type lied struct {
	index uint64
	got   [sha256.Size]byte
	want  [sha256.Size]byte
}

// Error implements error.
func (l *lied) Error() string {
	return fmt.Sprintf("its attachment has SHA-256 %x, it describes %x", l.got, l.want)
}

func newBatches(c Config) *batches { return &batches{config: c, kept: map[uint64][]byte{}} }

// of gives, for each statement of a chunk in order, its attachment.
func (b *batches) of(ctx context.Context, c *chunk) iter.Seq2[attachment, error] {
	return func(yield func(attachment, error) bool) {
		var wanted []int // places in the chunk
		for i, u := range c.said {
			if u.Statement().Body.Kind().HasAttachment() && !b.config.SkipAttachments {
				wanted = append(wanted, i)
			}
		}
		next, stop := iter.Pull2(inOrder(ctx, uint64(len(wanted)), b.config.Workers, func(ctx context.Context, n uint64) (attachment, error) {
			i := wanted[n]
			return b.fetch(ctx, c.first+uint64(i), c.said[i])
		}))
		defer stop()
		taken := 0
		for i := range c.said {
			var a attachment
			var err error
			if taken < len(wanted) && wanted[taken] == i {
				taken++
				a, err, _ = next()
			}
			if !yield(a, err) || err != nil {
				return
			}
		}
	}
}

// fetch fetches a statement's attachment and holds it against its description.
func (b *batches) fetch(ctx context.Context, index uint64, u *statement.Unverified) (attachment, error) {
	said := u.Statement()
	batch := batchOf(&said)
	data, err := b.get(ctx, index, batch.Digest)
	var lie *lied
	switch {
	case errors.As(err, &lie):
		return attachment{wrong: lie}, nil
	case err != nil || data == nil:
		return attachment{}, err
	}
	return attachment{data: data, wrong: batch.CheckAttachment(data)}, nil
}

// get fetches an attachment; nil if the source has it not. The error is a *lied
// if it gave another.
func (b *batches) get(ctx context.Context, index uint64, digest [sha256.Size]byte) ([]byte, error) {
	data, err := b.config.Source.Attachment(ctx, digest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if got := sha256.Sum256(data); got != digest {
		return nil, &lied{index: index, got: got, want: digest}
	}
	return data, nil
}

// keep keeps a verified attachment for the seals to come, and counts it.
func (b *batches) keep(index uint64, said *statement.Statement, a attachment) {
	if a.data == nil {
		b.missing = append(b.missing, missing{index, batchOf(said).Expires})
		return
	}
	b.verified++
	b.kept[index] = bytes.Clone(a.data)
	b.order = append(b.order, index)
	for b.bytes += len(a.data); b.bytes > maxKeptBytes; b.order = b.order[1:] {
		b.bytes -= len(b.kept[b.order[0]])
		delete(b.kept, b.order[0])
	}
}

// again gives the attachment of a batch that was replayed before; nil if it is
// not to be had.
func (b *batches) again(ctx context.Context, index uint64, digest [sha256.Size]byte) ([]byte, error) {
	if data, is := b.kept[index]; is || b.config.SkipAttachments {
		return data, nil
	}
	return b.get(ctx, index, digest)
}

// count tells the erased from the absent.
func (b *batches) count(lastSeal statement.Time) Batches {
	out := Batches{Verified: b.verified}
	for _, m := range b.missing {
		if m.expires <= lastSeal {
			out.Erased++
		} else {
			out.Absent++
		}
	}
	return out
}

// batchOf is what a statement says of its attachment; nil for a kind without one.
func batchOf(s *statement.Statement) *statement.Batch {
	switch b := s.Body.(type) {
	case *statement.Revoke:
		return &b.Batch
	case *statement.Reinstate:
		return &b.Batch
	}
	return nil
}
