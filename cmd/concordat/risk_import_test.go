package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
)

func importFlags(t *testing.T) *listFlags {
	t.Helper()
	d := &listFlags{riskFlags: riskFlags{scheme: "ecdc-2021-06", lookback: 14, legalRef: "decree 7"}}
	if err := d.from.Set("2021-06-03T00:00:00Z"); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestReadRiskList(t *testing.T) {
	const text = "\ufeffArea, Level, From, lookback-days, effect\r\n" +
		"EL30,dark-red,,,\r\n" +
		"DE-BY,red,2021-06-10,7,note\r\n" +
		"\"310115\",orange,2021-06-10T12:00:00Z,,refuse\n"
	list, err := importFlags(t).parseList([]byte(strings.TrimPrefix(text, "\ufeff")))
	if err != nil {
		t.Fatal(err)
	}
	for area, want := range map[statement.Area]string{
		"GR-EL30":    "dark-red, stays refused for 14 days, from 2021-06-03T00:00:00Z until further notice",
		"DE-BY":      "red, stays noted for 7 days, from 2021-06-10T00:00:00Z until further notice",
		"CN-31-0115": "orange, stays refused for 14 days, from 2021-06-10T12:00:00Z until further notice",
	} {
		if got := levelInWords(list[area].level); got != want {
			t.Errorf("%s: %s, want %s", area, got, want)
		}
	}
	if len(list) != 3 {
		t.Errorf("%d areas, want 3", len(list))
	}
	semicolons, err := importFlags(t).parseList([]byte("area;level;legal_ref\nXA-1;red;decree 8, article 2\n"))
	if err != nil || semicolons["XA-1"].level.LegalRef != "decree 8, article 2" {
		t.Errorf("with semicolons: %+v, %v", semicolons, err)
	}
}

// TestRiskListTakesScheme: what neither a line nor a flag says is as the
// authority's own scheme has the level.
func TestRiskListTakesScheme(t *testing.T) {
	d := importFlags(t)
	d.own = &client.Scheme{Authority: "XA", Name: "ecdc-2021-06", Levels: []client.SchemeLevel{{Name: "green"}, {Name: "red", Refuse: true, Lookback: 10}}}
	list, err := d.parseList([]byte("area,level,lookback_days,effect\nXA-1,green,,\nXA-2,red,,\nXA-3,red,7,note\n"))
	if err != nil {
		t.Fatal(err)
	}
	for area, want := range map[statement.Area]string{
		"XA-1": "green, stays noted for 14 days", "XA-2": "red, stays refused for 10 days", "XA-3": "red, stays noted for 7 days",
	} {
		if got := levelInWords(list[area].level); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", area, got, want)
		}
	}
	if _, err := d.parseList([]byte("area,level\nXA-1,purple\n")); err == nil || !strings.Contains(err.Error(), `level "purple" is none of the scheme ecdc-2021-06 that XA has published: green, red`) {
		t.Errorf("a level that the scheme has not: %v", err)
	}
}

func TestRiskListFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "line of headings",
		"area,colour\nXA-1,red\n":              `heading "colour" is unknown`,
		"level\nred\n":                         "there is no column area",
		"area,area,level\nXA,XA,red\n":         "heading area is there twice",
		"area,level\nXA-1,red\nxa-1,orange\n":  "line 3: XA-1 stands in line 2 already",
		"area,level\n12,red\nXA-1,Red\n":       `line 2: not an area id: "12"`,
		"area,level,lookback_days\nXA,red,9x":  "lookback_days is \"9x\"",
		"area,level,lookback_days\nXA,red,400": "look-back is 400 days, at most 366",
		"area,level,effect\nXA,red,stop\n":     `effect is "stop", want refuse or note`,
		"area,level,until\nXA,red,2021-06-01":  "is not after from",
		"area,level\nXA\n":                     "wrong number of fields",
	} {
		if _, err := importFlags(t).parseList([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	var many strings.Builder
	many.WriteString("area,level\n")
	for range 100 {
		many.WriteString("no area,red\n")
	}
	_, err := importFlags(t).parseList([]byte(many.String()))
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != maxFaults {
		t.Errorf("%d faults told, want %d", n, maxFaults)
	}
}

func FuzzRiskList(f *testing.F) {
	f.Add([]byte("area,level,from,until,lookback_days,effect,legal_ref\nEL30,red,2021-06-01,2021-07-01,14,refuse,x\n"))
	f.Add([]byte("area;level\n310115;high\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d := &listFlags{riskFlags: riskFlags{scheme: "default", lookback: 14, from: moment{time.Unix(1, 0)}}}
		list, err := d.parseList(text)
		if err != nil {
			return
		}
		for area, row := range list {
			if err := row.level.Validate(); err != nil || row.level.Area != area {
				t.Fatalf("%s is taken as %+v: %v", area, row.level, err)
			}
		}
	})
}

// TestCompareAreas: what is said makes what stands what is listed, and what is
// so already is not said again.
func TestCompareAreas(t *testing.T) {
	at := func(s string) *time.Time {
		x, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return &x
	}
	june := at("2021-06-03T00:00:00Z")
	standing := func(area, level string, revision uint64) client.RiskArea {
		return client.RiskArea{Area: area, Authority: "XA", Scheme: "ecdc-2021-06", Level: level, Refuse: true, From: june, Lookback: 14,
			LegalRef: "decree 7", Standing: true, Revision: revision}
	}
	lifted := standing("XA-4", "red", 3)
	lifted.Standing, lifted.Until = false, at("2021-06-08T00:00:00Z")
	others := standing("XA-5", "red", 1)
	others.Authority = "XB"
	elsewhere := standing("XA-6", "red", 1)
	elsewhere.Scheme = "default"
	declared := []client.RiskArea{standing("XA-1", "red", 1), standing("XA-2", "red", 4), standing("XA-3", "red", 2), lifted, others, elsewhere}

	d := importFlags(t)
	d.from = moment{*at("2021-06-10T00:00:00Z")}
	list, err := d.parseList([]byte("area,level\nXA-1,red\nXA-2,orange\nXA-4,red\nXA-5,red\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, lift := range []bool{false, true} {
		r := compareAreas("XA", "ecdc-2021-06", list, declared, lift)
		var got []string
		for _, c := range r.Declared {
			got = append(got, fmt.Sprintf("declare %s as revision %d", c.Area, c.saying.revision))
		}
		for _, c := range r.Changed {
			got = append(got, fmt.Sprintf("change %s as revision %d", c.Area, c.saying.revision))
		}
		for _, c := range r.Lifted {
			got = append(got, fmt.Sprintf("lift %s as revision %d", c.Area, c.saying.revision))
		}
		got = append(got, fmt.Sprintf("%d the same, missing %v", r.Same, r.Missing))
		want := "declare XA-4 as revision 4; declare XA-5 as revision 0; change XA-2 as revision 5; 1 the same, missing [XA-3]"
		if lift {
			want = "declare XA-4 as revision 4; declare XA-5 as revision 0; change XA-2 as revision 5; lift XA-3 as revision 3; 1 the same, missing []"
		}
		if s := strings.Join(got, "; "); s != want {
			t.Errorf("lifting %v:\n%s\nwant\n%s", lift, s, want)
		}
		for _, c := range append(append(r.Declared, r.Changed...), r.Lifted...) {
			if err := c.saying.body.Validate(); err != nil {
				t.Errorf("%s: %v", c.Area, err)
			}
		}
	}
}

// TestSchemesInConfigs loads every scheme that the project ships.
func TestSchemesInConfigs(t *testing.T) {
	files, err := filepath.Glob("../../configs/schemes/*.json")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d schemes, %v; want 4 at least", len(files), err)
	}
	for _, path := range files {
		if _, err := readScheme(path); err != nil {
			t.Error(err)
		}
	}
}
