package trustlist

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"testing"
)

const didHost = "did:web:tng-cdn.example:v2:trustlist"

// methodOf is a verification method as WHO writes it: coordinates by Java's
// BigInteger, and in standard base64.
func methodOf(path string, c *x509.Certificate, more ...any) map[string]any {
	sum := sha256.Sum256(c.Raw)
	kid := b64(sum[:8])
	j := map[string]any{"x5c": []string{b64(c.Raw)}, "kid": kid}
	if k, is := c.PublicKey.(*ecdsa.PublicKey); is {
		point := must(k.Bytes())
		half := len(point) / 2
		j["kty"], j["crv"] = "EC", k.Curve.Params().Name
		j["x"], j["y"] = b64(twos(point[1:1+half])), b64(twos(point[1+half:]))
	}
	for i := 0; i < len(more); i += 2 {
		j[more[i].(string)] = more[i+1]
	}
	return map[string]any{"id": didHost + ":" + path + "#" + kid, "type": "JsonWebKey2020", "controller": didHost + ":" + path, "publicKeyJwk": j}
}

// twos writes a number as Java does: with a sign byte where the first bit is set, without leading zeros.
func twos(b []byte) []byte {
	b = new(big.Int).SetBytes(b).Bytes()
	if len(b) > 0 && b[0] >= 0x80 {
		b = append([]byte{0}, b...)
	}
	return b
}

func did(methods ...any) map[string]any {
	return map[string]any{"@context": contexts, "id": didHost, "controller": didHost, "verificationMethod": methods}
}

// keyWith gives a key whose x needs the sign byte, or not.
func keyWith(sign bool) *ecdsa.PrivateKey {
	for {
		if k := p256(); must(k.PublicKey.Bytes())[1] >= 0x80 == sign {
			return k
		}
	}
}

func TestWHO(t *testing.T) {
	de, test := csca("DE", nil), csca("XA", nil)
	good := de.dsc("DE", keyWith(true).Public(), usages(vaccinationUsage))
	p384 := de.dsc("DE", must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)).Public(), nil)
	virtual := test.dsc("XA", keyWith(false).Public(), nil)
	impostor := csca("DE", nil).dsc("DE", nil, nil)
	twice := methodOf("DCC:DEU:DSC:x", de.dsc("DE", nil, nil))
	jwk := twice["publicKeyJwk"].(map[string]any)
	jwk["kid"] = base64.RawURLEncoding.EncodeToString([]byte(jwk["kid"].(string)))
	noID := methodOf("DCC:DEU:DSC", good)
	delete(noID["publicKeyJwk"].(map[string]any), "kid")
	noID["id"] = strings.Split(noID["id"].(string), "#")[0] + "#" + url.QueryEscape(strings.Split(noID["id"].(string), "#")[1])
	l := read(t, object(did(
		methodOf("DCC:DEU:DSC", good),
		methodOf("DCC:DEU:SCA", de.cert),
		methodOf("DCC:DEU:DSC", p384, "crv", "UNKNOWN CURVE"),
		methodOf("DCC:XXA:DSC", virtual, "x5c", []string{b64(virtual.Raw), b64(test.cert.Raw)}),
		methodOf("DCC:DEU:DSC", impostor),
		methodOf("DCC:FRA:DSC", good),
		methodOf("DCC:DEU:DSC", good, "kid", "AAAAAAAAAAA="),
		methodOf("DCC:DEU:DSC", good, "x5c", []string{b64(p384.Raw)}),
		methodOf("IPS:DEU:DSC", good), methodOf("-:DEU:DSC", good), methodOf("DCC:DEU:DECA", good),
		"did:web:other.example#x",
		map[string]any{"id": didHost + ":DCC:DEU:DSC#x"},
		twice, noID,
	)), Options{})
	taken(t, l, 5, "no CSCA of DE", "country is DE, and the list says FR", "its kid is", "certificate of another key", "no publicKeyJwk")
	e := l.Entries[0]
	if l.Format != WHO || e.Region != "DE" || !e.Chained || e.Where != "method 1" || len(e.Kinds) != 1 {
		t.Errorf("%+v", e)
	}
	remarked(t, e.Remarks, "a coordinate has 33 bytes where RFC 7518 demands 32")
	remarked(t, e.Remarks, "standard base64 in a DID's fragment")
	remarked(t, l.Entries[1].Remarks, `its curve is given as "UNKNOWN CURVE"`)
	if !l.Entries[2].Chained || l.Entries[2].Region != "XA" {
		t.Errorf("%+v", l.Entries[2])
	}
	remarked(t, l.Entries[3].Remarks, "encoded in base64 twice")
	for _, want := range []string{"trust domain IPS, which was not asked for", "not named in this file", "usage is DECA", "references to other documents", "the list has no proof", "CSCAs in the list itself"} {
		remarked(t, l.Remarks, want)
	}
	l = read(t, object(did(methodOf("IPS:DEU:DSC", good), methodOf("-:DEU:DSC", good), methodOf("DCC:DEU:DSC", good))), Options{Domains: []string{"ips", "-"}})
	taken(t, l, 2)

	// Version 1 names neither domain nor usage; a list of all countries names none.
	v1 := func(c *x509.Certificate, path string) any {
		m := methodOf("", c)
		m["id"] = strings.Replace(m["id"].(string), ":v2:trustlist:", path, 1)
		return m
	}
	l = read(t, object(did(v1(good, ":trustlist:DEU"), v1(de.cert, ":trustlist:v.1.0.0:DEU"), v1(virtual, ":keys:"), methodOf("DCC:-:DSC", good))), Options{})
	taken(t, l, 3)
	if l.Anchors != 1 || l.Entries[0].Region != "DE" || l.Entries[1].Region != "XA" || l.Entries[2].Region != "DE" || !l.Entries[2].Chained {
		t.Errorf("%+v", l.Entries)
	}
	if _, err := Read(object(did(methodOf("DCC:DEU:DSC", good, "d", "AAAA"))), Options{}); !errors.Is(err, ErrPrivateKey) {
		t.Errorf("private key: %v", err)
	}
}

func TestParticipants(t *testing.T) {
	for in, want := range map[string]string{"DEU": "DE", "deu": "DE", "GBR": "GB", "XXA": "XA", "XXB": "XB", "DE": "DE", "": "", "-": "-", "ABC": "ABC", "GRC": "GR"} {
		if got := alpha2(in); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
}

// TestCanonical compares the canonical form with what a processor of JSON-LD made
// of the same document (piprate/json-gold v0.7.0, URDNA2015).
func TestCanonical(t *testing.T) {
	got, err := documentQuads(file(t, "did-canonical.json"))
	if err != nil || got != string(file(t, "did-canonical.nq")) {
		t.Errorf("%v\n%s", err, got)
	}
	p := proofOptions{Type: "JsonWebSignature2020", Created: "2026-01-02T03:04:05Z", Nonce: "abc", Domain: "who.example", Purpose: "assertionMethod", Method: "did:web:tng-cdn.example:WHO:signing:DID"}
	if got, err := p.quads(); err != nil || got != string(file(t, "did-proof-canonical.nq")) {
		t.Errorf("%v\n%s", err, got)
	}
}

// prove signs a document as WHO's key distribution service does.
func prove(t *testing.T, doc map[string]any, key *ecdsa.PrivateKey, der bool) []byte {
	t.Helper()
	delete(doc, "proof")
	p := proofOptions{Type: "JsonWebSignature2020", Created: "2026-01-02T03:04:05Z", Nonce: "abc", Purpose: "assertionMethod", Method: "did:web:tng-cdn.example:WHO:signing:DID"}
	quads, options := must(documentQuads(object(doc))), must(p.quads())
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"b64":false,"crit":["b64"],"alg":"ES256"}`))
	h1, h2 := sha256.Sum256([]byte(options)), sha256.Sum256([]byte(quads))
	digest := sha256.Sum256(append(append([]byte(header+"."), h1[:]...), h2[:]...))
	sig := must(key.Sign(rand.Reader, digest[:], crypto.SHA256))
	if !der {
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		sig = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	p.JWS = header + ".." + base64.RawURLEncoding.EncodeToString(sig)
	doc["proof"] = p
	return object(doc)
}

func TestProof(t *testing.T) {
	de := csca("DE", nil)
	key := p256()
	signerDoc := func(id, method string, key *ecdsa.PrivateKey) []byte {
		return object(map[string]any{"id": id, "verificationMethod": []any{map[string]any{"id": method, "type": "JsonWebKey2020", "publicKeyJwk": jwkOf(key.Public())}}})
	}
	const who = "did:web:tng-cdn.example:WHO:signing:DID"
	signer := signerDoc(who, who+"#key", key)
	fresh := func() map[string]any { return did(methodOf("DCC:DEU:DSC", de.dsc("DE", nil, nil))) }
	for _, der := range []bool{true, false} {
		data := prove(t, fresh(), key, der)
		l := read(t, data, Options{DIDSigner: signer})
		taken(t, l, 1)
		if l.Signed != who+"#key" {
			t.Errorf("signed by %q", l.Signed)
		}
		if der {
			remarked(t, l.Remarks, "in DER, which JWS forbids")
		}
		remarked(t, read(t, data, Options{}).Remarks, "proof was not checked")
		if _, err := Read(data, Options{DIDSigner: signerDoc("did:web:x", who, key)}); err != nil {
			t.Errorf("a method of the proof's own name: %v", err)
		}

		bad := func(name string, data, signer []byte) {
			t.Helper()
			if _, err := Read(data, Options{DIDSigner: signer}); !errors.Is(err, ErrSignature) {
				t.Errorf("%s: %v", name, err)
			}
		}
		bad("another's key", data, signerDoc(who, who+"#key", p256()))
		bad("another signer", data, signerDoc("did:web:x", "did:web:x#key", key))
		bad("a signer without keys", data, object(map[string]any{"id": who}))
		bad("another country", bytes.ReplaceAll(data, []byte(":DEU:"), []byte(":FRA:")), signer)
		bad("another time", bytes.Replace(data, []byte("03:04:05"), []byte("03:04:06"), 1), signer)
		bad("another purpose", bytes.Replace(data, []byte("assertionMethod"), []byte("authentication"), 1), signer)
		change := func(change func(doc map[string]any)) []byte {
			var doc map[string]any
			if err := json.Unmarshal(data, &doc); err != nil {
				t.Fatal(err)
			}
			change(doc)
			return object(doc)
		}
		proof := func(doc map[string]any) map[string]any { return doc["proof"].(map[string]any) }
		bad("a method more", change(func(d map[string]any) {
			d["verificationMethod"] = append(d["verificationMethod"].([]any), methodOf("DCC:DEU:DSC", de.dsc("DE", nil, nil)))
		}), signer)
		bad("a member more", change(func(d map[string]any) { d["alsoKnownAs"] = "did:web:x" }), signer)
		bad("a context more", change(func(d map[string]any) { d["@context"] = append(d["@context"].([]any), "https://x.example") }), signer)
		bad("no proof", change(func(d map[string]any) { delete(d, "proof") }), signer)
		bad("a JWS that is not detached", change(func(d map[string]any) { proof(d)["jws"] = strings.Replace(proof(d)["jws"].(string), "..", ".AAAA.", 1) }), signer)
		bad("a JWS of an encoded payload", change(func(d map[string]any) {
			proof(d)["jws"] = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`)) + ".." + strings.Split(proof(d)["jws"].(string), "..")[1]
		}), signer)
		bad("a proof with more", change(func(d map[string]any) { proof(d)["expires"] = "2099-01-01T00:00:00Z" }), signer)
		bad("a number in a key", change(func(d map[string]any) {
			d["verificationMethod"].([]any)[0].(map[string]any)["publicKeyJwk"].(map[string]any)["n"] = 7
		}), signer)
	}
}
