package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"concordat/client/authority"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// defaultAddresses are where a node listens unless its authority says more: a
// start on one machine, which nobody else can dial.
var defaultAddresses = []string{"/ip4/127.0.0.1/tcp/8461", "/ip4/127.0.0.1/udp/8461/quic-v1"}

// made is what init answers.
type made struct {
	Authority  statement.Region `json:"authority"`
	Name       string           `json:"name"`
	Dir        string           `json:"dir"`
	Descriptor string           `json:"descriptor"` // file
	Encrypted  bool             `json:"encrypted"`
	Addresses  []string         `json:"addresses"`
	Keys       genesis.Keys     `json:"keys"`
}

func newInit(t *terminal) *cobra.Command {
	var id, name, dir, url string
	var addresses []string
	var encrypt bool
	cmd := &cobra.Command{
		Use:   "init --authority ID --name NAME --dir DIR",
		Short: "Make an authority's keys, and the descriptor to hand to the others",
		Long: `  concordat init --authority XA --name 'Ministry of Health, XA' --dir xa --address /dns/node.xa.example/tcp/8461
  ls xa xa/keys                                # descriptor.json, and four private keys

Makes the four keys of an authority (governance, statement, node, cosign) in
DIR/keys and its public half in DIR/descriptor.json, which goes to whoever
writes the network's founding document. Nothing is ever overwritten.

With --encrypt, or where CONCORDAT_PASSPHRASE or CONCORDAT_PASSPHRASE_FILE is
set, the keys are encrypted (age, scrypt). Take keys/governance.key offline: it
can rotate the others, and only propose, vote, withdraw, recover and authority
rotate need it; they take it from elsewhere with --key.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && len(addresses) == 0 {
				return usage("%q is not understood; see concordat init --help", args[0])
			}
			// Shells let people write --address A B C.
			addresses = append(addresses, args...)
			region, err := statement.ParseRegion(id)
			if err != nil {
				return usage("--authority: %w", err)
			}
			local := len(addresses) == 0
			if local {
				addresses = defaultAddresses
			}
			for _, a := range addresses {
				if err := genesis.CheckAddress(a); err != nil {
					return usage("--address: %w", err)
				}
			}
			secret, err := givenPassphrase()
			if err == nil && encrypt {
				secret, err = t.newPassphrase()
			}
			if err != nil {
				return err
			}
			d, err := authority.Create(dir, region, name, addresses, url, secret)
			if err != nil {
				return err
			}
			if local {
				t.say("remark: the addresses are %s: only this machine can dial them; others need --address", strings.Join(addresses, " and "))
			}
			if secret == "" {
				t.say("remark: the keys are not encrypted; --encrypt asks for a passphrase")
			}
			m := made{region, name, dir, filepath.Join(dir, "descriptor.json"), secret != "", addresses, d.Authority.Keys}
			return t.emit(cmd, m, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s: keys of %s (%s)\n%s: hand it to whoever founds the network\n",
					filepath.Join(m.Dir, "keys"), m.Authority, clean(m.Name), m.Descriptor)
				return err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&id, "authority", "", "the region it speaks for: ISO 3166 with subdivisions, like XA, DE or CN-31")
	f.StringVar(&name, "name", "", "what people call the authority")
	f.StringVar(&dir, "dir", "", "where to put it; made if it is not there")
	f.StringArrayVar(&addresses, "address", nil, "libp2p address (`MULTIADDR`) at which the others reach its node; repeat it (default "+strings.Join(defaultAddresses, ", ")+")")
	f.StringVar(&url, "http", "", "public base `URL` of its node's API")
	f.BoolVar(&encrypt, "encrypt", false, "encrypt the keys with a passphrase")
	require(cmd, "authority", "name", "dir")
	return cmd
}

// require marks flags that must be given.
func require(cmd *cobra.Command, flags ...string) {
	for _, f := range flags {
		if err := cmd.MarkFlagRequired(f); err != nil {
			panic(err) // no such flag: a mistake in this program
		}
	}
}
