package rules_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"concordat/healthcode"
	"concordat/ledger/statement"
	"concordat/recognition/certlogic"
	"concordat/recognition/rules"
)

// TestParse: what a rule cannot do without, and what it may be without.
func TestParse(t *testing.T) {
	r, err := rules.ParseRule(ruleText("Region", `"BW"`))
	if err != nil || r.Problems() != nil {
		t.Fatalf("%v, problems %v", err, r.Problems())
	}
	if r.Identifier != "VR-DE-0001" || r.Type != rules.Acceptance || r.Region != "BW" || !r.ValidFrom.Equal(time.Date(2021, 7, 3, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("read as %+v", r)
	}
	for _, c := range []struct{ field, value, says string }{
		{"Identifier", ``, "Identifier is missing"},
		{"Identifier", `7`, "Identifier is no text"},
		{"Identifier", `"a/b"`, "want letters"},
		{"Type", `"Rejection"`, "want Acceptance or Invalidation"},
		{"Version", `"1.0"`, "want one like 1.0.3"},
		{"Version", `"01.0.0"`, "want one like 1.0.3"},
		{"CertificateType", `"Visa"`, "want General"},
		{"ValidFrom", `"tomorrow"`, "want RFC 3339"},
		{"ValidTo", `"2020-01-01T00:00:00Z"`, "ValidTo is before ValidFrom"},
		{"Region", `"bw"`, "capital letters"},
		{"Logic", ``, "Logic is missing"},
		{"Logic", `{"var":"a","var":"b"}`, "malformed expression"},
	} {
		_, err := rules.ParseRule(ruleText(c.field, c.value))
		if !errors.Is(err, rules.ErrRule) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %s: %v, want %q", c.field, c.value, err, c.says)
		}
	}
	for _, text := range []string{``, `[]`, `{`, `{} {}`, `{"Type":"Acceptance","Type":"Invalidation"}`, strings.Repeat(" ", statement.MaxDocumentText+1)} {
		if _, err := rules.ParseRule([]byte(text)); !errors.Is(err, rules.ErrRule) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	for _, c := range [][2]string{{"Engine", `"JAVASCRIPT"`}, {"EngineVersion", `"2.0.0"`}, {"EngineVersion", `"x"`}} {
		if _, err := rules.ParseRule(ruleText(c[:]...)); !errors.Is(err, rules.ErrEngine) {
			t.Errorf("%s %s: %v", c[0], c[1], err)
		}
	}
}

// TestProblems: what departs from the schema applies all the same, and is said.
func TestProblems(t *testing.T) {
	for _, c := range []struct{ field, value, says string }{
		{"Hash", `"x"`, `the property "Hash" is not in the schema`},
		{"identifier", `"x"`, `"identifier" is not in the schema`},
		{"Identifier", `"XY-1"`, "want the form VR-DE-0001"},
		{"Identifier", `"TR-DE-0001"`, "begins with TR, which is for Test"},
		{"Identifier", `"IR-DE-0001"`, "begins with IR, and Type is Acceptance"},
		{"Type", `"Invalidation"`, "begins with VR, and Type is Invalidation"},
		{"Country", `"AT"`, "Identifier names DE"},
		{"Country", `"Germany"`, "want two capital letters"},
		{"SchemaVersion", ``, "SchemaVersion"},
		{"EngineVersion", `"1.3"`, "EngineVersion"},
		{"ValidFrom", `"2021-07-03T00:00:00.000Z"`, "want whole seconds"},
		{"AffectedFields", `[]`, "AffectedFields"},
		{"Description", `[{"lang":"de","desc":"Es muss eine Impfung vorhanden sein."}]`, "no text in English"},
		{"Description", `[{"lang":"en","desc":"Too short."}]`, "has 10 characters, want 20"},
		{"Description", `"none"`, "no text in English"},
		{"Logic", `{"or":[true,false]}`, `the operation "or" is unknown`},
	} {
		r, err := rules.ParseRule(ruleText(c.field, c.value))
		if err != nil {
			t.Errorf("%s %s: %v", c.field, c.value, err)
		} else if !strings.Contains(strings.Join(r.Problems(), "\n"), c.says) {
			t.Errorf("%s %s: %q, want %q", c.field, c.value, r.Problems(), c.says)
		}
	}
}

// TestUpload: what the EU gateway would object to.
func TestUpload(t *testing.T) {
	now := time.Date(2021, 7, 1, 0, 0, 0, 0, time.UTC)
	one := func(replaced ...string) *rules.Rule {
		r, err := rules.ParseRule(ruleText(replaced...))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	before := one("Version", `"1.0.0"`, "ValidFrom", `"2021-06-01T00:00:00Z"`)
	for _, c := range []struct {
		rule *rules.Rule
		says string // "": nothing
	}{
		{one("Version", `"1.0.1"`, "ValidFrom", `"2021-07-03T00:00:00Z"`), ""},
		{one("Version", `"1.0.1"`, "ValidFrom", `"2021-07-02T23:59:59Z"`), "48 hours ahead"},
		{one("Version", `"1.0.1"`, "ValidFrom", `"2021-07-15T00:00:01Z"`), "14 days ahead"},
		{one("Version", `"1.0.0"`), "does not come after 1.0.0"},
		{one("Version", `"1.0.1"`, "ValidFrom", `"2021-05-01T00:00:00Z"`), "before that of version 1.0.0"},
		{one("Version", `"1.0.1"`, "Type", `"Invalidation"`, "ValidFrom", `"2021-07-01T00:00:01Z"`), ""},
		{one("Version", `"1.0.1"`, "Type", `"Invalidation"`, "ValidFrom", `"2021-06-30T00:00:00Z"`), "in the past"},
	} {
		got := strings.Join(c.rule.UploadProblems(now, before), "\n")
		if !strings.Contains(got, c.says) || c.says == "" && got != "" {
			t.Errorf("version %s from %s: %q, want %q", c.rule.Version, c.rule.ValidFrom, got, c.says)
		}
	}
}

// TestDescribe: the wanted language, else English, else what there is.
func TestDescribe(t *testing.T) {
	r, err := rules.ParseRule(ruleText())
	if err != nil {
		t.Fatal(err)
	}
	for wanted, want := range map[string]string{"": "en", "de-AT": "de", "zh-Hans": "zh-CN", "zh-TW": "zh-CN", "ko": "en", "fr;q=0.9,de;q=0.5": "de", "en-US": "en"} {
		tags, _, err := language.ParseAcceptLanguage(wanted)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Describe(tags...); got.Lang != want {
			t.Errorf("for %q: %s, want %s", wanted, got.Lang, want)
		}
	}
	for list, want := range map[string]string{
		`[{"lang":"fr","desc":"Il faut un vaccin reconnu."},{"lang":"de","desc":"x"}]`: "fr",
		`[{"lang":"!!","desc":"of no language at all"}]`:                               "!!",
		`[]`: "", `7`: "",
	} {
		r, err := rules.ParseRule(ruleText("Description", list))
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Describe(language.Korean); got.Lang != want {
			t.Errorf("of %s: %q, want %q", list, got.Lang, want)
		}
	}
	long, err := rules.ParseRule(ruleText("Description", `[{"lang":"en","desc":"`+strings.Repeat("ä", rules.MaxDescription)+`"}]`))
	if err != nil || len(long.Describe().Desc) > rules.MaxDescription+len("…") {
		t.Errorf("%v: %d bytes", err, len(long.Describe().Desc))
	}
}

// TestApplies: for which codes and arrivals a rule is.
func TestApplies(t *testing.T) {
	for _, c := range []struct {
		certificate string
		kind        healthcode.Kind
		want        bool
	}{
		{`"General"`, healthcode.Vaccination, true}, {`"General"`, healthcode.Itinerary, false},
		{`"Vaccination"`, healthcode.Vaccination, true}, {`"Vaccination"`, healthcode.Test, false},
		{`"Health"`, healthcode.Health, true}, {`"Itinerary"`, healthcode.Health, false}, {`"Test"`, "", false},
	} {
		r, err := rules.ParseRule(ruleText("CertificateType", c.certificate))
		if err != nil || r.AppliesTo(c.kind) != c.want {
			t.Errorf("%s to %q: %v, want %v", c.certificate, c.kind, err, c.want)
		}
	}
	for _, c := range []struct {
		region, kind string
		arrival      statement.Area
		want         bool
	}{
		{`""`, `"Acceptance"`, "DE", true}, {`"BW"`, `"Acceptance"`, "DE", false}, {`"BW"`, `"Acceptance"`, "DE-BW", true},
		{`"BW"`, `"Acceptance"`, "DE-BW-08111", true}, {`"BW"`, `"Acceptance"`, "DE-BY", false}, {`"BW"`, `"Acceptance"`, "AT-BW", false},
		{`"BW"`, `"Invalidation"`, "AT", true},
	} {
		r, err := rules.ParseRule(ruleText("Region", c.region, "Type", c.kind))
		if err != nil || r.AppliesIn("DE", c.arrival) != c.want {
			t.Errorf("region %s (%s) in %s: %v, want %v", c.region, c.kind, c.arrival, err, c.want)
		}
	}
}

// TestMet: a rule is met if it comes to true; an error counts as not met, and takes no more than its steps.
func TestMet(t *testing.T) {
	payload := map[string]any{"v": []any{map[string]any{"dn": 2.0, "dt": "1964-08-12"}}}
	x := rules.External{Clock: time.Date(2021, 8, 1, 12, 0, 0, 0, time.FixedZone("", 7200)), ValueSets: rules.CodesOf(rules.ValueSet{ID: "a", Codes: []string{"x"}}),
		Country: "DE", Region: "BW", Issuer: "AT", KeyID: "AAAAAAAAAAA=", IssuedAt: time.Unix(1_600_000_000, 0)}
	for _, c := range []struct {
		logic string
		met   bool
		err   error
	}{
		{`{"===":[{"var":"payload.v.0.dn"},2]}`, true, nil},
		{`{"var":"payload.v.0.dn"}`, false, nil}, // truthy, and not true
		{`{"and":["",true]}`, false, nil},
		{`{"in":["x",{"var":"external.valueSets.a"}]}`, true, nil},
		{`{"in":["x",{"var":"external.valueSets.b"}]}`, false, certlogic.ErrOperand},
		{`{"===":[[{"var":"external.validationClock"},{"var":"external.countryCode"},{"var":"external.region"},{"var":"external.issuerCountryCode"},{"var":"external.kid"}],["2021-08-01T10:00:00Z","DE","BW","AT","AAAAAAAAAAA="]]}`, true, nil},
		{`{"===":[[{"var":"external.iat"},{"var":"external.exp"}],["2020-09-13T12:26:40Z",{"var":"missing"}]]}`, true, nil},
		{`{"before":[{"plusTime":[{"var":"payload.v.0.dt"},18,"year"]},{"plusTime":[{"var":"external.validationClock"},0,"day"]}]}`, true, nil},
		{`{"no-such":[1]}`, false, certlogic.ErrInvalid},
	} {
		r, err := rules.ParseRule(ruleText("Logic", c.logic))
		if err != nil {
			t.Fatal(err)
		}
		b := certlogic.NewBudget(1_000)
		met, err := r.Met(x.Data(payload), b)
		if met != c.met || !errors.Is(err, c.err) || b.Left() >= 1_000 || b.Left() < 900 {
			t.Errorf("%s: %v, %v, %d steps left; want %v, %v", c.logic, met, err, b.Left(), c.met, c.err)
		}
	}
	r, err := rules.ParseRule(ruleText())
	if err != nil {
		t.Fatal(err)
	}
	if met, err := r.Met(x.Data(payload), certlogic.NewBudget(2)); met || !errors.Is(err, certlogic.ErrBudget) {
		t.Errorf("with 2 steps: %v, %v", met, err)
	}
}

// TestRun: a case is passed by what it expects.
func TestRun(t *testing.T) {
	r, err := rules.ParseRule(ruleText("Logic", `{"in":["x",{"var":"external.valueSets.a"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	sets := rules.CodesOf(rules.ValueSet{ID: "a", Codes: []string{"x"}})
	for text, want := range map[string]bool{
		`{"payload":{},"expected":true}`:                                         true,
		`{"payload":{},"expected":false}`:                                        false,
		`{"payload":{},"external":{"valueSets":{"a":["y"]}},"expected":false}`:   true,
		`{"payload":{},"external":{"valueSets":{}},"expected":false}`:            true, // an error is not met
		`{"payload":{},"external":{"validationClock":"2021"},"expected":true}`:   true,
		`{"payload":null,"external":{"valueSets":{"a":["x"]}},"expected":"yes"}`: false,
	} {
		c, err := rules.ParseCase([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := rules.Run(r, c, sets); got.Passed != want {
			t.Errorf("%s: %+v, want passed %v", text, got, want)
		}
	}
	for _, bad := range []string{``, `[]`, `{"payload":{}}`, `{"payload":{},"expected":true,"name":7}`, `{"payload":{},"expected":true,"external":[]}`} {
		if _, err := rules.ParseCase([]byte(bad)); !errors.Is(err, rules.ErrCase) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
