package node_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/hashicorp/raft"

	"concordat/consensus/catchup"
	"concordat/consensus/certify"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/p2p"
)

// offer is what a node answers to one that catches up (package consensus/catchup).
type offer struct {
	Head  uint64            `cbor:"1,keyasint"`
	Note  []byte            `cbor:"2,keyasint"`
	Size  uint64            `cbor:"3,keyasint"`
	Root  [sha256.Size]byte `cbor:"4,keyasint"`
	Index uint64            `cbor:"5,keyasint"`
	Term  uint64            `cbor:"6,keyasint"`
	Seals uint64            `cbor:"7,keyasint"`
}

// always answers every call alike.
func always(answer []byte) p2p.Handler {
	return func(context.Context, p2p.Member, []byte) ([]byte, error) { return answer, nil }
}

// newest asks an honest node for its newest certified note.
func (s *siege) newest(id string) (raw []byte) {
	s.t.Helper()
	s.await(id+"'s newest note", func() bool {
		var err error
		raw, err = s.x.call(id, certify.NewestProtocol, []byte{1})
		return err == nil && len(raw) > 0
	})
	return raw
}

// strangers makes a note with the names of all validators of this network under
// the keys of somebody else: a certified one in another network.
func (s *siege) strangers(m mark) []byte {
	s.t.Helper()
	c := checkpoint.Checkpoint{Origin: s.Doc.Network, Size: m.size, Root: m.root}
	var lines []string
	for _, a := range s.Doc.Authorities {
		if a.Role != genesis.Validator {
			continue
		}
		seed := sha256.Sum256([]byte("a stranger's " + a.ID))
		sig, err := checkpoint.Cosign(c, a.ID, time.Now(), ed25519.NewKeyFromSeed(seed[:]))
		if err != nil {
			s.t.Fatal(err)
		}
		lines = append(lines, sig.Line)
	}
	return checkpoint.Assemble(c, lines).Bytes()
}

// spliced puts another node's true signatures under what they are not of, and
// the traitor's own, which is good, beside them.
func (s *siege) spliced(m mark) []byte {
	s.t.Helper()
	note, err := checkpoint.ParseNote(s.newest("XA"))
	if err != nil {
		s.t.Fatal(err)
	}
	mine, err := checkpoint.ParseNote(s.x.signed(m, time.Now()))
	if err != nil {
		s.t.Fatal(err)
	}
	lines := slices.DeleteFunc(slices.Clone(note.Lines), func(l string) bool { return strings.HasPrefix(l, "— "+s.Doc.Network+"/"+s.x.id+" ") })
	return checkpoint.Assemble(mine.Checkpoint, slices.Concat(lines, mine.Lines)).Bytes()
}

// TestTraitorAnchors: it makes others believe that they are behind, or that
// something is certified which is not. It signs at most one thing for each size,
// so that nobody can be convicted of more.
func TestTraitorAnchors(t *testing.T) {
	s := besiege(t)
	beyond := func() mark {
		m := s.x.branch().mark()
		m.size += 1000
		return m.falsified("beyond")
	}
	once := beyond() // the only one of this size that it signs

	s.run("says that the others are behind", func(t *testing.T) {
		s.x.usurp()
		b := s.x.branch()
		for _, m := range s.x.others {
			// A leader that was led away needs a moment to know whom it follows.
			s.await(m.Authority+" to hear it, and to look into it", func() bool {
				var resp raft.InstallSnapshotResponse
				err := s.x.wire.InstallSnapshot(raft.ServerID(m.Authority), raft.ServerAddress(m.Peer.String()), &raft.InstallSnapshotRequest{}, &resp, nil)
				if !errors.Is(err, p2p.ErrSnapshot) {
					t.Fatalf("%s answers %v", m.Authority, err)
				}
				return contains(s.Log(m.Authority).String(), "says that this node is behind, and nothing is certified that it has not")
			})
		}
		s.nothing(b) // they follow, and have not gone to look for what there is not
		for _, id := range s.honest {
			if st := s.Node(id).Status(); st.CatchingUp != nil {
				t.Errorf("%s catches up: %+v", id, st.CatchingUp)
			}
		}
		s.peace()
		s.settle()
	})
	for _, c := range []struct {
		name  string
		forge func() []byte
	}{
		{"a certified note of strangers", func() []byte { return s.strangers(beyond()) }},
		{"a note without a quorum", func() []byte { return s.x.signed(once, time.Now()) }},
		{"a note with others' lines", func() []byte { return s.spliced(once) }},
		{"no note", func() []byte { return []byte("nodetest.concordat.example\n1\n") }},
	} {
		s.run("shows "+c.name, func(t *testing.T) {
			s.settle()
			forged := c.forge()
			before := map[string]uint64{}
			asked := map[string]int{}
			for _, id := range s.honest {
				before[id] = s.Node(id).FinalSize()
				if err := s.x.push(id, forged); err != nil && !refusedFor(err, certify.CodeMalformed) {
					t.Errorf("%s answers %v", id, err)
				}
			}
			s.x.answers(certify.NewestProtocol, always(forged))
			defer s.x.answers(certify.NewestProtocol, nil)
			for _, id := range s.honest {
				asked[id] = s.x.calls(certify.NewestProtocol, id)
			}
			for _, id := range s.honest {
				s.await(id+" to ask for it", func() bool { return s.x.calls(certify.NewestProtocol, id) > asked[id] })
				st := s.Node(id).Status()
				if st.Final.Size != before[id] || !st.Vouching || st.CatchingUp != nil {
					t.Errorf("%s: final %d, was %d; vouching %v; catching up %+v", id, st.Final.Size, before[id], st.Vouching, st.CatchingUp)
				}
			}
			s.work()
		})
	}
	s.run("shows what was final before", func(t *testing.T) {
		s.settle()
		old := s.newest("XA")
		s.work()
		s.settle()
		size := s.x.branch().mark().size
		s.x.answers(certify.NewestProtocol, always(old))
		defer s.x.answers(certify.NewestProtocol, nil)
		for _, id := range s.honest {
			if err := s.x.push(id, old); err != nil && !refusedFor(err, certify.CodeMalformed) { // a push holds fewer lines
				t.Errorf("%s answers %v", id, err)
			}
			asked := s.x.calls(certify.NewestProtocol, id)
			s.await(id+" to ask for it", func() bool { return s.x.calls(certify.NewestProtocol, id) > asked })
			if final := s.Node(id).FinalSize(); final != size {
				t.Errorf("%s calls size %d final, and called %d", id, final, size)
			}
		}
		s.work()
	})
	for _, c := range []struct {
		name  string
		forge func(honest offer) offer
	}{
		{"another place in the order", func(o offer) offer { o.Index += 7; return o }},
		{"another root", func(o offer) offer { o.Root = sha256.Sum256(nil); return o }},
		{"what has no quorum", func(o offer) offer {
			o.Head, o.Size, o.Index = o.Head+1000, o.Size+1000, o.Index+1000
			o.Note = s.x.signed(once, time.Now())
			return o
		}},
		{"what strangers certified", func(o offer) offer {
			m := beyond()
			o.Head, o.Size, o.Root, o.Note = m.size, m.size, m.root, s.strangers(m)
			return o
		}},
	} {
		s.run("offers to one without data "+c.name, func(t *testing.T) {
			s.x.answers(catchup.OfferProtocol, func(ctx context.Context, _ p2p.Member, req []byte) ([]byte, error) {
				raw, err := s.x.host.Call(ctx, "XB", catchup.OfferProtocol, req)
				if err != nil {
					return nil, err
				}
				var o offer
				if err := cbor.Unmarshal(raw[1:], &o); err != nil {
					return nil, err
				}
				mode, err := cbor.CoreDetEncOptions().EncMode()
				if err != nil {
					return nil, err
				}
				b, err := mode.Marshal(c.forge(o))
				return append([]byte{0}, b...), err
			})
			defer s.x.answers(catchup.OfferProtocol, nil)
			asked := s.x.calls(catchup.OfferProtocol, "XA")
			s.wiped("XA")
			if s.x.calls(catchup.OfferProtocol, "XA") == asked {
				t.Error("the traitor was not asked")
			}
			s.work()
			s.settle()
		})
	}
	s.nobody()
	s.hold()
}
