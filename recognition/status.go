package recognition

import (
	"fmt"

	"concordat/healthcode"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// A status is a person's: no message tells which it is, only what whose scheme
// makes of it. What the code says stands in its report.

// status judges the status that a health code gives (W9): whether the
// verifying region takes a status in that scheme from the code's region, whether
// it has ended, and what its level amounts to.
func (j *judge) status(f *findings, region statement.Region, v *healthcode.Verified) error {
	to, now := j.query.Region, j.query.At
	s, has := v.Status()
	if !has {
		if v.Kind() == healthcode.Health {
			f.add(StatusUnknown, nil, "The health code gives no status.")
		}
		return nil
	}
	if region != to {
		r, err := j.recognition(region)
		if err != nil {
			return err
		}
		if r.exists && r.Status != state.Withdrawn && !among(r.Terms.Schemes, s.Scheme) {
			f.add(SchemeNotRecognised, termsBy(r.Recognition), "%s takes from %s what is said in the schemes %s only; the status of this health code is in scheme %q.", to, region, listed(r.Terms.Schemes), s.Scheme)
		}
	}
	if !s.Until.IsZero() && now.After(s.Until) {
		f.add(StatusEnded, nil, "The status that the health code gives ended at %s, before the time asked about, %s.", stamp(s.Until), stamp(now))
		return nil
	}
	for _, by := range []statement.Region{to, region} {
		scheme, err := j.scheme(by, s.Scheme)
		if err != nil {
			return err
		}
		if scheme == nil {
			continue
		}
		level, known := scheme.Level(s.Level)
		switch {
		case !known:
			continue
		case level.Refuse:
			f.add(StatusRefused, at(scheme.ChangedAt), "The status of the health code is at a level of scheme %q that %s refuses%s.", scheme.Name, by, because("", scheme.LegalRef))
		case level.Name == scheme.Levels[0].Name:
			f.add(StatusAccepted, at(scheme.ChangedAt), "The status of the health code is at the level of least risk in scheme %q, as %s has it%s.", scheme.Name, by, because("", scheme.LegalRef))
		default:
			f.add(StatusNoted, at(scheme.ChangedAt), "The status of the health code is not at the level of least risk in scheme %q, and at one that %s does not refuse%s.", scheme.Name, by, because("", scheme.LegalRef))
		}
		return nil
	}
	f.add(StatusUnknown, nil, "Nothing that %s or %s has said of scheme %q tells what the status of the health code amounts to.", to, region, s.Scheme)
	return nil
}

// declaration judges what became of the declaration that a health code rests on (W11).
func declaration(f *findings, v *healthcode.Verified) {
	d, has := v.Declared()
	if !has {
		return
	}
	switch d.Audit {
	case healthcode.AuditPassed:
		f.add(DeclarationPassed, nil, "The health declaration that the code rests on has passed its audit.")
	case healthcode.AuditFailed:
		f.add(DeclarationFailed, nil, "The health declaration that the code rests on has failed its audit.")
	default:
		f.add(DeclarationPending, nil, "The health declaration that the code rests on has not been audited yet.")
	}
}

// scheme reads what an authority makes of the levels under a name; nil if it has
// said nothing.
func (j *judge) scheme(by statement.Region, name string) (*state.Scheme, error) {
	key := speaker{by, name}
	if s, ok := j.schemes[key]; ok {
		return s, nil
	}
	found, ok, err := j.state.Scheme(by, name)
	if err != nil {
		return nil, fmt.Errorf("reading scheme %q of %s: %w", name, by, err)
	}
	if j.schemes == nil {
		j.schemes = make(map[speaker]*state.Scheme)
	}
	var s *state.Scheme
	if ok {
		s = &found
	}
	j.schemes[key] = s
	return s, nil
}
