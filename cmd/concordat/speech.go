package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// speech is what every command that signs is told: who speaks, with which key,
// in which network, and how long to wait.
type speech struct {
	talk
	dir, key  string
	authority string
	genesis   string
	wait      choice
	revision  uint64
	dryRun    bool
	role      authority.Role // of the key that signs; "": the statement key
}

func (s *speech) flags(cmd *cobra.Command) {
	s.speakerFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("dir", "key")
}

// speakerFlags are those of flags, for commands that may take a key from
// elsewhere than --dir, and the rest from there.
func (s *speech) speakerFlags(cmd *cobra.Command) {
	s.talk.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&s.dir, "dir", "", "the authority's directory, as init made it")
	f.StringVar(&s.key, "key", "", "`FILE` of the "+string(s.signs())+" key, where it is kept elsewhere; with --authority")
	f.StringVar(&s.authority, "authority", "", "whose key --key is, like XA")
	f.StringVar(&s.genesis, "genesis", "", "the network's founding document (default genesis.json in --dir, else the node's word)")
	s.wait = choice{client.Final, []string{client.Accepted, client.Ordered, client.Final}}
	f.Var(&s.wait, "wait", "how far the statement must have come")
	f.BoolVar(&s.dryRun, "dry-run", false, "print the words of what would be signed, and sign nothing")
}

// signs is the role of the key that signs.
func (s *speech) signs() authority.Role {
	if s.role == "" {
		return authority.Statement
	}
	return s.role
}

// revisionFlag is for the kinds of statement that make a revision of their subject.
func (s *speech) revisionFlag(cmd *cobra.Command) {
	cmd.Flags().Uint64Var(&s.revision, "revision", 0, "the revision that the statement makes (default: the one after the current)")
}

// speaker is the authority that speaks. It opens no key.
func (s *speech) speaker() (statement.Region, error) {
	switch {
	case s.dir != "":
		d, err := authority.Open(s.dir, nil)
		if err != nil {
			return "", err
		}
		id := d.ID()
		if s.authority != "" {
			want, err := statement.ParseRegion(s.authority)
			if err != nil {
				return "", usage("--authority: %w", err)
			}
			if want != id {
				return "", usage("--dir is the directory of %s, and --authority says %s", id, want)
			}
		}
		return id, nil
	case s.authority != "":
		id, err := statement.ParseRegion(s.authority)
		if err != nil {
			return "", usage("--authority: %w", err)
		}
		return id, nil
	case s.key != "":
		return "", usage("--key needs --authority: a key does not say whose it is")
	}
	return "", usage("who speaks? give --dir DIR, or --key FILE with --authority ID")
}

// voice is an authority that is ready to sign and to be heard.
type voice struct {
	*client.Author
	wait string
}

func (s *speech) voice(ctx context.Context, t *terminal) (*voice, error) {
	id, err := s.speaker()
	if err != nil {
		return nil, err
	}
	a := &client.Author{Authority: id}
	if a.Client, err = s.client(); err != nil {
		return nil, err
	}
	if a.Key, err = s.openKey(t); err != nil {
		return nil, err
	}
	if a.Network, err = s.networkID(ctx, t, a); err != nil {
		return nil, err
	}
	return &voice{a, s.wait.value}, nil
}

func (s *speech) openKey(t *terminal) (ed25519.PrivateKey, error) {
	if s.dir == "" && s.key == "" {
		return nil, usage("signing needs a key: give --dir DIR, or --key FILE with --authority ID")
	}
	if s.key != "" {
		k, err := authority.LoadKey(s.key, t.passphrase)
		if err != nil {
			return nil, err
		}
		return k.Ed25519(), nil
	}
	d, err := authority.Open(s.dir, t.passphrase)
	if err != nil {
		return nil, err
	}
	k, err := d.Key(s.signs())
	if err != nil {
		return nil, err
	}
	return k.Ed25519(), nil
}

// networkID finds which network to sign for: a statement counts in one only.
func (s *speech) networkID(ctx context.Context, t *terminal, by *client.Author) (statement.NetworkID, error) {
	path := s.genesis
	if path == "" && s.dir != "" {
		beside := filepath.Join(s.dir, "genesis.json")
		if _, err := os.Stat(beside); err == nil {
			path = beside
		}
	}
	if path == "" {
		status, err := by.Client.Status(ctx)
		if err != nil {
			return statement.NetworkID{}, err
		}
		id, err := client.ParseNetwork(status.Network)
		if err != nil {
			return statement.NetworkID{}, client.Fail(client.NotUnderstood, "status: %v", err)
		}
		t.say("network %s (%s): taken from the node's word; give --genesis to be sure of it", status.NetworkName, short(status.Network))
		return id, nil
	}
	doc, err := readGenesis(path)
	if err != nil {
		return statement.NetworkID{}, err
	}
	a, ok := doc.Authority(by.Authority)
	if !ok {
		t.say("remark: %s is not in the founding document of %q; the network takes its word only if it has been admitted since", by.Authority, doc.Network)
		return doc.ID(), nil
	}
	if !foundingKey(a, s.signs()).Equal(by.Key.Public()) {
		t.say("remark: this is not the %s key that the genesis gives for %s; the network takes it only if it has been rotated since", s.signs(), by.Authority)
	}
	return doc.ID(), nil
}

// foundingKey is the key of a role that the genesis gives for an authority.
func foundingKey(a genesis.Authority, role authority.Role) ed25519.PublicKey {
	switch role {
	case authority.Governance:
		return a.Keys.Governance.Public()
	case authority.Node:
		return a.Keys.Node.Public()
	case authority.Cosign:
		return a.Keys.Cosign.Public()
	}
	return a.Keys.Statement.Public()
}

func readGenesis(path string) (*genesis.Document, error) {
	raw, err := readFile(path, genesis.MaxSize)
	if err != nil {
		return nil, err
	}
	doc, err := genesis.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return doc, nil
}

// readFile reads a file of at most most bytes.
func readFile(path string, most int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it is only read
	b, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(b) > most {
		return nil, usage("%s has more than %d bytes", path, most)
	}
	return b, nil
}

// said is what a command answers that signed one statement.
type said struct {
	Words     string `json:"words"`
	Kind      string `json:"kind"`
	Authority string `json:"authority"`
	Subject   string `json:"subject"`
	Revision  uint64 `json:"revision,omitempty"`
	DryRun    bool   `json:"dryRun,omitempty"`
	*client.Submitted
}

// say is the whole of a command that says one thing: shows the words, signs,
// sends, and prints where the statement stands.
func (s *speech) say(cmd *cobra.Command, t *terminal, body statement.Body) error {
	ctx := cmd.Context()
	id, err := s.speaker()
	if err != nil {
		return err
	}
	answer, err := wordsOf(id, body)
	if err != nil {
		return err
	}
	if s.dryRun {
		answer.DryRun, answer.Revision = true, s.revision
		return t.emit(cmd, answer, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s\nnot signed, not sent (--dry-run)\n", answer.Words)
			return err
		})
	}
	v, err := s.voice(ctx, t)
	if err != nil {
		return err
	}
	if err := v.submit(ctx, t, &answer, body, s.revision); err != nil {
		return err
	}
	if err := t.emit(cmd, answer, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, answer.place())
		return err
	}); err != nil {
		return err
	}
	return v.certain(answer.Submitted)
}

// certain gives exit code 3 where a statement has not come as far as was waited
// for: it is ordered, and not known to be final. Why was said with the answer.
func (v *voice) certain(all ...*client.Submitted) error {
	for _, s := range all {
		if v.wait == client.Final && s != nil && s.State != client.Final {
			return &outcome{client.ExitUnreachable}
		}
	}
	return nil
}

// wordsOf checks a body and puts it in words.
func wordsOf(id statement.Region, body statement.Body) (said, error) {
	if err := body.Validate(); err != nil {
		return said{}, err
	}
	st := statement.Statement{Issuer: id, Body: body}
	return said{Words: st.Words(), Kind: string(st.Kind()), Authority: string(id), Subject: st.Subject()}, nil
}

// submit signs a body as the given revision (0: the next one) and sends it.
func (v *voice) submit(ctx context.Context, t *terminal, answer *said, body statement.Body, revision uint64) error {
	t.say("signing: %s", answer.Words)
	signed, err := v.Compose(ctx, body, revision)
	if err != nil {
		return err
	}
	answer.Revision = signed.Statement().Revision
	sub, err := v.send(ctx, t, signed.Raw(), nil)
	if err != nil {
		return err
	}
	if sub.Note != "" {
		t.say("remark: %s", sub.Note)
	}
	answer.Submitted = &sub
	return nil
}

// A node that is busy is asked again for a while: the same bytes cannot be
// entered twice. One that has no quorum has waited for it already, and so has
// one that was busy for all the time that a submission may take. While the
// validators hand over after a change, the next one has to wait: that takes
// about as long as they take between two seals.
const (
	sendFor     = 5 * time.Second
	sendPause   = time.Second
	handoverFor = time.Minute
)

func (v *voice) send(ctx context.Context, t *terminal, raw, attachment []byte) (client.Submitted, error) {
	began, told := time.Now(), false
	for {
		sub, err := v.Client.Submit(ctx, raw, attachment, v.wait)
		most := sendFor
		switch {
		case isNamed(err, client.HandoverPending):
			most = handoverFor
			if !told {
				t.say("the validators are handing over after the change before this one: sending it again until they have, for up to %s", handoverFor)
				told = true
			}
		case !isNamed(err, client.Busy):
			return sub, err
		}
		if time.Since(began) >= most {
			return sub, err
		}
		select {
		case <-ctx.Done():
			return sub, context.Cause(ctx)
		case <-time.After(sendPause):
		}
	}
}

// place says where a statement that was sent stands.
func (a *said) place() string {
	switch {
	case a.Submitted == nil:
		return "not sent"
	case a.Index == nil:
		by := ""
		if p, err := client.ParsePromise(a.Promise); err == nil { // or the client would have refused it
			by = fmt.Sprintf(", promised by %s at %s", p.Authority, stamp(&p.At))
		}
		return fmt.Sprintf("%s: hash %s%s", a.State, a.Hash, by)
	case a.Known:
		return fmt.Sprintf("%s as statement %d before: hash %s", a.State, *a.Index, a.Hash)
	}
	revision := ""
	if a.Revision > 0 {
		revision = fmt.Sprintf(", revision %d", a.Revision)
	}
	return fmt.Sprintf("%s as statement %d%s: hash %s", a.State, *a.Index, revision, a.Hash)
}
