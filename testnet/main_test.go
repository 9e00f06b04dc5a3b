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
	return upWith(t, Options{Args: args})
}

// upWith does so with options, of which the directory and the command are
// filled in, and four regions if there are none.
func upWith(t *testing.T, o Options) *Network {
	t.Helper()
	o.Dir, o.Command = t.TempDir(), command
	if o.Regions == nil {
		o.Regions = []string{"XA", "XB", "XC", "XD"}
	}
	net, err := Up(t.Context(), o)
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
