package rules_test

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition/rules"
)

// TestDocument: a document gives its text back, and nothing else.
func TestDocument(t *testing.T) {
	text := ruleText()
	d, err := rules.Document(text)
	if err != nil || d.Validate() != nil {
		t.Fatal(err, d.Validate())
	}
	if got, err := rules.Text(d); err != nil || !bytes.Equal(got, text) {
		t.Fatalf("%v: %q", err, got)
	}
	for name, damage := range map[string]func(d *statement.Document){
		"another digest":    func(d *statement.Document) { d.Digest[0]++ },
		"a smaller size":    func(d *statement.Document) { d.Size-- },
		"a greater size":    func(d *statement.Document) { d.Size++ },
		"no size":           func(d *statement.Document) { d.Size = 0 },
		"a huge size":       func(d *statement.Document) { d.Size = 1 << 60 },
		"cut short":         func(d *statement.Document) { d.Deflated = d.Deflated[:len(d.Deflated)-3] },
		"more that follows": func(d *statement.Document) { d.Deflated = append(bytes.Clone(d.Deflated), 0) },
		"nothing":           func(d *statement.Document) { d.Deflated = nil },
		"no DEFLATE":        func(d *statement.Document) { d.Deflated = []byte{0xff, 0xff, 0xff} },
		"a bomb":            func(d *statement.Document) { d.Deflated = deflate(t, make([]byte, 1<<24)) },
	} {
		bad := d
		damage(&bad)
		if got, err := rules.Text(bad); !errors.Is(err, rules.ErrDocument) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	noise := make([]byte, statement.MaxDocument+100)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for name, text := range map[string][]byte{"empty": nil, "too long": make([]byte, statement.MaxDocumentText+1), "not compressible": noise} {
		if _, err := rules.Document(text); !errors.Is(err, rules.ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func deflate(t *testing.T, text []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestRead: a document has to be of the rule that its statement names.
func TestRead(t *testing.T) {
	d, err := rules.Document(ruleText())
	if err != nil {
		t.Fatal(err)
	}
	good := state.RuleVersion{ID: "VR-DE-0001", Version: "1.0.0", Document: d}
	r, err := rules.Read(good.Document)
	if err != nil || r.Is(good) != nil {
		t.Fatal(err, r.Is(good))
	}
	for name, change := range map[string]func(v *state.RuleVersion){
		"id": func(v *state.RuleVersion) { v.ID = "VR-DE-0002" }, "version": func(v *state.RuleVersion) { v.Version = "1.0.1" },
		"type": func(v *state.RuleVersion) { v.Invalidation = true },
	} {
		bad := good
		change(&bad)
		if err := r.Is(bad); !errors.Is(err, rules.ErrRule) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	d.Digest = sha256.Sum256(nil)
	if _, err := rules.Read(d); !errors.Is(err, rules.ErrDocument) {
		t.Error(err)
	}
}

// TestInForce: of the versions in force the highest counts, whatever the order of publishing.
func TestInForce(t *testing.T) {
	r := state.RuleRecord{Published: []state.RuleVersion{
		{Version: "1.0.0", From: 100, Until: 1_000}, {Version: "1.10.0", From: 300, Until: 400},
		{Version: "1.9.0", From: 200, Until: 500}, {Version: "1.0.0-rc.1", From: 50, Until: 2_000}, {Version: "2.0.0", From: 600},
	}}
	for at, want := range map[int64]string{
		49: "", 50: "1.0.0-rc.1", 99: "1.0.0-rc.1", 100: "1.0.0", 200: "1.9.0", 299: "1.9.0", 300: "1.10.0", 400: "1.10.0", 401: "1.9.0",
		500: "1.9.0", 501: "1.0.0", 600: "2.0.0", 9_999_999: "2.0.0",
	} {
		v, ok := rules.InForce(r, time.Unix(at, 0))
		if v.Version != want || ok != (want != "") {
			t.Errorf("at %d: %q, %v; want %q", at, v.Version, ok, want)
		}
	}
	r.RetiredAt = 700
	if v, ok := rules.InForce(r, time.Unix(699, 999)); !ok || v.Version != "2.0.0" {
		t.Error("it is retired early")
	}
	if _, ok := rules.InForce(r, time.Unix(700, 0)); ok {
		t.Error("it is not retired")
	}
}

// TestValueSets: every form in which they come.
func TestValueSets(t *testing.T) {
	const one = `{"valueSetId":"vaccines","valueSetDate":"2021-05-27","valueSetValues":{"EU/1/20/1528":{"display":"Comirnaty","lang":"en","active":true,"version":"","system":""},"CoronaVac":{}}}`
	want := rules.ValueSet{ID: "vaccines", Date: "2021-05-27", Codes: []string{"EU/1/20/1528", "CoronaVac"}}
	for text, want := range map[string][]rules.ValueSet{
		one: {want}, "\ufeff" + one: {want}, "[" + one + "]": {want},
		`{"vaccines":["a","b"],"results":[]}`: {{ID: "vaccines", Codes: []string{"a", "b"}}, {ID: "results", Codes: []string{}}},
	} {
		if got, err := rules.ParseValueSets([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{
		``, `7`, `{}`, `{"a b":["x"]}`, `{"a":"x"}`, `{"a":[7]}`, `{"a":["x"],"a":["y"]}`, "[" + one + "," + one + "]", `[{}]`,
		`{"valueSetId":"x"}`, `{"valueSetId":"x","valueSetValues":[]}`, `{"valueSetId":"","valueSetValues":{}}`, `{"valueSetId":7,"valueSetValues":{}}`,
		`{"valueSetId":"x","valueSetDate":"27 May","valueSetValues":{}}`, `{"valueSetId":"x","valueSetValues":{"a":{},"a":{}}}`,
		`{"x":[` + strings.Repeat(`"a",`, rules.MaxCodes) + `"a"]}`,
	} {
		if got, err := rules.ParseValueSets([]byte(bad)); !errors.Is(err, rules.ErrValueSet) {
			t.Errorf("%.60s: %+v, %v", bad, got, err)
		}
	}
	bare := rules.ValueSet{ID: "x", Codes: []string{"b", `quoted "a"`, "<"}}
	text, err := bare.Marshal(time.Date(2021, 5, 28, 1, 0, 0, 0, time.FixedZone("", 7200)))
	if err != nil {
		t.Fatal(err)
	}
	back, err := rules.ParseValueSet(text)
	bare.Date = "2021-05-27"
	if err != nil || !reflect.DeepEqual(back, bare) {
		t.Errorf("%s: %+v, %v", text, back, err)
	}
	if got := fmt.Sprint(rules.CodesOf(bare)["x"]); got != `[b quoted "a" <]` {
		t.Error(got)
	}
}
