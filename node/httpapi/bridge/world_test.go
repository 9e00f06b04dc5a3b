package bridge_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/ledgertest"
	"concordat/ledger/statement"
	"concordat/node/httpapi/bridge"
)

// world is a ledger of some authorities, and a bridge over it at one of them.
type world struct {
	*ledgertest.World
	t     testing.TB
	now   time.Time
	final *ledger.View // nil: everything is
	key   *ecdsa.PrivateKey
	mux   http.Handler
}

// newWorld has the bridge of the first region.
func newWorld(t testing.TB, regions ...statement.Region) *world {
	t.Helper()
	w := &world{World: ledgertest.New(t, "bridge.example", regions...), t: t, now: ledgertest.Begins.Add(time.Hour), key: newKey(t)}
	w.mux = w.at(regions[0])
	t.Cleanup(func() { w.finalise() })
	return w
}

// at is a bridge at a region.
func (w *world) at(region statement.Region) http.Handler {
	b := bridge.New(bridge.Config{
		Source: w, Region: region, URL: "https://node.example:8443/health", Key: w.key, Now: func() time.Time { return w.now },
	})
	mux := http.NewServeMux()
	for pattern, h := range b.Routes() {
		mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
			err := h(rw, r)
			var f *client.Failure
			if errors.As(err, &f) {
				rw.WriteHeader(f.Status())
				_ = json.NewEncoder(rw).Encode(f)
			} else if err != nil {
				w.t.Errorf("%s %s: %v", r.Method, r.URL, err)
			}
		})
	}
	return mux
}

func (w *world) View() *ledger.View { return w.Ledger.View() }

func (w *world) FinalSize() uint64 {
	if w.final != nil {
		return w.final.Head().Size
	}
	return math.MaxUint64
}

func (w *world) FinalView() (*ledger.View, func(), bool) {
	if w.final == nil {
		return nil, nil, false
	}
	v := w.final.Retain()
	return v, sync.OnceFunc(func() { _ = v.Close() }), true
}

// hold keeps what comes next from being final.
func (w *world) hold() { w.finalise(); w.final = w.Ledger.View() }

// finalise makes everything final.
func (w *world) finalise() {
	if w.final != nil {
		if err := w.final.Close(); err != nil {
			w.t.Error(err)
		}
		w.final = nil
	}
}

// says has an authority say something, and gives its index.
func (w *world) says(by statement.Region, body statement.Body) uint64 {
	w.t.Helper()
	return w.Say(w.Sign(by, body))
}

// answer is what came back.
type answer struct {
	*httptest.ResponseRecorder
	t testing.TB
}

// ask sends a request. headers are pairs.
func (w *world) ask(method, path, body string, headers ...string) answer {
	w.t.Helper()
	return askOf(w.t, w.mux, method, path, body, headers...)
}

func askOf(t testing.TB, mux http.Handler, method, path, body string, headers ...string) answer {
	t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, in)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	mux.ServeHTTP(rec, r)
	return answer{rec, t}
}

func (w *world) get(path string, headers ...string) answer {
	w.t.Helper()
	return w.ask(http.MethodGet, path, "", headers...)
}

// is checks the status.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.Code != status {
		a.t.Fatalf("status %d, want %d: %s", a.Code, status, a.Body)
	}
	return a
}

// into decodes an answer that is JSON.
func (a answer) into(v any) answer {
	a.t.Helper()
	a.is(http.StatusOK)
	d := json.NewDecoder(bytes.NewReader(a.Body.Bytes()))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		a.t.Fatalf("%v in %s", err, a.Body)
	}
	if got := a.Header().Get("Content-Type"); got != "application/json" {
		a.t.Errorf("it comes as %q", got)
	}
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// usages are the key usage OIDs of EU DCC.
var usages = map[statement.CodeKind]asn1.ObjectIdentifier{
	statement.Test: {1, 3, 6, 1, 4, 1, 1847, 2021, 1, 1}, statement.Vaccination: {1, 3, 6, 1, 4, 1, 1847, 2021, 1, 2}, statement.Recovery: {1, 3, 6, 1, 4, 1, 1847, 2021, 1, 3},
}

// certificate registers a key with a certificate for kinds of code; none: for all.
func certificate(t testing.TB, key crypto.Signer, notAfter time.Time, kinds ...statement.CodeKind) *statement.RegisterKey {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "DSC"}, NotBefore: ledgertest.Begins.AddDate(-1, 0, 0), NotAfter: notAfter}
	for _, k := range kinds {
		c.UnknownExtKeyUsage = append(c.UnknownExtKeyUsage, usages[k])
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return &statement.RegisterKey{PublicKey: c.RawSubjectPublicKeyInfo, KeyID: sum[:8], Certificate: der}
}

// expires is when the tests' certificates end.
var expires = ledgertest.Begins.AddDate(2, 0, 0)

// dsc registers a new P-256 key with a certificate.
func dsc(t testing.TB, kinds ...statement.CodeKind) *statement.RegisterKey {
	t.Helper()
	return certificate(t, newKey(t), expires, kinds...)
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func kidOf(k *statement.RegisterKey) string { return base64.StdEncoding.EncodeToString(k.KeyID) }
func rawOf(k *statement.RegisterKey) string { return base64.StdEncoding.EncodeToString(k.Certificate) }

// grant recognises a region's codes.
func grant(of statement.Region, kinds ...statement.CodeKind) *statement.Grant {
	return &statement.Grant{Terms: statement.Terms{Region: of, Kinds: kinds}}
}

func retire(k *statement.RegisterKey, at time.Time) *statement.RetireKey {
	return &statement.RetireKey{Key: k.Thumbprint(), At: statement.TimeOf(at)}
}

func compromise(k *statement.RegisterKey) *statement.CompromiseKey {
	return &statement.CompromiseKey{Key: k.Thumbprint(), Since: statement.TimeOf(ledgertest.Begins), Reason: "stolen"}
}
