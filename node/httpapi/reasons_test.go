package httpapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
	"concordat/recognition"
	"concordat/recognition/sentence"
)

// spoken are Accept-Language headers, and the language that is spoken for each.
var spoken = map[string]sentence.Language{
	"": "en", "de": "de", "de-AT, en;q=0.5": "de", "zh-CN": "zh", "zh-Hans-CN,zh;q=0.9,en;q=0.8": "zh", "ko;q=0.3, fr": "ko", "en;q=0.1,ko;q=0.9": "ko",
	"fr": "en", "*": "en", "%%;q=x": "en", strings.Repeat("de,", 1000): "en",
}

// TestReasonsAreToldInTheLanguageAsked, in whatever way a check comes.
func TestReasonsAreToldInTheLanguageAsked(t *testing.T) {
	code := registered(t, "AT-1")
	english := check(t, client.Check{Codes: []string{code.Text}, At: &clock})
	want := map[sentence.Language]string{"en": "The signature is good.", "de": "Die Signatur ist gültig.", "zh": "签名有效。", "ko": "서명이 유효합니다."}
	q, err := json.Marshal(client.Check{Codes: []string{code.Text}, At: &clock})
	if err != nil {
		t.Fatal(err)
	}
	at := []byte(clock.Format(time.RFC3339))
	written, formType := form(t, "codes", []byte(code.Text), "at", at)
	for header, l := range spoken {
		for contentType, body := range map[string][]byte{"application/json": q, formType: written} {
			a := ask(t, http.MethodPost, "/v1/check", bytes.NewReader(body), "Content-Type", contentType, "Accept-Language", header)
			var c client.CheckAnswer
			a.into(t, http.StatusOK, &c)
			if a.header.Get("Content-Language") != string(l) || a.header.Get("Vary") != "Accept-Language" {
				t.Errorf("%.40q as %.20s: Content-Language %q, Vary %q", header, contentType, a.header.Get("Content-Language"), a.header.Get("Vary"))
			}
			if len(c.Reasons) != len(english.Reasons) {
				t.Fatalf("%s, in English %s", names(c), names(english))
			}
			for i, r := range c.Reasons {
				e := english.Reasons[i]
				if r.Name == recognition.SignatureValid && r.Message != want[l] {
					t.Errorf("%.40q as %.20s: %s", header, contentType, r.Message)
				}
				if r.Name != e.Name || r.Effect != e.Effect || (r.Message == e.Message) != (l == sentence.English) {
					t.Errorf("%.40q: %+v, in English %+v", header, r, e)
				}
			}
		}
	}

	a := ask(t, http.MethodPost, "/v1/check?at="+string(at), bytes.NewReader(drawn(t, code.Text)), "Content-Type", "image/png", "Accept-Language", "ko")
	if a.header.Get("Content-Language") != "ko" || !strings.Contains(string(a.body), want["ko"]) {
		t.Errorf("a picture is answered in %q: %s", a.header.Get("Content-Language"), a.body)
	}
	if a := ask(t, http.MethodPost, "/v1/check", strings.NewReader("{"), "Content-Type", "application/json", "Accept-Language", "ko"); a.header.Get("Content-Language") != "" {
		t.Errorf("a failure, which is in English, says that it is in %q", a.header.Get("Content-Language"))
	}
}

// TestRulesAreToldInTheLanguageAsked, where they have words of their own for it.
func TestRulesAreToldInTheLanguageAsked(t *testing.T) {
	code := registered(t, "AT-1")
	text := strings.Replace(ruleText("GR-XA-0404", "1.0.0"), `{"===":[1,1]}`, `{"===":[1,2]}`, 1)
	text = strings.Replace(text, `"Region":"7",`, "", 1)
	said(t, 1, publish(t, "default", "GR-XA-0404", "1.0.0", text), nil)
	defer func() { // for the other tests: it counts no more once that is final
		end := &statement.RetireRule{Set: "default", ID: "GR-XA-0404", At: 1_625_400_000, Reason: "tested"}
		if a := submit(t, "final", network.Sign(t, region, 2, end), nil); a.status != http.StatusOK {
			t.Errorf("the rule stays: %d: %s", a.status, a.body)
		}
	}()
	q, err := json.Marshal(client.Check{Codes: []string{code.Text}, At: &clock})
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"de": `Die Regel GR-XA-0404 1.0.0 von XA ist nicht erfüllt: "Eine Regel, die jeder Code erfüllt."`,
		"ko": `XA의 규칙 GR-XA-0404 1.0.0을(를) 충족하지 않습니다: "A rule that any code meets."`,
		"fr": `Rule GR-XA-0404 1.0.0 of XA is not met: "A rule that any code meets."`,
	} {
		var c client.CheckAnswer
		ask(t, http.MethodPost, "/v1/check", bytes.NewReader(q), "Content-Type", "application/json", "Accept-Language", header).into(t, http.StatusOK, &c)
		found := ""
		for _, r := range c.Reasons {
			if r.Name == recognition.RuleNotMet {
				found = r.Message
			}
		}
		if found != want {
			t.Errorf("%s: %s", header, found)
		}
	}
}

// TestReasons: the catalogue is the table's, in every language.
func TestReasons(t *testing.T) {
	for header, l := range spoken {
		a := get(t, "/v1/reasons", "Accept-Language", header)
		var got client.Reasons
		a.into(t, http.StatusOK, &got)
		if got.Language != string(l) || a.header.Get("Content-Language") != string(l) || a.header.Get("Vary") != "Accept-Language" || len(got.Reasons) != len(recognition.Reasons) {
			t.Fatalf("%.40q: %d reasons in %s, %v", header, len(got.Reasons), got.Language, a.header)
		}
		for i, m := range got.Reasons {
			if m != recognition.Reasons[i].In(l) {
				t.Errorf("%.40q: %+v", header, m)
			}
		}
	}
	c, err := client.New([]string{network.URL(region)})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Reasons(t.Context(), "zh-CN"); err != nil || got.Language != "zh" || got.Reasons[0].Do == recognition.Reasons[0].Do {
		t.Errorf("by the client: %s, %v", got.Language, err)
	}
}
