package bridge_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"concordat/ledger/ledgertest"
	"concordat/ledger/statement"
)

// shortKey is a P-256 key one of whose coordinates begins with a zero byte,
// which naive writers leave out, or whose first bit is set, to which they add one.
func shortKey(t testing.TB, short bool) *ecdsa.PrivateKey {
	for {
		k := newKey(t)
		point, err := k.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if short == (point[1] == 0 || point[33] == 0) && (short || point[1] >= 0x80 && point[33] >= 0x80) {
			return k
		}
	}
}

// smart registers a key as SMART Health Cards have it: without a certificate, by its thumbprint.
func smart(t testing.TB, key *ecdsa.PrivateKey, issuer string) *statement.RegisterKey {
	t.Helper()
	j := jose.JSONWebKey{Key: &key.PublicKey}
	kid, err := j.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return &statement.RegisterKey{PublicKey: spki, KeyID: kid, Issuer: issuer}
}

// keysAt fetches a key set as a SMART verifier does, and holds each key to the
// specification.
func (w *world) keysAt(path string) map[string]*ecdsa.PublicKey {
	w.t.Helper()
	a := w.get(path, "Origin", "https://verifier.example").is(http.StatusOK)
	if a.Header().Get("Access-Control-Allow-Origin") != "*" || a.Header().Get("Content-Type") != "application/json" {
		w.t.Errorf("%s comes with %v", path, a.Header())
	}
	var raw struct{ Keys []map[string]any }
	if err := json.Unmarshal(a.Body.Bytes(), &raw); err != nil || raw.Keys == nil {
		w.t.Fatalf("%v in %s", err, a.Body)
	}
	for _, k := range raw.Keys {
		for name, want := range map[string]any{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256"} {
			if k[name] != want {
				w.t.Errorf("%s is %v, want %v", name, k[name], want)
			}
		}
		for _, name := range []string{"x", "y"} {
			if b, err := base64.RawURLEncoding.DecodeString(k[name].(string)); err != nil || len(b) != 32 {
				w.t.Errorf("%s has %d bytes (%v)", name, len(b), err)
			}
		}
		if _, private := k["d"]; private {
			w.t.Error("a private key")
		}
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(a.Body.Bytes(), &set); err != nil {
		w.t.Fatal(err)
	}
	out := map[string]*ecdsa.PublicKey{}
	for _, k := range set.Keys {
		thumbprint, err := k.Thumbprint(crypto.SHA256)
		if err != nil || k.KeyID != base64.RawURLEncoding.EncodeToString(thumbprint) {
			w.t.Errorf("kid %s is not the thumbprint (%v)", k.KeyID, err)
		}
		out[k.KeyID] = k.Key.(*ecdsa.PublicKey)
	}
	return out
}

// TestSMARTVerifier: a region's keys and an issuer's, where a verifier looks for them.
func TestSMARTVerifier(t *testing.T) {
	w := newWorld(t, "XA", "XB")
	const issuer = "https://smart.example/clinic"
	short, long, stolen, certified := shortKey(t, true), shortKey(t, false), newKey(t), newKey(t)
	w.says("XA", smart(t, short, issuer))
	w.says("XB", smart(t, long, issuer))
	w.says("XB", smart(t, stolen, issuer))
	w.says("XB", compromise(smart(t, stolen, issuer)))
	w.says("XA", certificate(t, certified, expires))
	w.says("XA", certificate(t, rsaKey(t, 2048), expires))
	ended := smart(t, newKey(t), "")
	ended.ValidUntil = statement.TimeOf(ledgertest.Begins) + 1 // its cards do not end
	w.says("XB", ended)

	own := w.keysAt("/.well-known/jwks.json")
	if len(own) != 1 {
		t.Fatalf("own keys: %v", own)
	}
	for _, k := range own {
		if !k.Equal(&certified.PublicKey) {
			t.Error("another key")
		}
	}
	if !strings.Contains(w.get("/.well-known/jwks.json").Body.String(), `"x5c":["`) {
		t.Error("the certificate is missing")
	}
	if got := w.keysAt("/issuers/XB/.well-known/jwks.json"); len(got) != 1 {
		t.Errorf("XB's: %v", got)
	}
	if got := w.keysAt("/issuers/XA/.well-known/jwks.json"); len(got) != 1 {
		t.Errorf("XA's: %v", got)
	}
	w.says("XA", grant("XB"))
	for _, path := range []string{"/jwks/" + url.PathEscape(issuer) + "/.well-known/jwks.json", "/.well-known/jwks.json?iss=" + url.QueryEscape(issuer)} {
		got := w.keysAt(path)
		if len(got) != 2 {
			t.Errorf("the issuer's: %v", got)
		}
		for _, want := range []*ecdsa.PrivateKey{short, long} {
			found := false
			for _, k := range got {
				found = found || k.Equal(&want.PublicKey)
			}
			if !found {
				t.Error("a key of the issuer is missing")
			}
		}
	}
	a := w.get("/.well-known/jwks.json")
	w.get("/.well-known/jwks.json", "If-None-Match", a.Header().Get("ETag")).is(http.StatusNotModified)
	w.get("/.well-known/jwks.json?iss=https://nobody.example").is(http.StatusNotFound)
	w.get("/.well-known/jwks.json?iss=" + strings.Repeat("x", 600)).is(http.StatusBadRequest)
	w.get("/issuers/XX/.well-known/jwks.json").is(http.StatusBadRequest)
	w.get("/issuers/!/.well-known/jwks.json").is(http.StatusBadRequest)
}

type didDocument struct {
	Context            []string    `json:"@context"`
	ID                 string      `json:"id"`
	Controller         string      `json:"controller"`
	VerificationMethod []didMethod `json:"verificationMethod"`
}

type didMethod struct {
	ID           string          `json:"id"`
	Type         string          `json:"type"`
	Controller   string          `json:"controller"`
	PublicKeyJwk json.RawMessage `json:"publicKeyJwk"`
	Domain       string          `json:"domain"`
	Participant  string          `json:"participant"`
	KeyUsage     string          `json:"keyusage"`
}

// TestIssuerNamedByAStranger: a key that is registered under an issuer's URL is in
// that issuer's set if the region that is asked relies on it, and not because
// whoever registered it says so.
func TestIssuerNamedByAStranger(t *testing.T) {
	w := newWorld(t, "XA", "XB", "XM")
	const issuer = "https://smart.example"
	genuine, forged := newKey(t), newKey(t)
	w.says("XB", smart(t, genuine, issuer))
	w.says("XM", smart(t, forged, issuer))
	const sets = "/jwks/https%3A%2F%2Fsmart.example/.well-known/jwks.json"
	has := func(path string, want ...*ecdsa.PrivateKey) {
		t.Helper()
		got := w.keysAt(path)
		if len(got) != len(want) {
			t.Errorf("%s: %d keys, want %d", path, len(got), len(want))
		}
		for _, k := range want {
			if !slices.ContainsFunc(slices.Collect(maps.Values(got)), func(g *ecdsa.PublicKey) bool { return g.Equal(&k.PublicKey) }) {
				t.Errorf("%s: a key is missing", path)
			}
		}
	}
	has(sets)
	w.says("XA", grant("XB"))
	for _, path := range []string{sets, sets + "?region=XA", "/.well-known/jwks.json?iss=" + issuer, "/.well-known/jwks.json?region=XB&iss=" + issuer, sets + "?region=XB", "/issuers/XB/.well-known/jwks.json?iss=" + issuer} {
		has(path, genuine)
	}
	// Its own list is its own affair.
	has("/issuers/XM/.well-known/jwks.json?iss="+issuer, forged)
	w.get("/issuers/XA/.well-known/jwks.json?iss=" + issuer).is(http.StatusNotFound)
	w.get(sets + "?region=XQ").is(http.StatusBadRequest)
	w.hold()
	w.says("XA", &statement.Withdraw{Region: "XB", Reason: "x"})
	has(sets)
}

// TestKeyInAnotherEncoding: a compromised key does not come back in bytes that
// crypto/x509 reads as the same key, and that nothing has been said of.
func TestKeyInAnotherEncoding(t *testing.T) {
	w := newWorld(t, "XA", "XB", "XM")
	w.says("XA", grant("XB"))
	w.says("XA", grant("XM"))
	key := newKey(t)
	k, cert := smart(t, key, "https://smart.example"), certificate(t, key, expires)
	w.says("XB", k)
	w.says("XB", compromise(k))
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(k.PublicKey, &outer); err != nil {
		t.Fatal(err)
	}
	outer.FullBytes, outer.Bytes = nil, append(slices.Clone(outer.Bytes), 5, 0) // a NULL more
	alias, err := asn1.Marshal(outer)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := x509.ParsePKIXPublicKey(alias); err != nil || !key.PublicKey.Equal(same) {
		t.Fatalf("it is not the same key: %v", err)
	}
	w.says("XM", &statement.RegisterKey{PublicKey: alias, KeyID: k.KeyID, Issuer: "https://smart.example"})
	w.says("XM", &statement.RegisterKey{PublicKey: alias, KeyID: cert.KeyID, Certificate: cert.Certificate})
	if got := w.keysAt("/.well-known/jwks.json?iss=https://smart.example"); len(got) != 0 {
		t.Errorf("it is in the key set: %v", got)
	}
	var d didDocument
	if w.get("/v2/trustlist/did.json").into(&d); len(d.VerificationMethod) != 0 {
		t.Errorf("it is in did.json: %v", d.VerificationMethod)
	}
	for _, path := range []string{"/trustList", "/signercertificateStatus"} {
		if got := strings.TrimSpace(w.get(path).is(http.StatusOK).Body.String()); got != "[]" {
			t.Errorf("it is in %s: %s", path, got)
		}
	}
	if w.queries("/authorization", kidOf(k), "XM", "issue", "test", time.Time{}) {
		t.Error("XM is authorised to issue with it")
	}
}

// TestDIDResolver fetches the trust list as a did:web resolver does, whole and in
// parts, and holds it to what the WHO's own does not keep.
func TestDIDResolver(t *testing.T) {
	w := newWorld(t, "XA", "GR")
	long, p384 := shortKey(t, false), must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	a, g, r := certificate(t, shortKey(t, true), expires), certificate(t, long, expires), certificate(t, rsaKey(t, 2048), expires)
	a.KeyID = []byte{0xfb, 0xff, 0xbe, 0xff, 0xef, 0xbf, 0xfb, 0xff} // +/ in base64
	p := certificate(t, p384, expires)
	s := smart(t, newKey(t), "https://smart.example")
	w.says("XA", a)
	w.says("GR", g)
	w.says("GR", r)
	w.says("GR", p)
	w.says("GR", s)
	w.says("XA", grant("GR"))
	const root = "did:web:node.example%3A8443:health:v2:trustlist"
	for path, want := range map[string]struct {
		id, controller string
		methods        int
	}{
		"/v2/trustlist/did.json":             {root, root, 5},
		"/v2/trustlist/DCC/did.json":         {root + ":DCC", root, 4},
		"/v2/trustlist/SHC/did.json":         {root + ":SHC", root, 1},
		"/v2/trustlist/-/did.json":           {root + ":-", root, 5},
		"/v2/trustlist/-/GRC/did.json":       {root + ":-:GRC", root + ":-", 4},
		"/v2/trustlist/DCC/GRC/did.json":     {root + ":DCC:GRC", root + ":DCC", 3},
		"/v2/trustlist/DCC/XA/DSC/did.json":  {root + ":DCC:XA:DSC", root + ":DCC:XA", 1},
		"/v2/trustlist/DCC/-/DSC/did.json":   {root + ":DCC:-:DSC", root + ":DCC:-", 4},
		"/v2/trustlist/DCC/GRC/-/did.json":   {root + ":DCC:GRC:-", root + ":DCC:GRC", 3},
		"/v2/trustlist/did.json?region=GR":   {root, root, 4},
		"/v2/trustlist/DCC/XA/-/did.json?x=": {root + ":DCC:XA:-", root + ":DCC:XA", 1},
	} {
		var d didDocument
		w.get(path).into(&d)
		if d.ID != want.id || d.Controller != want.controller || len(d.VerificationMethod) != want.methods || len(d.Context) != 2 {
			t.Errorf("%s: %s by %s with %d methods, want %v", path, d.ID, d.Controller, len(d.VerificationMethod), want)
		}
		for _, m := range d.VerificationMethod {
			u, err := url.Parse(m.ID)
			if err != nil || strings.ContainsAny(u.Fragment, "+/=") || u.Fragment == "" || m.Type != "JsonWebKey2020" || m.Controller != d.ID {
				t.Errorf("%s: method %s of %s (%v)", path, m.ID, m.Controller, err)
			}
			var j jose.JSONWebKey
			if err := json.Unmarshal(m.PublicKeyJwk, &j); err != nil || !j.Valid() || !j.IsPublic() { // go-jose wants whole coordinates
				t.Errorf("%s: %v in %s", m.ID, err, m.PublicKeyJwk)
			}
		}
	}
	var d didDocument
	w.get("/v2/trustlist/DCC/XA/DSC/did.json").into(&d)
	var j struct{ Kid string }
	if err := json.Unmarshal(d.VerificationMethod[0].PublicKeyJwk, &j); err != nil || j.Kid != "+/++/++/+/8=" || d.VerificationMethod[0].ID != root+":DCC:XA:DSC#-_--_--_-_8" {
		t.Errorf("%s has key id %s", d.VerificationMethod[0].ID, j.Kid)
	}
	for _, path := range []string{
		"/v2/trustlist/IPS/did.json", "/v2/trustlist/DCC/DEU/did.json", "/v2/trustlist/DCC/GRC/SCA/did.json",
	} {
		w.get(path).is(http.StatusNotFound)
	}
	w.get("/v2/trustlist/DCC/!/did.json").is(http.StatusBadRequest)
}

func must(k *ecdsa.PrivateKey, err error) *ecdsa.PrivateKey {
	if err != nil {
		panic(err)
	}
	return k
}
