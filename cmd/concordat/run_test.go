package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"concordat/client"
)

// typed runs a command as main does, in this process.
func typed(t *testing.T, stdin string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &o, &e)
	return code, o.String(), e.String()
}

// answers is a node that says the same to everything.
func answers(t *testing.T, status int, body any) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func failure(f *client.Failure) any { return map[string]any{"error": f} }

func decision(word string) any {
	return map[string]any{"decision": word, "reasons": []any{map[string]any{"name": "n", "message": "m \x1b[2J", "effect": "note"}}, "codes": []any{}, "region": "XA", "at": "2021-06-01T12:00:00Z"}
}

// TestExitCodes is the table that border systems script against.
func TestExitCodes(t *testing.T) {
	lie := map[string]any{"index": 1, "hash": strings.Repeat("0", 64), "raw": []byte("not it"), "kind": "authority.admit", "authority": "XA", "state": "ordered"}
	for _, test := range []struct {
		name   string
		status int
		answer any
		args   []string
		code   int
		says   string
	}{
		{"recognized", 200, decision("recognized"), []string{"check", "HC1:X"}, client.ExitDone, ""},
		{"refused", 200, decision("refused"), []string{"check", "HC1:X"}, client.ExitRefused, ""},
		{"undetermined", 200, decision("undetermined"), []string{"check", "HC1:X"}, client.ExitUnreachable, ""},
		{"bad request", 400, failure(client.Fail(client.BadRequest, "at")), []string{"check", "HC1:X"}, client.ExitUsage, "openapi"},
		{"no quorum", 503, failure(client.Fail(client.Stale, "no quorum")), []string{"check", "HC1:X"}, client.ExitUnreachable, "ask another"},
		{"conflict", 409, failure(&client.Failure{Name: "revision-conflict", Message: "m", Hint: "sign again", Detail: map[string]any{"revision": 4}}), []string{"issuer", "list"}, client.ExitRefused, "stands at revision 4 now"},
		{"too large", 413, failure(client.Fail(client.TooLarge, "2 MiB, at most 1 MiB")), []string{"issuer", "list"}, client.ExitUsage, "at most 1 MiB"},
		{"not a node", 200, "hello", []string{"status"}, client.ExitUnreachable, "is this the address of a Concordat node"},
		{"no reason", 500, "hello", []string{"status"}, client.ExitUnreachable, "status 500"},
		{"tampered", 200, lie, []string{"statement", "1"}, client.ExitTampering, "ask another node"},
		{"unknown flag", 200, nil, []string{"check", "--nonsense"}, client.ExitUsage, "nonsense"},
		{"unknown command", 200, nil, []string{"chekc"}, client.ExitUsage, "check"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("CONCORDAT_NODE", answers(t, test.status, test.answer))
			code, out, errs := typed(t, "", test.args...)
			if code != test.code || !strings.Contains(errs, test.says) {
				t.Errorf("exit code %d, want %d, with %q on standard error:\n%s%s", code, test.code, test.says, out, errs)
			}
			if strings.Contains(out+errs, "\x1b") {
				t.Error("what a node says moves the cursor")
			}

			// With --json standard output is one object, whatever happens.
			code, out, _ = typed(t, "", append(test.args, "--json")...)
			var one map[string]any
			d := json.NewDecoder(strings.NewReader(out))
			if err := d.Decode(&one); err != nil || d.More() || code != test.code {
				t.Errorf("with --json exit code %d, want %d, and one object (%v):\n%s", code, test.code, err, out)
			}
		})
	}
}

// TestNextNode: a node that cannot be reached is no reason to fail while there is another.
func TestNextNode(t *testing.T) {
	node := answers(t, 200, map[string]any{"issuers": []any{}})
	if code, _, errs := typed(t, "", "issuer", "list", "--node", "http://127.0.0.1:1", "--node", node); code != client.ExitDone {
		t.Errorf("exit code %d:\n%s", code, errs)
	}
	t.Setenv("CONCORDAT_NODE", "http://127.0.0.1:1, "+node)
	if code, _, errs := typed(t, "", "issuer", "list"); code != client.ExitDone {
		t.Errorf("with CONCORDAT_NODE: exit code %d:\n%s", code, errs)
	}
}

// TestCodesAreNotQuoted: what is scanned from a person is in no error.
func TestCodesAreNotQuoted(t *testing.T) {
	const secret = "HC1:6BFOXN%TS3DHPVO13J"
	t.Setenv("CONCORDAT_NODE", "http://127.0.0.1:1")
	for _, args := range [][]string{
		{"check", secret},
		{"check", "--itinerary", "missing.json", secret},
		{"revoke", "--authority", "XA", "--expires", "now", "--reason", "r", secret},
		{"revoke", "undo", "--authority", "XA", "--reason", "r", secret},
	} {
		code, out, errs := typed(t, "", args...)
		if code == client.ExitDone || strings.Contains(out+errs, secret[4:]) {
			t.Errorf("%v: exit code %d:\n%s%s", args[:2], code, out, errs)
		}
	}
}

// TestInterrupt: what is waited for ends with the context, as an interrupt ends it.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	defer s.Close()
	go func() {
		<-asked
		cancel()
	}()
	var o, e bytes.Buffer
	if code := run(ctx, []string{"statements", "--follow", "--node", s.URL}, strings.NewReader(""), &o, &e); code != client.ExitDone {
		t.Errorf("exit code %d, want %d: an interrupt is the ordinary end of --follow\n%s", code, client.ExitDone, e.String())
	}
}

// TestBounds: what is too large is told with the bound, before anything is signed.
func TestBounds(t *testing.T) {
	long := strings.Repeat("x", 1001)
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"recognize", "suspend", "XB", "--reason", long}, "reason has 1001 bytes, at most 1000"},
		{[]string{"recognize", "grant", "XB", "--from", "2022-01-01T00:00:00Z", "--until", "2021-01-01T00:00:00Z"}, "is not after from"},
		{[]string{"risk", "declare", "FR", "--level", "high", "--from", "now", "--lookback-days", "400"}, "look-back is 400 days, at most 366"},
		{[]string{"risk", "declare", "FR", "--level", "Very High", "--from", "now"}, "level"},
		{[]string{"revoke", strings.Repeat("0", 32), "--expires", "now", "--reason", long}, "at most 1000"},
		{[]string{"revoke", strings.Repeat("0", 32), "--expires", "now", "--reason", "r", "--in-flight", "17"}, "want 1 to 16"},
		{[]string{"issuer", "compromise", strings.Repeat("0", 64), "--since", "now", "--reason", long}, "at most 1000"},
	} {
		code, out, errs := typed(t, "", append(test.args, "--authority", "XA", "--dry-run")...)
		if code != client.ExitUsage || !strings.Contains(errs, test.says) {
			t.Errorf("%v: exit code %d, want %d, with %q:\n%s%s", test.args[:2], code, client.ExitUsage, test.says, out, errs)
		}
	}
}
