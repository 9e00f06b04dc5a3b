package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"concordat/ledger/backup"
)

// Export writes a backup of what the view shows (package backup): what every
// node of the network has, and nothing that is this node's own. now and version
// say when and by what it was made. It reads a pinned state, and neither waits
// for what is applied meanwhile nor mixes with it. Before the first byte it calls
// begin, which may be nil, with what the backup will say of itself. The error is
// w's, or the store's.
func (l *Ledger) Export(v *View, w io.Writer, now time.Time, version string, begin func(backup.Manifest)) error {
	if v.err != nil {
		return v.err
	}
	head := v.Head()
	m := backup.Manifest{Network: l.network, Size: head.Size, Root: head.Root, Time: now.Unix(), Version: version}
	proof, certified, err := v.lastCertified()
	if err != nil {
		return v.blame(err)
	}
	m.Certified = certified
	if begin != nil {
		begin(m)
	}
	out, err := backup.NewWriter(w, m, l.genesis.Encode(), proof)
	if err != nil {
		return err
	}
	for at := uint64(0); at < head.Size; {
		blocks, err := v.Blocks(at, exportPage)
		if err != nil {
			return err
		}
		if len(blocks) == 0 {
			return v.blame(fmt.Errorf("%w: no block holds statement %d", ErrCorrupt, at))
		}
		for _, b := range blocks {
			whole, err := v.exported(b)
			if err != nil {
				return err
			}
			if err := out.Block(whole); err != nil {
				return err
			}
			at = b.First + b.Count
		}
	}
	return out.Close()
}

// exportPage is how many blocks' records are read at once.
const exportPage = 64

// exported reads a block with all that belongs to it.
func (v *View) exported(b Block) (backup.Block, error) {
	out := backup.Block{Proof: b.Proof}
	for i := range b.Count {
		e, err := v.ByIndex(b.First + i)
		if err != nil {
			return out, err
		}
		out.Statements = append(out.Statements, e.Raw())
		said := e.Statement()
		digest, has := attachmentDigest(&said)
		if !has {
			continue
		}
		erased, err := v.pin.get(indexKey(tableErased, e.Index))
		if err != nil {
			return out, err
		}
		if erased != nil {
			continue
		}
		a, err := v.Attachment(digest)
		if errors.Is(err, ErrNotFound) {
			return out, v.blame(fmt.Errorf("%w: statement %d is not marked as erased, and its attachment is not there: %w", ErrCorrupt, e.Index, err))
		}
		if err != nil {
			return out, err
		}
		out.Attachments = append(out.Attachments, a)
	}
	return out, nil
}

// lastCertified is a receipt of the last statement under the newest certified
// checkpoint, as a tlog-proof, and that checkpoint's size; nothing where none is kept.
func (v *View) lastCertified() (proof []byte, size uint64, err error) {
	c := v.Certified()
	if c == nil || c.Checkpoint().Size == 0 {
		return nil, 0, nil
	}
	size = c.Checkpoint().Size
	r, err := v.Receipt(size-1, c.Note())
	if err != nil {
		return nil, 0, err
	}
	proof, err = r.TLogProof()
	return proof, size, err
}

var (
	// ErrBackup: a backup is not what the network of the genesis vouches for.
	ErrBackup = errors.New("backup refused")
	// ErrBackupNetwork: a backup is of another network than the genesis.
	ErrBackupNetwork = fmt.Errorf("%w: it is of another network", ErrBackup)
)

// digestsOf gives attachments by their SHA-256.
func digestsOf(attachments [][]byte) map[[32]byte][]byte {
	out := make(map[[32]byte][]byte, len(attachments))
	for _, a := range attachments {
		out[sha256.Sum256(a)] = a
	}
	return out
}
