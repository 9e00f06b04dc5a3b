package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

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

func TestCertificates(t *testing.T) {
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
		{"another usage", certificateOf(t, p256, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 36}), nil, ""},
		{"P-384", certificateOf(t, must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))), nil, ""},
		{"RSA 2048", certificateOf(t, must(rsa.GenerateKey(rand.Reader, 2048))), nil, ""},
		{"P-521", certificateOf(t, must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))), nil, "curve P-521; want P-256 or P-384"},
		{"Ed25519", certificateOf(t, ed25519.NewKeyFromSeed(make([]byte, 32))), nil, "codes are signed with EC P-256"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "dsc.der")
			if err := os.WriteFile(file, test.der, 0o600); err != nil {
				t.Fatal(err)
			}
			found, err := readCertificates(file)
			if err != nil {
				t.Fatal(err)
			}
			body, err := found[0].registration()
			if test.says != "" {
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Fatalf("%v, want an error with %q", err, test.says)
				}
				return
			}
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

func TestJWKs(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	bare := jose.JSONWebKey{Key: key.Public()}
	thumbprint := must(bare.Thumbprint(crypto.SHA256))
	dsc := must(x509.ParseCertificate(certificateOf(t, key)))
	eight := []byte{0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8}
	for _, test := range []struct {
		name string
		jwk  jose.JSONWebKey
		kid  []byte // nil: refused
		says string
	}{
		{"no kid", bare, thumbprint, ""},
		{"its thumbprint", jose.JSONWebKey{Key: key.Public(), KeyID: base64.RawURLEncoding.EncodeToString(thumbprint)}, thumbprint, ""},
		{"of a trust list", jose.JSONWebKey{Key: key.Public(), KeyID: base64.StdEncoding.EncodeToString(eight), Use: "sig"}, eight, ""},
		{"with its certificate", jose.JSONWebKey{Key: key.Public(), Certificates: []*x509.Certificate{dsc}}, thumbprint, ""},
		{"another's thumbprint", jose.JSONWebKey{Key: key.Public(), KeyID: base64.RawURLEncoding.EncodeToString(make([]byte, 32))}, nil, "neither its thumbprint"},
		{"a name", jose.JSONWebKey{Key: key.Public(), KeyID: "key of May"}, nil, "neither its thumbprint"},
		{"for encryption", jose.JSONWebKey{Key: key.Public(), Use: "enc"}, nil, "want sig"},
		{"private", jose.JSONWebKey{Key: key}, nil, "private"},
		{"shared", jose.JSONWebKey{Key: []byte("secret")}, nil, "private or shared"},
	} {
		t.Run(test.name, func(t *testing.T) {
			k, err := jwkKey("key.json", must(json.Marshal(&test.jwk)))
			if test.kid == nil {
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Fatalf("%v, want an error with %q", err, test.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			body, err := k.registration()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(body.KeyID, test.kid) {
				t.Errorf("key id %x, want %x", body.KeyID, test.kid)
			}
			if has := len(body.Certificate) > 0; has != (len(test.jwk.Certificates) > 0) {
				t.Errorf("certificate taken: %v", has)
			}
		})
	}
}

// FuzzKeyFiles: no file of keys brings the command down.
func FuzzKeyFiles(f *testing.F) {
	f.Add([]byte(`{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte{0x30, 0x82, 0x01, 0x00})
	file := filepath.Join(f.TempDir(), "keys")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := readImport(file)
		if err != nil {
			return
		}
		for i := range found {
			if body, err := found[i].registration(); err == nil && body.Validate() != nil {
				t.Errorf("a registration that is not valid: %v", body.Validate())
			}
		}
	})
}
