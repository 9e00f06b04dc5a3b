package state

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"concordat/ledger/statement"
)

// rulesModel is the part of the model that came with protocol level 3: what was
// said of each thing, in order, and by definition what follows from it.
type rulesModel struct {
	rules   map[string][]any // by subject: accepted *PublishRule and *RetireRule
	sets    map[string]string
	schemes map[string]statement.PublishScheme
	cases   map[string]string // the last declaration; "" once ended
	ended   map[string]statement.Time
	past    map[string][]string // by recognition: how it stood before each statement but the first
}

func newRulesModel() rulesModel {
	return rulesModel{
		rules: map[string][]any{}, sets: map[string]string{}, schemes: map[string]statement.PublishScheme{},
		cases: map[string]string{}, ended: map[string]statement.Time{}, past: map[string][]string{},
	}
}

// newest is the last version that was published of a rule; retired is since when
// it is retired, 0: it is not.
func (m *rulesModel) newest(subject string) (newest *statement.PublishRule, retired statement.Time) {
	for _, said := range m.rules[subject] {
		switch b := said.(type) {
		case *statement.PublishRule:
			newest, retired = b, 0
		case *statement.RetireRule:
			retired = b.At
		}
	}
	return newest, retired
}

// inForce are the versions of a rule that are in force at a time: of the eight
// newest those whose window holds it, and that no later retirement ended before.
func (m *rulesModel) inForce(subject string, at statement.Time) (out []string) {
	said := m.rules[subject]
	for i, s := range said {
		b, is := s.(*statement.PublishRule)
		if !is || at < b.From || b.Until != 0 && at >= b.Until {
			continue
		}
		later := 0
		ended := false
		for _, s := range said[i+1:] {
			switch x := s.(type) {
			case *statement.PublishRule:
				later++
			case *statement.RetireRule:
				ended = ended || at >= x.At
			}
		}
		if !ended && later < MaxRuleVersions {
			out = append(out, b.Version)
		}
	}
	return out
}

func (m *rulesModel) say(subject string, body statement.Body) {
	switch b := body.(type) {
	case *statement.PublishRule, *statement.RetireRule:
		m.rules[subject] = append(m.rules[subject], b)
	case *statement.PublishValueSet:
		m.sets[subject] = fmt.Sprint(*b)
	case *statement.RetireValueSet:
		m.sets[subject] = "retired"
	case *statement.PublishScheme:
		m.schemes[subject] = *b
	case *statement.DeclareCase:
		m.cases[subject], m.ended[subject] = fmt.Sprint(*b), 0
	case *statement.EndCase:
		m.ended[subject] = b.At
	}
}

// judge gives the refusal that is said before the revision is looked at, and the
// one that is said after.
func (m *rulesModel) judge(by statement.Region, subject string, body statement.Body) (before, after string) {
	switch b := body.(type) {
	case *statement.PublishRule:
		newest, _ := m.newest(subject)
		switch {
		case newest == nil:
		case b.Version <= newest.Version: // one digit each
			return VersionNotNewer, ""
		case b.From < newest.From:
			return StartsEarlier, ""
		}
	case *statement.RetireRule:
		newest, retired := m.newest(subject)
		switch {
		case newest == nil:
			return NotPublished, ""
		case retired != 0 && b.At >= retired:
			return "", AlreadyRetired
		}
	case *statement.PublishValueSet:
		if m.sets[subject] == fmt.Sprint(*b) {
			return "", NothingToChange
		}
	case *statement.RetireValueSet:
		switch m.sets[subject] {
		case "":
			return NotPublished, ""
		case "retired":
			return "", NotPublished
		}
	case *statement.PublishScheme:
		if fmt.Sprint(m.schemes[subject]) == fmt.Sprint(*b) {
			return "", NothingToChange
		}
		for name := b.Supersedes; name != ""; name = m.schemes[statement.SchemeSubject(by, name)].Supersedes {
			if name == b.Name {
				return "", SupersedesInACircle
			}
		}
	case *statement.DeclareCase:
		switch {
		case b.Region == "ZZ":
			return UnknownRegion, ""
		case m.cases[subject] == fmt.Sprint(*b) && m.ended[subject] == 0:
			return "", NothingToChange
		}
	case *statement.EndCase:
		switch {
		case m.cases[subject] == "":
			return NoSpecialCase, ""
		case m.ended[subject] != 0 && b.At >= m.ended[subject]:
			return "", AlreadyEnded
		}
	}
	return "", ""
}

var (
	someRules    = []string{"R1", "R2"}
	someVersions = []string{"1.0.0", "1.0.1", "1.1.0", "1.1.1", "1.2.0", "1.2.1", "1.3.0", "2.0.0", "2.0.1", "2.1.0", "3.0.0"}
	someSets     = []string{"default", "neighbours"}
	someNames    = []string{"s1", "s2", "s3"}
)

// drawRule makes a statement of one of the kinds that came with protocol level 3.
func drawRule(t *rapid.T) statement.Body {
	name := func() string { return rapid.SampledFrom(someNames).Draw(t, "name") }
	at := func() statement.Time { return statement.Time(rapid.IntRange(1, days).Draw(t, "at")) }
	doc := func() statement.Document {
		return testDocument(rapid.SampledFrom([]string{"{a}", "{bb}"}).Draw(t, "document"))
	}
	switch rapid.IntRange(0, 7).Draw(t, "kind of rule") {
	case 0, 1:
		b := &statement.PublishRule{Set: rapid.SampledFrom(someSets).Draw(t, "set"), ID: rapid.SampledFrom(someRules).Draw(t, "rule"),
			Version: rapid.SampledFrom(someVersions).Draw(t, "version"), From: at(), Document: doc()}
		if rapid.Bool().Draw(t, "bounded") {
			b.Until = b.From + statement.Time(rapid.IntRange(1, 4).Draw(t, "length"))
		}
		return b
	case 2:
		return &statement.RetireRule{Set: rapid.SampledFrom(someSets).Draw(t, "set"), ID: rapid.SampledFrom(someRules).Draw(t, "rule"), At: at()}
	case 3:
		return &statement.PublishValueSet{ID: name(), Version: "1", Document: doc()}
	case 4:
		return &statement.RetireValueSet{ID: name()}
	case 5:
		b := &statement.PublishScheme{Name: name(), Levels: []statement.SchemeLevel{{Name: rapid.SampledFrom(someLevels).Draw(t, "level")}}}
		if over := rapid.SampledFrom(append([]string{""}, someNames...)).Draw(t, "supersedes"); over != b.Name {
			b.Supersedes = over
		}
		return b
	case 6:
		b := &statement.DeclareCase{Name: name(), Reason: rapid.SampledFrom(someLevels).Draw(t, "reason"), Region: rapid.SampledFrom(someOthers).Draw(t, "region")}
		if rapid.Bool().Draw(t, "conditional") {
			b.Condition = sameCondition
		}
		return b
	}
	return &statement.EndCase{Name: name(), At: at()}
}

// sameCondition is one address, which is what the model compares.
var sameCondition = func() *statement.Document { d := testDocument("{c}"); return &d }()

// compareRules asks the state everything that this part of the model knows.
func compareRules(t *rapid.T, v View, m *rulesModel) {
	for _, by := range someRegions {
		rules, err := v.Rules(by)
		if err != nil {
			t.Fatal(err)
		}
		for _, set := range someSets {
			for _, id := range someRules {
				subject := statement.RuleSubject(by, set, id)
				i := slices.IndexFunc(rules, func(r RuleRecord) bool { return r.Set == set && r.ID == id })
				if (i >= 0) != (len(m.rules[subject]) > 0) {
					t.Fatalf("%s is there: %v", subject, i >= 0)
				}
				for at := range statement.Time(2 * days) {
					var got []string
					if i >= 0 && (rules[i].RetiredAt == 0 || at < rules[i].RetiredAt) {
						for _, p := range rules[i].Published {
							if at >= p.From && (p.Until == 0 || at < p.Until) {
								got = append(got, p.Version)
							}
						}
					}
					if want := m.inForce(subject, at); !slices.Equal(got, want) {
						t.Fatalf("%s at %d is in force in %v, want %v", subject, at, got, want)
					}
				}
			}
		}
		for _, name := range someNames {
			if s, ok, err := v.ValueSet(by, name); err != nil || ok != (m.sets[statement.ValueSetSubject(by, name)] != "") || s.Retired != (m.sets[statement.ValueSetSubject(by, name)] == "retired") {
				t.Fatalf("value set %s of %s: there %v, retired %v (%v)", name, by, ok, s.Retired, err)
			}
			want := m.schemes[statement.SchemeSubject(by, name)]
			if s, _, err := v.Scheme(by, name); err != nil || fmt.Sprint(s.Levels, s.Supersedes) != fmt.Sprint(want.Levels, want.Supersedes) {
				t.Fatalf("scheme %s of %s is %+v (%v), want %+v", name, by, s, err, want)
			}
			c, ok, err := v.SpecialCase(by, name)
			if subject := statement.CaseSubject(by, name); err != nil || ok != (m.cases[subject] != "") || c.EndedAt != m.ended[subject] {
				t.Fatalf("special case %s of %s: there %v, ended at %d (%v)", name, by, ok, c.EndedAt, err)
			}
		}
		for _, of := range someRegions {
			g, _, err := v.Recognition(by, of)
			if err != nil {
				t.Fatal(err)
			}
			want := m.past[statement.RecognitionSubject(by, of)]
			want = want[max(0, len(want)-MaxPastTerms):]
			for i, p := range g.Past {
				if got := standing(p.Status, p.Suspension); len(g.Past) != len(want) || got != want[i] {
					t.Fatalf("the past of %s by %s is %+v, want %v", of, by, g.Past, want)
				}
				next := g.ChangedAt
				if i+1 < len(g.Past) {
					next = g.Past[i+1].Index
				}
				if p.EndedBy != next {
					t.Fatalf("how %s stood with %s was ended by %d, and then came %d", of, by, p.EndedBy, next)
				}
			}
			if len(g.Past) != len(want) {
				t.Fatalf("%d earlier terms of %s by %s, want %d", len(g.Past), of, by, len(want))
			}
		}
	}
}

// standing is how a recognition stands, in short.
func standing(status RecognitionStatus, s *Suspension) string {
	if s == nil {
		return string(status)
	}
	return fmt.Sprint(status, s.Kinds, s.Until)
}
