package corpus_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"concordat/client"
	"concordat/healthcode/picture"
)

// secrets collects what codes say of their holders, and the codes themselves.
type secrets map[string]bool

// code adds pieces of a text: from either end, and from the middle.
func (s secrets) code(text string) {
	const piece = 32
	if len(text) < 4*piece {
		s[text] = true
		return
	}
	for _, at := range []int{8, len(text) / 2, len(text) - piece} {
		s[text[at:at+piece]] = true
	}
}

// personal are the members of payloads that say who somebody is.
var personal = []string{"fn", "gn", "fnt", "gnt", "dob", "ci", "family", "given", "birthDate", "rid"}

// walk adds what a payload says of its holder, wherever it stands.
func (s secrets) walk(name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			s.walk(k, e)
		}
	case []any:
		for _, e := range v {
			s.walk(name, e)
		}
	case string:
		if slices.Contains(personal, name) {
			s[v] = true
		}
	}
}

// told gives the secrets that a text tells: anything of six characters or more,
// and shorter names as words by themselves. One or two letters say nothing, nor
// does the year of a birth: a port or a duration may be the same number.
func (s secrets) told(text string) (out []string) {
	for secret := range s {
		n := utf8.RuneCountInString(secret)
		if n >= 6 && strings.Contains(text, secret) || n >= 3 && n < 6 && strings.ContainsFunc(secret, unicode.IsLetter) && hasWord(text, secret) {
			out = append(out, secret)
		}
	}
	return out
}

// hasWord reports whether a text has a word with neither a letter, a digit nor a
// mark that binds words on either side.
func hasWord(text, word string) bool {
	binds := func(r rune, n int) bool {
		return n > 0 && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_')
	}
	for at := 0; ; {
		i := strings.Index(text[at:], word)
		if i < 0 {
			return false
		}
		i += at
		at = i + len(word)
		if !binds(utf8.DecodeLastRuneInString(text[:i])) && !binds(utf8.DecodeRuneInString(text[at:])) {
			return true
		}
	}
}

// held is everything that the codes of the corpus and our own say of people.
func held(t *testing.T) secrets {
	t.Helper()
	s := secrets{}
	for _, c := range shown.cases {
		s.code(c.text)
		s.walk("", c.payload)
	}
	for _, e := range examples {
		for _, f := range e.forms {
			for _, text := range example(t, f) {
				s.code(text)
			}
		}
		if shown.whole {
			var payload any
			if err := json.Unmarshal([]byte(example(t, []string{"example-" + e.number + "-b-jws-payload-expanded.json"})[0]), &payload); err != nil {
				t.Fatal(err)
			}
			s.walk("", payload)
		}
	}
	for _, p := range shown.pictures {
		texts, err := picture.Read(p.data)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			s.code(text)
		}
	}
	for _, n := range natives {
		s.code(n.text)
		s[n.card.ID.Text()], s["Nebelhorn"] = true, true
		s[base64.StdEncoding.EncodeToString(n.card.ID[:])] = true
		s[n.card.BirthDate] = true
	}
	delete(s, "")
	return s
}

// TestNothingPersonalIsLogged shows everything to every node, well and badly and
// in the wrong places, and looks for what the codes say in all that the nodes have
// logged since they began, and in their figures.
func TestNothingPersonalIsLogged(t *testing.T) {
	s := held(t)
	requests := 0
	send := func(at, method, path, contentType string, body []byte) {
		req, err := http.NewRequestWithContext(t.Context(), method, world.URL(at)+path, strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		if contentType != "" {
			req.Header.Set("Content-Type", contentType)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		requests++
	}
	for i, text := range wallet(t) {
		at := validators[i%len(validators)]
		region := checking[i%len(checking)]
		spoilt := text[:len(text)-min(len(text), 6)] + "AAAAAA"
		for _, q := range []any{
			client.Check{Codes: []string{text, nativeText("red")}, Region: region, At: &epoch},
			client.Check{Codes: []string{spoilt}, Region: region},
			client.Check{Codes: []string{text}, Region: text},
			client.Check{Codes: []string{text}, Arrival: text, MaxAge: text, Consistency: text},
			client.Check{Codes: []string{text}, Itinerary: []client.Stay{{Area: text, From: epoch, To: epoch}}},
			client.Check{Codes: []string{text}, Consistency: "linearizable"},
			map[string]any{"codes": text}, map[string]any{text: 1}, map[string]any{"at": text},
		} {
			body, err := json.Marshal(q)
			if err != nil {
				t.Fatal(err)
			}
			send(at, http.MethodPost, "/v1/check", "application/json", body)
		}
		if i%4 != 0 {
			continue
		}
		for _, fields := range [][][2]string{{{"codes", text}, {"region", region}}, {{"check", text}}, {{"picture", text}}, {{text, text}}, {{"itinerary", text}, {"codes", text}}} {
			contentType, body := form(t, fields)
			send(at, http.MethodPost, "/v1/check", contentType, body)
		}
		send(at, http.MethodPost, "/v1/check?at="+url.QueryEscape(text), "image/png", []byte(text))
		send(at, http.MethodPost, "/v1/statements", "application/cose", []byte(text))
		if text == "" {
			continue
		}
		name := url.PathEscape(text)
		for _, path := range []string{
			"/v1/statements/" + name, "/v1/revocations/" + name, "/v1/rules?id=" + url.QueryEscape(text), "/v1/rules?region=" + url.QueryEscape(text),
			"/v1/value-sets?id=" + url.QueryEscape(text), "/rules/" + name, "/valuesets/" + name, "/" + name, "/v1/issuers?kid=" + url.QueryEscape(text),
		} {
			send(at, http.MethodGet, path, "", nil)
		}
	}
	for i, p := range shown.pictures {
		at := validators[i%len(validators)]
		contentType, body := form(t, [][2]string{{"region", checking[i%len(checking)]}}, p.data, p.data[:len(p.data)-40])
		send(at, http.MethodPost, "/v1/check", contentType, body)
		send(at, http.MethodPost, "/v1/check", "image/png", p.data)
	}
	lines := 0
	for _, at := range validators {
		log := world.Log(at).String()
		if !strings.Contains(log, "level=DEBUG") {
			t.Fatalf("the log of %s is not at its finest", at)
		}
		lines += strings.Count(log, "\n")
		for _, secret := range s.told(log) {
			i := strings.Index(log, secret)
			t.Errorf("the log of %s tells %q: …%s…", at, secret, log[max(0, i-200):min(len(log), i+200)])
		}
		resp, err := http.Get(world.URL(at) + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		figures, err := io.ReadAll(resp.Body)
		if err == nil {
			err = resp.Body.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range s.told(string(figures)) {
			t.Errorf("the figures of %s tell %q", at, secret)
		}
	}
	if len(s) < 3*len(shown.cases) || len(s.told(natives[0].text)) == 0 || !hasWord("said (Ann) to", "Ann") || hasWord("Anna-Ann", "Ann") {
		t.Errorf("of %d secrets none would be found", len(s))
	}
	t.Logf("%d secrets, %d requests, %d lines", len(s), requests, lines)
}
