package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/healthcode/trustlist"
	"concordat/ledger/statement"
)

// certificateOf makes a certificate of key by itself.
func certificateOf(t *testing.T, key crypto.Signer, usages ...asn1.ObjectIdentifier) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "DSC"}, UnknownExtKeyUsage: usages,
		NotBefore: time.Date(2021, 5, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2023, 5, 1, 0, 0, 0, 0, time.UTC),
	}, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CSCA"}}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestRegistration: what a certificate comes to as a statement. What files say
// and which keys are refused is tested in package trustlist.
func TestRegistration(t *testing.T) {
	p256 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	vaccination := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 2}
	testsOldArc := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 0, 1847, 2021, 1, 1}
	for _, test := range []struct {
		name  string
		der   []byte
		kinds []statement.CodeKind
		says  string // why it is refused
	}{
		{"all kinds", certificateOf(t, p256), nil, ""},
		{"both arcs", certificateOf(t, p256, testsOldArc, vaccination), []statement.CodeKind{statement.Vaccination, statement.Test}, ""},
		{"Ed25519", certificateOf(t, ed25519.NewKeyFromSeed(make([]byte, 32))), nil, ""},
		{"P-521", certificateOf(t, must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))), nil, "curve P-521; want P-256 or P-384"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "dsc.der")
			if err := os.WriteFile(file, test.der, 0o600); err != nil {
				t.Fatal(err)
			}
			found, err := readIssuer(file, trustlist.X509)
			if test.says != "" {
				if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), file) {
					t.Fatalf("%v, want an error with %q", err, test.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			body, err := found.registration()
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(test.der)
			if !bytes.Equal(body.KeyID, sum[:8]) || !bytes.Equal(body.Certificate, test.der) || body.Thumbprint() != sum {
				t.Errorf("key id %x, want the first 8 bytes of SHA-256 over the certificate, %x", body.KeyID, sum[:8])
			}
			if !slices.Equal(body.Kinds, test.kinds) {
				t.Errorf("kinds %v, want %v", body.Kinds, test.kinds)
			}
			if body.ValidFrom != 0 || body.ValidUntil.String() != "2023-05-01T00:00:00Z" {
				t.Errorf("valid from %s until %s, want only the end of the certificate", body.ValidFrom, body.ValidUntil)
			}
		})
	}
}

// TestOneKey: register takes one key, whatever a file of many begins with.
func TestOneKey(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct {
		text   string
		format trustlist.Format
		says   string
	}{
		"none":        {`{"keys":[]}`, trustlist.JWK, "holds 0 keys; register takes one"},
		"two":         {`{"keys":[{"kty":"EC"},{"kty":"EC"}]}`, trustlist.JWK, "holds 2 keys; register takes one"},
		"a refused":   {`{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`, trustlist.JWK, "no point"},
		"JSON as DER": {`{"kty":"EC"}`, trustlist.X509, "no X.509 certificate"},
	} {
		file := filepath.Join(dir, "key")
		if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readIssuer(file, test.format); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
	}
}
