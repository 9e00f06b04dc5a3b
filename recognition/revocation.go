package recognition

import (
	"cmp"
	"fmt"
	"slices"

	"concordat/healthcode"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// Anybody may revoke any hash, and as often as he likes. So that nobody makes
// everybody's checks slow, or their answers long, only this much of it is looked
// at and told. What counts is looked at in full: an authority that goes on and
// on about one code slows down the checks of that code, where its word counts.
const (
	// maxEventsSeen bounds how much is read, for one code, of what anybody said.
	maxEventsSeen = 32
	// maxEventsTold bounds the reasons of one name, for one code: the newest.
	maxEventsTold = 8
)

// said is what was said of a code's revocation.
type said struct {
	hashes []heard
	cut    bool // there is more than was looked at of what does not count
}

// heard is what was said of one of a code's hashes, under its own type: a hash
// only counts under the type that it was revoked by.
type heard struct {
	hash   statement.RevocationHash
	of     statement.HashType
	events []state.RevocationEvent                      // by anybody
	whole  map[statement.Region][]state.RevocationEvent // by those whose word counts, as far as read; nil: events is all there is
}

// revocations reads the first of what was said of the code under each of its hashes.
func (j *judge) revocations(v *healthcode.Verified) (*said, error) {
	hashes := v.RevocationHashes()
	s := &said{hashes: make([]heard, 0, len(hashes))}
	budget := maxEventsSeen
	for _, h := range hashes {
		events, more, err := j.state.Revocations(statement.RevocationHash(h.Hash), budget)
		if err != nil {
			return nil, fmt.Errorf("reading the revocations by %s hash: %w", h.Type, err)
		}
		budget -= len(events)
		one := heard{hash: statement.RevocationHash(h.Hash), of: statement.HashType(h.Type)}
		one.events = slices.DeleteFunc(events, func(e state.RevocationEvent) bool { return e.Type != one.of })
		if more {
			s.cut, one.whole = true, make(map[statement.Region][]state.RevocationEvent)
		}
		s.hashes = append(s.hashes, one)
	}
	return s, nil
}

// saidBy gives everything that an authority said of the hash.
func (j *judge) saidBy(h *heard, authority statement.Region) ([]state.RevocationEvent, error) {
	if len(h.events) == 0 && h.whole == nil {
		return nil, nil // of nearly all codes
	}
	if h.whole == nil {
		return slices.DeleteFunc(slices.Clone(h.events), func(e state.RevocationEvent) bool { return e.Authority != authority }), nil
	}
	if events, known := h.whole[authority]; known {
		return events, nil
	}
	events, err := j.state.RevocationsBy(h.hash, h.of, authority)
	if err != nil {
		return nil, fmt.Errorf("reading the revocations by %s hash: %w", h.of, err)
	}
	h.whole[authority] = events
	return events, nil
}

// told is an event and the reason under whose name it is told of.
type told struct {
	state.RevocationEvent
	name string
}

// revoked judges what was said of the code for one registration of its key (W2).
// A revocation of what was issued before some time says nothing of a code that
// was issued then or later; a code that does not tell is not spared.
func (j *judge) revoked(f *findings, v *healthcode.Verified, said *said, voices voices) error {
	now, issued := statement.TimeOf(j.query.At), statement.TimeOf(v.IssuedAt())
	var all []told
	for i := range said.hashes {
		h := &said.hashes[i]
		for _, authority := range voices {
			events, err := j.saidBy(h, authority)
			if err != nil {
				return err
			}
			for _, e := range events {
				if e.Spares(issued) {
					continue
				}
				if e.InForce(now) {
					all = append(all, told{e, Revoked})
				} else if e.UndoneBy != nil && now < e.Expires { // bundles have left out what expired
					all = append(all, told{e, RevocationUndone})
				}
			}
		}
		for _, e := range h.events {
			if !voices.has(e.Authority) && e.InForce(now) && !e.Spares(issued) {
				all = append(all, told{e, RevokedElsewhere})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b told) int { return cmp.Compare(a.Index, b.Index) })
	// One batch may hold two hashes of a code: its country code and identifier, by iss and by co.
	all = slices.CompactFunc(all, func(a, b told) bool { return a.Index == b.Index && a.name == b.name })
	free := !slices.ContainsFunc(all, func(t told) bool { return t.name == Revoked })

	newest, left := newestOf(all)
	for _, t := range newest {
		if err := j.tell(f, t); err != nil {
			return err
		}
	}
	switch {
	case left > 0 && said.cut:
		f.add(RevocationsLeftOut, nil, "%d more statements about the code's revocation are left out here, and those by authorities whose word does not count for this code were not all looked at.", left)
	case left > 0:
		f.add(RevocationsLeftOut, nil, "%d more statements about the code's revocation are left out here.", left)
	case said.cut:
		f.add(RevocationsLeftOut, nil, "Statements about the code's revocation by authorities whose word does not count for this code were not all looked at.")
	}
	if free {
		f.add(NotRevoked, nil, "No revocation that counts names the code.")
	}
	return nil
}

// newestOf keeps, of events in the order of the log, the newest of each name,
// and counts the others.
func newestOf(all []told) (newest []told, left int) {
	if len(all) == 0 {
		return nil, 0
	}
	kept := make(map[string]int)
	for _, t := range slices.Backward(all) {
		if kept[t.name] == maxEventsTold {
			left++
			continue
		}
		kept[t.name]++
		newest = append(newest, t)
	}
	slices.Reverse(newest)
	return newest, left
}

// tell finds what one event amounts to.
func (j *judge) tell(f *findings, t told) error {
	if t.name == RevocationUndone {
		f.add(RevocationUndone, t.UndoneBy, "%s revoked the code in statement %d and reinstated it.", t.Authority, t.Index)
		return nil
	}
	reason, err := j.reason(t.RevocationEvent)
	if err != nil {
		return err
	}
	if t.name == RevokedElsewhere {
		f.add(RevokedElsewhere, at(t.Index), "%s, whose word does not count for this code, revoked it by its %s hash%s.", t.Authority, t.Type, because(reason, ""))
		return nil
	}
	f.add(Revoked, at(t.Index), "%s revoked the code by its %s hash%s.", t.Authority, t.Type, because(reason, ""))
	return nil
}

// reason reads why an event was said, once for all registrations.
func (j *judge) reason(e state.RevocationEvent) (string, error) {
	if r, ok := j.reasons[e.Index]; ok {
		return r, nil
	}
	r, err := j.state.RevocationReason(e)
	if err != nil {
		return "", fmt.Errorf("reading the reason of the revocation in statement %d: %w", e.Index, err)
	}
	if j.reasons == nil {
		j.reasons = make(map[uint64]string)
	}
	j.reasons[e.Index] = r
	return r, nil
}
