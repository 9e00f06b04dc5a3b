package corpus_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concordat/client"
	"concordat/recognition"
)

// Verifiers remember keys and rules as they have parsed them (verifiers), or come
// fresh to every question (asked counts them).
var (
	verifiers = recognition.NewDecider(4096)
	asked     int
)

// everywhere puts a question to every node, to every bundle, and to one of them by
// a verifier that has been asked nothing before; it wants one answer to the byte.
func everywhere(t fatal, q client.Check) client.CheckAnswer {
	t.Helper()
	a, first := ask(t, validators[0], q)
	want := essence(t, first)
	for _, at := range validators[1:] {
		if _, raw := ask(t, at, q); essence(t, raw) != want {
			t.Fatalf("%s says\n%s\nand %s\n%s", validators[0], want, at, essence(t, raw))
		}
	}
	fresh := asked % len(bundles)
	asked++
	for i, b := range bundles {
		answers := [][]byte{offline(t, b, q, verifiers.Decide)}
		if i == fresh {
			answers = append(answers, offline(t, b, q, recognition.Decide))
		}
		for _, raw := range answers {
			if got := essence(t, raw); got != want {
				t.Fatalf("%s says\n%s\nand the bundle of %s\n%s", validators[0], want, validators[i], got)
			}
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

// person is the texts of one holder, or of one issuer's example, and when they count.
type person struct {
	texts []string
	at    time.Time
}

// people are those who have more than one code.
func people(t testing.TB) []person {
	t.Helper()
	var out []person
	for _, c := range shown.cases {
		if c.Verdict != "accept" {
			continue
		}
		i := slices.IndexFunc(out, func(p person) bool { return p.at.Equal(c.clock) })
		if i < 0 {
			i = len(out)
			out = append(out, person{at: c.clock})
		}
		out[i].texts = append(out[i].texts, c.text)
	}
	out = slices.DeleteFunc(out, func(p person) bool { return len(p.texts) < 2 })
	traveller := []string{nativeText("green"), nativeText("been"), example(t, forms("00", 1)[0])[0], example(t, forms("01", 1)[2])[0]}
	return append(out, person{traveller, epoch.Add(time.Hour)}, person{traveller, epoch.Add(time.Hour)}, person{example(t, forms("02", 3)[0]), epoch.Add(time.Hour)})
}

// TestSameAnswerToAnyQuestion: several codes of one person or of many, shown in
// any order as texts and pictures, for any region, time and itinerary.
func TestSameAnswerToAnyQuestion(t *testing.T) {
	texts, persons := wallet(t), people(t)
	outcomes := map[recognition.Outcome]int{}
	rapid.Check(t, func(r *rapid.T) {
		at := rapid.SampledFrom(days).Draw(r, "day")
		q := client.Check{Region: rapid.SampledFrom(append(checking, neutral, neutral, neutral)).Draw(r, "region"), At: &at}
		if rapid.Bool().Draw(r, "one person's") {
			p := rapid.SampledFrom(persons).Draw(r, "person")
			at = p.at
			q.Codes = rapid.Permutation(p.texts).Draw(r, "texts")[:rapid.IntRange(1, min(len(p.texts), 6)).Draw(r, "of them")]
		} else {
			q.Codes = rapid.SliceOfN(rapid.SampledFrom(texts), 0, 5).Draw(r, "texts")
		}
		if rapid.IntRange(0, 3).Draw(r, "another time") == 3 {
			at = at.Add(time.Duration(rapid.IntRange(-86_400, 86_400).Draw(r, "seconds")) * time.Second)
		}
		if len(q.Codes) == 0 || rapid.IntRange(0, 7).Draw(r, "with a picture") == 7 { // small draws are the common ones
			q.Pictures = [][]byte{rapid.SampledFrom(shown.pictures).Draw(r, "picture").data}
		}
		if rapid.Bool().Draw(r, "arrives in a part") {
			q.Arrival = q.Region + "-" + rapid.SampledFrom([]string{"1", "BY", "31-0115"}).Draw(r, "part")
		}
		for range rapid.IntRange(0, 3).Draw(r, "stays") {
			from := at.Add(-time.Duration(rapid.IntRange(1, 20*24).Draw(r, "hours before")) * time.Hour)
			q.Itinerary = append(q.Itinerary, client.Stay{
				Area: rapid.SampledFrom([]string{"CN", "CN-11", "CN-31", "CN-31-0115", "FR", "FR-75", "FR-75-1", "ES", "ES-MD", "DE", "ZZ"}).Draw(r, "area"),
				From: from, To: from.Add(time.Duration(rapid.IntRange(0, 20*24).Draw(r, "hours")) * time.Hour),
			})
		}
		outcomes[everywhere(r, q).Decision.Decision]++
	})
	if outcomes[recognition.Recognized] == 0 || outcomes[recognition.Refused] == 0 {
		t.Errorf("the answers are %v: the questions do not reach every outcome", outcomes)
	}
	t.Logf("%v", outcomes)
}

// TestSameAnswerInEveryForm: what is asked with a form's fields gets the answer
// that JSON gets, and in each language every node says the same, of the same things.
func TestSameAnswerInEveryForm(t *testing.T) {
	c := shown.cases[0]
	_, raw := ask(t, "EU", client.Check{Codes: []string{c.text}, Region: "DE", At: &c.clock})
	want := essence(t, raw)
	for _, at := range validators {
		contentType, body := form(t, [][2]string{{"codes", c.text}, {"region", "DE"}, {"at", c.clock.UTC().Format(time.RFC3339)}})
		status, raw := post(t, at, contentType, "", body)
		if status != http.StatusOK {
			t.Fatalf("%d: %s", status, raw)
		}
		answered(t, at, raw)
		if got := essence(t, raw); got != want {
			t.Errorf("as JSON\n%s\nas a form, at %s\n%s", want, at, got)
		}
	}
	var english []string
	for _, language := range []string{"en", "de", "ko", "zh-CN", "fr, de;q=0.5"} {
		var first string
		for _, at := range validators {
			a, raw := ask(t, at, client.Check{Codes: []string{c.text, nativeText("red")}, Region: "DE", At: &c.clock, Language: language})
			all := names(a, recognition.For, recognition.Against, recognition.Unknown, recognition.Note)
			if english == nil {
				english = all
			}
			if !slices.Equal(all, english) {
				t.Errorf("in %q %s gives the reasons %q, in English %q", language, at, all, english)
			}
			said := essence(t, raw)
			if first == "" {
				first = said
			}
			if said != first {
				t.Errorf("in %q %s says\n%s\nand %s\n%s", language, validators[0], first, at, said)
			}
		}
	}
}
