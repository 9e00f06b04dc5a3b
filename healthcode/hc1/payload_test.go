package hc1

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"concordat/healthcode"
)

// TestPayload: what acceptance rules see is eu_dcc_v1 as it was published.
func TestPayload(t *testing.T) {
	c := vaccination()
	entry(c)["dt"], entry(c)["dn"], entry(c)["ma"] = cbor.Tag{Number: 0, Content: "2021-02-18T00:00:00Z"}, 2.0, nil
	dcc(c)["t"], dcc(c)["more"] = nil, m{"x": []any{cbor.Tag{Number: 1, Content: 1620000000}, true}}
	v := mustVerify(t, forged(t, func(f *forgery) { f.claims = c }), keyP256().Public())
	want := map[string]any{
		"ver": "1.3.0",
		"nam": map[string]any{"fn": forgedName, "gn": "Ilse", "fnt": "ZWETSCHKENBAUM", "gnt": "ILSE"},
		"dob": forgedDOB,
		"t":   nil,
		"v": []any{map[string]any{
			"tg": "840539006", "vp": "1119349007", "mp": "EU/1/20/1528", "ma": nil,
			"dn": 2.0, "sd": 2.0, "dt": "2021-02-18T00:00:00Z", "co": "XA", "is": "Ministry of Health", "ci": forgedUCI,
		}},
		"more": map[string]any{"x": []any{"2021-05-03T00:00:00Z", true}},
	}
	got := v.Payload()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	// It is the caller's: what one does to it, the next does not see.
	got.(map[string]any)["ver"] = "changed"
	got.(map[string]any)["v"].([]any)[0].(map[string]any)["dn"] = 9.0
	if !reflect.DeepEqual(v.Payload(), want) {
		t.Error("the payload was changed from outside")
	}
}

// TestPayloadOfCorpus: the payload is the JSON that stands in the test data
// beside the code, which the decoder never reads.
func TestPayloadOfCorpus(t *testing.T) {
	compared := 0
	for _, root := range corpusRoots {
		cases, _ := loadCorpus(t, root)
		for _, c := range cases {
			_, v, _ := c.judge()
			if v == nil {
				continue
			}
			data, err := os.ReadFile(filepath.Join(root, c.Path))
			if err != nil {
				t.Fatal(err)
			}
			var file struct{ JSON map[string]any }
			if json.Unmarshal(data, &file) != nil || file.JSON == nil {
				continue // some begin with a byte order mark, or have no JSON
			}
			got, _ := v.Payload().(map[string]any)
			for _, group := range groups {
				// An issuer's generator of JSON is not always that of the code: texts are
				// compared, which all agree on.
				want, _ := file.JSON[group.key].([]any)
				have, _ := got[group.key].([]any)
				if len(want) != 1 || len(have) != 1 {
					continue
				}
				entry, read := want[0].(map[string]any), have[0].(map[string]any)
				for _, member := range []string{"tg", "ci", "co", "vp", "tt"} {
					if entry[member] != read[member] {
						t.Errorf("%s: member %s differs", c.Path, member)
					}
				}
				compared++
			}
		}
	}
	if compared < corpusMinimum/2 {
		t.Errorf("%d payloads compared, want %d at least", compared, corpusMinimum/2)
	}
}

func TestAlgorithmAndHolder(t *testing.T) {
	v := mustVerify(t, forged(t), keyP256().Public())
	if v.Algorithm() != healthcode.ES256 || v.Holder() != (healthcode.Holder{BirthDate: forgedDOB}) {
		t.Errorf("algorithm %s, holder has %d characters of birth date", v.Algorithm(), len(v.Holder().BirthDate))
	}
	v = mustVerify(t, forged(t, func(f *forgery) {
		f.protected = enc(t, m{1: -37, 4: forgedKeyID})
		f.sign = func(s []byte) any { return signRSA(t, keyRSA(), 32, s) }
	}), keyRSA().Public())
	if v.Algorithm() != healthcode.PS256 {
		t.Errorf("algorithm %s", v.Algorithm())
	}
	for dob, want := range map[any]string{
		"1957":                "1957",
		"1957-03":             "1957-03",
		"1957-03-29":          "1957-03-29",
		"1957-03-29T00:00:00": "1957-03-29",
		"":                    "",
		nil:                   "",
		"29.03.1957":          "",
		"1957-XX":             "",
		"unknown":             "",
		1957:                  "1957",
	} {
		v := mustVerify(t, forged(t, func(f *forgery) {
			c := vaccination()
			dcc(c)["dob"] = dob
			f.claims = c
		}), keyP256().Public())
		if got := v.Holder().BirthDate; got != want {
			t.Errorf("dob %v gives %q, want %q", dob, got, want)
		}
	}
	date := cbor.Tag{Number: 0, Content: "1957-03-29T00:00:00Z"}
	v = mustVerify(t, forged(t, func(f *forgery) {
		c := vaccination()
		dcc(c)["dob"] = date
		f.claims = c
	}), keyP256().Public())
	if got := v.Holder().BirthDate; got != forgedDOB {
		t.Errorf("a tagged time gives %q", got)
	}
}
