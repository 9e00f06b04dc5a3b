package main

import "github.com/spf13/cobra"

func newCode(t *terminal) *cobra.Command {
	return group("code", "Make health codes, and look into them, without any node",
		`  concordat code key --region XA --out xa-issuer --kinds health,itinerary
  concordat code issue health --key xa-issuer/issuer.key --certificate xa-issuer/issuer.pem --region XA --status green --expires now+30d --out code.png
  concordat code show code.png

What an issuer does. It works offline and alone: an issuer's private key touches
no node, and nothing of a code is kept anywhere. The public half is what an
authority registers, with concordat issuer register.`,
		newCodeKey(t), newCodeIssue(t), newCodeShow(t))
}
