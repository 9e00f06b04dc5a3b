package witness

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
)

// record is what was co-signed last of one log. Its file is the signed note
// itself, with the log's lines and ours, so that our own signature tells
// whether it is whole, and it can be served as it stands.
type record struct {
	path   string
	own    *checkpoint.CosignatureVerifier
	origin string

	mu     sync.Mutex // held while a checkpoint is judged and written (W2)
	size   uint64
	root   merkle.Hash
	at     time.Time // of our co-signature
	note   []byte    // nil: nothing was co-signed yet
	broken error     // why this log is witnessed no more (W3)
}

// OriginHash is the name under which a log's newest co-signed checkpoint is
// kept and served: SHA-256 of its origin, in hex (C2SP tlog-witness).
func OriginHash(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return hex.EncodeToString(sum[:])
}

// openRecord reads what was co-signed last of a log. A missing file means
// nothing; one that is not ours or not whole is an error (W3).
func openRecord(dir, origin string, own *checkpoint.CosignatureVerifier) (*record, error) {
	r := &record{path: filepath.Join(dir, OriginHash(origin)+".note"), own: own, origin: origin, root: merkle.EmptyRoot()}
	raw, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = r.read(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("the state of log %q in %s: %w; a witness that lost its state must not sign under its key again: "+
			"mend the file from what the log itself shows as co-signed, or stop witnessing this log", origin, r.path, err)
	}
	return r, nil
}

func (r *record) read(raw []byte) error {
	text, lines, err := checkpoint.SplitNote(raw)
	if err != nil {
		return err
	}
	c, _, err := checkpoint.ParseForeign(text)
	if err != nil {
		return err
	}
	if c.Origin != r.origin {
		return fmt.Errorf("it is of log %q", c.Origin)
	}
	for _, line := range lines {
		at, err := r.own.VerifyLine(text, line)
		if errors.Is(err, checkpoint.ErrUnknownSigner) {
			continue
		}
		if err != nil {
			return err
		}
		r.size, r.root, r.at, r.note = c.Size, c.Root, at, raw
		return nil
	}
	return errors.New("it is not co-signed by this witness's key")
}

// writeLocked makes note, with our line in it, what was co-signed last. If it
// fails nobody knows what is on the disk, and the log is witnessed no more.
func (r *record) writeLocked(c checkpoint.Checkpoint, at time.Time, note []byte) error {
	if err := writeDurably(r.path, note); err != nil {
		r.broken = fmt.Errorf("writing what is co-signed of %q failed, restart the node when its disk works: %w", r.origin, err)
		return r.broken
	}
	r.size, r.root, r.at, r.note = c.Size, c.Root, at, note
	return nil
}

// writeDurably replaces a file in one step that survives a crash of the machine.
func writeDurably(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+strings.TrimSuffix(filepath.Base(path), ".note")+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// What failed is told; a temporary file left behind harms nobody.
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a directory's entries durable: without it a rename may be undone by a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
