package node

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"concordat/consensus"
	"concordat/consensus/certify"
	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/recovery"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// Recovered is what applying a plan has done.
type Recovered struct {
	Index      uint64 // of the recovery in the ledger
	Size       uint64
	Lineage    uint64
	Log        string // the origin of its checkpoints
	Validators []statement.Region
	Already    bool // it was applied before, and nothing was changed
}

// appliedPath is where a node remembers that it has applied the recovery that
// begins a lineage. It lies beside the keys, and outlives the data: a node that
// lost these later joins the others, and never begins the lineage a second time.
func (s *Survivor) appliedPath(lineage uint64) string {
	return filepath.Join(s.dir, fmt.Sprintf("recovery.lineage-%d.applied", lineage))
}

// Apply appends the recovery to this ledger, makes Raft begin anew from there
// with those who go on, and lets this validator sign for the new lineage. Every
// survivor that goes on does it with the same bytes. first says, on the
// operator's word, that this authority has applied it nowhere before; it is
// needed where the signer's file does not know what was signed.
//
// Wherever it is interrupted, calling it again goes on; until it has come to its
// end the node does not take part. Errors wrap ErrPlan, ErrWouldLose,
// ErrOtherHistory, recovery.ErrUnsigned or ErrForgotten.
func (s *Survivor) Apply(f *recovery.File, first bool) (*Recovered, error) {
	out := &Recovered{Index: f.Size, Lineage: f.Lineage, Log: f.Log, Validators: f.Validators}
	if before, err := os.ReadFile(s.appliedPath(f.Lineage)); err == nil {
		out.Already, out.Size = true, s.ledger.Head().Size
		if was, err := recovery.Parse(before); err != nil || !bytes.Equal(was.Block, f.Block) {
			return nil, fmt.Errorf("%w: this node has applied another one for lineage %d, which %s has", ErrPlan, f.Lineage, s.appliedPath(f.Lineage))
		}
		return out, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if f.Block == nil {
		return nil, fmt.Errorf("%w: %s has not made the block yet: concordat recover seal", recovery.ErrUnsigned, f.Proposer)
	}
	if !slices.Contains(f.Validators, s.me) {
		return nil, fmt.Errorf("%w: %s does not go on as a validator; when the others run, start this node, and if it says that it has another history, on an empty data/", ErrPlan, s.me)
	}
	at, err := s.append(f, first)
	if err != nil {
		return nil, err
	}
	if err := s.crash("the block is in the ledger"); err != nil {
		return nil, err
	}
	if err := s.beginSigning(f, first); err != nil {
		return nil, err
	}
	if err := s.crash("the signer has begun"); err != nil {
		return nil, err
	}
	if err := s.beginOrder(at); err != nil {
		return nil, err
	}
	if err := s.crash("the order has begun"); err != nil {
		return nil, err
	}
	if err := writeDurably(s.appliedPath(f.Lineage), f.Encode()); err != nil {
		return nil, fmt.Errorf("noting that the recovery is applied: %w", err)
	}
	out.Size = s.ledger.Head().Size
	return out, nil
}

func (s *Survivor) crash(step string) error {
	if s.crashForTest == nil {
		return nil
	}
	return s.crashForTest(step)
}

// append appends the block to the ledger, unless it is there, and gives its
// place in the order.
func (s *Survivor) append(f *recovery.File, first bool) (ledger.Position, error) {
	signed, err := block.Parse(f.Block)
	if err != nil {
		return ledger.Position{}, fmt.Errorf("%w: %w", ErrPlan, err)
	}
	at := ledger.Position{Index: recovery.Index(f.Lineage), Term: signed.Header().Term}
	head := s.ledger.Head()
	if head.Applied.Index >= at.Index {
		return at, s.begun(f, at, head)
	}
	if err := s.fits(f); err != nil {
		return at, err
	}
	if _, err := s.Hold(nil); err != nil {
		return at, err
	}
	if _, err := certify.Inspect(s.signerPath()); errors.Is(err, fs.ErrNotExist) && !first {
		return at, forgotten(err)
	}
	// What the ledger would refuse it is not asked: a refused entry is an entry.
	view := s.ledger.View()
	proposer, _, err := view.State().Authority(f.Proposer)
	if err := errors.Join(err, view.Close()); err != nil {
		return at, err
	}
	if _, err := signed.VerifyBy(proposer.Key(state.Node)); err != nil {
		return at, fmt.Errorf("%w: %w", ErrPlan, err)
	}
	j, err := s.ledger.JudgeAlone(signed.Header().Time, ledger.Candidate{Raw: f.Statement})
	switch {
	case err != nil:
		return at, err
	case !j.Accepted():
		return at, fmt.Errorf("%w: the ledger would refuse it: %s", ErrPlan, j.Verdict)
	case head.Applied.Term > at.Term:
		return at, fmt.Errorf("%w: its block is of term %d, and this ledger is in term %d; let this node make the block", ErrPlan, at.Term, head.Applied.Term)
	}
	applied, err := s.ledger.Apply(at, f.Block)
	if err == nil && applied.Refused != "" {
		err = fmt.Errorf("%w: the ledger refuses the block: %s: %s", ErrPlan, applied.Refused, applied.Detail)
	}
	if err != nil {
		return at, err
	}
	return at, s.ledger.Flush()
}

// begun checks that this ledger has the plan's block, where it has one of that
// lineage, and has not gone on from it: then an Apply was interrupted.
func (s *Survivor) begun(f *recovery.File, at ledger.Position, head ledger.Head) error {
	view := s.ledger.View()
	rec, err := view.BlockOf(f.Size)
	if err := errors.Join(err, view.Close()); err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	signed, err := block.Parse(f.Block)
	if err != nil {
		return err
	}
	switch {
	case rec.First != f.Size || !bytes.Equal(rec.Proof.Header, signed.Proof().Header):
		return fmt.Errorf("%w: this ledger has another recovery to lineage %d, or a later one", ErrPlan, f.Lineage)
	case head.Applied != at:
		return fmt.Errorf("%w: this ledger has the recovery, and has gone on from it: there is nothing to apply; start the node", ErrPlan)
	}
	return nil
}

func forgotten(err error) error {
	return fmt.Errorf("%w: %w; if this authority has applied this recovery nowhere before, on no machine, say so with --first-time. "+
		"If it has, it would contradict itself: start the node without applying anything, and it joins the others", ErrForgotten, err)
}

// beginSigning makes the signer's file one of the new lineage, in which this
// validator has signed nothing, and keeps the old one aside.
func (s *Survivor) beginSigning(f *recovery.File, first bool) error {
	path, origin := s.signerPath(), checkpoint.Origin(s.doc.Network, f.Lineage)
	was, err := certify.Inspect(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if !first {
			return forgotten(err)
		}
	case err != nil:
		return err
	case was.Origin == origin:
		return nil // it has begun
	case was.Quarantine && !first:
		return forgotten(fmt.Errorf("%s says that its own memory was lost before", path))
	default:
		if err := keepAside(path, fmt.Sprintf("%s.lineage-%d", path, f.Lineage-1)); err != nil {
			return fmt.Errorf("keeping the signer's file aside: %w", err)
		}
	}
	view := s.ledger.View()
	me, _, err := view.State().Authority(s.me)
	if err := errors.Join(err, view.Close()); err != nil {
		return err
	}
	return certify.BeginLineage(certify.Config{
		Self: s.me, Origin: origin, Network: s.doc.ID(), SignerPath: path,
		// Nothing is signed: of the keys only the public halves count, with which private ones end.
		Cosign: publicHalf(me.Key(state.Cosign)), Node: publicHalf(me.Key(state.Node)), Logger: s.log,
	})
}

func publicHalf(public ed25519.PublicKey) ed25519.PrivateKey {
	return append(make(ed25519.PrivateKey, ed25519.SeedSize), public...)
}

// keepAside copies a file, unless there is a copy already.
func keepAside(path, to string) error {
	if _, err := os.Lstat(to); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return writeDurably(to, raw)
}

// beginOrder makes Raft begin where the ledger stands, with whom it has.
func (s *Survivor) beginOrder(at ledger.Position) error {
	view := s.ledger.View()
	list, err := view.State().Authorities()
	if err := errors.Join(err, view.Close()); err != nil {
		return err
	}
	r := &roster{}
	r.take(list, s.ledger.Head().Size)
	members, err := r.membership()
	if err != nil {
		return err
	}
	return consensus.Reset(consensus.Config{
		Self: string(s.me), Network: s.doc.ID(), Dir: filepath.Join(s.dir, "data", "raft"), MarkerPath: filepath.Join(s.dir, "founded"),
		Ledger: s.ledger, Servers: members.Voters, Logger: s.log,
	}, members, at)
}
