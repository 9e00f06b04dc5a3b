package main

import (
	"time"

	"github.com/spf13/cobra"

	"concordat/healthcode/trustlist"
)

func newIssuerRegister(t *terminal) *cobra.Command {
	var s speech
	var certificate, jwk string
	var k kinds
	var from, until moment
	cmd := &cobra.Command{
		Use:   "register --certificate FILE | --jwk FILE",
		Short: "Register an issuer's key",
		Long: `  concordat issuer register --dir xa --certificate dsc.pem
  concordat issuer register --dir xa --jwk key.json --kinds vaccination,test --valid-until 2022-12-31T23:59:59Z

Takes an X.509 certificate (DER or PEM) or a public JWK (RFC 7517). The key is
EC P-256 or P-384, RSA of 2048 to 4096 bits, or Ed25519 (native codes only).

Without --kinds, the certificate's key usages say for which kinds of code the
key is good; where it has none, for all. Without --valid-until it is the end of
the certificate, stated as data. A certificate's beginning is not taken: where
codes issued before a time are not good, say so with --valid-from.

The key id of codes (kid) is the first 8 bytes of SHA-256 over a certificate's
DER. For a JWK it is the JWK's own "kid" if that is its RFC 7638 thumbprint, or
8 bytes in base64; without one, the thumbprint.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := readIssuers(certificate, jwk)
			if err != nil {
				return err
			}
			body, err := found.registration()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("kinds") {
				body.Kinds = k.list
			}
			body.ValidFrom = from.of()
			if !until.IsZero() {
				body.ValidUntil = until.of()
			}
			found.remarks(t, time.Now(), until.IsZero())
			return s.say(cmd, t, body)
		},
	}
	s.flags(cmd)
	s.revisionFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&certificate, "certificate", "", "`FILE` with the certificate, DER or PEM")
	f.StringVar(&jwk, "jwk", "", "`FILE` with the public key as a JWK")
	f.Var(&k, "kinds", "kinds of code that the key is good for: vaccination, test, recovery, health, itinerary, or all")
	f.Var(&from, "valid-from", "codes issued earlier are not good")
	f.Var(&until, "valid-until", "codes issued later are not good (default: the end of the certificate)")
	cmd.MarkFlagsOneRequired("certificate", "jwk")
	cmd.MarkFlagsMutuallyExclusive("certificate", "jwk")
	return cmd
}

// readIssuers reads the one file that was given.
func readIssuers(certificate, jwk string) (*issuerKey, error) {
	if certificate != "" {
		return readIssuer(certificate, trustlist.X509)
	}
	return readIssuer(jwk, trustlist.JWK)
}
