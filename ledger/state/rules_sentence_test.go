package state

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"concordat/ledger/statement"
)

// testDocument is the document of a text; nobody inflates it here.
func testDocument(text string) statement.Document {
	return statement.Document{Deflated: []byte("deflated " + text), Size: uint64(len(text)), Digest: sha256.Sum256([]byte(text))}
}

// rules reads the sentences of what came with protocol level 3; nil for others.
func (s *script) rules(p *words) statement.Body {
	switch {
	case p.skip("publishes", "rule"): // ID VERSION [in set S] from T [until T] ["…"] [invalidating]
		b := &statement.PublishRule{ID: p.next(), Version: p.next(), Set: p.set()}
		b.From, b.Until, b.Document = p.time("from"), p.time("until"), s.document(p)
		b.Invalidation = p.skip("invalidating")
		return b
	case p.skip("retires", "rule"): // ID [in set S] as of T [because "…"]
		b := &statement.RetireRule{ID: p.next(), Set: p.set()}
		b.At, b.Reason = p.time("as", "of"), p.text("because")
		return b
	case p.skip("publishes", "value", "set"): // ID VERSION ["…"]
		return &statement.PublishValueSet{ID: p.next(), Version: p.next(), Document: s.document(p)}
	case p.skip("retires", "value", "set"): // ID [because "…"]
		return &statement.RetireValueSet{ID: p.next(), Reason: p.text("because")}
	case p.skip("publishes", "scheme"): // NAME of LEVEL[!][/DAYS] and … [in the place of NAME] [citing "…"]; ! refuses
		b := &statement.PublishScheme{Name: p.next()}
		if !p.skip("of") {
			p.t.Fatalf("%q: of which levels?", p.line)
		}
		for _, level := range p.list() {
			b.Levels = append(b.Levels, s.schemeLevel(level))
		}
		if p.skip("in", "the", "place", "of") {
			b.Supersedes = p.next()
		}
		b.LegalRef = p.text("citing")
		return b
	case p.skip("declares", "special", "case"): // NAME admitting|refusing [REGION] [for KINDS] [in FORMATS] [made with KEYS] [from T] [until T] [if "…"] because "…" [under "…"]
		return s.specialCase(p)
	case p.skip("ends", "special", "case"): // NAME as of T [because "…"]
		return &statement.EndCase{Name: p.next(), At: p.time("as", "of"), Reason: p.text("because")}
	}
	return nil
}

func (p *words) set() string {
	if p.skip("in", "set") {
		return p.next()
	}
	return statement.DefaultRuleSet
}

// document reads a quoted text, if one comes next.
func (s *script) document(p *words) statement.Document {
	text := "{}"
	if len(p.rest) > 0 && strings.HasPrefix(p.rest[0], "{") {
		text = p.next()
	}
	return testDocument(text)
}

func (s *script) schemeLevel(text string) statement.SchemeLevel {
	name, days, dated := strings.Cut(text, "/")
	name, refuses := strings.CutSuffix(name, "!")
	l := statement.SchemeLevel{Name: name, Refuse: refuses}
	if dated {
		n, err := strconv.ParseUint(days, 10, 32)
		if err != nil {
			s.t.Fatalf("level %q: %v", text, err)
		}
		l.Lookback = n
	}
	return l
}

func (s *script) specialCase(p *words) *statement.DeclareCase {
	b := &statement.DeclareCase{Name: p.next()}
	switch {
	case p.skip("admitting"):
		b.Admit = true
	case !p.skip("refusing"):
		p.t.Fatalf("%q: admitting or refusing?", p.line)
	}
	if len(p.rest) > 0 && len(p.rest[0]) == 2 && p.rest[0] == strings.ToUpper(p.rest[0]) {
		b.Region = statement.Region(p.next())
	}
	b.Kinds = p.kinds()
	if p.skip("in") {
		b.Formats = p.list()
	}
	if p.skip("made", "with") {
		for _, key := range p.list() {
			b.Keys = append(b.Keys, s.testIssuerKey(key).Thumbprint())
		}
	}
	b.From, b.Until = p.time("from"), p.time("until")
	if p.skip("if") {
		d := testDocument(p.next())
		b.Condition = &d
	}
	b.Reason, b.LegalRef = p.text("because"), p.text("under")
	return b
}

// aboutRule is what the state has of a rule, with its versions as a check sees them.
func (s *script) aboutRule(by statement.Region, set, id string) string {
	all, err := View{s.world.mem}.Rules(by)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range all {
		r := &all[i]
		if r.Set != set || r.ID != id {
			continue
		}
		lines := []string{r.words()}
		for j := range r.Published {
			v := &r.Published[j]
			lines = append(lines, fmt.Sprintf("%s by statement %d%s", v.Version, v.Index, window(v.From, v.Until)))
		}
		return strings.Join(lines, "\n    ")
	}
	return "no such rule"
}
