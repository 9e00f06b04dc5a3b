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
// CN-31-0115 at low makes a stay in CN-31-0115 one at low. And whatever it says
// of the place, or of an area around it, in a scheme that supersedes another
// replaces what it says in that other one.
func (j *judge) stay(f *findings, s Stay) error {
	words, err := j.words(s.Area)
	if err != nil || len(words) == 0 {
		return err
	}
	replaced, err := j.superseded(words)
	if err != nil {
		return err
	}
	now := j.query.At.Unix()
	present := span{s.From.Unix(), min(s.To.Unix(), now) + 1}
	for i := range words {
		w := &words[i]
		by := speaker{w.Authority, w.Scheme}
		for _, level := range w.Windows {
			meant, err := j.meaning(w.Scheme, level)
			if err != nil {
				return err
			}
			lookback := span{now - int64(meant.lookback)*24*60*60 + 1, now + 1} // T3
			if present.and(spanOf(level)).and(lookback).outside(replaced[by]) {
				j.level(f, s, w, level, meant)
			}
		}
		for _, level := range w.Windows {
			replaced[by] = append(replaced[by], spanOf(level))
		}
	}
	return nil
}

// words is what is said of a place and of the areas around it, and counts for a
// stay there: the finest area first.
func (j *judge) words(place statement.Area) ([]state.RiskArea, error) {
	var out []state.RiskArea
	for _, area := range place.Ancestors() {
		words, err := j.riskAreas(area)
		if err != nil {
			return nil, err
		}
		for _, w := range words {
			counts, err := j.counts(w.Authority, w.Scheme, area, place)
			if err != nil {
				return nil, err
			}
			if counts {
				out = append(out, w)
			}
		}
	}
	return out, nil
}

// maxSupersedes bounds how far one scheme supersedes another through others. The
// ledger refuses those that would do so in a circle.
const maxSupersedes = 16

// superseded gives, for each authority and scheme, the times of which it says
// something in a scheme that supersedes that one.
func (j *judge) superseded(words []state.RiskArea) (map[speaker][]span, error) {
	out := make(map[speaker][]span)
	for i := range words {
		w := &words[i]
		by := speaker{w.Authority, w.Scheme}
		for range maxSupersedes {
			s, err := j.scheme(by.authority, by.scheme)
			if err != nil {
				return nil, err
			}
			if s == nil || s.Supersedes == "" {
				break
			}
			by.scheme = s.Supersedes
			for _, level := range w.Windows {
				out[by] = append(out[by], spanOf(level))
			}
		}
	}
	return out, nil
}

// meant is what a level amounts to at a check.
type meant struct {
	refuse   bool
	lookback uint64        // days
	by       *state.Scheme // the verifying region's own, where it says so; nil: the declaration
}

// meaning finds what a declared level amounts to (W10): what the verifying region has
// said of that level of the scheme, whoever declared it, else the declaration.
func (j *judge) meaning(scheme string, level state.RiskWindow) (meant, error) {
	m := meant{refuse: level.Refuse, lookback: level.Lookback}
	own, err := j.scheme(j.query.Region, scheme)
	if err != nil || own == nil {
		return m, err
	}
	if l, known := own.Level(level.Level); known {
		m.refuse, m.by = l.Refuse, own
		if l.Lookback != 0 {
			m.lookback = l.Lookback
		}
	}
	return m, nil
}

// level finds what a stay under a level amounts to.
func (j *judge) level(f *findings, s Stay, w *state.RiskArea, level state.RiskWindow, m meant) {
	declared := say("%s has declared %s at level %q of scheme %q%s%s", w.Authority, w.Area, level.Level, w.Scheme, window(level.From, level.Until), because("", level.LegalRef))
	var as phrase
	if m.by != nil {
		as = say(", as %s has it in statement %d%s", m.by.Authority, m.by.ChangedAt, because("", m.by.LegalRef))
	}
	if m.refuse {
		f.add(RiskArea, at(level.Index), "The stay in %s from %s to %s counts: %s, which refuses stays within %d days before %s%s.",
			s.Area, stamp(s.From), stamp(s.To), declared, m.lookback, stamp(j.query.At), as)
		return
	}
	f.add(RiskAreaNoted, at(level.Index), "The stay in %s from %s to %s counts: %s, which notes stays within %d days before %s%s.",
		s.Area, stamp(s.From), stamp(s.To), declared, m.lookback, stamp(j.query.At), as)
}

// covered notes an itinerary card that does not reach back as far as the
// verifying region's own schemes look (T3): where the person was before, nobody
// says.
func (j *judge) covered(f *findings, v *healthcode.Verified) error {
	c := v.Covered()
	if c.IsZero() {
		return nil
	}
	schemes, err := j.state.SchemesOf(j.query.Region)
	if err != nil {
		return fmt.Errorf("reading the schemes of %s: %w", j.query.Region, err)
	}
	var furthest uint64
	var by *state.Scheme
	for i := range schemes {
		for _, l := range schemes[i].Levels {
			if l.Refuse && l.Lookback > furthest {
				furthest, by = l.Lookback, &schemes[i]
			}
		}
	}
	if by != nil && c.From.Unix() > j.query.At.Unix()-int64(furthest)*24*60*60+1 {
		f.add(ItineraryShort, at(by.ChangedAt), "The itinerary card tells of the time from %s on, and %s looks back %d days before %s, by scheme %q%s.",
			stamp(c.From), j.query.Region, furthest, stamp(j.query.At), by.Name, because("", by.LegalRef))
	}
	return nil
}

// coverage judges how far back each itinerary card reaches.
func (j *judge) coverage(all *findings, verdicts []verdict) error {
	for i := range verdicts {
		v := verdicts[i].verified
		if v == nil || v.Kind() != healthcode.Itinerary {
			continue
		}
		f := findings{code: &i}
		if err := j.covered(&f, v); err != nil {
			return err
		}
		all.reasons = append(all.reasons, f.reasons...)
	}
	return nil
}

// counts reports whether an authority's word on an area, in a scheme, counts for
// a stay in a place there (W4).
func (j *judge) counts(authority statement.Region, scheme string, area, place statement.Area) (bool, error) {
	if authority == j.query.Region || statement.Area(authority).Covers(area) {
		return true, nil
	}
	for _, a := range place.Ancestors() {
		if is, err := j.isMember(statement.Region(a)); is || err != nil {
			return false, err
		}
	}
	trusted, err := j.trustsSomehow(authority, "") // of whichever kind and format: areas have none
	if err != nil || !trusted {
		return false, err
	}
	r, err := j.recognition(authority)
	return among(r.Terms.Schemes, scheme), err
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
