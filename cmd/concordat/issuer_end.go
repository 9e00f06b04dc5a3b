package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/healthcode/trustlist"
	"concordat/ledger/statement"
)

func newIssuerRetire(t *terminal) *cobra.Command {
	var s speech
	at := moment{time.Now().UTC().Truncate(time.Second)}
	cmd := &cobra.Command{
		Use:   "retire KEYID",
		Short: "End a key's use: codes issued before stay good until they expire",
		Long: `  concordat issuer retire --dir xa 0a1b2c3d4e5f6071
  concordat issuer retire --dir xa 2QdaSlJm1AE= --at 2021-12-31T23:59:59Z

KEYID is the key's thumbprint as ` + "`issuer list`" + ` gives it, at least 8 digits of
it, or the key id of its codes in base64 or hex. Codes issued after --at are not
good. A key in wrong hands is not retired but declared compromised.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := s.resolveKey(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return s.say(cmd, t, &statement.RetireKey{Key: key, At: at.of()})
		},
	}
	s.flags(cmd)
	s.revisionFlag(cmd)
	cmd.Flags().Var(&at, "at", "codes issued later are not good (default now)")
	cmd.Flags().Lookup("at").DefValue = "" // "now" is in the text; a time would make help differ from day to day
	return cmd
}

func newIssuerCompromise(t *terminal) *cobra.Command {
	var s speech
	var since moment
	var spare bool
	var reason string
	cmd := &cobra.Command{
		Use:   "compromise KEYID --since T",
		Short: "Declare that a key is in wrong hands, for good",
		Long: `  concordat issuer compromise --dir xa 0a1b2c3d4e5f6071 --since 2021-06-01T12:00:00Z --reason 'the signing server was broken into'

KEYID is as for retire. All codes of the key are refused from then on, those
issued before --since too: whoever holds the key can write any date into a code.
--spare-earlier says in so many words that codes issued before stay good. This
cannot be taken back.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := s.resolveKey(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return s.say(cmd, t, &statement.CompromiseKey{Key: key, Since: since.of(), SpareEarlier: spare, Reason: reason})
		},
	}
	s.flags(cmd)
	s.revisionFlag(cmd)
	f := cmd.Flags()
	f.Var(&since, "since", "when the key may have come into wrong hands")
	f.BoolVar(&spare, "spare-earlier", false, "codes issued before --since stay good")
	f.StringVar(&reason, "reason", "", "why, for everyone to read")
	require(cmd, "since")
	return cmd
}

// resolveKey finds which of the speaker's own keys is meant. A whole thumbprint
// needs no look-up: it says it all.
func (s *speech) resolveKey(ctx context.Context, ref string) (statement.Thumbprint, error) {
	if b, err := parseHex(ref, len(statement.Thumbprint{})); err == nil {
		return statement.Thumbprint(b), nil
	}
	if err := checkKeyRef(ref); err != nil {
		return statement.Thumbprint{}, err
	}
	id, err := s.speaker()
	if err != nil {
		return statement.Thumbprint{}, err
	}
	c, err := s.client()
	if err != nil {
		return statement.Thumbprint{}, err
	}
	all, err := c.Issuers(ctx, string(id), "")
	if err != nil {
		return statement.Thumbprint{}, err
	}
	return chooseKey(id, ref, all.Issuers)
}

// checkKeyRef refuses what cannot name a key, before anybody is asked.
func checkKeyRef(ref string) error {
	if isHex(ref) {
		if len(ref) < 8 || len(ref) > 64 {
			return usage("key %q has %d hex digits; want at least 8 of its 64, or a key id in base64", ref, len(ref))
		}
		return nil
	}
	if b, err := trustlist.Base64(ref); err != nil || len(b) < 4 || len(b) > statement.MaxKeyID {
		return usage("%.80q names no key; want at least 8 hex digits of its thumbprint, or its key id in base64", ref)
	}
	return nil
}

func isHex(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}

// chooseKey finds the one key whose thumbprint begins with ref, or whose key id is ref.
func chooseKey(id statement.Region, ref string, keys []client.IssuerKey) (statement.Thumbprint, error) {
	var found []client.IssuerKey
	for _, k := range keys {
		if isHex(ref) && strings.HasPrefix(k.ID, strings.ToLower(ref)) || sameKeyID(ref, k.KeyID) {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 1:
		b, err := parseHex(found[0].ID, len(statement.Thumbprint{}))
		if err != nil {
			return statement.Thumbprint{}, client.Fail(client.NotUnderstood, "issuers: %v", err)
		}
		return statement.Thumbprint(b), nil
	case 0:
		return statement.Thumbprint{}, client.Fail(client.NotFound, "%s has no key %q among its %d", id, ref, len(keys)).
			WithHint("concordat issuer list --region %s shows them", id)
	}
	var names strings.Builder
	for _, k := range found {
		names.WriteString("\n  " + k.ID + "  " + clean(k.Status) + "  " + clean(orAll(k.Kinds)))
	}
	return statement.Thumbprint{}, usage("%q names %d keys of %s; give more digits of one:%s", ref, len(found), id, names.String())
}

// sameKeyID compares a key id as typed, in base64 or hex, with one in base64.
func sameKeyID(ref, kid string) bool {
	want, err := trustlist.Base64(kid)
	if err != nil || len(want) == 0 {
		return false
	}
	if b, err := hex.DecodeString(ref); err == nil && string(b) == string(want) {
		return true
	}
	b, err := trustlist.Base64(ref)
	return err == nil && base64.StdEncoding.EncodeToString(b) == base64.StdEncoding.EncodeToString(want)
}

// parseHex reads exactly size bytes of hex.
func parseHex(s string, size int) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != size {
		return nil, fmt.Errorf("%.80q is not %d hex digits", s, 2*size)
	}
	return b, nil
}
