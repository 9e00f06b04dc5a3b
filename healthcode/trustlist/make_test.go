package trustlist

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// now is the time at which the tests read lists.
var now = time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)

func p256() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// authority is a CSCA, and what signs by it.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// csca makes a CSCA of a country. change may be nil.
func csca(country string, change func(*x509.Certificate)) *authority {
	key := p256()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Country: []string{country}, CommonName: "CSCA " + country},
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(9, 0, 0), SubjectKeyId: []byte("ski of " + country),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if change != nil {
		change(c)
	}
	der := must(x509.CreateCertificate(rand.Reader, c, c, key.Public(), key))
	return &authority{key, must(x509.ParseCertificate(der))}
}

// dsc makes a Document Signer Certificate. key nil makes one.
func (a *authority) dsc(country string, key crypto.PublicKey, change func(*x509.Certificate)) *x509.Certificate {
	if key == nil {
		key = p256().Public()
	}
	c := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<60))), Subject: pkix.Name{Country: []string{country}, CommonName: "DSC"},
		NotBefore: now.AddDate(0, -1, 0), NotAfter: now.AddDate(2, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(c)
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, c, a.cert, key, a.key))))
}

func usages(oids ...asn1.ObjectIdentifier) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.UnknownExtKeyUsage = oids }
}

var (
	vaccinationUsage = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 2}
	testUsageOldArc  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 0, 1847, 2021, 1, 1}
)

func inPEM(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// object makes JSON.
func object(v any) []byte { return must(json.Marshal(v)) }

// regions spells as the ledger does, as far as the tests need it.
func regions(s string) string {
	if s = strings.ToUpper(s); s == "EL" {
		return "GR"
	}
	return s
}

// read reads a list that is good as a whole.
func read(t *testing.T, data []byte, o Options) *List {
	t.Helper()
	if o.At.IsZero() {
		o.At = now
	}
	o.Region = regions
	l, err := Read(data, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// taken fails unless the list has so many entries, and each refusal has the text wanted of it.
func taken(t *testing.T, l *List, entries int, refused ...string) {
	t.Helper()
	if len(l.Entries) != entries || len(l.Refused) != len(refused) {
		t.Fatalf("%d entries and %d refused, want %d and %d\n%+v", len(l.Entries), len(l.Refused), entries, len(refused), l.Refused)
	}
	for i, want := range refused {
		if !strings.Contains(l.Refused[i].Reason, want) {
			t.Errorf("refusal %d is %q, want %q in it", i+1, l.Refused[i].Reason, want)
		}
	}
}

// remarked fails unless one of the remarks has the text.
func remarked(t *testing.T, remarks []string, want string) {
	t.Helper()
	if !strings.Contains(strings.Join(remarks, "\n"), want) {
		t.Errorf("no remark has %q:\n%s", want, strings.Join(remarks, "\n"))
	}
}
