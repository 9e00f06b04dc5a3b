package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

func newAuthority(t *terminal) *cobra.Command {
	return group("authority", "The authorities of the network, their keys, and one's own",
		`  concordat authority list
  concordat authority show XB
  concordat authority rotate node --dir xa             # a new key for one's own node
  concordat authority set-node --dir xa --address /dns/new.xa.example/tcp/8461

What is about another authority takes a vote: see concordat propose --help.`,
		newAuthorityList(t), newAuthorityShow(t), newAuthorityRotate(t), newAuthoritySetNode(t))
}

func newAuthorityList(t *terminal) *cobra.Command {
	var k talk
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the authorities",
		Long: `  concordat authority list
  concordat authority list --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			a, err := c.Authorities(cmd.Context())
			if err != nil {
				return err
			}
			return t.emit(cmd, a, func(w io.Writer) error {
				rows := [][]string{{"REGION", "NAME", "ROLE", "STANDING", "REVISION", "NODE"}}
				for _, au := range a.Authorities {
					rows = append(rows, []string{au.ID, au.Name, au.Role, standingOf(au), fmt.Sprint(au.Revision), strings.Join(au.Addresses, " ")})
				}
				return table(w, rows...)
			})
		},
	}
	k.flags(cmd)
	return cmd
}

// standingOf says how an authority stands; "good" where nothing is against it.
func standingOf(a client.Authority) string {
	if a.Standing == "" {
		return "good"
	}
	return a.Standing
}

func newAuthorityShow(t *terminal) *cobra.Command {
	var k talk
	var descriptor string
	cmd := &cobra.Command{
		Use:   "show REGION | --descriptor FILE",
		Short: "Show one authority: its keys, where its node is, how it stands",
		Long: `  concordat authority show XB
  concordat authority show --descriptor xe/descriptor.json    # of one that is no member yet

The ids of keys are what people compare, by voice or on paper; statements carry
them as kid. A key that was replaced is listed with the statements that it counts for.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == (descriptor != "") {
				return usage("which authority? give its region, or --descriptor FILE")
			}
			if descriptor != "" {
				return showDescriptor(cmd, t, descriptor)
			}
			of, err := statement.ParseRegion(args[0])
			if err != nil {
				return err
			}
			c, err := k.client()
			if err != nil {
				return err
			}
			a, _, err := findAuthority(cmd.Context(), c, of)
			if err != nil {
				return err
			}
			return t.emit(cmd, a, func(w io.Writer) error { return printAuthority(w, a) })
		},
	}
	k.flags(cmd)
	cmd.Flags().StringVar(&descriptor, "descriptor", "", "`FILE` that init made, of an authority that the network need not know")
	return cmd
}

// described is what authority show answers of a descriptor.
type described struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	KeyIDs    map[string]string `json:"kids"` // by role
	Addresses []string          `json:"addresses"`
	HTTP      string            `json:"http,omitempty"`
}

// showDescriptor says what is in a descriptor, once its proofs are checked.
func showDescriptor(cmd *cobra.Command, t *terminal, file string) error {
	raw, err := t.readInput(file, genesis.MaxDescriptor)
	if err != nil {
		return err
	}
	d, err := genesis.ParseDescriptor(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	facts, err := factsOf(statement.Action{Admit: &statement.Admit{Descriptor: raw}})
	if err != nil {
		return err
	}
	au := d.Authority
	a := described{ID: string(au.ID), Name: au.Name, KeyIDs: map[string]string{}, Addresses: au.Addresses, HTTP: au.HTTP}
	for _, role := range authority.Roles {
		a.KeyIDs[string(role)] = fingerprint(foundingKey(au, role))
	}
	return t.emit(cmd, a, func(w io.Writer) error {
		p := &printer{w: w}
		for _, f := range facts {
			p.line("%s", f)
		}
		p.line("signed by all four keys")
		return p.err
	})
}

func printAuthority(w io.Writer, a *client.Authority) error {
	p := &printer{w: w}
	p.line("%s  %s", a.ID, a.Name)
	p.line("role       %s", a.Role)
	since := ""
	if a.By != nil {
		since = fmt.Sprintf(", by statement %d", *a.By)
	}
	p.line("standing   %s%s", standingOf(*a), since)
	if a.Statement != nil {
		p.line("admitted   by statement %d", *a.Statement)
	} else {
		p.line("admitted   by the genesis")
	}
	p.line("revision   %d", a.Revision)
	for i, addr := range a.Addresses {
		p.line("%-9s  %s", []string{"node", ""}[min(i, 1)], addr)
	}
	if a.HTTP != "" {
		p.line("API        %s", a.HTTP)
	}
	for _, k := range a.History {
		counts := "counts"
		if k.From > 0 {
			counts += fmt.Sprintf(" from statement %d on", k.From)
		}
		if k.Until != nil {
			counts = fmt.Sprintf("counted from statement %d to before statement %d", k.From, *k.Until)
		}
		p.line("%-10s key %s  %s", k.Use, k.KeyID, counts)
	}
	return p.err
}

func newAuthoritySetNode(t *terminal) *cobra.Command {
	var g governing
	var where placeFlags
	cmd := &cobra.Command{
		Use:   "set-node --address A",
		Short: "Say where one's own node is found from now on",
		Long: `  concordat authority set-node --dir xa --address /dns/new.xa.example/tcp/8461 --http https://new.xa.example

All addresses anew: those that are not named count no more. The others dial the new
ones at once; move the node first, or have it listen at both. Signed with the
statement key.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			place, err := where.place()
			if err != nil {
				return err
			}
			return g.decide(cmd, t, &statement.SetNode{Place: place}, &sheet{}, func(_ context.Context, _ *voice, d *decided) error {
				d.Next = "the others dial the new addresses from now on; the node listens there once it is told to (--listen), or started anew"
				return nil
			})
		},
	}
	g.flagsFor(cmd, authority.Statement)
	g.revisionFlag(cmd)
	where.flags(cmd)
	return cmd
}

// rotatable are the keys that authority rotate replaces.
var rotatable = []authority.Role{authority.Statement, authority.Node, authority.Cosign, authority.Governance}

func parseRole(s string) (authority.Role, error) {
	if !slices.Contains(rotatable, authority.Role(s)) {
		return "", usage("%q is no key; want one of %v", s, rotatable)
	}
	return authority.Role(s), nil
}
