package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"concordat/ledger/statement"
)

// operatorTokenFile is where a node writes what its operator proves himself with.
const operatorTokenFile = "operator.token"

// operatorToken reads it.
func operatorToken(dir string) (string, error) {
	raw, err := readFile(filepath.Join(dir, operatorTokenFile), 256)
	if err != nil {
		return "", fmt.Errorf("the operator's token: %w; a node makes it in its directory when it starts", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

func newNodeTransfer(t *terminal) *cobra.Command {
	var k talk
	var dir, to string
	cmd := &cobra.Command{
		Use:   "transfer --dir DIR",
		Short: "Move leadership to another node",
		Long: `  concordat node transfer --dir xa                  # before stopping the node of XA, say
  concordat node transfer --dir xa --to XC

Asks the node of DIR, which leads now (concordat status says who does), to hand
over: to XC, or to whichever validator's node has all that was ordered. Nothing is
lost, and what is on its way waits for a moment. The token in DIR/operator.token,
which the node has put there, says that it is its operator who asks.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to != "" {
				id, err := statement.ParseRegion(to)
				if err != nil {
					return usage("--to: %w", err)
				}
				to = string(id)
			}
			token, err := operatorToken(dir)
			if err != nil {
				return err
			}
			c, err := k.client()
			if err != nil {
				return err
			}
			a, err := c.Transfer(cmd.Context(), token, to)
			if err != nil {
				return err
			}
			return t.emit(cmd, a, func(w io.Writer) error {
				if a.Leader == "" {
					_, err := fmt.Fprintln(w, "handed over; the others have not said yet who leads")
					return err
				}
				_, err := fmt.Fprintf(w, "%s leads, in term %d\n", clean(a.Leader), a.Term)
				return err
			})
		},
	}
	k.flags(cmd)
	cmd.Flags().StringVar(&dir, "dir", "", "the directory of the node that is asked")
	cmd.Flags().StringVar(&to, "to", "", "the `REGION` whose node shall lead (default: any)")
	require(cmd, "dir")
	return cmd
}
