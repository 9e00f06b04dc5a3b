package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"concordat/client/authority"
	"concordat/ledger/recovery"
	"concordat/node"
)

func newRecoverSeal(t *terminal) *cobra.Command {
	var g trust
	var key string
	cmd := &cobra.Command{
		Use:   "seal PLAN --dir DIR",
		Short: "Make the one block of a plan that enough have signed, on the node that the plan names",
		Long: `  concordat recover seal plan.json --dir xa
  concordat recover seal plan.json --dir xa --key stick/governance.key

Signs the recovery as a statement, with the governance key, and the block that
holds it, with the node's, and puts both into the file. Only the authority that
the plan names can, and it makes one for a lineage: it writes down which, and
gives the same again. From then on nobody signs the plan any more.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			f, s, err := survivorOf(&g, args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			i := slices.IndexFunc(f.Electors, func(e recovery.Elector) bool { return e.Authority == s.Me() })
			if i < 0 || s.Me() != f.Proposer {
				return fmt.Errorf("%w: %s makes its block, and %s is the directory of %s", node.ErrPlan, f.Proposer, g.dir, s.Me())
			}
			if err := f.Complete(); err != nil {
				return err
			}
			governance, err := governanceKey(t, g.dir, key, f.Electors[i].Governance)
			if err != nil {
				return err
			}
			d, err := authority.Open(g.dir, t.passphrase)
			if err != nil {
				return err
			}
			public, err := s.NodeKey()
			if err != nil {
				return err
			}
			nodeKey, err := d.KeyFor(authority.Node, public)
			if err != nil {
				return err
			}
			sealed, err := s.Seal(f, governance, nodeKey.Ed25519(), time.Now())
			if err != nil {
				return err
			}
			if err := keepPlan(args[0], sealed); err != nil {
				return err
			}
			a := plannedOf(args[0], sealed)
			return t.emit(cmd, a, a.print)
		},
	}
	g.flags(cmd)
	cmd.Flags().Lookup("dir").Usage = "the node's `DIR`; its genesis.json is the default of --genesis"
	cmd.Flags().StringVar(&key, "key", "", "`FILE` of the governance key, where it is kept elsewhere")
	require(cmd, "dir")
	return cmd
}

// recovered is what recover apply answers.
type recovered struct {
	Dir        string   `json:"dir"`
	Statement  uint64   `json:"statement"` // the recovery's index
	Size       uint64   `json:"size"`
	Lineage    uint64   `json:"lineage"`
	Log        string   `json:"log"`
	Validators []string `json:"validators"`
	Already    bool     `json:"already"`
}

func newRecoverApply(t *terminal) *cobra.Command {
	var g trust
	var first bool
	cmd := &cobra.Command{
		Use:   "apply PLAN --dir DIR",
		Short: "Begin the new lineage on a survivor, with the block that the plan has",
		Long: `  concordat recover apply plan.json --dir xa
  concordat node run --dir xa

On every survivor that goes on, with its node stopped. Its ledger must be exactly
the one that was signed; one that has less is replaced by a backup of one that has
it: concordat backup --dir there, concordat restore --uncertified here.

Verifies the signatures by the keys that the ledger has, appends the block, keeps
what was signed for the old lineage aside, and begins Raft anew with those who go
on. Wherever it is interrupted, type it again. --first-time is for a survivor that
does not know what it has signed, because its disk was new: say it only if this
authority has applied the plan on no other machine.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			f, s, err := survivorOf(&g, args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			r, err := s.Apply(f, first)
			if err != nil {
				return err
			}
			a := &recovered{Dir: g.dir, Statement: r.Index, Size: r.Size, Lineage: r.Lineage, Log: r.Log, Validators: []string{}, Already: r.Already}
			for _, id := range r.Validators {
				a.Validators = append(a.Validators, string(id))
			}
			return t.emit(cmd, a, a.print)
		},
	}
	g.flags(cmd)
	cmd.Flags().Lookup("dir").Usage = "the node's `DIR`; its genesis.json is the default of --genesis"
	cmd.Flags().BoolVar(&first, "first-time", false, "this authority has applied this plan on no other machine")
	require(cmd, "dir")
	return cmd
}

func (a *recovered) print(w io.Writer) error {
	p := &printer{w: w}
	if a.Already {
		p.line("%s: lineage %d had begun here already; nothing was changed", a.Dir, a.Lineage)
	} else {
		p.line("%s: lineage %d begins, with statement %d; its checkpoints are of the log %q", a.Dir, a.Lineage, a.Statement, a.Log)
	}
	p.line("next: when %s have applied it, start their nodes, without --found", namesOf(a.Validators))
	return p.err
}

// survivorOf reads a plan, and opens the stopped node that it is to be carried out at.
func survivorOf(g *trust, path string) (*recovery.File, *node.Survivor, error) {
	f, doc, err := readPlan(g, path)
	if err != nil {
		return nil, nil, err
	}
	if doc == nil {
		return nil, nil, usage("--genesis is missing: give the network's founding document")
	}
	s, err := node.OpenSurvivor(g.dir, doc, slog.New(slog.DiscardHandler))
	return f, s, err
}
