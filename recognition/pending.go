package recognition

import (
	"bytes"
	"cmp"
	"slices"
	"sort"

	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// Urgent reports whether what a statement says counts, at the nodes that hold
// it, before it is ordered: it denies and allows nothing, so that acting on it
// early can only be too strict. A signature that verifies is all that is needed.
//
// Once ordered, a suspension or a special case replaces the one before it, which
// may have denied more. Before, it stands beside it: see overlaid.
func Urgent(b statement.Body) bool {
	switch b := b.(type) {
	case *statement.Revoke, *statement.CompromiseKey, *statement.RetireKey:
		return true
	case *statement.Suspend:
		return true
	case *statement.DeclareRisk:
		return b.Refuse
	case *statement.ChangeRisk:
		return b.Refuse
	case *statement.DeclareCase:
		return !b.Admit
	}
	return false
}

// PendingStatement is an urgent statement that a node holds and that is not
// ordered yet. Its signature was verified by whoever gives it.
type PendingStatement struct {
	Hash       statement.Hash
	Issuer     statement.Region
	Body       statement.Body
	Attachment []byte // of a revocation, in its one form; not changed any more
}

// Pending is what is said by urgent statements that are not ordered yet, ready
// to be laid over a state. It does not change once made, and is safe for
// concurrent use. A nil *Pending says nothing.
type Pending struct {
	said    []PendingStatement
	single  map[statement.RevocationHash][]int // the batches that have a hash, of the small ones
	batches []int                              // the large ones, which are searched
	keys    map[issuerKey][]int                // retirements and compromises
	risks   map[statement.Area][]int
	grants  map[agreement][]int        // suspensions
	cases   map[statement.Region][]int // special cases that refuse
}

// agreement is one region's recognition of another.
type agreement struct{ grantor, grantee statement.Region }

type issuerKey struct {
	region statement.Region
	key    statement.Thumbprint
}

// smallBatch is how many hashes a batch may have for each to be in a map; a
// larger one is searched by halves, which is slower and takes no memory.
const smallBatch = 16

// NewPending makes a Pending of statements in the order in which they came.
// What is not urgent is left out.
func NewPending(statements []PendingStatement) *Pending {
	p := &Pending{
		single: map[statement.RevocationHash][]int{}, keys: map[issuerKey][]int{}, risks: map[statement.Area][]int{},
		grants: map[agreement][]int{}, cases: map[statement.Region][]int{},
	}
	for _, s := range statements {
		if !Urgent(s.Body) {
			continue
		}
		i := len(p.said)
		p.said = append(p.said, s)
		switch b := s.Body.(type) {
		case *statement.Revoke:
			if len(s.Attachment) > smallBatch*statement.HashSize {
				p.batches = append(p.batches, i)
				continue
			}
			for h := range slices.Chunk(s.Attachment, statement.HashSize) {
				if len(h) == statement.HashSize {
					hash := statement.RevocationHash(h)
					p.single[hash] = append(p.single[hash], i)
				}
			}
		case *statement.CompromiseKey:
			k := issuerKey{s.Issuer, b.Key}
			p.keys[k] = append(p.keys[k], i)
		case *statement.RetireKey:
			k := issuerKey{s.Issuer, b.Key}
			p.keys[k] = append(p.keys[k], i)
		case *statement.DeclareRisk:
			p.risks[b.Area] = append(p.risks[b.Area], i)
		case *statement.ChangeRisk:
			p.risks[b.Area] = append(p.risks[b.Area], i)
		case *statement.Suspend:
			of := agreement{s.Issuer, b.Region}
			p.grants[of] = append(p.grants[of], i)
		case *statement.DeclareCase:
			p.cases[s.Issuer] = append(p.cases[s.Issuer], i)
		}
	}
	return p
}

// Len is how many statements it has.
func (p *Pending) Len() int {
	if p == nil {
		return 0
	}
	return len(p.said)
}

// firstPending stands, in the records of an overlaid state, where an index
// would: pending statement i has firstPending+i. No ledger comes so far.
const firstPending = uint64(1) << 63

// indexOf is what stands for pending statement i.
func indexOf(i int) uint64 { return firstPending + uint64(i) }

// overlaid is a state with what is pending laid over it. It only adds what
// speaks against a code: a finer risk area may replace the word on a broader
// one, which is why DecidePending keeps the answer without it too. A pending
// suspension stands beside the ordered one (recognition.pending), a pending
// special case beside the one of its name. That an admission ends with it, as with
// any end, counts once it is ordered.
type overlaid struct {
	State
	pending *Pending
}

// IssuerKeysByKID implements State.
func (o overlaid) IssuerKeysByKID(kid []byte) ([]state.IssuerKey, error) {
	keys, err := o.State.IssuerKeysByKID(kid)
	return o.pending.overKeys(keys), err
}

// IssuerKeysByPublicKey implements State.
func (o overlaid) IssuerKeysByPublicKey(spki []byte) ([]state.IssuerKey, error) {
	keys, err := o.State.IssuerKeysByPublicKey(spki)
	return o.pending.overKeys(keys), err
}

// overKeys gives keys as they will be, once what is pending is ordered.
func (p *Pending) overKeys(keys []state.IssuerKey) []state.IssuerKey {
	if len(p.keys) == 0 {
		return keys
	}
	out := slices.Clone(keys)
	for n := range out {
		k := &out[n]
		for _, i := range p.keys[issuerKey{k.Region, k.Thumbprint}] {
			switch b := p.said[i].Body.(type) {
			case *statement.RetireKey:
				if k.RetiredAt == 0 {
					k.RetiredAt, k.RetiredBy = b.At, at(indexOf(i))
				}
			case *statement.CompromiseKey:
				if k.Status != state.Compromised || k.SpareEarlier && (!b.SpareEarlier || b.Since < k.Since) {
					k.Status, k.Since, k.SpareEarlier, k.Reason = state.Compromised, b.Since, b.SpareEarlier, b.Reason
					k.ChangedAt = indexOf(i)
				}
			}
		}
	}
	return out
}

// Revocations implements State. What is pending is told before what is
// ordered, so that a flood of the latter does not hide it.
func (o overlaid) Revocations(h statement.RevocationHash, limit int) ([]state.RevocationEvent, bool, error) {
	mine := o.pending.revocations(h)
	if len(mine) > limit {
		return mine[:max(limit, 0)], true, nil
	}
	events, more, err := o.State.Revocations(h, limit-len(mine))
	return append(slices.Clip(events), mine...), more, err
}

// RevocationsBy implements State.
func (o overlaid) RevocationsBy(h statement.RevocationHash, t statement.HashType, by statement.Region) ([]state.RevocationEvent, error) {
	events, err := o.State.RevocationsBy(h, t, by)
	if err != nil {
		return nil, err
	}
	events = slices.Clip(events)
	for _, e := range o.pending.revocations(h) {
		if e.Type == t && e.Authority == by {
			events = append(events, e)
		}
	}
	return events, nil
}

// revocations are the pending events of a hash, of whichever type, by whomever.
func (p *Pending) revocations(h statement.RevocationHash) []state.RevocationEvent {
	in := slices.Clone(p.single[h])
	for _, i := range p.batches {
		if contains(p.said[i].Attachment, h) {
			in = append(in, i)
		}
	}
	slices.Sort(in)
	out := make([]state.RevocationEvent, len(in))
	for n, i := range in {
		b := p.said[i].Body.(*statement.Revoke) // NewPending put no other there
		out[n] = state.RevocationEvent{Type: b.HashType, Authority: p.said[i].Issuer, Index: indexOf(i), Expires: b.Expires, IssuedBefore: b.IssuedBefore}
	}
	return out
}

// contains looks for a hash in an attachment, which is in ascending order.
func contains(attachment []byte, h statement.RevocationHash) bool {
	n := len(attachment) / statement.HashSize
	entry := func(i int) []byte { return attachment[i*statement.HashSize : (i+1)*statement.HashSize] }
	i := sort.Search(n, func(i int) bool { return bytes.Compare(entry(i), h[:]) >= 0 })
	return i < n && bytes.Equal(entry(i), h[:])
}

// RevocationReason implements State.
func (o overlaid) RevocationReason(e state.RevocationEvent) (string, error) {
	if e.Index < firstPending {
		return o.State.RevocationReason(e)
	}
	return o.pending.said[e.Index-firstPending].Body.(*statement.Revoke).Reason, nil
}

// RiskAreas implements State. A pending level is added to what its authority
// said in that scheme, and replaces nothing.
func (o overlaid) RiskAreas(area statement.Area) ([]state.RiskArea, error) {
	words, err := o.State.RiskAreas(area)
	pending := o.pending.risks[area]
	if err != nil || len(pending) == 0 {
		return words, err
	}
	out := slices.Clone(words)
	for _, i := range pending {
		by, level := o.pending.said[i].Issuer, riskLevel(o.pending.said[i].Body)
		n := slices.IndexFunc(out, func(w state.RiskArea) bool { return w.Authority == by && w.Scheme == level.Scheme })
		if n < 0 {
			n = len(out)
			out = append(out, state.RiskArea{Authority: by, Area: area, Scheme: level.Scheme, Standing: true, ChangedAt: indexOf(i)})
		}
		out[n].Windows = append(slices.Clip(out[n].Windows), state.RiskWindow{
			Level: level.Level, From: level.From, Until: level.Until,
			Lookback: level.Lookback, Refuse: level.Refuse, LegalRef: level.LegalRef, Index: indexOf(i),
		})
	}
	slices.SortStableFunc(out, func(a, b state.RiskArea) int {
		return cmp.Or(cmp.Compare(a.Authority, b.Authority), cmp.Compare(a.Scheme, b.Scheme))
	})
	return out, nil
}

// suspended are the pending suspensions of a recognition.
func (p *Pending) suspended(grantor, grantee statement.Region) []suspension {
	var out []suspension
	for _, i := range p.grants[agreement{grantor, grantee}] {
		b := p.said[i].Body.(*statement.Suspend) // NewPending put no other there
		out = append(out, suspension{
			state.Suspension{Kinds: b.Kinds, From: b.From, Until: b.Until, Reason: b.Reason, LegalRef: b.LegalRef}, indexOf(i),
		})
	}
	return out
}

// SpecialCases implements State. What is pending refuses beside what is ordered,
// and replaces nothing.
func (o overlaid) SpecialCases(by statement.Region) ([]state.SpecialCase, error) {
	cases, err := o.State.SpecialCases(by)
	pending := o.pending.cases[by]
	if err != nil || len(pending) == 0 {
		return cases, err
	}
	out := slices.Clone(cases)
	for _, i := range pending {
		b := o.pending.said[i].Body.(*statement.DeclareCase) // NewPending put no other there
		out = append(out, state.SpecialCase{Authority: by, Case: *b, ChangedAt: indexOf(i)})
	}
	slices.SortStableFunc(out, func(a, b state.SpecialCase) int { return cmp.Compare(a.Case.Name, b.Case.Name) })
	return out, nil
}

func riskLevel(b statement.Body) statement.RiskLevel {
	if d, is := b.(*statement.DeclareRisk); is {
		return d.RiskLevel
	}
	return b.(*statement.ChangeRisk).RiskLevel // NewPending put no other there
}

// DecidePending adds to an answer what urgent statements say that are not
// ordered yet. settled is the answer without them, by one of the other methods;
// ordered is the state that is ordered. The stricter of the two answers stands
// (D7), and what rests on such a statement names it by its hash.
func (d *Decider) DecidePending(codes []Code, q Query, ordered State, pending *Pending, settled Decision) (Decision, error) {
	if pending.Len() == 0 {
		return settled, nil
	}
	early, err := d.Decide(codes, q, overlaid{ordered, pending})
	if err != nil {
		return Decision{}, err
	}
	if !pending.name(early.Reasons) || strictness[early.Decision] < strictness[settled.Decision] {
		return settled, nil // nothing pending is about these codes, or what is known says more
	}
	return early, nil
}

// name puts the hash of a pending statement in the place of what stands for it,
// and reports whether a reason rests on one.
func (p *Pending) name(reasons []Reason) (any bool) {
	for i := range reasons {
		r := &reasons[i]
		if r.Statement == nil || *r.Statement < firstPending {
			continue
		}
		r.Pending, r.Hash = true, p.said[*r.Statement-firstPending].Hash.String()
		r.Statement = nil
		r.said = say("%s This is in force at this node, and not ordered yet.", r.said)
		r.Message = r.said.String()
		any = true
	}
	return any
}
