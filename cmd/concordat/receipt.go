package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/genesis"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
)

func newReceipt(t *terminal) *cobra.Command {
	return group("receipt", "Take home the proof that something was said, and check one",
		`  concordat receipt get 12 --out 12.receipt --genesis genesis.json
  concordat receipt verify 12.receipt --genesis genesis.json

A receipt proves to a stranger, who has the network's founding document and
nothing else, that a statement stands in the ledger. It proves that something
was said; that nothing was, only a bundle can: see bundle.`,
		newReceiptGet(t), newReceiptVerify(t))
}

// gotReceipt is what receipt get answers.
type gotReceipt struct {
	File     string  `json:"file"`
	Form     string  `json:"form"`
	Bytes    int     `json:"bytes"`
	Verified *proved `json:"verified"` // nil: nobody said what to trust
}

func newReceiptGet(t *terminal) *cobra.Command {
	var k talk
	var g trust
	var out string
	var cose bool
	cmd := &cobra.Command{
		Use:   "get INDEX --out FILE",
		Short: "Fetch the receipt of a statement",
		Long: `  concordat receipt get 12 --out 12.receipt --genesis genesis.json
  concordat receipt get 12 --out 12.cose --cose
  concordat receipt get 12 --out - | concordat receipt verify - --genesis genesis.json

INDEX is the statement's index or hash. The receipt is a C2SP tlog-proof, or
with --cose the statement with a COSE Receipt (RFC 9942). Where the founding
document is at hand the receipt is verified before it is written. A statement
that is ordered and not final has no receipt yet: exit code 3.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
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
			raw, err := c.Receipt(cmd.Context(), args[0], cose)
			if err != nil {
				return err
			}
			a := gotReceipt{File: out, Bytes: len(raw)}
			if a.Form, a.Verified, err = checkAnswer(doc, args[0], raw); err != nil {
				return err
			}
			if err := t.writeOutput(out, raw); err != nil {
				return err
			}
			if a.Verified == nil {
				t.say("remark: not verified; give --genesis, or later: concordat receipt verify %s --genesis FILE", out)
			}
			if out == stdio {
				return nil
			}
			return t.emit(cmd, a, func(w io.Writer) error {
				p := &printer{w: w}
				if a.Verified != nil {
					p.proved(a.Verified)
				}
				p.line("%s: %s, %d bytes", a.File, a.Form, a.Bytes)
				return p.err
			})
		},
	}
	k.flags(cmd)
	g.flags(cmd)
	cmd.Flags().StringVar(&out, "out", "", "`FILE` to write, which must not be there yet; - for standard output")
	cmd.Flags().BoolVar(&cose, "cose", false, "as a COSE_Sign1 with a COSE Receipt")
	require(cmd, "out")
	return cmd
}

// checkAnswer verifies what a node answered, as far as it can be. That a node
// hands out what is no receipt is not the user's mistake.
func checkAnswer(doc *genesis.Document, ref string, raw []byte) (form string, _ *proved, err error) {
	form, r, err := parseReceipt(raw)
	if err != nil {
		return form, nil, fmt.Errorf("%w: the node's receipt: %w", client.ErrTampered, err)
	}
	if doc == nil {
		return form, nil, nil
	}
	a, err := prove(doc, form, r)
	if err != nil {
		return form, nil, fmt.Errorf("%w: the node's receipt: %w", client.ErrTampered, err)
	}
	if ref != strconv.FormatUint(a.Index, 10) && ref != a.Hash {
		return form, nil, fmt.Errorf("%w: asked for a receipt of statement %s, the node's is of statement %d (%s)", client.ErrTampered, ref, a.Index, a.Hash)
	}
	return form, a, nil
}

func newReceiptVerify(t *terminal) *cobra.Command {
	var g trust
	cmd := &cobra.Command{
		Use:   "verify FILE --genesis FILE",
		Short: "Say what a receipt proves, with the founding document and nothing else",
		Long: `  concordat receipt verify 12.receipt --genesis genesis.json
  concordat receipt verify --json - --genesis genesis.json < 12.cose

Reads both forms, and asks nobody. Exit code 0: the statement stands in the
ledger, on the word of more than two thirds of the validators. 4: the proof does
not hold; the file was changed, or is of another network. 2: it is no receipt.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			doc, err := g.required()
			if err != nil {
				return err
			}
			raw, err := t.readInput(args[0], receipt.MaxSize)
			if err != nil {
				return err
			}
			form, r, err := parseReceipt(raw)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			a, err := prove(doc, form, r)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return t.emit(cmd, a, func(w io.Writer) error {
				p := &printer{w: w}
				p.proved(a)
				return p.err
			})
		},
	}
	g.flags(cmd)
	return cmd
}

// The forms of a receipt.
const (
	formTLogProof = "tlog-proof"
	formCOSE      = "cose"
)

// errDamaged: a file begins as what it should be, and is not that.
var errDamaged = errors.New("damaged or changed")

// tlogProof opens every C2SP tlog-proof.
var tlogProof = []byte("c2sp.org/tlog-proof@")

// parseReceipt reads a receipt of either form. What begins as a receipt and is
// none was changed after it was made (errDamaged); anything else is no receipt.
func parseReceipt(raw []byte) (form string, r receipt.Receipt, err error) {
	if bytes.HasPrefix(raw, tlogProof) {
		if r, err = receipt.ParseTLogProof(raw); err != nil {
			err = fmt.Errorf("%w: %w", errDamaged, err)
		}
		return formTLogProof, r, err
	}
	if r, err = receipt.ParseCOSE(raw); err == nil {
		return formCOSE, r, nil
	}
	if _, bare := statement.Parse(raw); bare == nil {
		return "", r, usage("it is a statement without a receipt; get one with: concordat receipt get INDEX --cose --out FILE")
	}
	// A tagged COSE_Sign1 (RFC 9052 §4.2): an array of four under tag 18.
	if bytes.HasPrefix(raw, []byte{0xd2, 0x84}) {
		return formCOSE, r, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return "", r, fmt.Errorf("%w: it is neither a C2SP tlog-proof nor a COSE_Sign1", receipt.ErrMalformed)
}

// proved is what a receipt proves.
type proved struct {
	Index     uint64    `json:"index"`
	Hash      string    `json:"hash"`
	Words     string    `json:"words"`
	Kind      string    `json:"kind"`
	Authority string    `json:"authority"`
	Subject   string    `json:"subject"`
	Revision  uint64    `json:"revision,omitempty"`
	IssuedAt  string    `json:"issuedAt,omitempty"` // by the signer's clock; nodes give none
	Network   string    `json:"network"`
	Form      string    `json:"form"`
	Handovers int       `json:"handovers"`          // changes of validators since the founding
	Signer    string    `json:"signedBy,omitempty"` // whose node signed the COSE Receipt
	Certified certified `json:"checkpoint"`
}

func prove(doc *genesis.Document, form string, r receipt.Receipt) (*proved, error) {
	v, err := receipt.Verify(doc, r)
	if err != nil {
		return nil, err
	}
	s := v.Statement.Statement()
	a := &proved{
		Index: v.Index, Hash: v.Statement.Hash().String(), Words: s.Words(), Kind: string(s.Kind()), Authority: string(s.Issuer),
		Subject: s.Subject(), Revision: s.Revision, Network: doc.ID().String(), Form: form,
		Handovers: len(r.Steps), Signer: string(v.Signer), Certified: certifiedOf(v.Certified, v.Validators),
	}
	if at := s.IssuedAt.Time(); !at.IsZero() {
		a.IssuedAt = stamp(&at)
	}
	return a, nil
}

// proved prints what a receipt proves.
func (p *printer) proved(a *proved) {
	p.line("proved: statement %d of network %s (%s)", a.Index, a.Certified.Origin, short(a.Network))
	p.line("\n%s\n", a.Words)
	p.line("hash       %s", a.Hash)
	p.line("kind       %s", a.Kind)
	p.line("authority  %s", a.Authority)
	p.line("subject    %s", a.Subject)
	if a.Revision > 0 {
		p.line("revision   %d", a.Revision)
	}
	if a.IssuedAt != "" {
		p.line("issued     %s (by the signer's clock)", a.IssuedAt)
	}
	p.certified(a.Certified)
	if a.Handovers > 0 {
		p.line("validators changed %d times since the founding, each time with the word of the former and of the new ones", a.Handovers)
	}
	if a.Signer != "" {
		p.line("handed out by %s", a.Signer)
	}
}
