package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/statement"
)

// checkedStatement is what statement answers: what the node says, and who
// vouches for the signature.
type checkedStatement struct {
	client.Statement
	Index     *uint64 `json:"index,omitempty"` // none while it is in no ledger
	Signature string  `json:"signature"`       // verified against the key of the genesis, or of the node's word
}

func newStatement(t *terminal) *cobra.Command {
	var k talk
	var genesisFile, rawFile string
	cmd := &cobra.Command{
		Use:   "statement INDEX | HASH",
		Short: "Show one statement, and check it",
		Long: `  concordat statement 12
  concordat statement 12 --genesis genesis.json --raw 12.cose

The signed bytes are fetched and checked here: that they hash to what was asked
for, that they say what the node says they say, and that their authority's key
has signed them, the key that --genesis names or else the node. The exit code is 3
where --genesis is given and names another, because the authority was admitted or
its key replaced since; a node that is caught contradicting what was signed is exit
code 4.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			s, err := c.Statement(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			u, err := agree(args[0], s)
			if err != nil {
				return err
			}
			voucher, proved, err := vouch(cmd.Context(), c, genesisFile, u)
			if err != nil {
				return err
			}
			if rawFile != "" {
				if err := writeNew(rawFile, s.Raw); err != nil {
					return err
				}
				t.say("%s: %d bytes", rawFile, len(s.Raw))
			}
			said := u.Statement()
			s.Words = said.Words() // as this program reads the bytes, not as the node does
			a := checkedStatement{Statement: s, Signature: voucher}
			if s.State == client.Ordered || s.State == client.Final {
				a.Index = &s.Index
			}
			if err := t.emit(cmd, a, func(w io.Writer) error { return printStatement(w, a) }); err != nil {
				return err
			}
			if genesisFile != "" && !proved {
				return &outcome{client.ExitUnreachable} // the signature line says why
			}
			return nil
		},
	}
	k.flags(cmd)
	cmd.Flags().StringVar(&genesisFile, "genesis", "", "the network's founding document, to take the authority's key from")
	cmd.Flags().StringVar(&rawFile, "raw", "", "`FILE` to write the signed bytes to; it must not be there yet")
	return cmd
}

// agree checks that the bytes are the ones asked for and say what the node says.
func agree(ref string, s client.Statement) (*statement.Unverified, error) {
	sum := sha256.Sum256(s.Raw)
	have := hex.EncodeToString(sum[:])
	if have != s.Hash || len(ref) == 2*len(sum) && ref != have {
		return nil, fmt.Errorf("%w: the bytes of statement %s hash to %s, and the node gives %s", client.ErrTampered, ref, have, s.Hash)
	}
	u, err := statement.Parse(s.Raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", client.ErrTampered, err)
	}
	st := u.Statement()
	for _, f := range []struct{ what, node, signed string }{
		{"kind", s.Kind, string(st.Kind())},
		{"authority", s.Authority, string(st.Issuer)},
		{"subject", s.Subject, st.Subject()},
		{"revision", fmt.Sprint(s.Revision), fmt.Sprint(st.Revision)},
	} {
		if f.node != f.signed {
			return nil, fmt.Errorf("%w: its %s is %q, and the node says %q", client.ErrTampered, f.what, f.signed, f.node)
		}
	}
	return u, nil
}

// vouch verifies the signature and says whose word the key is, and whether the
// genesis proves it.
func vouch(ctx context.Context, c *client.Client, genesisFile string, u *statement.Unverified) (voucher string, proved bool, err error) {
	st := u.Statement()
	role := signerOf(st.Kind())
	voucher = "verified with the " + string(role) + " key that the node names; give --genesis to be sure of it"
	if genesisFile != "" {
		doc, err := readGenesis(genesisFile)
		if err != nil {
			return "", false, err
		}
		if st.Network != doc.ID() {
			return "", false, fmt.Errorf("%w: it was signed for network %s, and %s founds %s", client.ErrTampered, st.Network, genesisFile, doc.ID())
		}
		if a, ok := doc.Authority(st.Issuer); ok {
			if key := foundingKey(a, role); statement.KeyIDOf(key) == u.KeyID() {
				if _, err := u.Verify(key); err != nil {
					return "", false, fmt.Errorf("%w: %w", client.ErrTampered, err)
				}
				return "verified with the key in " + genesisFile, true, nil
			}
		}
		voucher = fmt.Sprintf("verified with a %s key that the node names, and %s does not: it was admitted or replaced since; concordat receipt verify, or audit, proves that", role, genesisFile)
	}
	all, err := c.Authorities(ctx)
	if err != nil {
		return "", false, err
	}
	var key ed25519.PublicKey
	for _, a := range all.Authorities {
		if a.ID == string(st.Issuer) {
			key = keyWithID(a, role, u.KeyID())
		}
	}
	if _, err := u.Verify(key); err != nil {
		return "", false, fmt.Errorf("%w: %w", client.ErrTampered, err)
	}
	return voucher, false, nil
}

// signerOf is the role of the key that signs statements of a kind.
func signerOf(k statement.Kind) authority.Role {
	switch {
	case k.ByGovernance():
		return authority.Governance
	case k.ByNode():
		return authority.Node
	}
	return authority.Statement
}

// keyWithID is an authority's key for a role with that id, a former one perhaps;
// else its present one. A key that is not base64 verifies nothing, and Verify says so.
func keyWithID(a client.Authority, role authority.Role, kid statement.KeyID) ed25519.PublicKey {
	key, _ := base64.StdEncoding.DecodeString(a.Keys[string(role)])
	for _, k := range a.History {
		if public, err := base64.StdEncoding.DecodeString(k.Public); err == nil && k.Use == string(role) && statement.KeyIDOf(public) == kid {
			return public
		}
	}
	return key
}

func printStatement(w io.Writer, a checkedStatement) error {
	body, err := json.MarshalIndent(a.Body, "", "  ")
	if err != nil {
		return err
	}
	p := &printer{w: w}
	p.line("%s\n", a.Words)
	p.line("index      %s (%s)", index(a.Index), a.State)
	p.line("hash       %s", a.Hash)
	p.line("kind       %s", a.Kind)
	p.line("authority  %s", a.Authority)
	p.line("subject    %s", a.Subject)
	if a.Revision > 0 {
		p.line("revision   %d", a.Revision)
	}
	p.line("issued     %s (by the signer's clock)", stamp(a.IssuedAt))
	p.line("signature  %s", a.Signature)
	if r := a.Refusal; r != nil {
		p.line("refused    %s: %s", r.Name, r.Message)
	}
	p.line("\nas the node reads it:")
	for line := range strings.SplitSeq(string(body), "\n") {
		p.line("  %s", line)
	}
	return p.err
}
