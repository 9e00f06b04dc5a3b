package httpapi_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"concordat/client"
	"concordat/healthcode"
	"concordat/healthcode/hc1"
	"concordat/ledger/statement"
	"concordat/node/nodetest"
	"concordat/testnet/codes"
)

// network is one region's node, shared by the tests of this package: they
// speak of different subjects. Its authority registers the codes' certificates
// once, in TestMain, so that checks have something to find.
var network *nodetest.Network

const region = "XA"

// clock is a time at which all codes of testnet/codes are good.
var clock = time.Date(2021, 9, 1, 12, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "httpapi-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if network, err = nodetest.Found(dir, region); err == nil {
			if err = network.Start(region); err == nil {
				err = network.Ready(context.Background())
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		code := m.Run()
		if err := network.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "closing:", err)
			return 1
		}
		return code
	}())
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask sends one request to the shared node. headers are pairs.
func ask(t testing.TB, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	return askAt(t, network.URL(region), method, path, body, headers...)
}

// askAt sends one request to the node at a URL, and holds the answer's status
// against openapi.json.
func askAt(t testing.TB, base, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := answer{resp.StatusCode, resp.Header, b}
	got.documented(t, method, req.URL.Path)
	return got
}

// operations are what openapi.json says of a path, by method.
type operations map[string]struct {
	Responses map[string]struct {
		Content map[string]any `json:"content"`
	} `json:"responses"`
}

var paths = sync.OnceValue(func() map[string]operations {
	raw, err := os.ReadFile("openapi.json")
	var d struct {
		Paths map[string]operations `json:"paths"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &d)
	}
	if err != nil {
		panic(err)
	}
	return d.Paths
})

// documented holds an answer's status and kind against openapi.json, for the paths that are there.
func (a answer) documented(t testing.TB, method, path string) {
	t.Helper()
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for known, ops := range paths() {
		op, is := ops[strings.ToLower(method)]
		if !is || !pathOf(known).MatchString(path) {
			continue
		}
		r, is := op.Responses[strconv.Itoa(a.status)]
		if !is {
			t.Errorf("%s %s is answered %d, which openapi.json does not tell of", method, known, a.status)
			return
		}
		kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
		if _, is := r.Content[kind]; len(a.body) > 0 && (err != nil || !is) {
			t.Errorf("%s %s, %d, is answered as %q, which openapi.json does not tell of", method, known, a.status, kind)
		}
		return
	}
}

// pathOf matches what a path of openapi.json stands for.
func pathOf(known string) *regexp.Regexp {
	p := strings.ReplaceAll(regexp.QuoteMeta(known), `\{path\}`, ".+")
	return regexp.MustCompile("^" + variable.ReplaceAllString(p, "[^/]+") + "$")
}

var variable = regexp.MustCompile(`\\\{[a-z]+\\\}`)

func get(t testing.TB, path string, headers ...string) answer {
	t.Helper()
	return ask(t, http.MethodGet, path, nil, headers...)
}

// into decodes the body of an answer with the status wanted.
func (a answer) into(t testing.TB, status int, v any) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
}

// failure checks the shape of an error answer and gives it.
func (a answer) failure(t testing.TB, status int, name string) client.Failure {
	t.Helper()
	var e struct {
		Error client.Failure `json:"error"`
	}
	a.into(t, status, &e)
	if e.Error.Name != name || e.Error.Message == "" {
		t.Errorf("the error is %q (%s), want %q with a message", e.Error.Name, e.Error.Message, name)
	}
	if a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("an error comes with Content-Type %q and Cache-Control %q", a.header.Get("Content-Type"), a.header.Get("Cache-Control"))
	}
	if again := a.header.Get("Retry-After"); (again != "") != (status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests) {
		t.Errorf("status %d comes with Retry-After %q", status, again)
	}
	return e.Error
}

// submit sends a statement and its attachment, as a form where it has one.
func submit(t testing.TB, wait string, v *statement.Verified, attachment []byte) answer {
	t.Helper()
	if attachment == nil {
		return ask(t, http.MethodPost, "/v1/statements?wait="+wait, bytes.NewReader(v.Raw()), "Content-Type", "application/cose")
	}
	body, contentType := form(t, "statement", v.Raw(), "attachment", attachment)
	return ask(t, http.MethodPost, "/v1/statements?wait="+wait, bytes.NewReader(body), "Content-Type", contentType)
}

// said signs and submits what the region says, and gives its index.
func said(t testing.TB, revision uint64, body statement.Body, attachment []byte) uint64 {
	t.Helper()
	var s client.Submitted
	submit(t, "ordered", network.Sign(t, region, revision, body), attachment).into(t, http.StatusOK, &s)
	if s.Index == nil || s.State != client.Ordered && s.State != client.Final {
		t.Fatalf("submitted: %+v", s)
	}
	return *s.Index
}

// registered registers the certificate of a code, unless it is there already,
// and waits until it is final: then it counts.
func registered(t testing.TB, name string) codes.Code {
	t.Helper()
	c := codeOf(t, name)
	a := submit(t, "final", network.Sign(t, region, 1, keyOf(t, c)), nil)
	if a.status != http.StatusOK && a.status != http.StatusConflict {
		t.Fatalf("registering: %d %s", a.status, a.body)
	}
	return c
}

func codeOf(t testing.TB, name string) codes.Code {
	t.Helper()
	c, err := codes.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// keyOf registers the key that signed a code.
func keyOf(t testing.TB, c codes.Code) *statement.RegisterKey {
	t.Helper()
	cert, err := x509.ParseCertificate(c.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	kid := hc1.KeyID(c.Certificate)
	return &statement.RegisterKey{
		PublicKey: cert.RawSubjectPublicKeyInfo, KeyID: kid[:], Certificate: c.Certificate, ValidUntil: statement.TimeOf(cert.NotAfter),
	}
}

// signatureHash is the attachment that revokes a code by the hash of its signature.
func signatureHash(t testing.TB, c codes.Code) []byte {
	t.Helper()
	u, err := healthcode.Decode(c.Text, hc1.Decoder{})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range u.RevocationHashes() {
		if h.Type == healthcode.HashSignature {
			return statement.NewAttachment([]statement.RevocationHash{statement.RevocationHash(h.Hash)})
		}
	}
	t.Fatalf("%s has no hash of its signature", c.Name)
	return nil
}

// risk declares an area at risk: a statement that is good once, by itself.
func risk(area string) *statement.DeclareRisk {
	return &statement.DeclareRisk{RiskLevel: statement.RiskLevel{
		Area: statement.Area(area), Scheme: "default", Level: "high", From: 1_600_000_000, Lookback: 14, Refuse: true, LegalRef: "Order 7",
	}}
}

func postCheck(t testing.TB, q any) answer {
	t.Helper()
	b, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	return ask(t, http.MethodPost, "/v1/check", bytes.NewReader(b), "Content-Type", "application/json")
}

// check checks, and gives the answer.
func check(t testing.TB, q client.Check) client.CheckAnswer {
	t.Helper()
	var c client.CheckAnswer
	postCheck(t, q).into(t, http.StatusOK, &c)
	if len(c.AsOf.Root) != 64 || c.AsOf.Cosigners == nil || c.AsOf.FinalSize > c.AsOf.Size || (c.AsOf.FinalSize > 0) != (c.AsOf.AgeMillis >= 0) {
		t.Errorf("the answer says of itself: %+v", c.AsOf)
	}
	return c
}

func hasReason(c client.CheckAnswer, name string) bool {
	for _, r := range c.Reasons {
		if r.Name == name {
			return true
		}
	}
	return false
}

func names(c client.CheckAnswer) string {
	var out []string
	for _, r := range c.Reasons {
		out = append(out, r.Name)
	}
	return strings.Join(out, " ")
}
