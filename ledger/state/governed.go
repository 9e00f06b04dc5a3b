package state

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"concordat/ledger/statement"
)

// governed holds what the records of the network's own affairs must agree in:
// members, validators, evidence, keys, proposals, handovers and lineages. It is
// a part of sums.
type governed struct {
	network     *Network
	authorities []Authority
	evidence    map[statement.Region]*EvidenceRecord
	set         *validatorSet
	electorates []electorate
	used        map[[sha256.Size]byte]UsedKey
	proposals   map[statement.Region]proposalCount // by what proposals there are
	counted     map[statement.Region]proposalCount // by the counts
	recoveries  []RecoveryRecord
}

func newGoverned() governed {
	return governed{
		evidence: map[statement.Region]*EvidenceRecord{}, used: map[[sha256.Size]byte]UsedKey{},
		proposals: map[statement.Region]proposalCount{}, counted: map[statement.Region]proposalCount{},
	}
}

// see takes in one entry that describe has found to be as it must be.
func (g *governed) see(key, value []byte) error {
	var err error
	switch key[0] {
	case tagNetwork:
		g.network, err = parse[Network](key, value)
	case tagAuthority:
		err = also(&g.authorities, key, value)
	case tagEvidence:
		var e *EvidenceRecord
		if e, err = parse[EvidenceRecord](key, value); err == nil {
			g.evidence[e.Culprit] = e
		}
	case tagValidators:
		g.set, err = parse[validatorSet](key, value)
	case tagElectorate:
		err = also(&g.electorates, key, value)
	case tagUsedKey:
		var u *UsedKey
		if u, err = parse[UsedKey](key, value); err == nil {
			g.used[u.Sum] = *u
		}
	case tagProposal:
		var p *Proposal
		if p, err = parse[Proposal](key, value); err == nil {
			n := g.proposals[p.By]
			n.By, n.Last = p.By, p.Index // in the order of the keys, which is that of the log
			n.Made++
			if p.Status == ProposalOpen {
				n.Open++
			}
			g.proposals[p.By] = n
		}
	case tagProposalCount:
		var c *proposalCount
		if c, err = parse[proposalCount](key, value); err == nil {
			g.counted[c.By] = *c
		}
	case tagRecovery:
		err = also(&g.recoveries, key, value)
	}
	return err
}

func also[T any, P record[T]](to *[]T, key, value []byte) error {
	rec, err := parse[T, P](key, value)
	if err == nil {
		*to = append(*to, *rec)
	}
	return err
}

func (g *governed) check() error {
	if g.network == nil || g.set == nil {
		return fmt.Errorf("%w: it has no founding record, or no validators; was it ever founded?", ErrCorrupt)
	}
	for _, check := range []func() error{g.checkValidators, g.checkElectorates, g.checkKeys, g.checkProposals} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkValidators checks ST13.
func (g *governed) checkValidators() error {
	var vouching []member
	by := map[statement.Region]*Authority{}
	for i := range g.authorities {
		au := &g.authorities[i]
		by[au.ID] = au
		if au.Role == Validator {
			vouching = append(vouching, memberOf(au, g.evidence[au.ID]))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(g.evidence)) {
		if by[id] == nil {
			return fmt.Errorf("%w: evidence against %s, which is no authority", ErrCorrupt, id)
		}
	}
	if !sameMembers(vouching, g.set.Members) {
		return fmt.Errorf("%w: the validators on record are not those of the authorities and the evidence", ErrCorrupt)
	}
	for _, m := range g.set.Former {
		au := by[m.ID]
		if au == nil {
			return fmt.Errorf("%w: validator %s hands over, and is no authority", ErrCorrupt, m.ID)
		}
		if want := suspension(au, g.evidence[m.ID]); (want == nil) != (m.SuspendedBy == nil) || want != nil && *want != *m.SuspendedBy {
			return fmt.Errorf("%w: validator %s, which hands over, is not suspended as the votes and the evidence say", ErrCorrupt, m.ID)
		}
	}
	return nil
}

// checkElectorates checks ST16.
func (g *governed) checkElectorates() error {
	n := len(g.electorates)
	if n == 0 || g.electorates[0].From != 0 {
		return fmt.Errorf("%w: nobody certifies from size 0 on", ErrCorrupt)
	}
	now, sets := g.electorates[n-1], g.set.sets()
	if now.From != g.set.Since || now.Lineage != g.network.Lineage || !slices.EqualFunc(now.Sets, sets, sameMembers) {
		return fmt.Errorf("%w: the newest electorate, from size %d on, is not that of the validators on record", ErrCorrupt, now.From)
	}
	lineage := uint64(0)
	for _, r := range g.recoveries {
		if r.Lineage != max(lineage, 1)+1 {
			return fmt.Errorf("%w: lineage %d after %d", ErrCorrupt, r.Lineage, lineage)
		}
		lineage = r.Lineage
	}
	if lineage != g.network.Lineage {
		return fmt.Errorf("%w: the network is at lineage %d, and the recoveries at %d", ErrCorrupt, g.network.Lineage, lineage)
	}
	return nil
}

// checkKeys checks ST17.
func (g *governed) checkKeys() error {
	of := map[statement.Region]uint64{}
	for _, u := range g.used { // any order: they are only counted
		of[u.Authority]++
	}
	total := uint64(0)
	for _, au := range g.authorities {
		for _, k := range au.Keys {
			if u, is := g.used[sha256.Sum256(k.Public)]; !is || u.Authority != au.ID || u.Use != k.Use {
				return fmt.Errorf("%w: %s key %x of %s is not among the used keys as such", ErrCorrupt, k.Use, statement.KeyIDOf(k.Public), au.ID)
			}
		}
		if want := uint64(len(au.Keys)) + au.Forgotten; of[au.ID] != want {
			return fmt.Errorf("%w: %s has used %d keys, and there are %d", ErrCorrupt, au.ID, want, of[au.ID])
		}
		total += of[au.ID]
	}
	if total != uint64(len(g.used)) {
		return fmt.Errorf("%w: %d keys were used by nobody", ErrCorrupt, uint64(len(g.used))-total)
	}
	return nil
}

// checkProposals checks ST18.
func (g *governed) checkProposals() error {
	if !maps.Equal(g.proposals, g.counted) {
		return fmt.Errorf("%w: the counts of proposals are %v, and the proposals come to %v", ErrCorrupt, g.counted, g.proposals)
	}
	return nil
}
