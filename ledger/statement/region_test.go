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

func TestParseRegion(t *testing.T) {
	for in, want := range map[string]statement.Region{
		"XA": "XA", "de": "DE", " DE ": "DE", "cn-31": "CN-31", "DEU": "DE", "grc": "GR", "GRC": "GR", "GBR-SCT": "GB-SCT", "CHN-31": "CN-31", "CN-ZJ": "CN-33", "XKX": "XK", "XK": "XK", "XXA": "XXA", "XXB-1": "XXB-1", "XA-B-C-D1": "XA-B-C-D1",
		"EL": "GR", "el": "GR", "UK": "GB", "UK-SCT": "GB-SCT", "GR": "GR", "GB": "GB", "ELX": "ELX",
		"": "", "D": "", "DEUT": "", "D1": "", "1A": "", "DE-": "", "-DE": "", "DE--BY": "", "DE_BY": "", "DE BY": "",
		"XA-B-C-D-E": "", "DE-ABCDEFGHIJKLM": "", "ıt": "", "ſe": "", "DÉ": "", "XA\n-B": "", "XA-\x00": "",
		"XA-" + strings.Repeat("A", 40): "",
	} {
		got, err := statement.ParseRegion(in)
		if got != want || (err != nil) != (want == "") || err != nil && !errors.Is(err, statement.ErrRegion) {
			t.Errorf("ParseRegion(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, r := range []statement.Region{"", "xa", "EL", "UK", "UK-SCT", " XA", "XA-b"} {
		if err := r.Validate(); !errors.Is(err, statement.ErrRegion) {
			t.Errorf("%q.Validate() = %v", r, err)
		}
	}
}

func TestParseArea(t *testing.T) {
	for in, want := range map[string]statement.Area{
		"CN-31-0115": "CN-31-0115", "310115": "CN-31-0115", "CN-310115": "CN-31-0115", "cn-31-0115": "CN-31-0115",
		"310000": "CN-31", "310100": "CN-31-01", "CN-31-0000": "CN-31", "CN-31-0100": "CN-31-01", "CN-31-01": "CN-31-01",
		"DE-BY": "DE-BY", "AT-AT13": "AT-AT13", "EL-A": "GR-A", "XA": "XA", "CN-SH": "CN-31", "CN-SH-0115": "CN-31-0115", "CHN-SH": "CN-31", "CN-QQ": "CN-QQ", "HK": "HK", "CN-HK": "CN-81",
		"EL30": "GR-EL30", "el30": "GR-EL30", "UKC11": "GB-UKC11", "DE212": "DE-DE212", "DEA": "DE-DEA", "itc4c": "IT-ITC4C", "FRA": "FR", "GRC": "GR", "AUT-AT13": "AT-AT13", "GR-EL30": "GR-EL30", "EL-EL30": "GR-EL30", "CN-31-0115-A7": "CN-31-0115-A7",
		"310115004": "CN-31-0115-004", "CN-310115004": "CN-31-0115-004", "CN-310115-004": "CN-31-0115-004", "310115004001": "CN-31-0115-004-001",
		"310115000": "CN-31-0115", "310115000000": "CN-31-0115", "310100000000": "CN-31-01", "CN-3101": "CN-31-01", "CN-3100": "CN-31",
		"CN-31011": "", "CN-3101150": "", "CN-3101-15": "", "CN-31-0115-004": "CN-31-0115-004", "CN-310": "",
		"XA-31-0100": "XA-31-0100",                // only China's codes are filled up with zeros
		"GR30":       "", "XK1": "", "DE2123": "", // no NUTS code: GR is EL there, Kosovo has none, and a code has five characters at most
		"31011": "", "3101150": "", "31011X": "", "": "", "１２３４５６": "", "XA-": "",
		"XA-1-2-3-4-5-6-7-8": "",
	} {
		got, err := statement.ParseArea(in)
		if got != want || (err != nil) != (want == "") || err != nil && !errors.Is(err, statement.ErrArea) {
			t.Errorf("ParseArea(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, a := range []statement.Area{"310115", "CN-31-0100", "CN-31-0000", "EL-A", "xa"} {
		if err := a.Validate(); !errors.Is(err, statement.ErrArea) {
			t.Errorf("%q.Validate() = %v", a, err)
		}
	}
}

func TestAncestors(t *testing.T) {
	for in, want := range map[statement.Area]string{
		"CN-31-0115":    "[CN-31-0115 CN-31-01 CN-31 CN]",
		"CN-31-01":      "[CN-31-01 CN-31 CN]",
		"CN-31":         "[CN-31 CN]",
		"CN":            "[CN]",
		"CN-31-0115-A7": "[CN-31-0115-A7 CN-31-0115 CN-31-01 CN-31 CN]",
		"DE-BY":         "[DE-BY DE]",
		"AT-AT13":       "[AT-AT13 AT-AT1 AT]",
		"DE-DE212":      "[DE-DE212 DE-DE21 DE-DE2 DE]",
		"GR-EL303":      "[GR-EL303 GR-EL30 GR-EL3 GR]",
		"GB-UKC11":      "[GB-UKC11 GB-UKC1 GB-UKC GB]",
		"GR-GR30":       "[GR-GR30 GR]", // not of NUTS
		"DE-DE2-X":      "[DE-DE2-X DE-DE2 DE]",
		"XA-31-0115":    "[XA-31-0115 XA-31 XA]",
		"CN-QQ-0115":    "[CN-QQ-0115 CN-QQ-01 CN-QQ CN]",
		"CN-31-AB15":    "[CN-31-AB15 CN-31 CN]",
	} {
		if got := fmt.Sprint(in.Ancestors()); got != want {
			t.Errorf("%q.Ancestors() = %s, want %s", in, got, want)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		a, b statement.Area
		want bool
	}{
		{"CN-31", "CN-31-0115", true}, {"CN", "CN-31-0115", true}, {"CN-31-01", "CN-31-0115", true}, {"CN-31-0115", "CN-31-0115", true},
		{"CN-31-0115", "CN-31", false}, {"CN-3", "CN-31", false}, {"CN-31-0", "CN-31-0115", false}, {"CN-31-02", "CN-31-0115", false},
		{"DE", "DEU", false}, {"DE", "DE-BY", true}, {"DE-B", "DE-BY", false},
	} {
		if got := c.a.Covers(c.b); got != c.want {
			t.Errorf("%s covers %s: %v", c.a, c.b, got)
		}
	}
}

// What ParseArea takes is canonical, and reading it again changes nothing; an
// area's ancestors end in a country, are areas themselves, and cover it.
func TestAreasAreCanonical(t *testing.T) {
	part := rapid.StringMatching(`[a-zA-Z0-9]{1,5}`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`[0-9]{6}`),
			rapid.StringMatching(`CN-[0-9]{2}-[0-9]{2,4}`),
			rapid.Custom(func(t *rapid.T) string {
				return strings.Join(append([]string{rapid.StringMatching(`[a-zA-Z]{2,3}`).Draw(t, "country")}, rapid.SliceOfN(part, 0, 4).Draw(t, "parts")...), "-")
			}),
		).Draw(t, "text")
		a, err := statement.ParseArea(text)
		if err != nil {
			t.Fatalf("ParseArea(%q): %v", text, err)
		}
		if again, err := statement.ParseArea(string(a)); err != nil || again != a {
			t.Fatalf("%q gives %q, which gives %q, %v", text, a, again, err)
		}
		up := a.Ancestors()
		if up[0] != a || strings.Contains(string(up[len(up)-1]), "-") {
			t.Fatalf("%q.Ancestors() = %v", a, up)
		}
		for i, b := range up {
			if err := b.Validate(); err != nil {
				t.Fatalf("ancestor %q of %q: %v", b, a, err)
			}
			if !b.Covers(a) || !slices.Equal(b.Ancestors(), up[i:]) {
				t.Fatalf("ancestor %q of %q: %v", b, a, b.Ancestors())
			}
		}
	})
}
