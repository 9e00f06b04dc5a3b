package ledger

import (
	"errors"
	"fmt"
	"slices"

	"concordat/ledger/block"
	"concordat/ledger/merkle"
	"concordat/ledger/seal"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// sealing is what a seal of the state at a size says, and what it changes in
// the tables of the sealed state. It is computed before the seal is applied, so
// that a wrong one is refused (L11).
type sealing struct {
	size             uint64
	at               statement.Time
	records, revoked merkle.Hash
	plan             *seal.Plan
	absent           []uint64      // batches whose hashes were erased and should be in revoked: it is not to be had
	changed          []state.Write // records, as they are now
	shards           []shardWrite  // with other bytes than at the last seal
	// healed are the leaves of all shards of the revoked set, if this is the first
	// seal that lacks no hashes after one that did; else nil. The shards that the
	// last seal left here lacked something that other ledgers' had, so which of
	// them this seal changes elsewhere is not known: all count as changed.
	healed []merkle.Hash
}

// shardWrite is what becomes of a shard. The records of a shard of records are
// kept one by one, so its bytes are not kept.
type shardWrite struct {
	table byte // tableRecords or tableRevoked
	i     int
	data  []byte // of tableRevoked
	leaf  merkle.Hash
}

// MakeSeal gives the seal of the newest state, for the leader to sign and to
// propose alone in a block whose time is in the second at (JudgeAlone). What it computed is
// kept for when the block is applied. The error wraps ErrErased if the ledger
// lacks hashes that the seal would cover, which only a ledger does that was
// grafted from seals newer than at; or ErrBroken.
func (l *Ledger) MakeSeal(at statement.Time) (statement.SealState, error) {
	l.applying.Lock()
	defer l.applying.Unlock()
	if err := l.ended(); err != nil {
		return statement.SealState{}, err
	}
	v := l.View()
	if v.err != nil {
		return statement.SealState{}, v.err
	}
	out, err := l.makeSeal(v, at)
	return out, errors.Join(v.blame(err), v.Close())
}

func (l *Ledger) makeSeal(v *View, at statement.Time) (statement.SealState, error) {
	if last, is, err := v.State().LastSeal(); err != nil {
		return statement.SealState{}, err
	} else if is && at < last.At {
		return statement.SealState{}, fmt.Errorf("a seal for %s after one for %s: set this node's clock", at, last.At)
	}
	vs, err := v.State().SealedValidators()
	if err != nil {
		return statement.SealState{}, err
	}
	s, err := l.sealOf(v.pin, at)
	if err != nil {
		return statement.SealState{}, err
	}
	if len(s.absent) > 0 {
		return statement.SealState{}, fmt.Errorf("the hashes of %d batches, first that of statement %d: %w", len(s.absent), s.absent[0], ErrErased)
	}
	return statement.SealState{Size: s.size, At: at, Records: s.records, Revoked: s.revoked, Validators: vs}, nil
}

// sealOf computes a seal of the state that p pins, unless it has just been
// computed. Only while applying.
func (l *Ledger) sealOf(p *pin, at statement.Time) (*sealing, error) {
	if s := l.sealed.Load(); s != nil && s.size == p.head.Size && s.at == at {
		return s, nil
	}
	s := &sealing{size: p.head.Size, at: at}
	leaves, err := p.leaves()
	if err != nil {
		return nil, err
	}
	if err := s.sealRecords(p, leaves[tableRecords]); err != nil {
		return nil, fmt.Errorf("sealing the records: %w", err)
	}
	if s.plan, err = l.batches.Plan(at); err != nil {
		return nil, fmt.Errorf("sealing the revoked set: %w", err)
	}
	s.absent, err = s.plan.Shards(p.revokedShard, p.hashesOf, func(i int, data []byte) error {
		s.shards = append(s.shards, shardWrite{tableRevoked, i, data, merkle.LeafHash(data)})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sealing the revoked set: %w", err)
	}
	revoked := leaves[tableRevoked]
	if s.plan.Rebuild {
		revoked = make([]merkle.Hash, s.plan.Summary.Shards())
	}
	for _, w := range s.shards {
		if w.table == tableRevoked {
			revoked[w.i] = w.leaf
		}
	}
	if last, err := p.sealed(); err != nil {
		return nil, err
	} else if last != nil && len(last.absent) > 0 && len(s.absent) == 0 {
		s.healed = revoked
	}
	s.records = seal.Root(leaves[tableRecords])
	s.revoked = seal.Root(slices.Concat([]merkle.Hash{merkle.LeafHash(s.plan.Summary.Leaf())}, revoked))
	l.sealed.Store(s)
	return s, nil
}

// sealRecords computes the shards of records that have changed since the last
// seal, and puts their hashes among the leaves.
func (s *sealing) sealRecords(p *pin, leaves []merkle.Hash) error {
	var err error
	if s.changed, err = p.dirty(); err != nil {
		return err
	}
	changes := make([][]state.Write, seal.RecordShards)
	for _, w := range s.changed {
		i := seal.ShardOf(w.Key)
		changes[i] = append(changes[i], w)
	}
	for i, c := range changes {
		if len(c) == 0 {
			continue
		}
		before, err := p.recordShard(i)
		if err != nil {
			return err
		}
		after, err := seal.Merge(before, c)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		leaves[i] = merkle.LeafHash(after)
		s.shards = append(s.shards, shardWrite{table: tableRecords, i: i, leaf: leaves[i]})
	}
	return nil
}

// check holds what a seal says against what it ought to say; "" if it is so.
// Without the hashes of all batches only the records can be held against it.
func (s *sealing) check(said *statement.SealState) string {
	switch {
	case said.Records != s.records:
		return fmt.Sprintf("it says that the records at size %d have root %x; here they have %x", s.size, said.Records, s.records)
	case said.Revoked != s.revoked && len(s.absent) == 0:
		return fmt.Sprintf("it says that the revoked set at size %d has root %x; here it has %x", s.size, said.Revoked, s.revoked)
	}
	return ""
}

func mismatch(why string) state.Verdict {
	return state.Verdict{
		Name: state.SealMismatch, Message: why,
		Hint: "one of the two has another state than the network: audit the node that made the seal, and this one",
	}
}

// applySeal judges a seal in a block with header h, which is to be applied to
// the state that p pins.
//
// What it finds misplaced proves the proposer a bad one, and so does a seal that
// trial.seals finds not to be alone: both lie in the block alone, which the
// proposer signed. No honest proposer can be brought to make such a block, since
// it takes no seal from anybody (offeredSeal), and its own goes alone into a block
// for which JudgeAlone has accepted it. A mismatch proves nothing of the kind:
// which of the two has the wrong state, this ledger cannot tell.
func (l *Ledger) applySeal(p *pin, h block.Header, said *statement.SealState) (*sealing, state.Verdict, error) {
	if said.At != sealTimeOf(h.Time) {
		return nil, otherTime(said.At, h.Time), nil
	}
	s, err := l.sealOf(p, said.At)
	if err != nil {
		return nil, state.Verdict{}, err
	}
	if why := s.check(said); why != "" {
		return nil, mismatch(why), nil
	}
	return s, state.Verdict{}, nil
}

// offeredSeal answers a seal that somebody offers, a validator or not: no seal is
// taken but the proposer's own, which JudgeAlone knows.
func offeredSeal(uint64, *statement.SealState) (state.Verdict, error) {
	return state.Verdict{
		Name: state.SealMisplaced, Message: "seals are made by the node that leads, and are not taken from anybody",
		Hint: "leave seals to the nodes; the leader makes one by itself",
	}, nil
}

// JudgeAlone says what applying a block of the candidate alone would say, on the
// newest head, without writing anything; at is the block's time in Unix
// milliseconds. It is for the leader's own statement, and the one way in which a
// seal is accepted: the very one that MakeSeal has just made here. The error is
// for a broken store.
func (l *Ledger) JudgeAlone(at int64, c Candidate) (Judgement, error) {
	v := l.View()
	if v.err != nil {
		return Judgement{}, v.err
	}
	js, err := l.judge(v, []Candidate{c}, func(size uint64, said *statement.SealState) (state.Verdict, error) {
		return l.ownSeal(size, at, said), nil
	})
	if err := errors.Join(err, v.Close()); err != nil {
		return Judgement{}, err
	}
	return js[0], nil
}

// ownSeal judges a seal by the last that was computed here, as applySeal will.
func (l *Ledger) ownSeal(size uint64, at int64, said *statement.SealState) state.Verdict {
	s := l.sealed.Load()
	switch {
	case said.At != sealTimeOf(at):
		return otherTime(said.At, at)
	case s == nil || s.size != size || s.at != said.At:
		return state.Verdict{
			Name: state.SealMisplaced, Message: fmt.Sprintf("the seal for %s at size %d is none that was made here", said.At, size),
			Hint: "make it with MakeSeal, and propose it before anything else",
		}
	}
	if why := s.check(said); why != "" {
		return mismatch(why)
	}
	return state.Verdict{}
}

// sealTimeOf is what the seal is for in a block of that time (Unix ms).
func sealTimeOf(block int64) statement.Time { return statement.Time(block / 1000) }

func otherTime(seal statement.Time, block int64) state.Verdict {
	return state.Verdict{
		Name: state.SealMisplaced, Message: fmt.Sprintf("the seal is for %s, and its block for %s", seal, sealTimeOf(block)), Hint: "seal for the time of the block",
	}
}
