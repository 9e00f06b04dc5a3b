package httpapi_test

import (
	"strings"
	"testing"

	"concordat/client"
)

// personal is what a code says of its holder, in words long enough to be told from chance.
func personal(c client.CheckAnswer) []string {
	var out []string
	for _, code := range c.Codes {
		for _, f := range code.Fields {
			if len(f.Value) >= 6 {
				out = append(out, f.Value)
			}
		}
	}
	return out
}

// TestNothingPersonalIsLogged runs checks that succeed and that fail in every
// way, with the log at its finest, and looks for what the codes say.
func TestNothingPersonalIsLogged(t *testing.T) {
	log := network.Log(region)
	var private []string
	for _, name := range []string{"AT-1", "AT-3", "DE-1", "SE-1"} {
		code := registered(t, name)
		c := check(t, client.Check{Codes: []string{code.Text}, At: &clock})
		if len(personal(c)) < 3 {
			t.Fatalf("%s says little of its holder: %v", name, c.Codes)
		}
		private = append(private, personal(c)...)
		private = append(private, code.Text[:40], code.Text[len(code.Text)/2:len(code.Text)/2+40])
		spoilt := code.Text[:len(code.Text)-4] + "AAAA"
		for _, q := range []any{
			client.Check{Codes: []string{code.Text}},
			client.Check{Codes: []string{spoilt}, At: &clock},
			client.Check{Codes: []string{code.Text[:len(code.Text)/2]}},
			client.Check{Codes: []string{code.Text}, Region: "XQ"},
			client.Check{Codes: []string{code.Text}, Region: code.Text},
			client.Check{Codes: []string{code.Text}, MaxAge: code.Text},
			client.Check{Codes: []string{code.Text}, Consistency: code.Text},
			client.Check{Codes: []string{code.Text}, Itinerary: []client.Stay{{Area: code.Text, From: clock, To: clock}}},
			client.Check{Codes: []string{code.Text}, Consistency: "linearizable", At: &clock},
			map[string]any{"codes": code.Text},
			map[string]any{code.Text: 1},
			map[string]any{"codes": []string{code.Text}, "at": code.Text},
		} {
			postCheck(t, q)
		}
		get(t, "/v1/statements/"+strings.ReplaceAll(strings.ReplaceAll(code.Text[:60], " ", ""), "%", ""))
		ask(t, "POST", "/v1/statements", strings.NewReader(code.Text), "Content-Type", "application/cose")
	}
	text := log.String()
	if !strings.Contains(text, "level=DEBUG") {
		t.Fatal("the log is not at its finest")
	}
	for _, p := range private {
		if strings.Contains(text, p) {
			t.Errorf("the log has %q", p)
		}
	}
}
