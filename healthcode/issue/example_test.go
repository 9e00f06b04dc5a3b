package issue_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"log"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/issue"
	"concordat/healthcode/native"
)

// A region issues a person's health code and itinerary card, which share an id.
func Example() {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	certificate, err := issue.SelfSigned(private, issue.Subject{
		Region: "XA", Name: "Health codes of XA, 1", NotBefore: now, NotAfter: now.AddDate(2, 0, 0),
	}, rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	key, err := issue.NewKey(private, certificate)
	if err != nil {
		log.Fatal(err)
	}
	issuer, err := issue.New("XA", key, rand.Reader)
	if err != nil {
		log.Fatal(err)
	}

	id, err := issuer.NewID()
	if err != nil {
		log.Fatal(err)
	}
	code, err := issuer.Native(native.Card{
		ID: id, IssuedAt: now, ExpiresAt: now.AddDate(0, 0, 7),
		Health: &native.Health{
			Status:   healthcode.Status{Scheme: "default", Level: "green", LegalGround: "XA Act 7, section 3"},
			Declared: &healthcode.Declaration{At: now.Add(-2 * time.Hour), Audit: healthcode.AuditPassed, AuditedAt: now.Add(-time.Hour)},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	card, err := issuer.Native(native.Card{
		ID: id, IssuedAt: now, ExpiresAt: now.AddDate(0, 0, 1),
		Itinerary: &native.Itinerary{
			Covered: healthcode.Span{From: now.AddDate(0, 0, -14), To: now},
			Stays:   []healthcode.Stay{{Area: "XA", From: now.AddDate(0, 0, -14), To: now}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(code.Text[:5], code.Verified.Kind(), code.Verified.Algorithm())
	fmt.Println(card.Text[:5], card.Verified.Kind(), card.Verified.Holder().ID == code.Verified.Holder().ID)
	// Output:
	// CHC1: health ES256
	// CHC1: itinerary true
}

// A country issues an EU Digital COVID Certificate.
func ExampleIssuer_HC1() {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	key, err := issue.NewKey(private, nil)
	if err != nil {
		log.Fatal(err)
	}
	issuer, err := issue.New("XA", key, rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	code, err := issuer.HC1([]byte(`{
		"ver": "1.3.0", "nam": {"fnt": "ORSZAG<NEV"}, "dob": "1964-08-12",
		"r": [{"tg": "840539006", "fr": "2026-01-10", "df": "2026-01-21", "du": "2026-07-09",
		       "co": "XA", "is": "Ministry of Health", "ci": "URN:UVCI:01:XA:4F2A#K"}]
	}`), now, now.AddDate(0, 6, 0))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(code.Text[:4], code.Verified.Kind(), len(code.Verified.RevocationHashes()))
	// Output: HC1: recovery 3
}
