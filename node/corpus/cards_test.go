package corpus_test

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"concordat/client"
	"concordat/healthcode/picture"
	"concordat/recognition"
)

// example gives the texts of a form of a SMART Health Card.
func example(t testing.TB, files []string) []string {
	t.Helper()
	var texts []string
	for _, f := range files {
		text, err := shown.card(f)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	return texts
}

// TestEveryCard of the examples is judged alike in every form that it comes in,
// and as pictures: three are good, of which one is a test and one names another
// key, and the issuer's list revokes the fourth.
func TestEveryCard(t *testing.T) {
	passed, asked := 0, 0
	for _, e := range examples {
		var want []string
		outcome := recognition.Recognized
		if e.number == "03" {
			want, outcome = []string{"revoked"}, recognition.Refused
		}
		for i, files := range e.forms {
			texts := example(t, files)
			questions := []client.Check{{Codes: texts}}
			if i == 0 {
				var drawn [][]byte
				for _, text := range texts {
					drawn = append(drawn, must(picture.PNG(text, 2))(t))
				}
				questions = append(questions, client.Check{Pictures: drawn}, client.Check{Codes: texts[1:], Pictures: drawn[:1]})
			}
			for _, q := range questions {
				asked++
				q.Region, q.At = neutral, &epoch
				a, _ := ask(t, validators[asked%len(validators)], q)
				if got := weighs(a); a.Decision.Decision != outcome || !slices.Equal(got, want) || len(a.Codes) != 1 || a.Codes[0].Region != "US" || a.Codes[0].Format != "shc" {
					t.Errorf("%v with %d pictures: %s for %q, of %+v, want %s for %q", files, len(q.Pictures), a.Decision.Decision, got, a.Codes, outcome, want)
					continue
				}
				passed++
			}
		}
	}
	t.Logf("%d of %d", passed, asked)
}

// TestCardsWithFaults: what is missing, doubled, mixed or spoilt is refused for its reason.
func TestCardsWithFaults(t *testing.T) {
	chunks := example(t, forms("02", 3)[0])
	single := example(t, forms("00", 1)[0])[0]
	jws := example(t, []string{"example-00-d-jws.txt"})[0]
	for name, c := range map[string]struct {
		texts []string
		want  string
	}{
		"a chunk is missing": {[]string{chunks[0], chunks[2]}, "code-unreadable chunks-invalid"},
		"an odd digit":       {[]string{single[:len(single)-1]}, "code-unreadable digits-invalid"},
		"another signature":  {[]string{jws[:len(jws)-8] + "AAAAAAAA"}, "signature-invalid"},
		"no signature":       {[]string{jws[:strings.LastIndexByte(jws, '.')+1]}, "code-unreadable jws-invalid"},
		"a file of nothing":  {[]string{`{"verifiableCredential":[]}`}, "code-unreadable entries-invalid"},
	} {
		a, _ := ask(t, "EU", client.Check{Codes: c.texts, Region: neutral, At: &epoch})
		if got := weighs(a); a.Decision.Decision != recognition.Refused || !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s: %s for %q, want %q", name, a.Decision.Decision, got, c.want)
		}
	}
}

// TestTheDirectory: every key of the VCI directory stands as Canada's, and what
// its revocation lists name is revoked.
func TestTheDirectory(t *testing.T) {
	keys, err := world.Client("DE").Issuers(t.Context(), "CA", "")
	if err != nil {
		t.Fatal(err)
	}
	standing := map[string]bool{}
	for _, k := range keys.Issuers {
		standing[k.ID] = k.Status == "registered" && k.Algorithm == "EC P-256"
	}
	for _, e := range listed {
		if sum := e.Thumbprint(); !standing[hex.EncodeToString(sum[:])] {
			t.Errorf("the key of %s does not stand", e.Where)
		}
	}
	if len(standing) != len(listed) || shown.whole && (len(listed) != 596 || len(revoked) != 771+17+555+4) {
		t.Errorf("%d keys stand, %d are listed, %d cards are revoked", len(standing), len(listed), len(revoked))
	}
	for i, h := range revoked {
		if i%25 != 0 {
			continue
		}
		r, err := world.Client(validators[i%len(validators)]).Revocations(t.Context(), hex.EncodeToString(h[:]))
		if err != nil || !r.Revoked || !r.Revocations[0].InForce || r.Revocations[0].HashType != "rid" {
			t.Errorf("card %d of the lists is not revoked: %+v, %v", i, r, err)
		}
	}
	t.Logf("%d keys, %d cards revoked", len(listed), len(revoked))
}

// TestNativeCodes: a health code and an itinerary card, issued by the library that
// issuers use, are judged by any region, alone and together.
func TestNativeCodes(t *testing.T) {
	day := epoch.AddDate(0, 0, 1)
	card := example(t, forms("00", 1)[0])[0]
	for _, c := range []struct {
		name    string
		region  string
		codes   []string
		want    []string
		outcome recognition.Outcome
	}{
		{"green", "CN", []string{"green"}, nil, recognition.Recognized},
		{"green", neutral, []string{"green"}, nil, recognition.Recognized},
		{"yellow, not audited yet", neutral, []string{"yellow"}, []string{"declaration-pending"}, recognition.Undetermined},
		{"yellow, as Ireland sees it", "IE", []string{"yellow"}, []string{"status-refused", "declaration-pending"}, recognition.Refused},
		{"red", neutral, []string{"red"}, []string{"status-refused", "declaration-failed"}, recognition.Refused},
		{"two persons", neutral, []string{"green", "yellow"}, []string{"declaration-pending", "holders-differ"}, recognition.Refused},
		{"one who was in Pudong", "CN", []string{"green", "been"}, []string{"risk-area"}, recognition.Refused},
		{"one who was in Pudong, abroad", "DE", []string{"green", "been"}, []string{"risk-area"}, recognition.Refused},
		{"given to another", neutral, []string{"withdrawn"}, []string{"revoked"}, recognition.Refused},
		{"of a key that was stolen later", neutral, []string{"of the desk"}, nil, recognition.Recognized},
		{"in a place that takes only this format", "CZ", []string{"green"}, nil, recognition.Recognized},
		{"with a card of the same birth date", neutral, []string{"green", "card"}, nil, recognition.Recognized},
		{"with a card of another", neutral, []string{"red", "card"}, []string{"status-refused", "declaration-failed", "holders-differ"}, recognition.Refused},
	} {
		var texts []string
		for _, name := range c.codes {
			if name == "card" {
				texts = append(texts, card)
			} else {
				texts = append(texts, nativeText(name))
			}
		}
		a, _ := ask(t, "IE", client.Check{Codes: texts, Region: c.region, At: &day})
		if got := weighs(a); a.Decision.Decision != c.outcome || !slices.Equal(got, c.want) {
			t.Errorf("%s, at %s: %s for %q, want %s for %q", c.name, c.region, a.Decision.Decision, got, c.outcome, c.want)
		}
	}
}
