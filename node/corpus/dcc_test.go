package corpus_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"concordat/client"
	"concordat/healthcode/intake"
	"concordat/recognition"
)

// policies are the cases of which a verifier may think one thing or the other,
// and what we think (healthcode/hc1: P1 ES256 with a P-384 key, P2 alg in the
// unprotected header alone).
var policies = map[string]string{
	"ES/2DCode/raw/401.json": "P1", "ES/2DCode/raw/402.json": "P1", "ES/2DCode/raw/403.json": "P1", "common/2DCode/raw/CO20.json": "P2",
}

// whys are the corpus's words for why a code must be refused, and ours.
var whys = []struct{ words, name string }{
	{"decode: prefix", "code-unreadable format-unknown"},
	{"decode: base45", "code-unreadable base45-invalid"},
	{"decode: zlib", "code-unreadable compression-invalid"},
	{"decode: cose", "code-unreadable cbor-invalid"},
	{"decode: cwt", "code-unreadable claims-invalid"},
	{"unknown key", "issuer-unknown"},
	{"bad signature", "signature-invalid"},
	{"key usage", "key-not-for-kind"},
	{"issued after", "code-not-yet-valid"},
	{"expired", "code-expired"},
	{"no v/t/r entry", "code-unreadable entries-invalid"},
	{"more than one kind", "code-unreadable entries-invalid"},
	{"two entries", "code-unreadable entries-invalid"},
}

// against is what must speak against a case, and nothing else; none: it is accepted.
func (c *dccCase) against(t *testing.T) []string {
	t.Helper()
	switch c.Verdict {
	case "accept":
		return nil
	case "policy":
		if policies[c.Path] == "" {
			t.Errorf("no policy is written down for %s", c.Path)
		}
		return nil
	}
	for _, w := range whys {
		if len(c.RefuseReasons) == 1 && strings.HasPrefix(c.RefuseReasons[0], w.words) {
			return []string{w.name}
		}
	}
	t.Fatalf("%s: no name for the reasons %q", c.Path, c.RefuseReasons)
	return nil
}

// TestEveryCertificate of the EU DCC test data gets its verdict at its clock, for
// its one reason, from a node of each validator in turn.
func TestEveryCertificate(t *testing.T) {
	verdicts := map[string]int{}
	for i, c := range shown.cases {
		q := client.Check{Codes: []string{c.text}, Region: neutral, At: &c.clock}
		a, _ := ask(t, validators[i%len(validators)], q)
		if c.judged(t, a) {
			verdicts[c.Verdict]++
		}
	}
	t.Logf("%d of %d: %v", verdicts["accept"]+verdicts["refuse"]+verdicts["policy"], len(shown.cases), verdicts)
}

// judged checks the answer to a case, and reports whether it is as expected.
func (c *dccCase) judged(t *testing.T, a client.CheckAnswer) bool {
	t.Helper()
	want, outcome := c.against(t), recognition.Recognized
	if len(want) > 0 {
		outcome = recognition.Refused
	}
	if got := weighs(a); a.Decision.Decision != outcome || !slices.Equal(got, want) {
		t.Errorf("%s: %s for %q, want %s for %q: %+v", c.Path, a.Decision.Decision, got, outcome, want, a.Reasons)
		return false
	}
	if len(a.Codes) != 1 {
		t.Errorf("%s: %d codes", c.Path, len(a.Codes))
		return false
	}
	if outcome == recognition.Refused {
		return true
	}
	code := a.Codes[0]
	entry := map[string]string{"vaccination": "v", "test": "t", "recovery": "r"}[string(code.Kind)]
	if string(code.Format) != "hc1" || string(code.Region) != c.home() || c.Entries[entry] != 1 || len(code.Fields) < 3 {
		t.Errorf("%s is reported as %s %s of %s with %d fields, want %v of %s", c.Path, code.Format, code.Kind, code.Region, len(code.Fields), c.Entries, c.home())
		return false
	}
	// Three codes say US, under certificates that Spain vouches for; a ministry's name is no region.
	differs := slices.Contains(names(a, recognition.Note), "issuer-differs")
	if abroad := strings.HasPrefix(c.Path, "ES/2DCode/raw/100"); differs != abroad {
		t.Errorf("%s: it is said that the code names another issuer: %v, want %v", c.Path, differs, abroad)
		return false
	}
	return true
}

// unfamiliar are pictures of codes by issuers whose certificates are not among the cases.
var unfamiliar = []string{"EE/", "IT/", "MT/", "NO/"}

// otherText are pictures that show another text than the case of their name, and
// what speaks against what they show at that case's clock.
var otherText = map[string][]string{
	"ES/png/2101.png": nil, "ES/png/2103.png": nil, "SG/png/1-booster.png": nil,
	"GR/2DCode/png/3.png": {"code-not-yet-valid"}, // issued 16 days after the clock of the case
}

// TestEveryPicture is uploaded, and gets the verdict of what it shows: that of its
// case where it is one of a case.
func TestEveryPicture(t *testing.T) {
	passed := map[string]int{}
	for i, p := range shown.pictures {
		at := validators[i%len(validators)]
		read := intake.Picture(p.data)
		if read.Err != nil || len(read.Texts) != 1 {
			t.Errorf("%s: %d texts, %v", p.path, len(read.Texts), read.Err)
			continue
		}
		clock, sort := epoch, "of others"
		var of *dccCase
		for _, c := range shown.cases {
			if c.text == read.Texts[0] || sort == "of others" && c.pictured(p.path) {
				clock, of, sort = c.clock, c, "of cases"
				if c.text == read.Texts[0] {
					break
				}
			}
		}
		q := client.Check{Pictures: [][]byte{p.data}, Region: neutral, At: &clock}
		a, raw := ask(t, at, q)
		_, asText := ask(t, at, client.Check{Codes: read.Texts, Region: neutral, At: &clock})
		if essence(t, raw) != essence(t, asText) {
			t.Errorf("%s: as a picture\n%s\nand as a text\n%s", p.path, raw, asText)
			continue
		}
		good := false
		switch {
		case of != nil && of.text == read.Texts[0]:
			good = of.judged(t, a)
		case of != nil:
			want, known := otherText[p.path]
			sort = "with another text"
			if good = known && slices.Equal(weighs(a), want); !good {
				t.Errorf("%s, which shows another text than %s: %s for %q, want %q", p.path, of.Path, a.Decision.Decision, weighs(a), want)
			}
		default:
			abroad := slices.ContainsFunc(unfamiliar, func(s string) bool { return strings.HasPrefix(p.path, s) })
			if good = abroad && slices.Equal(weighs(a), []string{"issuer-unknown"}); !good {
				t.Errorf("%s: %s for %q", p.path, a.Decision.Decision, weighs(a))
			}
		}
		if good {
			passed[sort]++
		}
	}
	t.Logf("%d of %d: %v", passed["of cases"]+passed["with another text"]+passed["of others"], len(shown.pictures), passed)
}

// pictured reports whether a picture is of the case, by the names of both.
func (c *dccCase) pictured(path string) bool {
	folder, file, _ := strings.Cut(path, "/png/")
	folder = strings.TrimSuffix(folder, "/2DCode")
	number := strings.TrimLeft(strings.TrimSuffix(file, ".png"), "abcdefghijklmnopqrstuvwxyz_-")
	for _, raw := range []string{"raw", "Raw"} {
		if c.Path == fmt.Sprintf("%s/2DCode/%s/%s.json", folder, raw, number) {
			return true
		}
	}
	return false
}
