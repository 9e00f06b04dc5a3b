package testnet

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// command is the concordat binary that the tests of this package run: built
// once from this tree, because these tests are about real processes.
var command string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "concordat-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		command = filepath.Join(dir, "concordat")
		build := exec.Command("go", "build", "-o", command, "concordat/cmd/concordat")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building the command:", err)
			return 1
		}
		return m.Run()
	}())
}

// up starts a network of four regions for a test, and stops it after.
func up(t *testing.T, args ...string) *Network {
	t.Helper()
	net, err := Up(t.Context(), Options{Dir: t.TempDir(), Regions: []string{"XA", "XB", "XC", "XD"}, Command: command, Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := net.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
		if t.Failed() {
			for _, n := range net.Nodes {
				t.Logf("log of %s ends with\n%s", n.Region, n.LogTail(15))
			}
		}
	})
	return net
}
