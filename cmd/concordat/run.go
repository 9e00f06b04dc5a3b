package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"concordat/client"
)

// version is set by the build (-ldflags "-X main.version=…").
var version = "development"

// run runs one command and gives its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	t := newTerminal(in, out, errs)
	defer t.close()
	root := newRoot(t)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return client.ExitDone
	}
	return t.fail(args, err)
}

func newRoot(t *terminal) *cobra.Command {
	root := &cobra.Command{
		Use:   "concordat",
		Short: "A permissioned ledger for health-code trust between regions",
		Long: `  concordat testnet demo                       # the whole story, on real codes, in a minute
  concordat testnet up --dir net --regions XA,XB,XC,XD
  concordat issuer register --dir net/XA --node http://127.0.0.1:8460 --certificate dsc.pem
  concordat check --node http://127.0.0.1:8461 'HC1:…'

Concordat replicates, between regions, whose keys sign genuine health codes,
which codes were revoked, which areas are at risk and who recognises whom, so
that any node can say whether a code is to be honoured, and why.

Exit codes: 0 done, 1 refused or not recognized, 2 wrong usage or bad input,
3 could not reach or not yet certain, 4 found tampering.`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().Bool("json", false, "print one JSON object on standard output; people's text stays on standard error")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(
		newInit(t), newGenesis(t), newNode(t), newTestnet(t),
		newIssuer(t), newRevoke(t), newRisk(t), newRecognize(t), newRules(t), newSpecialCase(t), newRecognitions(t), newIncident(t),
		newPropose(t), newVote(t), newWithdraw(t), newProposals(t), newAuthority(t), newSubmit(t),
		newCheck(t), newReasons(t), newCode(t), newStatements(t), newStatement(t),
		newReceipt(t), newBundle(t), newEvidence(t), newAudit(t),
		newStatus(t), newDoctor(t), newBench(t),
		newBackup(t), newRestore(t), newRecover(t),
	)
	return root
}

// group is a command that only has subcommands.
func group(use, short, long string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return usage("%s needs a subcommand: see %s --help", cmd.CommandPath(), cmd.CommandPath())
	}}
	cmd.AddCommand(subs...)
	return cmd
}
