package state

import (
	"slices"
	"testing"

	"concordat/ledger/statement"
)

// TestUntil: what stood by what had been said until a time, and nothing before
// the first word.
func TestUntil(t *testing.T) {
	g := Recognition{
		Grantor: "XB", Grantee: "XA", Status: Withdrawn, Reason: "over", ChangedAt: 9, SaidAt: 300, Revision: 3,
		Past: []PastTerms{
			{Status: Granted, Terms: Terms{Reason: "first"}, Index: 5, SaidAt: 100, EndedBy: 7, EndedAt: 200},
			{Status: Suspended, Suspension: &Suspension{Reason: "doubt"}, Index: 7, SaidAt: 200, EndedBy: 9, EndedAt: 300},
		},
	}
	for at, want := range map[statement.Time]uint64{100: 5, 199: 5, 200: 7, 299: 7, 300: 9, statement.MaxTime: 9} {
		if was, any := g.Until(at); !any || was.ChangedAt != want {
			t.Errorf("until %d it stood by statement %d, %v; want %d", at, was.ChangedAt, any, want)
		}
	}
	if was, any := g.Until(99); any {
		t.Errorf("before anything was said it stood: %+v", was)
	}
	g.Past[0].SaidAt = 0 // from before level 3
	if was, any := g.Until(1); !any || was.ChangedAt != 5 || was.Status != Granted {
		t.Errorf("what has no time counts as said before all that has one: %+v, %v", was, any)
	}
}

func TestInForce(t *testing.T) {
	g := Recognition{Status: Granted, Terms: Terms{Kinds: []statement.CodeKind{statement.Vaccination, statement.Test}, From: 10, Until: 20}}
	suspended := g
	suspended.Status, suspended.Suspension = Suspended, &Suspension{Kinds: []statement.CodeKind{statement.Test}, From: 12, Until: 14}
	withdrawn := g
	withdrawn.Status = Withdrawn
	for name, c := range map[string]struct {
		g    Recognition
		at   statement.Time
		want []statement.CodeKind
	}{
		"before":          {g, 9, nil},
		"at its start":    {g, 10, g.Terms.Kinds},
		"at its end":      {g, 20, g.Terms.Kinds},
		"after":           {g, 21, nil},
		"suspended":       {suspended, 12, g.Terms.Kinds[:1]},
		"resumed":         {suspended, 15, g.Terms.Kinds},
		"withdrawn":       {withdrawn, 15, nil},
		"without a scope": {Recognition{Status: Granted}, 1, statement.CodeKinds},
	} {
		if got := c.g.KindsInForce(c.at); !slices.Equal(got, c.want) {
			t.Errorf("%s it covers %v, want %v", name, got, c.want)
		}
		if any := c.g.InForce("", c.at); any != (len(c.want) > 0) {
			t.Errorf("%s it is in force: %v", name, any)
		}
	}
}
