// Command bench measures Concordat beside others on one machine, in rounds:
//
//	go run ./testnet/bench -command bin/concordat -rounds 3
//
// Statements are measured on three nodes beside etcd's puts on three nodes,
// checks over HTTP beside a bare handler that verifies one signature. Each
// point is on a fresh cluster. Absolute figures drift, on a small machine by a
// fifth and more: only ratios within one round are worth quoting, and the table
// at the end gives their medians.
//
// What certification costs is measured too: statements that are waited for until
// they are final beside those that are ordered, and how long it takes from the
// one to the other. With -catchup N nothing of this is measured, but how fast a
// node with an empty disk catches up with N statements, beside applying them:
//
//	go run ./testnet/bench -command bin/concordat -catchup 1000000
//
// etcd is neither vendored nor committed here: it is built, with the load
// generator for it, from the folder that -peers names. Without that folder
// Concordat is measured alone, and the table says so.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"concordat/client"
	"concordat/testnet/load"
)

// Systems that can be measured.
const (
	etcd         = "etcd"          // one connection for each client
	etcdShared   = "etcd-1conn"    // all clients on one connection
	concordat    = "concordat"     // statements, at the leader
	concordatAll = "concordat-all" // statements, at all nodes in turn
	ordered      = "ordered"       // the same on four nodes, and one client more, which measures until when they are final
	final        = "final"         // the same, waited for until they are final
	check        = "check"         // checks of a real code, at the leader
	bare         = "bare"          // the bare handler
)

// systems are all of them.
var systems = []string{etcd, etcdShared, concordat, concordatAll, ordered, final, bare, check}

// regions of a network to measure: as many nodes as etcd has here; and four, of
// which certification bears the loss of one.
var (
	regions     = []string{"XA", "XB", "XC"}
	fourRegions = []string{"XA", "XB", "XC", "XD"}
)

type options struct {
	command, peers, work, out string
	systems                   []string
	clients                   []int
	rounds                    int
	window                    load.Window
	calm                      time.Duration
	catchUp                   int // statements; 0: measure the systems
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(o.work, "concordat-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	o.work = work
	if o.catchUp > 0 {
		return reportCatchUp(ctx, o)
	}
	m := &measurer{options: o}
	wanted := slices.Contains(o.systems, etcd) || slices.Contains(o.systems, etcdShared)
	if wanted {
		if m.etcd, err = buildEtcd(ctx, o); err != nil {
			return err
		}
	}
	if wanted && m.etcd == nil {
		say("%s is not there: Concordat is measured alone, without etcd beside it", o.peers)
	}
	var points []point
	for round := 1; round <= o.rounds; round++ {
		for _, clients := range o.clients {
			for _, system := range m.turn(round, clients) {
				quiet := load.Calm(ctx, o.calm)
				p, err := m.measure(ctx, system, clients)
				if err != nil {
					return fmt.Errorf("round %d, %d clients, %s: %w", round, clients, system, err)
				}
				p.Round = round
				points = append(points, p)
				say("round %d: %d clients, %s: %.0f/s, p50 %.2f ms, p99 %.2f ms%s", round, clients, system, p.PerSecond, p.P50, p.P99, noise(quiet, p))
				if err := record(o.out, p); err != nil {
					return err
				}
			}
		}
	}
	return printTables(os.Stdout, points)
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.command, "command", "bin/concordat", "the concordat binary")
	f.StringVar(&o.peers, "peers", "../shared/bench", "folder with the harness that builds and loads etcd")
	f.StringVar(&o.work, "work", "", "directory on the disk to be measured (default the temporary directory)")
	f.StringVar(&o.out, "out", "", "file to which each point is added as a line of JSON")
	what := f.String("what", strings.Join(systems, ","), "systems to measure")
	f.IntVar(&o.catchUp, "catchup", 0, "measure how a node with an empty disk catches up with so many statements, and nothing else")
	clients := f.String("clients", "1,16,64,256", "numbers of clients")
	f.IntVar(&o.rounds, "rounds", 3, "how many rounds")
	f.DurationVar(&o.window.Measured, "d", 10*time.Second, "how long each point is measured")
	f.DurationVar(&o.window.Warm, "warm", 2*time.Second, "how long load is put on before")
	f.DurationVar(&o.calm, "calm", 30*time.Second, "how long to wait for other processes to be quiet before a point")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.command, err = filepath.Abs(o.command); err != nil {
		return o, err
	}
	if o.peers, err = filepath.Abs(o.peers); err != nil {
		return o, err
	}
	for _, s := range strings.Split(*clients, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-clients has %q, want numbers of 1 or more", s)
		}
		o.clients = append(o.clients, n)
	}
	if o.catchUp < 0 {
		return o, fmt.Errorf("-catchup is %d, want 0 or more", o.catchUp)
	}
	o.systems = strings.Split(*what, ",")
	for _, s := range o.systems {
		if !slices.Contains(systems, s) {
			return o, fmt.Errorf("-what has %q, which is no system to measure", s)
		}
	}
	return o, nil
}

// point is one measurement.
type point struct {
	Round   int    `json:"round"`
	System  string `json:"system"`
	Clients int    `json:"clients"`
	load.Figures
	Lag *load.Lag `json:"lag,omitempty"` // from ordered to final
}

type measurer struct {
	options
	etcd *etcdPeer // nil: not there
}

// turn is which systems are measured in a round, in its order: it is turned
// every other time, since who comes after whom matters.
func (m *measurer) turn(round, clients int) []string {
	var out []string
	for _, s := range m.systems {
		isEtcd := s == etcd || s == etcdShared
		if isEtcd && m.etcd == nil || s == etcdShared && clients == 1 && slices.Contains(m.systems, etcd) {
			continue // one client has one connection either way
		}
		out = append(out, s)
	}
	if round%2 == 0 {
		slices.Reverse(out)
	}
	return out
}

func (m *measurer) measure(ctx context.Context, system string, clients int) (point, error) {
	p := point{System: system, Clients: clients}
	n := load.OnNetwork{Clients: []int{clients}, Regions: regions, Dir: m.work, Command: m.command, Window: m.window}
	var err error
	switch system {
	case etcd:
		p.Figures, err = m.etcd.measure(ctx, clients, clients, m.window)
		return p, err
	case etcdShared:
		p.Figures, err = m.etcd.measure(ctx, clients, 1, m.window)
		return p, err
	case bare:
		p.Figures, err = m.bare(ctx, clients)
		return p, err
	case concordatAll:
		n.At = load.AtAll
	case ordered:
		n.Regions, n.Lag = fourRegions, true
	case final:
		n.Regions, n.Lag, n.Wait = fourRegions, true, client.Final
	case check:
		n.Mode = load.ModeCheck
	}
	got, err := n.Run(ctx)
	if err != nil {
		return p, err
	}
	p.Figures, p.Lag = got[0].Figures, got[0].Lag
	return p, nil
}

// noise says what was not quiet while a point was measured.
func noise(calm bool, p point) string {
	s := ""
	if !calm {
		s = "; not calm before"
	}
	if p.loud() {
		s += fmt.Sprintf("; others took %.2f processors", p.CPU.Other())
	}
	return s
}

// loud reports that other processes took too much for the point to count.
func (p point) loud() bool {
	const most = 0.35
	return p.CPU != nil && p.CPU.Other() > most
}

func record(file string, p point) (err error) {
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return json.NewEncoder(f).Encode(p)
}

func say(format string, a ...any) { fmt.Fprintf(os.Stderr, format+"\n", a...) }
