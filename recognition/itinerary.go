package recognition

import (
	"fmt"
	"math"

	"concordat/healthcode"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// itinerary is where somebody says to have been.
type itinerary struct {
	code  *int // the code that says it; nil: the person
	stays []Stay
}

// itinerary reads the stays of a code. Of what cannot be read it finds that it
// cannot be judged.
func (v *verdict) itinerary(code int, all *findings) itinerary {
	return staysOf(v.verified.Stays(), &code, all)
}

func staysOf(stays []healthcode.Stay, code *int, all *findings) itinerary {
	f := findings{code: code}
	i := itinerary{code: code}
	for n, s := range stays {
		area, err := statement.ParseArea(s.Area)
		switch {
		case err != nil:
			f.add(StayUnreadable, nil, "Stay %d of the code's itinerary names no area id.", n+1)
		case s.From.IsZero() || s.To.Before(s.From):
			f.add(StayUnreadable, nil, "Stay %d of the code's itinerary ends before it begins.", n+1)
		default:
			i.stays = append(i.stays, Stay{area, s.From, s.To})
		}
	}
	all.reasons = append(all.reasons, f.reasons...)
	return i
}

// itineraries judges every stay against the risk areas whose declaration counts.
func (j *judge) itineraries(all *findings, is []itinerary) error {
	stays, against := 0, 0
	for _, i := range is {
		f := findings{code: i.code}
		for _, s := range i.stays {
			if err := j.stay(&f, s); err != nil {
				return err
			}
		}
		stays += len(i.stays)
		against += f.count(Against)
		all.reasons = append(all.reasons, f.reasons...)
	}
	if stays > 0 && against == 0 {
		all.add(ItineraryClear, nil, "No stay is in an area that refuses.")
	}
	return nil
}

// speaker is one authority speaking in one scheme of levels.
type speaker struct {
	authority statement.Region
	scheme    string
}

// stay judges one stay, against the finest area first. What an authority says
// of a place in a scheme replaces, for the time that it says it of, what it
// says in that scheme of an area around the place: CN-31 at high and
// CN-31-0115 at low makes a stay in CN-31-0115 one at low.
func (j *judge) stay(f *findings, s Stay) error {
	now := j.query.At.Unix()
	present := span{s.From.Unix(), min(s.To.Unix(), now) + 1}
	finer := make(map[speaker][]span)
	for _, area := range s.Area.Ancestors() {
		words, err := j.riskAreas(area)
		if err != nil {
			return err
		}
		for _, w := range words {
			counts, err := j.counts(w.Authority, area, s.Area)
			if err != nil {
				return err
			}
			if !counts {
				continue
			}
			by := speaker{w.Authority, w.Scheme}
			for _, level := range w.Windows {
				lookback := span{now - int64(level.Lookback)*24*60*60 + 1, now + 1} // T3
				if present.and(spanOf(level)).and(lookback).outside(finer[by]) {
					j.level(f, s, &w, level)
				}
			}
			for _, level := range w.Windows {
				finer[by] = append(finer[by], spanOf(level))
			}
		}
	}
	return nil
}

// level finds what a stay under a level amounts to.
func (j *judge) level(f *findings, s Stay, w *state.RiskArea, level state.RiskWindow) {
	legal := ""
	if level.LegalRef != "" {
		legal = " (" + level.LegalRef + ")"
	}
	name, effect := RiskAreaNoted, "notes"
	if level.Refuse {
		name, effect = RiskArea, "refuses"
	}
	f.add(name, at(level.Index), "The stay in %s from %s to %s counts: %s has declared %s at level %q of scheme %q%s, which %s stays within %d days before %s%s.",
		s.Area, stamp(s.From), stamp(s.To), w.Authority, w.Area, level.Level, w.Scheme, window(level.From, level.Until),
		effect, level.Lookback, stamp(j.query.At), legal)
}

// counts reports whether an authority's word on an area counts for a stay in a place there (W4).
func (j *judge) counts(authority statement.Region, area, place statement.Area) (bool, error) {
	if authority == j.query.Region || statement.Area(authority).Covers(area) {
		return true, nil
	}
	for _, a := range place.Ancestors() {
		if is, err := j.isMember(statement.Region(a)); is || err != nil {
			return false, err
		}
	}
	return j.trusts(authority, statement.CodeKinds...) // of whichever kind: areas have none
}

// riskAreas reads everyone's word on exactly one area.
func (j *judge) riskAreas(area statement.Area) ([]state.RiskArea, error) {
	if words, ok := j.risks[area]; ok {
		return words, nil
	}
	words, err := j.state.RiskAreas(area)
	if err != nil {
		return nil, fmt.Errorf("reading risk area %s: %w", area, err)
	}
	if j.risks == nil {
		j.risks = make(map[statement.Area][]state.RiskArea)
	}
	j.risks[area] = words
	return words, nil
}

// span is a time in whole Unix seconds, from included, to excluded. It is empty
// where to is not after from.
type span struct{ from, to int64 }

func spanOf(w state.RiskWindow) span {
	if w.Until == 0 {
		return span{int64(w.From), math.MaxInt64}
	}
	return span{int64(w.From), int64(w.Until)}
}

// and gives what two spans share.
func (s span) and(o span) span { return span{max(s.from, o.from), min(s.to, o.to)} }

// outside reports whether some part of s is in none of others, whatever their
// order: the first that shares something cuts s in two, and what is left of it
// is judged against the rest.
func (s span) outside(others []span) bool {
	if s.from >= s.to {
		return false
	}
	for i, o := range others {
		if shared := s.and(o); shared.from < shared.to {
			rest := others[i+1:]
			return span{s.from, shared.from}.outside(rest) || span{shared.to, s.to}.outside(rest)
		}
	}
	return true
}
