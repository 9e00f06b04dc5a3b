package statement_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"concordat/ledger/statement"
)

// Every bound on what came with level 3: the last that is taken, and the first that is not.
func TestRuleBounds(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	rule := func(change func(*statement.PublishRule)) statement.Body {
		b := statement.PublishRule{Set: "default", ID: "VR-XA-0001", Version: "1.0.0", From: june, Document: document}
		change(&b)
		return &b
	}
	scheme := func(change func(*statement.PublishScheme)) statement.Body {
		b := statement.PublishScheme{Name: "default", Levels: []statement.SchemeLevel{{Name: "high"}}}
		change(&b)
		return &b
	}
	special := func(change func(*statement.DeclareCase)) statement.Body {
		b := statement.DeclareCase{Name: "crew", Region: "XB", Reason: "r"}
		change(&b)
		return &b
	}
	terms := func(change func(*statement.Terms)) statement.Body {
		b := statement.Terms{Region: "XB"}
		change(&b)
		return &statement.Grant{Terms: b}
	}
	doc := func(deflated int, size uint64) statement.Document {
		return statement.Document{Deflated: make([]byte, deflated), Size: size}
	}
	levels := func(n int) (out []statement.SchemeLevel) {
		for i := range n {
			out = append(out, statement.SchemeLevel{Name: fmt.Sprintf("l%d", i)})
		}
		return out
	}
	names := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf("s%02d", i))
		}
		return out
	}
	keys := func(n int) (out []statement.Thumbprint) {
		for i := range n {
			out = append(out, statement.Thumbprint{byte(i)})
		}
		return out
	}
	batch := statement.NewBatch(statement.HashRID, attachment, july, "r")
	for _, c := range []struct {
		name      string
		good, bad statement.Body
	}{
		{"rule set", rule(func(b *statement.PublishRule) { b.Set = long(statement.MaxName) }), rule(func(b *statement.PublishRule) { b.Set = long(statement.MaxName + 1) })},
		{"rule set in capitals", rule(func(b *statement.PublishRule) {}), rule(func(b *statement.PublishRule) { b.Set = "Default" })},
		{"rule", rule(func(b *statement.PublishRule) { b.ID = long(statement.MaxName) }), rule(func(b *statement.PublishRule) { b.ID = long(statement.MaxName + 1) })},
		{"rule with a slash", rule(func(b *statement.PublishRule) { b.ID = "a_b+c" }), rule(func(b *statement.PublishRule) { b.ID = "a/b" })},
		{"no version", rule(func(b *statement.PublishRule) {}), rule(func(b *statement.PublishRule) { b.Version = "" })},
		{"version", rule(func(b *statement.PublishRule) { b.Version = "1.0.0-" + long(statement.MaxName-6) }), rule(func(b *statement.PublishRule) { b.Version = "1.0.0-" + long(statement.MaxName-5) })},
		{"from of a rule", rule(func(b *statement.PublishRule) {}), rule(func(b *statement.PublishRule) { b.From = 0 })},
		{"until of a rule", rule(func(b *statement.PublishRule) { b.Until = june + 1 }), rule(func(b *statement.PublishRule) { b.Until = june })},
		{"document", rule(func(b *statement.PublishRule) { b.Document = doc(statement.MaxDocument, 1) }), rule(func(b *statement.PublishRule) { b.Document = doc(statement.MaxDocument+1, 1) })},
		{"no document", rule(func(b *statement.PublishRule) { b.Document = doc(1, 1) }), rule(func(b *statement.PublishRule) { b.Document = doc(0, 1) })},
		{"text of a document", rule(func(b *statement.PublishRule) { b.Document = doc(1, statement.MaxDocumentText) }), rule(func(b *statement.PublishRule) { b.Document = doc(1, statement.MaxDocumentText+1) })},
		{"no text", rule(func(b *statement.PublishRule) {}), rule(func(b *statement.PublishRule) { b.Document = doc(1, 0) })},
		{"time of a retirement", &statement.RetireRule{Set: "a", ID: "A", At: 1}, &statement.RetireRule{Set: "a", ID: "A"}},
		{"value set", &statement.PublishValueSet{ID: "a", Version: "2021-05-27", Document: document}, &statement.PublishValueSet{ID: "a", Version: "27 May", Document: document}},
		{"value set's id", &statement.RetireValueSet{ID: "a"}, &statement.RetireValueSet{ID: "a b"}},
		{"levels", scheme(func(b *statement.PublishScheme) { b.Levels = levels(statement.MaxSchemeLevels) }), scheme(func(b *statement.PublishScheme) { b.Levels = levels(statement.MaxSchemeLevels + 1) })},
		{"no level", scheme(func(b *statement.PublishScheme) {}), scheme(func(b *statement.PublishScheme) { b.Levels = nil })},
		{"a level twice", scheme(func(b *statement.PublishScheme) { b.Levels = levels(2) }), scheme(func(b *statement.PublishScheme) { b.Levels = append(levels(2), levels(1)...) })},
		{"look-back of a level", scheme(func(b *statement.PublishScheme) { b.Levels[0].Lookback = statement.MaxLookback }), scheme(func(b *statement.PublishScheme) { b.Levels[0].Lookback = statement.MaxLookback + 1 })},
		{"title of a level", scheme(func(b *statement.PublishScheme) { b.Levels[0].Title = long(statement.MaxTitle) }), scheme(func(b *statement.PublishScheme) { b.Levels[0].Title = long(statement.MaxTitle + 1) })},
		{"superseded", scheme(func(b *statement.PublishScheme) { b.Supersedes = "other" }), scheme(func(b *statement.PublishScheme) { b.Supersedes = "default" })},
		{"title of a scheme", scheme(func(b *statement.PublishScheme) { b.Title = "é" }), scheme(func(b *statement.PublishScheme) { b.Title = "\x1b[2J" })},
		{"reason of a case", special(func(b *statement.DeclareCase) {}), special(func(b *statement.DeclareCase) { b.Reason = "" })},
		{"name of a case", special(func(b *statement.DeclareCase) { b.Name = long(statement.MaxName) }), special(func(b *statement.DeclareCase) { b.Name = long(statement.MaxName + 1) })},
		{"region of a case", special(func(b *statement.DeclareCase) { b.Region = "XB" }), special(func(b *statement.DeclareCase) { b.Region = "EL" })},
		{"region of a case that refuses", special(func(b *statement.DeclareCase) { b.Region = "" }), special(func(b *statement.DeclareCase) { b.Region = ""; b.Keys = keys(1) })},
		{"region of a case that admits", special(func(b *statement.DeclareCase) { b.Admit = true }), special(func(b *statement.DeclareCase) { b.Region = ""; b.Admit = true })},
		{"formats", special(func(b *statement.DeclareCase) { b.Formats = statement.FormatNames }), special(func(b *statement.DeclareCase) { b.Formats = []string{"pdf"} })},
		{"formats in order", special(func(b *statement.DeclareCase) { b.Formats = []string{"hc1", "shc"} }), special(func(b *statement.DeclareCase) { b.Formats = []string{"shc", "hc1"} })},
		{"keys", special(func(b *statement.DeclareCase) { b.Keys = keys(statement.MaxCaseKeys) }), special(func(b *statement.DeclareCase) { b.Keys = keys(statement.MaxCaseKeys + 1) })},
		{"keys ascending", special(func(b *statement.DeclareCase) { b.Keys = keys(2) }), special(func(b *statement.DeclareCase) { b.Keys = keys(2); slices.Reverse(b.Keys) })},
		{"keys once", special(func(b *statement.DeclareCase) { b.Keys = keys(1) }), special(func(b *statement.DeclareCase) { b.Keys = append(keys(1), keys(1)...) })},
		{"issued until", special(func(b *statement.DeclareCase) { b.IssuedFrom, b.IssuedUntil = 1, 2 }), special(func(b *statement.DeclareCase) { b.IssuedFrom, b.IssuedUntil = 2, 2 })},
		{"condition", special(func(b *statement.DeclareCase) { d := doc(1, 1); b.Condition = &d }), special(func(b *statement.DeclareCase) { d := doc(1, 0); b.Condition = &d })},
		{"end of a case", &statement.EndCase{Name: "a", At: 1}, &statement.EndCase{Name: "a"}},
		{"algorithms", terms(func(b *statement.Terms) { b.Algorithms = statement.AlgorithmNames }), terms(func(b *statement.Terms) { b.Algorithms = []string{"none"} })},
		{"an algorithm twice", terms(func(b *statement.Terms) { b.Algorithms = []string{"ES256"} }), terms(func(b *statement.Terms) { b.Algorithms = []string{"ES256", "ES256"} })},
		{"schemes", terms(func(b *statement.Terms) { b.Schemes = names(statement.MaxNames) }), terms(func(b *statement.Terms) { b.Schemes = names(statement.MaxNames + 1) })},
		{"schemes ascending", terms(func(b *statement.Terms) { b.Schemes = []string{"a", "b"} }), terms(func(b *statement.Terms) { b.Schemes = []string{"b", "a"} })},
		{"rule set of a grant", terms(func(b *statement.Terms) { b.RuleSet = "a" }), terms(func(b *statement.Terms) { b.RuleSet = "A" })},
		{"legal reference of a grant", terms(func(b *statement.Terms) { b.LegalRef = long(statement.MaxLegalRef) }), terms(func(b *statement.Terms) { b.LegalRef = long(statement.MaxLegalRef + 1) })},
		{"legal reference of a suspension", &statement.Suspend{Region: "XB", Reason: "r", LegalRef: "l"}, &statement.Suspend{Region: "XB", Reason: "r", LegalRef: "\x00"}},
		{"legal reference of a withdrawal", &statement.Withdraw{Region: "XB", LegalRef: "l"}, &statement.Withdraw{Region: "XB", LegalRef: "\x00"}},
		{"issuer", &statement.RegisterKey{PublicKey: []byte{1}, KeyID: []byte{1}, Issuer: long(statement.MaxIssuerURL)}, &statement.RegisterKey{PublicKey: []byte{1}, KeyID: []byte{1}, Issuer: long(statement.MaxIssuerURL + 1)}},
		{"issuer's name", &statement.RegisterKey{PublicKey: []byte{1}, KeyID: []byte{1}, Name: long(statement.MaxIssuerName)}, &statement.RegisterKey{PublicKey: []byte{1}, KeyID: []byte{1}, Name: long(statement.MaxIssuerName + 1)}},
		{"issued before", &statement.Revoke{Batch: with(batch, func(b *statement.Batch) { b.IssuedBefore = statement.MaxTime })}, &statement.Revoke{Batch: with(batch, func(b *statement.Batch) { b.IssuedBefore = statement.MaxTime + 1 })}},
		{"an undo that spares", &statement.Reinstate{Batch: batch}, &statement.Reinstate{Batch: with(batch, func(b *statement.Batch) { b.IssuedBefore = june })}},
	} {
		t.Run(c.name, func(t *testing.T) {
			revision := uint64(1)
			if !c.good.Kind().HasRevision() {
				revision = 0
			}
			s := statement.Statement{Issuer: "XA", Network: network, Revision: revision, Body: c.good}
			if _, err := statement.Sign(s, keyXA); err != nil {
				t.Errorf("the last that is good: %v", err)
			}
			s.Body = c.bad
			if _, err := statement.Sign(s, keyXA); !errors.Is(err, statement.ErrInvalid) {
				t.Errorf("the first that is bad: got %v, want ErrInvalid", err)
			}
		})
	}
}

// The longest statements of level 3 are below the limit of a tile's entry.
func TestLargestRulesFit(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	doc := statement.Document{Deflated: make([]byte, statement.MaxDocument), Size: statement.MaxDocumentText}
	special := &statement.DeclareCase{Name: long(statement.MaxName), Admit: true, Region: "XAA-ABCDEFGH-ABCDEFGH-ABCDEFGH", Kinds: statement.CodeKinds,
		Formats: statement.FormatNames, IssuedFrom: 1, IssuedUntil: statement.MaxTime, From: 1, Until: statement.MaxTime, Condition: &doc,
		Reason: long(statement.MaxReason), LegalRef: long(statement.MaxLegalRef)}
	for i := range statement.MaxCaseKeys {
		special.Keys = append(special.Keys, statement.Thumbprint{byte(i)})
	}
	scheme := &statement.PublishScheme{Name: long(statement.MaxScheme), Supersedes: "other", Title: long(statement.MaxTitle), LegalRef: long(statement.MaxLegalRef)}
	for i := range statement.MaxSchemeLevels {
		scheme.Levels = append(scheme.Levels, statement.SchemeLevel{Name: fmt.Sprintf("%s%02d", long(statement.MaxLevel-2), i),
			Refuse: true, Lookback: statement.MaxLookback, Title: long(statement.MaxTitle)})
	}
	for _, body := range []statement.Body{special, scheme,
		&statement.PublishRule{Set: long(statement.MaxName), ID: long(statement.MaxName), Version: "1.0.0-" + long(statement.MaxName-6), From: 1,
			Until: statement.MaxTime, Invalidation: true, Document: doc},
		&statement.PublishValueSet{ID: long(statement.MaxName), Version: long(statement.MaxName), Document: doc},
	} {
		v := sign(t, statement.Statement{Issuer: "XAA-ABCDEFGH-ABCDEFGH-ABCDEFGH", Network: network, Revision: 1<<64 - 1, IssuedAt: statement.MaxTime, Body: body}, keyXA)
		t.Logf("%s: %d bytes of %d", body.Kind(), len(v.Raw()), statement.MaxSize)
	}
}

// What a statement's level is depends on the fields that it uses: one without
// them has the bytes, and the level, that it always had.
func TestStatementLevel(t *testing.T) {
	want := map[string]uint64{"issuer-key.register-named": 3, "revocation.add-before": 3, "recognition.grant-scoped": 3,
		"recognition.suspend-legal": 3, "recognition.withdraw-legal": 3, "incident.report": 2, "incident.report-least": 2}
	for _, s := range samples() {
		level := max(want[s.name], s.Kind().Level())
		if got := s.Level(); got != level {
			t.Errorf("%s: level %d, want %d", s.name, got, level)
		}
	}
	for name, change := range map[string]func(*statement.Terms){
		"legal reference": func(b *statement.Terms) { b.LegalRef = "l" },
		"formats":         func(b *statement.Terms) { b.Formats = []string{"hc1"} },
		"algorithms":      func(b *statement.Terms) { b.Algorithms = []string{"ES256"} },
		"schemes":         func(b *statement.Terms) { b.Schemes = []string{"a"} },
		"rule set":        func(b *statement.Terms) { b.RuleSet = "a" },
	} {
		for _, body := range []statement.Body{
			&statement.Grant{Terms: with(statement.Terms{Region: "XB"}, change)}, &statement.ChangeGrant{Terms: with(statement.Terms{Region: "XB"}, change)},
		} {
			if s := (&statement.Statement{Body: body}); s.Level() != 3 {
				t.Errorf("a %s with %s is of level %d, want 3", body.Kind(), name, s.Level())
			}
		}
	}
	for _, body := range []statement.Body{&statement.RegisterKey{Issuer: "i"}, &statement.RegisterKey{Name: "n"}} {
		if s := (&statement.Statement{Body: body}); s.Level() != 3 {
			t.Errorf("%+v is of level %d, want 3", body, s.Level())
		}
	}
}

// The versions of Semantic Versioning 2.0.0, in the order of its §11, and what is none.
func TestVersions(t *testing.T) {
	ordered := []string{
		"0.0.0-0", "0.0.0", "0.0.4", "0.1.0", "1.0.0-0A", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
		"1.0.0-beta.99999999999999999999", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0", "10.20.30", "99999999999999999999.0.0",
	}
	for i, a := range ordered {
		if err := statement.CheckVersion(a); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		for j, b := range ordered {
			if got := statement.CompareVersions(a, b); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%s against %s: %d", a, b, got)
			}
		}
	}
	for _, same := range [][2]string{{"1.0.0+a", "1.0.0+b"}, {"1.0.0-a+x", "1.0.0-a"}} {
		if statement.CompareVersions(same[0], same[1]) != 0 || statement.CheckVersion(same[0]) != nil {
			t.Errorf("%v are of one precedence", same)
		}
	}
	for _, bad := range []string{"", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0+", "1.0.0-01", "1.0.0-a..b", "1.0.0+a_b", "v1.0.0", "1.0.-1", "1.0.0 ", "1.0.0-é"} {
		if err := statement.CheckVersion(bad); !errors.Is(err, statement.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", bad, err)
		}
	}
}

// drawRules draws a body of the kinds that came with level 3.
func drawRules(t *rapid.T, kind statement.Kind, region *rapid.Generator[string], text func(int) *rapid.Generator[string]) statement.Body {
	when := rapid.Int64Range(1, statement.MaxTime-1)
	at := func() statement.Time { return statement.Time(when.Draw(t, "at")) }
	name := func() string { return rapid.StringMatching(`[a-z0-9.-]{1,32}`).Draw(t, "name") }
	id := func() string { return rapid.StringMatching(`[A-Za-z0-9.+_-]{1,64}`).Draw(t, "id") }
	doc := func() statement.Document {
		d := statement.Document{Deflated: rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "deflated"), Size: rapid.Uint64Range(1, statement.MaxDocumentText).Draw(t, "size")}
		copy(d.Digest[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
		return d
	}
	switch kind {
	case statement.RulePublish:
		version := rapid.StringMatching(`(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})(-[a-z]{1,9}(\.[1-9])?)?(\+[0-9a-z]{1,9})?`).Draw(t, "version")
		return &statement.PublishRule{Set: name(), ID: id(), Version: version, From: at(), Invalidation: rapid.Bool().Draw(t, "invalidation"), Document: doc()}
	case statement.RuleRetire:
		return &statement.RetireRule{Set: name(), ID: id(), At: at(), Reason: text(900).Draw(t, "reason")}
	case statement.ValueSetPublish:
		return &statement.PublishValueSet{ID: id(), Version: id(), Document: doc()}
	case statement.ValueSetRetire:
		return &statement.RetireValueSet{ID: id(), Reason: text(900).Draw(t, "reason")}
	case statement.RiskSchemePublish:
		b := &statement.PublishScheme{Name: name(), Title: text(190).Draw(t, "title"), LegalRef: text(400).Draw(t, "legal")}
		for _, level := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9.-]{1,32}`), 1, statement.MaxSchemeLevels, rapid.ID).Draw(t, "levels") {
			b.Levels = append(b.Levels, statement.SchemeLevel{Name: level, Refuse: rapid.Bool().Draw(t, "refuse"),
				Lookback: rapid.Uint64Range(0, statement.MaxLookback).Draw(t, "look-back"), Title: text(190).Draw(t, "title of it")})
		}
		if over := name(); over != b.Name {
			b.Supersedes = over
		}
		return b
	case statement.SpecialCaseDeclare:
		b := &statement.DeclareCase{Name: name(), Admit: rapid.Bool().Draw(t, "admit"), Reason: "r" + text(900).Draw(t, "reason"), LegalRef: text(400).Draw(t, "legal"),
			Formats: drawSome(t, statement.FormatNames)}
		if b.Admit || rapid.Bool().Draw(t, "of a region") {
			b.Region = statement.Region(region.Draw(t, "region"))
		}
		if b.Region != "" { // keys are named with whose they are
			for _, k := range rapid.SliceOfNDistinct(rapid.Byte(), 0, 5, rapid.ID).Draw(t, "keys") {
				b.Keys = append(b.Keys, statement.Thumbprint{k})
			}
		}
		slices.SortFunc(b.Keys, func(x, y statement.Thumbprint) int { return strings.Compare(x.String(), y.String()) })
		if rapid.Bool().Draw(t, "conditional") {
			d := doc()
			b.Condition = &d
		}
		return b
	}
	return &statement.EndCase{Name: name(), At: at(), Reason: text(900).Draw(t, "reason")}
}

// drawSome draws a part of a list in its order; nil for none.
func drawSome(t *rapid.T, of []string) (out []string) {
	for _, s := range of {
		if rapid.Bool().Draw(t, s) {
			out = append(out, s)
		}
	}
	return out
}
