package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"concordat/ledger/genesis"
	"concordat/ledger/recovery"
)

func newRecover(t *terminal) *cobra.Command {
	return group("recover", "Go on after a majority of the validators' disks is lost for good",
		`  concordat recover plan --dir xa --validators XA,XB --reason 'two data centres burnt' --receipt last.receipt --out plan.json
  concordat recover sign plan.json --dir xb-offline      # a majority of the validators' authorities, each with its governance key
  concordat recover seal plan.json --dir xa --key xa-offline/governance.key   # whom the plan names, once
  concordat recover apply plan.json --dir xa             # every survivor that goes on
  concordat recover show plan.json

With a majority of the disks gone, nobody can say what was ordered last, and no
leader is elected any more. A recovery takes the ledger of one survivor as all
that there is, and begins a new lineage with those who go on: it says so in the
ledger, in every receipt and to every verifier. What others ordered beyond it is
void. As long as any disk of the majority may come back, do not recover: wait.
docs/operations/recover.md has the whole story.`,
		newRecoverPlan(t), newRecoverSign(t), newRecoverSeal(t), newRecoverApply(t), newRecoverShow(t))
}

// readPlan reads a plan's file, and its network's founding document if one was given.
func readPlan(g *trust, path string) (*recovery.File, *genesis.Document, error) {
	raw, err := readFile(path, recovery.MaxSize)
	if err != nil {
		return nil, nil, err
	}
	f, err := recovery.Parse(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	doc, err := g.document()
	if err != nil {
		return nil, nil, err
	}
	if doc != nil && recovery.Digest(doc.ID()) != f.NetworkID {
		return nil, nil, fmt.Errorf("%s: %w: it is of network %x, the founding document is that of %s (%q)", path, recovery.ErrMalformed, f.NetworkID, doc.ID(), doc.Network)
	}
	return f, doc, nil
}

// planned is what the commands answer that show a plan.
type planned struct {
	File     string         `json:"file"`
	Plan     *recovery.File `json:"plan"`
	Words    []string       `json:"words"`
	Needed   int            `json:"needed"`   // signatures
	Unsigned []string       `json:"unsigned"` // who can still sign
	Sealed   bool           `json:"sealed"`   // the block is made
	Next     string         `json:"next"`
}

func plannedOf(path string, f *recovery.File) *planned {
	a := &planned{File: path, Plan: f, Words: f.Words(), Needed: f.Needed(), Unsigned: []string{}, Sealed: f.Block != nil}
	for _, id := range f.Unsigned() {
		a.Unsigned = append(a.Unsigned, string(id))
	}
	switch {
	case a.Sealed:
		a.Next = fmt.Sprintf("each of %s, on its stopped node: concordat recover apply %s --dir DIR", namesOf(f.Validators), path)
	case f.Complete() == nil:
		a.Next = fmt.Sprintf("%s, on its stopped node: concordat recover seal %s --dir DIR", f.Proposer, path)
	default:
		a.Next = fmt.Sprintf("%d more of %s: concordat recover sign %s --dir DIR", a.Needed-len(f.Signatures), namesOf(f.Unsigned()), path)
	}
	return a
}

func (a *planned) print(w io.Writer) error {
	p := &printer{w: w}
	for _, line := range a.Words {
		p.line("%s", line)
	}
	p.line("next: %s", a.Next)
	return p.err
}

func newRecoverShow(t *terminal) *cobra.Command {
	var g trust
	cmd := &cobra.Command{
		Use:   "show PLAN",
		Short: "Say what a plan would do, who has signed it, and what is to be done next",
		Long: `  concordat recover show plan.json
  concordat recover show --json plan.json --genesis genesis.json

Verifies every signature in the plan by the key that stands beside it. That these
are the keys of the network's validators, each survivor's ledger says: seal and
apply look there. Exit code 4: a signature is not genuine.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, _, err := readPlan(&g, args[0])
			if err != nil {
				return err
			}
			a := plannedOf(args[0], f)
			return t.emit(cmd, a, a.print)
		},
	}
	g.flags(cmd)
	return cmd
}

// keepPlan writes a plan in the place of its file.
func keepPlan(path string, f *recovery.File) error {
	// Nobody is to sign what was read and has changed since.
	if _, err := recovery.Parse(f.Encode()); err != nil {
		return err
	}
	if err := replaceFile(path, f.Encode()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// namesOf joins names for a sentence.
func namesOf[T ~string](ids []T) string {
	out := ""
	for i, id := range ids {
		if i > 0 {
			out += ", "
		}
		out += string(id)
	}
	return out
}
