package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
)

// nodeStatus is one node at a glance, or why it could not be asked.
type nodeStatus struct {
	Node string `json:"node"`
	*client.Status
	Error *client.Failure `json:"error,omitempty"`
}

// network is what status answers where several nodes are asked.
type network struct {
	Nodes []nodeStatus `json:"nodes"`
}

func newStatus(t *terminal) *cobra.Command {
	var k talk
	var watch bool
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show nodes at a glance",
		Long: `  concordat status
  concordat status --watch --node http://127.0.0.1:8460 --node http://127.0.0.1:8461

Asks every --node. With --json, one node's answer is that of GET /v1/status;
several are {"nodes":[…]}. With --watch and --json, each answer is on a line of
its own. The exit code is 3 if a node could not be reached. Below the table is
what is wrong with each node; doctor says what to do about it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if every < 100*time.Millisecond {
				return usage("--every is %s, want 100ms or more", every)
			}
			clients, err := k.each()
			if err != nil {
				return err
			}
			if watch {
				return watchStatus(cmd, t, clients, every)
			}
			return showStatus(cmd, t, clients)
		},
	}
	k.flags(cmd)
	cmd.Flags().BoolVar(&watch, "watch", false, "show it again and again, until interrupted")
	cmd.Flags().DurationVar(&every, "every", 2*time.Second, "how often, with --watch")
	return cmd
}

// each gives a client for every node by itself.
func (k *talk) each() ([]*client.Client, error) {
	var out []*client.Client
	for _, u := range k.urls() {
		c, err := (&talk{nodes: []string{u}}).client()
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func watchStatus(cmd *cobra.Command, t *terminal, clients []*client.Client, every time.Duration) error {
	for {
		if isTerminal(t.rawOut) && !asJSON(cmd) {
			fmt.Fprint(t.rawOut, "\x1b[H\x1b[2J") // home, and clear the screen
		}
		err := showStatus(cmd, t, clients)
		var shown *outcome
		var f *client.Failure
		switch {
		case cmd.Context().Err() != nil:
			return nil
		case err == nil, errors.As(err, &shown):
		case errors.As(err, &f):
			t.say("%v", f) // it may come back: that is what one watches for
		default:
			return err
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-time.After(every):
		}
	}
}

func showStatus(cmd *cobra.Command, t *terminal, clients []*client.Client) error {
	var net network
	var missing error
	for _, c := range clients {
		ctx, cancel := context.WithTimeout(cmd.Context(), 5*time.Second)
		s, err := c.Status(ctx)
		cancel()
		n := nodeStatus{Node: c.Nodes()[0], Status: &s}
		if err != nil {
			missing = err
			f, _ := explain(err)
			n.Status, n.Error = nil, &f
		}
		net.Nodes = append(net.Nodes, n)
	}
	var answer any = net
	if len(net.Nodes) == 1 {
		if missing != nil {
			return missing
		}
		answer = net.Nodes[0].Status
	}
	if err := t.emit(cmd, answer, func(w io.Writer) error { return printStatus(w, net) }); err != nil {
		return err
	}
	if missing != nil {
		return &outcome{client.ExitUnreachable}
	}
	return nil
}

func printStatus(w io.Writer, net network) error {
	p := &printer{w: w}
	for _, n := range net.Nodes {
		if n.Status != nil {
			p.line("network %s (%s)\n", n.NetworkName, n.Network)
			break
		}
	}
	if p.err != nil {
		return p.err
	}
	rows := [][]string{{"REGION", "NODE", "ROLE", "LEADER", "SIZE", "ROOT", "FINAL", "AGE", "CO-SIGNED BY", "VOUCHES", "HELD", "PEERS", "QUORUM"}}
	for _, n := range net.Nodes {
		if n.Status == nil {
			rows = append(rows, []string{"-", n.Node, "unreachable"})
			continue
		}
		rows = append(rows, n.row())
	}
	if err := table(w, rows...); err != nil {
		return err
	}
	for _, n := range net.Nodes {
		if n.Error != nil {
			p.line("\n%s: %s", n.Node, n.Error.Message)
			if n.Error.Hint != "" {
				p.line("  hint: %s", n.Error.Hint)
			}
		}
		if n.Status != nil {
			p.below(n)
		}
	}
	return p.err
}

// row is a node in the table.
func (n nodeStatus) row() []string {
	connected := 0
	for _, peer := range n.Peers {
		if peer.Connected {
			connected++
		}
	}
	leader, quorum, vouches := n.Leader, "yes", "yes"
	if leader == "" {
		leader = "none"
	}
	if !n.Quorum {
		quorum = "no"
		if n.Since != nil {
			quorum += " since " + *n.Since
		}
	}
	if !n.Vouching {
		vouches = "no"
	}
	by := strings.Join(n.Final.Cosigners, " ")
	if by == "" {
		by = "-"
	}
	role := n.Role
	if role == "" {
		role = "applicant"
	}
	if n.Standing != "" {
		role = n.Standing + " " + role
	}
	return []string{n.Region, n.Node, role + ", " + n.RaftRole, leader, fmt.Sprint(n.Size), short(n.Root),
		fmt.Sprint(n.Final.Size), n.Age, by, vouches, fmt.Sprint(n.Held), fmt.Sprintf("%d/%d", connected, len(n.Peers)), quorum}
}

// below prints what is out of the ordinary at a node, and its newest seal.
func (p *printer) below(n nodeStatus) {
	who := n.Region
	told := slices.ContainsFunc(n.Problems, func(f client.Problem) bool { return f.Name == client.NotFinal })
	if n.Final.Since != nil && !told {
		p.line("\n%s: nothing new is final since %s: %s (%d of the validators must co-sign)", who, *n.Final.Since, n.Final.Note, n.Final.Quorum)
	}
	if h := n.Handover; h != nil {
		p.line("\n%s: validators are handing over since statement %d; until it is done, keep the keys and the nodes of those before it", who, h.ChangedBy)
	}
	if c := n.CatchingUp; c != nil {
		p.line("\n%s: catching up since %s: %s", who, c.Started, caughtUp(c))
	}
	for _, f := range n.Problems {
		p.line("\n%s: %s: %s", who, f.Name, f.Message)
		if f.Hint != "" {
			p.line("  hint: %s", f.Hint)
		}
	}
	for _, e := range n.Evidence {
		where := "on its way into the ledger"
		if e.Statement != nil {
			where = fmt.Sprintf("statement %d", *e.Statement)
		}
		p.line("\n%s: evidence against %s [%s]: %s", who, e.Region, where, e.Words)
	}
	for _, e := range n.Expiring {
		p.line("\n%s: %s %s ends at %s, in %d days\n  hint: %s", who, e.What, e.ID, stamp(&e.At), e.Days, e.Hint)
	}
	if n.Lineage > 1 {
		p.line("\n%s: lineage %d: this network was recovered from the loss of a majority of its disks; its checkpoints are of the log %s", who, n.Lineage, n.Log.Origin)
	}
	if s := n.Seal; s != nil {
		p.line("\n%s: the state was sealed at size %d, %s", who, s.Statement, stamp(&s.At))
	}
}

// caughtUp says how far a node has come, with a bar of text: it is printed again
// and again with --watch.
func caughtUp(c *client.Progress) string {
	words := c.Phase
	if c.Target > 0 {
		const width = 30
		done := int(min(float64(c.Size)/float64(c.Target), 1) * width)
		words += fmt.Sprintf(" [%s%s] %d of %d statements", strings.Repeat("#", done), strings.Repeat(".", width-done), c.Size, c.Target)
	}
	if c.Rate > 0 {
		words += fmt.Sprintf(", %.0f a second", c.Rate)
		if left := float64(c.Target) - float64(c.Size); left > 0 && left/c.Rate < 1e6 {
			words += fmt.Sprintf(", about %s more", time.Duration(left/c.Rate*float64(time.Second)).Round(time.Second))
		}
	}
	if c.Peers > 0 {
		words += fmt.Sprintf(", from %d nodes", c.Peers)
	}
	if c.Waiting != "" {
		words += "; it waits for " + c.Waiting
	}
	return words
}
