package main

import (
	"bufio"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/genesis"
	"concordat/ledger/recovery"
	"concordat/ledger/statement"
)

// recoverySigning is what recover sign is told.
type recoverySigning struct {
	trust
	key, authority string
	yes            bool
}

func newRecoverSign(t *terminal) *cobra.Command {
	var r recoverySigning
	cmd := &cobra.Command{
		Use:   "sign PLAN --dir DIR",
		Short: "Agree to a plan with an authority's governance key",
		Long: `  concordat recover sign plan.json --dir xb
  concordat recover sign plan.json --key stick/governance.key --authority XB --genesis genesis.json --yes

Shows in words what is signed, asks, and adds the signature to the file. It needs
no network and no node: the key may stay where it is. Hand the file to the next.
Exit code 1: the plan asks for no signature of this authority, or of this key.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd, t, args[0]) },
	}
	r.trust.flags(cmd)
	cmd.Flags().Lookup("dir").Usage = "the authority's `DIR`, with its governance key"
	f := cmd.Flags()
	f.StringVar(&r.key, "key", "", "`FILE` of the governance key, where it is kept elsewhere; with --authority, or with --dir")
	f.StringVar(&r.authority, "authority", "", "whose key --key is, like XA")
	f.BoolVar(&r.yes, "yes", false, "sign without asking")
	return cmd
}

func (r *recoverySigning) run(cmd *cobra.Command, t *terminal, path string) error {
	f, doc, err := readPlan(&r.trust, path)
	if err != nil {
		return err
	}
	if doc == nil {
		return usage("--genesis is missing: give the network's founding document, by which to know which network is recovered")
	}
	id, err := r.signer()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(f.Electors, func(e recovery.Elector) bool { return e.Authority == id })
	if i < 0 {
		return fmt.Errorf("%w: %s is none of %s, whose signatures the plan asks for", recovery.ErrNotElector, id, namesOf(f.Unsigned()))
	}
	for _, line := range f.Words() {
		t.say("%s", line)
	}
	if was, is := doc.Authority(id); is && was.Keys.Governance != f.Electors[i].Governance {
		t.say("remark: the plan has another governance key for %s than the founding document; it counts if it was rotated since", id)
	}
	if err := confirmed(t, r.yes, fmt.Sprintf("sign this for %s?", id)); err != nil {
		return err
	}
	key, err := governanceKey(t, r.dir, r.key, f.Electors[i].Governance)
	if err != nil {
		return err
	}
	if err := f.Sign(id, key); err != nil {
		return err
	}
	if err := keepPlan(path, f); err != nil {
		return err
	}
	a := plannedOf(path, f)
	return t.emit(cmd, a, a.print)
}

// signer is the authority that signs.
func (r *recoverySigning) signer() (statement.Region, error) {
	if r.authority != "" {
		id, err := statement.ParseRegion(r.authority)
		if err != nil {
			return "", usage("--authority: %w", err)
		}
		return id, nil
	}
	id, err := r.region()
	if err == nil && id == "" {
		err = usage("who signs? give --dir DIR, or --key FILE with --authority ID")
	}
	return id, err
}

// governanceKey opens an authority's governance key: the one that the ledger has.
func governanceKey(t *terminal, dir, file string, want genesis.Key) (ed25519.PrivateKey, error) {
	if file != "" {
		k, err := authority.LoadKey(file, t.passphrase)
		if err != nil {
			return nil, err
		}
		return k.Ed25519(), nil
	}
	d, err := authority.Open(dir, t.passphrase)
	if err != nil {
		return nil, err
	}
	k, err := d.KeyFor(authority.Governance, want.Public())
	if err != nil {
		return nil, err
	}
	return k.Ed25519(), nil
}

// confirmed returns when a person, or --yes in his name, has said yes.
func confirmed(t *terminal, yes bool, question string) error {
	if yes {
		return nil
	}
	if !isTerminal(t.in) {
		return usage("nothing was done: there is no terminal to ask; read the above, and say --yes")
	}
	fmt.Fprint(t.err, question+" type yes: ")
	line, err := bufio.NewReader(t.in).ReadString('\n')
	if err != nil && line == "" {
		return fmt.Errorf("nothing was done: %w", err)
	}
	if strings.TrimSpace(line) != "yes" {
		return &client.Failure{Name: "not-confirmed", Message: "nothing was done", Hint: "only the word yes is yes"}
	}
	return nil
}
