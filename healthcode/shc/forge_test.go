package shc

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"concordat/healthcode"
)

var forgingKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
})

// The words that must never appear in an error.
const (
	forgedName   = "Zwetschkenbaum"
	forgedGiven  = "Ilse"
	forgedDOB    = "1957-03-29"
	forgedRID    = "hT8-q_Zz0aB"
	forgedLot    = "LOT93X7"
	forgedIssuer = "https://issuer.example/shc"
)

type (
	m = map[string]any
	a = []any
)

// forgery is a card in the making. Each field is one layer; a test changes the
// layer that it is about and the layers around it follow.
type forgery struct {
	header     m
	headerText func(json []byte) []byte
	payload    m
	text       func(json []byte) []byte // the payload, before compression
	compress   func(text []byte) []byte
	part       func(base64 string) string // the payload's
	sign       func(input []byte) []byte
	jws        func(jws string) string
}

// thumbprint names the forging key as RFC 7638 has it.
func thumbprint(k *ecdsa.PublicKey) [32]byte {
	point, err := k.Bytes()
	if err != nil {
		panic(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, b64(point[1:33]), b64(point[33:])))
}

func forgedKID() string {
	t := thumbprint(&forgingKey().PublicKey)
	return base64.RawURLEncoding.EncodeToString(t[:])
}

// vaccinations is the payload of a good card with two doses.
func vaccinations() m {
	dose := func(at string) m {
		return m{"fullUrl": "resource:1", "resource": m{
			"resourceType": "Immunization", "status": "completed", "lotNumber": forgedLot, "occurrenceDateTime": at,
			"patient":     m{"reference": "resource:0"},
			"vaccineCode": m{"coding": a{m{"system": "http://hl7.org/fhir/sid/cvx", "code": "207"}}},
			"performer":   a{m{"actor": m{"display": "ABC General Hospital"}}},
		}}
	}
	return card1(dose("2021-01-01"), dose("2021-01-29"))
}

// observation is the payload of a good card with a test.
func observation() m {
	return card1(m{"fullUrl": "resource:1", "resource": m{
		"resourceType": "Observation", "status": "final", "effectiveDateTime": "2021-06-03",
		"code":                 m{"coding": a{m{"system": "http://loinc.org", "code": "94558-4"}}},
		"valueCodeableConcept": m{"coding": a{m{"system": "http://snomed.info/sct", "code": "260373001"}}},
	}})
}

func card1(resources ...any) m {
	entries := append(a{m{"fullUrl": "resource:0", "resource": m{
		"resourceType": "Patient", "birthDate": forgedDOB, "name": a{m{"family": forgedName, "given": a{forgedGiven, "B."}}},
	}}}, resources...)
	return m{
		"iss": forgedIssuer, "nbf": 1620000000,
		"vc": m{
			"type":              a{typeHealthCard},
			"credentialSubject": m{"fhirVersion": "4.0.1", "fhirBundle": m{"resourceType": "Bundle", "type": "collection", "entry": entries}},
			"rid":               forgedRID,
		},
	}
}

func vc(payload m) m        { return payload["vc"].(m) }
func subject(payload m) m   { return vc(payload)["credentialSubject"].(m) }
func theBundle(payload m) m { return subject(payload)["fhirBundle"].(m) }
func entries(payload m) a   { return theBundle(payload)["entry"].(a) }
func resourceAt(payload m, i int) m {
	return entries(payload)[i].(m)["resource"].(m)
}

// forgedJWS makes a JWS that is good but for what the changes do to it.
func forgedJWS(t testing.TB, changes ...func(*forgery)) string {
	t.Helper()
	f := &forgery{
		header:  m{"alg": "ES256", "zip": "DEF", "kid": forgedKID()},
		payload: vaccinations(),
		sign:    func(input []byte) []byte { return signES256(t, forgingKey(), input) },
	}
	for _, change := range changes {
		change(f)
	}
	through := func(layer func([]byte) []byte, b []byte) []byte {
		if layer == nil {
			return b
		}
		return layer(b)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	header := b64(through(f.headerText, encode(t, f.header)))
	if f.compress == nil {
		f.compress = func(text []byte) []byte { return deflated(t, text) }
	}
	payload := b64(f.compress(through(f.text, encode(t, f.payload))))
	if f.part != nil {
		payload = f.part(payload)
	}
	input := header + "." + payload
	jws := input + "." + b64(f.sign([]byte(input)))
	if f.jws != nil {
		jws = f.jws(jws)
	}
	return jws
}

// forged is forgedJWS as the text of a QR code.
func forged(t testing.TB, changes ...func(*forgery)) string {
	t.Helper()
	return Prefix + digitsOf(forgedJWS(t, changes...))
}

// digitsOf turns characters into pairs of digits; what has no pair becomes 99.
func digitsOf(jws string) string {
	var b strings.Builder
	for i := range len(jws) {
		fmt.Fprintf(&b, "%02d", min(int(jws[i]-firstCharacter), 99))
	}
	return b.String()
}

// chunked spreads a JWS over n texts.
func chunked(jws string, n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("%s%d/%d/%s", Prefix, i+1, n, digitsOf(jws[i*len(jws)/n:(i+1)*len(jws)/n]))
	}
	return texts
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v) // sorts members
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func signES256(t testing.TB, k *ecdsa.PrivateKey, input []byte) []byte {
	t.Helper()
	digest := sha256.Sum256(input)
	r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

func deflated(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// mustVerify decodes and verifies what has to be good.
func mustVerify(t *testing.T, text string, key crypto.PublicKey) *healthcode.Verified {
	t.Helper()
	u, err := healthcode.Decode(text, Decoders()...)
	if err != nil {
		t.Fatalf("Decode: %v", err)
	}
	v, err := u.Verify(key)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return v
}

// checkDiscreet fails if an error repeats anything of the card: of its text, or of
// what is in it.
func checkDiscreet(t *testing.T, err error, text string) {
	t.Helper()
	for _, secret := range []string{forgedName, forgedGiven, forgedDOB, forgedRID, forgedLot, "issuer.example", forgedKID()} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error repeats the card's content: %v", err)
		}
	}
	const window = 8
	body := strings.TrimPrefix(text, Prefix)
	for i := 0; i+window <= len(body); i++ {
		if strings.Contains(err.Error(), body[i:i+window]) {
			t.Errorf("the error repeats %q of the card's text: %v", body[i:i+window], err)
		}
	}
}

// fieldsOf gives the values of a field, in order.
func fieldsOf(v *healthcode.Verified, name string) (values []string) {
	for _, f := range v.Fields() {
		if f.Name == name {
			values = append(values, f.Value)
		}
	}
	return values
}
