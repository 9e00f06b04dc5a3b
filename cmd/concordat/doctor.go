package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
)

// finding is one thing that doctor found wrong.
type finding struct {
	Where    string `json:"where"` // a node, a directory, or "network"
	Name     string `json:"name"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
	Severity int    `json:"severity"` // 1 is the worst
}

// How bad a finding is.
const (
	severe  = 1 // somebody does not tell the truth, or what is there may not be believed
	stops   = 2 // a node does not take part, or nothing becomes final
	weakens = 3 // it works, and the next failure may stop it
)

// diagnosis is what doctor answers.
type diagnosis struct {
	Healthy  bool      `json:"healthy"`
	Asked    []string  `json:"asked"`
	Findings []finding `json:"findings"` // the worst first
	Remarks  []string  `json:"remarks"`  // worth a thought, and not wrong
}

func (d *diagnosis) add(f finding) { d.Findings = append(d.Findings, f) }

func newDoctor(t *terminal) *cobra.Command {
	var k talk
	var g trust
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find what is wrong with nodes, and say what to do",
		Long: `  concordat doctor --node http://127.0.0.1:8460 --node http://127.0.0.1:8461
  concordat doctor --dir xa                    # keys, files and disk of this machine too

Asks every --node what is wrong with it, compares the nodes with one another,
and with --dir looks at an authority's directory: its keys and their modes, its
founding document, its signer state, its disk. The worst comes first.

Exit code 0: nothing is wrong. 1: something is. 3: a node could not be reached.
With --dir alone no node is asked.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &diagnosis{Asked: []string{}, Findings: []finding{}, Remarks: []string{}}
			unreached := false
			if g.dir != "" {
				d.Asked = append(d.Asked, g.dir)
				d.directory(g)
			}
			if g.dir == "" || len(k.nodes) > 0 {
				clients, err := k.each()
				if err != nil {
					return err
				}
				unreached = d.nodes(cmd.Context(), clients)
			}
			slices.SortStableFunc(d.Findings, func(a, b finding) int { return a.Severity - b.Severity })
			d.Healthy = len(d.Findings) == 0
			if err := t.emit(cmd, d, d.print); err != nil {
				return err
			}
			switch {
			case unreached:
				return &outcome{client.ExitUnreachable}
			case !d.Healthy:
				return &outcome{client.ExitRefused}
			}
			return nil
		},
	}
	k.flags(cmd)
	g.flags(cmd)
	cmd.Flags().Lookup("node").Usage = "base `URL` of a node; repeat it: each is asked (default $CONCORDAT_NODE, else " + defaultNode + ")"
	cmd.Flags().Lookup("dir").Usage = "an authority's directory on this machine, to look at"
	return cmd
}

func (d *diagnosis) print(w io.Writer) error {
	p := &printer{w: w}
	for _, f := range d.Findings {
		p.line("%s: %s: %s", f.Where, f.Name, f.Message)
		if f.Hint != "" {
			p.line("  do: %s", f.Hint)
		}
	}
	for _, r := range d.Remarks {
		p.line("remark: %s", r)
	}
	if d.Healthy {
		p.line("nothing is wrong with %s", strings.Join(d.Asked, ", "))
	}
	return p.err
}

// nodes asks every node, and compares what they say. It reports whether one
// could not be reached.
func (d *diagnosis) nodes(ctx context.Context, clients []*client.Client) (unreached bool) {
	var all []nodeStatus
	for _, c := range clients {
		d.Asked = append(d.Asked, c.Nodes()[0])
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
		s, err := c.Status(once)
		cancel()
		if err != nil {
			f, _ := explain(err)
			d.add(finding{c.Nodes()[0], f.Name, f.Message, f.Hint, stops})
			unreached = true
			continue
		}
		n := nodeStatus{Node: c.Nodes()[0], Status: &s}
		d.node(n)
		d.certificate(ctx, n.Node, time.Now())
		all = append(all, n)
	}
	d.compare(all)
	return unreached
}

// node is what one node says of itself.
func (d *diagnosis) node(n nodeStatus) {
	where := n.where()
	for _, p := range n.Problems {
		severity := weakens
		switch {
		case p.Name == "diverged" || p.Name == "broken":
			severity = severe
		case p.Vouch || p.Name == "no-quorum" || p.Name == "not-final":
			severity = stops
		}
		d.add(finding{where, p.Name, p.Message, p.Hint, severity})
	}
	named := func(name string) bool {
		return slices.ContainsFunc(n.Problems, func(p client.Problem) bool { return p.Name == name })
	}
	if n.Final.Since != nil && !named("not-final") && olderThan(*n.Final.Since, notFinalFor) {
		d.add(finding{where, "not-final", fmt.Sprintf("since %s nothing new is final: %s", *n.Final.Since, n.Final.Note), "bring back the validators that are missing: more than two thirds must co-sign", stops})
	}
	if !n.Vouching && !slices.ContainsFunc(n.Problems, func(p client.Problem) bool { return p.Vouch }) && n.Role == "validator" {
		d.add(finding{where, "not-vouching", "this validator does not co-sign, and does not say why", "look at its log", stops})
	}
	if c := n.CatchingUp; c != nil && c.Waiting != "" && !named("catching-up") {
		d.add(finding{where, "catching-up", "it cannot go on catching up: it waits for " + c.Waiting, "bring back validators that it can reach", stops})
	}
	if most, err := time.ParseDuration(n.MaxAge); err == nil && (n.AgeMillis < 0 && n.Size > 0 || time.Duration(n.AgeMillis)*time.Millisecond > most) {
		d.add(finding{where, "stale", fmt.Sprintf("its knowledge is %s old, and checks are undetermined beyond %s", n.Age, n.MaxAge), "a quorum of the validators must co-sign again; see the other findings", stops})
	}
	connected := 0
	for _, p := range n.Peers {
		if p.Connected {
			connected++
		}
	}
	if missing := len(n.Peers) - connected; missing > 0 {
		var names []string
		for _, p := range n.Peers {
			if !p.Connected {
				names = append(names, p.Region)
			}
		}
		d.add(finding{where, "peers-missing", fmt.Sprintf("it is not connected to %s: %d of %d other nodes", strings.Join(names, ", "), missing, len(n.Peers)), "are they running, and can this machine reach the addresses that the genesis gives for them?", weakens})
	}
	for _, e := range n.Expiring {
		d.add(finding{where, "expires", fmt.Sprintf("%s %s of %s ends at %s, in %d days", e.What, e.ID, n.Region, stamp(&e.At), e.Days), e.Hint, weakens})
	}
	for _, e := range n.Evidence {
		d.add(finding{where, "evidence", e.Words, "concordat evidence get " + e.Region + " --out FILE keeps the proof; that validator's word counts no more: talk to its operator, and to the others about expelling it", severe})
	}
}

// notFinalFor is how long what is ordered may take to become final, before it
// is called wrong here: a quorum over wide areas takes its time.
const notFinalFor = 10 * time.Second

func olderThan(stamp string, d time.Duration) bool {
	at, err := time.Parse(time.RFC3339, stamp)
	return err == nil && time.Since(at) > d
}

// apart is by how many statements nodes may differ that are asked one after the
// other while others write.
const apart = 10_000

// compare is what several nodes say of one another.
func (d *diagnosis) compare(all []nodeStatus) {
	if len(all) < 2 {
		return
	}
	first := all[0]
	roots := map[uint64]nodeStatus{} // who was the first to name a root at a size
	versions := map[string]bool{}
	largest := first
	for _, n := range all {
		versions[n.Version] = true
		if n.Network != first.Network {
			d.add(finding{"network", "other-network", fmt.Sprintf("%s is of network %s (%s), %s of %s (%s)", n.where(), n.NetworkName, short(n.Network), first.where(), first.NetworkName, short(first.Network)),
				"these are different networks: name the nodes of one", severe})
			continue
		}
		for _, h := range []struct {
			size uint64
			root string
		}{{n.Size, n.Root}, {n.Final.Size, n.Final.Root}} {
			other, known := roots[h.size]
			if h.size == 0 {
				continue
			}
			if !known {
				roots[h.size] = n
				continue
			}
			if root := other.rootAt(h.size); root != h.root {
				d.add(finding{"network", "fork", fmt.Sprintf("at size %d %s has root %s, and %s has %s", h.size, n.where(), short(h.root), other.where(), short(root)),
					"keep the data of both: concordat audit --node " + n.Node + " --node " + other.Node + " --genesis FILE --out FILE finds who signed both", severe})
			}
		}
		if n.Size > largest.Size {
			largest = n
		}
	}
	for _, n := range all {
		if n.Network == first.Network && largest.Size-n.Size > apart && n.CatchingUp == nil {
			d.add(finding{n.where(), "far-behind", fmt.Sprintf("it has %d statements, %s has %d", n.Size, largest.where(), largest.Size), "wait if it grows; else look at its disk, its links and its log", stops})
		}
	}
	d.votes(all)
	if len(versions) > 1 {
		d.add(finding{"network", "versions-differ", fmt.Sprintf("the nodes run %d different versions: %s", len(versions), strings.Join(slices.Sorted(maps.Keys(versions)), ", ")), "bring them to one, one node at a time", weakens})
	}
}

// where names a node by its region and its address.
func (n nodeStatus) where() string { return n.Region + " (" + n.Node + ")" }

// rootAt is the root that a node named at one of its two sizes.
func (n nodeStatus) rootAt(size uint64) string {
	if size == n.Size {
		return n.Root
	}
	return n.Final.Root
}

// votes looks whether enough validators vote to elect a leader, which none of
// them knows by itself.
func (d *diagnosis) votes(all []nodeStatus) {
	var silent []string
	leads := false
	for _, n := range all {
		leads = leads || n.Leader != ""
		if slices.ContainsFunc(n.Problems, func(p client.Problem) bool { return p.Name == "abstaining" }) {
			silent = append(silent, n.Region)
		}
	}
	nodes := len(all[0].Peers) + 1
	if !leads && len(silent) > 0 && nodes-len(silent) <= nodes/2 {
		d.add(finding{"network", "votes-lost", fmt.Sprintf("%s have lost what they voted, and the other %d of %d validators are no majority: none can be elected", strings.Join(silent, ", "), nodes-len(silent), nodes),
			"this does not end by itself: bring back the newest data/raft of one of them, as it was when it last ran; docs/operations/troubleshooting.md has what is left otherwise", severe})
	}
}
