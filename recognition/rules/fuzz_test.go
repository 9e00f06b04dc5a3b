package rules_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"golang.org/x/text/language"

	"concordat/ledger/statement"
	"concordat/recognition/certlogic"
	"concordat/recognition/rules"
)

// FuzzParseRule: any text is no rule, a rule for another engine, or one that can
// be judged, described and listed, the same each time.
func FuzzParseRule(f *testing.F) {
	f.Add(ruleText())
	f.Add(ruleText("Region", `"BW"`, "Type", `"Invalidation"`, "Logic", `{"no-such":[{"var":"payload"}]}`))
	f.Add(ruleText("Description", `[{"lang":"x-klingon","desc":"nuqneH"},{"lang":"de"}]`, "Version", `"1.0.0-rc.1+7"`))
	f.Add(ruleText("EngineVersion", `"2.0.0"`))
	f.Add([]byte(`{"Identifier":7}`))
	data := (&rules.External{Clock: time.Unix(1_625_000_000, 0), ValueSets: map[string]any{}}).Data(map[string]any{"v": []any{map[string]any{"dn": 1.0}}})
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := rules.ParseRule(text)
		if err != nil {
			if r != nil || !errors.Is(err, rules.ErrRule) && !errors.Is(err, rules.ErrEngine) {
				t.Fatalf("got %v, %v", r, err)
			}
			return
		}
		again, err := rules.ParseRule(text)
		if err != nil || !reflect.DeepEqual(r.Problems(), again.Problems()) || r.Describe(language.Korean) != again.Describe(language.Korean) {
			t.Fatalf("read again: %v, %+v", err, again)
		}
		met, err := r.Met(data, certlogic.NewBudget(1_000))
		if met && err != nil {
			t.Fatalf("met with an error: %v", err)
		}
		if too, fault := again.Met(data, certlogic.NewBudget(1_000)); met != too || (err == nil) != (fault == nil) {
			t.Fatalf("met is %v, %v and then %v, %v", met, err, too, fault)
		}
	})
}

// FuzzParseValueSets: any text is no value set, or one that is written and read
// as the same.
func FuzzParseValueSets(f *testing.F) {
	f.Add([]byte(`{"valueSetId":"x","valueSetDate":"2021-05-27","valueSetValues":{"a":{},"b":{}}}`))
	f.Add([]byte(`{"a":["x","y"],"b":[]}`))
	f.Add([]byte(`[{"valueSetId":"x","valueSetValues":{}}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		sets, err := rules.ParseValueSets(text)
		if err != nil {
			if !errors.Is(err, rules.ErrValueSet) {
				t.Fatalf("an error of no sort: %v", err)
			}
			return
		}
		for _, v := range sets {
			written, err := v.Marshal(time.Unix(0, 0))
			if err != nil {
				t.Fatal(err)
			}
			distinct := map[string]bool{}
			for _, c := range v.Codes {
				distinct[c] = true
			}
			if len(distinct) < len(v.Codes) {
				continue // a list may name a code twice, an object may not
			}
			back, err := rules.ParseValueSet(written)
			if err != nil || back.ID != v.ID || len(back.Codes) != len(v.Codes) {
				t.Fatalf("%s: %v, %+v", written, err, back)
			}
		}
	})
}

// FuzzText: any document is damaged, or gives a text of its size and digest.
func FuzzText(f *testing.F) {
	d, err := rules.Document(ruleText())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(d.Deflated, d.Size)
	f.Add([]byte{1, 0, 0, 0xff, 0xff}, uint64(1))
	f.Fuzz(func(t *testing.T, deflated []byte, size uint64) {
		text, err := rules.Text(statement.Document{Deflated: deflated, Size: size, Digest: d.Digest})
		if err == nil && (uint64(len(text)) != size || size != d.Size) || err != nil && !errors.Is(err, rules.ErrDocument) {
			t.Fatalf("%d bytes, %v", len(text), err)
		}
	})
}

// BenchmarkMet is one rule for one code: the dearest of Germany's, by its first case.
func BenchmarkMet(b *testing.B) {
	for _, id := range []string{"VR-DE-0001", "VR-DE-0004", "TR-DE-0001"} {
		b.Run(id, func(b *testing.B) {
			r, err := rules.ParseRule(read(b, "testdata/DE/"+id+"/rule.json"))
			if err != nil {
				b.Fatal(err)
			}
			c, err := rules.ParseCase(read(b, "testdata/DE/"+id+"/tests/test003.json"))
			if err != nil {
				b.Fatal(err)
			}
			data := map[string]any{"payload": c.Payload, "external": map[string]any(c.External)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Met(data, certlogic.NewBudget(rules.MaxSteps)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParseRule is reading a rule, which a check does once for each rule that is new to it.
func BenchmarkParseRule(b *testing.B) {
	text := read(b, "testdata/DE/VR-DE-0004/rule.json")
	if !json.Valid(text) {
		b.Fatal("no JSON")
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rules.ParseRule(text); err != nil {
			b.Fatal(err)
		}
	}
}
