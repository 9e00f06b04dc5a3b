//go:build unix

package p2p

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/multiformats/go-multiaddr"
)

// crashEnv tells the test binary to be a node that can be killed.
const crashEnv = "CONCORDAT_P2P_TEST_NODE"

// crashKeepAlive is shorter than the default, so that the tests are.
const crashKeepAlive = 600 * time.Millisecond

// textMember is a Member as it goes to a node's process.
type textMember struct {
	Authority string
	Addrs     []string
}

// TestNodeProcess is no test but a node, when a test has started it for that. It
// prints where it listens, reads the members, and runs Raft on an empty store
// until it is killed or its standard input ends.
func TestNodeProcess(t *testing.T) {
	raw := os.Getenv(crashEnv)
	if raw == "" {
		return
	}
	var me textMember
	if err := json.Unmarshal([]byte(raw), &me); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(me.Authority)
	cfg.KeepAlive = crashKeepAlive
	cfg.Listen = nil
	for _, a := range me.Addrs {
		cfg.Listen = append(cfg.Listen, multiaddr.StringCast(a))
	}
	n := &raftNode{authority: me.Authority, store: raft.NewInmemStore(), host: newTestHost(t, cfg)}
	n.host.Handle("applied", 0, func(context.Context, Member, []byte) ([]byte, error) {
		return strconv.AppendInt(nil, int64(len(n.fsm.all())), 10), nil
	})
	for _, a := range n.host.host.Addrs() {
		me.Addrs = append(me.Addrs, a.String())
	}
	out, err := json.Marshal(me.Addrs[len(cfg.Listen):])
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(string(out))
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return
	}
	var all []textMember
	if err := json.Unmarshal(line, &all); err != nil {
		t.Fatal(err)
	}
	var members []Member
	for _, m := range all {
		var addrs []multiaddr.Multiaddr
		for _, a := range m.Addrs {
			addrs = append(addrs, multiaddr.StringCast(a))
		}
		members = append(members, testMember(t, m.Authority, addrs...))
	}
	n.startRaft(t)
	if err := n.host.SetMembers(members); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		t.Fatal(err)
	}
	n.stop(t)
}

// process is a node in a process of its own.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	addrs []multiaddr.Multiaddr
}

func startProcess(t testing.TB, authority string, listen ...multiaddr.Multiaddr) *process {
	t.Helper()
	me := textMember{Authority: authority}
	for _, a := range listen {
		me.Addrs = append(me.Addrs, a.String())
	}
	raw, err := json.Marshal(me)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNodeProcess$")
	cmd.Env = append(os.Environ(), crashEnv+"="+string(raw))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, in: in}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var addrs []string
	if err := json.Unmarshal(line, &addrs); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	for _, a := range addrs {
		p.addrs = append(p.addrs, multiaddr.StringCast(a))
	}
	return p
}

// join tells the process who the members are, upon which it starts Raft.
func (p *process) join(members []Member) {
	p.t.Helper()
	var all []textMember
	for _, m := range members {
		x := textMember{Authority: m.Authority}
		for _, a := range m.Addrs {
			x.Addrs = append(x.Addrs, a.String())
		}
		all = append(all, x)
	}
	if err := json.NewEncoder(p.in).Encode(all); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// kill ends the process as a power cut would, but for what the kernel says.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		p.cmd.Process.Kill() // it may have ended
		p.cmd.Wait()         // "signal: killed" is what was wanted
	}
}

func connected(n *raftNode, authority string) bool {
	for _, st := range n.host.Peers() {
		if st.Authority == authority {
			return st.Connected
		}
	}
	return false
}

// within waits for a condition and fails if it took longer than most.
func within(t testing.TB, most time.Duration, what string, cond func() bool) {
	t.Helper()
	start := time.Now()
	eventually(t, what, cond)
	took := time.Since(start)
	t.Logf("%s: after %v", what, took.Round(time.Millisecond))
	if took > most {
		t.Errorf("%s: after %v, want %v at most", what, took, most)
	}
}

// A node that is killed, or hangs, is missed by all within seconds, whoever leads;
// and once it is back, entries reach it within seconds.
func TestCrashIsNoticed(t *testing.T) {
	const (
		noticed = 5*crashKeepAlive/2 + 2*time.Second // 2 s for a machine that is busy
		back    = 3 * time.Second
	)
	for name, listen := range map[string]multiaddr.Multiaddr{"tcp": listenTCP, "quic": listenQUIC} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProcess(t, "XC", listen)
			nodes := newCluster(t, func(c *Config) {
				c.Listen, c.KeepAlive = []multiaddr.Multiaddr{listen}, crashKeepAlive
			}, []Member{testMember(t, "XC", p.addrs...)}, "XA", "XB")
			p.join(nodes["XA"].members)
			entries := 0
			order := func() {
				commit(t, nodes, fmt.Sprint("entry ", entries))
				entries++
			}
			all := func(want bool) func() bool {
				return func() bool { return connected(nodes["XA"], "XC") == want && connected(nodes["XB"], "XC") == want }
			}
			applied := func() bool {
				got, err := nodes["XA"].host.Call(testContext(t), "XC", "applied", nil)
				return err == nil && string(got) == fmt.Sprint(entries)
			}
			order()
			within(t, patience, "XC runs", applied)

			p.kill()
			within(t, noticed, "killed XC is missed", all(false))
			order()
			p = startProcess(t, "XC", p.addrs...)
			p.join(nodes["XA"].members)
			within(t, back, "XC is back", all(true))
			within(t, back, "XC has the entries", applied)

			p.kill() // and back before anyone can notice
			p = startProcess(t, "XC", p.addrs...)
			p.join(nodes["XA"].members)
			order()
			within(t, back, "restarted XC has the entries", applied)

			p.signal(syscall.SIGSTOP) // its kernel goes on to acknowledge
			within(t, noticed, "hanging XC is missed", all(false))
			p.signal(syscall.SIGCONT)
			order()
			within(t, back, "XC is awake", all(true))
			within(t, back, "XC has caught up", applied)
		})
	}
}
