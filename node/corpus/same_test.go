package corpus_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concordat/client"
	"concordat/recognition"
)

// everywhere puts a question to every node and to every bundle, and wants one
// answer to the byte.
func everywhere(t fatal, q client.Check) client.CheckAnswer {
	t.Helper()
	a, first := ask(t, validators[0], q)
	want := essence(t, first)
	for _, at := range validators[1:] {
		if _, raw := ask(t, at, q); essence(t, raw) != want {
			t.Fatalf("%s says\n%s\nand %s\n%s", validators[0], want, at, essence(t, raw))
		}
	}
	for i, b := range bundles {
		if got := essence(t, offline(t, b, q)); got != want {
			t.Fatalf("%s says\n%s\nand the bundle of %s\n%s", validators[0], want, validators[i], got)
		}
	}
	return a
}

// checking are the regions that are asked; all but the first have something of
// their own to say.
var checking = []string{neutral, "DE", "CZ", "EU", "IE", "CN", "US", "AT"}

// days are times that something changes between.
var days = []time.Time{
	time.Date(2021, 5, 26, 10, 0, 0, 0, time.UTC), time.Date(2021, 6, 20, 10, 0, 0, 0, time.UTC), time.Date(2021, 8, 19, 10, 0, 0, 0, time.UTC),
	time.Date(2021, 12, 20, 10, 0, 0, 0, time.UTC), time.Date(2022, 4, 6, 10, 0, 0, 0, time.UTC), epoch.Add(time.Hour), epoch.AddDate(0, 0, 4), epoch.AddDate(1, 0, 0),
}

// wallet is every text that there is to show, and some that are none.
func wallet(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, c := range shown.cases {
		all = append(all, c.text)
	}
	for _, e := range examples {
		for _, f := range e.forms {
			all = append(all, example(t, f)...)
		}
	}
	for _, n := range natives {
		all = append(all, n.text, n.text[:len(n.text)-3])
	}
	return append(all, "", "HC1:", "CHC1:NCF", "shc:/", "shc:/2/3/56", "eyJ..", "{", "no code")
}

// TestSameAnswerEverywhere: every code, by itself, at its clock and at another
// day, for each region in turn.
func TestSameAnswerEverywhere(t *testing.T) {
	seen := map[string]int{}
	n := 0
	put := func(q client.Check) {
		q.Region = checking[n%len(checking)]
		n++
		for _, r := range everywhere(t, q).Reasons {
			seen[r.Name]++
		}
	}
	for i, c := range shown.cases {
		put(client.Check{Codes: []string{c.text}, At: &c.clock})
		put(client.Check{Codes: []string{c.text}, At: &days[i%len(days)], Itinerary: trip(days[i%len(days)], []string{"FR-75", "CN-31-0115", "ES-MD", "CN"}[i%4])})
	}
	for _, text := range wallet(t)[len(shown.cases):] {
		put(client.Check{Codes: []string{text}, At: &epoch})
	}
	for i, p := range shown.pictures {
		put(client.Check{Pictures: [][]byte{p.data}, At: &days[i%len(days)]})
	}
	for _, name := range []string{
		recognition.Revoked, recognition.RevocationUndone, recognition.RevokedElsewhere, recognition.AlsoRegistered, recognition.IssuerDiffers,
		recognition.RecognitionMissing, recognition.RecognitionSuspended, recognition.RecognitionWithdrawn, recognition.RecognitionNotForFormat,
		recognition.RecognitionNotForAlgorithm, recognition.RecognitionNotForKind, recognition.SpecialCaseAdmitted, recognition.SpecialCaseRefused,
		recognition.SpecialCaseUnreadable, recognition.RuleMet, recognition.RuleNotMet, recognition.RuleSetEmpty, recognition.RulesNotForFormat,
		recognition.RiskArea, recognition.RiskAreaNoted, recognition.StatusAccepted, recognition.StatusRefused, recognition.DeclarationPassed,
	} {
		if seen[name] == 0 && shown.whole {
			t.Errorf("no answer has the reason %s: the world of this test does not reach it", name)
		}
	}
	t.Logf("%d questions at %d nodes and to %d bundles: %d sorts of reason", n, len(validators), len(bundles), len(seen))
}

// trip is a stay that ended the day before.
func trip(at time.Time, area string) []client.Stay {
	return []client.Stay{{Area: area, From: at.AddDate(0, 0, -4), To: at.AddDate(0, 0, -1)}}
}

// TestSameAnswerToAnyQuestion: several codes of one person or of many, shown in
// any order as texts and pictures, for any region, time and itinerary.
func TestSameAnswerToAnyQuestion(t *testing.T) {
	texts := wallet(t)
	outcomes := map[recognition.Outcome]int{}
	rapid.Check(t, func(r *rapid.T) {
		at := rapid.SampledFrom(days).Draw(r, "day").Add(time.Duration(rapid.IntRange(-86_400, 86_400).Draw(r, "seconds")) * time.Second)
		q := client.Check{
			Codes:  rapid.SliceOfN(rapid.SampledFrom(texts), 0, 5).Draw(r, "texts"),
			Region: rapid.SampledFrom(checking).Draw(r, "region"), At: &at,
		}
		if rapid.IntRange(0, 9).Draw(r, "one person's") == 0 {
			q.Codes = []string{nativeText("green"), nativeText("been"), texts[len(shown.cases)]}
		}
		if len(q.Codes) == 0 || rapid.IntRange(0, 5).Draw(r, "with a picture") == 0 {
			q.Pictures = [][]byte{rapid.SampledFrom(shown.pictures).Draw(r, "picture").data}
		}
		if rapid.Bool().Draw(r, "arrives in a part") {
			q.Arrival = q.Region + "-" + rapid.SampledFrom([]string{"1", "BY", "31-0115"}).Draw(r, "part")
		}
		for i := range rapid.IntRange(0, 4).Draw(r, "stays") {
			from := at.Add(-time.Duration(rapid.IntRange(1, 20*24).Draw(r, fmt.Sprint("hours before ", i))) * time.Hour)
			q.Itinerary = append(q.Itinerary, client.Stay{
				Area: rapid.SampledFrom([]string{"CN", "CN-11", "CN-31", "CN-31-0115", "FR", "FR-75", "FR-75-1", "ES", "ES-MD", "DE", "ZZ"}).Draw(r, "area"),
				From: from, To: from.Add(time.Duration(rapid.IntRange(0, 20*24).Draw(r, fmt.Sprint("hours ", i))) * time.Hour),
			})
		}
		outcomes[everywhere(r, q).Decision.Decision]++
	})
	t.Logf("%v", outcomes)
}

// TestSameAnswerInEveryForm: the answer in another language is the same at every
// node, and so is that to a form with a field for each member.
func TestSameAnswerInEveryForm(t *testing.T) {
	c := shown.cases[0]
	var want string
	for _, at := range validators {
		contentType, body := form(t, [][2]string{{"codes", c.text}, {"region", "DE"}, {"at", c.clock.UTC().Format(time.RFC3339)}})
		status, raw := post(t, at, contentType, body)
		if status != 200 {
			t.Fatalf("%d: %s", status, raw)
		}
		answered(t, at, raw)
		if want == "" {
			want = essence(t, raw)
		}
		if got := essence(t, raw); got != want {
			t.Errorf("%s says\n%s\nand %s\n%s", validators[0], want, at, got)
		}
	}
	_, raw := ask(t, "EU", client.Check{Codes: []string{c.text}, Region: "DE", At: &c.clock})
	if got := essence(t, raw); got != want {
		t.Errorf("as a form\n%s\nas JSON\n%s", want, got)
	}
}

var _ = slices.Contains[[]string]
var _ = base64.StdEncoding
