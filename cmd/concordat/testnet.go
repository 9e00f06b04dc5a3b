package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"concordat/testnet"
)

func newTestnet(t *terminal) *cobra.Command {
	return group("testnet", "Run a whole network on this machine",
		`  concordat testnet demo                       # the whole story, on real codes, in a minute
  concordat testnet up --dir net --regions XA,XB,XC,XD

Every region is a process of its own, with its own keys, disk and libp2p
identity. Nothing but the machine is shared.`,
		newTestnetUp(t), newTestnetDemo(t))
}

// up is the object that testnet up prints once every node is ready.
type up struct {
	Network string   `json:"network"`
	Genesis string   `json:"genesis"`
	Nodes   []upNode `json:"nodes"`
}

type upNode struct {
	Region string `json:"region"`
	HTTP   string `json:"http"`
	Dir    string `json:"dir"`
	PID    int    `json:"pid"`
}

func newTestnetUp(t *terminal) *cobra.Command {
	var o testnet.Options
	cmd := &cobra.Command{
		Use:   "up --dir DIR --regions A,B,C,D",
		Short: "Start a network of validators, one per region, and stay with it",
		Long: `  concordat testnet up --dir net --regions XA,XB,XC,XD --http-port-base 8460
  concordat testnet up --dir net               # the same network again, as it was left

Prints where the nodes are once all are ready, then stays in the foreground
until SIGINT or SIGTERM, and stops them all. net/XA is the directory of XA, for
--dir of the commands that sign; net/XA/node.log is its node's log.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return testnetUp(cmd, t, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Dir, "dir", "", "where the network lives; made if it is not there")
	f.StringSliceVar(&o.Regions, "regions", nil, "regions of a new network, like XA,XB,XC,XD")
	f.IntVar(&o.HTTPPortBase, "http-port-base", 0, "HTTP port of the first node, the others follow (default: any free ports)")
	f.StringVar(&o.Profile, "profile", "site", "timing between the nodes: site, country or continents")
	f.DurationVar(&o.ReadyWithin, "ready-within", time.Minute, "how long the nodes may take to be ready")
	require(cmd, "dir")
	return cmd
}

func testnetUp(cmd *cobra.Command, t *terminal, o testnet.Options) (err error) {
	if p := o.HTTPPortBase; p < 0 || p+len(o.Regions) > 65536 {
		return usage("--http-port-base is %d, want 1 to %d", p, 65536-len(o.Regions))
	}
	ctx := cmd.Context()
	began := time.Now()
	net, err := testnet.Up(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		t.say("stopping %d nodes", len(net.Nodes))
		err = errors.Join(err, net.Stop())
	}()
	t.say("network %s: %d nodes ready in %s; stop them with SIGINT (Ctrl-C)", net.Name, len(net.Nodes), time.Since(began).Round(time.Millisecond))
	a := up{Network: net.ID.String(), Genesis: net.Genesis}
	for _, n := range net.Nodes {
		a.Nodes = append(a.Nodes, upNode{n.Region, n.HTTP, n.Dir, n.PID()})
	}
	if err := t.emit(cmd, a, func(w io.Writer) error {
		rows := [][]string{{"REGION", "HTTP", "PID", "DIR"}}
		for _, n := range a.Nodes {
			rows = append(rows, []string{n.Region, n.HTTP, fmt.Sprint(n.PID), n.Dir})
		}
		if err := table(w, rows...); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "\ngenesis %s\nnetwork %s\n\n  concordat status --node %s\n", a.Genesis, a.Network, a.Nodes[0].HTTP)
		return err
	}); err != nil {
		return err
	}
	watchNodes(cmd, t, net)
	return nil
}

// watchNodes stays until it is told to stop, and tells of nodes that end
// before: it does not start them again, since whoever killed one wants to see
// the others go on.
func watchNodes(cmd *cobra.Command, t *terminal, net *testnet.Network) {
	told := map[string]bool{}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-cmd.Context().Done():
			return
		case <-tick.C:
		}
		for _, n := range net.Nodes {
			switch running := n.Running(); {
			case running:
				told[n.Region] = false
			case !told[n.Region]:
				told[n.Region] = true
				t.say("%s has ended; its log ends with", n.Region)
				t.sayLines(n.LogTail(5))
				t.say("to start it again: concordat node run --dir %s --genesis %s --http %s", n.Dir, net.Genesis, n.HTTP[len("http://"):])
			}
		}
	}
}

// told is what testnet demo answers once every step was as told.
type told struct {
	AsTold bool   `json:"asTold"`
	Took   string `json:"took"`
	Dir    string `json:"dir,omitempty"` // where it is kept
}

func newTestnetDemo(t *terminal) *cobra.Command {
	var o testnet.DemoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Tell the main job as a story, on real codes, and check every step",
		Long: `  concordat testnet demo
  concordat testnet demo --dir demo            # and look at what is left

Four regions found a network, register issuers, recognise one another, check
real EU certificates, revoke one, declare a risk area, suspend a recognition,
and lose their leader in the middle. Fails if any step is not as told. With
--json the story is told on standard error.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Dir != "" {
				// A directory that was asked for is one to look at afterwards, and must
				// be new: what the demonstration does not keep, it removes whole.
				if _, err := os.Lstat(o.Dir); !errors.Is(err, os.ErrNotExist) {
					return usage("--dir %s is there already; choose a new one", o.Dir)
				}
				o.Keep = true
			}
			if o.Out = t.out; asJSON(cmd) {
				o.Out = t.err
			}
			began := time.Now()
			if err := testnet.Demo(cmd.Context(), o); err != nil {
				return err
			}
			return t.emit(cmd, told{true, time.Since(began).Round(time.Millisecond).String(), o.Dir}, func(io.Writer) error { return nil })
		},
	}
	cmd.Flags().BoolVar(&o.Keep, "keep", false, "leave the network's directory behind")
	cmd.Flags().StringVar(&o.Dir, "dir", "", "where to put the network, and keep it (default: a temporary directory)")
	return cmd
}
