package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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
its own. The exit code is 3 if a node could not be reached.`,
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
	rows := [][]string{{"REGION", "NODE", "ROLE", "LEADER", "SIZE", "ROOT", "FINAL", "AGE", "HELD", "PEERS", "QUORUM"}}
	for _, n := range net.Nodes {
		if n.Status == nil {
			rows = append(rows, []string{"-", n.Node, "unreachable"})
			continue
		}
		connected := 0
		for _, peer := range n.Peers {
			if peer.Connected {
				connected++
			}
		}
		leader, quorum := n.Leader, "yes"
		if leader == "" {
			leader = "none"
		}
		if !n.Quorum {
			quorum = "no"
			if n.Since != nil {
				quorum += " since " + *n.Since
			}
		}
		rows = append(rows, []string{n.Region, n.Node, n.Role + ", " + n.RaftRole, leader, fmt.Sprint(n.Size), short(n.Root),
			fmt.Sprint(n.Final.Size), n.Age, fmt.Sprint(n.Held), fmt.Sprintf("%d/%d", connected, len(n.Peers)), quorum})
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
	}
	return p.err
}
