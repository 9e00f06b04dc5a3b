package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"concordat/testnet/load"
)

// etcdPeer runs etcd and its load by means of the harness in a folder.
type etcdPeer struct {
	folder, bin, work string
}

// buildEtcd builds etcd and its load generator; nil where the folder is not there.
func buildEtcd(ctx context.Context, o options) (*etcdPeer, error) {
	if _, err := os.Stat(o.peers); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	p := &etcdPeer{folder: o.peers, bin: filepath.Join(o.work, "bin"), work: filepath.Join(o.work, "peers")}
	for folder, name := range map[string]string{"peers/etcd": "etcd", "load": "load"} {
		say("building %s", name)
		build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(p.bin, name), ".")
		build.Dir = filepath.Join(p.folder, folder)
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building %s: %w\n%s", name, err, out)
		}
	}
	return p, os.MkdirAll(p.work, 0o755)
}

func (p *etcdPeer) cluster(ctx context.Context, op string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.folder, "cluster.sh"), op, "etcd")
	cmd.Env = append(os.Environ(), "BENCH_BIN="+p.bin, "BENCH_WORK="+p.work)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cluster.sh %s etcd: %w\n%s", op, err, out)
	}
	return nil
}

// measure puts 256-byte values into a fresh cluster.
func (p *etcdPeer) measure(ctx context.Context, clients, connections int, w load.Window) (f load.Figures, err error) {
	if err := p.cluster(ctx, "start"); err != nil {
		return f, err
	}
	// It is stopped even where ctx has ended.
	defer func() { err = errors.Join(err, p.cluster(context.WithoutCancel(ctx), "stop")) }()
	var target, pids string
	for name, into := range map[string]*string{"target": &target, "pids": &pids} {
		b, err := os.ReadFile(filepath.Join(p.work, "etcd", name))
		if err != nil {
			return f, err
		}
		*into = strings.TrimSpace(string(b))
	}
	out, err := exec.CommandContext(ctx, filepath.Join(p.bin, "load"), "-name", "etcd", "-endpoints", target, "-pids", pids,
		"-c", fmt.Sprint(clients), "-conns", fmt.Sprint(connections), "-d", w.Measured.String(), "-warm", w.Warm.String(), "etcd-put").Output()
	if err != nil {
		return f, fmt.Errorf("load on etcd: %w", err)
	}
	return parseLoad(out)
}

// parseLoad reads what the harness's load generator says.
func parseLoad(out []byte) (load.Figures, error) {
	var r struct {
		Clients  int                `json:"clients"`
		Secs     float64            `json:"secs"`
		OpsPerS  float64            `json:"ops_per_s"`
		P50      float64            `json:"p50_ms"`
		P99      float64            `json:"p99_ms"`
		Max      float64            `json:"max_ms"`
		Errors   int                `json:"errors"`
		FirstErr string             `json:"first_error"`
		CPU      map[string]float64 `json:"cpu"`
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return load.Figures{}, fmt.Errorf("load on etcd: %w", err)
	}
	cpu := &load.CPU{Load: r.CPU["load"], Busy: r.CPU["busy"]}
	for name, cores := range r.CPU {
		if strings.HasPrefix(name, "server") {
			cpu.Servers += cores
		}
	}
	return load.Figures{
		Mode: "put", Clients: r.Clients, Seconds: r.Secs, Done: int(r.OpsPerS * r.Secs), PerSecond: r.OpsPerS,
		P50: r.P50, P99: r.P99, Max: r.Max, Errors: r.Errors, FirstError: r.FirstErr, CPU: cpu,
	}, nil
}

// bare measures the bare handler, in a process of its own as a node is.
func (m *measurer) bare(ctx context.Context, clients int) (f load.Figures, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, m.command, "bench", "bare", "--http", "127.0.0.1:0")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return f, err
	}
	if err := cmd.Start(); err != nil {
		return f, err
	}
	defer func() {
		cancel()
		// It ends because it was told to: how is of no interest.
		_ = cmd.Wait()
	}()
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil {
		return f, fmt.Errorf("bare handler: %w", err)
	}
	_, rest, _ := strings.Cut(line, " at ")
	url, _, found := strings.Cut(rest, ";")
	if !found {
		return f, fmt.Errorf("bare handler: it says %q, and not where it is", line)
	}
	return load.Asking{Nodes: []string{url}, Clients: clients, Window: m.window, Servers: []int{cmd.Process.Pid}}.Check(ctx, load.Known{})
}
