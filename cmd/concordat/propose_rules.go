package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// thresholds are the words for shares of the votes.
var thresholds = []string{string(genesis.Majority), string(genesis.TwoThirds), string(genesis.All)}

func newProposePolicy(t *terminal) *cobra.Command {
	var p proposing
	var observer, validator, suspend, expel, rotate, policy choice
	classes := []struct {
		flag, what string
		at         *choice
		of         func(*client.Policy) *string
	}{
		{"admit-observer", "to admit an observer", &observer, func(p *client.Policy) *string { return &p.AdmitObserver }},
		{"admit-validator", "to admit a validator, or make one", &validator, func(p *client.Policy) *string { return &p.AdmitValidator }},
		{"suspend", "to suspend or restore", &suspend, func(p *client.Policy) *string { return &p.Suspend }},
		{"expel", "to expel, or make a validator an observer", &expel, func(p *client.Policy) *string { return &p.Expel }},
		{"rotate-keys", "to replace another's key or address", &rotate, func(p *client.Policy) *string { return &p.RotateKeys }},
		{"change-policy", "to change the policy, or raise the protocol level", &policy, func(p *client.Policy) *string { return &p.ChangePolicy }},
	}
	cmd := &cobra.Command{
		Use:   "policy --reason TEXT",
		Short: "Propose to change how many votes carry what",
		Long: `  concordat propose policy --dir xa --expel all --reason 'agreed on 2026-03-01'

Classes that are not named stay as they are. Proposals that are open already are
decided by the policy under which they were made. majority is more than half
of all validators, two-thirds more than two thirds of them, all every one; and at
most as many as may vote, for whom a proposal is about does not vote on it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var want client.Policy
			named := 0
			for _, class := range classes {
				if *class.of(&want) = class.at.value; class.at.value != "" {
					named++
				}
			}
			if named == 0 {
				return usage("what is to change? name one of --admit-observer, --admit-validator, --suspend, --expel, --rotate-keys, --change-policy")
			}
			if named < len(classes) {
				c, err := p.client()
				if err != nil {
					return err
				}
				now, err := c.Proposals(cmd.Context(), client.ProposalQuery{Status: client.ProposalOpen})
				if err != nil {
					return err
				}
				for _, class := range classes {
					if field := class.of(&want); *field == "" {
						*field = *class.of(&now.Policy)
					}
				}
			}
			body := statement.ChangePolicy(want)
			return p.propose(cmd, t, statement.Action{ChangePolicy: &body})
		},
	}
	p.flags(cmd)
	for _, class := range classes {
		class.at.of = thresholds
		cmd.Flags().Var(class.at, class.flag, "votes that it takes "+class.what)
	}
	return cmd
}

func newProposeLevel(t *terminal) *cobra.Command {
	var p proposing
	cmd := &cobra.Command{
		Use:   "level N --reason TEXT",
		Short: "Propose to turn on the next protocol level",
		Long: `  concordat propose level 2 --dir xa --reason 'all nodes run 1.4 or newer'

From the deciding vote on, the rules of level N count for everyone. A node whose
program does not know it stops there, with a message and nothing lost, and goes on
when it is replaced by a newer one: so upgrade the nodes first. The check says
whose node knows the level.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			level, err := strconv.ParseUint(args[0], 10, 32)
			if err != nil {
				return usage("%q is no protocol level; want a number like 2", args[0])
			}
			return p.propose(cmd, t, statement.Action{RaiseLevel: &statement.RaiseLevel{Level: level}})
		},
	}
	p.flags(cmd)
	return cmd
}
