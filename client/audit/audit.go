package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// DefaultWorkers is how many requests are under way at once.
const DefaultWorkers = 8

// Config says what to audit.
type Config struct {
	// Genesis is the founding document: all that is trusted.
	Genesis *genesis.Document
	// Source is the log.
	Source Source
	// Workers is how many requests are under way at once. Default: DefaultWorkers.
	Workers int
	// SkipAttachments asks for none, which saves most of the traffic of a
	// network that revokes much. Seals are then checked in part.
	SkipAttachments bool
	// Progress is told of each part of the log that is done, from one
	// goroutine; may be nil.
	Progress func(done, total uint64)
}

// Report is what an audit without a fault has found.
type Report struct {
	Checkpoint checkpoint.Checkpoint // recomputed, and certified
	Certified  *checkpoint.Certified // its co-signatures and their times
	Validators checkpoint.Validators // of the replayed state
	Lineage    uint64                // of the network: 1, and one more with each recovery
	Handovers  []state.HandoverRecord
	Recoveries []state.RecoveryRecord
	Statements map[statement.Kind]uint64
	Seals      Seals
	Batches    Batches
	Evidence   []state.EvidenceRecord // what suspends validators, as statements say
	Took       time.Duration
}

// Seals counts the seals in a log. Each one's records and validators were
// recomputed.
type Seals struct {
	Whole   uint64 // the revoked hashes too
	Partial uint64 // not those: attachments that they cover are not there
}

// Batches counts the batches of revocation hashes in a log by what became of
// their attachments.
type Batches struct {
	Verified uint64 // there, and what the statement describes
	Erased   uint64 // not there, and expired by the time of the newest seal
	Absent   uint64 // not there though not expired: this node does not hand them out
}

// Run replays a whole log and compares everything that it says with everything
// that it should say. The error is a *Tampering, or ErrNoCheckpoint, or says
// why the log could not be read, or not by this program (state.ErrLevel).
func Run(ctx context.Context, c Config) (*Report, error) {
	began := time.Now()
	if c.Workers <= 0 {
		c.Workers = DefaultWorkers
	}
	note, err := fetchNote(ctx, c.Source)
	if err != nil {
		return nil, err
	}
	cp := note.Checkpoint
	if _, ours := checkpoint.Lineage(c.Genesis.Network, cp.Origin); !ours {
		return nil, &Tampering{Index: cp.Size, Size: cp.Size,
			What: fmt.Errorf("the checkpoint is of log %q, this network is %q", cp.Origin, c.Genesis.Network)}
	}
	r := newReplay(c, cp.Size)
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	root, err := r.tree.finish(ctx)
	if err != nil {
		return nil, err
	}
	if root != cp.Root {
		return nil, r.wrong(cp.Size, fmt.Errorf("the statements make root %x, the checkpoint says %x: what is served is not what was co-signed", root, cp.Root))
	}
	st := state.View{Reader: r.state}
	// Who certifies it is for the statements below it to say, each of which was
	// judged by them: their handovers are walked, and their lineage is known.
	who, err := st.ElectorateAt(cp.Size)
	if err != nil {
		return nil, err
	}
	certified, err := note.CertifyBy(who)
	if err != nil {
		return nil, r.wrong(cp.Size, fmt.Errorf("the checkpoint: %w", err))
	}
	out := &Report{
		Checkpoint: cp, Certified: certified, Validators: who.Newest(),
		Statements: r.kinds, Seals: r.seals, Batches: r.batches.count(r.lastSeal),
	}
	out.Lineage, _ = checkpoint.Lineage(c.Genesis.Network, who.Origin)
	if out.Handovers, err = st.Handovers(); err != nil {
		return nil, err
	}
	if out.Recoveries, err = st.Recoveries(); err != nil {
		return nil, err
	}
	if out.Evidence, err = st.Evidence(); err != nil {
		return nil, err
	}
	out.Took = time.Since(began)
	return out, nil
}

// fetchNote reads the source's newest note. One that cannot be read is
// tampering with all of the log.
func fetchNote(ctx context.Context, s Source) (*checkpoint.Note, error) {
	raw, err := s.Checkpoint(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrNoCheckpoint, err)
	}
	if err != nil {
		return nil, err
	}
	note, err := checkpoint.ParseNote(raw)
	if err != nil {
		return nil, &Tampering{What: fmt.Errorf("the checkpoint: %w", err)}
	}
	return note, nil
}
