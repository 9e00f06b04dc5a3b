package hc1

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"slices"
	"testing"

	"concordat/healthcode"
)

// TestKinds makes certificates with each arc and parses them again.
func TestKinds(t *testing.T) {
	current := func(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1847, 2021, 1, n} }
	legacy := func(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 0, 1847, 2021, 1, n} }
	v, te, r := healthcode.Vaccination, healthcode.Test, healthcode.Recovery
	for _, test := range []struct {
		name  string
		oids  []asn1.ObjectIdentifier
		usage []x509.ExtKeyUsage
		want  []healthcode.Kind
	}{
		{"none", nil, nil, nil},
		{"others only", []asn1.ObjectIdentifier{{1, 2, 3}}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, nil},
		{"current test", []asn1.ObjectIdentifier{current(1)}, nil, []healthcode.Kind{te}},
		{"current vaccination", []asn1.ObjectIdentifier{current(2)}, nil, []healthcode.Kind{v}},
		{"current recovery", []asn1.ObjectIdentifier{current(3)}, nil, []healthcode.Kind{r}},
		{"legacy test", []asn1.ObjectIdentifier{legacy(1)}, nil, []healthcode.Kind{te}},
		{"legacy vaccination", []asn1.ObjectIdentifier{legacy(2)}, nil, []healthcode.Kind{v}},
		{"legacy recovery", []asn1.ObjectIdentifier{legacy(3)}, nil, []healthcode.Kind{r}},
		{"all, arcs mixed, and one twice", []asn1.ObjectIdentifier{legacy(3), current(1), legacy(2), current(3)}, nil, []healthcode.Kind{v, te, r}},
		{"one beside others", []asn1.ObjectIdentifier{current(4), current(1)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, []healthcode.Kind{te}},
	} {
		t.Run(test.name, func(t *testing.T) {
			template := &x509.Certificate{SerialNumber: big.NewInt(1), ExtKeyUsage: test.usage, UnknownExtKeyUsage: test.oids}
			der, err := x509.CreateCertificate(rand.Reader, template, template, keyP256().Public(), keyP256())
			if err != nil {
				t.Fatal(err)
			}
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			if got := Kinds(cert); !slices.Equal(got, test.want) || (got == nil) != (test.want == nil) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestKeyID pins the id of a well-known string's hash: 8 bytes, the first.
func TestKeyID(t *testing.T) {
	if got := KeyID([]byte("abc")); hex.EncodeToString(got[:]) != "ba7816bf8f01cfea" { // FIPS 180-2, B.1
		t.Errorf("got %x", got)
	}
}
