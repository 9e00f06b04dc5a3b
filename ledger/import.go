package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"

	"concordat/ledger/backup"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
)

// Imported is what became of a backup.
type Imported struct {
	Manifest  backup.Manifest
	Size      uint64                // statements in the ledger now
	LeftOut   uint64                // statements that the backup has, and nobody vouches for
	Certified *checkpoint.Certified // nil: the backup has no certified checkpoint
	// Validators are those who vouch for it.
	Validators checkpoint.Validators
}

// Import builds a ledger in o.Dir, where there must be none, from a backup, and
// verifies all of it as an auditor would who has only the genesis: that a quorum
// vouches for the checkpoint, by every change of validators since the founding;
// each block's signature, each statement's, and the state's verdict on it; that
// the tree is the checkpoint's; and then the ledger itself, from its bytes
// (Check). It needs memory for the whole state.
//
// What is above the certified checkpoint is left out, because the network may
// have gone on without it; uncertified takes it too, which is for where the
// network itself is to go on from it. What is imported has no place in an order:
// Head().Applied stays zero until Adopt, or a recovery, gives it one.
//
// The backup is read twice. progress, if not nil, is told how many statements of
// how many are built. The ledger is on disk and closed when Import returns; after
// an error, what is in o.Dir is of no use. Where the backup is at fault, errors
// wrap backup.ErrMalformed, backup.ErrDamaged or ErrBackup (ErrBackupNetwork).
func Import(ctx context.Context, doc *genesis.Document, o Options, from io.ReadSeeker, uncertified bool, progress func(done, total uint64)) (_ *Imported, err error) {
	i := &importing{ctx: ctx, doc: doc, progress: progress}
	if i.progress == nil {
		i.progress = func(uint64, uint64) {}
	}
	if err := i.survey(from, uncertified); err != nil {
		return nil, err
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	l, err := Open(doc, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if size := l.Head().Size; size > 0 {
		return nil, fmt.Errorf("%w: %s holds a ledger of %d statements; want none", ErrConflict, o.Dir, size)
	}
	if err := i.build(l, from); err != nil {
		return nil, err
	}
	return &i.out, i.verify(l)
}

// importing is one call of Import.
type importing struct {
	ctx      context.Context
	doc      *genesis.Document
	progress func(done, total uint64)

	end   uint64         // how much is taken
	spent statement.Time // of the newest seal that is certified: what had expired by then may be missing
	out   Imported
}

func refusedBackup(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrBackup, fmt.Errorf(format, a...))
}

// survey reads the whole backup without taking anything: is it whole, of this
// network, and vouched for?
func (i *importing) survey(from io.Reader, uncertified bool) error {
	r, err := backup.NewReader(from)
	if err != nil {
		return err
	}
	i.out.Manifest = r.Manifest()
	m := &i.out.Manifest
	if id := i.doc.ID(); m.Network != id {
		return fmt.Errorf("%w: of %q (%s), and the genesis given is that of %q (%s)", ErrBackupNetwork, r.Genesis().Network, m.Network, i.doc.Network, id)
	}
	if m.Certified > 0 {
		if i.out.Certified, err = i.vouched(r.Proof(), m.Certified); err != nil {
			return err
		}
	}
	i.end = m.Certified
	if uncertified {
		i.end = m.Size
	}
	for at := uint64(0); ; {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err := errors.Join(err, context.Cause(i.ctx)); err != nil {
			return err
		}
		// A seal is alone in its block.
		if at < m.Certified && len(b.Statements) == 1 {
			if u, err := statement.Parse(b.Statements[0]); err == nil {
				if s, is := u.Statement().Body.(*statement.SealState); is {
					i.spent = s.At
				}
			}
		}
		at += uint64(len(b.Statements))
	}
	switch {
	case i.end == 0 && m.Size > 0 && !uncertified:
		return fmt.Errorf("%w: nobody vouches for anything in it: it was made before a quorum had co-signed", ErrBackup)
	case m.Size == 0:
		return fmt.Errorf("%w: it holds no statement", ErrBackup)
	}
	return nil
}

// vouched verifies the proof that a quorum vouches for size statements, with the
// genesis and nothing else.
func (i *importing) vouched(proof []byte, size uint64) (*checkpoint.Certified, error) {
	r, err := receipt.ParseTLogProof(proof)
	if err != nil {
		return nil, refusedBackup("its proof: %w", err)
	}
	v, err := receipt.Verify(i.doc, r)
	if err != nil {
		return nil, refusedBackup("its proof: %w", err)
	}
	if have := v.Certified.Checkpoint().Size; have != size || v.Index != size-1 {
		return nil, refusedBackup("its proof is of statement %d under a checkpoint of %d, its manifest says %d", v.Index, have, size)
	}
	i.out.Validators = v.Validators
	return v.Certified, nil
}

// How much of a backup is grafted in one call.
const (
	importBlocks = 512
	importBytes  = 16 << 20
)

// build grafts what is taken, and reads the rest for the digest's sake.
func (i *importing) build(l *Ledger, from io.Reader) error {
	r, err := backup.NewReader(from)
	if err != nil {
		return err
	}
	var blocks []GraftBlock
	bytes := 0
	flush := func() error {
		if len(blocks) == 0 {
			return nil
		}
		_, err := l.Graft(blocks...)
		if l.Err() == nil && (errors.Is(err, ErrGraft) || errors.Is(err, ErrDiverged)) {
			return refusedBackup("%w", err)
		}
		blocks, bytes = blocks[:0], 0
		i.progress(l.Head().Size, i.end)
		return errors.Join(err, context.Cause(i.ctx))
	}
	for at := uint64(0); ; {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		first := at
		if at += uint64(len(b.Statements)); first >= i.end {
			continue
		}
		g := GraftBlock{Proof: b.Proof, Statements: b.Statements, Attachments: digestsOf(b.Attachments)}
		if first < i.out.Manifest.Certified {
			g.Spent = i.spent
		}
		for _, part := range [][][]byte{b.Statements, b.Attachments} {
			for _, p := range part {
				bytes += len(p)
			}
		}
		if blocks = append(blocks, g); len(blocks) >= importBlocks || bytes >= importBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// verify holds the ledger against the checkpoint, and replays it.
func (i *importing) verify(l *Ledger) error {
	head, m := l.Head(), i.out.Manifest
	if head.Size != i.end {
		return refusedBackup("a block ends at %d statements, and none at %d, which its checkpoint is of", head.Size, i.end)
	}
	if head.Size == m.Size && head.Root != m.Root {
		return refusedBackup("its %d statements have root %x, its manifest says %x", m.Size, head.Root, m.Root)
	}
	if c := i.out.Certified; c != nil {
		// The ledger's own validators have to vouch for it too.
		if err := l.Certify(c); l.Err() != nil {
			return l.Err()
		} else if err != nil {
			return refusedBackup("%w", err)
		}
	}
	i.out.Size, i.out.LeftOut = head.Size, m.Size-head.Size
	if err := l.Check(i.ctx); err != nil {
		if wrong := (*CheckError)(nil); errors.As(err, &wrong) {
			return refusedBackup("%w", err)
		}
		return err
	}
	return l.Flush()
}
