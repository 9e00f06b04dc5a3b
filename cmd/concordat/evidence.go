package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/evidence"
	"concordat/ledger/genesis"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
)

func newEvidence(t *terminal) *cobra.Command {
	return group("evidence", "See who was caught telling two histories, and check the proof",
		`  concordat evidence list
  concordat evidence get XC --out xc.evidence
  concordat evidence verify xc.evidence --genesis genesis.json

A validator that signs two histories is proved to have done so by its own
signatures. The proof is a file that anybody can check alone. Whoever is proved
guilty does not count towards any quorum from then on.`,
		newEvidenceList(t), newEvidenceGet(t), newEvidenceVerify(t))
}

func newEvidenceList(t *terminal) *cobra.Command {
	var k talk
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List whom a node has evidence against",
		Long: `  concordat evidence list
  concordat evidence list --json --node http://127.0.0.1:8461

What a node lists is its word. evidence get fetches the proof, and evidence
verify says what it proves.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			a, err := c.Evidence(cmd.Context())
			if err != nil {
				return err
			}
			return t.emit(cmd, a, func(w io.Writer) error {
				p := &printer{w: w}
				for _, e := range a.Evidence {
					where := "on its way into the ledger"
					if e.Statement != nil {
						where = fmt.Sprintf("statement %d", *e.Statement)
					}
					p.line("%s  %s [%s]\n    %s", e.Region, e.Kind, where, e.Words)
				}
				if len(a.Evidence) == 0 {
					p.line("nobody was caught signing two histories")
				}
				p.asOf(a.AsOf)
				return p.err
			})
		},
	}
	k.flags(cmd)
	return cmd
}

// gotEvidence is what evidence get answers.
type gotEvidence struct {
	File      string `json:"file"`
	Authority string `json:"authority"`
	Kind      string `json:"kind"`
	Words     string `json:"words"`
	Verified  bool   `json:"verified"`
}

func newEvidenceGet(t *terminal) *cobra.Command {
	var k talk
	var g trust
	var out string
	cmd := &cobra.Command{
		Use:   "get REGION --out FILE",
		Short: "Fetch the evidence against a validator",
		Long: `  concordat evidence get XC --out xc.evidence --genesis genesis.json
  concordat evidence get XC --out - | concordat evidence verify - --genesis genesis.json

Where the founding document is at hand the evidence is verified before it is
written.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := statement.ParseRegion(args[0])
			if err != nil {
				return usage("%w", err)
			}
			if err := checkOutput(cmd, out); err != nil {
				return err
			}
			doc, err := g.document()
			if err != nil {
				return err
			}
			c, err := k.client()
			if err != nil {
				return err
			}
			list, err := c.Evidence(cmd.Context())
			if err != nil {
				return err
			}
			for _, e := range list.Evidence {
				if e.Region != string(id) {
					continue
				}
				a := gotEvidence{out, e.Region, e.Kind, e.Words, doc != nil}
				p, network, err := evidence.ParseFile(e.Proof)
				if err == nil && doc != nil {
					var proof *receipt.Receipt
					if proof, err = newestReceipt(cmd.Context(), c); err != nil {
						return err
					}
					err = convict(doc, p, network, proof)
				}
				if err == nil && p.Culprit() != id {
					err = fmt.Errorf("it is against %s", p.Culprit())
				}
				if err != nil {
					return fmt.Errorf("%w: the node's evidence against %s: %w", client.ErrTampered, id, err)
				}
				if err := t.writeOutput(out, e.Proof); err != nil {
					return err
				}
				if doc == nil {
					t.say("remark: not verified; give --genesis, or later: concordat evidence verify %s --genesis FILE", out)
				}
				if out == stdio {
					return nil
				}
				return t.emit(cmd, a, func(w io.Writer) error {
					p := &printer{w: w}
					p.line("%s\n%s: %d bytes", a.Words, a.File, len(e.Proof))
					return p.err
				})
			}
			return client.Fail(client.NotFound, "the node has no evidence against %s", id)
		},
	}
	k.flags(cmd)
	g.flags(cmd)
	cmd.Flags().StringVar(&out, "out", "", "`FILE` to write, which must not be there yet; - for standard output")
	require(cmd, "out")
	return cmd
}

// convict is nil if a proof convicts its culprit in the network of a document, by
// the keys of its founders, or of those to whom a receipt leads.
func convict(doc *genesis.Document, p evidence.Proof, network statement.NetworkID, proof *receipt.Receipt) error {
	if network != doc.ID() {
		return fmt.Errorf("%w here: it is about network %s, and the founding document is that of %s", evidence.ErrProvesNothing, network, doc.ID())
	}
	first := p.Verify(doc.Network, network, receipt.FoundingValidators(doc))
	if first == nil || proof == nil {
		return first
	}
	v, err := receipt.Verify(doc, *proof)
	if err != nil {
		return fmt.Errorf("the receipt that leads to the validators: %w", err)
	}
	return p.Verify(doc.Network, network, v.Validators)
}

// newestReceipt is a node's proof of the last final statement, which leads from
// the genesis to the validators that it has now; nil before the first.
func newestReceipt(ctx context.Context, c *client.Client) (*receipt.Receipt, error) {
	st, err := c.Status(ctx)
	if err != nil || st.Final.Size == 0 {
		return nil, err
	}
	raw, err := c.Receipt(ctx, strconv.FormatUint(st.Final.Size-1, 10), false)
	if err != nil {
		return nil, err
	}
	r, err := receipt.ParseTLogProof(raw)
	return &r, err
}

// convicted is what evidence verify answers.
type convicted struct {
	Proves    bool   `json:"proves"`
	Authority string `json:"authority"`
	Kind      string `json:"kind"`
	Words     string `json:"words"`
	Network   string `json:"network"`
}

func newEvidenceVerify(t *terminal) *cobra.Command {
	var g trust
	var with string
	cmd := &cobra.Command{
		Use:   "verify FILE --genesis FILE",
		Short: "Say whom a file of evidence convicts, and of what",
		Long: `  concordat evidence verify xc.evidence --genesis genesis.json
  concordat evidence verify --json - --genesis genesis.json < xc.evidence
  concordat evidence verify xe.evidence --genesis genesis.json --receipt newest.tlog-proof

Asks nobody. Of a validator that came in after the founding, or that has other
keys by now, --receipt shows the way: any receipt that was made since.

Exit code 0: it proves that this validator, and nobody else, signed
two histories. 1: it proves nothing. 2: it is no evidence, or was changed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			doc, err := g.required()
			if err != nil {
				return err
			}
			raw, err := t.readInput(args[0], evidence.MaxFile)
			if err != nil {
				return err
			}
			p, network, err := evidence.ParseFile(raw)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			var proof *receipt.Receipt
			if with != "" {
				raw, err := t.readInput(with, receipt.MaxSize)
				if err != nil {
					return err
				}
				_, r, err := parseReceipt(raw)
				if err != nil {
					return fmt.Errorf("%s: %w", with, err)
				}
				proof = &r
			}
			if err := convict(doc, p, network, proof); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			a := convicted{true, string(p.Culprit()), string(p.Kind()), p.Words(), network.String()}
			return t.emit(cmd, a, func(w io.Writer) error {
				p := &printer{w: w}
				p.line("proved: %s told two histories of network %s (%s)\n\n%s\n", a.Authority, doc.Network, short(a.Network), a.Words)
				p.line("kind       %s", a.Kind)
				p.line("culprit    %s, by its own signatures, and nobody else", a.Authority)
				return p.err
			})
		},
	}
	g.flags(cmd)
	cmd.Flags().StringVar(&with, "receipt", "", "receipt `FILE` that leads from the genesis to the validators of its time")
	return cmd
}
