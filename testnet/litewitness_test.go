package testnet

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/mod/sumdb/note"

	"concordat/ledger/checkpoint"
	"concordat/testnet/ports"
)

// TestLitewitnessCosigns has the real litewitness v0.9.0, a process of another
// operator, co-sign the log of a network of real processes: first it is not
// there, and the nodes say so and go on; then it is, and its line is in what
// they show, where golang.org/x/mod's package note finds and verifies it.
func TestLitewitnessCosigns(t *testing.T) {
	const name = "lite.test/w1"
	seed := sha256.Sum256([]byte(name))
	key := ed25519.NewKeyFromSeed(seed[:])
	signer, err := torchwood.NewCosignatureSigner(name, key)
	if err != nil {
		t.Fatal(err)
	}
	free, err := ports.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(free[0]))
	network := upWith(t, Options{Env: []string{
		"CONCORDAT_VOUCH_REFRESH=1s", fmt.Sprintf("CONCORDAT_WITNESS_WITNESSES=%s http://%s", signer.Verifier(), address),
	}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := monitor(t, network)
	one := network.Nodes[0]
	sayFinal(ctx, t, network, one, 0)
	problem := func() bool {
		st, err := one.Client().Status(ctx)
		return err == nil && strings.Contains(fmt.Sprint(st.Problems), name)
	}
	if err := waitFor(ctx, "the missing witness to be a problem", problem); err != nil {
		t.Fatal(err)
	}

	startLitewitness(t, seen, key, name, address)
	verifiers := []note.Verifier{signer.Verifier()}
	for _, a := range seen.doc.Authorities {
		v, err := note.NewVerifier(checkpoint.LogVKey(seen.doc.Network, a.Keys.Node.Public()))
		if err != nil {
			t.Fatal(err)
		}
		verifiers = append(verifiers, v)
	}
	for i := range 2 {
		last := sayFinal(ctx, t, network, one, i+1)
		for _, n := range network.Nodes {
			if err := waitFor(ctx, "the witness's line at "+n.Region, func() bool {
				raw, err := sourceOf(n).Checkpoint(ctx)
				if err != nil {
					return false
				}
				opened, err := note.Open(raw, note.VerifierList(verifiers...))
				if err != nil {
					t.Fatalf("%s shows a note that package note refuses: %v", n.Region, err)
				}
				c, err := checkpoint.Parse(opened.Text)
				if err != nil {
					t.Fatal(err)
				}
				lines := map[string]int{}
				for _, sig := range opened.Sigs {
					lines[sig.Name]++
				}
				return c.Size > *last.Index && lines[name] == 1 && lines[seen.doc.Network] >= 3
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := waitFor(ctx, "the witness to be no problem any more", func() bool { return !problem() }); err != nil {
		t.Error(err)
	}
}

// startLitewitness builds litewitness from its module and runs it, with an
// agent that has its key, until the test ends.
func startLitewitness(t *testing.T, seen *notes, key ed25519.PrivateKey, name, address string) {
	t.Helper()
	bin := t.TempDir()
	runTool(t, "go", "build", "-C", filepath.Join("..", "node", "witness", "testdata", "litewitness"), "-o", bin+string(filepath.Separator),
		".", "filippo.io/torchwood/cmd/litewitness")
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
	prepare := []string{db, seen.doc.Network}
	for _, a := range seen.doc.Authorities {
		prepare = append(prepare, checkpoint.LogVKey(seen.doc.Network, a.Keys.Node.Public()))
	}
	runTool(t, filepath.Join(bin, "preparedb"), prepare...)
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(bin, "litewitness"), "-db", db, "-name", name, "-key", ssh.FingerprintSHA256(public),
		"-ssh-agent", socket, "-listen", address)
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.SysProcAttr = tied()
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
}

func runTool(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}
