package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"concordat/testnet/ports"
)

// TestLitewitness has the real litewitness v0.9.0, built from its module and
// run as a process of its own, co-sign our log.
func TestLitewitness(t *testing.T) {
	t.Parallel()
	c := newCertifying(t)
	lite := startLitewitness(t, c)
	f := c.feed(t, lite)
	for _, n := range []int{400, 300} {
		certified := c.grow(t, n, "one")
		until(t, "litewitness has co-signed", func() bool { return len(f.Lines(certified.Checkpoint())) == 1 })
		verify(t, certified, f.Lines(certified.Checkpoint()), lite)
	}
	// It names the size that it has to one who does not know, and we follow.
	again := c.feed(t, lite)
	until(t, "a new feeder is up to date", func() bool { _, l := again.Witnessed(); return len(l) == 1 })
	// And it refuses another history.
	rival := newCertifying(t)
	other := rival.feed(t, lite)
	rival.grow(t, 900, "two")
	until(t, "it has refused", func() bool { return errors.Is(other.Status()[0].Err, ErrInconsistent) })
}

// startLitewitness builds and starts litewitness, and stops it when the test ends.
func startLitewitness(t *testing.T, c *certifying) Outside {
	t.Helper()
	bin := t.TempDir()
	run(t, "go", "build", "-C", filepath.Join("testdata", "litewitness"), "-o", bin+string(filepath.Separator), ".", "filippo.io/torchwood/cmd/litewitness")

	const name = "lite.test/w1"
	key := testKey(name)
	// A socket's path has little room: the test's own directory may be too deep.
	dir, err := os.MkdirTemp("", "lw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // ends the loop below
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(keys, conn) }() // ends with an error when the client is gone
		}
	}()

	db := filepath.Join(dir, "witness.db")
	run(t, filepath.Join(bin, "preparedb"), append([]string{db, network}, c.vkeys()...)...)
	free, err := ports.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(free[0]))
	cmd := exec.Command(filepath.Join(bin, "litewitness"), "-db", db, "-name", name, "-key", ssh.FingerprintSHA256(public),
		"-ssh-agent", socket, "-listen", address)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Errorf("stopping litewitness: %v", err)
		}
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("litewitness ended: %v\n%s", err, &said)
		}
	})
	until(t, "litewitness listens", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		return errors.Join(resp.Body.Close()) == nil && resp.StatusCode == http.StatusOK
	})
	signer, err := torchwood.NewCosignatureSigner(name, key)
	if err != nil {
		t.Fatal(err)
	}
	return Outside{VKey: fmt.Sprint(signer.Verifier()), URL: "http://" + address}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}
