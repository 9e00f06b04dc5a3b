package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/statement"
)

// ballotFlags say which proposal is meant where no node is to be asked.
type ballotFlags struct {
	file, hash string
	reason     string
}

func (b *ballotFlags) flags(cmd *cobra.Command, reason string) {
	f := cmd.Flags()
	f.StringVar(&b.file, "proposal-file", "", "`FILE` of the proposal as it was signed (concordat statement N --raw FILE), instead of asking a node")
	f.StringVar(&b.hash, "proposal-hash", "", "the proposal's hash in `HEX`, where neither a node nor the file is at hand: it is signed unread")
	f.StringVar(&b.reason, "reason", "", reason)
	cmd.MarkFlagsMutuallyExclusive("proposal-file", "proposal-hash")
}

// motion is the proposal that a person decides on.
type motion struct {
	index    uint64
	hash     statement.Hash
	body     *statement.Propose // nil: unread
	by       statement.Region
	proposal *client.Proposal // as a node has it; nil: none was asked
	asOf     client.AsOf
}

// motion finds the proposal: what is shown, and what is voted on, are the bytes
// that its proposer signed, whatever the node says of them.
func (b *ballotFlags) motion(ctx context.Context, g *governing, number string) (*motion, error) {
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return nil, usage("%q is no proposal; want its number, as concordat proposals lists them", number)
	}
	m := &motion{index: n}
	switch {
	case b.hash != "":
		raw, err := hex.DecodeString(b.hash)
		if err != nil || len(raw) != len(m.hash) {
			return nil, usage("--proposal-hash is %.80q, want 64 hex digits", b.hash)
		}
		m.hash = statement.Hash(raw)
		return m, nil
	case b.file != "":
		raw, err := readFile(b.file, statement.MaxSize)
		if err != nil {
			return nil, err
		}
		u, err := statement.Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.file, err)
		}
		return m, m.read(u)
	}
	c, err := g.client()
	if err != nil {
		return nil, err
	}
	p, err := c.Proposal(ctx, n)
	if err != nil {
		return nil, err
	}
	s, err := c.Statement(ctx, number)
	if err != nil {
		return nil, err
	}
	u, err := agree(number, s)
	if err != nil {
		return nil, err
	}
	if p.Hash != u.Hash().String() {
		return nil, fmt.Errorf("%w: statement %d has the hash %s, and the proposal %s", client.ErrTampered, n, u.Hash(), p.Hash)
	}
	m.proposal, m.asOf = &p.Proposal, p.AsOf
	return m, m.read(u)
}

func (m *motion) read(u *statement.Unverified) error {
	st := u.Statement()
	body, ok := st.Body.(*statement.Propose)
	if !ok {
		return usage("statement %d is no proposal: %s", m.index, st.Words())
	}
	m.hash, m.body, m.by = u.Hash(), body, st.Issuer
	return nil
}

// sheet shows the proposal.
func (m *motion) sheet(words string) (*sheet, error) {
	s := &sheet{words: words}
	if m.body == nil {
		s.remarks = append(s.remarks, fmt.Sprintf("proposal %d is not read: only its hash %.16s is known here", m.index, m.hash))
		return s, nil
	}
	facts, err := factsOf(m.body.Action)
	if err != nil {
		return nil, err
	}
	s.facts = append([]string{fmt.Sprintf("proposal %d, by %s: to %s", m.index, m.by, m.body.Action.Words())}, facts...)
	s.reason = m.body.Reason
	if p := m.proposal; p != nil {
		s.effect, s.electorate, s.needed, s.yes, s.no = p.Effect, p.Electorate, p.Needed, p.Yes, p.No
	}
	return s, nil
}

func newVote(t *terminal) *cobra.Command {
	var g governing
	var b ballotFlags
	cmd := &cobra.Command{
		Use:   "vote yes|no PROPOSAL",
		Short: "Vote on a proposal, for good",
		Long: `  concordat vote yes 12 --dir xb --key /media/stick/governance.key
  concordat vote no 12 --dir xb --reason 'the partner has not shown its process'

Before it is signed, the command shows what the proposal says, in the bytes that its
proposer signed, who has voted, and what the node's checks say against it. The
deciding yes carries it out. A vote is final.

Without a network: concordat statement 12 --raw 12.cose on one machine, then with
--proposal-file 12.cose --genesis genesis.json --out vote.cose on another, and
concordat submit vote.cose on the first.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != "yes" && args[0] != "no" {
				return usage("vote %q? want yes or no", args[0])
			}
			return g.vote(cmd, t, &b, args[0] == "yes", args[1])
		},
	}
	g.flags(cmd)
	g.despiteFlag(cmd)
	b.flags(cmd, "why, for everyone to read")
	return cmd
}

func (g *governing) vote(cmd *cobra.Command, t *terminal, b *ballotFlags, yes bool, number string) error {
	id, err := g.speaker()
	if err != nil {
		return err
	}
	m, err := b.motion(cmd.Context(), g, number)
	if err != nil {
		return err
	}
	body := &statement.Vote{Proposal: m.index, Of: m.hash, Yes: yes, Reason: b.reason}
	words, err := wordsOf(id, body)
	if err != nil {
		return err
	}
	s, err := m.sheet(words.Words)
	if err != nil {
		return err
	}
	if p := m.proposal; p != nil {
		if err := mayVote(p, string(id)); err != nil {
			return err
		}
		if yes {
			c, err := g.client()
			if err != nil {
				return err
			}
			checks, err := c.ProposalChecks(cmd.Context(), m.index)
			if err != nil {
				return err
			}
			s.checks = checks.Checks
		}
	}
	return g.decide(cmd, t, body, s, followProposal(func(*decided) uint64 { return m.index }))
}

// mayVote says early what the ledger would say after the key was used.
func mayVote(p *client.Proposal, id string) error {
	if p.Status != client.ProposalOpen {
		return (&client.Failure{Name: "proposal-closed", Message: "nothing was signed: " + standing(p), Hint: next(p)}).WithStatus(409)
	}
	for _, b := range slices.Concat(p.Yes, p.No) {
		if b.Authority == id {
			return (&client.Failure{Name: "already-voted", Message: fmt.Sprintf("nothing was signed: %s has voted, with statement %d, and a vote is final", id, b.Statement)}).WithStatus(409)
		}
	}
	if !slices.Contains(p.Electorate, id) {
		return (&client.Failure{Name: "not-an-elector", Message: fmt.Sprintf("nothing was signed: %s does not vote on proposal %d", id, p.Index),
			Hint: "who votes was fixed when it was made: the validators of then, without the authority that it is about"}).WithStatus(403)
	}
	return nil
}

func newWithdraw(t *terminal) *cobra.Command {
	var g governing
	var b ballotFlags
	cmd := &cobra.Command{
		Use:   "withdraw PROPOSAL",
		Short: "Take a proposal of one's own back, while it is open",
		Long: `  concordat withdraw 12 --dir xa --reason 'the partner asked for a month more'

What others have voted on it is of no effect then.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := b.motion(cmd.Context(), &g, args[0])
			if err != nil {
				return err
			}
			id, err := g.speaker()
			if err != nil {
				return err
			}
			if m.by != "" && m.by != id {
				return (&client.Failure{Name: "not-the-proposer", Message: fmt.Sprintf("nothing was signed: proposal %d is of %s, who alone withdraws it", m.index, m.by),
					Hint: fmt.Sprintf("say no to it: concordat vote no %d", m.index)}).WithStatus(403)
			}
			body := &statement.WithdrawProposal{Proposal: m.index, Of: m.hash, Reason: b.reason}
			words, err := wordsOf(id, body)
			if err != nil {
				return err
			}
			s, err := m.sheet(words.Words)
			if err != nil {
				return err
			}
			return g.decide(cmd, t, body, s, followProposal(func(*decided) uint64 { return m.index }))
		},
	}
	g.flags(cmd)
	b.flags(cmd, "why, for everyone to read")
	return cmd
}
