package node_test

import (
	"errors"
	"testing"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/consensus"
	"concordat/ledger/checkpoint"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
	"concordat/node"
	"concordat/node/nodetest"
)

// A leader whose clock is ahead of the quorum's makes no seal: one that is certified
// too long before its time is in bundles that nobody takes.
func TestNoSealAheadOfTheQuorum(t *testing.T) {
	t.Parallel()
	n := nodetest.NewWith(t, func(_ string, c *node.Config) {
		c.Vouch.Refresh, c.Vouch.Seal = time.Second, time.Second
		node.OnOrder(c, func(c *consensus.Config) { c.Seal = nil }) // this test asks for them
	}, "XA")
	say(t, n, "XA", "XA", "XA-1", client.Final)
	now := time.Now()
	if c, err := node.SealAt(n.Node("XA"), now.Add(50*time.Second)); err != nil || c == nil {
		t.Errorf("a seal of now: %v, %v", c, err)
	}
	if c, err := node.SealAt(n.Node("XA"), now.Add(70*time.Second)); c != nil || !errors.Is(err, node.ErrClockAhead) {
		t.Errorf("a seal of in 70 seconds: %v, %v", c, err)
	}
	for _, p := range n.Node("XA").Status().Problems {
		t.Errorf("a node with the right clock says %+v", p)
	}
}

// A node sees in its own co-signature how far its clock is ahead, and not in the
// age of what is certified.
func TestClockAhead(t *testing.T) {
	n := found(t, "XA", "XB", "XC", "XD")
	vs := receipt.FoundingValidators(n.Doc)
	at := time.Date(2021, 9, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		off  map[string]time.Duration
		want time.Duration
	}{
		{"all alike", map[string]time.Duration{"XA": 0, "XB": 0, "XC": 0, "XD": 0}, 0},
		{"ahead", map[string]time.Duration{"XA": time.Hour, "XB": 0, "XC": time.Second, "XD": 0}, time.Hour},
		{"ahead, and one is missing", map[string]time.Duration{"XA": time.Hour, "XB": time.Second, "XC": 0}, time.Hour},
		{"two ahead are no quorum", map[string]time.Duration{"XA": time.Hour, "XB": time.Hour, "XC": 0, "XD": 0}, time.Hour},
		{"behind", map[string]time.Duration{"XA": -time.Hour, "XB": 0, "XC": 0, "XD": 0}, 0},
		{"not in it", map[string]time.Duration{"XB": time.Hour, "XC": 0, "XD": 0}, 0},
	} {
		c := checkpoint.Checkpoint{Origin: n.Doc.Network, Size: 1}
		var lines []string
		for id, off := range tt.off {
			dir, err := authority.Open(n.NodeDir(id), nil)
			if err != nil {
				t.Fatal(err)
			}
			key, err := dir.Key(authority.Cosign)
			if err != nil {
				t.Fatal(err)
			}
			s, err := checkpoint.Cosign(c, statement.Region(id), at.Add(off), key.Ed25519())
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, s.Line)
		}
		certified, err := checkpoint.Assemble(c, lines).Certify(vs)
		if err != nil {
			t.Fatal(err)
		}
		if got := node.AheadOf(certified, "XA"); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
