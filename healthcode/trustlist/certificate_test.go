package trustlist

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"concordat/healthcode"
)

// TestCertificates: what a certificate says of itself, and which keys are refused.
func TestCertificates(t *testing.T) {
	ca := csca("XA", nil)
	for _, test := range []struct {
		name  string
		cert  *x509.Certificate
		kinds []healthcode.Kind
		says  string // why it is refused
	}{
		{"all kinds", ca.dsc("XA", nil, nil), nil, ""},
		{"both arcs", ca.dsc("XA", nil, usages(testUsageOldArc, vaccinationUsage)), []healthcode.Kind{healthcode.Vaccination, healthcode.Test}, ""},
		{"another usage", ca.dsc("XA", nil, usages([]int{1, 3, 6, 1, 5, 5, 7, 3, 36})), nil, ""},
		{"P-384", ca.dsc("XA", must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)).Public(), nil), nil, ""},
		{"RSA 2048", ca.dsc("XA", must(rsa.GenerateKey(rand.Reader, 2048)).Public(), nil), nil, ""},
		{"Ed25519", ca.dsc("XA", ed25519.NewKeyFromSeed(make([]byte, 32)).Public(), nil), nil, ""},
		{"P-521", ca.dsc("XA", must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)).Public(), nil), nil, "curve P-521; want P-256 or P-384"},
		{"P-224", ca.dsc("XA", must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).Public(), nil), nil, "curve P-224; want P-256 or P-384"},
		{"never valid", ca.dsc("XA", nil, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = c.NotAfter, c.NotBefore }), nil, "it never is"},
	} {
		for form, data := range map[string][]byte{"PEM": inPEM(test.cert), "DER": test.cert.Raw, "BOM and PEM": append([]byte("\ufeff\n"), inPEM(test.cert)...)} {
			l := read(t, data, Options{})
			if test.says != "" {
				taken(t, l, 0, test.says)
				continue
			}
			taken(t, l, 1)
			e := l.Entries[0]
			sum := sha256.Sum256(test.cert.Raw)
			if !bytes.Equal(e.KeyID, sum[:8]) || e.Thumbprint() != sum || e.Where != "" || e.Region != "XA" || !slices.Equal(e.Kinds, test.kinds) || !e.ValidUntil.Equal(test.cert.NotAfter) || !e.ValidFrom.IsZero() {
				t.Errorf("%s in %s: %+v", test.name, form, e)
			}
		}
	}
}

func TestManyCertificates(t *testing.T) {
	ca := csca("XA", nil)
	one, two, weak := ca.dsc("XA", nil, nil), ca.dsc("el", nil, nil), ca.dsc("XA", must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)).Public(), nil)
	l := read(t, slices.Concat([]byte("CSCA list\n"), inPEM(one, weak), []byte("\nand a comment\n"), inPEM(two)), Options{})
	taken(t, l, 2, "P-521")
	if l.Entries[1].Where != "certificate 3" || l.Refused[0].Where != "certificate 2" || l.Entries[1].Region != "GR" || *l.Refused[0].Thumbprint != sha256.Sum256(weak.Raw) {
		t.Errorf("%+v, %+v", l.Entries[1], l.Refused[0])
	}
	whole := inPEM(one, two)
	for name, test := range map[string]struct {
		data []byte
		is   error
		says string
	}{
		"cut short":       {whole[:len(whole)-30], ErrMalformed, "what follows certificate 1 is not whole PEM"},
		"a private key":   {append(inPEM(one), "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"...), ErrPrivateKey, "belongs to the issuer alone"},
		"another block":   {[]byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), ErrUnknown, `"PUBLIC KEY"; want CERTIFICATE`},
		"cut DER":         {one.Raw[:300], ErrUnknown, "no X.509 certificate in DER or PEM"},
		"DER and a byte":  {append(bytes.Clone(one.Raw), 0), ErrUnknown, "no X.509 certificate"},
		"text":            {[]byte("HC1:NCFOXN"), ErrUnknown, "no X.509 certificate"},
		"too many bytes":  {make([]byte, MaxFile+1), ErrTooLarge, "at most"},
		"JSON, asked not": {[]byte(`{"keys":[]}`), nil, ""},
	} {
		_, err := Read(test.data, Options{})
		if !errors.Is(err, test.is) || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read([]byte(`{"keys":[]}`), Options{Format: X509}); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "no X.509 certificate") {
		t.Errorf("a JWK set as a certificate: %v", err)
	}
	if _, err := Read(inPEM(one), Options{Format: JWK}); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "want jwk") {
		t.Errorf("a certificate as a JWK: %v", err)
	}
}

// TestChain: with a CSCA given, only what it signed for its country is taken.
func TestChain(t *testing.T) {
	de, fr := csca("DE", nil), csca("FR", nil)
	impostor := csca("DE", nil)
	good := de.dsc("DE", nil, nil)
	for _, test := range []struct {
		name string
		cert *x509.Certificate
		says string
	}{
		{"good", good, ""},
		{"lower case", de.dsc("de", nil, nil), ""},
		{"expired", de.dsc("DE", nil, func(c *x509.Certificate) { c.NotAfter = now.AddDate(0, 0, -1) }), ""},
		{"of another country", de.dsc("FR", nil, nil), "no CSCA of FR"},
		{"of a country without CSCA", de.dsc("ES", nil, nil), "none of the 2 CSCAs is of the certificate's country ES"},
		{"by an impostor", impostor.dsc("DE", nil, nil), "no CSCA of DE signed it"},
		{"of no country", de.dsc("DE", nil, func(c *x509.Certificate) { c.Subject.Country = nil }), "names no country"},
		{"a CA", de.dsc("DE", nil, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), "is a CA's"},
		{"signed by itself", de.cert, "is a CA's"},
	} {
		l := read(t, inPEM(test.cert), Options{Anchors: []*x509.Certificate{de.cert, fr.cert}})
		if test.says != "" {
			taken(t, l, 0, test.says)
			continue
		}
		taken(t, l, 1)
		if !l.Entries[0].Chained {
			t.Errorf("%s: not chained", test.name)
		}
	}
	remarked(t, read(t, inPEM(de.dsc("DE", nil, func(c *x509.Certificate) { c.NotAfter = now.AddDate(0, 0, -1) })), Options{}).Entries[0].Remarks, "expired at 2021-12-31")
	remarked(t, read(t, inPEM(de.dsc("DE", nil, func(c *x509.Certificate) { c.NotBefore = now.AddDate(0, 0, 1) })), Options{}).Entries[0].Remarks, "which is to come")
	remarked(t, read(t, inPEM(good), Options{}).Remarks, "1 certificates were taken without a chain")

	// The identifier of another signer: the CSCA's name and country are the same.
	other := csca("DE", func(c *x509.Certificate) { c.SubjectKeyId = []byte("ski of another") })
	taken(t, read(t, inPEM(other.dsc("DE", nil, nil)), Options{Anchors: []*x509.Certificate{de.cert}}), 0, "has the key identifier that it names as its signer's")

	// A bare key cannot chain. Several CSCAs of one country: any may have signed.
	bare := object(map[string]any{"keys": []any{jwkOf(p256().Public())}})
	taken(t, read(t, bare, Options{Anchors: []*x509.Certificate{de.cert}}), 0, "it has no certificate")
	l := read(t, inPEM(impostor.dsc("DE", nil, nil), good), Options{Anchors: []*x509.Certificate{de.cert, impostor.cert}})
	taken(t, l, 2)
}

func TestAnchors(t *testing.T) {
	good := csca("DE", nil)
	for name, change := range map[string]func(*x509.Certificate){
		"no CA by its basic constraints": func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = false, false },
		"does not let it sign":           func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature },
		"path length is not 0":           func(c *x509.Certificate) { c.MaxPathLenZero, c.MaxPathLen = false, -1 },
		"names 0 countries":              func(c *x509.Certificate) { c.Subject.Country = nil },
	} {
		bad := csca("DE", change)
		if _, err := Anchors(inPEM(good.cert, bad.cert)); !errors.Is(err, ErrAnchor) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "certificate 2") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Read(inPEM(good.cert), Options{Anchors: []*x509.Certificate{bad.cert}}); !errors.Is(err, ErrAnchor) {
			t.Errorf("%s, given to Read: %v", name, err)
		}
	}
	for _, data := range [][]byte{good.cert.Raw, inPEM(good.cert)} {
		if got, err := Anchors(data); err != nil || len(got) != 1 {
			t.Errorf("%d anchors, %v", len(got), err)
		}
	}
	if _, err := Anchors([]byte("rubbish")); !errors.Is(err, ErrAnchor) {
		t.Errorf("rubbish: %v", err)
	}
	old := csca("DE", func(c *x509.Certificate) { c.NotAfter = now.AddDate(0, 0, -1) })
	remarked(t, read(t, inPEM(old.dsc("DE", nil, nil)), Options{Anchors: []*x509.Certificate{old.cert}}).Remarks, "the CSCA of DE, CSCA DE, expired")
}

// TestMerge: a key that is there twice is registered once, as both entries say.
func TestMerge(t *testing.T) {
	key := p256().Public()
	j := jwkOf(key)
	own := func(more map[string]any) any {
		e := map[string]any{"jwk": j}
		for k, v := range more {
			e[k] = v
		}
		return e
	}
	list := func(entries ...any) []Entry {
		return read(t, object(map[string]any{"keys": entries}), Options{}).Entries
	}
	m := Merge(list(own(map[string]any{"kinds": []string{"test"}, "issuer": "https://a.example", "name": "A", "region": "XA", "validUntil": "2023-01-01T00:00:00Z"}),
		own(map[string]any{"kinds": []string{"vaccination"}, "issuer": "https://b.example", "name": "A", "region": "XB", "validUntil": "2024-01-01T00:00:00Z"}),
		map[string]any{"jwk": jwkOf(p256().Public())}))
	if len(m) != 2 {
		t.Fatalf("%d keys", len(m))
	}
	e := m[0]
	if e.Issuer != "https://a.example" || e.Name != "A" || e.Region != "" || fmt.Sprint(e.Kinds) != "[vaccination test]" || stamp(e.ValidUntil) != "2024-01-01T00:00:00Z" {
		t.Errorf("%+v", e)
	}
	remarked(t, e.Remarks, "2 issuers list this key; it is registered as that of the first, https://a.example, and is listed by https://b.example too")
	e = Merge(list(own(map[string]any{"kinds": []string{"test"}, "kid": "AAAAAAAAAAA=", "validUntil": "2023-01-01T00:00:00Z", "validFrom": "2021-01-01T00:00:00Z"}), own(nil)))[0]
	if len(e.Kinds) > 0 || !e.ValidUntil.IsZero() || !e.ValidFrom.IsZero() {
		t.Errorf("with an entry that bounds nothing: %+v", e)
	}
	remarked(t, e.Remarks, "under another key id too")
	e = Merge(list(own(map[string]any{"validFrom": "2021-01-01T00:00:00Z"}), own(map[string]any{"validFrom": "2020-01-01T00:00:00Z"})))[0]
	if stamp(e.ValidFrom) != "2020-01-01T00:00:00Z" {
		t.Errorf("valid from %s", stamp(e.ValidFrom))
	}
}
