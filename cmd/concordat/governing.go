package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// governing is what commands are told that sign for the network itself: with the
// governance key, which may be on a stick, and never before a person, or a script
// in his name, has said yes to the words.
type governing struct {
	speech
	yes     bool
	despite bool
	out     string
}

func (g *governing) flags(cmd *cobra.Command) {
	g.flagsFor(cmd, authority.Governance)
}

func (g *governing) flagsFor(cmd *cobra.Command, role authority.Role) {
	g.role = role
	g.speakerFlags(cmd)
	f := cmd.Flags()
	f.BoolVar(&g.yes, "yes", false, "sign without asking, where nothing speaks against it")
	f.StringVar(&g.out, "out", "", "`FILE` to write the signed statement to, instead of sending it; concordat submit sends it from any machine")
}

// despiteFlag is for commands that have a node look at what speaks against them.
func (g *governing) despiteFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&g.despite, "despite-checks", false, "with --yes, sign although a check failed")
}

// sheet is what is shown before anybody signs.
type sheet struct {
	words      string   // of what would be signed
	facts      []string // what this program reads out of the bytes that would be signed
	effect     string   // what a node says that it would do
	reason     string   // of the proposal that is voted on
	electorate []string
	needed     int
	yes, no    []client.Ballot
	checks     []client.ProposalCheck
	remarks    []string
}

// show prints it for people, on standard error.
func (s *sheet) show(t *terminal) {
	t.say("%s", s.words)
	for _, f := range s.facts {
		t.say("  %s", f)
	}
	if s.reason != "" {
		t.say("  its reason: %s", s.reason)
	}
	if s.effect != "" {
		spread(t.say, "as the node sees it: %s", s.effect)
	}
	if len(s.electorate) > 0 {
		t.say("votes: %s; %d yes carry it", strings.Join(s.electorate, " "), s.needed)
	}
	if len(s.yes)+len(s.no) > 0 {
		t.say("so far: yes %s, no %s", voters(s.yes), voters(s.no))
	}
	for _, c := range s.checks {
		spread(t.say, "  %s  %s: %s", okNo(c.OK), c.Name, c.Message)
		if !c.OK && c.Hint != "" {
			t.say("      hint: %s", c.Hint)
		}
	}
	for _, r := range s.remarks {
		t.say("remark: %s", r)
	}
}

func okNo(ok bool) string {
	if ok {
		return "ok"
	}
	return "NO"
}

// voters names who voted; "nobody" where nobody has.
func voters(of []client.Ballot) string {
	if len(of) == 0 {
		return "nobody"
	}
	names := make([]string, len(of))
	for i, b := range of {
		names[i] = b.Authority
	}
	return strings.Join(names, " ")
}

// failed names the checks that failed.
func (s *sheet) failed() (names []string) {
	for _, c := range s.checks {
		if !c.OK {
			names = append(names, c.Name)
		}
	}
	return names
}

// decided is what a command answers that signs with a person's yes.
type decided struct {
	said
	Effect   string                 `json:"effect,omitempty"`
	Checks   []client.ProposalCheck `json:"checks,omitempty"`
	File     string                 `json:"file,omitempty"`     // of --out
	Proposal *client.Proposal       `json:"proposal,omitempty"` // as it stands afterwards
	Next     string                 `json:"next,omitempty"`     // what happens, or is to be done, next
}

// after looks at what came of a statement that was ordered.
type after func(ctx context.Context, v *voice, d *decided) error

// decide is the whole of a command that signs with a person's yes: shows the
// sheet, asks, signs, sends or writes, and says what came of it.
func (g *governing) decide(cmd *cobra.Command, t *terminal, body statement.Body, s *sheet, then after) error {
	id, err := g.speaker()
	if err != nil {
		return err
	}
	words, err := wordsOf(id, body)
	if err != nil {
		return err
	}
	if s.words == "" {
		s.words = words.Words
	}
	d := &decided{said: words, Effect: s.effect, Checks: s.checks}
	if g.out != "" && !g.dryRun {
		if err := checkOutput(cmd, g.out); err != nil {
			return err
		}
	}
	s.show(t)
	if g.dryRun {
		d.DryRun, d.Revision = true, g.revision
		return t.emit(cmd, d, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s\nnot signed, not sent (--dry-run)\n", clean(d.Words))
			return err
		})
	}
	if err := g.confirm(t, s.failed()); err != nil {
		return err
	}
	v, err := g.voice(cmd.Context(), t)
	if err != nil {
		return err
	}
	if g.out != "" {
		return g.write(cmd, t, v, d, body)
	}
	if err := v.submit(cmd.Context(), t, &d.said, body, g.revision); err != nil {
		return err
	}
	if then != nil && d.Index != nil {
		if err := then(cmd.Context(), v, d); err != nil {
			// It is signed, sent and ordered; what came of it could only not be asked for.
			t.say("remark: what came of it could not be read: %v", err)
		}
	}
	if err := t.emit(cmd, d, func(w io.Writer) error { return d.print(w) }); err != nil {
		return err
	}
	return v.certain(d.Submitted)
}

// print says where the statement stands, and what came of it.
func (d *decided) print(w io.Writer) error {
	p := &printer{w: w}
	p.line("%s", d.place())
	if d.Proposal != nil {
		p.line("%s", standing(d.Proposal))
	}
	if d.Next != "" {
		p.line("%s", d.Next)
	}
	return p.err
}

// write signs, and leaves it to another machine to send it.
func (g *governing) write(cmd *cobra.Command, t *terminal, v *voice, d *decided, body statement.Body) error {
	signed, err := v.Compose(cmd.Context(), body, g.revision)
	if isNamed(err, client.Unreachable) {
		return fmt.Errorf("%w; without a network give --revision: the one after that of %s, as GET /v1/revisions has it", err, d.Subject)
	}
	if err != nil {
		return err
	}
	if err := t.writeOutput(g.out, signed.Raw()); err != nil {
		return err
	}
	d.Revision, d.File = signed.Statement().Revision, g.out
	d.Next = "send it from a machine that reaches a node: concordat submit " + g.out
	if g.out == stdio {
		return nil
	}
	return t.emit(cmd, d, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s: signed, not sent; hash %s\n%s\n", g.out, signed.Hash(), d.Next)
		return err
	})
}

// confirm returns when a person, or --yes in his name, has said yes.
func (g *governing) confirm(t *terminal, failed []string) error {
	if g.yes {
		if len(failed) > 0 && !g.despite {
			return client.Fail("checks-failed", "nothing was signed: %s", strings.Join(failed, ", ")).WithStatus(409).
				WithHint("see to it, or say --despite-checks with --yes")
		}
		return nil
	}
	if !isTerminal(t.in) {
		return usage("nothing was signed: there is no terminal to ask; read the above, and say --yes")
	}
	fmt.Fprint(t.err, "sign this? type yes: ")
	line, err := bufio.NewReader(t.in).ReadString('\n')
	if err != nil && line == "" {
		return fmt.Errorf("nothing was signed: %w", err)
	}
	if strings.TrimSpace(line) != "yes" {
		return (&client.Failure{Name: "not-confirmed", Message: "nothing was signed", Hint: "only the word yes is yes"}).WithStatus(409)
	}
	return nil
}

// standing says in one line how a proposal stands.
func standing(p *client.Proposal) string {
	switch p.Status {
	case client.ProposalOpen:
		return fmt.Sprintf("proposal %d is open: %d yes of %d needed (%s), %d no; waiting for %s",
			p.Index, len(p.Yes), p.Needed, voters(p.Yes), len(p.No), strings.Join(p.WaitingFor, " "))
	case client.ProposalFailed:
		return fmt.Sprintf("proposal %d was carried by statement %s, and could not be carried out: %s", p.Index, index(p.ClosedAt), p.Why)
	}
	return fmt.Sprintf("proposal %d is %s, by statement %s", p.Index, p.Status, index(p.ClosedAt))
}

// factsOf says what is in an action's bytes beyond its one sentence, by this
// program's own reading: a descriptor's name, keys and addresses.
func factsOf(a statement.Action) ([]string, error) {
	if a.Admit == nil {
		return nil, nil
	}
	d, err := genesis.ParseDescriptor(a.Admit.Descriptor)
	if err != nil {
		return nil, err
	}
	au := d.Authority
	facts := []string{fmt.Sprintf("%s, %s", au.ID, au.Name)}
	for _, role := range authority.Roles {
		facts = append(facts, fmt.Sprintf("%s key %x", role, statement.KeyIDOf(foundingKey(au, role))))
	}
	facts = append(facts, "node at "+strings.Join(au.Addresses, ", "))
	if au.HTTP != "" {
		facts = append(facts, "API at "+au.HTTP)
	}
	return facts, nil
}

// next says what happens, or is to be done, after a proposal was decided.
func next(p *client.Proposal) string {
	switch p.Status {
	case client.ProposalOpen:
		return fmt.Sprintf("the others vote with: concordat vote yes %d --dir DIR", p.Index)
	case client.ProposalCarried:
	case client.ProposalFailed:
		return "what stood in its way has to be mended first; then propose it again"
	default:
		return ""
	}
	who := p.Concerns
	switch p.Type {
	case client.ActionAdmit:
		s := fmt.Sprintf("%s is %s now; its node comes in by itself if it waits: concordat node run --dir DIR --genesis genesis.json --join URL", who, p.Role)
		if p.Role == string(statement.RoleObserver) {
			s += fmt.Sprintf("; when it has caught up, make it a validator: concordat propose role %s validator", who)
		}
		return s
	case client.ActionChangeRole:
		if p.Role == string(statement.RoleValidator) {
			return fmt.Sprintf("%s is a validator now; its node takes part by itself, and co-signs once the validators have handed over", who)
		}
		return fmt.Sprintf("%s is an observer now; it goes on co-signing until the validators have handed over: leave its node running that long", who)
	case client.ActionSuspend:
		return fmt.Sprintf("%s says nothing new until it is restored: concordat propose restore %s", who, who)
	case client.ActionRestore:
		return fmt.Sprintf("%s speaks and votes again", who)
	case client.ActionExpel:
		return fmt.Sprintf("%s is out: its keys count no more, and its node answers from what it has, marked as such", who)
	case client.ActionRotateKey:
		if k := p.Action.Key; k != nil && k.Use != string(statement.UseGovernance) {
			return fmt.Sprintf("%s has a new %s key; on its machine: concordat authority rotate %s --dir DIR --finish", who, k.Use, k.Use)
		}
		return fmt.Sprintf("%s has a new governance key; where it lies: concordat authority rotate governance --dir DIR --finish", who)
	case client.ActionSetNode:
		return fmt.Sprintf("the others dial %s at its new addresses from now on", who)
	case client.ActionChangePolicy:
		return "what is proposed from now on is decided by the new policy"
	case client.ActionRaiseLevel:
		return fmt.Sprintf("statements of level %d count from now on; a node whose program does not know it has stopped, with nothing lost, and goes on with a newer one", p.Action.Level)
	}
	return ""
}

// followProposal reads how a proposal stands after a statement about it.
func followProposal(number func(*decided) uint64) after {
	return func(ctx context.Context, v *voice, d *decided) error {
		p, err := v.Client.Proposal(ctx, number(d))
		if err != nil {
			return err
		}
		d.Proposal, d.Next = &p.Proposal, next(&p.Proposal)
		return nil
	}
}
