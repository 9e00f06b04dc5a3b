package node_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"concordat/client"
	"concordat/consensus/certify"
	"concordat/ledger/evidence"
	"concordat/ledger/merkle"
	"concordat/p2p"
)

// falsified is the same size under a root that no tree has.
func (m mark) falsified(name string) mark {
	return mark{m.size, merkle.Hash(sha256.Sum256([]byte("no tree has it: " + name)))}
}

// refusedFor reports that a call was refused, for such a reason.
func refusedFor(err error, code string) bool {
	var no *p2p.RemoteError
	return errors.As(err, &no) && no.Code == code
}

// TestTraitorFollows is what one that does not lead may try. What it says
// without signing gains nothing, harms nobody and convicts nobody; the two roots
// that it signs for one size do, though no honest node was given both.
func TestTraitorFollows(t *testing.T) {
	s := besiege(t)
	s.run("goes silent", func(t *testing.T) {
		s.work() // it has not said a word yet
	})
	s.run("echoes another root to each", func(t *testing.T) {
		for round := range 3 {
			s.settle()
			truth, beyond := s.x.branch().mark(), s.x.branch().mark()
			beyond.size += 5
			for _, id := range s.honest {
				if err := s.x.echo(id, truth.falsified(id), truth, beyond.falsified(id), truth.falsified(fmt.Sprint(round))); err != nil {
					t.Errorf("an echo to %s: %v", id, err)
				}
			}
			s.work()
		}
	})
	s.run("floods", func(t *testing.T) {
		var wg sync.WaitGroup
		truth := s.x.branch().mark()
		busy := make(chan struct{}, 1)
		for _, id := range s.honest {
			wg.Go(func() {
				for i := range 300 {
					m := mark{truth.size + uint64(i%50), truth.falsified(fmt.Sprint(i)).root}
					if refusedFor(s.x.echo(id, m), certify.CodeBusy) {
						select {
						case busy <- struct{}{}:
						default:
						}
					}
				}
			})
		}
		s.work()
		wg.Wait()
		select {
		case <-busy:
		default:
			t.Error("nobody was told that it is too much")
		}
	})
	s.run("signs a time of tomorrow", func(t *testing.T) {
		s.settle()
		for _, id := range s.honest {
			s.insist(id, s.x.signed(s.x.branch().mark(), time.Now().Add(24*time.Hour)))
		}
		s.work()
		for _, id := range s.honest {
			if st := s.Node(id).Status(); st.AgeMillis < 0 {
				t.Errorf("%s's knowledge is %s old", id, st.Age)
			}
		}
	})
	s.nobody()
	s.run("signs two roots", func(t *testing.T) {
		s.settle()
		m := s.x.branch().mark()
		s.insist("XA", s.x.signed(m, time.Now()))
		s.insist("XB", s.x.signed(m.falsified("two roots"), time.Now()))
		s.caught(s.honest, evidence.KindTwoRoots)
	})
	s.work() // with what is left of the validators
	s.await("the status of each to name the culprit", func() bool {
		for _, id := range s.honest {
			st := s.Node(id).Status()
			if len(st.Evidence) != 1 || st.Evidence[0].Region != s.x.id || !st.Vouching {
				return false
			}
		}
		return true
	})
	s.settle()
	// Its signatures do not count any more.
	for _, id := range s.honest {
		s.insist(id, s.x.signed(s.x.branch().mark(), time.Now()))
		for _, by := range s.Node(id).Status().Final.Cosigners {
			if by == s.x.id {
				t.Errorf("%s counts the culprit's co-signature", id)
			}
		}
	}
	s.hold()
}

// insist gives a note to a node, which may be busy for a moment.
func (s *siege) insist(id string, note []byte) {
	s.t.Helper()
	var err error
	s.await(id+" to take a note", func() bool {
		err = s.x.push(id, note)
		return !refusedFor(err, certify.CodeBusy)
	})
	if err != nil {
		s.t.Fatalf("a note to %s: %v", id, err)
	}
}

// TestTraitorSignsTwoHistories: two sizes, of which the one is not the other's
// beginning. XB and XC are given the false one, and only XA what makes it false.
func TestTraitorSignsTwoHistories(t *testing.T) {
	s := besiege(t)
	b := s.x.branch()
	older, newer := b.at(int(b.mark().size)-1), b.mark()
	for _, id := range []string{"XB", "XC"} {
		s.insist(id, s.x.signed(older.falsified("two histories"), time.Now()))
	}
	s.insist("XA", s.x.signed(newer, time.Now()))
	s.caught(s.honest, evidence.KindTwoHistories)
	s.work()
	s.hold()
}

// TestTraitorSignsBeyond: it signs a size that there is not yet, and when the
// others have got there, what is so.
func TestTraitorSignsBeyond(t *testing.T) {
	s := besiege(t)
	beyond := s.x.branch().mark()
	beyond.size += 2
	s.insist("XC", s.x.signed(beyond.falsified("beyond"), time.Now()))
	s.work()
	s.settle()
	s.nobody() // a false signature alone is none of two
	s.insist("XA", s.x.signed(s.x.branch().mark(), time.Now()))
	s.caught(s.honest, evidence.KindTwoHistories, evidence.KindTwoRoots)
	if _, err := s.Client("XB").Submit(t.Context(), s.statement("XB").Raw(), nil, client.Final); err != nil {
		t.Error(err)
	}
	s.hold()
}
