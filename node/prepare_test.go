package node_test

import (
	"crypto/x509"
	"testing"

	"concordat/client"
	"concordat/healthcode/hc1"
	"concordat/ledger/statement"
	"concordat/node/nodetest"
	"concordat/testnet/codes"
)

// prepare registers a real code's certificate under XA, which XB recognises,
// waits until all know it, and gives the code.
func prepare(t *testing.T, n *nodetest.Network) string {
	t.Helper()
	code, err := codes.Get("AT-1")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(code.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	kid := hc1.KeyID(code.Certificate)
	for _, s := range []*statement.Verified{
		n.Sign(t, "XA", 1, &statement.RegisterKey{PublicKey: cert.RawSubjectPublicKeyInfo, KeyID: kid[:], Certificate: code.Certificate, ValidUntil: statement.TimeOf(cert.NotAfter)}),
		n.Sign(t, "XB", 1, &statement.Grant{Terms: statement.Terms{Region: "XA"}}),
	} {
		if _, err := n.Client("XA").Submit(t.Context(), s.Raw(), nil, client.Final); err != nil {
			t.Fatal(err)
		}
	}
	sameLedgers(t, n)
	return code.Text
}
