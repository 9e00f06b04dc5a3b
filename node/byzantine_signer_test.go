package node_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"testing"
	"time"

	"concordat/consensus/certify"
	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
	"concordat/p2p"
)

// TestSignerLost: the traitor shows one block to XA and XB, which sign it, and
// another to XC. XA loses its disk and its signer file, which no backup has, and
// takes up the other block. It must not sign that: with its forgotten signature
// the first is certified, and with a new one the second would be too.
func TestSignerLost(t *testing.T) {
	for _, c := range []struct {
		name string
		lost []string
	}{
		{"the data and the signer file", []string{"data", "signer", "signer.suspects"}},
		{"all but the keys and the genesis", []string{"data", "signer", "signer.suspects", "signer.lock", "founded", "witnessed"}},
	} {
		t.Run(c.name, func(t *testing.T) { signerLost(t, c.lost) })
	}
}

func signerLost(t *testing.T, lost []string) {
	s := besiege(t)
	common := s.x.branch()
	s.x.usurp()
	left, right := common.clone().say(s.statement("XA")), common.clone().say(s.statement("XB"))
	left.show("XA", "XB")
	has := func(id string, m mark) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.signed[statement.Region(id)][m.size] == m
	}
	s.await("XA and XB to sign the one", func() bool {
		for _, id := range []string{"XA", "XB"} {
			if err := s.x.echo(id, left.mark()); err != nil {
				t.Fatal(err)
			}
		}
		return has("XA", left.mark()) && has("XB", left.mark())
	})
	right.show("XC")
	right.becomes()
	if err := s.Stop("XA"); err != nil {
		t.Fatal(err)
	}
	remove(t, s.NodeDir("XA"), lost...)

	// The traitor says that it has no more than what all had before.
	s.x.answers(certify.HeadProtocol, func(context.Context, p2p.Member, []byte) ([]byte, error) {
		return binary.BigEndian.AppendUint64([]byte{1}, common.mark().size), nil
	})
	if err := s.Start("XA"); err != nil {
		t.Fatal(err)
	}
	// XA may be slow to come back, and busy: what it misses is said again.
	press := func() {
		for _, err := range []error{right.send("XA", uint64(len(right.log))), s.x.echo("XA", right.mark()), s.x.echo("XC", right.mark())} {
			if err != nil {
				t.Logf("XA and XC are pressed: %v", err)
			}
		}
	}
	root := right.root()
	s.await("XA to take up the other block", func() bool {
		press()
		return s.Node("XA").Status().Size == right.mark().size && s.Node("XA").Status().Root == hex.EncodeToString(root[:])
	})
	s.problem("XA", "not-vouching", "signer file is lost", "3 of 4 must be there")
	// It asks the others for what is certified once in a second, as long as it waits.
	asked := s.x.calls(certify.NewestProtocol, "XA")
	s.await("XA to have had the time to sign", func() bool {
		press()
		return s.x.calls(certify.NewestProtocol, "XA") >= asked+4
	})
	s.problem("XA", "not-vouching", "signer file is lost")
	if has("XA", right.mark()) {
		t.Error("XA has signed the other block too")
	}
	if !s.certifies(left.mark()) {
		t.Error("the one is not certified: nothing was tried")
	}
	if s.certifies(right.mark()) {
		t.Error("two blocks are certified in one place")
	}
}

// certifies reports that all that was ever pushed to the traitor, with its own
// signatures, makes a certificate.
func (s *siege) certifies(m mark) bool {
	s.t.Helper()
	c := checkpoint.Checkpoint{Origin: s.Doc.Network, Size: m.size, Root: m.root}
	own, err := checkpoint.ParseNote(s.x.signed(m, time.Now()))
	if err != nil {
		s.t.Fatal(err)
	}
	lines := own.Lines
	s.x.mu.Lock()
	for _, raw := range s.x.pushed {
		if n, err := checkpoint.ParseNote(raw); err == nil && n.Checkpoint == c {
			lines = append(lines, n.Lines...)
		}
	}
	s.x.mu.Unlock()
	_, err = checkpoint.Assemble(c, lines).Certify(s.vs)
	return err == nil
}
