package node_test

import (
	"errors"
	"slices"
	"testing"

	"concordat/client"
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

// TestTraitorForksAll: it divides the others so that no history has a quorum.
// Nothing more is final, and each says why. The traitor is known to all; and what
// was said since the last certified checkpoint is settled by the others'
// operators: those of whom their nodes say so begin anew.
func TestTraitorForksAll(t *testing.T) {
	for name, groups := range map[string][][]string{
		"each another":  {{"XA"}, {"XB"}, {"XC"}},
		"half and half": {{"XA", "XB"}, {"XC", "XE"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := besiege(t, slices.Concat(groups...)...)
			common := s.x.branch()
			s.x.usurp()
			for _, group := range groups {
				b := common.clone().say(s.statement(group[0]))
				b.show(group...)
				s.x.vouch(b.mark(), group...)
			}
			for _, group := range groups {
				for _, id := range group {
					s.await(id+" to say why nothing is final, and who is to blame", func() bool {
						for _, other := range s.honest {
							if !slices.Contains(group, other) && !contains(s.Node(id).Status().Final.Note, other+" holds another history") {
								return false
							}
						}
						return len(s.proofs(id)) > 0
					})
				}
			}
			s.x.resign()
			var astray []string
			s.await("one history to go on, with the evidence in it", func() bool {
				astray = nil
				for _, id := range s.honest {
					logged := slices.ContainsFunc(s.proofs(id), func(c client.Culprit) bool { return c.Statement != nil })
					if s.diverged(id) {
						astray = append(astray, id)
					} else if !logged {
						return false
					}
				}
				return len(astray) == len(s.honest)-len(groups[0])
			})
			for _, id := range s.honest {
				if final := s.Node(id).FinalSize(); final != common.mark().size {
					t.Errorf("%s calls size %d final, and the histories part at %d", id, final, common.mark().size)
				}
			}
			for _, id := range astray {
				s.wiped(id)
			}
			s.work()
			s.caught(s.honest, evidence.KindTwoBlocks, evidence.KindTwoRoots)
			s.hold()
		})
	}
}

// TestTraitorLiesAboutCommitment: it tells XA that a block is committed which
// nobody else has, and has another one ordered in its place. It signs nothing
// twice, so that there is no evidence; XA finds out, says so, and comes back with
// an empty disk.
func TestTraitorLiesAboutCommitment(t *testing.T) {
	s := besiege(t)
	common := s.x.branch()
	s.x.usurp()
	lie := common.clone().say(s.statement("XA"))
	lie.show("XA")
	s.await("XA to have it", func() bool { return s.Node("XA").Status().Size == lie.mark().size })
	s.x.usurp()
	truth := common.clone().say(s.statement("XB"))
	truth.show(s.honest...)
	truth.becomes()
	s.x.vouch(truth.mark(), "XB", "XC")
	s.await("the quorum's history to be final", func() bool {
		return s.Node("XB").FinalSize() == truth.mark().size && s.Node("XC").FinalSize() == truth.mark().size
	})
	s.problem("XA", "diverged")
	if final := s.Node("XA").FinalSize(); final != common.mark().size {
		t.Errorf("XA calls size %d final", final)
	}
	s.x.resign()
	// A restart does not make it forget, nor lead.
	if err := errors.Join(s.Stop("XA"), s.Start("XA")); err != nil {
		t.Fatal(err)
	}
	s.problem("XA", "another history")
	s.wiped("XA")
	s.work()
	s.nobody()
	s.hold()
}
