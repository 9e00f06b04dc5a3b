package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/testnet"
	"concordat/testnet/load"
)

// caughtUp is how fast a node with an empty disk became a replica of a network
// of real processes, beside how fast one processor applies the same blocks.
type caughtUp struct {
	Statements   uint64  `json:"statements"`
	LoadedPerSec float64 `json:"loadedPerSecond"` // how fast they came into the ledger, over HTTP

	// Of the node that catches up, while three others serve it on this machine:
	FetchSeconds float64 `json:"fetchSeconds"` // from its start until its ledger has them
	VouchSeconds float64 `json:"vouchSeconds"` // until it takes part in the order, co-signs, and has no problem
	PerSecond    float64 `json:"perSecond"`    // statements by FetchSeconds

	// Of the same blocks, applied with their signatures verified to an empty ledger
	// by a process alone, with what a node spends on its disk:
	AppliedPerSecond float64 `json:"appliedPerSecond"`
	Ratio            float64 `json:"ratio"` // PerSecond by AppliedPerSecond
}

// measureCatchUp loads a network of three of four validators, lets the fourth
// start on an empty disk, and then, with all stopped, applies the same blocks
// from another's ledger to an empty one.
func measureCatchUp(ctx context.Context, o options) (out caughtUp, err error) {
	replay, err := buildReapply(ctx, o.work)
	if err != nil {
		return out, err
	}
	dir := filepath.Join(o.work, "catchup")
	net, err := testnet.Up(ctx, testnet.Options{
		Dir: dir, Regions: []string{"XA", "XB", "XC", "XD"}, Command: o.command, ReadyWithin: 2 * time.Minute,
	})
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, net.Stop()) }()
	late := net.Node("XD")
	if err := late.Stop(); err != nil {
		return out, err
	}
	for _, name := range []string{"data", "founded", "signer", "witnessed"} {
		if err := os.RemoveAll(filepath.Join(late.Dir, name)); err != nil {
			return out, err
		}
	}
	if out, err = loadFor(ctx, o, net, late); err != nil {
		return out, err
	}
	if err := startLate(ctx, late, &out); err != nil {
		return out, err
	}
	if err := net.Stop(); err != nil {
		return out, err
	}
	say("%s had them after %.1f s, and vouched after %.1f s; now they are applied again", late.Region, out.FetchSeconds, out.VouchSeconds)
	out.AppliedPerSecond, err = reapply(ctx, replay, net.Nodes[0].Dir)
	out.Ratio = out.PerSecond / out.AppliedPerSecond
	return out, err
}

// loadFor brings the statements into the ledger, and waits until they are final.
func loadFor(ctx context.Context, o options, net *testnet.Network, late *testnet.Node) (out caughtUp, err error) {
	leader, err := net.Leader(ctx)
	if err != nil {
		return out, err
	}
	var nodes []string
	for _, n := range net.Nodes {
		if n != late {
			nodes = append(nodes, n.HTTP)
		}
	}
	keys, err := authority.Open(leader.Dir, nil)
	if err != nil {
		return out, err
	}
	key, err := keys.Key(authority.Statement)
	if err != nil {
		return out, err
	}
	began := time.Now()
	got, err := load.Submit{
		Nodes: []string{leader.HTTP}, Network: nodes, Clients: 256, Window: load.Window{Measured: 24 * time.Hour},
		Author:  &client.Author{Client: leader.Client(), Authority: keys.ID(), Network: net.ID, Key: key.Ed25519()},
		Prepare: o.catchUp, ReadBack: 1000, Say: say,
	}.Run(ctx)
	if err != nil {
		return out, err
	}
	out.LoadedPerSec = float64(got.Acknowledged) / got.Seconds
	for {
		st, err := leader.Client().Status(ctx)
		if err != nil {
			return out, err
		}
		if out.Statements = st.Final.Size; st.Final.Size >= got.Size {
			say("%d statements are loaded and final, in %s", st.Final.Size, time.Since(began).Round(time.Second))
			return out, nil
		}
		if err := pause(ctx); err != nil {
			return out, err
		}
	}
}

// startLate starts the node with the empty disk and waits until it has what was
// final then, and until it vouches.
func startLate(ctx context.Context, late *testnet.Node, out *caughtUp) error {
	began, told := time.Now(), time.Now()
	if err := late.Start(); err != nil {
		return err
	}
	for {
		if !late.Running() {
			return fmt.Errorf("%s ended while it caught up:\n%s", late.Region, late.LogTail(10))
		}
		once, cancel := context.WithTimeout(ctx, time.Second)
		st, err := late.Client().Status(once)
		cancel()
		since := time.Since(began).Seconds()
		switch {
		case err != nil: // it has only begun
		case out.FetchSeconds == 0 && st.Size >= out.Statements:
			out.FetchSeconds = since
			out.PerSecond = float64(out.Statements) / since
		case out.FetchSeconds > 0 && st.Vouching && len(st.Problems) == 0 && st.Final.Size >= out.Statements:
			out.VouchSeconds = since
			return nil
		case st.CatchingUp != nil && time.Since(told) > 10*time.Second:
			told = time.Now()
			say("%s has %d statements of %d after %.0f s, %.0f/s", late.Region, st.Size, st.CatchingUp.Target, since, st.CatchingUp.Rate)
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

var reapplied = regexp.MustCompile(`([0-9.e+]+) statements/s`)

// buildReapply builds the ledger's own benchmark, before the long work: nothing
// else here knows how ledgers are stored.
func buildReapply(ctx context.Context, work string) (command string, err error) {
	command = filepath.Join(work, "ledger.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", command, "concordat/ledger")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the ledger's benchmark: %w\n%s", err, out)
	}
	return command, nil
}

// reapply applies the blocks of a stopped node's ledger to an empty one.
func reapply(ctx context.Context, command, dir string) (perSecond float64, err error) {
	cmd := exec.CommandContext(ctx, command, "-test.run", "^$", "-test.bench", "^BenchmarkReapply$", "-test.benchtime", "1x", "-test.timeout", "2h")
	cmd.Env = append(os.Environ(), "LEDGER_BENCH_DIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("applying %s again: %w\n%s", dir, err, out)
	}
	m := reapplied.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("applying %s again: no rate in\n%s", dir, bytes.TrimSpace(out))
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

// reportCatchUp measures and prints.
func reportCatchUp(ctx context.Context, o options) error {
	got, err := measureCatchUp(ctx, o)
	if err != nil {
		return err
	}
	line, err := json.Marshal(got)
	if err != nil {
		return err
	}
	say("%s", line)
	_, err = fmt.Printf(`
A node with an empty disk beside applying the same blocks, %d statements, in one run.

| statements | caught up /s | applied locally /s | ratio | until it vouches | loaded /s |
|---:|---:|---:|---:|---:|---:|
| %d | %.0f | %.0f | **%.2f** | %.1f s | %.0f |
`, got.Statements, got.Statements, got.PerSecond, got.AppliedPerSecond, got.Ratio, got.VouchSeconds, got.LoadedPerSec)
	return err
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(20 * time.Millisecond):
		return nil
	}
}
