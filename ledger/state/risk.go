package state

import (
	"concordat/ledger/statement"
)

func (a *act) declareRisk(b *statement.RiskLevel) ([]Write, Verdict, error) {
	area, err := load[RiskArea](a.r, riskKey(b.Area, a.by, b.Scheme))
	if err != nil {
		return nil, Verdict{}, err
	}
	var first []Write // of the first word in this scheme
	if area == nil {
		area = &RiskArea{Authority: a.by, Area: b.Area, Scheme: b.Scheme}
		n, v, err := a.oneMoreScheme(b.Area)
		if err != nil || !v.Accepted() {
			return nil, v, err
		}
		first = append(first, put(n))
	}
	if v := nextRevision(a.s, area.Revision, area.ChangedAt); !v.Accepted() {
		return nil, v, nil
	}
	if area.Standing {
		return nil, refuse(RiskAlreadyDeclared, "change it instead, or lift it first",
			"%s has %s at level %q in scheme %q since statement %d", a.by, b.Area, area.last().Level, b.Scheme, area.ChangedAt).
			on(area.Revision, area.ChangedAt), nil
	}
	return append(first, a.setLevel(area, b)...), Verdict{}, nil
}

func (a *act) changeRisk(b *statement.RiskLevel) ([]Write, Verdict, error) {
	area, v, err := a.standing(b.Area, b.Scheme, "declare it instead")
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	if w := area.last(); w.Level == b.Level && w.From == b.From && w.Until == b.Until &&
		w.Lookback == b.Lookback && w.Refuse == b.Refuse && w.LegalRef == b.LegalRef {
		return nil, refuse(NothingToChange, "nothing needs to be done",
			"statement %d says the same of %s in scheme %q", w.Index, b.Area, b.Scheme).
			on(area.Revision, area.ChangedAt), nil
	}
	return a.setLevel(area, b), Verdict{}, nil
}

func (a *act) liftRisk(b *statement.LiftRisk) ([]Write, Verdict, error) {
	area, v, err := a.standing(b.Area, b.Scheme, "nothing needs to be done")
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	area.endAt(b.At, a.index)
	area.Standing, area.Reason = false, b.Reason
	return a.changedArea(area), Verdict{}, nil
}

// standing is the declaration that the statement is to change; the verdict says why it may not.
func (a *act) standing(of statement.Area, scheme, hint string) (*RiskArea, Verdict, error) {
	area, err := load[RiskArea](a.r, riskKey(of, a.by, scheme))
	if err != nil {
		return nil, Verdict{}, err
	}
	if area == nil {
		return nil, refuse(RiskNotDeclared, hint, "%s has declared nothing of %s in scheme %q", a.by, of, scheme), nil
	}
	if v := nextRevision(a.s, area.Revision, area.ChangedAt); !v.Accepted() {
		return nil, v, nil
	}
	if !area.Standing {
		return nil, refuse(RiskNotDeclared, hint, "statement %d of %s lifted %s in scheme %q", area.ChangedAt, a.by, of, scheme).
			on(area.Revision, area.ChangedAt), nil
	}
	return area, Verdict{}, nil
}

// setLevel makes b the newest word on the area. It speaks of all time from its
// From on: what was said of that time before is cut off, what was said of
// earlier times stays, so that a stay under an earlier level is still judged.
func (a *act) setLevel(area *RiskArea, b *statement.RiskLevel) []Write {
	area.endAt(b.From, a.index)
	area.Windows = append(area.Windows, RiskWindow{
		Level: b.Level, From: b.From, Until: b.Until,
		Lookback: b.Lookback, Refuse: b.Refuse, LegalRef: b.LegalRef, Index: a.index,
	})
	if over := len(area.Windows) - MaxWindows; over > 0 {
		area.Windows = area.Windows[over:]
	}
	area.Standing, area.Reason = true, ""
	return a.changedArea(area)
}

func (a *act) changedArea(area *RiskArea) []Write {
	area.ChangedAt = a.index
	area.Revision++
	return []Write{put(area)}
}

// endAt cuts off what the windows say of times from t on.
func (area *RiskArea) endAt(t statement.Time, by uint64) {
	for i := range area.Windows {
		w := &area.Windows[i]
		if w.From >= t {
			area.Windows = area.Windows[:i] // and the later ones, which begin later still (ST10)
			return
		}
		if w.Until == 0 || w.Until > t {
			w.Until, w.EndedBy = t, &by
		}
	}
}

// last is the newest window. An area that stands has one.
func (area *RiskArea) last() RiskWindow { return area.Windows[len(area.Windows)-1] }
