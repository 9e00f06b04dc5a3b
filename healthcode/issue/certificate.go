package issue

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/hc1"
)

// Subject is what a self-signed certificate says.
type Subject struct {
	Region string // of whom it is; its first two letters are the country
	Name   string // common name: "DSC 1 of XA"
	// Kinds limit the certificate, by key usage OIDs, to kinds of HC1. The native
	// kinds have none: a certificate with native kinds alone has no key usages.
	Kinds               []healthcode.Kind
	NotBefore, NotAfter time.Time
}

// SelfSigned makes a Document Signer Certificate that its own key signs: enough
// where the ledger, and no certification authority, says whose a key is. Errors
// wrap ErrKey or ErrInvalid.
func SelfSigned(signer crypto.Signer, s Subject, random io.Reader) (*x509.Certificate, error) {
	if _, err := NewKey(signer, nil); err != nil {
		return nil, err
	}
	if err := checkID("region", s.Region, 32, 4); err != nil {
		return nil, err
	}
	if err := checkTimes(s.NotBefore, s.NotAfter); err != nil {
		return nil, err
	}
	usages, err := usagesOf(s.Kinds)
	if err != nil {
		return nil, err
	}
	serial := make([]byte, 16)
	if _, err := io.ReadFull(random, serial); err != nil {
		return nil, fmt.Errorf("drawing a serial number: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive, and as long as it looks (RFC 5280 section 4.1.2.2)
	subject := pkix.Name{CommonName: s.Name}
	if len(s.Region) == 2 || s.Region[2] == '-' {
		subject.Country = []string{s.Region[:2]} // X.520 has room for two letters only
	}
	template := &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(serial),
		Subject:               subject,
		NotBefore:             s.NotBefore.UTC().Truncate(time.Second),
		NotAfter:              s.NotAfter.UTC().Truncate(time.Second),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		UnknownExtKeyUsage:    usages,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(random, template, template, signer.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("%w: making its certificate: %w", ErrKey, err)
	}
	return x509.ParseCertificate(der)
}

// usagesOf gives the key usages of the kinds that have one.
func usagesOf(kinds []healthcode.Kind) ([]asn1.ObjectIdentifier, error) {
	var usages []asn1.ObjectIdentifier
	for _, kind := range kinds {
		switch kind {
		case healthcode.Health, healthcode.Itinerary:
			continue
		}
		usage := hc1.KeyUsage(kind)
		if usage == nil {
			return nil, invalid("kind %q is none of vaccination, test, recovery, health and itinerary", kind)
		}
		usages = append(usages, usage)
	}
	return usages, nil
}
