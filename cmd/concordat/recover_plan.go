package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/client/audit"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
	"concordat/node"
)

// recoveryPlanning is what recover plan is told.
type recoveryPlanning struct {
	trust
	validators, reason, out                string
	checkpoints, receipts, bundles, asking []string
}

func newRecoverPlan(t *terminal) *cobra.Command {
	var r recoveryPlanning
	cmd := &cobra.Command{
		Use:   "plan --dir DIR --validators XA,XB --reason TEXT --out FILE",
		Short: "Make the plan to go on with a survivor's ledger, held against what is known",
		Long: `  concordat recover plan --dir xa --validators XA,XB --reason 'two data centres burnt' --out plan.json
  concordat recover plan --dir xa --validators XA,XB --reason '…' --out plan.json --receipt last.receipt --checkpoint witness.note --node http://127.0.0.1:8461

Reads the ledger of a survivor that is stopped. It refuses where that ledger has
less than anything certified that this node knows of: what it called final, what
it signed itself, and whatever is handed in. Hand in all that can be found: the
newest receipts of every authority, verifiers' bundles, witnesses' checkpoints;
and name every node that still answers (an observer, or a validator whose disk is
left and that is no majority).

Make the plan on the survivor that has the most statements: audit --dir says how
many each has. --validators are those who go on, each with
a disk that has this ledger or a backup of it.

Exit code 1 (would-lose): it would lose what is certified, or may be. 4: what was
handed in is of another history than this ledger.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd, t) },
	}
	r.trust.flags(cmd)
	cmd.Flags().Lookup("dir").Usage = "the survivor's `DIR`; its genesis.json is the default of --genesis"
	f := cmd.Flags()
	f.StringVar(&r.validators, "validators", "", "who goes on, parted by commas, like `XA,XB`")
	f.StringVar(&r.reason, "reason", "", "why, in the ledger for good")
	f.StringVar(&r.out, "out", "", "`FILE` for the plan, which must not be there yet")
	f.StringArrayVar(&r.checkpoints, "checkpoint", nil, "`FILE` with a signed checkpoint, of a node or a witness; repeat it")
	f.StringArrayVar(&r.receipts, "receipt", nil, "`FILE` with a receipt; repeat it")
	f.StringArrayVar(&r.bundles, "bundle", nil, "`FILE` with a bundle; repeat it")
	f.StringArrayVar(&r.asking, "node", nil, "base `URL` of a node that still answers; repeat it")
	require(cmd, "dir", "validators", "reason", "out")
	return cmd
}

func (r *recoveryPlanning) run(cmd *cobra.Command, t *terminal) (err error) {
	if r.out == stdio {
		return usage("--out is a file: it goes from hand to hand")
	}
	if err := checkOutput(cmd, r.out); err != nil {
		return err
	}
	doc, err := r.required()
	if err != nil {
		return err
	}
	var going []statement.Region
	for _, s := range strings.Split(r.validators, ",") {
		id, err := statement.ParseRegion(strings.TrimSpace(s))
		if err != nil {
			return usage("--validators: %w", err)
		}
		going = append(going, id)
	}
	survivor, err := node.OpenSurvivor(r.dir, doc, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, survivor.Close()) }()
	known, err := r.known(t, doc, survivor)
	if err != nil {
		return err
	}
	told, remarks, err := r.ask(cmd.Context(), survivor)
	if err != nil {
		return err
	}
	findings, err := survivor.Hold(append(known, told...))
	if err != nil {
		return err
	}
	for _, remark := range remarks {
		t.say("remark: %s", remark)
	}
	f, err := survivor.Plan(going, r.reason, time.Now().UTC().Format(time.RFC3339), append(findings, remarks...))
	if err != nil {
		return err
	}
	if !slices.Contains(going, survivor.Me()) {
		t.say("remark: %s, whose ledger this is, does not go on", survivor.Me())
	}
	if err := t.writeOutput(r.out, f.Encode()); err != nil {
		return err
	}
	a := plannedOf(r.out, f)
	return t.emit(cmd, a, a.print)
}

// known reads and verifies what was handed in.
func (r *recoveryPlanning) known(t *terminal, doc *genesis.Document, s *node.Survivor) (known []node.Known, err error) {
	for _, path := range r.checkpoints {
		raw, err := t.readInput(path, checkpoint.MaxNote)
		if err != nil {
			return nil, err
		}
		k, err := s.Note("the checkpoint in "+path, raw)
		if err != nil {
			return nil, err
		}
		known = append(known, k)
	}
	for _, path := range r.receipts {
		raw, err := t.readInput(path, receipt.MaxSize)
		if err != nil {
			return nil, err
		}
		_, parsed, err := parseReceipt(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		v, err := receipt.Verify(doc, parsed)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		known = append(known, node.Known{From: "the receipt in " + path, Checkpoint: v.Certified.Checkpoint()})
	}
	for _, path := range r.bundles {
		raw, err := t.readInput(path, client.MaxBundle)
		if err != nil {
			return nil, err
		}
		b, err := parseBundle(doc, raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		known = append(known, node.Known{From: "the bundle in " + path, Checkpoint: b.Certified().Checkpoint()})
	}
	return known, nil
}

// askFor is how long a node may take to answer.
const askFor = 20 * time.Second

// ask has nodes that still answer tell what they call final. One that has a
// leader with a majority behind it says that there is nothing to recover.
func (r *recoveryPlanning) ask(ctx context.Context, s *node.Survivor) (known []node.Known, remarks []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	for _, u := range r.asking {
		c, err := client.New([]string{u})
		if err != nil {
			return nil, nil, usage("--node: %w", err)
		}
		status, err := c.Status(ctx)
		if err != nil {
			remarks = append(remarks, fmt.Sprintf("the node at %s could not be asked: %.200v", u, err))
			continue
		}
		if status.Quorum {
			return nil, nil, client.Fail("network-runs", "the node at %s has a leader with a majority behind it: the network goes on, and nothing is to be recovered", u).
				WithStatus(409).WithHint("a node that lost its disk is started again, and fetches what it lacks from the others")
		}
		if have := s.Head().Size; status.Size > have {
			remarks = append(remarks, fmt.Sprintf("the node at %s says that it has %d statements, and this ledger has %d: %d would be lost that were ordered", u, status.Size, have, status.Size-have))
		}
		source, err := audit.HTTP(u, nil)
		if err != nil {
			return nil, nil, usage("--node: %w", err)
		}
		raw, err := source.Checkpoint(ctx)
		if err != nil {
			remarks = append(remarks, fmt.Sprintf("the node at %s gave no checkpoint: %.200v", u, err))
			continue
		}
		k, err := s.Note("the checkpoint of the node at "+u, raw)
		if err != nil {
			return nil, nil, err
		}
		known = append(known, k)
	}
	return known, remarks, nil
}
