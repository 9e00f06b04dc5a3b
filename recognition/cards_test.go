package recognition_test

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"concordat/healthcode/native"
)

// issuer is a key that makes codes, which follows from a name.
type issuer struct {
	private crypto.Signer
	public  []byte // SubjectPublicKeyInfo
}

// issuerOf makes the issuer of a name: ECDSA on P-256, or Ed25519.
func issuerOf(t testing.TB, name string, ed bool) issuer {
	t.Helper()
	seed := sha256.Sum256([]byte(name))
	i := issuer{private: ed25519.NewKeyFromSeed(seed[:])}
	var err error
	if !ed {
		if i.private, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:]); err != nil {
			t.Fatal(err)
		}
	}
	if i.public, err = x509.MarshalPKIXPublicKey(i.private.Public()); err != nil {
		t.Fatal(err)
	}
	return i
}

// sign signs as COSE and JOSE do.
func (i issuer) sign(t testing.TB, message []byte) []byte {
	t.Helper()
	if key, ed := i.private.(ed25519.PrivateKey); ed {
		return ed25519.Sign(key, message)
	}
	digest := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, i.private.(*ecdsa.PrivateKey), digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signature
}

// seal makes a code of what it says: COSE_Sign1, zlib, Base45.
func (i issuer) seal(t testing.TB, prefix string, payload []byte) sample {
	t.Helper()
	sum := sha256.Sum256(i.public)
	s := sample{publicKey: i.public, keyID: sum[:8]}
	alg := -7 // ES256
	if _, ed := i.private.(ed25519.PrivateKey); ed {
		alg = -8 // EdDSA
	}
	protected := encode(t, map[any]any{1: alg, 4: s.keyID})
	signature := i.sign(t, encode(t, []any{"Signature1", protected, []byte{}, payload}))
	message := encode(t, cbor.Tag{Number: 18, Content: []any{protected, map[any]any{}, payload, signature}})

	var compressed bytes.Buffer
	w := zlib.NewWriter(&compressed)
	if _, err := w.Write(message); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s.text = prefix + base45(compressed.Bytes())
	return s
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := cbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// nativeCode is a health code or an itinerary card. It may say what no issuer of
// this program's would issue.
func nativeCode(t testing.TB, by issuer, card native.Card) sample {
	t.Helper()
	payload, err := card.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return by.seal(t, native.Prefix, payload)
}

// healthCard is a SMART Health Card of one immunization. A zero expiry and an empty rid are left out.
func healthCard(t testing.TB, by issuer, iss, born, rid string, issued time.Time) sample {
	t.Helper()
	key := by.private.(*ecdsa.PrivateKey)
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	kid := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, b64(point[1:33]), b64(point[33:])))
	type m = map[string]any
	vc := m{
		"type": []string{"https://smarthealth.cards#health-card"},
		"credentialSubject": m{"fhirVersion": "4.0.1", "fhirBundle": m{"resourceType": "Bundle", "type": "collection", "entry": []m{
			{"fullUrl": "resource:0", "resource": m{"resourceType": "Patient", "birthDate": born, "name": []m{{"family": "FORGED", "given": []string{"F."}}}}},
			{"fullUrl": "resource:1", "resource": m{
				"resourceType": "Immunization", "status": "completed", "occurrenceDateTime": "2021-01-29", "patient": m{"reference": "resource:0"},
				"vaccineCode": m{"coding": []m{{"system": "http://hl7.org/fhir/sid/cvx", "code": "207"}}},
			}},
		}}},
	}
	if rid != "" {
		vc["rid"] = rid
	}
	text, err := json.Marshal(m{"iss": iss, "nbf": issued.Unix(), "vc": vc})
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	signed := b64(fmt.Appendf(nil, `{"alg":"ES256","zip":"DEF","kid":"%s"}`, b64(kid[:]))) + "." + b64(packed.Bytes())
	var digits strings.Builder
	for _, c := range []byte(signed + "." + b64(by.sign(t, []byte(signed)))) {
		fmt.Fprintf(&digits, "%02d", c-45)
	}
	return sample{text: "shc:/" + digits.String(), publicKey: by.public, keyID: kid[:]}
}
