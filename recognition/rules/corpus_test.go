package rules_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"concordat/recognition/certlogic"
	"concordat/recognition/rules"
)

// corpora are folders with rules and their tests, as dgc-business-rules-testdata
// has them: COUNTRY/RULE/rule.json and COUNTRY/RULE/tests/. The first is part of
// this repository; the second, with more of the same, is run as well where it exists.
var corpora = []struct {
	root  string
	rules int // at least
	cases int
}{{"testdata", 11, 60}, {"../../../shared/corpus/rules", 55, 366}}

// TestCorpus: every published rule is read, packed, unpacked and met as its tests say.
func TestCorpus(t *testing.T) {
	for _, c := range corpora {
		files, err := filepath.Glob(filepath.Join(c.root, "*", "*", "rule.json"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 && c.root != "testdata" {
			continue
		}
		all, err := rules.ParseValueSets(read(t, filepath.Join(c.root, "valuesets", "valueSets.json")))
		if err != nil {
			t.Fatal(err)
		}
		sets := rules.CodesOf(all...)
		cases, most := 0, 0
		for _, file := range files {
			text := read(t, file)
			d, err := rules.Document(text)
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if text, err = rules.Text(d); err != nil {
				t.Errorf("%s: unpacked: %v", file, err)
				continue
			}
			r, err := rules.ParseRule(text)
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if p := r.Problems(); p != nil {
				t.Errorf("%s: %v", file, p)
			}
			tests, err := filepath.Glob(filepath.Join(filepath.Dir(file), "tests", "*.json"))
			if err != nil {
				t.Fatal(err)
			}
			for _, test := range tests {
				c, err := rules.ParseCase(read(t, test))
				if err != nil {
					t.Errorf("%s: %v", test, err)
					continue
				}
				cases++
				if got := rules.Run(r, c, sets); !got.Passed {
					t.Errorf("%s (%s): met is %v (%v), want %v", test, c.Name, got.Met, got.Err, c.Expected)
				} else if got.Err != nil {
					t.Errorf("%s (%s): an error: %v", test, c.Name, got.Err)
				}
				b := certlogic.NewBudget(rules.MaxSteps)
				if _, err := r.Met(map[string]any{"payload": c.Payload, "external": c.External}, b); err != nil {
					t.Error(err)
				}
				most = max(most, rules.MaxSteps-b.Left())
			}
		}
		t.Logf("%s: %d rules, %d cases, at most %d steps", c.root, len(files), cases, most)
		if len(files) < c.rules || cases < c.cases {
			t.Errorf("%s: %d rules and %d cases, want %d and %d or more: is it whole?", c.root, len(files), cases, c.rules, c.cases)
		}
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ruleText is a rule with some of its fields replaced: "Name", "value as JSON"; "" leaves the field out.
func ruleText(replaced ...string) []byte {
	fields := []string{
		"Identifier", `"VR-DE-0001"`, "Type", `"Acceptance"`, "Country", `"DE"`, "Version", `"1.0.0"`, "SchemaVersion", `"1.0.0"`,
		"Engine", `"CERTLOGIC"`, "EngineVersion", `"0.7.5"`, "CertificateType", `"Vaccination"`,
		"Description", `[{"lang":"de","desc":"Es muss eine Impfung vorhanden sein."},{"lang":"en","desc":"There must be a vaccination."},{"lang":"zh-CN","desc":"必须有一次疫苗接种的记录，否则不予承认。"}]`,
		"ValidFrom", `"2021-07-03T00:00:00Z"`, "ValidTo", `"2030-06-01T00:00:00Z"`, "AffectedFields", `["v.0"]`, "Logic", `{"!":[{"!":[{"var":"payload.v.0"}]}]}`,
	}
	for i := 0; i < len(replaced); i += 2 {
		found := false
		for j := 0; j < len(fields); j += 2 {
			if fields[j] == replaced[i] {
				fields[j+1], found = replaced[i+1], true
			}
		}
		if !found {
			fields = append(fields, replaced[i:i+2]...)
		}
	}
	var out []string
	for i := 0; i < len(fields); i += 2 {
		if fields[i+1] != "" {
			out = append(out, `"`+fields[i]+`":`+fields[i+1])
		}
	}
	return []byte("{" + strings.Join(out, ",") + "}")
}
