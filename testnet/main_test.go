package testnet

import (
	"os"
	"testing"

	"concordat/testnet/built"
)

// command is the concordat binary that the tests of this package run: built
// once from this tree, because these tests are about real processes.
var command string

func TestMain(m *testing.M) { os.Exit(built.Main(m, &command)) }

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
