package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"concordat/ledger"
	"concordat/ledger/genesis"
)

func newRestore(t *terminal) *cobra.Command {
	var r restoring
	cmd := &cobra.Command{
		Use:   "restore FILE --dir DIR",
		Short: "Build a node's ledger from a backup, and verify all of it",
		Long: `  concordat restore xa.backup --dir new --genesis genesis.json
  concordat node run --dir new

Replays every statement, as an auditor would who has only the founding document:
signatures, verdicts, tree and state, and that a quorum vouches for the result.
DIR is a node's directory without a ledger; nothing that lies there is changed.

What nobody vouches for is left out: the network may have gone on without it. The
node has no votes afterwards, and has forgotten what it co-signed. So it fetches
what it lacks from the others, votes for nobody and co-signs nothing until that
is safe. If there are no others, see: concordat recover. --uncertified takes all
that is in the backup, and is for that alone.

Exit code 4: the backup was cut short or changed, or is of another network; then
nothing is left in DIR.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			doc, err := r.required()
			if err != nil {
				return err
			}
			answer, err := r.run(cmd.Context(), t, doc, args[0])
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return t.emit(cmd, answer, answer.print)
		},
	}
	r.trust.flags(cmd)
	cmd.Flags().Lookup("dir").Usage = "the node's `DIR`; its genesis.json is the default of --genesis"
	cmd.Flags().BoolVar(&r.uncertified, "uncertified", false, "take what nobody vouches for too; only for a recovery")
	require(cmd, "dir")
	return cmd
}

// restoring is what restore is told.
type restoring struct {
	trust
	uncertified bool
}

// restored is what restore answers.
type restored struct {
	Backup    backedUp   `json:"backup"`
	Dir       string     `json:"dir"`
	Size      uint64     `json:"size"`
	LeftOut   uint64     `json:"leftOut"`
	Certified *certified `json:"checkpoint,omitempty"`
	Votes     bool       `json:"votes"` // there were votes of this node's already, which hold
}

// restoringSuffix is of the directory beside its place in which the ledger is
// built. A crash leaves it there, for the next restore to remove, or the whole
// ledger in its place.
const restoringSuffix = ".restoring"

func (r *restoring) run(ctx context.Context, t *terminal, doc *genesis.Document, file string) (_ *restored, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data := filepath.Join(r.dir, "data")
	place := filepath.Join(data, "ledger")
	if err := vacant(place); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	beside := place + restoringSuffix
	if err := os.RemoveAll(beside); err != nil { // what a crash left
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(beside))
		}
	}()
	m := newMeter(t, "statements")
	got, err := ledger.Import(ctx, doc, ledger.Options{Dir: beside, Logger: slog.New(slog.DiscardHandler)}, f, r.uncertified, m.set)
	m.done()
	if err != nil {
		return nil, err
	}
	if err := syncDir(beside); err != nil {
		return nil, err
	}
	if err := vacant(place); err != nil {
		return nil, err
	}
	if err := os.Rename(beside, place); err != nil {
		return nil, err
	}
	if err := errors.Join(syncDir(data), syncDir(r.dir)); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	out := &restored{Backup: backedUpOf(file, info.Size(), got.Manifest), Dir: r.dir, Size: got.Size, LeftOut: got.LeftOut}
	if got.Certified != nil {
		c := certifiedOf(got.Certified, got.Validators)
		out.Certified = &c
	}
	_, err = os.Lstat(filepath.Join(data, "raft", "raft.db"))
	out.Votes = err == nil
	return out, nil
}

// vacant refuses a place where something lies: a ledger is never written over.
func vacant(place string) error {
	found, err := os.ReadDir(place)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(found) > 0:
		return fmt.Errorf("%s: %w; nothing is written over: a node that has a ledger needs no backup; if it is damaged, move it away", place, os.ErrExist)
	}
	return nil
}

func (a *restored) print(w io.Writer) error {
	p := &printer{w: w}
	p.line("restored and verified: %d statements of network %s, from a backup of %s, in %s", a.Size, short(a.Backup.Network), a.Backup.At, a.Dir)
	if a.LeftOut > 0 {
		p.line("left out   the last %d, for which nobody vouches", a.LeftOut)
	}
	if a.Certified != nil {
		p.certified(*a.Certified)
	}
	if a.Votes {
		p.line("next       start the node, without --found: its votes are where they were, and it fetches what it lacks")
	} else {
		p.line("next       start the node, without --found: it fetches what it lacks from the others, and neither votes nor co-signs until that is safe")
	}
	return p.err
}
