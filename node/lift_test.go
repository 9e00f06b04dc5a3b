package node_test

import (
	"testing"

	"concordat/client"
	"concordat/ledger/statement"
	"concordat/node"
	"concordat/node/nodetest"
)

// TestMayLift: of the statements from an index on, a node knows whether one may
// lift what speaks against a code, wherever among them it is.
func TestMayLift(t *testing.T) {
	n := nodetest.New(t, "XA")
	lifts := func(want bool, from uint64) {
		t.Helper()
		if is, err := node.MayLift(n.Node("XA"), from); err != nil || is != want {
			t.Errorf("from statement %d on: %v, %v, want %v", from, is, err, want)
		}
	}
	attachment := hashes(1, "one")
	revokes := func(undo bool, reason string) uint64 {
		t.Helper()
		var body statement.Body = &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, attachment, 2_000_000_000, reason)}
		if undo {
			body = &statement.Reinstate{Batch: statement.NewBatch(statement.HashUCI, attachment, 2_000_000_000, reason)}
		}
		s, err := n.Client("XA").Submit(t.Context(), n.Sign(t, "XA", 0, body).Raw(), attachment, client.Ordered)
		if err != nil {
			t.Fatal(err)
		}
		return *s.Index
	}
	first := revokes(false, "a")
	lifts(false, first)
	undone := revokes(true, "not so")
	last := revokes(false, "b")
	lifts(true, first)
	lifts(true, undone)
	lifts(false, last)
	lifts(false, last+1)
}
