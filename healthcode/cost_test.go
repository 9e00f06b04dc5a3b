package healthcode_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"testing"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/hc1"
	"concordat/healthcode/issue"
	"concordat/healthcode/native"
)

// BenchmarkCheck is the path of every check, text in and verified code out, per
// format and algorithm. "x-verify" is what it costs in verifications of the
// signature alone, which are measured in turns with it, and medians compared, so
// that a busy machine slows both. The promise is 1.3 at most.
func BenchmarkCheck(b *testing.B) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, bits := range []int{2048, 3072} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			b.Fatal(err)
		}
		name := map[int]string{2048: "PS256-2048", 3072: "PS256-3072"}[bits]
		b.Run("hc1/"+name, func(b *testing.B) { measure(b, vaccinationOf(b, key), key.Public(), hc1.Decoder{}) })
		b.Run("native/"+name, func(b *testing.B) { measure(b, healthCodeOf(b, key), key.Public(), native.Decoder{}) })
	}
	b.Run("hc1/ES256", func(b *testing.B) { measure(b, vaccinationOf(b, ec), ec.Public(), hc1.Decoder{}) })
	b.Run("native/ES256", func(b *testing.B) { measure(b, healthCodeOf(b, ec), ec.Public(), native.Decoder{}) })
	b.Run("native/EdDSA", func(b *testing.B) { measure(b, healthCodeOf(b, ed), ed.Public(), native.Decoder{}) })
	b.Run("native/ES256-itinerary", func(b *testing.B) { measure(b, itineraryOf(b, ec), ec.Public(), native.Decoder{}) })
}

func measure(b *testing.B, text string, key crypto.PublicKey, format healthcode.Decoder) {
	decoded, err := format.Decode(text)
	if err != nil {
		b.Fatal(err)
	}
	var whole, alone []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		u, err := format.Decode(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := u.Verify(key); err != nil {
			b.Fatal(err)
		}
		between := time.Now()
		if _, err := decoded.Verify(key); err != nil {
			b.Fatal(err)
		}
		whole, alone = append(whole, between.Sub(began)), append(alone, time.Since(between))
	}
	slices.Sort(whole)
	slices.Sort(alone)
	check, verify := whole[len(whole)/2], alone[len(alone)/2]
	b.ReportMetric(0, "ns/op") // of both together: it says nothing
	b.ReportMetric(float64(check.Nanoseconds()), "ns/check")
	b.ReportMetric(float64(verify.Nanoseconds()), "ns/verify")
	b.ReportMetric(float64(check)/float64(verify), "x-verify")
}

var benchNow = time.Date(2022, 11, 16, 0, 0, 0, 0, time.UTC)

func issuerOf(b *testing.B, signer crypto.Signer) *issue.Issuer {
	b.Helper()
	key, err := issue.NewKey(signer, nil)
	if err != nil {
		b.Fatal(err)
	}
	i, err := issue.New("XA", key, rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	return i
}

func textOf(b *testing.B, code *issue.Code, err error) string {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	return code.Text
}

func vaccinationOf(b *testing.B, signer crypto.Signer) string {
	code, err := issuerOf(b, signer).HC1([]byte(`{"ver":"1.3.0","nam":{"fn":"Országh-Név","gn":"Ilse","fnt":"ORSZAGH<NEV","gnt":"ILSE"},"dob":"1964-08-12",
		"v":[{"tg":"840539006","vp":"1119349007","mp":"EU/1/20/1528","ma":"ORG-100030215","dn":2,"sd":2,"dt":"2021-02-18","co":"XA","is":"Ministry of Health","ci":"URN:UVCI:01:XA:9F3B7A#1"}]}`),
		benchNow, benchNow.AddDate(1, 0, 0))
	return textOf(b, code, err)
}

func healthCodeOf(b *testing.B, signer crypto.Signer) string {
	code, err := issuerOf(b, signer).Native(native.Card{IssuedAt: benchNow, ExpiresAt: benchNow.AddDate(0, 0, 7), BirthDate: "1964-08-12", Health: &native.Health{
		Status:   healthcode.Status{Scheme: "default", Level: "green", LegalGround: "XA Act 7, section 3", Until: benchNow.AddDate(0, 0, 7)},
		Declared: &healthcode.Declaration{At: benchNow.Add(-time.Hour), Audit: healthcode.AuditPassed, AuditedAt: benchNow, Auditor: "Health Office 1"},
	}})
	return textOf(b, code, err)
}

func itineraryOf(b *testing.B, signer crypto.Signer) string {
	i := &native.Itinerary{Covered: healthcode.Span{From: benchNow.AddDate(0, 0, -14), To: benchNow}}
	for n := range 7 {
		i.Stays = append(i.Stays, healthcode.Stay{Area: []string{"CN-31-0115", "CN-33-0106", "XA"}[n%3], From: benchNow.AddDate(0, 0, 2*n-14), To: benchNow.AddDate(0, 0, 2*n-13)})
	}
	code, err := issuerOf(b, signer).Native(native.Card{IssuedAt: benchNow, ExpiresAt: benchNow.AddDate(0, 0, 7), Itinerary: i})
	return textOf(b, code, err)
}
