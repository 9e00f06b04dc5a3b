package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/statement"
)

// page is the most statements that a node gives at once.
const page = 1000

func newStatements(t *terminal) *cobra.Command {
	var k talk
	var f client.Filter
	var after int64
	var follow bool
	cmd := &cobra.Command{
		Use:   "statements",
		Short: "List what was said, in words",
		Long: `  concordat statements
  concordat statements --after 41 --authority XA --kind revocation.add
  concordat statements --follow                # and every new one, as it is ordered and again as it is final

With --follow and --json, each statement is an object on a line of its own, as
GET /v1/events gives it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			if f.Limit < 0 {
				return usage("--limit is %d, want 0 (all) or more", f.Limit)
			}
			if f.Authority != "" {
				r, err := statement.ParseRegion(f.Authority)
				if err != nil {
					return usage("--authority: %w", err)
				}
				f.Authority = string(r)
			}
			if after >= 0 {
				n := uint64(after)
				f.After = &n
			}
			if follow {
				return followStatements(cmd, t, c, f)
			}
			a, err := pages(cmd.Context(), c, f)
			if err != nil {
				return err
			}
			return t.emit(cmd, a, func(w io.Writer) error { return printStatements(w, t, a) })
		},
	}
	k.flags(cmd)
	fl := cmd.Flags()
	fl.Int64Var(&after, "after", -1, "only statements after this `INDEX`")
	fl.IntVar(&f.Limit, "limit", 100, "at most this many; 0: all")
	fl.StringVar(&f.Kind, "kind", "", "only statements of this kind, like issuer-key.register")
	fl.StringVar(&f.Authority, "authority", "", "only statements of this authority")
	fl.BoolVar(&follow, "follow", false, "stay, and show new ones as they are ordered, and again as they are final")
	cmd.MarkFlagsMutuallyExclusive("follow", "limit")
	return cmd
}

// pages reads page after page until there are enough.
func pages(ctx context.Context, c *client.Client, f client.Filter) (client.Statements, error) {
	all := client.Statements{Statements: []client.Statement{}}
	want := f.Limit
	for {
		f.Limit = page
		if want > 0 {
			f.Limit = min(page, want-len(all.Statements))
		}
		a, err := c.Statements(ctx, f)
		if err != nil {
			return all, err
		}
		all.Statements = append(all.Statements, a.Statements...)
		all.AsOf, all.Next = a.AsOf, a.Next
		if a.Next == nil || want > 0 && len(all.Statements) >= want {
			return all, nil
		}
		f.After = a.Next
	}
}

func printStatements(w io.Writer, t *terminal, a client.Statements) error {
	for _, s := range a.Statements {
		if _, err := fmt.Fprintln(w, statementLine(s)); err != nil {
			return err
		}
	}
	if a.Next != nil {
		t.say("there is more: --after %d, or --limit 0 for all", *a.Next)
	}
	return asOf(w, a.AsOf)
}

func statementLine(s client.Statement) string {
	return fmt.Sprintf("%6d  %s  %-8s %s", s.Index, stamp(s.IssuedAt), s.State, clean(s.Words))
}

// followStatements stays until it is interrupted, which is its ordinary end. A
// node that goes away is asked again, from the last statement seen.
func followStatements(cmd *cobra.Command, t *terminal, c *client.Client, f client.Filter) error {
	ctx := cmd.Context()
	var write error
	after, connected := f.After, false
	for {
		err := c.Events(ctx, after, func(e client.Event) error {
			connected = true
			if index := e.Statement.Index; e.State == client.Ordered {
				after = &index
			}
			if f.Kind != "" && e.Statement.Kind != f.Kind || f.Authority != "" && e.Statement.Authority != f.Authority {
				return nil
			}
			if asJSON(cmd) {
				t.emitted = true
				write = json.NewEncoder(t.out).Encode(e)
			} else {
				_, write = fmt.Fprintln(t.out, statementLine(e.Statement))
			}
			return write
		})
		if ctx.Err() != nil {
			return nil
		}
		var lost *client.Failure
		connected = connected || err == nil // the node has ended the stream
		if write != nil || !connected || err != nil && (!errors.As(err, &lost) || !lost.Retriable()) {
			return err
		}
		t.say("the stream of events ended; asking again in a second")
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}
