package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

func newPropose(t *terminal) *cobra.Command {
	return group("propose", "Propose to the validators what no authority may do alone",
		`  concordat propose admit --dir xa xe/descriptor.json --reason 'agreement of 2026-01-15'
  concordat propose role --dir xa XE validator --reason 'caught up for a month'
  concordat propose suspend --dir xa XB --reason 'its key server was broken into'
  concordat vote yes 12 --dir xb

Signed with the governance key, which may be elsewhere than --dir: --key FILE. A
proposal counts as its proposer's yes, if the proposer may vote on it, and is
carried out by the deciding vote. Before it is signed the command says in words
what it would do, who votes, and what speaks against it. Without a network, --out
FILE --genesis FILE --revision N writes it for concordat submit.`,
		newProposeAdmit(t), newProposeRole(t), newProposeSuspend(t), newProposeRestore(t), newProposeExpel(t),
		newProposeRotate(t), newProposeAddress(t), newProposePolicy(t), newProposeLevel(t))
}

// proposing is what every kind of proposal is told.
type proposing struct {
	governing
	reason string
}

func (p *proposing) flags(cmd *cobra.Command) {
	p.governing.flags(cmd)
	p.revisionFlag(cmd)
	p.despiteFlag(cmd)
	cmd.Flags().StringVar(&p.reason, "reason", "", "why, for everyone to read")
	require(cmd, "reason")
}

// propose is the whole of a command that proposes.
func (p *proposing) propose(cmd *cobra.Command, t *terminal, action statement.Action) error {
	body := &statement.Propose{Action: action, Reason: p.reason}
	id, err := p.speaker()
	if err != nil {
		return err
	}
	if err := body.Validate(); err != nil {
		return err
	}
	s := &sheet{}
	if s.facts, err = factsOf(action); err != nil {
		return err
	}
	if err := p.ask(cmd, s, client.Draft{By: string(id), Action: client.ActionOf(action)}); err != nil {
		return err
	}
	for _, e := range s.electorate {
		if e == string(id) {
			s.remarks = append(s.remarks, fmt.Sprintf("proposing it is the yes of %s", id))
		}
	}
	return p.decide(cmd, t, body, s, followProposal(func(d *decided) uint64 { return *d.Index }))
}

// ask has a node say what the proposal would do, and what speaks against it. Where
// it is only written to a file, and no node is to be reached, nobody is asked.
func (p *proposing) ask(cmd *cobra.Command, s *sheet, d client.Draft) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	checks, err := c.DraftChecks(cmd.Context(), d)
	if err != nil {
		if (p.out != "" || p.dryRun) && isNamed(err, client.Unreachable) {
			s.remarks = append(s.remarks, "no node could be asked who votes, and what speaks against it")
			return nil
		}
		return err
	}
	s.effect, s.electorate, s.needed, s.checks = checks.Effect, checks.Electorate, checks.Needed, checks.Checks
	return nil
}

func newProposeAdmit(t *terminal) *cobra.Command {
	var p proposing
	role := choice{string(statement.RoleObserver), []string{string(statement.RoleObserver), string(statement.RoleValidator)}}
	cmd := &cobra.Command{
		Use:   "admit DESCRIPTOR --reason TEXT",
		Short: "Propose to take an authority into the network",
		Long: `  concordat propose admit --dir xa xe/descriptor.json --reason 'agreement of 2026-01-15'
  concordat propose admit --dir xa xe/descriptor.json --role validator --reason 'founding partner' --dry-run

DESCRIPTOR is the file that the other authority's concordat init made. Compare the
fingerprints of its keys with that authority by voice or on paper before you say
yes: whoever votes for it vouches for them. Then the node dials the address in it:
start the other's node first, with --join.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := t.readInput(args[0], genesis.MaxDescriptor)
			if err != nil {
				return err
			}
			if _, err := genesis.ParseDescriptor(raw); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return p.propose(cmd, t, statement.Action{Admit: &statement.Admit{Descriptor: raw, Role: statement.Role(role.value)}})
		},
	}
	p.flags(cmd)
	cmd.Flags().Var(&role, "role", "as what")
	return cmd
}

// proposeAbout is a proposal about one authority, and nothing else.
func proposeAbout(t *terminal, name, short, long string, action func(statement.Region) statement.Action) *cobra.Command {
	var p proposing
	cmd := &cobra.Command{
		Use: name + " REGION --reason TEXT", Short: short, Long: long, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			of, err := statement.ParseRegion(args[0])
			if err != nil {
				return err
			}
			return p.propose(cmd, t, action(of))
		},
	}
	p.flags(cmd)
	return cmd
}

func newProposeSuspend(t *terminal) *cobra.Command {
	return proposeAbout(t, "suspend", "Propose to take an authority's voice for the time being",
		`  concordat propose suspend --dir xa XB --reason 'its key server was broken into'

What it said stands; it says nothing new, does not vote, and its node's word does
not count towards a quorum, which stays as large. It does not vote on this.`,
		func(of statement.Region) statement.Action {
			return statement.Action{Suspend: &statement.SuspendAuthority{Authority: of}}
		})
}

func newProposeRestore(t *terminal) *cobra.Command {
	return proposeAbout(t, "restore", "Propose to end a suspension",
		`  concordat propose restore --dir xa XB --reason 'new keys since statement 512'

After evidence against its node, it needs new node and co-signing keys first:
concordat propose rotate.`,
		func(of statement.Region) statement.Action {
			return statement.Action{Restore: &statement.RestoreAuthority{Authority: of}}
		})
}

func newProposeExpel(t *terminal) *cobra.Command {
	return proposeAbout(t, "expel", "Propose to end a membership, for good",
		`  concordat propose expel --dir xa XB --reason 'left the agreement'

What it said stays in the log, and nobody relies on its keys any more. It does not
vote on this. To come back it needs new keys, and a vote to admit it.`,
		func(of statement.Region) statement.Action {
			return statement.Action{Expel: &statement.Expel{Authority: of}}
		})
}

func newProposeRole(t *terminal) *cobra.Command {
	var p proposing
	cmd := &cobra.Command{
		Use:   "role REGION observer|validator --reason TEXT",
		Short: "Propose to make an observer a validator, or the other way round",
		Long: `  concordat propose role --dir xa XE validator --reason 'caught up for a month'
  concordat propose role --dir xa XB observer --reason 'at its own wish'

A validator orders, co-signs and votes; an observer says what is its own, and
reads. One change at a time: the validators hand over before the next.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			of, err := statement.ParseRegion(args[0])
			if err != nil {
				return err
			}
			return p.propose(cmd, t, statement.Action{ChangeRole: &statement.ChangeRole{Authority: of, Role: statement.Role(args[1])}})
		},
	}
	p.flags(cmd)
	return cmd
}

func newProposeRotate(t *terminal) *cobra.Command {
	var p proposing
	cmd := &cobra.Command{
		Use:   "rotate REGION FILE --reason TEXT",
		Short: "Propose to replace a key of an authority that cannot do it itself",
		Long: `  concordat propose rotate --dir xa XB xb.request --reason 'XB lost its governance key'
  concordat authority rotate governance --dir xb --out xb.request     # before that, XB on its machine

FILE is the request that the authority made, with a proof by the new key. Make
sure, by voice, that it is from them: whoever holds the key speaks for them.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			of, err := statement.ParseRegion(args[0])
			if err != nil {
				return err
			}
			raw, err := t.readInput(args[1], maxKeyRequest)
			if err != nil {
				return err
			}
			r, err := parseKeyRequest(raw)
			if err != nil {
				return fmt.Errorf("%s: %w", args[1], err)
			}
			if r.Authority != of {
				return usage("%s is a request of %s, not of %s", args[1], r.Authority, of)
			}
			return p.propose(cmd, t, statement.Action{RotateKey: &statement.RotateKey{Authority: of, NewKey: r.Key.NewKey()}})
		},
	}
	p.flags(cmd)
	return cmd
}

// placeFlags are where a node is found.
type placeFlags struct {
	addresses []string
	http      string
}

func (p *placeFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&p.addresses, "address", nil, "libp2p address (`MULTIADDR`) at which the others reach the node; repeat it")
	cmd.Flags().StringVar(&p.http, "http", "", "public base `URL` of the node's API")
	require(cmd, "address")
}

func (p *placeFlags) place() (statement.Place, error) {
	var errs []error
	for _, a := range p.addresses {
		if err := genesis.CheckAddress(a); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return statement.Place{}, usage("--address: %w", err)
	}
	return statement.Place{Addresses: p.addresses, HTTP: p.http}, nil
}

func newProposeAddress(t *terminal) *cobra.Command {
	var p proposing
	var where placeFlags
	cmd := &cobra.Command{
		Use:   "address REGION --address A --reason TEXT",
		Short: "Propose to say where another authority's node is found",
		Long: `  concordat propose address --dir xa XB --address /dns/new.xb.example/tcp/8461 --reason 'XB is cut off and asked for it'

An authority says so itself with concordat authority set-node; this is for one
that cannot.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			of, err := statement.ParseRegion(args[0])
			if err != nil {
				return err
			}
			place, err := where.place()
			if err != nil {
				return err
			}
			return p.propose(cmd, t, statement.Action{SetNode: &statement.SetNodeOf{Authority: of, Place: place}})
		},
	}
	p.flags(cmd)
	where.flags(cmd)
	return cmd
}
