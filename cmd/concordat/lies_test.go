package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/statement"
)

// attack is what a lying node, or an authority in a reason, would like to have
// printed: it erases the line, writes another, colours, sets the title, turns
// the direction of reading, in C0, in C1 and in text that is not seen.
const attack = "refused\x1b[2K\rrecognized\x1b]0;title\a\u009b2K\u202edezingocer\u2066\u200f\ufeff\U000e0041\nrecognized by XA\tok\u2028!"

// attacked is the attack as a JSON string.
var attacked = func() string {
	b, err := json.Marshal(attack)
	if err != nil {
		panic(err)
	}
	return string(b)
}()

const (
	someHash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	someAsOf = `{"size":9,"root":"` + someHash + `","finalSize":0,"cosigners":[],"age":"5ms","ageMillis":5}`
)

// liar is a node that answers one path with a text, and everything else with 404.
func liar(t *testing.T, answers map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			body = `{"error":{"name":"not-found","message":"` + r.URL.Path + `"}}`
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// harmlessly runs a command against a lying node and fails if what it prints
// could be taken for more than it is.
func harmlessly(t *testing.T, code int, shows string, args ...string) {
	t.Helper()
	got, out, errs := typed(t, "", args...)
	if got != code || !strings.Contains(out+errs, shows) {
		t.Errorf("exit code %d, want %d, with %q:\n%s%s", got, code, shows, out, errs)
	}
	obeyed(t, out)
	obeyed(t, errs)
	for line := range strings.SplitSeq(out+errs, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "recognized by XA") {
			t.Errorf("the node has written a line of its own: %q", line)
		}
	}

	got, out, errs = typed(t, "", append(args, "--json")...)
	var one any
	d := json.NewDecoder(strings.NewReader(out))
	if err := d.Decode(&one); err != nil || d.More() || got != code {
		t.Errorf("with --json exit code %d, want %d, and one object (%v):\n%s", got, code, err, out)
	}
	obeyed(t, out)
	obeyed(t, errs)
}

// TestFreeTextIsHarmless puts the attack wherever the API has free text.
func TestFreeTextIsHarmless(t *testing.T) {
	const shown = `\u001b[2K\u000drecognized`
	for _, test := range []struct {
		name, path, answer string
		code               int
		args               []string
	}{
		{"check", "/v1/check", `{"decision":"refused","region":"XB","at":"2021-06-01T12:00:00Z","reasons":[{"name":"revoked","effect":"against","message":` + attacked + `,"detail":` + attacked + `}],
			"codes":[{"format":` + attacked + `,"kind":` + attacked + `,"region":"XA","key":` + attacked + `,"fields":{` + attacked + `:` + attacked + `}},{"format":` + attacked + `,"key":` + attacked + `}],"asOf":` + someAsOf + `}`,
			client.ExitRefused, []string{"check", "HC1:X"}},
		{"status", "/v1/status", `{"network":"` + someHash + `","networkName":` + attacked + `,"region":"XA","role":"validator","raftRole":` + attacked + `,"root":"` + someHash + `","version":` + attacked + `,"final":{"note":` + attacked + `,"notFinalSince":"2021-06-01T12:00:00Z"},` +
			`"problems":[{"name":"behind","message":` + attacked + `,"hint":` + attacked + `}],"catchingUp":{"phase":` + attacked + `,"waiting":` + attacked + `,"size":18446744073709551615,"target":1,"rate":1e-300},` +
			`"evidence":[{"region":"XC","kind":"two-roots","words":` + attacked + `}]}`,
			client.ExitDone, []string{"status"}},
		{"doctor", "/v1/status", `{"network":"` + someHash + `","networkName":` + attacked + `,"region":"XA","role":"validator","vouching":true,"root":"` + someHash + `","version":` + attacked + `,"problems":[{"name":"behind","message":` + attacked + `,"hint":` + attacked + `}]}`,
			client.ExitRefused, []string{"doctor"}},
		{"evidence", "/v1/evidence", `{"evidence":[{"region":"XC","kind":"two-roots","words":` + attacked + `}],"asOf":` + someAsOf + `}`,
			client.ExitDone, []string{"evidence", "list"}},
		{"statements", "/v1/statements", `{"statements":[{"index":1,"hash":"` + someHash + `","kind":"recognition.grant","authority":"XA","subject":` + attacked + `,"words":` + attacked + `,"body":{},"state":"ordered"}],"asOf":` + someAsOf + `}`,
			client.ExitDone, []string{"statements"}},
		{"issuers", "/v1/issuers", `{"issuers":[{"id":"` + someHash + `","kid":` + attacked + `,"region":"XA","status":` + attacked + `,"algorithm":` + attacked + `,"kinds":[` + attacked + `],"reason":` + attacked + `}],"asOf":` + someAsOf + `}`,
			client.ExitDone, []string{"issuer", "list"}},
		{"risk areas", "/v1/risk-areas", `{"riskAreas":[{"area":"CN-31","authority":"XA","scheme":` + attacked + `,"level":` + attacked + `,"legalRef":` + attacked + `}],"asOf":` + someAsOf + `}`,
			client.ExitDone, []string{"risk", "list"}},
		{"recognitions", "/v1/recognitions", `{"recognitions":[{"grantor":"XA","grantee":"XB","status":` + attacked + `,"kinds":[` + attacked + `],"reason":` + attacked + `}],"asOf":` + someAsOf + `}`,
			client.ExitDone, []string{"recognize", "list"}},
		{"a suspension", "/v1/recognitions", `{"recognitions":[{"grantor":"XA","grantee":"XB","status":"suspended","suspension":{"kinds":[` + attacked + `],"reason":` + attacked + `}}],"asOf":` + someAsOf + `}`,
			client.ExitDone, []string{"recognize", "list"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("CONCORDAT_NODE", liar(t, map[string]string{test.path: test.answer}))
			harmlessly(t, test.code, shown, test.args...)
		})
	}
}

// TestAnswersThatAreNone puts the attack where a word of the API belongs: such
// an answer is none, and above all no decision.
func TestAnswersThatAreNone(t *testing.T) {
	for _, test := range []struct {
		name, path, answer string
		args               []string
	}{
		{"decision", "/v1/check", `{"decision":` + attacked + `}`, []string{"check", "HC1:X"}},
		{"region", "/v1/check", `{"decision":"recognized","region":` + attacked + `}`, []string{"check", "HC1:X"}},
		{"root", "/v1/check", `{"decision":"recognized","asOf":{"root":` + attacked + `}}`, []string{"check", "HC1:X"}},
		{"age", "/v1/check", `{"decision":"recognized","asOf":{"age":` + attacked + `}}`, []string{"check", "HC1:X"}},
		{"standing", "/v1/check", `{"decision":"recognized","asOf":{"standing":` + attacked + `}}`, []string{"check", "HC1:X"}},
		{"reason", "/v1/check", `{"decision":"recognized","reasons":[{"effect":"for","name":` + attacked + `}]}`, []string{"check", "HC1:X"}},
		{"network", "/v1/status", `{"network":` + attacked + `}`, []string{"status"}},
		{"leader", "/v1/status", `{"network":"` + someHash + `","leader":` + attacked + `}`, []string{"status"}},
		{"state", "/v1/statements", `{"statements":[{"index":1,"hash":"` + someHash + `","kind":"recognition.grant","authority":"XA","state":` + attacked + `}]}`, []string{"statements"}},
		{"pages without end", "/v1/statements", `{"statements":[],"next":5}`, []string{"statements", "--limit", "0"}},
		{"hash", "/v1/statements/1", `{"index":1,"hash":` + attacked + `,"kind":"recognition.grant","authority":"XA","state":"ordered"}`, []string{"statement", "1"}},
		{"key", "/v1/issuers", `{"issuers":[{"id":` + attacked + `,"region":"XA"}]}`, []string{"issuer", "list"}},
		{"area", "/v1/risk-areas", `{"riskAreas":[{"area":` + attacked + `,"authority":"XA"}]}`, []string{"risk", "list"}},
		{"grantee", "/v1/recognitions", `{"recognitions":[{"grantor":"XA","grantee":` + attacked + `}]}`, []string{"recognize", "list"}},
		{"culprit", "/v1/evidence", `{"evidence":[{"region":` + attacked + `,"kind":"two-roots"}]}`, []string{"evidence", "list"}},
		{"no JSON", "/v1/status", attack, []string{"status"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("CONCORDAT_NODE", liar(t, map[string]string{test.path: test.answer}))
			harmlessly(t, client.ExitUnreachable, client.NotUnderstood, test.args...)
			if _, out, _ := typed(t, "", test.args...); out != "" {
				t.Errorf("something was answered: %q", out)
			}
		})
	}
}

// TestErrorsAreHarmless: an error's message and hint are a node's words too.
func TestErrorsAreHarmless(t *testing.T) {
	lie := func(name string) map[string]any {
		return map[string]any{"error": map[string]any{"name": name, "message": attack, "hint": attack, "detail": map[string]any{attack: attack, "revision": 4}}}
	}
	for _, args := range [][]string{
		{"check", "HC1:X"}, {"status"}, {"statements"}, {"statements", "--follow"}, {"statement", "1"}, {"issuer", "list"}, {"risk", "list"}, {"recognize", "list"},
		{"evidence", "list"}, {"receipt", "get", "1", "--out", filepath.Join(t.TempDir(), "r")},
	} {
		t.Setenv("CONCORDAT_NODE", answers(t, http.StatusConflict, lie("revision-conflict")))
		harmlessly(t, client.ExitRefused, `concordat: revision-conflict: refused\u001b[2K\u000drecognized`, args...)
		t.Setenv("CONCORDAT_NODE", answers(t, http.StatusConflict, lie(attack)))
		harmlessly(t, client.ExitUnreachable, client.NotUnderstood, args...)
	}
	// Beside a node that answers.
	good := liar(t, map[string]string{"/v1/status": `{"network":"` + someHash + `","region":"XA"}`})
	harmlessly(t, client.ExitUnreachable, `refused\u001b[2K`, "status", "--node", good, "--node", answers(t, http.StatusServiceUnavailable, lie("broken")))
}

// speaker makes an authority's directory.
func speaker(t *testing.T) (dir string, key authority.PrivateKey) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "xa")
	if _, err := authority.Create(dir, "XA", "A", defaultAddresses, "", ""); err != nil {
		t.Fatal(err)
	}
	d, err := authority.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err = d.Key(authority.Statement)
	if err != nil {
		t.Fatal(err)
	}
	return dir, key
}

// TestAnotherStatement: a node that answers with another statement than the one asked for is caught.
func TestAnotherStatement(t *testing.T) {
	_, key := speaker(t)
	v, err := statement.Sign(statement.Statement{Issuer: "XA", Revision: 1, IssuedAt: 1622548800, Body: &statement.Withdraw{Region: "XB", Reason: "ended\nrecognized by XA"}}, key.Ed25519())
	if err != nil {
		t.Fatal(err)
	}
	s := v.Statement()
	show := func(change func(*client.Statement)) string {
		a := client.Statement{
			Index: 3, Hash: v.Hash().String(), Kind: string(s.Kind()), Authority: "XA", Subject: s.Subject(), Revision: 1,
			Words: attack, Body: map[string]any{attack: attack}, State: client.Ordered, Raw: v.Raw(),
		}
		change(&a)
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		public := base64.StdEncoding.EncodeToString(key.Public())
		return liar(t, map[string]string{
			"/v1/statements/3": string(b),
			"/v1/authorities":  `{"authorities":[{"id":"XA","name":` + attacked + `,"keys":{"statement":"` + public + `"}}]}`,
		})
	}
	t.Setenv("CONCORDAT_NODE", show(func(*client.Statement) {}))
	harmlessly(t, client.ExitDone, `\u202edezingocer`, "statement", "3")
	for name, change := range map[string]func(*client.Statement){
		"another index":   func(a *client.Statement) { a.Index = 4 },
		"another kind":    func(a *client.Statement) { a.Kind = "recognition.grant" },
		"another subject": func(a *client.Statement) { a.Subject = attack },
		"another hash":    func(a *client.Statement) { a.Hash = someHash },
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CONCORDAT_NODE", show(change))
			harmlessly(t, client.ExitTampering, "ask another node", "statement", "3")
		})
	}
}

// TestPlace: what a node says of a statement sent is a state and a place, or nothing.
func TestPlace(t *testing.T) {
	dir, _ := speaker(t)
	base := map[string]string{
		"/v1/status":    `{"network":"` + someHash + `","networkName":` + attacked + `}`,
		"/v1/revisions": `{"subject":"recognition/XA/XB","revision":0}`,
	}
	for answer, code := range map[string]int{
		`{"hash":` + attacked + `,"index":1,"state":"ordered"}`:          client.ExitUnreachable,
		`{"hash":"` + someHash + `","index":1,"state":` + attacked + `}`: client.ExitUnreachable,
		`{"hash":"` + someHash + `","index":1,"state":"ordered"}`:        client.ExitTampering, // another statement
	} {
		base["/v1/statements"] = answer
		t.Setenv("CONCORDAT_NODE", liar(t, base))
		harmlessly(t, code, `\u001b[2K`, "recognize", "grant", "XB", "--dir", dir)
	}
}

// TestFollowIsHarmless: events are answers too.
func TestFollowIsHarmless(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "data: {\"state\":\"ordered\",\"statement\":{\"index\":1,\"hash\":%q,\"kind\":\"recognition.grant\",\"authority\":\"XA\",\"state\":\"ordered\",\"words\":%s}}\n\n", someHash, attacked)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}))
		args := []string{"statements", "--follow", "--node", s.URL}
		if asJSON {
			args = append(args, "--json")
		}
		var out, errs bytes.Buffer
		code := run(ctx, args, strings.NewReader(""), writerFunc(func(p []byte) (int, error) {
			defer cancel() // one event is enough
			return out.Write(p)
		}), &errs)
		s.Close()
		if code != client.ExitDone || !strings.Contains(out.String(), `\u001b[2K`) {
			t.Errorf("exit code %d:\n%s%s", code, &out, &errs)
		}
		obeyed(t, out.String()+errs.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
