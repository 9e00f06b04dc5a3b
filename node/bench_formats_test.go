package node

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/healthcode"
	"concordat/healthcode/issue"
	"concordat/healthcode/native"
	"concordat/ledger/statement"
	"concordat/recognition"
)

// BenchmarkCheckFormats is what a check costs beside the verification of the
// code's signature alone, for each format and algorithm. The check is Node.Check,
// what a node does for POST /v1/check but for HTTP and JSON: reading the text,
// finding the key, the signature, and the whole decision on the ledger, for a
// code of XB's that XA recognises by a grant of some days ago. The signature is
// what the standard library takes for the same digest under the same key, parsed
// beforehand.
//
// What checks read of the ledger is remembered until something is ordered:
// hc1-es256-first is the first check after a statement.
//
// They are measured in turns, one of each, so that what else the machine does
// disturbs both alike, and medians are compared: x/signature is the one by the
// other. What is promised is 1.3.
//
//	make bench-check
func BenchmarkCheckFormats(b *testing.B) {
	now := time.Now().UTC().Truncate(time.Second)
	s := startSolo(b, "XB")
	s.say(b, &statement.PublishScheme{Name: "default", Levels: []statement.SchemeLevel{{Name: "green"}, {Name: "yellow"}, {Name: "red", Refuse: true}}, LegalRef: "XA Act 7, section 3"}, 1, nil)
	s.say(b, &statement.Grant{Terms: statement.Terms{
		Region: "XB", From: statement.TimeOf(now.AddDate(0, 0, -3)), Reason: "agreement of XA and XB", LegalRef: "XA Gazette 2022/17",
		Formats: []string{"hc1", "shc", "native"}, Algorithms: []string{"ES256", "PS256", "EdDSA"},
	}}, 1, nil)
	for _, f := range []struct {
		name string
		key  crypto.Signer
		make func(*testing.B, crypto.Signer, time.Time) (text string, keyID []byte)
	}{
		{"hc1-es256", keyEC(b), certificateOf},
		{"hc1-ps256", keyRSA(b), certificateOf},
		{"shc", keyEC(b), smartCardOf},
		{"native-es256", keyEC(b), healthCodeOf},
		{"native-eddsa", keyEd(b), healthCodeOf},
	} {
		signer := &recorder{Signer: f.key}
		text, keyID := f.make(b, signer, now.AddDate(0, 0, -1))
		public, err := x509.MarshalPKIXPublicKey(f.key.Public())
		if err != nil {
			b.Fatal(err)
		}
		register := &statement.RegisterKey{PublicKey: public, KeyID: keyID}
		if f.name == "shc" {
			register.Issuer = benchIssuer
		}
		s.sayAs(b, "XB", register, 1, nil, client.Final)
		ask := client.Check{Codes: []string{text}}
		b.Run(f.name, func(b *testing.B) { s.beside(b, ask, signer.verify(), func() {}) })
		if f.name == "hc1-es256" {
			b.Run(f.name+"-first", func(b *testing.B) { s.beside(b, ask, signer.verify(), func() { s.grow(b, client.Final) }) })
		}
	}
}

// beside measures checks and verifications in turns, each after what is done before.
func (s *soloNode) beside(b *testing.B, ask client.Check, verify func() bool, before func()) {
	var checks, verifications []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		before()
		began := time.Now()
		got, err := s.Check(b.Context(), ask)
		checked := time.Now()
		good := verify()
		verified := time.Now()
		if err != nil || got.Decision.Decision != recognition.Recognized {
			b.Fatal(got.Decision.Decision, got.Reasons, err)
		}
		if !good {
			b.Fatal("what is verified beside the check is not the code's signature")
		}
		checks, verifications = append(checks, checked.Sub(began)), append(verifications, verified.Sub(checked))
	}
	check, verification := median(checks), median(verifications)
	b.ReportMetric(0, "ns/op") // of both together: it says nothing
	b.ReportMetric(float64(check), "ns/check")
	b.ReportMetric(float64(verification), "ns/signature")
	b.ReportMetric(float64(check)/float64(verification), "x/signature")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// recorder is a key that keeps what it signed last.
type recorder struct {
	crypto.Signer
	message, signature []byte // the digest, but of Ed25519 the message
}

func (r *recorder) Sign(random io.Reader, message []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	signature, err = r.Signer.Sign(random, message, opts)
	r.message, r.signature = bytes.Clone(message), bytes.Clone(signature)
	return signature, err
}

// verify gives the verification of what was signed, and nothing else.
func (r *recorder) verify() func() bool {
	switch k := r.Public().(type) {
	case *ecdsa.PublicKey:
		return func() bool { return ecdsa.VerifyASN1(k, r.message, r.signature) }
	case *rsa.PublicKey:
		options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
		return func() bool { return rsa.VerifyPSS(k, crypto.SHA256, r.message, r.signature, options) == nil }
	case ed25519.PublicKey:
		return func() bool { return ed25519.Verify(k, r.message, r.signature) }
	}
	panic("a key of another type")
}

func keyEC(b *testing.B) crypto.Signer {
	b.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	return k
}

func keyRSA(b *testing.B) crypto.Signer {
	b.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	return k
}

func keyEd(b *testing.B) crypto.Signer {
	b.Helper()
	_, k, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	return k
}

// certificateOf makes a vaccination certificate as EU member states issue them.
func certificateOf(b *testing.B, key crypto.Signer, issued time.Time) (string, []byte) {
	b.Helper()
	i, keyID := issuerOf(b, key)
	code, err := i.HC1([]byte(`{"ver":"1.3.0","nam":{"fn":"Országh-Név","gn":"Ilse","fnt":"ORSZAGH<NEV","gnt":"ILSE"},"dob":"1964-08-12",
		"v":[{"tg":"840539006","vp":"1119349007","mp":"EU/1/20/1528","ma":"ORG-100030215","dn":2,"sd":2,"dt":"2021-02-18","co":"XB","is":"Ministry of Health","ci":"URN:UVCI:01:XB:9F3B7A#1"}]}`),
		issued, issued.AddDate(1, 0, 0))
	if err != nil {
		b.Fatal(err)
	}
	return code.Text, keyID
}

// healthCodeOf makes a health code that says all that it may say.
func healthCodeOf(b *testing.B, key crypto.Signer, issued time.Time) (string, []byte) {
	b.Helper()
	i, keyID := issuerOf(b, key)
	until := issued.AddDate(0, 0, 7)
	code, err := i.Native(native.Card{IssuedAt: issued, ExpiresAt: until, BirthDate: "1964-08-12", Health: &native.Health{
		Status:   healthcode.Status{Scheme: "default", Level: "green", LegalGround: "XB Act 7, section 3", Until: until},
		Declared: &healthcode.Declaration{At: issued.Add(-time.Hour), Audit: healthcode.AuditPassed, AuditedAt: issued, Auditor: "Health Office 1"},
	}})
	if err != nil {
		b.Fatal(err)
	}
	return code.Text, keyID
}

func issuerOf(b *testing.B, signer crypto.Signer) (*issue.Issuer, []byte) {
	b.Helper()
	key, err := issue.NewKey(signer, nil)
	if err != nil {
		b.Fatal(err)
	}
	i, err := issue.New("XB", key, rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	return i, key.ID()
}

const benchIssuer = "https://issuer.xb.example/shc"

// smartCardOf makes a SMART Health Card of two doses, as the specification's
// first example has them.
func smartCardOf(b *testing.B, key crypto.Signer, issued time.Time) (string, []byte) {
	b.Helper()
	point, err := key.Public().(*ecdsa.PublicKey).Bytes()
	if err != nil {
		b.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	keyID := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, b64(point[1:33]), b64(point[33:])))
	dose := func(place int, on string) string {
		return fmt.Sprintf(`{"fullUrl":"resource:%d","resource":{"resourceType":"Immunization","status":"completed","vaccineCode":{"coding":[{"system":"http://hl7.org/fhir/sid/cvx","code":"207"}]},`+
			`"patient":{"reference":"resource:0"},"occurrenceDateTime":"%s","performer":[{"actor":{"display":"ABC General Hospital"}}],"lotNumber":"000000%d"}}`, place, on, place)
	}
	payload := fmt.Sprintf(`{"iss":"%s","nbf":%d,"vc":{"type":["https://smarthealth.cards#health-card","https://smarthealth.cards#immunization","https://smarthealth.cards#covid19"],`+
		`"credentialSubject":{"fhirVersion":"4.0.1","fhirBundle":{"resourceType":"Bundle","type":"collection","entry":[`+
		`{"fullUrl":"resource:0","resource":{"resourceType":"Patient","name":[{"family":"Anyperson","given":["Ilse","B."]}],"birthDate":"1964-08-12"}},%s,%s]}},"rid":"9F3B7A"}}`,
		benchIssuer, issued.Unix(), dose(1, "2021-01-01"), dose(2, "2021-01-29"))
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.WriteString(w, payload); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	signed := b64(fmt.Appendf(nil, `{"alg":"ES256","zip":"DEF","kid":"%s"}`, b64(keyID[:]))) + "." + b64(packed.Bytes())
	digest := sha256.Sum256([]byte(signed))
	der, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		b.Fatal(err)
	}
	signature, err := sideBySide(der)
	if err != nil {
		b.Fatal(err)
	}
	var digits strings.Builder
	digits.WriteString("shc:/")
	for _, c := range []byte(signed + "." + b64(signature)) {
		fmt.Fprintf(&digits, "%02d", c-'-')
	}
	return digits.String(), keyID[:]
}

// sideBySide gives r and s of an ECDSA signature of P-256 as JOSE has them.
func sideBySide(der []byte) ([]byte, error) {
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &pair); err != nil {
		return nil, err
	}
	return append(pair.R.FillBytes(make([]byte, 32)), pair.S.FillBytes(make([]byte, 32))...), nil
}
