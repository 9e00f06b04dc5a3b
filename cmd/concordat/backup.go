package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/backup"
)

func newBackup(t *terminal) *cobra.Command {
	var b backingUp
	cmd := &cobra.Command{
		Use:   "backup --out FILE",
		Short: "Take a backup of a node's ledger, while it runs or while it is stopped",
		Long: `  concordat backup --node http://127.0.0.1:8460 --dir xa --out xa.backup   # of a node that runs
  concordat backup --dir xa --out xa.backup                                # of one that is stopped
  concordat restore xa.backup --dir new --genesis genesis.json

The backup has what every node of the network has: the founding document, every
statement in its block, the revoked hashes that have not expired, and the proof
that a quorum vouches for it. It has no key, no vote, nothing of what this node
co-signed, and no token: a node that began again with a copy of these would
contradict itself. Keys are backed up once, by themselves, encrypted.

With --node the node writes the backup, and wants its operator's token, which it
has put into --dir. The file appears whole or not at all, and is read again
before: exit code 4 if what came is not what was written. 3: the node could not
be asked.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return b.run(cmd, t) },
	}
	b.trust.flags(cmd)
	cmd.Flags().Lookup("dir").Usage = "`DIR` of the node: for its operator's token, or, without --node, for its data"
	f := cmd.Flags()
	f.StringVar(&b.node, "node", "", "base `URL` of the node, if it runs")
	f.StringVar(&b.out, "out", "", "`FILE` to write")
	f.BoolVar(&b.force, "force", false, "write over FILE if it is there")
	require(cmd, "out", "dir")
	return cmd
}

// backingUp is what backup is told.
type backingUp struct {
	trust
	node, out string
	force     bool
}

// backedUp is what backup answers.
type backedUp struct {
	File      string `json:"file"`
	Bytes     int64  `json:"bytes"`
	Network   string `json:"network"`
	Size      uint64 `json:"size"` // statements
	Root      string `json:"root"`
	Certified uint64 `json:"certified"` // so many of them under a certified checkpoint
	At        string `json:"at"`
	Version   string `json:"version"` // of the program that made it
}

func backedUpOf(file string, bytes int64, m backup.Manifest) backedUp {
	at := time.Unix(m.Time, 0)
	return backedUp{
		File: file, Bytes: bytes, Network: m.Network.String(), Size: m.Size, Root: fmt.Sprintf("%x", m.Root),
		Certified: m.Certified, At: stamp(&at), Version: m.Version,
	}
}

func (b *backingUp) run(cmd *cobra.Command, t *terminal) error {
	if b.out == stdio {
		return usage("--out is a file: a backup is read again before it counts")
	}
	if !b.force {
		if err := checkOutput(cmd, b.out); err != nil {
			return fmt.Errorf("%w; or give --force", err)
		}
	}
	var answer backedUp
	err := writeWhole(b.out, b.force, func(f *os.File) (err error) {
		if b.node != "" {
			err = b.fetch(cmd, t, f)
		} else {
			err = b.read(cmd, f)
		}
		if err != nil {
			return err
		}
		answer, err = b.readAgain(f)
		return err
	})
	if err != nil {
		return err
	}
	return t.emit(cmd, answer, answer.print)
}

// fetch has the running node write its backup.
func (b *backingUp) fetch(cmd *cobra.Command, t *terminal, w io.Writer) error {
	c, err := client.New([]string{b.node})
	if err != nil {
		return usage("--node: %w", err)
	}
	token, err := operatorToken(b.dir)
	if err != nil {
		return err
	}
	m := newMeter(t, "backup")
	m.bytes = true
	defer m.done()
	return c.Backup(cmd.Context(), token, w, func(n int64) { m.set(uint64(n), 0) })
}

// read writes the backup of a node that is stopped.
func (b *backingUp) read(cmd *cobra.Command, w io.Writer) (err error) {
	doc, err := b.required()
	if err != nil {
		return err
	}
	l, err := openStopped(doc, b.dir)
	if errors.Is(err, ledger.ErrLocked) {
		return fmt.Errorf("the node runs: name it with --node URL: %w", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	v := l.View()
	defer func() { err = errors.Join(err, v.Close()) }()
	return l.Export(v, interrupted{cmd.Context().Err, w}, time.Now(), version, nil)
}

// interrupted writes until somebody wants it to end.
type interrupted struct {
	end func() error
	io.Writer
}

func (i interrupted) Write(p []byte) (int, error) {
	if err := i.end(); err != nil {
		return 0, err
	}
	return i.Writer.Write(p)
}

// readAgain sees that what was written is a whole backup, of the right network
// where that is known.
func (b *backingUp) readAgain(f *os.File) (backedUp, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return backedUp{}, err
	}
	m, err := backup.Verify(f)
	if err != nil {
		return backedUp{}, err
	}
	doc, err := b.document()
	if err != nil {
		return backedUp{}, err
	}
	if doc != nil && doc.ID() != m.Network {
		return backedUp{}, fmt.Errorf("%w: %s, and the founding document is that of %s (%q)", ledger.ErrBackupNetwork, m.Network, doc.ID(), doc.Network)
	}
	info, err := f.Stat()
	if err != nil {
		return backedUp{}, err
	}
	return backedUpOf(b.out, info.Size(), m), nil
}

func (a *backedUp) print(w io.Writer) error {
	p := &printer{w: w}
	p.line("%s: %d statements of network %s, %d bytes, made at %s by %s", a.File, a.Size, short(a.Network), a.Bytes, a.At, a.Version)
	p.line("root       %s", a.Root)
	switch {
	case a.Certified == 0:
		p.line("certified  nothing yet: it can be restored with --uncertified only")
	case a.Certified < a.Size:
		p.line("certified  the first %d; the %d after them are restored with --uncertified only", a.Certified, a.Size-a.Certified)
	default:
		p.line("certified  all of them")
	}
	return p.err
}

// writeWhole makes a file that is there whole or not at all, whatever crashes,
// and that its owner alone may read. Without force it takes no other's place.
func writeWhole(path string, force bool, fill func(*os.File) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if gone := os.Remove(f.Name()); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}()
	if err = fill(f); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if force {
		err = os.Rename(f.Name(), path)
	} else {
		err = os.Link(f.Name(), path) // which takes nobody's place
	}
	if err != nil {
		return err
	}
	return syncDir(dir)
}
