package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/statement"
)

func newSubmit(t *terminal) *cobra.Command {
	var k talk
	var attachment string
	wait := choice{client.Final, []string{client.Accepted, client.Ordered, client.Final}}
	cmd := &cobra.Command{
		Use:   "submit FILE",
		Short: "Send a statement that was signed elsewhere",
		Long: `  concordat submit vote.cose                        # from any machine that reaches a node
  concordat vote yes 12 --key governance.key --authority XB --proposal-file 12.cose --genesis genesis.json --out vote.cose --yes

FILE is a signed statement as --out writes it. It is shown in words and sent as it
is: the same bytes are never entered twice.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := t.readInput(args[0], statement.MaxSize)
			if err != nil {
				return err
			}
			u, err := statement.Parse(raw)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			var attached []byte
			if attachment != "" {
				if attached, err = readFile(attachment, statement.MaxAttachment); err != nil {
					return err
				}
			}
			st := u.Statement()
			d := &decided{said: said{Words: st.Words(), Kind: string(st.Kind()), Authority: string(st.Issuer), Subject: st.Subject(), Revision: st.Revision}}
			t.say("sending: %s", d.Words)
			c, err := k.client()
			if err != nil {
				return err
			}
			v := &voice{&client.Author{Client: c, Authority: st.Issuer}, wait.value}
			sub, err := v.send(cmd.Context(), t, raw, attached)
			if err != nil {
				return err
			}
			if sub.Note != "" {
				t.say("remark: %s", sub.Note)
			}
			d.Submitted = &sub
			if err := afterwards(cmd, v, st, d); err != nil {
				t.say("remark: what came of it could not be read: %v", err)
			}
			if err := t.emit(cmd, d, func(w io.Writer) error { return d.print(w) }); err != nil {
				return err
			}
			return v.certain(&sub)
		},
	}
	k.flags(cmd)
	cmd.Flags().Var(&wait, "wait", "how far the statement must have come")
	cmd.Flags().StringVar(&attachment, "attachment", "", "`FILE` that the statement describes, as revocations do")
	return cmd
}

// afterwards reads what came of a statement about a proposal.
func afterwards(cmd *cobra.Command, v *voice, st statement.Statement, d *decided) error {
	if d.Index == nil {
		return nil
	}
	var number uint64
	switch b := st.Body.(type) {
	case *statement.Propose:
		number = *d.Index
	case *statement.Vote:
		number = b.Proposal
	case *statement.WithdrawProposal:
		number = b.Proposal
	default:
		return nil
	}
	return followProposal(func(*decided) uint64 { return number })(cmd.Context(), v, d)
}
