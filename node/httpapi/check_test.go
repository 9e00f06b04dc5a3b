package httpapi_test

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"concordat/client"
)

func TestCheck(t *testing.T) {
	code := registered(t, "AT-1")
	c := check(t, client.Check{Codes: []string{code.Text}, At: &clock})
	if c.Decision.Decision != "recognized" || c.Region != region || !c.At.Equal(clock) {
		t.Fatalf("%s at %s, %s: %s", c.Region, c.At, c.Decision.Decision, names(c))
	}
	for _, r := range c.Reasons {
		if r.Name == "key-registered" && r.Statement == nil {
			t.Error("the key's registration is not named")
		}
	}
	if len(c.Codes) != 1 || c.Codes[0].Region != region || c.Codes[0].Format != "hc1" || len(c.Codes[0].Fields) == 0 || c.Codes[0].IssuedAt == nil {
		t.Errorf("of the code it is said: %+v", c.Codes)
	}
	t.Run("many ways to ask", func(t *testing.T) {
		for name, q := range map[string]client.Check{
			"lower case":   {Codes: []string{code.Text}, At: &clock, Region: "xa"},
			"white space":  {Codes: []string{"\n " + code.Text + " \n"}, At: &clock},
			"linearizable": {Codes: []string{code.Text}, At: &clock, Consistency: "linearizable", MaxAge: "5s"},
			"local":        {Codes: []string{code.Text}, At: &clock, Consistency: "local"},
			"twice":        {Codes: []string{code.Text, code.Text}, At: &clock},
		} {
			if c := check(t, q); c.Decision.Decision != "recognized" || len(c.Codes) != len(q.Codes) {
				t.Errorf("%s: %s: %s", name, c.Decision.Decision, names(c))
			}
		}
	})
	t.Run("now", func(t *testing.T) {
		before := time.Now().Add(-time.Second)
		c := check(t, client.Check{Codes: []string{code.Text}})
		if c.At.Before(before.Truncate(time.Second)) || c.At.After(time.Now()) {
			t.Errorf("without a time, %s was asked about", c.At)
		}
		if c.Decision.Decision != "refused" || !hasReason(c, "code-expired") {
			t.Errorf("a code of 2021 is %s now: %s", c.Decision.Decision, names(c))
		}
	})
	t.Run("max age", func(t *testing.T) {
		c := check(t, client.Check{Codes: []string{code.Text}, At: &clock, MaxAge: "0s"})
		if c.Decision.Decision != "undetermined" || !hasReason(c, "knowledge-stale") {
			t.Errorf("knowledge of no age at all: %s: %s", c.Decision.Decision, names(c))
		}
	})
	t.Run("one bad code of two", func(t *testing.T) {
		c := check(t, client.Check{Codes: []string{code.Text, "HC1:NOTHING"}, At: &clock})
		if c.Decision.Decision != "refused" || !hasReason(c, "code-unreadable") || len(c.Codes) != 2 {
			t.Errorf("%s: %s", c.Decision.Decision, names(c))
		}
	})
	t.Run("itinerary", func(t *testing.T) {
		said(t, 1, risk("CN-31"), nil)
		stay := func(days int) client.Check {
			from := clock.AddDate(0, 0, -days)
			return client.Check{Codes: []string{code.Text}, At: &clock, Itinerary: []client.Stay{{Area: "CN-31-0115", From: from, To: from.Add(time.Hour)}}}
		}
		if c := check(t, stay(3)); c.Decision.Decision != "refused" || !hasReason(c, "risk-area") {
			t.Errorf("a stay at risk: %s: %s", c.Decision.Decision, names(c))
		}
		if c := check(t, stay(20)); c.Decision.Decision != "recognized" {
			t.Errorf("a stay before the look-back: %s: %s", c.Decision.Decision, names(c))
		}
	})
}

// TestUnreadableCode: what a person shows may be anything; the answer is a
// decision, and a quick one.
func TestUnreadableCode(t *testing.T) {
	var bomb bytes.Buffer
	z := zlib.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 16 {
		if _, err := z.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "no prefix": "hello", "cut": "HC1:6BF", "zip bomb": "HC1:" + base45(bomb.Bytes()),
		"not UTF-8": "HC1:\xff\xfe", "long": "HC1:" + strings.Repeat("A", 100<<10), "nested": "HC1:" + strings.Repeat("[", 10_000),
	} {
		began := time.Now()
		c := check(t, client.Check{Codes: []string{text}})
		if c.Decision.Decision != "refused" || !hasReason(c, "code-unreadable") || c.Reasons[0].Detail == "" {
			t.Errorf("%s: %s: %s", name, c.Decision.Decision, names(c))
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

// base45 encodes by RFC 9285.
func base45(b []byte) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
	var out strings.Builder
	for ; len(b) >= 2; b = b[2:] {
		n := int(b[0])<<8 | int(b[1])
		out.WriteByte(alphabet[n%45])
		out.WriteByte(alphabet[n/45%45])
		out.WriteByte(alphabet[n/45/45])
	}
	if len(b) == 1 {
		out.WriteByte(alphabet[int(b[0])%45])
		out.WriteByte(alphabet[int(b[0])/45])
	}
	return out.String()
}

func TestCheckRefusesRequests(t *testing.T) {
	many := `{"codes":[` + strings.Repeat(`"x",`, 16) + `"x"]}`
	stays := `{"codes":["x"],"itinerary":[` + strings.Repeat(`{"area":"DE","from":"2021-01-01T00:00:00Z","to":"2021-01-01T00:00:00Z"},`, 200) + `{"area":"DE","from":"2021-01-01T00:00:00Z","to":"2021-01-01T00:00:00Z"}]}`
	for _, c := range []struct {
		name, body string
		status     int
		failure    string
		says       string
	}{
		{"empty", "", 400, client.BadRequest, "empty"},
		{"no JSON", "codes=x", 400, client.BadRequest, "byte 1"},
		{"truncated", `{"codes":["HC1:SECRET`, 400, client.BadRequest, "cut short"},
		{"trailing garbage", `{"codes":["x"]} {"codes":["y"]}`, 400, client.BadRequest, "more after"},
		{"unknown field", `{"codes":["x"],"colour":"green"}`, 400, client.BadRequest, "unknown field"},
		{"long unknown field", `{"` + strings.Repeat("SECRET", 1000) + `":1}`, 400, client.BadRequest, "unknown field"},
		{"wrong type", `{"codes":"HC1:SECRET"}`, 400, client.BadRequest, "field codes holds a string"},
		{"number", `{"codes":[123456]}`, 400, client.BadRequest, "holds a number"},
		{"not a time", `{"codes":["x"],"at":"SECRET"}`, 400, client.BadRequest, "RFC 3339"},
		{"a number for a time", `{"codes":["x"],"at":5}`, 400, client.BadRequest, "RFC 3339"},
		{"null", `null`, 400, client.BadRequest, "no code"},
		{"no codes", `{"codes":[]}`, 400, client.BadRequest, "no code"},
		{"list", `["x"]`, 400, client.BadRequest, "array"},
		{"deep nesting", `{"codes":` + strings.Repeat("[", 100_000), 400, client.BadRequest, ""},
		{"deep nesting in an unknown field", `{"x":` + strings.Repeat(`{"x":`, 20_000), 400, client.BadRequest, ""},
		{"too many codes", many, 400, client.BadRequest, "17 codes, at most 16"},
		{"too many stays", stays, 400, client.BadRequest, "201 stays, at most 200"},
		{"too large", `{"codes":["` + strings.Repeat("A", 300<<10) + `"]}`, 413, client.TooLarge, "262144 bytes"},
		{"unknown region", `{"codes":["x"],"region":"XQ"}`, 400, client.UnknownRegion, "XQ"},
		{"no region", `{"codes":["x"],"region":"Atlantis"}`, 400, client.UnknownRegion, "region"},
		{"consistency", `{"codes":["x"],"consistency":"eventual"}`, 400, client.BadRequest, "local or linearizable"},
		{"max age", `{"codes":["x"],"maxAge":"soon"}`, 400, client.BadRequest, "maxAge"},
		{"max age without unit", `{"codes":["x"],"maxAge":"60"}`, 400, client.BadRequest, "60s"},
		{"negative max age", `{"codes":["x"],"maxAge":"-1s"}`, 400, client.BadRequest, "maxAge"},
		{"far past", `{"codes":["x"],"at":"0001-01-01T00:00:00Z"}`, 400, client.BadRequest, "1970"},
		{"no area", `{"codes":["x"],"itinerary":[{"area":"!","from":"2021-01-01T00:00:00Z","to":"2021-01-01T00:00:00Z"}]}`, 400, client.BadRequest, "stay 0"},
		{"backward stay", `{"codes":["x"],"itinerary":[{"area":"DE","from":"2021-01-02T00:00:00Z","to":"2021-01-01T00:00:00Z"}]}`, 400, client.BadRequest, "before"},
		{"stay without a time", `{"codes":["x"],"itinerary":[{"area":"DE"}]}`, 400, client.BadRequest, "missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask(t, http.MethodPost, "/v1/check", strings.NewReader(c.body), "Content-Type", "application/json")
			f := a.failure(t, c.status, c.failure)
			if !strings.Contains(f.Message, c.says) || f.Hint == "" {
				t.Errorf("it says %q (hint %q), want something of %q", f.Message, f.Hint, c.says)
			}
			if len(a.body) > 1024 || strings.Contains(string(a.body), "SECRET") {
				t.Errorf("the answer quotes the body: %s", a.body)
			}
		})
	}
	for _, kind := range []string{"text/plain", "application/cose", "multipart/mixed", "image/gif"} {
		ask(t, http.MethodPost, "/v1/check", strings.NewReader(`{}`), "Content-Type", kind).failure(t, 415, client.WrongContentType)
	}
	for _, kind := range []string{"", "application/json; charset=utf-8", "application/x-www-form-urlencoded"} {
		a := ask(t, http.MethodPost, "/v1/check", strings.NewReader(`{"codes":["x"]}`), "Content-Type", kind)
		if a.status != http.StatusOK {
			t.Errorf("a check as %q is answered %d: %s", kind, a.status, a.body)
		}
	}
}

// TestTruncatedBody: a connection that ends in the middle is the sender's fault, and told so.
func TestTruncatedBody(t *testing.T) {
	for _, c := range []struct{ path, kind string }{
		{"/v1/check", "application/json"}, {"/v1/statements", "application/cose"}, {"/v1/statements", "multipart/form-data; boundary=x"},
	} {
		conn, err := net.Dial("tcp", network.Node(region).HTTPAddress())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 100\r\n\r\n--x\r\n", c.path, c.kind)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		a := readAnswer(t, conn)
		a.failure(t, 400, client.BadRequest)
		conn.Close()
	}
}

func TestWrongPathOrMethod(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
		name, allow  string
	}{
		{"GET", "/v1/check", 405, client.MethodNotAllowed, "POST"},
		{"PUT", "/v1/statements", 405, client.MethodNotAllowed, "GET, POST"},
		{"POST", "/v1/status", 405, client.MethodNotAllowed, "GET"},
		{"DELETE", "/metrics", 405, client.MethodNotAllowed, "GET"},
		{"GET", "/", 404, client.NotFound, ""},
		{"GET", "/v2/check", 404, client.NotFound, ""},
		{"POST", "/v1/nothing", 404, client.NotFound, ""},
		{"GET", "/v1/statements/1/2/3", 404, client.NotFound, ""},
	} {
		a := ask(t, c.method, c.path, nil)
		a.failure(t, c.status, c.name)
		if got := a.header.Get("Allow"); got != c.allow {
			t.Errorf("%s %s allows %q, want %q", c.method, c.path, got, c.allow)
		}
	}
}
