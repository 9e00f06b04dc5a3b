package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"concordat/client/authority"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// trust is what a command that verifies something is told: the founding
// document, which is all that has to be trusted.
type trust struct{ genesis, dir string }

func (g *trust) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&g.genesis, "genesis", "", "the network's founding document, from somebody whom you trust (default genesis.json in --dir)")
	cmd.Flags().StringVar(&g.dir, "dir", "", "an authority's directory, for its genesis.json")
}

// document reads the founding document; nil where none was named and none lies in --dir.
func (g *trust) document() (*genesis.Document, error) {
	path := g.genesis
	if path == "" && g.dir != "" {
		beside := filepath.Join(g.dir, "genesis.json")
		if _, err := os.Stat(beside); err == nil {
			path = beside
		}
	}
	if path == "" {
		return nil, nil
	}
	return readGenesis(path)
}

// required reads the founding document where there is no way without.
func (g *trust) required() (*genesis.Document, error) {
	doc, err := g.document()
	if err == nil && doc == nil {
		err = usage("--genesis is missing: give the network's founding document; nothing else is trusted, and nothing is proved without")
	}
	return doc, err
}

// region is the authority of --dir; empty where none was named.
func (g *trust) region() (statement.Region, error) {
	if g.dir == "" {
		return "", nil
	}
	d, err := authority.Open(g.dir, nil)
	if err != nil {
		return "", err
	}
	return d.ID(), nil
}

// stdio is the name that stands for standard input or output.
const stdio = "-"

// readInput reads a file, or standard input, of at most most bytes.
func (t *terminal) readInput(path string, most int) ([]byte, error) {
	if path != stdio {
		return readFile(path, most)
	}
	b, err := io.ReadAll(io.LimitReader(t.in, int64(most)+1))
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	if len(b) > most {
		return nil, usage("standard input has more than %d bytes", most)
	}
	return b, nil
}

// checkOutput refuses, before anything is fetched, what could not be written.
func checkOutput(cmd *cobra.Command, path string) error {
	if path == stdio {
		if asJSON(cmd) {
			return usage("--out - and --json both want standard output; give --out FILE")
		}
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w; nothing is overwritten: choose another name, or move it away", path, os.ErrExist)
	}
	return nil
}

// writeOutput writes a new file, or to standard output, byte for byte.
func (t *terminal) writeOutput(path string, data []byte) error {
	if path != stdio {
		return writeNew(path, data)
	}
	t.emitted = true
	_, err := t.rawOut.Write(data)
	return err
}

// replaceFile puts data in the place of a file, whole or not at all: whoever
// reads the path meanwhile, or after a crash, finds the old file or the new one.
func replaceFile(path string, data []byte) (err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the link stays one
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if info, statErr := os.Stat(path); statErr == nil {
		err = f.Chmod(info.Mode().Perm())
	} else {
		err = f.Chmod(0o644)
	}
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename in a directory last.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// cosigner is a validator that vouches, and when it did by its own clock.
type cosigner struct {
	Authority string `json:"authority"`
	At        string `json:"at"`
}

// certified is a certified checkpoint, as answers have it.
type certified struct {
	Origin    string     `json:"origin"` // the network's name
	Size      uint64     `json:"size"`
	Root      string     `json:"root"`
	Quorum    int        `json:"quorum"`
	Cosigners []cosigner `json:"cosigners"`
	At        string     `json:"at"` // a quorum had co-signed by then
}

func certifiedOf(c *checkpoint.Certified, vs checkpoint.Validators) certified {
	cp, at := c.Checkpoint(), c.Time()
	out := certified{Origin: cp.Origin, Size: cp.Size, Root: fmt.Sprintf("%x", cp.Root), Quorum: vs.Quorum(), At: stamp(&at), Cosigners: []cosigner{}}
	for _, s := range c.Cosigners() {
		out.Cosigners = append(out.Cosigners, cosigner{string(s.By), stamp(&s.At)})
	}
	return out
}

// certified prints who vouches for what.
func (p *printer) certified(c certified) {
	p.line("size       %d", c.Size)
	p.line("root       %s", c.Root)
	for i, s := range c.Cosigners {
		name := "co-signed"
		if i > 0 {
			name = ""
		}
		p.line("%-9s  by %s at %s", name, s.Authority, s.At)
	}
	p.line("%-9s  %d co-signatures, where %d are needed", "", len(c.Cosigners), c.Quorum)
}
