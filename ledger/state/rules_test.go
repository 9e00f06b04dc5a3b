package state

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"concordat/ledger/statement"
)

// TestLargestRecords: what may be said is a record that may be read, also after
// as many changes as are remembered.
func TestLargestRecords(t *testing.T) {
	w := newWorld(t, "XA", "XB", "XC")
	long := func(n int) string { return strings.Repeat("\u6f22", n/3) } // three bytes
	terms := statement.Terms{Region: "XB", Kinds: statement.CodeKinds, From: 1, Until: statement.MaxTime, Reason: long(statement.MaxReason), LegalRef: long(statement.MaxLegalRef),
		Formats: statement.FormatNames, Algorithms: statement.AlgorithmNames, RuleSet: strings.Repeat("r", statement.MaxName)}
	for i := range statement.MaxNames {
		terms.Schemes = append(terms.Schemes, fmt.Sprintf("%0*d", statement.MaxScheme, i))
	}
	w.must("XA", &statement.Grant{Terms: terms}, nil)
	for i := range MaxPastTerms + 1 {
		w.clock++
		w.must("XA", &statement.Suspend{Region: "XB", Kinds: statement.CodeKinds, From: 1, Until: statement.Time(100 + i), Reason: terms.Reason, LegalRef: terms.LegalRef}, nil)
	}
	g, _, err := View{w.mem}.Recognition("XA", "XB")
	if err != nil || len(g.Past) != MaxPastTerms {
		t.Fatalf("%d earlier terms (%v), want %d", len(g.Past), err, MaxPastTerms)
	}
	value, err := w.mem.Get(recognitionKey("XA", "XB"))
	if err != nil || len(value) < 100_000 {
		t.Fatalf("a record of %d bytes (%v) is not the largest", len(value), err)
	}
	t.Logf("a recognition of %d bytes, at most %d", len(value), maxRecord)

	doc := statement.Document{Deflated: make([]byte, statement.MaxDocument), Size: statement.MaxDocumentText}
	special := &statement.DeclareCase{Name: "crew", Region: "XB", Kinds: statement.CodeKinds, Condition: &doc, Reason: terms.Reason, LegalRef: terms.LegalRef}
	for i := range statement.MaxCaseKeys {
		special.Keys = append(special.Keys, statement.Thumbprint{byte(i)})
	}
	w.must("XA", special, nil)
	w.must("XA", &statement.PublishRule{Set: "default", ID: "R1", Version: "1.0.0", From: 1, Document: doc}, nil)
	w.must("XA", &statement.PublishValueSet{ID: "v", Version: "1", Document: doc}, nil)
	dump(t, w.mem)
}

// TestPublishedBytes: an authority's documents are bounded together, and what it
// replaces or drops makes room.
func TestPublishedBytes(t *testing.T) {
	w := newWorld(t, "XA", "XB", "XC")
	big := statement.Document{Deflated: make([]byte, statement.MaxDocument), Size: 1}
	room := MaxPublishedBytes / statement.MaxDocument
	for i := range room - MaxRuleVersions {
		w.must("XA", &statement.PublishValueSet{ID: fmt.Sprintf("v%d", i), Version: "1", Document: big}, nil)
	}
	for i := range 2 * MaxRuleVersions { // the newest eight are kept
		w.must("XA", &statement.PublishRule{Set: "default", ID: "R1", Version: fmt.Sprintf("1.0.%d", i), From: 1, Document: big}, nil)
	}
	small := testDocument("{}")
	for _, body := range []statement.Body{
		&statement.PublishValueSet{ID: "one-more", Version: "1", Document: small},
		&statement.PublishRule{Set: "default", ID: "R2", Version: "1.0.0", From: 1, Document: small},
		&statement.DeclareCase{Name: "crew", Condition: &small, Reason: "r"},
	} {
		if v := w.say("XA", body, nil); v.Name != TooMuchPublished || v.Class() != Forbidden {
			t.Errorf("a %s beyond the bytes: %s", body.Kind(), v)
		}
	}
	w.must("XB", &statement.PublishValueSet{ID: "one-more", Version: "1", Document: small}, nil) // each has its own
	w.must("XA", &statement.PublishValueSet{ID: "v0", Version: "2", Document: small}, nil)       // a shorter one in the place of another
	w.must("XA", &statement.DeclareCase{Name: "crew", Condition: &small, Reason: "r"}, nil)
	dump(t, w.mem) // the sums agree
	rules, err := View{w.mem}.Rules("XA")
	if err != nil || len(rules) != 1 || len(rules[0].Published) != MaxRuleVersions {
		t.Fatalf("%+v (%v), want one rule with %d versions", rules, err, MaxRuleVersions)
	}
}

// TestRuleLists: each authority's things are listed apart, also of two regions of
// which one's id begins with the other's; and a rule's missing version is told of.
func TestRuleLists(t *testing.T) {
	w := newWorld(t, "CN", "CN-31", "XA")
	for _, by := range []statement.Region{"CN", "CN-31"} {
		w.must(by, &statement.PublishRule{Set: "default", ID: "R1", Version: "1.0.0", From: 1, Document: testDocument("{a}")}, nil)
		w.must(by, &statement.PublishRule{Set: "default", ID: "R1", Version: "1.0.1", From: 1, Document: testDocument("{b}")}, nil)
		w.must(by, &statement.PublishRule{Set: "default", ID: "R1-2", Version: "1.0.0", From: 1, Document: testDocument("{b}")}, nil)
		w.must(by, &statement.PublishRule{Set: "default-2", ID: "R1", Version: "1.0.0", From: 1, Document: testDocument("{b}")}, nil)
		w.must(by, &statement.PublishValueSet{ID: "v", Version: "1", Document: testDocument("{a}")}, nil)
		w.must(by, &statement.PublishScheme{Name: "s", Levels: []statement.SchemeLevel{{Name: "high", Refuse: true}}}, nil)
		w.must(by, &statement.DeclareCase{Name: "c", Reason: "r"}, nil)
	}
	v := View{w.mem}
	for _, by := range []statement.Region{"CN", "CN-31", "XA"} {
		want := 1
		if by == "XA" {
			want = 0
		}
		rules, err1 := v.Rules(by)
		sets, err2 := v.ValueSets(by)
		cases, err3 := v.SpecialCases(by)
		if err := errors.Join(err1, err2, err3); err != nil || len(rules) != 3*want || len(sets) != want || len(cases) != want {
			t.Errorf("%s: %d rules, %d value sets, %d special cases (%v)", by, len(rules), len(sets), len(cases), err)
		}
		for _, r := range rules {
			if r.Authority != by || len(r.Published) != len(r.Versions) {
				t.Errorf("%s has rule %+v", by, r)
			}
		}
		s, ok, err := v.Scheme(by, "s")
		if err != nil || ok != (want == 1) {
			t.Errorf("%s: scheme %v (%v)", by, ok, err)
		}
		if l, ok := s.Level("high"); ok != (want == 1) || l.Refuse != ok {
			t.Errorf("%s: level %+v", by, l)
		}
		if _, ok := s.Level("higher"); ok {
			t.Error("a level that nobody named")
		}
	}
	all, err1 := v.RulesAll()
	sets, err2 := v.ValueSetsAll()
	schemes, err3 := v.Schemes()
	cases, err4 := v.SpecialCasesAll()
	if err := errors.Join(err1, err2, err3, err4); err != nil || len(all) != 6 || len(sets) != 2 || len(schemes) != 2 || len(cases) != 2 {
		t.Errorf("in all %d rules, %d value sets, %d schemes, %d special cases (%v)", len(all), len(sets), len(schemes), len(cases), err)
	}
	w.mem.Put([]Write{{Key: ruleVersionKey("CN", "default", "R1", "1.0.0")}})
	if _, err := v.Rules("CN"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("without a version: %v, want ErrCorrupt", err)
	}
}

// TestEventForm: what a hash's entry holds has the form that it has had since
// level 1, unless the batch spares codes.
func TestEventForm(t *testing.T) {
	for want, b := range map[string]Batch{
		"\x82\xf4\x18\x64":         {Expires: 100},
		"\x82\xf5\x18\x64":         {Undo: true, Expires: 100},
		"\x83\xf4\x18\x64\x18\x32": {Expires: 100, IssuedBefore: 50},
	} {
		if got := b.event(); string(got) != want {
			t.Errorf("%+v: %x, want %x", b, got, want)
		}
		e, err := decodeEvent([]byte(want))
		if err != nil || e.Undo != b.Undo || e.Expires != b.Expires || e.IssuedBefore != b.IssuedBefore {
			t.Errorf("%x is read as %+v (%v)", want, e, err)
		}
	}
	for _, bad := range []string{"", "\x81\xf4", "\x83\xf4\x18\x64\x00", "\x83\xf4\x18\x64\x20", "\x84\xf4\x18\x64\x18\x32\x00"} {
		if _, err := decodeEvent([]byte(bad)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%x: %v, want ErrCorrupt", bad, err)
		}
	}
}
