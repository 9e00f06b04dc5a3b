package main

import (
	"github.com/spf13/cobra"

	"concordat/ledger/statement"
)

func newIncident(t *terminal) *cobra.Command {
	return group("incident", "Tell the others of an incident",
		`  concordat incident report --dir xa --title 'forged certificates in circulation' --text 'seen since Monday, signed by a test key'
  concordat statements --kind incident.report

A report changes nothing by itself, and is not for names: it stays for good, and
everybody reads it. It needs protocol level 2.`,
		newIncidentReport(t))
}

func newIncidentReport(t *terminal) *cobra.Command {
	var s speech
	var title, text, key string
	cmd := &cobra.Command{
		Use:   "report --title TEXT",
		Short: "Report an incident, in words",
		Long: `  concordat incident report --dir xa --title 'forged certificates in circulation'
  concordat incident report --dir xa --title 'signing key copied' --issuer-key 0a1b2c3d4e5f6071 --text 'it is declared compromised in statement 77'

No names, no birth dates, no codes: a ledger forgets nothing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body := &statement.ReportIncident{Title: title, Text: text}
			if key != "" {
				k, err := s.resolveKey(cmd.Context(), key)
				if err != nil {
					return err
				}
				body.Key = &k
			}
			return s.say(cmd, t, body)
		},
	}
	s.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&title, "title", "", "what happened, in a few words")
	f.StringVar(&text, "text", "", "more of it, for everyone to read")
	f.StringVar(&key, "issuer-key", "", "the issuer's key that it is about (`KEYID`, as for issuer retire)")
	require(cmd, "title")
	return cmd
}
