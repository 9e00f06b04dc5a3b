package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/statement"
)

// listed is what proposals answers: the API's answer, and what waits for whom it
// was asked for.
type listed struct {
	client.Proposals
	Authority string   `json:"authority,omitempty"`
	WaitForMe []uint64 `json:"waitForMe,omitempty"`
}

func newProposals(t *terminal) *cobra.Command {
	var k talk
	var all bool
	var dir, of string
	cmd := &cobra.Command{
		Use:   "proposals",
		Short: "List what is being decided, and what waits for me",
		Long: `  concordat proposals --dir xb
  concordat proposals --all
  concordat proposals show 12

Open proposals; with --all those that are decided too. With --dir or --authority,
what waits for that authority's vote comes first.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := listProposals(cmd, &k, dir, of, all)
			if err != nil {
				return err
			}
			return t.emit(cmd, a, func(w io.Writer) error { return printProposals(w, a) })
		},
	}
	k.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&all, "all", false, "those that are decided too")
	f.StringVar(&dir, "dir", "", "an authority's directory: what waits for it comes first")
	f.StringVar(&of, "authority", "", "the same, by its id")
	cmd.MarkFlagsMutuallyExclusive("dir", "authority")
	cmd.AddCommand(newProposalsShow(t))
	return cmd
}

func listProposals(cmd *cobra.Command, k *talk, dir, of string, all bool) (*listed, error) {
	if dir != "" {
		d, err := authority.Open(dir, nil)
		if err != nil {
			return nil, err
		}
		of = string(d.ID())
	} else if of != "" {
		id, err := statement.ParseRegion(of)
		if err != nil {
			return nil, usage("--authority: %w", err)
		}
		of = string(id)
	}
	c, err := k.client()
	if err != nil {
		return nil, err
	}
	q := client.ProposalQuery{Status: client.ProposalOpen}
	if all {
		q.Status = ""
	}
	a, err := c.Proposals(cmd.Context(), q)
	if err != nil {
		return nil, err
	}
	out := &listed{Proposals: a, Authority: of}
	for _, p := range a.Proposals {
		if of != "" && slices.Contains(p.WaitingFor, of) {
			out.WaitForMe = append(out.WaitForMe, p.Index)
		}
	}
	return out, nil
}

func printProposals(w io.Writer, a *listed) error {
	p := &printer{w: w}
	var rest []client.Proposal
	if a.Authority != "" {
		switch n := len(a.WaitForMe); n {
		case 0:
			p.line("nothing waits for %s", a.Authority)
		case 1:
			p.line("1 proposal waits for the vote of %s:", a.Authority)
		default:
			p.line("%d proposals wait for the vote of %s:", n, a.Authority)
		}
	}
	for _, prop := range a.Proposals.Proposals {
		if !slices.Contains(a.WaitForMe, prop.Index) {
			rest = append(rest, prop)
			continue
		}
		p.line("  %d  %s", prop.Index, prop.Words)
		p.line("      %s", standing(&prop))
		p.line("      concordat proposals show %d, then: concordat vote yes %d", prop.Index, prop.Index)
	}
	switch {
	case p.err != nil || len(a.Proposals.Proposals) > 0 && len(rest) == 0:
		return p.err
	case len(rest) == 0:
		p.line("no proposals")
		return p.err
	}
	rows := [][]string{{"PROPOSAL", "STATUS", "BY", "WHAT", "YES", "NEEDED", "NO", "WAITING FOR"}}
	for _, prop := range rest {
		rows = append(rows, []string{
			fmt.Sprint(prop.Index), prop.Status, prop.By, short(prop.Type) + orNothing(" ", prop.Concerns), fmt.Sprint(len(prop.Yes)),
			fmt.Sprint(prop.Needed), fmt.Sprint(len(prop.No)), strings.Join(prop.WaitingFor, " "),
		})
	}
	return table(w, rows...)
}

func orNothing(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}

func newProposalsShow(t *terminal) *cobra.Command {
	var k talk
	var check bool
	cmd := &cobra.Command{
		Use:   "show PROPOSAL",
		Short: "Show one proposal, who has voted, and what speaks against it",
		Long: `  concordat proposals show 12
  concordat proposals show 12 --check              # the node dials and asks the others, too

What it says is read here from the bytes that its proposer signed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return showProposal(cmd, t, &k, args[0], check)
		},
	}
	k.flags(cmd)
	cmd.Flags().BoolVar(&check, "check", false, "have the node look at what speaks against it")
	return cmd
}

// shownProposal is what proposals show answers.
type shownProposal struct {
	client.ProposalAnswer
	Checks []client.ProposalCheck `json:"checks,omitempty"`
}

func showProposal(cmd *cobra.Command, t *terminal, k *talk, number string, check bool) error {
	g := &governing{speech: speech{talk: *k}}
	m, err := (&ballotFlags{}).motion(cmd.Context(), g, number)
	if err != nil {
		return err
	}
	c, err := k.client()
	if err != nil {
		return err
	}
	a := shownProposal{ProposalAnswer: client.ProposalAnswer{Proposal: *m.proposal, AsOf: m.asOf}}
	facts, err := factsOf(m.body.Action)
	if err != nil {
		return err
	}
	if check {
		checks, err := c.ProposalChecks(cmd.Context(), m.index)
		if err != nil {
			return err
		}
		a.Checks, a.AsOf = checks.Checks, checks.AsOf
	}
	return t.emit(cmd, a, func(w io.Writer) error {
		p := &printer{w: w}
		p.line("%s proposes to %s", m.by, m.body.Action.Words())
		for _, f := range facts {
			p.line("  %s", f)
		}
		p.line("reason     %s", m.body.Reason)
		if a.Effect != "" {
			spread(p.line, "effect     %s", a.Effect)
		}
		p.line("proposal   %s", strconv.FormatUint(m.index, 10))
		p.line("hash       %s", m.hash)
		p.line("votes      %s; %d yes carry it", strings.Join(a.Electorate, " "), a.Needed)
		p.line("yes        %s", ballots(a.Yes))
		p.line("no         %s", ballots(a.No))
		p.line("standing   %s", standing(&a.Proposal))
		if n := next(&a.Proposal); n != "" {
			p.line("next       %s", n)
		}
		for _, c := range a.Checks {
			spread(p.line, "  %s  %s: %s", okNo(c.OK), c.Name, c.Message)
			if !c.OK && c.Hint != "" {
				p.line("      hint: %s", c.Hint)
			}
		}
		return p.err
	})
}

// ballots names who voted, with the statements that show it.
func ballots(of []client.Ballot) string {
	if len(of) == 0 {
		return "-"
	}
	all := make([]string, len(of))
	for i, b := range of {
		all[i] = fmt.Sprintf("%s (statement %d)", b.Authority, b.Statement)
	}
	return strings.Join(all, ", ")
}
