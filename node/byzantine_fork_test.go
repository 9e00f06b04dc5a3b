package node_test

import (
	"testing"

	"concordat/ledger/evidence"
)

// TestTraitorForks: as leader it signs two blocks for one term and size, gives
// the one to XA and the other to XB and XC, and co-signs both. What has a quorum
// is final; XA finds out that it was fooled, says so, and comes back with an
// empty disk; and the traitor is convicted by its own signatures.
func TestTraitorForks(t *testing.T) {
	s := besiege(t)
	common := s.x.branch()
	s.x.usurp()
	left, right := common.clone().say(s.statement("XA")), common.clone().say(s.statement("XB"))
	left.show("XA")
	right.show("XB", "XC")
	right.becomes()
	s.x.vouch(left.mark(), "XA")
	s.x.vouch(right.mark(), "XB", "XC")
	s.await("the quorum's history to be final", func() bool {
		return s.Node("XB").FinalSize() == right.mark().size && s.Node("XC").FinalSize() == right.mark().size
	})
	s.problem("XA", "diverged")
	s.x.resign()
	s.caught([]string{"XB", "XC"}, evidence.KindTwoBlocks, evidence.KindTwoRoots, evidence.KindTwoHistories)
	if final := s.Node("XA").FinalSize(); final > common.mark().size {
		t.Errorf("XA calls size %d final, and its history left the others' at %d", final, common.mark().size)
	}
	// Of three that are honest two vouch: nothing more is final, and they say why.
	s.await("XB to say why nothing is final", func() bool {
		f := s.Node("XB").Status().Final
		return f.Since != nil && contains(f.Note, "XD", "suspended") && contains(f.Note, "XA")
	})
	s.wiped("XA")
	s.work()
	s.caught(s.honest, evidence.KindTwoBlocks, evidence.KindTwoRoots, evidence.KindTwoHistories)
	s.hold()
}
