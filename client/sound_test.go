package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const (
	hash64  = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	entry7  = `{"index":7,"hash":"` + hash64 + `","kind":"recognition.grant","authority":"XA","subject":"recognition/XA/XB","words":"w","body":{},"state":"ordered"}`
	entry8  = `{"index":8,"hash":"` + hash64 + `","kind":"recognition.grant","authority":"XA","subject":"recognition/XA/XB","words":"w","body":{},"state":"final"}`
	decided = `{"decision":"recognized","region":"XB","at":"2021-06-01T12:00:00Z","reasons":[{"name":"in-time","effect":"for","message":"m","code":0}],"codes":[{"region":"XA","thumbprint":"` + hash64 + `"}],"asOf":{"size":1,"root":"` + hash64 + `","cosigners":["XA"],"age":"1.5s"}}`
	glance  = `{"network":"` + hash64 + `","region":"XA","leader":"XB","root":"` + hash64 + `","final":{"root":""},"age":"unknown","maxAge":"1h0m0s","noQuorumSince":"2021-06-01T12:00:00Z","started":"2021-06-01T12:00:00Z","peers":[{"region":"XB"}]}`
)

// liar is a client of a node that gives one answer to everything.
func liar(t *testing.T, status int, body string) *Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	c, err := New([]string{s.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAnswersAreSound: an answer that is as the API says is taken, and each
// change of a word that callers branch on, compare or print is refused.
func TestAnswersAreSound(t *testing.T) {
	seven := uint64(7)
	promise := SignPromise("XA", [32]byte{}, [32]byte{}, time.Unix(1, 0), promiseKey("XA")).String()
	check := func(c *Client) error { _, err := c.Check(t.Context(), Check{}); return err }
	status := func(c *Client) error { _, err := c.Status(t.Context()); return err }
	page := func(c *Client) error {
		_, err := c.Statements(t.Context(), Filter{After: &seven, Limit: 2})
		return err
	}
	submit := func(c *Client) error { _, err := c.Submit(t.Context(), nil, nil, Final); return err }
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // SHA-256 of no bytes
	for _, a := range []struct {
		name string
		ask  func(*Client) error
		good string
		lies [][2]string // what is replaced, and with what
	}{
		{"check", check, decided, [][2]string{
			{`"recognized"`, `"refused\u001b[2K\rrecognized"`}, {`"recognized"`, `"yes"`}, {`"recognized"`, `""`},
			{`"region":"XB"`, `"region":"XB\u001b[2K"`}, {`"region":"XA"`, `"region":"xa"`},
			{`"name":"in-time"`, `"name":"in time\n"`}, {`"effect":"for"`, `"effect":"+"`}, {`"code":0`, `"code":1`}, {`"code":0`, `"code":-1`},
			{`"root":"` + hash64, `"root":"` + hash64[2:]}, {`"root":"` + hash64, `"root":"` + strings.ToUpper(hash64)},
			{`"thumbprint":"01`, `"thumbprint":"zz`}, {`"1.5s"`, `"\u009b2K"`}, {`["XA"]`, `["X\nA"]`}, {`["XA"]`, `["XA"],"standing":"member"`},
		}},
		{"status", status, glance, [][2]string{
			{`"network":"` + hash64, `"network":"`}, {`"region":"XA"`, `"region":"X A"`}, {`"leader":"XB"`, `"leader":"\u202eBX"`},
			{`"root":"` + hash64, `"root":"\u001b]0;title`}, {`"final":{"root":""}`, `"final":{"root":"00"}`}, {`"unknown"`, `"young"`},
			{`"1h0m0s"`, `"1h\u001b"`}, {`"noQuorumSince":"2021`, `"noQuorumSince":"\u001b2021`}, {`"started":"2021`, `"started":"late`}, {`[{"region":"XB"}]`, `[{"region":"x"}]`},
		}},
		{"statements", page, `{"statements":[` + entry8 + `],"next":8}`, [][2]string{
			{`"final"`, `"final\u001b[K"`}, {`"final"`, `"promised"`}, {`"XA"`, `"XA\n"`}, {hash64, hash64[:10]}, {"recognition.grant", `grant\u001b`},
			{`"next":8`, `"next":7`}, {`"next":8`, `"next":9`}, {`"index":8`, `"index":7`}, {entry8, ""}, {entry8, entry8 + "," + entry8},
		}},
		{"submit", submit, `{"hash":"` + empty + `","index":7,"state":"ordered"}`, [][2]string{
			{`"ordered"`, `"done"`}, {`"ordered"`, `"refused"`}, {`"index":7,`, ``}, {empty, "00"}, {`"ordered"`, `"accepted"`},
		}},
		{"promised", submit, `{"hash":"` + empty + `","state":"accepted","promise":"` + promise + `"}`, [][2]string{{"XA 1 ", `XA 1 \u001b`}, {promise, ""}}},
		{"authorities", func(c *Client) error { _, err := c.Authorities(t.Context()); return err }, `{"authorities":[{"id":"XA","role":"observer","standing":"suspended"}]}`,
			[][2]string{{"XA", `X\u001bA`}, {"XA", ""}, {"observer", "king"}, {"suspended", "loved"}}},
		{"issuers", func(c *Client) error { _, err := c.Issuers(t.Context(), "", ""); return err }, `{"issuers":[{"id":"` + hash64 + `","region":"XA"}]}`,
			[][2]string{{"XA", `X\u001bA`}, {hash64, "short"}}},
		{"risk areas", func(c *Client) error { _, err := c.RiskAreas(t.Context(), time.Time{}); return err }, `{"riskAreas":[{"area":"CN-31-0115","authority":"XA"}]}`,
			[][2]string{{"CN-31", `CN\t31`}, {"XA", "x"}}},
		{"recognitions", func(c *Client) error { _, err := c.Recognitions(t.Context(), time.Time{}); return err }, `{"recognitions":[{"grantor":"XA","grantee":"XB"}]}`,
			[][2]string{{"XA", "x"}, {"XB", `\u202e`}}},
		{"rules", func(c *Client) error { _, err := c.Rules(t.Context(), RuleQuery{}); return err },
			`{"rules":[{"id":"VR-DE-0001","version":"1.0.0","authority":"XA","set":"default","type":"acceptance","hash":"` + hash64 + `"}]}`,
			[][2]string{{"VR-DE", `VR\u001bDE`}, {"1.0.0", `1\n0`}, {"XA", "x"}, {"default", `d\u202e`}, {"acceptance", "law"}, {hash64, "short"}}},
		{"reasons", func(c *Client) error { _, err := c.Reasons(t.Context(), "de"); return err },
			`{"language":"de","reasons":[{"name":"in-time","effect":"for","final":false,"text":"t","rests":"r","do":"d"}]}`,
			[][2]string{{`"de"`, `"d\u001be"`}, {`"de"`, `""`}, {"in-time", "in time"}, {`"for"`, `"+"`}}},
		{"value sets", func(c *Client) error { _, err := c.ValueSets(t.Context(), "XA", "x"); return err },
			`{"valueSets":[{"id":"sct-vaccines","version":"2021-05-27","authority":"XA","hash":"` + hash64 + `"}]}`,
			[][2]string{{"sct-vaccines", ""}, {"2021-05-27", `\u001b`}, {"XA", "x"}, {hash64, hash64[1:]}}},
		{"revocations", func(c *Client) error { _, err := c.Revocations(t.Context(), hash64[:32]); return err },
			`{"hash":"` + hash64[:32] + `","revocations":[{"authority":"XA","action":"revoked"}]}`,
			[][2]string{{"XA", "x"}, {`"revoked"`, `"none"`}, {hash64[:32], hash64}, {`"hash":"01`, `"hash":"02`}}},
		{"revision", func(c *Client) error { _, err := c.Revision(t.Context(), "s"); return err }, `{"subject":"s","revision":1}`, [][2]string{{`"s"`, `"other"`}}},
	} {
		if err := a.ask(liar(t, 200, a.good)); err != nil {
			t.Errorf("%s: a good answer: %v", a.name, err)
		}
		for _, l := range a.lies {
			lie := strings.Replace(a.good, l[0], l[1], 1)
			if lie == a.good {
				t.Fatalf("%s has no %s", a.name, l[0])
			}
			var f *Failure
			if err := a.ask(liar(t, 200, lie)); !errors.As(err, &f) || f.Name != NotUnderstood || strings.ContainsAny(err.Error(), "\x1b\n\r\u009b\u202e") {
				t.Errorf("%s with %q for %q: %v, want %s", a.name, l[1], l[0], err, NotUnderstood)
			}
		}
	}
}

// TestAnotherStatement: what was signed decides, not the node's word for it.
func TestAnotherStatement(t *testing.T) {
	if _, err := liar(t, 200, entry7).Statement(t.Context(), "7"); err != nil {
		t.Error(err)
	}
	if _, err := liar(t, 200, entry7).Statement(t.Context(), hash64); err != nil {
		t.Error(err)
	}
	for _, ref := range []string{"8", strings.Replace(hash64, "0", "1", 1), "x"} {
		if _, err := liar(t, 200, entry7).Statement(t.Context(), ref); !errors.Is(err, ErrTampered) {
			t.Errorf("statement %s was asked for, and 7 was taken: %v", ref, err)
		}
	}
	other := `{"hash":"` + hash64 + `","index":7,"state":"ordered"}`
	if _, err := liar(t, 200, other).Submit(t.Context(), []byte("mine"), nil, Final); !errors.Is(err, ErrTampered) {
		t.Errorf("an answer about another statement was taken: %v", err)
	}
}

// TestErrorsAreSound: an error's name is a name, or there was no reason given.
func TestErrorsAreSound(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":{"name":"no-such-thing","message":"m"}}`:       "no-such-thing",
		`{"error":{"name":"bad\u001b[2K","message":"m"}}`:        NotUnderstood,
		`{"error":{"name":"` + strings.Repeat("a", 65) + `"}}`:   NotUnderstood,
		`{"error":{"name":"two\nlines","message":"recognized"}}`: NotUnderstood,
		`{"error":{"message":"no name"}}`:                        NotUnderstood,
		`<html>`:                                                 NotUnderstood,
	} {
		var f *Failure
		if _, err := liar(t, 404, body).Status(t.Context()); !errors.As(err, &f) || f.Name != want {
			t.Errorf("%s is %v, want %s", body, err, want)
		}
	}
}

func TestEventsAreSound(t *testing.T) {
	read := func(data string) error {
		enough := errors.New("enough")
		err := liar(t, 200, "data: "+data+"\n\n").Events(t.Context(), nil, func(Event) error { return enough })
		if errors.Is(err, enough) {
			return nil
		}
		return err
	}
	good := `{"state":"ordered","statement":` + entry7 + `}`
	if err := read(good); err != nil {
		t.Errorf("a good event: %v", err)
	}
	for _, lie := range []string{
		strings.Replace(good, `{"state":"ordered"`, `{"state":"\u001b[2K"`, 1),
		strings.Replace(good, `"XA"`, `"\u001b[2K"`, 1),
	} {
		var f *Failure
		if err := read(lie); !errors.As(err, &f) || f.Name != NotUnderstood {
			t.Errorf("%s: %v, want %s", lie, err, NotUnderstood)
		}
	}
}

// TestJudgedAt: a time goes to the node as the API reads it; none asks for now.
func TestJudgedAt(t *testing.T) {
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		fmt.Fprint(w, `{}`)
	}))
	defer s.Close()
	c, err := New([]string{s.URL})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2021, 6, 1, 14, 0, 0, 0, time.FixedZone("", 2*3600))
	for _, ask := range []func(context.Context, time.Time) error{
		func(ctx context.Context, at time.Time) error { _, err := c.RiskAreas(ctx, at); return err },
		func(ctx context.Context, at time.Time) error { _, err := c.Recognitions(ctx, at); return err },
	} {
		if err := errors.Join(ask(t.Context(), at), ask(t.Context(), time.Time{})); err != nil {
			t.Error(err)
		}
	}
	const query = "?at=2021-06-01T12%3A00%3A00Z"
	want := []string{"/v1/risk-areas" + query, "/v1/risk-areas", "/v1/recognitions" + query, "/v1/recognitions"}
	if strings.Join(asked, " ") != strings.Join(want, " ") {
		t.Errorf("asked %q, want %q", asked, want)
	}
}
