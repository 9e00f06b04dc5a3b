package issue_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/hc1"
	"concordat/healthcode/issue"
	"concordat/healthcode/native"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var (
	keyEC  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	keyRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	keyEd  = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

	issued  = time.Date(2022, 11, 16, 0, 0, 0, 0, time.UTC)
	expires = issued.AddDate(0, 0, 7)
)

const secret = "Zwetschkenbaum" // must never appear in an error

// The three kinds of certificate, as small as the schema lets them be.
var dccs = map[healthcode.Kind]string{
	healthcode.Vaccination: `{"ver":"1.3.0","nam":{"fn":"Zwetschkenbaum","fnt":"ZWETSCHKENBAUM"},"dob":"1957-03-29","v":[{"tg":"840539006","vp":"1119349007","mp":"EU/1/20/1528","ma":"ORG-100030215","dn":2,"sd":2.0,"dt":"2021-02-18","co":"XA","is":"Ministry of Health","ci":"URN:UVCI:01:XA:9F3B7A#1"}]}`,
	healthcode.Test:        `{"ver":"1.3.0","nam":{"fnt":"ZWETSCHKENBAUM"},"dob":"","t":[{"tg":"840539006","tt":"LP6464-4","sc":"2022-11-15T10:00:00Z","tr":"260415000","tc":"Test centre","co":"XA","is":"Ministry of Health","ci":"URN:UVCI:01:XA:9F3B7B#2"}]}`,
	healthcode.Recovery:    `{"ver":"1.3.0","nam":{"fnt":"ZWETSCHKENBAUM"},"dob":"1957","r":[{"tg":"840539006","fr":"2022-10-01","df":"2022-10-12","du":"2023-03-30","co":"XA","is":"Ministry of Health","ci":"URN:UVCI:01:XA:9F3B7C#3"}]}`,
}

func newIssuer(t testing.TB, signer crypto.Signer, random io.Reader, kinds ...healthcode.Kind) *issue.Issuer {
	t.Helper()
	certificate, err := issue.SelfSigned(signer, issue.Subject{Region: "XA", Name: "DSC 1 of XA", Kinds: kinds, NotBefore: issued.AddDate(-1, 0, 0), NotAfter: issued.AddDate(2, 0, 0)}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := issue.NewKey(signer, certificate)
	if err != nil {
		t.Fatal(err)
	}
	i, err := issue.New("XA", key, random)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func healthCard() native.Card {
	return native.Card{IssuedAt: issued, ExpiresAt: expires, BirthDate: "1957-03-29", Health: &native.Health{
		Status:   healthcode.Status{Scheme: "default", Level: "green", LegalGround: "Law " + secret, Until: expires},
		Declared: &healthcode.Declaration{At: issued.Add(-time.Hour), Audit: healthcode.AuditPassed, AuditedAt: issued, Auditor: "Office " + secret},
	}}
}

func itineraryCard() native.Card {
	return native.Card{IssuedAt: issued, ExpiresAt: expires, Itinerary: &native.Itinerary{
		Covered: healthcode.Span{From: issued.AddDate(0, 0, -14), To: issued},
		Stays: []healthcode.Stay{
			{Area: "XA", From: issued.AddDate(0, 0, -14), To: issued.AddDate(0, 0, -3)},
			{Area: "CN-31-0115", From: issued.AddDate(0, 0, -3), To: issued},
		},
	}}
}

// TestHC1 issues each kind with each algorithm, and reads it as a verifier does.
func TestHC1(t *testing.T) {
	for name, signer := range map[string]crypto.Signer{"ES256": keyEC(), "PS256": keyRSA()} {
		i := newIssuer(t, signer, rand.Reader, healthcode.Vaccination, healthcode.Test, healthcode.Recovery)
		for kind, dcc := range dccs {
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				code, err := i.HC1([]byte(dcc), issued.Add(time.Millisecond), expires)
				if err != nil {
					t.Fatal(err)
				}
				u, err := healthcode.Decode(code.Text, hc1.Decoder{})
				if err != nil {
					t.Fatal(err)
				}
				v, err := u.Verify(signer.Public())
				if err != nil {
					t.Fatal(err)
				}
				if v.Kind() != kind || v.Issuer() != "XA" || v.Country() != "XA" || string(v.Algorithm()) != name ||
					!v.IssuedAt().Equal(issued) || !v.ExpiresAt().Equal(expires) || len(v.RevocationHashes()) != 3 {
					t.Errorf("issued %s of %s by %s from %s to %s", v, v.Issuer(), v.Algorithm(), v.IssuedAt(), v.ExpiresAt())
				}
				var want any
				if err := json.Unmarshal([]byte(dcc), &want); err != nil {
					t.Fatal(err)
				}
				if got := must(json.Marshal(v.Payload())); string(got) != string(must(json.Marshal(want))) {
					t.Error("the payload is not what was asked for")
				}
			})
		}
	}
}

func TestNative(t *testing.T) {
	for name, signer := range map[string]crypto.Signer{"ES256": keyEC(), "PS256": keyRSA(), "EdDSA": keyEd} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, signer, rand.Reader)
			first, err := i.Native(healthCard())
			if err != nil {
				t.Fatal(err)
			}
			card := itineraryCard()
			if card.ID, err = native.ParseID(first.Verified.Holder().ID); err != nil {
				t.Fatal(err)
			}
			second, err := i.Native(card)
			if err != nil {
				t.Fatal(err)
			}
			if first.Verified.Kind() != healthcode.Health || second.Verified.Kind() != healthcode.Itinerary ||
				first.Verified.Holder().ID != second.Verified.Holder().ID || second.Verified.Issuer() != "XA" {
				t.Errorf("issued %s and %s", first.Verified, second.Verified)
			}
			third, err := i.Native(healthCard())
			if err != nil || third.Verified.Holder().ID == first.Verified.Holder().ID {
				t.Errorf("an id was drawn twice, %v", err)
			}
		})
	}
}

// TestDeterministic: without randomness the same card gives the same code, but
// for PS256, which has none such.
func TestDeterministic(t *testing.T) {
	card := healthCard()
	card.ID = native.ID{1}
	for name, signer := range map[string]crypto.Signer{"ES256": keyEC(), "EdDSA": keyEd} {
		i := must(issue.New("XA", must(issue.NewKey(signer, nil)), nil))
		first, err := i.Native(card)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := i.Native(card); err != nil || second.Text != first.Text {
			t.Errorf("%s: two texts, %v", name, err)
		}
	}
	i := must(issue.New("XA", must(issue.NewKey(keyRSA(), nil)), nil))
	if _, err := i.Native(card); !errors.Is(err, issue.ErrKey) {
		t.Errorf("PS256 without randomness: %v", err)
	}
	if _, err := i.Native(healthCard()); !errors.Is(err, issue.ErrInvalid) {
		t.Errorf("an id without randomness: %v", err)
	}
}

// TestKeyID: of the certificate's DER, or of the key where there is none.
func TestKeyID(t *testing.T) {
	certificate := must(issue.SelfSigned(keyEC(), issue.Subject{Region: "XA", Name: "x", NotBefore: issued, NotAfter: expires}, rand.Reader))
	want := hc1.KeyID(certificate.Raw)
	if got := must(issue.NewKey(keyEC(), certificate)).ID(); string(got) != string(want[:]) {
		t.Errorf("with a certificate: %x, want %x", got, want)
	}
	sum := sha256.Sum256(must(x509.MarshalPKIXPublicKey(keyEC().Public())))
	if got := must(issue.NewKey(keyEC(), nil)).ID(); string(got) != string(sum[:8]) {
		t.Errorf("without: %x, want %x", got, sum[:8])
	}
}

func TestUnusableKeys(t *testing.T) {
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	certificate := newCertificate(t, keyEC())
	for name, make := range map[string]func() (*issue.Key, error){
		"none":                      func() (*issue.Key, error) { return issue.NewKey(nil, nil) },
		"P-384":                     func() (*issue.Key, error) { return issue.NewKey(p384, nil) },
		"another key's certificate": func() (*issue.Key, error) { return issue.NewKey(keyEd, certificate) },
		"another EC key's certificate": func() (*issue.Key, error) {
			return issue.NewKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), certificate)
		},
	} {
		if _, err := make(); !errors.Is(err, issue.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func newCertificate(t testing.TB, signer crypto.Signer, kinds ...healthcode.Kind) *x509.Certificate {
	t.Helper()
	c, err := issue.SelfSigned(signer, issue.Subject{Region: "XA", Name: "DSC", Kinds: kinds, NotBefore: issued.AddDate(0, 0, -1), NotAfter: expires.AddDate(0, 0, 1)}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestNotIssued: what a verifier would stumble over is refused, and nothing of it
// is in the error.
func TestNotIssued(t *testing.T) {
	vaccination := dccs[healthcode.Vaccination]
	change := func(old, new string) string {
		if !strings.Contains(vaccination, old) {
			t.Fatalf("%q is not in the certificate", old)
		}
		return strings.Replace(vaccination, old, new, 1)
	}
	i := newIssuer(t, keyEC(), rand.Reader)
	dcc := func(text string) func() error {
		return func() error { _, err := i.HC1([]byte(text), issued, expires); return err }
	}
	times := func(from, to time.Time) func() error {
		return func() error { _, err := i.HC1([]byte(vaccination), from, to); return err }
	}
	health := func(f func(*native.Card)) func() error {
		return func() error { c := healthCard(); f(&c); _, err := i.Native(c); return err }
	}
	itinerary := func(f func(*native.Card)) func() error {
		return func() error { c := itineraryCard(); f(&c); _, err := i.Native(c); return err }
	}
	entry := vaccination[strings.Index(vaccination, `[{"tg"`)+1 : len(vaccination)-2]
	for name, try := range map[string]func() error{
		"no JSON":                     dcc(secret),
		"nothing":                     dcc(""),
		"a list":                      dcc("[]"),
		"cut short":                   dcc(vaccination[:len(vaccination)-1]),
		"something after it":          dcc(vaccination + " " + vaccination),
		"a member twice":              dcc(change(`"dob":`, `"ver":"1.0.0","dob":`)),
		"too long":                    dcc(change(secret, strings.Repeat("x", 20<<10))),
		"nested deep":                 dcc(change(`"dob":"1957-03-29"`, `"dob":`+strings.Repeat("[", 30)+strings.Repeat("]", 30))),
		"many members":                dcc(change(`"dob":"1957-03-29"`, `"dob":[`+strings.Repeat("1,", 80)+"1]")),
		"a number too large":          dcc(change(`"dn":2`, `"dn":1e999`)),
		"no version":                  dcc(change(`"ver":"1.3.0",`, "")),
		"no name":                     dcc(change(`"fnt":"ZWETSCHKENBAUM"`, `"gnt":"x"`)),
		"name a text":                 dcc(change(`{"fn":"Zwetschkenbaum","fnt":"ZWETSCHKENBAUM"}`, `"Zwetschkenbaum"`)),
		"no entry":                    dcc(change(`"v":[`, `"x":[`)),
		"an empty group":              dcc(change(entry, "")),
		"null":                        dcc(change("["+entry+"]", "null")),
		"two entries":                 dcc(change(entry, entry+","+entry)),
		"two groups":                  dcc(change(`"v":[`, `"r":[{"tg":"x","co":"XA","is":"x","ci":"x","fr":"x","df":"x","du":"x"}],"v":[`)),
		"no identifier":               dcc(change(`"ci":`, `"ci2":`)),
		"doses as text":               dcc(change(`"dn":2`, `"dn":"2"`)),
		"half a dose":                 dcc(change(`"dn":2`, `"dn":2.5`)),
		"no date":                     dcc(change(`"dt":"2021-02-18"`, `"dt":""`)),
		"expired before it is issued": times(expires, issued),
		"before the certificate":      times(issued.AddDate(-2, 0, 0), expires),
		"longer than the certificate": times(issued, expires.AddDate(5, 0, 0)),
		"before 1970":                 times(time.Unix(-5, 0), expires),
		"after 9999":                  times(issued, time.Unix(253402300800, 0)),
		"another region":              health(func(c *native.Card) { c.Region = "XB" }),
		"no kind":                     health(func(c *native.Card) { c.Health = nil }),
		"level in capitals":           health(func(c *native.Card) { c.Health.Status.Level = "GREEN" }),
		"a fraction of a second":      health(func(c *native.Card) { c.IssuedAt = c.IssuedAt.Add(1) }),
		"status over":                 health(func(c *native.Card) { c.Health.Status.Until = issued }),
		"declared later":              health(func(c *native.Card) { c.Health.Declared.At = expires; c.Health.Declared.AuditedAt = expires }),
		"audited later":               health(func(c *native.Card) { c.Health.Declared.AuditedAt = expires }),
		"outlives the certificate":    health(func(c *native.Card) { c.ExpiresAt = issued.AddDate(5, 0, 0) }),
		"an area in small letters":    itinerary(func(c *native.Card) { c.Itinerary.Stays[0].Area = "zwetschkenbaum" }),
		"an area with a gap":          itinerary(func(c *native.Card) { c.Itinerary.Stays[0].Area = "XA--1" }),
		"stays out of order":          itinerary(func(c *native.Card) { s := c.Itinerary.Stays; s[0], s[1] = s[1], s[0] }),
		"a stay before the covered":   itinerary(func(c *native.Card) { c.Itinerary.Covered.From = issued.AddDate(0, 0, -4) }),
		"a stay after the covered":    itinerary(func(c *native.Card) { c.Itinerary.Covered.To = issued.Add(-time.Hour) }),
		"covers what is to come":      itinerary(func(c *native.Card) { c.Itinerary.Covered.To = expires }),
		"too many stays": itinerary(func(c *native.Card) {
			for range native.MaxStays {
				c.Itinerary.Stays = append(c.Itinerary.Stays, healthcode.Stay{Area: "XA", From: issued, To: issued})
			}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			err := try()
			if !errors.Is(err, issue.ErrInvalid) {
				t.Fatalf("got %v", err)
			}
			for _, word := range []string{"etschken", "ETSCHKEN", "1957", "UVCI"} {
				if strings.Contains(err.Error(), word) {
					t.Errorf("the error tells of the person: %v", err)
				}
			}
		})
	}
}

// TestRegions: whose codes there can be.
func TestRegions(t *testing.T) {
	key := must(issue.NewKey(keyEC(), nil))
	for _, region := range []string{"", "x", "xa", "XABC", "XA-", "XA-b", "X1", "XA-1-2-3-4", "XA-ABCDEFGHIJKLM", "X A"} {
		if _, err := issue.New(region, key, rand.Reader); !errors.Is(err, issue.ErrInvalid) {
			t.Errorf("%q: %v", region, err)
		}
	}
	for _, region := range []string{"CN-31", "XAB"} {
		i := must(issue.New(region, key, rand.Reader))
		if _, err := i.HC1([]byte(dccs[healthcode.Test]), issued, expires); !errors.Is(err, issue.ErrInvalid) {
			t.Errorf("HC1 of %q: %v", region, err)
		}
		if _, err := i.Native(healthCard()); err != nil {
			t.Errorf("native of %q: %v", region, err)
		}
	}
	if _, err := must(issue.New("XA", must(issue.NewKey(keyEd, nil)), rand.Reader)).HC1([]byte(dccs[healthcode.Test]), issued, expires); !errors.Is(err, issue.ErrInvalid) {
		t.Errorf("HC1 with EdDSA: %v", err)
	}
}

// TestCertificateKinds: a certificate with key usages signs those kinds of HC1
// alone, and says nothing of native codes.
func TestCertificateKinds(t *testing.T) {
	i := newIssuer(t, keyEC(), rand.Reader, healthcode.Test, healthcode.Health)
	for kind, dcc := range dccs {
		_, err := i.HC1([]byte(dcc), issued, expires)
		if (err == nil) != (kind == healthcode.Test) || err != nil && !errors.Is(err, issue.ErrInvalid) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := i.Native(itineraryCard()); err != nil {
		t.Error(err)
	}
	for _, test := range []struct{ kinds, want []healthcode.Kind }{
		{nil, nil},
		{[]healthcode.Kind{healthcode.Health, healthcode.Itinerary}, nil},
		{[]healthcode.Kind{healthcode.Vaccination, healthcode.Recovery}, []healthcode.Kind{healthcode.Vaccination, healthcode.Recovery}},
	} {
		if got := hc1.Kinds(newCertificate(t, keyEC(), test.kinds...)); fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("a certificate for %v is one for %v", test.kinds, got)
		}
	}
	if _, err := issue.SelfSigned(keyEC(), issue.Subject{Region: "XA", Kinds: []healthcode.Kind{"x"}, NotBefore: issued, NotAfter: expires}, rand.Reader); !errors.Is(err, issue.ErrInvalid) {
		t.Errorf("an unknown kind: %v", err)
	}
}

// module is a key in a module that is broken, or lies.
type module struct {
	crypto.Signer
	sign func() ([]byte, error)
}

func (m module) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return m.sign() }

// TestBrokenModule: what such a key gives is never handed out.
func TestBrokenModule(t *testing.T) {
	broken := errors.New("module is gone")
	digest := sha256.Sum256([]byte("another message"))
	for name, test := range map[string]struct {
		signer crypto.Signer
		sign   func() ([]byte, error)
		want   error
	}{
		"it fails":                     {keyEC(), func() ([]byte, error) { return nil, broken }, broken},
		"no ASN.1":                     {keyEC(), func() ([]byte, error) { return make([]byte, 64), nil }, issue.ErrKey},
		"an ECDSA signature of others": {keyEC(), func() ([]byte, error) { return keyEC().Sign(rand.Reader, digest[:], crypto.SHA256) }, issue.ErrNotReadBack},
		"too large an r": {keyEC(), func() ([]byte, error) {
			return append([]byte{0x30, 0x26, 0x02, 0x21, 0x01}, append(make([]byte, 32), 0x02, 0x01, 0x01)...), nil
		}, issue.ErrKey},
		"Ed25519 of nothing":  {keyEd, func() ([]byte, error) { return make([]byte, 64), nil }, issue.ErrNotReadBack},
		"RSA, a short answer": {keyRSA(), func() ([]byte, error) { return []byte{1}, nil }, issue.ErrNotReadBack},
	} {
		key := must(issue.NewKey(module{test.signer, test.sign}, nil))
		code, err := must(issue.New("XA", key, rand.Reader)).Native(healthCard())
		if code != nil || !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v", name, code, err)
		}
	}
}

// FuzzHC1 throws JSON at the issuer: what it issues, a verifier reads.
func FuzzHC1(f *testing.F) {
	for _, dcc := range dccs {
		f.Add([]byte(dcc))
	}
	// Without randomness, which a fuzzer would take for coverage.
	i := must(issue.New("XA", must(issue.NewKey(keyEC(), nil)), nil))
	f.Fuzz(func(t *testing.T, dcc []byte) {
		code, err := i.HC1(dcc, issued, expires)
		if err == nil && code.Verified == nil || err != nil && !errors.Is(err, issue.ErrInvalid) {
			t.Fatalf("%v, %v", code, err)
		}
	})
}
