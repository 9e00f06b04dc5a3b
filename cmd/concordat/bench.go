package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"concordat/testnet/load"
)

func newBench(t *terminal) *cobra.Command {
	return group("bench", "Put load on nodes, and check what is read back",
		`  concordat bench network --regions XA,XB,XC --clients 1,16,64,256
  concordat bench submit --dir net/XA --node http://127.0.0.1:8460 --clients 64 --duration 10s
  concordat bench check --dir net/XA --node http://127.0.0.1:8460 --clients 64

Clients are closed loops, each over one keep-alive connection. Every answer is
checked, and every acknowledged statement is read back from another node and
compared; a wrong answer ends the measurement with exit code 4. What is
submitted stays in the ledger: measure networks that are there to be measured.`,
		newBenchNetwork(t), newBenchSubmit(t), newBenchCheck(t), newBenchLookup(t), newBenchBare(t))
}

// loadFlags are what every load is told.
type loadFlags struct {
	talk
	dir     string
	clients int
	window  load.Window
}

func (l *loadFlags) flags(cmd *cobra.Command) {
	l.talk.flags(cmd)
	f := cmd.Flags()
	f.Lookup("node").Usage = "base `URL` of a node to put load on; repeat it, and the clients take them in turn (default $CONCORDAT_NODE, else " + defaultNode + ")"
	f.StringVar(&l.dir, "dir", "", "the directory of the authority that signs")
	f.IntVar(&l.clients, "clients", 64, "how many ask at once")
	l.windowFlags(cmd)
}

func (l *loadFlags) windowFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.DurationVar(&l.window.Measured, "duration", 10*time.Second, "how long is measured")
	f.DurationVar(&l.window.Warm, "warm-up", 2*time.Second, "how long load is put on before")
}

func (l *loadFlags) check() error {
	if l.clients < 1 {
		return usage("--clients is %d, want 1 or more", l.clients)
	}
	return checkWindow(l.window)
}

func checkWindow(w load.Window) error {
	if w.Measured <= 0 || w.Warm < 0 {
		return usage("--duration is %s and --warm-up %s, want more than 0, and 0 or more", w.Measured, w.Warm)
	}
	return nil
}

func (l *loadFlags) asking() load.Asking {
	return load.Asking{Nodes: l.urls(), Clients: l.clients, Window: l.window}
}

// voice is who signs what is put into the ledger for the load.
func (l *loadFlags) voice(ctx context.Context, t *terminal) (*voice, error) {
	if l.dir == "" {
		return nil, usage("--dir is missing: what the load needs in the ledger must be signed by an authority")
	}
	return (&speech{talk: l.talk, dir: l.dir}).voice(ctx, t)
}

func newBenchSubmit(t *terminal) *cobra.Command {
	var l loadFlags
	var prepare int
	var network []string
	cmd := &cobra.Command{
		Use:   "submit --dir DIR",
		Short: "Statements per second, until each is ordered",
		Long: `  concordat bench submit --dir net/XA --node http://127.0.0.1:8460 --clients 64 --duration 10s
  concordat bench submit --dir net/XA --node http://127.0.0.1:8460 --read-from http://127.0.0.1:8461

Signs statements beforehand (declarations of risk in made-up areas below XZ,
about 300 bytes each), sends each once, and waits until it is ordered.
Afterwards each is read from another node than the one that acknowledged it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.check(); err != nil {
				return err
			}
			v, err := l.voice(cmd.Context(), t)
			if err != nil {
				return err
			}
			if len(network) > 0 {
				network = append(network, l.urls()...)
			}
			got, err := load.Submit{
				Nodes: l.urls(), Network: network, Author: v.Author, Clients: l.clients, Window: l.window, Prepare: prepare, Say: t.say,
			}.Run(cmd.Context())
			if err != nil {
				return err
			}
			return t.emit(cmd, got, func(w io.Writer) error { return printPoints(w, load.Point{Submitted: got}) })
		},
	}
	l.flags(cmd)
	cmd.Flags().StringArrayVar(&network, "read-from", nil, "base `URL` of a node to read back from and to compare roots with, beside --node; repeat it")
	cmd.Flags().IntVar(&prepare, "statements", 0, "how many are signed beforehand; when they run out, the measurement ends (default: more than will be needed)")
	return cmd
}

func newBenchCheck(t *terminal) *cobra.Command {
	var l loadFlags
	var bare bool
	cmd := &cobra.Command{
		Use:   "check --dir DIR",
		Short: "Checks of a real code per second",
		Long: `  concordat bench check --dir net/XA --node http://127.0.0.1:8460 --clients 64
  concordat bench check --bare --node http://127.0.0.1:8469

Registers the certificate of a real EU DCC code under the authority of --dir,
unless it is there already, and asks for decisions on the code, each of which
must be: recognized. --bare asks what ` + "`concordat bench bare`" + ` serves.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.check(); err != nil {
				return err
			}
			known := load.Known{}
			if !bare {
				v, err := l.voice(cmd.Context(), t)
				if err != nil {
					return err
				}
				if known, err = load.Register(cmd.Context(), v.Author, l.urls()); err != nil {
					return err
				}
			}
			f, err := l.asking().Check(cmd.Context(), known)
			if err != nil {
				return err
			}
			return emitFigures(cmd, t, f)
		},
	}
	l.flags(cmd)
	cmd.Flags().BoolVar(&bare, "bare", false, "ask a bare handler, which has no ledger")
	return cmd
}

func newBenchLookup(t *terminal) *cobra.Command {
	var l loadFlags
	var hashes int
	cmd := &cobra.Command{
		Use:   "lookup --dir DIR",
		Short: "Look-ups of revocation hashes per second",
		Long: `  concordat bench lookup --dir net/XA --node http://127.0.0.1:8460 --hashes 1000000

Revokes as many made-up hashes as --hashes says, then asks about them and about
as many that are not revoked.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.check(); err != nil {
				return err
			}
			if hashes < 1 {
				return usage("--hashes is %d, want 1 or more", hashes)
			}
			v, err := l.voice(cmd.Context(), t)
			if err != nil {
				return err
			}
			t.say("revoking %d hashes", hashes)
			revoked, err := load.Revoke(cmd.Context(), v.Author, l.urls(), hashes)
			if err != nil {
				return err
			}
			f, err := l.asking().Lookup(cmd.Context(), revoked)
			if err != nil {
				return err
			}
			return emitFigures(cmd, t, f)
		},
	}
	l.flags(cmd)
	cmd.Flags().IntVar(&hashes, "hashes", 1<<16, "how many hashes to revoke before")
	return cmd
}

func newBenchNetwork(t *terminal) *cobra.Command {
	o := load.OnNetwork{Say: t.say}
	var l loadFlags
	mode := choice{load.ModeSubmit, []string{load.ModeSubmit, load.ModeCheck, load.ModeLookup}}
	at := choice{load.AtLeader, []string{load.AtLeader, load.AtFollower, load.AtAll}}
	cmd := &cobra.Command{
		Use:   "network --regions A,B,C --clients N,…",
		Short: "The same on networks of its own, a new one for each number of clients",
		Long: `  concordat bench network --regions XA,XB,XC --clients 1,16,64,256
  concordat bench network --regions XA,XB,XC --clients 64 --mode check --hashes 1000000

Starts the network, one process for each region, measures it, and removes it.
--dir says where it lives: on the disk that is to be measured.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, n := range o.Clients {
				if n < 1 {
					return usage("--clients has %d, want 1 or more", n)
				}
			}
			if o.Hashes < 0 {
				return usage("--hashes is %d, want 0 or more", o.Hashes)
			}
			if err := checkWindow(l.window); err != nil {
				return err
			}
			o.Mode, o.At, o.Window = mode.value, at.value, l.window
			points, err := o.Run(cmd.Context())
			if err != nil {
				return err
			}
			answer := struct {
				Points []load.Point `json:"points"`
			}{points}
			return t.emit(cmd, answer, func(w io.Writer) error { return printPoints(w, points...) })
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.Regions, "regions", []string{"XA", "XB", "XC"}, "the network's regions, a validator each")
	f.IntSliceVar(&o.Clients, "clients", []int{1, 16, 64, 256}, "numbers of clients, each measured on a new network")
	f.StringVar(&o.Dir, "dir", "", "where the networks live while they are measured (default the temporary directory)")
	f.IntVar(&o.Hashes, "hashes", 0, "how many hashes are revoked before (default none; 65536 with --mode lookup)")
	f.IntVar(&o.Prepare, "statements", 0, "how many statements are signed beforehand (default: more than will be needed)")
	f.StringVar(&o.Profile, "profile", "site", "timing between the nodes: site, country or continents")
	f.Var(&mode, "mode", "what is measured")
	f.Var(&at, "at", "where the load goes: to the leader, to a follower, or to all nodes in turn")
	l.windowFlags(cmd)
	return cmd
}

func newBenchBare(t *terminal) *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:   "bare",
		Short: "Serve the least that a check over HTTP can be, to measure beside",
		Long: `  concordat bench bare --http 127.0.0.1:8469 &
  concordat bench check --bare --node http://127.0.0.1:8469

Answers POST /v1/check with recognized once it has verified one ECDSA P-256
signature, the same every time. For measurements only.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := load.Bare()
			if err != nil {
				return err
			}
			listener, err := net.Listen("tcp", address)
			if err != nil {
				return usage("--http: %w", err)
			}
			s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
			defer context.AfterFunc(cmd.Context(), func() {
				// It holds nothing that a close could lose.
				_ = s.Close()
			})()
			t.say("bare handler at http://%s; stop it with SIGINT (Ctrl-C)", listener.Addr())
			if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("bare handler: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&address, "http", "127.0.0.1:8469", "`HOST:PORT` to listen on")
	return cmd
}

func emitFigures(cmd *cobra.Command, t *terminal, f load.Figures) error {
	return t.emit(cmd, f, func(w io.Writer) error {
		return printPoints(w, load.Point{Submitted: load.Submitted{Figures: f}})
	})
}

// printPoints prints measurements as a table, and what was noteworthy below.
func printPoints(w io.Writer, points ...load.Point) error {
	rows := [][]string{{"MODE", "CLIENTS", "PER SECOND", "P50 MS", "P99 MS", "MAX MS", "ERRORS", "READ BACK", "CPU SERVERS+LOAD"}}
	var notes []string
	for _, p := range points {
		read, cpu := "-", "-"
		if p.Mode == load.ModeSubmit {
			read = fmt.Sprintf("%d of %d", p.ReadBack, p.Acknowledged)
		}
		if p.CPU != nil {
			cpu = fmt.Sprintf("%.2f+%.2f of %.2f busy", p.CPU.Servers, p.CPU.Load, p.CPU.Busy)
		}
		rows = append(rows, []string{
			p.Mode, fmt.Sprint(p.Clients), fmt.Sprintf("%.0f", p.PerSecond), fmt.Sprintf("%.2f", p.P50), fmt.Sprintf("%.2f", p.P99),
			fmt.Sprintf("%.2f", p.Max), fmt.Sprint(p.Errors), read, cpu,
		})
		if p.Short {
			notes = append(notes, fmt.Sprintf("%d clients: measured for %.1f s only, the prepared statements ran out", p.Clients, p.Seconds))
		}
		if p.FirstError != "" {
			notes = append(notes, fmt.Sprintf("%d clients: the first error was %s", p.Clients, p.FirstError))
		}
	}
	if err := table(w, rows...); err != nil {
		return err
	}
	if len(notes) > 0 {
		p := &printer{w: w}
		for _, n := range notes {
			p.line("%s", n)
		}
		return p.err
	}
	return nil
}
