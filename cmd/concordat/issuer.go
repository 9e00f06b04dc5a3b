package main

import (
	"io"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/statement"
)

func newIssuer(t *terminal) *cobra.Command {
	return group("issuer", "Say whose keys sign genuine codes",
		`  concordat issuer register --dir xa --certificate dsc.pem
  concordat issuer list --region XA
  concordat issuer retire --dir xa 0a1b2c3d4e5f6071
  concordat issuer compromise --dir xa 0a1b2c3d4e5f6071 --since 2021-06-01T12:00:00Z

An authority registers the public keys of the issuers in its region. A code is
judged by the key that signed it; private keys of issuers never come here.`,
		newIssuerRegister(t), newIssuerImport(t), newIssuerRetire(t), newIssuerCompromise(t), newIssuerList(t))
}

func newIssuerList(t *terminal) *cobra.Command {
	var k talk
	var region, kid string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List issuers' keys",
		Long: `  concordat issuer list --region XA
  concordat issuer list --kid 2QdaSlJm1AE=

The first column is what retire and compromise take; its first 8 digits will do
where they are the only ones.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			if region != "" {
				r, err := statement.ParseRegion(region)
				if err != nil {
					return usage("--region: %w", err)
				}
				region = string(r)
			}
			a, err := c.Issuers(cmd.Context(), region, kid)
			if err != nil {
				return err
			}
			return t.emit(cmd, a, func(w io.Writer) error {
				if err := issuerTable(w, a.Issuers); err != nil {
					return err
				}
				return asOf(w, a.AsOf)
			})
		},
	}
	k.flags(cmd)
	cmd.Flags().StringVar(&region, "region", "", "only keys of this region")
	cmd.Flags().StringVar(&kid, "kid", "", "only keys with this key id (base64 or hex), as codes name it")
	return cmd
}

func issuerTable(w io.Writer, keys []client.IssuerKey) error {
	rows := [][]string{{"KEY", "KID", "REGION", "STATUS", "ALGORITHM", "KINDS", "VALID FROM", "VALID UNTIL", "STATEMENT", "ISSUER"}}
	for _, k := range keys {
		status := k.Status
		switch {
		case k.Since != nil:
			status += " since " + stamp(k.Since)
		case k.RetiredAt != nil:
			status += " at " + stamp(k.RetiredAt)
		}
		rows = append(rows, []string{k.ID[:16], k.KeyID, k.Region, status, k.Algorithm, orAll(k.Kinds), stamp(k.ValidFrom), stamp(k.ValidUntil), index(&k.Statement), issuerOf(&k)})
	}
	return table(w, rows...)
}

// issuerOf is how people know an issuer: by its name, else by its URL.
func issuerOf(k *client.IssuerKey) string {
	switch {
	case k.Name != "":
		return k.Name
	case k.Issuer != "":
		return k.Issuer
	}
	return "-"
}
