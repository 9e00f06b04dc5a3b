package node

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/recovery"
	"concordat/ledger/statement"
)

// sealedPath is where the proposer remembers which recovery it made for a lineage.
func (s *Survivor) sealedPath(lineage uint64) string {
	return filepath.Join(s.dir, fmt.Sprintf("recovery.lineage-%d.json", lineage))
}

// Seal makes the recovery's statement and block, once enough have signed: on the
// proposer's machine, with its governance and its node key. The first that it
// makes for a lineage it remembers, on disk before anybody sees it, and gives it
// again whenever it is asked for the same plan. Errors wrap ErrPlan or
// recovery.ErrUnsigned.
func (s *Survivor) Seal(f *recovery.File, governance, node ed25519.PrivateKey, now time.Time) (*recovery.File, error) {
	if f.Block != nil {
		return f, nil
	}
	if s.me != f.Proposer {
		return nil, fmt.Errorf("%w: %s makes its block, and this is the node of %s", ErrPlan, f.Proposer, s.me)
	}
	if before, err := s.sealedBefore(f.Lineage); err != nil {
		return nil, err
	} else if before != nil {
		if !recovery.SamePlan(before, f) {
			return nil, fmt.Errorf("%w: this node has made the block of another plan for lineage %d already, which %s has: %d statements, made at %s; "+
				"use that one. Only if you are certain that nobody has applied it, and that no copy of it will turn up, move that file away",
				ErrPlan, f.Lineage, s.sealedPath(f.Lineage), before.Size, before.MadeAt)
		}
		return before, nil
	}
	if err := s.fits(f); err != nil {
		return nil, err
	}
	if err := f.Complete(); err != nil {
		return nil, err
	}
	said, err := statement.Sign(statement.Statement{
		Issuer: f.Proposer, Network: s.doc.ID(), IssuedAt: statement.TimeOf(now), Body: f.Body(),
	}, governance)
	if err != nil {
		return nil, err
	}
	at := max(now.UnixMilli(), s.ledger.Head().Time)
	j, err := s.ledger.JudgeAlone(at, ledger.Candidate{Raw: said.Raw()})
	if err != nil {
		return nil, err
	}
	if !j.Accepted() {
		return nil, fmt.Errorf("%w: the ledger would refuse it: %s", ErrPlan, j.Verdict)
	}
	term, err := s.nextTerm()
	if err != nil {
		return nil, err
	}
	sealed := *f
	sealed.Statement = said.Raw()
	sealed.Block, err = block.Seal(block.Header{
		Network: s.doc.ID(), Term: term, Size: f.Size, Root: f.Root, Time: at, Proposer: s.me,
	}, [][]byte{sealed.Statement}, nil, node)
	if err != nil {
		return nil, err
	}
	raw := sealed.Encode()
	if _, err := recovery.Parse(raw); err != nil {
		return nil, err // what others would refuse is not remembered
	}
	if err := writeDurably(s.sealedPath(f.Lineage), raw); err != nil {
		return nil, fmt.Errorf("remembering the block: %w", err)
	}
	return &sealed, nil
}

// sealedBefore is what this node made for a lineage; nil if nothing.
func (s *Survivor) sealedBefore(lineage uint64) (*recovery.File, error) {
	path := s.sealedPath(lineage)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := recovery.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// recoveryTerms is how far above this node's own term the recovery stands: other
// survivors may have been in later ones, and applied entries of them.
const recoveryTerms = 1 << 10

// nextTerm is higher than any term in which this node can have signed a block:
// than that of its ledger's last, and than the one that its Raft is in.
func (s *Survivor) nextTerm() (uint64, error) {
	term, err := consensus.TermOf(filepath.Join(s.dir, "data", "raft"))
	if err != nil {
		return 0, err
	}
	head := s.ledger.Head()
	view := s.ledger.View()
	last, err := view.BlockOf(head.Size - 1)
	if err := errors.Join(err, view.Close()); err != nil {
		return 0, err
	}
	return max(term, head.Applied.Term, last.Position.Term) + recoveryTerms, nil
}

// writeDurably writes a file that is there whole or not at all, and that its
// owner alone may read.
func writeDurably(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDirectory(dir)
}

// syncDirectory makes a rename in a directory last.
func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
