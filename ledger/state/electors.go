package state

import (
	"encoding/binary"
	"fmt"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// electorate is who certifies checkpoints from a size on, up to the next one's.
// There is one for every change of who vouches, with which keys, and who of
// them is suspended, so that any checkpoint can be judged by those whose it is.
type electorate struct {
	From    uint64     `cbor:"1,keyasint"`           // the least size
	Lineage uint64     `cbor:"2,keyasint,omitempty"` // of the log at these sizes, as the network's
	Sets    [][]member `cbor:"3,keyasint"`           // one, or those before a change and those after it
}

func (e *electorate) key() []byte { return electorateKey(e.From) }

func (e *electorate) check() error {
	if n := len(e.Sets); n < 1 || n > 2 {
		return fmt.Errorf("%d sets of validators, want 1 or 2", n)
	}
	if e.Lineage == 1 {
		return fmt.Errorf("lineage 1, which is left out")
	}
	for _, set := range e.Sets {
		if len(set) == 0 {
			return fmt.Errorf("a set of no validators")
		}
		if err := checkMembers(set); err != nil {
			return err
		}
	}
	return nil
}

func (e *electorate) words() string {
	s := fmt.Sprintf("from size %d on certified by %s", e.From, inWords(e.Sets[len(e.Sets)-1]))
	if len(e.Sets) == 2 {
		s += " and by " + inWords(e.Sets[0])
	}
	if e.Lineage != 0 {
		s += fmt.Sprintf("; lineage %d", e.Lineage)
	}
	return s
}

func (e *electorate) electorate(network string) checkpoint.Electorate {
	out := checkpoint.Electorate{From: e.From, Origin: checkpoint.Origin(network, e.Lineage)}
	for _, set := range e.Sets {
		out.Sets = append(out.Sets, validators(set))
	}
	return out
}

// Electorates is who certified and certifies, by the least size that each is
// for. Suspensions are marked as they were at those sizes: one by the statement
// at index i takes nothing from checkpoints up to size i.
func (v View) Electorates() (checkpoint.Electorates, error) {
	n, err := v.Network()
	if err != nil {
		return nil, err
	}
	all, err := list[electorate](v, []byte{tagElectorate})
	if err != nil {
		return nil, err
	}
	out := make(checkpoint.Electorates, len(all))
	for i := range all {
		out[i] = all[i].electorate(n.Name)
	}
	return out, nil
}

// ElectorateAt is who certifies checkpoints of a size. For sizes since the
// newest change, which nearly all questions are about, it costs two Gets.
func (v View) ElectorateAt(size uint64) (checkpoint.Electorate, error) {
	n, err := v.Network()
	if err != nil {
		return checkpoint.Electorate{}, err
	}
	vs, err := loadValidators(v)
	if err != nil {
		return checkpoint.Electorate{}, err
	}
	if size >= vs.Since {
		now := electorate{From: vs.Since, Lineage: n.Lineage, Sets: vs.sets()}
		return now.electorate(n.Name), nil
	}
	var found *electorate
	err = v.Scan([]byte{tagElectorate}, func(key, value []byte) (bool, error) {
		if len(key) == 1+8 && binary.BigEndian.Uint64(key[1:]) > size {
			return false, nil
		}
		found, err = parse[electorate](key, value)
		return err == nil, err
	})
	if err != nil {
		return checkpoint.Electorate{}, fmt.Errorf("reading who certifies size %d: %w", size, err)
	}
	if found == nil {
		return checkpoint.Electorate{}, fmt.Errorf("%w: nobody certifies size %d", ErrCorrupt, size)
	}
	return found.electorate(n.Name), nil
}

// settle is what follows from the validators as a statement leaves them: the
// record, a handover if other keys vouch than before, and the electorate of all
// sizes that have the statement in them. Nothing, if they are as they were.
func (a *act) settle(was *validatorSet, e *effect, lineage uint64) []Write {
	now := e.vouch
	if sameMembers(was.Members, now.Members) && sameMembers(was.Former, now.Former) {
		return nil
	}
	if !sameKeys(was.Members, now.Members) {
		now.Former, now.ChangedAt, now.SealedAt = e.former, &a.index, nil
	}
	return a.certifyFrom(now, lineage)
}

// certifyFrom puts the set on record, and that it certifies from the next size on.
func (a *act) certifyFrom(vs *validatorSet, lineage uint64) []Write {
	vs.Since = a.index + 1
	return []Write{put(vs), put(&electorate{From: vs.Since, Lineage: lineage, Sets: vs.sets()})}
}

// electors are those who may vote on an action: the validators that are not
// suspended, less the authority concerned. In ascending order of id.
func electors(vs *validatorSet, p *statement.Action) (out []statement.Region) {
	apart := concerned(p)
	for _, m := range vs.Members {
		if m.SuspendedBy == nil && m.ID != apart {
			out = append(out, m.ID)
		}
	}
	return out
}

// concerned is the authority that has no vote because the action is about its
// own place among the others; "" for none. On its keys and addresses it votes.
func concerned(p *statement.Action) statement.Region {
	switch {
	case p.ChangeRole != nil:
		return p.ChangeRole.Authority
	case p.Suspend != nil:
		return p.Suspend.Authority
	case p.Restore != nil:
		return p.Restore.Authority
	case p.Expel != nil:
		return p.Expel.Authority
	}
	return ""
}
