package trustlist

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/smallstep/pkcs7"

	"concordat/healthcode"
)

// itemOf is an item as the gateway gives it.
func itemOf(c *x509.Certificate, kind, country string, more ...any) map[string]any {
	sum := sha256.Sum256(c.Raw)
	it := map[string]any{
		"kid": b64(sum[:8]), "timestamp": "2021-06-01T12:00:00+02:00", "country": country, "certificateType": kind,
		"thumbprint": hex.EncodeToString(sum[:]), "signature": "MIIB", "rawData": b64(c.Raw),
	}
	for i := 0; i < len(more); i += 2 {
		it[more[i].(string)] = more[i+1]
	}
	return it
}

// signedBy is a detached CMS signature in base64.
func signedBy(a *authority, content []byte) string {
	s := must(pkcs7.NewSignedData(content))
	s.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := s.AddSigner(a.cert, a.key, pkcs7.SignerInfoConfig{}); err != nil {
		panic(err)
	}
	s.Detach()
	return b64(must(s.Finish()))
}

func TestGateway(t *testing.T) {
	de, gr := csca("DE", nil), csca("GR", nil)
	good := de.dsc("DE", nil, usages(vaccinationUsage))
	greek := gr.dsc("GR", nil, nil)
	foreign := csca("DE", nil).dsc("DE", nil, nil)
	spanish := csca("ES", nil).dsc("ES", nil, nil)
	other := de.dsc("DE", nil, nil)
	items := []any{
		itemOf(good, "DSC", "DE"),
		itemOf(good, "UPLOAD", "DE"), itemOf(good, "AUTHENTICATION", "DE"),
		itemOf(de.cert, "CSCA", "DE"), itemOf(gr.cert, "CSCA", "EL"),
		itemOf(greek, "DSC", "EL"),
		itemOf(foreign, "DSC", "DE"),
		itemOf(spanish, "DSC", "ES"),
		itemOf(other, "DSC", "DE", "thumbprint", strings.Repeat("00", 32)),
		itemOf(other, "DSC", "DE", "kid", "AAAAAAAAAAA="),
		itemOf(other, "DSC", "FR"),
		itemOf(other, "DSC", "DE", "rawData", "AAAA"),
		itemOf(other, "DSC", "DE", "signature", nil),
		itemOf(other, "", "DE"),
		"text",
	}
	l := read(t, object(items), Options{})
	taken(t, l, 3, "no CSCA of DE", "its thumbprint is", `its kid is "AAAAAAAAAAA="`, "country is DE, and the list says FR", "no X.509", "deleted from the list", "no certificateType", "no item")
	if l.Format != DGCG || l.Anchors != 2 || l.Entries[0].Where != "item 1" || l.Entries[0].Region != "DE" || fmt.Sprint(l.Entries[0].Kinds) != "[vaccination]" || !l.Entries[0].Chained {
		t.Errorf("%+v", l)
	}
	if l.Entries[1].Region != "GR" || !l.Entries[1].Chained || l.Entries[2].Region != "ES" || l.Entries[2].Chained {
		t.Errorf("%+v", l.Entries)
	}
	if gone := l.Refused[5]; !gone.Deleted || gone.Thumbprint != nil || l.Refused[0].Thumbprint == nil {
		t.Errorf("%+v", gone)
	}
	remarked(t, l.Remarks, "1 items of type AUTHENTICATION were passed over")
	remarked(t, l.Remarks, "1 certificates were taken without a chain")

	// What is given to trust counts alone.
	l = read(t, object(items[:8]), Options{Anchors: []*x509.Certificate{gr.cert}})
	taken(t, l, 1, "none of the 1 CSCAs is of the certificate's country DE", "country DE", "country ES")

	// A CSCA that was deleted, or whose country is another, anchors nothing.
	l = read(t, object([]any{itemOf(de.cert, "CSCA", "DE", "signature", nil), itemOf(gr.cert, "CSCA", "FR"), itemOf(good, "CSCA", "DE"), itemOf(foreign, "DSC", "DE")}), Options{})
	taken(t, l, 1)
	if l.Anchors != 0 || l.Entries[0].Chained {
		t.Errorf("%+v", l)
	}
	remarked(t, l.Remarks, "the CSCA's country is GR, and the list says FR")
	remarked(t, l.Remarks, "item 3: not a CSCA")
}

// TestTrustAnchor: with the gateway's trust anchor given, a CSCA in the list
// anchors only if that signed it.
func TestTrustAnchor(t *testing.T) {
	ta, impostor, de := csca("EU", nil), csca("EU", nil), csca("DE", nil)
	dsc := de.dsc("DE", nil, nil)
	list := func(signature any) []byte {
		return object([]any{itemOf(de.cert, "CSCA", "DE", "signature", signature), itemOf(dsc, "DSC", "DE")})
	}
	l := read(t, list(signedBy(ta, de.cert.Raw)), Options{Signer: inPEM(ta.cert)})
	taken(t, l, 1)
	if !l.Entries[0].Chained {
		t.Error("not chained")
	}
	for name, signature := range map[string]any{
		"an impostor's": signedBy(impostor, de.cert.Raw), "another certificate's": signedBy(ta, dsc.Raw), "none": 7, "rubbish": "AAAA", "no base64": "!",
	} {
		l := read(t, list(signature), Options{Signer: ta.cert.Raw})
		if l.Anchors != 0 || len(l.Entries) != 1 || l.Entries[0].Chained {
			t.Errorf("%s: %+v", name, l)
		}
		remarked(t, l.Remarks, "it anchors nothing")
	}
	if _, err := Read(list("x"), Options{Signer: []byte("rubbish")}); !errors.Is(err, ErrSigner) {
		t.Errorf("rubbish: %v", err)
	}
}

func TestVerifierService(t *testing.T) {
	de, el := csca("DE", nil), csca("GR", nil)
	one, two := de.dsc("DE", nil, nil), el.dsc("GR", nil, nil)
	short := func(c *x509.Certificate, kid string) any {
		sum := sha256.Sum256(c.Raw)
		if kid == "" {
			kid = b64(sum[:8])
		}
		return map[string]any{"kid": kid, "rawData": b64(c.Raw)}
	}
	l := read(t, object(map[string]any{"EL": []any{short(two, "")}, "DE": []any{short(one, ""), short(one, "AAAAAAAAAAA=")}, "FR": []any{}}), Options{})
	taken(t, l, 2, "its kid is")
	if l.Format != DGCG || l.Entries[0].Where != "DE, item 1" || l.Entries[1].Region != "GR" {
		t.Errorf("%+v", l.Entries)
	}
}

func TestGermany(t *testing.T) {
	de := csca("DE", nil)
	body := object(map[string]any{"certificates": []any{itemOf(de.dsc("DE", nil, nil), "DSC", "DE")}})
	key := p256()
	sum := sha256.Sum256(body)
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	signed := append([]byte(b64(sig)+"\n"), body...)
	spki := must(x509.MarshalPKIXPublicKey(key.Public()))
	l := read(t, signed, Options{Signer: spki})
	taken(t, l, 1)
	if l.Format != Germany || !strings.HasPrefix(l.Signed, "the key with SHA-256") || l.Entries[0].Region != "DE" {
		t.Errorf("%+v", l)
	}
	remarked(t, read(t, signed, Options{}).Remarks, "signature was not checked")
	remarked(t, read(t, body, Options{}).Remarks, "carries no signature")
	for name, data := range map[string][]byte{
		"changed":   bytes.Replace(signed, []byte("12:00"), []byte("13:00"), 1),
		"another's": append([]byte(b64(make([]byte, 64))+"\n"), body...),
		"short":     append([]byte("AAAA\n"), body...),
	} {
		if _, err := Read(data, Options{Signer: spki}); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNetherlands(t *testing.T) {
	spki := b64(must(x509.MarshalPKIXPublicKey(p256().Public())))
	key := func(usage ...string) any {
		return map[string]any{"subjectPk": spki, "keyUsage": usage, "ian": "NL"}
	}
	keys := map[string]any{
		"2QdaSlJm1AE=": []any{key("r", "v"), key()},
		"AAAA":         []any{key("v")},
		"IiIiIiIiIiI=": []any{key("x"), map[string]any{"subjectPk": "AAAA"}, 7},
	}
	plain := object(map[string]any{"cl_keys": []any{}, "eu_keys": keys})
	for name, data := range map[string][]byte{"plain": plain, "signed": object(map[string]any{"payload": plain, "signature": "AAAA"}), "bare": object(keys)} {
		l := read(t, data, Options{})
		taken(t, l, 2, "key id is not 8 bytes", "usages are", "subjectPk is no public key", "no key of a Dutch list")
		e := l.Entries[0]
		if l.Format != Netherlands || e.Where != "key id 2QdaSlJm1AE=, key 1" || e.Region != "NL" || fmt.Sprint(e.Kinds) != "[vaccination recovery]" || len(l.Entries[1].Kinds) > 0 || b64(e.KeyID) != "2QdaSlJm1AE=" {
			t.Errorf("%s: %+v", name, l.Entries)
		}
		remarked(t, l.Remarks, "signature was not checked")
	}
	if _, err := Read(object(map[string]any{"payload": []byte(`{"nl_keys":[]}`), "signature": "AAAA"}), Options{}); !errors.Is(err, ErrUnknown) {
		t.Errorf("no eu_keys: %v", err)
	}
}

func TestSweden(t *testing.T) {
	se := csca("SE", nil)
	certified := se.dsc("SE", nil, usages(vaccinationUsage))
	sum := sha256.Sum256(certified.Raw)
	withCert := jwkOf(certified.PublicKey)
	withCert["kid"], withCert["x5c"] = b64(sum[:8]), []string{b64(certified.Raw)}
	bare := jwkOf(p256().Public())
	bare["kid"], bare["x5t#S256"] = "2QdaSlJm1AE=", "x"
	odd := jwkOf(p256().Public())
	odd["kid"] = "IiIiIiIiIiI="
	payload := object(map[string]any{"iss": "https://dgcg.covidbevis.se/tp", "iat": 1619124238, "exp": 1619210638, "dsc_trust_list": map[string]any{
		"SE": map[string]any{"eku": map[string]any{}, "keys": []any{withCert}},
		"DE": map[string]any{"eku": map[string]any{"2QdaSlJm1AE=": []string{testUsageOldArc.String()}, "IiIiIiIiIiI=": []string{"one"}}, "keys": []any{bare, odd, jwkOf(p256().Public()), "x"}},
	}})
	key := p256()
	tp := &authority{key, csca("SE", nil).dsc("SE", key.Public(), nil)}
	jws := func(header string, payload []byte) []byte {
		input := append([]byte(base64.RawURLEncoding.EncodeToString([]byte(header))+"."), payload...)
		digest := sha256.Sum256(input)
		r, s, err := ecdsa.Sign(rand.Reader, tp.key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		sig := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		return append(append(input, '.'), base64.RawURLEncoding.EncodeToString(sig)...)
	}
	encoded := []byte(base64.RawURLEncoding.EncodeToString(payload))
	for name, data := range map[string][]byte{"encoded": jws(`{"alg":"ES256"}`, encoded), "unencoded": jws(`{"alg":"ES256","b64":false}`, payload)} {
		l := read(t, data, Options{Signer: tp.cert.Raw})
		taken(t, l, 2, "no object identifier", "is not 8 bytes", "no JWK")
		if l.Format != Sweden || l.Signed == "" || stamp(l.Time) != "2021-04-22T20:43:58Z" {
			t.Errorf("%s: %+v", name, l)
		}
		if e := l.Entries[0]; e.Region != "DE" || fmt.Sprint(e.Kinds) != "["+string(healthcode.Test)+"]" || e.Certificate != nil || b64(e.KeyID) != "2QdaSlJm1AE=" {
			t.Errorf("%s: %+v", name, e)
		}
		if e := l.Entries[1]; e.Region != "SE" || e.Certificate == nil || fmt.Sprint(e.Kinds) != "[vaccination]" {
			t.Errorf("%s: %+v", name, e)
		}
		remarked(t, l.Remarks, "was good until 2021-04-23")
		remarked(t, read(t, data, Options{}).Remarks, "signature was not checked")
		if _, err := Read(bytes.Replace(data, []byte("."), []byte(".e"), 1), Options{Signer: tp.cert.Raw}); err == nil {
			t.Errorf("%s: changed, and taken", name)
		}
		if _, err := Read(data, Options{Signer: csca("SE", nil).cert.Raw}); !errors.Is(err, ErrSignature) {
			t.Errorf("%s, another signer: %v", name, err)
		}
	}
	if _, err := Read(jws(`{"alg":"none"}`, encoded), Options{Signer: tp.cert.Raw}); !errors.Is(err, ErrSignature) {
		t.Errorf("alg none: %v", err)
	}
	taken(t, read(t, payload, Options{}), 2, "", "", "")
	withCert["d"] = "AAAA"
	if _, err := Read(object(map[string]any{"dsc_trust_list": map[string]any{"SE": map[string]any{"keys": []any{withCert}}}}), Options{}); !errors.Is(err, ErrPrivateKey) {
		t.Errorf("private key: %v", err)
	}
}
