package hc1

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"slices"

	"concordat/healthcode"
)

// KeyID is the key id that codes carry for a Document Signer Certificate: the
// first 8 bytes of the SHA-256 over its DER (hcert_spec 3.3.1). It is an index:
// 8 bytes collide.
func KeyID(certificateDER []byte) [8]byte {
	sum := sha256.Sum256(certificateDER)
	return [8]byte(sum[:8])
}

// keyUsages are the extended key usages that limit a certificate to a kind. The
// second of each pair is the arc of the specification's first version, with a
// needless 0 in it, which most certificates in the field bear.
var keyUsages = []struct {
	kind healthcode.Kind
	oids [2]asn1.ObjectIdentifier
}{
	{healthcode.Vaccination, [2]asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 2}, {1, 3, 6, 1, 4, 1, 0, 1847, 2021, 1, 2}}},
	{healthcode.Test, [2]asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 1}, {1, 3, 6, 1, 4, 1, 0, 1847, 2021, 1, 1}}},
	{healthcode.Recovery, [2]asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 3}, {1, 3, 6, 1, 4, 1, 0, 1847, 2021, 1, 3}}},
}

// Kinds gives the kinds of code that a certificate may sign by its extended key
// usage (hcert_spec 3.3.4). Nil means every kind: no health usage is listed.
// Other usages beside them neither add nor take away.
func Kinds(cert *x509.Certificate) []healthcode.Kind {
	var kinds []healthcode.Kind
	for _, usage := range keyUsages {
		if slices.ContainsFunc(cert.UnknownExtKeyUsage, func(oid asn1.ObjectIdentifier) bool {
			return oid.Equal(usage.oids[0]) || oid.Equal(usage.oids[1])
		}) {
			kinds = append(kinds, usage.kind)
		}
	}
	return kinds
}

// KeyUsage is the extended key usage that limits a certificate to a kind, in its
// current arc; nil for a kind that has none.
func KeyUsage(kind healthcode.Kind) asn1.ObjectIdentifier {
	for _, usage := range keyUsages {
		if usage.kind == kind {
			return slices.Clone(usage.oids[0])
		}
	}
	return nil
}
