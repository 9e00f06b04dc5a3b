package testnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"concordat/client"
)

// stopWithin is how long a node may take to stop before it is killed and the stop counts as failed.
const stopWithin = 20 * time.Second

// Node is one node's process.
type Node struct {
	Region string
	HTTP   string // base URL
	Dir    string // the authority's directory
	// What this node is run with, beside what all of the network are.
	Command string // another binary than the network's; "": the same
	Args    []string
	Env     []string

	net  *Network
	cmd  *exec.Cmd
	told bool          // it was asked to stop: a second signal would kill it
	done chan struct{} // closed when the process has ended
	err  error         // how it ended; read after done
}

func (n *Node) logPath() string { return filepath.Join(n.Dir, "node.log") }

// command is the binary that the node runs.
func (n *Node) command() string {
	if n.Command != "" {
		return n.Command
	}
	return n.net.o.Command
}

func (n *Node) start(found bool) error {
	log, err := os.OpenFile(n.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log of %s: %w", n.Region, err)
	}
	defer log.Close() // the process has its own
	args := []string{"node", "run", "--dir", n.Dir, "--genesis", n.net.Genesis,
		"--http", strings.TrimPrefix(n.HTTP, "http://"), "--profile", n.net.o.Profile}
	if found {
		args = append(args, "--found")
	}
	cmd := exec.Command(n.command(), slices.Concat(args, n.net.o.Args, n.Args)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = slices.Concat(os.Environ(), n.net.o.Env, n.Env)
	cmd.SysProcAttr = tied()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", n.Region, err)
	}
	n.cmd, n.told, n.done = cmd, false, make(chan struct{})
	if n.net.o.Links != nil {
		n.net.o.Links.Runs(n.Region, cmd.Process.Pid)
	}
	go func(done chan struct{}) {
		n.err = cmd.Wait()
		close(done)
	}(n.done)
	return nil
}

// Running reports whether the process is there.
func (n *Node) Running() bool {
	if n.done == nil {
		return false
	}
	select {
	case <-n.done:
		return false
	default:
		return true
	}
}

// PID is the process id; 0 while there is none.
func (n *Node) PID() int {
	if !n.Running() {
		return 0
	}
	return n.cmd.Process.Pid
}

// Client asks this node alone.
func (n *Node) Client() *client.Client {
	c, err := client.New([]string{n.HTTP})
	if err != nil {
		panic(err) // the URL was made here
	}
	return c
}

// Ready waits until the node is ready. If its process ends instead, the error
// has the last lines of its log.
func (n *Node) Ready(ctx context.Context) error {
	c := n.Client()
	for {
		once, cancel := context.WithTimeout(ctx, time.Second)
		err := c.Ready(once)
		if err != nil && n.suspended(once, err) {
			err = nil
		}
		if err == nil {
			err = n.itself(once)
		}
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-n.done:
			return fmt.Errorf("%s ended (%v) before it was ready:\n%s", n.Region, n.err, n.LogTail(10))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; its log ends with\n%s", n.Region, err, n.LogTail(10))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// itself makes sure that it is this node that answers, and not a stranger that
// had its port before: another test network's, say, whose node is ready.
func (n *Node) itself(ctx context.Context) error {
	st, err := n.Client().Status(ctx)
	if err != nil {
		return err
	}
	if st.Network != n.net.ID.String() || st.Region != n.Region {
		return fmt.Errorf("at %s another node answers: %s of network %s", n.HTTP, st.Region, st.NetworkName)
	}
	return nil
}

// suspended reports that a node is not ready because its validator was caught
// signing two histories: it is as ready as it will ever be.
func (n *Node) suspended(ctx context.Context, why error) bool {
	var f *client.Failure
	if !errors.As(why, &f) || f.Name != client.NotVouching {
		return false
	}
	st, err := n.Client().Status(ctx)
	return err == nil && st.Quorum && slices.ContainsFunc(st.Evidence, func(c client.Culprit) bool { return c.Region == n.Region })
}

// Kill ends the process as a power cut would: with SIGKILL, and nothing said to it before.
func (n *Node) Kill() error {
	if !n.Running() {
		return fmt.Errorf("%s is not running", n.Region)
	}
	if err := n.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("killing %s: %w", n.Region, err)
	}
	<-n.done
	return nil
}

// Pause stops the process in its tracks (SIGSTOP) until Resume.
func (n *Node) Pause() error { return n.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (n *Node) Resume() error { return n.cmd.Process.Signal(syscall.SIGCONT) }

// Start starts a node that has been stopped or killed, on what is on its disk.
func (n *Node) Start() error {
	if n.Running() {
		return fmt.Errorf("%s is running", n.Region)
	}
	return n.start(false)
}

func (n *Node) signalStop() {
	if n.Running() && !n.told {
		n.told = true
		// It may have ended in this moment; Stop sees how.
		_ = n.cmd.Process.Signal(syscall.SIGTERM)
	}
}

// Stop asks the process to stop and waits. A node that does not stop in time,
// or stops with an error, is an error.
func (n *Node) Stop() error {
	if !n.Running() {
		return nil
	}
	n.signalStop()
	select {
	case <-n.done:
	case <-time.After(stopWithin):
		return errors.Join(fmt.Errorf("%s did not stop within %s:\n%s", n.Region, stopWithin, n.LogTail(10)), n.Kill())
	}
	if n.err != nil {
		return fmt.Errorf("%s stopped with %w:\n%s", n.Region, n.err, n.LogTail(10))
	}
	return nil
}

// LogTail is the last lines of the node's log.
func (n *Node) LogTail(lines int) string {
	f, err := os.Open(n.logPath())
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const most = 64 << 10
	if s, err := f.Stat(); err == nil && s.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return err.Error()
		}
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimRight(b, "\n"), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}
