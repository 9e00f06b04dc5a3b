package node

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"concordat/client/authority"
	"concordat/consensus/certify"
	"concordat/ledger"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/recovery"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

var (
	// ErrWouldLose: a recovery would lose what is certified, or may be.
	ErrWouldLose = errors.New("the recovery would lose what others rely on")
	// ErrOtherHistory: what was told before is of another history than the ledger.
	ErrOtherHistory = errors.New("another history than this ledger's")
	// ErrPlan: a plan is not one for this ledger.
	ErrPlan = errors.New("the plan does not fit")
	// ErrForgotten: it is not known that this validator has signed nothing in the
	// lineage that a recovery begins.
	ErrForgotten = errors.New("it is not known what this validator has signed")
	// ErrNotProved: what was handed in proves nothing by this ledger's validators.
	ErrNotProved = errors.New("it proves nothing")
)

// Survivor is a stopped node whose disk is left, where a majority of them is
// not. It holds the ledger and the signer's file for itself until Close.
type Survivor struct {
	dir    string
	doc    *genesis.Document
	me     statement.Region
	ledger *ledger.Ledger
	log    *slog.Logger

	crashForTest func(step string) error
}

// OpenSurvivor opens the data of a node that is stopped. Errors wrap
// ledger.ErrLocked where it runs, and ledger.ErrMissing where there is none.
func OpenSurvivor(dir string, doc *genesis.Document, log *slog.Logger) (*Survivor, error) {
	d, err := authority.Open(dir, nil)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data", "ledger")
	if _, err := os.Stat(data); err != nil {
		return nil, fmt.Errorf("%w: %w; give the directory that the node is run with", ledger.ErrMissing, err)
	}
	l, err := ledger.Open(doc, ledger.Options{Dir: data, MustExist: true, Logger: log})
	if errors.Is(err, ledger.ErrLocked) {
		return nil, fmt.Errorf("%w; stop the node first", err)
	}
	if err != nil {
		return nil, err
	}
	return &Survivor{dir: dir, doc: doc, me: d.ID(), ledger: l, log: log}, nil
}

// Close lets go of the data.
func (s *Survivor) Close() error { return s.ledger.Close() }

// Me is the authority whose node it is.
func (s *Survivor) Me() statement.Region { return s.me }

// Head is where its ledger stands.
func (s *Survivor) Head() ledger.Head { return s.ledger.Head() }

func (s *Survivor) signerPath() string { return filepath.Join(s.dir, "signer") }

// Known is a checkpoint that somebody was given once, and relies on.
type Known struct {
	From       string // what told it, for people
	Checkpoint checkpoint.Checkpoint
	// By are the validators that have signed it where they are no quorum: then it
	// may be certified, and nobody here knows.
	By []statement.Region
}

// Note reads a checkpoint that was handed in: of a node, or of a witness. What
// counts is that validators have signed it whom this ledger knows. Errors wrap
// ErrNotProved, or what package checkpoint says.
func (s *Survivor) Note(from string, raw []byte) (Known, error) {
	n, err := checkpoint.ParseNote(raw)
	if err != nil {
		return Known{}, fmt.Errorf("%s: %w", from, err)
	}
	k := Known{From: from, Checkpoint: n.Checkpoint}
	view := s.ledger.View()
	defer func() { _ = view.Close() }() // it was only read
	e, err := view.State().ElectorateAt(n.Checkpoint.Size)
	if err != nil {
		return Known{}, err
	}
	if n.Checkpoint.Origin != e.Origin {
		return Known{}, fmt.Errorf("%w: %s is of the log %.110q; at %d statements this ledger is of %q", ErrNotProved, from, n.Checkpoint.Origin, n.Checkpoint.Size, e.Origin)
	}
	if _, err := n.CertifyBy(e); err == nil {
		return k, nil
	}
	for _, line := range n.Lines {
		if _, v, err := e.VerifyCosignature(n.Checkpoint, line); err == nil && !slices.Contains(k.By, v.ID) {
			k.By = append(k.By, v.ID)
		}
	}
	slices.Sort(k.By)
	if len(k.By) == 0 {
		return Known{}, fmt.Errorf("%w: %s is signed by no validator that this ledger has; is the --genesis the right one, or does another survivor's ledger have more?", ErrNotProved, from)
	}
	return k, nil
}

// Hold holds this ledger, as a recovery would keep it, against what somebody
// relies on, and against what this node itself has called final and has signed.
// It gives a finding for each, for people. Errors wrap ErrWouldLose or
// ErrOtherHistory.
func (s *Survivor) Hold(known []Known) (findings []string, err error) {
	head := s.ledger.Head()
	if c := s.ledger.Certified(); c != nil {
		known = append([]Known{{From: "the newest checkpoint that this node has called final", Checkpoint: c.Checkpoint()}}, known...)
	}
	view := s.ledger.View()
	defer func() { err = errors.Join(err, view.Close()) }()
	for _, k := range known {
		c := k.Checkpoint
		if c.Size > head.Size {
			how := "is certified"
			if len(k.By) > 0 {
				how = fmt.Sprintf("is signed by %v, and may be certified", k.By)
			}
			return nil, fmt.Errorf("%w: %s %s at %d statements, and this ledger has %d: another survivor, or a backup, has more", ErrWouldLose, k.From, how, c.Size, head.Size)
		}
		root, err := view.RootAt(c.Size)
		if err != nil {
			return nil, err
		}
		if root != c.Root {
			return nil, fmt.Errorf("%w: %s has root %x at %d statements, this ledger has %x", ErrOtherHistory, k.From, c.Root, c.Size, root)
		}
		findings = append(findings, fmt.Sprintf("%s: size %d", k.From, c.Size))
	}
	signed, err := certify.Inspect(s.signerPath())
	switch {
	case errors.Is(err, os.ErrNotExist):
		findings = append(findings, "what this node has signed: not known, its signer file is not there")
	case err != nil:
		return nil, err
	case signed.Size > head.Size:
		return nil, fmt.Errorf("%w: %s says that this validator has signed %d statements, and its ledger has %d: the ledger's disk was lost, or is an older copy; another survivor, or a backup, has more",
			ErrWouldLose, s.signerPath(), signed.Size, head.Size)
	default:
		findings = append(findings, fmt.Sprintf("what this node has signed: size %d", signed.Size))
	}
	return findings, nil
}

// Plan makes the plan that the network goes on with this ledger as it is. The
// caller has held it against what is known (Hold); made is when, as RFC 3339.
// Errors wrap ErrPlan.
func (s *Survivor) Plan(validators []statement.Region, reason, made string, findings []string) (_ *recovery.File, err error) {
	head := s.ledger.Head()
	view := s.ledger.View()
	defer func() { err = errors.Join(err, view.Close()) }()
	st := view.State()
	network, err := st.Network()
	if err != nil {
		return nil, err
	}
	lineage := max(network.Lineage, 1) + 1
	f := &recovery.File{
		Format: recovery.Format, Network: s.doc.Network, NetworkID: recovery.Digest(s.doc.ID()),
		PreviousLog: checkpoint.Origin(s.doc.Network, lineage-1), Log: checkpoint.Origin(s.doc.Network, lineage),
		Lineage: lineage, Size: head.Size, Root: recovery.Digest(head.Root), Validators: slices.Compact(slices.Sorted(slices.Values(validators))), Reason: reason,
		MadeBy: s.me, MadeAt: made, Findings: findings, Signatures: []recovery.Signature{},
	}
	if head.Size == 0 {
		return nil, fmt.Errorf("%w: this ledger is empty; found a network instead", ErrPlan)
	}
	for _, id := range f.Validators {
		a, known, err := st.Authority(id)
		if err != nil {
			return nil, err
		}
		if !known || a.Standing == state.StandingExpelled {
			return nil, fmt.Errorf("%w: %s is no member of the network", ErrPlan, id)
		}
	}
	if f.Electors, err = electorsOf(st); err != nil {
		return nil, err
	}
	if f.Proposer = recovery.Proposer(f.Plan(), f.Electors); f.Proposer == "" {
		return nil, fmt.Errorf("%w: of those who are to go on (%v), none is a validator now, or all are suspended; one of them has to make the block", ErrPlan, f.Validators)
	}
	if _, err := recovery.Parse(f.Encode()); err != nil {
		return nil, err // what it says is known before anybody is asked to sign
	}
	return f, nil
}

// electorsOf are the validators that the ledger has, with their governance keys.
func electorsOf(st state.View) (out []recovery.Elector, err error) {
	vs, err := st.Validators()
	if err != nil {
		return nil, err
	}
	for _, v := range vs {
		a, _, err := st.Authority(v.ID)
		if err != nil {
			return nil, err
		}
		key, err := genesis.KeyOf(a.Key(state.Governance))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.ID, err)
		}
		out = append(out, recovery.Elector{Authority: v.ID, Governance: key, Suspended: v.Suspended})
	}
	slices.SortFunc(out, func(a, b recovery.Elector) int {
		if a.Authority < b.Authority {
			return -1
		}
		return 1
	})
	return out, nil
}

// fits says why a plan is not one for this ledger as it stands. Errors wrap ErrPlan.
func (s *Survivor) fits(f *recovery.File) error {
	if f.NetworkID != recovery.Digest(s.doc.ID()) {
		return fmt.Errorf("%w: it is of network %s (%x), the genesis is that of %s (%s)", ErrPlan, f.Network, f.NetworkID, s.doc.Network, s.doc.ID())
	}
	switch head := s.ledger.Head(); {
	case head.Size < f.Size:
		return fmt.Errorf("%w: it goes on with %d statements, and this ledger has %d; restore a backup of a survivor that has them (concordat backup --dir, concordat restore --uncertified), and apply it then", ErrPlan, f.Size, head.Size)
	case head.Size > f.Size:
		return fmt.Errorf("%w: it goes on with %d statements, and this ledger has %d, which would be lost; make another plan from this one", ErrPlan, f.Size, head.Size)
	case recovery.Digest(head.Root) != f.Root:
		return fmt.Errorf("%w: it goes on with root %x at %d statements, and this ledger has %x: another history", ErrPlan, f.Root, f.Size, head.Root)
	}
	return nil
}

// NodeKey is the public key that the ledger has for this authority's node.
func (s *Survivor) NodeKey() (_ ed25519.PublicKey, err error) {
	view := s.ledger.View()
	defer func() { err = errors.Join(err, view.Close()) }()
	me, known, err := view.State().Authority(s.me)
	if err == nil && !known {
		err = fmt.Errorf("%w: %s is no member of the network", ErrPlan, s.me)
	}
	return me.Key(state.Node), err
}
