package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/statement"
)

// rotation is one run of authority rotate.
type rotation struct {
	governing
	of      authority.Role // whose key is replaced
	prepare bool
	finish  bool
}

// rotated is what authority rotate answers where it signs nothing.
type rotated struct {
	Authority string `json:"authority"`
	Role      string `json:"role"`
	KeyID     string `json:"kid"`  // of the new key
	File      string `json:"file"` // where it is now
	Request   string `json:"request,omitempty"`
	Words     string `json:"words"`
	Next      string `json:"next,omitempty"`
}

func newAuthorityRotate(t *terminal) *cobra.Command {
	var r rotation
	cmd := &cobra.Command{
		Use:   "rotate statement|node|cosign|governance --dir DIR",
		Short: "Replace one of one's own keys",
		Long: `  concordat authority rotate statement --dir xa
  concordat authority rotate node --dir xa --key /media/stick/governance.key
  concordat authority rotate governance --dir xa --out xa.request    # the others vote on it
  concordat authority rotate governance --dir xa --finish            # once they have

Makes the new key in DIR/keys/next, has the ledger name it, by a statement that the
governance key signs, waits until that is final, and moves it to DIR/keys; the old
one goes to DIR/keys/former. Interrupted anywhere, it is run again, and goes on.

A node takes the new key by itself when the ledger names it, if it finds it in its
directory, and moves it to its place itself once the validators have handed over.
Where the node, or the governance key, is on another machine: --prepare makes the
new key and says which file to copy there first; --finish, on a machine that had no
part in signing, moves the key into its place. It says so, with exit code 0, where
that is done already, by the node or an earlier run: ask it first if you do not
know how far an interrupted run came.

The governance key itself is replaced by the others' vote: --out writes the request
that another member proposes (concordat propose rotate).`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if r.of, err = parseRole(args[0]); err != nil {
				return err
			}
			if r.dir == "" {
				return usage("--dir is missing: the new key is made in the authority's directory; --key names the governance key if that is elsewhere")
			}
			return r.run(cmd, t)
		},
	}
	r.flags(cmd)
	r.revisionFlag(cmd)
	f := cmd.Flags()
	f.BoolVar(&r.prepare, "prepare", false, "make the new key, say where it is, and sign nothing")
	f.BoolVar(&r.finish, "finish", false, "only move the new key into its place, if the ledger names it; that it is there already is no error")
	cmd.MarkFlagsMutuallyExclusive("prepare", "finish")
	return cmd
}

func (r *rotation) run(cmd *cobra.Command, t *terminal) error {
	dir, err := authority.Open(r.dir, t.passphrase)
	if err != nil {
		return err
	}
	if r.dryRun {
		return r.rehearse(cmd, t, dir)
	}
	if r.prepare {
		return r.prepared(cmd, t, dir)
	}
	if r.of == authority.Governance && !r.finish {
		return r.request(cmd, t, dir)
	}
	// What an earlier run has brought into the ledger is only to be finished.
	next, err := dir.Next(r.of)
	switch {
	case errors.Is(err, authority.ErrNoNext) && r.finish:
		return r.finished(cmd, t, dir, err)
	case errors.Is(err, authority.ErrNoNext):
		return r.sign(cmd, t, dir)
	case err != nil:
		return err
	}
	if r.out != "" && !r.finish {
		return r.sign(cmd, t, dir) // perhaps without a network
	}
	a, asOf, err := r.record(cmd.Context(), dir.ID())
	if err != nil {
		return err
	}
	if !named(a, r.of, next.Public()) {
		if r.finish {
			return &client.Failure{Name: "not-named-yet", Message: fmt.Sprintf("the ledger names another %s key for %s than the new one, %s", r.of, dir.ID(), fingerprint(next.Public())),
				Hint: "nothing was moved; run it again when the statement, or the vote, that names it is ordered"}
		}
		return r.sign(cmd, t, dir)
	}
	t.say("the ledger names the new %s key %s already: finishing", r.of, fingerprint(next.Public()))
	if err := r.final(cmd.Context(), t, dir.ID(), a, asOf, next.Public()); err != nil {
		return err
	}
	if err := dir.Promote(r.of, next.Public()); err != nil {
		return err
	}
	return r.emit(cmd, t, dir, next.Public(), "", fmt.Sprintf("%s has the new %s key in its place", dir.ID(), r.of), r.moved(dir))
}

// finished answers --finish where no key waits: the node that runs from the
// directory may have moved it (node/promote.go), or an earlier run.
func (r *rotation) finished(cmd *cobra.Command, t *terminal, dir *authority.Directory, noNext error) error {
	present, err := dir.Key(r.of)
	if errors.Is(err, authority.ErrNoKey) {
		return fmt.Errorf("%w; there is nothing to finish", noNext)
	}
	if err != nil {
		return err
	}
	if first := foundingKey(dir.Descriptor().Authority, r.of); present.Public().Equal(first) {
		return fmt.Errorf("%w; there is nothing to finish: %s is the key that init made", noNext, dir.KeyPath(r.of))
	}
	a, _, err := r.record(cmd.Context(), dir.ID())
	if err != nil {
		return err
	}
	if !named(a, r.of, present.Public()) {
		return fmt.Errorf("%w; there is nothing to finish, and the ledger names another %s key than %s, in %s", noNext, r.of, fingerprint(present.Public()), dir.KeyPath(r.of))
	}
	return r.emit(cmd, t, dir, present.Public(), "", fmt.Sprintf("done already: %s has the new %s key in its place", dir.ID(), r.of), r.moved(dir))
}

// record is the authority as the ledger has it.
func (r *rotation) record(ctx context.Context, id statement.Region) (*client.Authority, client.AsOf, error) {
	c, err := r.client()
	if err != nil {
		return nil, client.AsOf{}, err
	}
	return findAuthority(ctx, c, id)
}

// findAuthority is one authority as a node's ledger has it.
func findAuthority(ctx context.Context, c *client.Client, id statement.Region) (*client.Authority, client.AsOf, error) {
	all, err := c.Authorities(ctx)
	if err != nil {
		return nil, client.AsOf{}, err
	}
	for i := range all.Authorities {
		if all.Authorities[i].ID == string(id) {
			return &all.Authorities[i], all.AsOf, nil
		}
	}
	return nil, all.AsOf, client.Fail(client.NotFound, "%s is no authority of this network", id).WithHint("concordat authority list has them; a new one is proposed: concordat propose admit")
}

// named reports that the ledger has this key for a role now.
func named(a *client.Authority, role authority.Role, public ed25519.PublicKey) bool {
	return a.Keys[string(role)] == base64.StdEncoding.EncodeToString(public)
}

// final waits until the statement that names the key is final: until then it
// could, if much goes wrong, yet be undone, and the old key be needed.
func (r *rotation) final(ctx context.Context, t *terminal, id statement.Region, a *client.Authority, asOf client.AsOf, public ed25519.PublicKey) error {
	const patience, pause = time.Minute, 200 * time.Millisecond
	told := false
	for began := time.Now(); ; {
		from := uint64(0)
		for _, k := range a.History {
			if k.Use == string(r.of) && k.Public == base64.StdEncoding.EncodeToString(public) {
				from = k.From
			}
		}
		if asOf.FinalSize >= from {
			return nil
		}
		if time.Since(began) > patience {
			return client.Fail(client.NotFinal, "the statement that names the new key is ordered, and not final after %s; the key is not moved", patience)
		}
		if !told {
			t.say("waiting until it is final")
			told = true
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		var err error
		if a, asOf, err = r.record(ctx, id); err != nil {
			return err
		}
	}
}

// body is the statement that names the next key.
func (r *rotation) body(network statement.NetworkID, id statement.Region, next authority.PrivateKey) *statement.RotateOwnKey {
	return &statement.RotateOwnKey{NewKey: statement.ProveKey(network, id, statement.KeyUse(r.of), next.Ed25519())}
}

// sign makes the next key, unless it is there, and has the ledger name it.
func (r *rotation) sign(cmd *cobra.Command, t *terminal, dir *authority.Directory) error {
	network, err := r.network(cmd.Context(), t, dir.ID())
	if err != nil {
		return err
	}
	next, err := dir.NewNext(r.of)
	if err != nil {
		return err
	}
	s := &sheet{facts: []string{"the new key is in " + dir.NextPath(r.of)}}
	if r.of == authority.Node || r.of == authority.Cosign {
		s.remarks = append(s.remarks, fmt.Sprintf("the node needs it when this is ordered; one that runs from this directory finds it, for one on another machine copy that file (mode 0600) to keys/next/%s.key in its directory first", r.of))
	}
	if r.out != "" {
		s.remarks = append(s.remarks, fmt.Sprintf("once it is sent and ordered: concordat authority rotate %s --dir %s --finish", r.of, r.dir))
	}
	return r.decide(cmd, t, r.body(network, dir.ID(), next), s, func(_ context.Context, _ *voice, d *decided) error {
		if d.State != client.Final {
			d.Next = fmt.Sprintf("it is ordered, and not final yet; the key is moved when it is: concordat authority rotate %s --dir %s --finish", r.of, r.dir)
			return nil
		}
		if err := dir.Promote(r.of, next.Public()); err != nil {
			return fmt.Errorf("%w; run it again: concordat authority rotate %s --dir %s --finish", err, r.of, r.dir)
		}
		d.Next = r.moved(dir)
		return nil
	})
}

func (r *rotation) moved(dir *authority.Directory) string {
	s := fmt.Sprintf("the new key is in keys/%s.key, the old one in keys/former, below %s", r.of, dir.Path())
	if r.of == authority.Node || r.of == authority.Cosign {
		s += fmt.Sprintf("; the node takes it by itself. Keep the old one until `concordat status` shows no handover. On another machine that runs the node: concordat authority rotate %s --dir DIR --finish", r.of)
	}
	return s
}

// network finds which network the key's proof is for.
func (r *rotation) network(ctx context.Context, t *terminal, id statement.Region) (statement.NetworkID, error) {
	c, err := r.client()
	if err != nil {
		return statement.NetworkID{}, err
	}
	quiet := *t
	quiet.err = io.Discard // voice says it, with the key that signs
	return r.networkID(ctx, &quiet, &client.Author{Client: c, Authority: id, Key: make(ed25519.PrivateKey, ed25519.PrivateKeySize)})
}

// prepared makes the next key and says what to do with it.
func (r *rotation) prepared(cmd *cobra.Command, t *terminal, dir *authority.Directory) error {
	next, err := dir.NewNext(r.of)
	if err != nil {
		return err
	}
	return r.emit(cmd, t, dir, next.Public(), "", fmt.Sprintf("made the next %s key of %s", r.of, dir.ID()),
		fmt.Sprintf("where another machine uses this key, copy %s (mode 0600) to keys/next/%s.key in its directory; then: concordat authority rotate %s --dir %s", dir.NextPath(r.of), r.of, r.of, r.dir))
}

// request writes what another member proposes: the governance key is not its
// own successor's judge.
func (r *rotation) request(cmd *cobra.Command, t *terminal, dir *authority.Directory) error {
	if r.out == "" {
		return usage("an authority does not replace its own governance key: give --out FILE for the request that another member proposes, or --finish once the vote has carried it")
	}
	if err := checkOutput(cmd, r.out); err != nil {
		return err
	}
	network, err := r.network(cmd.Context(), t, dir.ID())
	if err != nil {
		return err
	}
	next, err := dir.NewNext(r.of)
	if err != nil {
		return err
	}
	k := statement.ProveKey(network, dir.ID(), statement.UseGovernance, next.Ed25519())
	raw, err := (&keyRequest{keyRequestFormat, dir.ID(), network.String(), client.KeyRequestOf(k)}).encode()
	if err != nil {
		return err
	}
	if err := t.writeOutput(r.out, raw); err != nil || r.out == stdio {
		return err
	}
	return r.emit(cmd, t, dir, next.Public(), r.out, fmt.Sprintf("%s asks for the governance key %s", dir.ID(), fingerprint(next.Public())),
		fmt.Sprintf("hand %s to another member, who compares that key's id with you by voice and runs: concordat propose rotate %s %s; once it is carried: concordat authority rotate governance --dir %s --finish",
			r.out, dir.ID(), r.out, r.dir))
}

// rehearse says what would be done, and makes no key.
func (r *rotation) rehearse(cmd *cobra.Command, t *terminal, dir *authority.Directory) error {
	words := fmt.Sprintf("%s would replace its %s key by a new one, in %s", dir.ID(), r.of, dir.NextPath(r.of))
	return t.emit(cmd, rotated{Authority: string(dir.ID()), Role: string(r.of), File: dir.NextPath(r.of), Words: words}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s\nno key made, not signed, not sent (--dry-run)\n", words)
		return err
	})
}

func (r *rotation) emit(cmd *cobra.Command, t *terminal, dir *authority.Directory, public ed25519.PublicKey, request, words, next string) error {
	file := dir.NextPath(r.of)
	if _, err := dir.Next(r.of); errors.Is(err, authority.ErrNoNext) {
		file = dir.KeyPath(r.of)
	}
	a := rotated{Authority: string(dir.ID()), Role: string(r.of), KeyID: fingerprint(public), File: file, Request: request, Words: words, Next: next}
	return t.emit(cmd, a, func(w io.Writer) error {
		p := &printer{w: w}
		p.line("%s", a.Words)
		p.line("key %s in %s", a.KeyID, a.File)
		if a.Next != "" {
			p.line("%s", a.Next)
		}
		return p.err
	})
}
