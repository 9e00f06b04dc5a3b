package main

import "github.com/spf13/cobra"

// maxPayload bounds a file of eu_dcc_v1, in bytes.
const maxPayload = 64 << 10

func newCodeIssueHC1(t *terminal) *cobra.Command {
	var i issuing
	var payload string
	cmd := &cobra.Command{
		Use:   "hc1 --key FILE --region REGION --payload FILE.json --expires TIME",
		Short: "Issue an EU Digital COVID Certificate",
		Long: `  concordat code issue hc1 --key hc1.key --certificate hc1.pem --region XA --payload dcc.json --expires now+180d
  concordat code issue hc1 --key hc1.key --certificate hc1.pem --region XA --payload - --expires now+180d --out code.png

The payload is the JSON object that the DCC schema describes: ver, nam, dob, and
one of v, t and r with exactly one entry. The region is a country of two letters.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			issuer, err := i.issuer(cmd, t)
			if err != nil {
				return err
			}
			raw, err := t.readInput(payload, maxPayload)
			if err != nil {
				return err
			}
			code, err := issuer.HC1(raw, i.at(), i.expires.Time)
			if err != nil {
				return issueError(err)
			}
			return i.hand(cmd, t, code)
		},
	}
	i.flags(cmd)
	cmd.Flags().StringVar(&payload, "payload", "", "`FILE.json` with the certificate; - is standard input")
	require(cmd, "payload")
	return cmd
}
