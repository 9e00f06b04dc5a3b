package node_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"concordat/p2p"
)

// TestByzantineTerm: a wiped node asks every validator for its term, and one that
// tells a term which nobody can be in is taken for one that does not answer. Raft
// never gets it: it would be stored, and the node could never follow anybody again.
func TestByzantineTerm(t *testing.T) {
	s := besiege(t)
	for i, absurd := range []uint64{1 << 62, p2p.MaxTerm} {
		s.x.answers("term/1", func(context.Context, p2p.Member, []byte) ([]byte, error) { return cbor.Marshal(absurd) })
		before := s.x.calls("term/1", "XA")
		if err := s.Stop("XA"); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(s.NodeDir("XA"), "data")); err != nil {
			t.Fatal(err)
		}
		if err := s.Start("XA"); err != nil {
			t.Fatal(err)
		}
		s.await("XA to have been told an absurd term twice, and to wait for an honest one", func() bool {
			st := s.Node("XA").Status()
			abstains := false
			for _, p := range st.Problems {
				abstains = abstains || p.Name == "abstaining" && contains(p.Message, "XD has not answered")
			}
			return abstains && s.x.calls("term/1", "XA") >= before+2
		})
		highest := s.Node("XB").Status().Term
		if got := s.Node("XA").Status().Term; got > highest {
			t.Fatalf("round %d: XA is in term %d, the others in %d", i, got, highest)
		}
		// The liar tells the truth, and the node is whole again; its term is one that the others take.
		s.x.answers("term/1", nil)
		s.await("XA to vote again", func() bool {
			return s.Node("XA").Ready() == nil && len(s.Node("XA").Status().Problems) == 0
		})
	}
	s.peace()
	s.settle()
	s.hold()
	s.nobody()
}
