package bridge

import (
	"slices"

	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// The formats of code that lists are for, as grants name them.
const (
	hc1Format = "hc1"
	shcFormat = "shc"
)

// judge says which keys a region relies on, from one state.
type judge struct {
	region      statement.Region
	authorities map[statement.Region]state.Authority
	recognised  map[statement.Region]state.Recognition
	cases       []state.SpecialCase           // of the region, those that refuse without a condition on the code's contents
	recast      uint64                        // index of the newest change of a special case to another
	same        map[string][]*state.IssuerKey // the registrations of each public key
}

// name is what one registration of a key is known by.
type name struct {
	region     statement.Region
	thumbprint statement.Thumbprint
}

// newJudge reads what a region's word on keys rests on, but for the keys.
func newJudge(v state.View, region statement.Region) (*judge, error) {
	j := &judge{
		region: region, authorities: map[statement.Region]state.Authority{}, recognised: map[statement.Region]state.Recognition{},
		same: map[string][]*state.IssuerKey{},
	}
	authorities, err := v.Authorities()
	if err != nil {
		return nil, err
	}
	for _, a := range authorities {
		j.authorities[a.ID] = a
	}
	recognitions, err := v.RecognitionsBy(region)
	if err != nil {
		return nil, err
	}
	for _, r := range recognitions {
		j.recognised[r.Grantee] = r
	}
	cases, err := v.SpecialCases(region)
	if err != nil {
		return nil, err
	}
	for _, c := range cases {
		if c.Revision > 1 && c.EndedAt == 0 { // what it was before may have refused other keys
			j.recast = max(j.recast, c.ChangedAt)
		}
		if !c.Case.Admit && c.Case.Condition == nil {
			j.cases = append(j.cases, c)
		}
	}
	return j, nil
}

// knows tells the judge of registrations, all of each public key. It keeps
// pointers to them.
func (j *judge) knows(keys []state.IssuerKey) {
	for i := range keys {
		k := &keys[i]
		j.same[string(k.PublicKey)] = append(j.same[string(k.PublicKey)], k)
	}
}

// relies reports whether the region relies on a key for all that a client takes
// it to be good for, in codes of a format (B1). Every clause is gone through,
// whatever the one before says, because each adds to the turns.
func (j *judge) relies(k *state.IssuerKey, p *publicKey, format string, t *turns) bool {
	t.said(k.ChangedAt)
	counts := slices.Contains(p.formats, format)
	counts = j.present(k.Region, t) && counts
	counts = j.present(j.region, t) && counts
	counts = covers(k.Kinds, p.kinds...) && counts
	until := statement.Time(0)
	if format == hc1Format {
		// No EU DCC outlives its certificate (hcert_spec 3.3); SMART Health Cards
		// need not expire at all, so there the end of a key's use is no end of its codes.
		if until = k.ValidUntil; until == 0 || p.notAfter != 0 && p.notAfter < until {
			until = p.notAfter
		}
	}
	counts = t.allowed(k.ValidFrom, until) && counts
	counts = j.granted(k.Region, p, format, t) && counts
	counts = !j.refused(k, p, format, t) && counts
	return !j.compromised(k, t) && counts
}

// present reports whether a region's authority has not been expelled.
func (j *judge) present(r statement.Region, t *turns) bool {
	a, known := j.authorities[r]
	for _, index := range []*uint64{a.AdmittedAt, a.StandingBy} {
		if index != nil {
			t.said(*index)
		}
	}
	return known && a.Present()
}

// granted reports whether the region recognises codes of a format that a key
// signs, of every kind that a client takes it to be good for.
func (j *judge) granted(of statement.Region, p *publicKey, format string, t *turns) bool {
	if of == j.region {
		return true
	}
	r, known := j.recognised[of]
	if !known {
		return false
	}
	t.said(r.ChangedAt)
	granted := t.allowed(r.Terms.From, r.Terms.Until)
	if s := r.Suspension; s != nil && (len(s.Kinds) == 0 || overlap(s.Kinds, p.kinds)) {
		granted = !t.denied(s.From, s.Until) && granted
	}
	return granted && r.Status != state.Withdrawn &&
		covers(r.Terms.Kinds, p.kinds...) && covers(r.Terms.Formats, format) && covers(r.Terms.Algorithms, p.signs...)
}

// refused reports whether a special case of the region refuses codes of the key
// that a client would accept.
func (j *judge) refused(k *state.IssuerKey, p *publicKey, format string, t *turns) bool {
	t.said(j.recast)
	refused := false
	for i := range j.cases {
		c := &j.cases[i].Case
		if c.Region != "" && c.Region != k.Region || !covers(c.Formats, format) || !covers(c.Keys, k.Thumbprint) ||
			len(c.Kinds) > 0 && !overlap(c.Kinds, p.kinds) {
			continue
		}
		t.said(j.cases[i].ChangedAt)
		until := c.Until
		if ended := j.cases[i].EndedAt; ended != 0 && (until == 0 || ended-1 < until) {
			until = ended - 1
		}
		refused = t.denied(c.From, until) || refused
	}
	return refused
}

// compromised reports whether anybody whose word counts for the key has said
// that it is in wrong hands: its own authority, the region, and whoever
// registered the same key earlier and is recognised (W3 of package
// recognition). That codes issued before are spared is nothing that a client could judge.
func (j *judge) compromised(k *state.IssuerKey, t *turns) bool {
	same := j.same[string(k.PublicKey)]
	is := false
	for _, o := range same {
		if o.Status != state.Compromised {
			continue
		}
		speaks := o.Region == k.Region || o.Region == j.region
		if !speaks && firstBy(o.Region, same) < firstBy(k.Region, same) {
			r, known := j.recognised[o.Region]
			t.said(r.ChangedAt) // 0 where there is none, which is before everything
			speaks = known && r.Status != state.Withdrawn && t.denied(r.Terms.From, r.Terms.Until)
		}
		t.said(o.ChangedAt)
		is = is || speaks
	}
	return is
}

// firstBy is the index at which a region first registered a key, of its registrations.
func firstBy(r statement.Region, same []*state.IssuerKey) uint64 {
	first := ^uint64(0)
	for _, o := range same {
		if o.Region == r {
			first = min(first, o.RegisteredAt)
		}
	}
	return first
}

// covers reports whether a list, where none means all, has every one of want.
func covers[T comparable](list []T, want ...T) bool {
	if len(list) == 0 {
		return true
	}
	return !slices.ContainsFunc(want, func(w T) bool { return !slices.Contains(list, w) })
}

// overlap reports whether two lists have something in common.
func overlap[T comparable](a, b []T) bool {
	return slices.ContainsFunc(a, func(x T) bool { return slices.Contains(b, x) })
}

// turns gathers what a judgement turned on, and when it turns next. What lets a
// key in goes by the ledger's clock, which is the time of its newest final
// block, so that it has a place in the ledger's order (B4). What keeps it out
// goes by this node's, so that it does not wait for the next statement.
type turns struct {
	early, late statement.Time // the two clocks: whichever is behind, and whichever is ahead
	index       uint64         // of the newest statement that bears on it
	opened      statement.Time // the last moment that let it in
	shut        statement.Time // the last moment that kept it out
	opens       statement.Time // the next of each; 0: none is to come
	shuts       statement.Time
}

func newTurns(now, ledger statement.Time) turns {
	return turns{early: min(now, ledger), late: max(now, ledger)}
}

// said notes that the statement at index bears on it.
func (t *turns) said(index uint64) { t.index = max(t.index, index) }

// allowed reports whether a window is open that lets in. It includes both ends, of which 0 is open.
func (t *turns) allowed(from, until statement.Time) bool {
	t.open(from)
	if until != 0 {
		t.close(until + 1)
	}
	return t.early >= from && (until == 0 || t.late <= until)
}

// denied reports whether a window is open that keeps out. It includes both ends, of which 0 is open.
func (t *turns) denied(from, until statement.Time) bool {
	t.close(from)
	if until != 0 {
		t.open(until + 1)
	}
	return t.late >= from && (until == 0 || t.early <= until)
}

func (t *turns) open(m statement.Time)  { turn(m, t.early, &t.opened, &t.opens) }
func (t *turns) close(m statement.Time) { turn(m, t.late, &t.shut, &t.shuts) }

// turn notes a moment: as the last one if it is past, as the next one if it is to come.
func turn(m, now statement.Time, last, next *statement.Time) {
	if m <= now {
		*last = max(*last, m)
	} else {
		*next = sooner(*next, m)
	}
}

// sooner is the earlier of two moments, of which 0 is none.
func sooner(a, b statement.Time) statement.Time {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
