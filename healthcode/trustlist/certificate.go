package trustlist

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	"concordat/healthcode/hc1"
)

// pem reads any number of certificates in PEM.
func (r *reader) pem(text []byte) error {
	n := 0
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if bytes.Contains(rest, []byte("-----BEGIN")) {
				return fmt.Errorf("%w: what follows certificate %d is not whole PEM; was the file cut short?", ErrMalformed, n)
			}
			break
		}
		switch {
		case strings.Contains(block.Type, "PRIVATE KEY"):
			return fmt.Errorf("it holds a private key, and %w; give the certificate by itself", ErrPrivateKey)
		case block.Type != "CERTIFICATE":
			return fmt.Errorf("%w: it holds a PEM block %q; want CERTIFICATE", ErrUnknown, clip(block.Type))
		}
		n++
		if err := count(n); err != nil {
			return err
		}
		r.certificate(fmt.Sprintf("certificate %d", n), block.Bytes)
	}
	if n == 1 {
		r.alone()
	}
	return nil
}

// der reads one certificate in DER.
func (r *reader) der(data []byte) error {
	if _, err := x509.ParseCertificate(data); err != nil {
		return fmt.Errorf("%w: it is no X.509 certificate in DER or PEM: %s", ErrUnknown, clip(err.Error()))
	}
	r.certificate("", data)
	return nil
}

// alone forgets the place of an entry that is the only one.
func (r *reader) alone() {
	p := &r.pending[0]
	p.entry.Where = ""
	if p.refused != nil {
		p.refused.Where = ""
	}
}

// certificate adds a certificate that says all by itself.
func (r *reader) certificate(where string, der []byte) {
	c, err := parse(der)
	if err != nil {
		r.refuse(where, "", nil, err)
		return
	}
	r.add(r.certified(where, "", c))
}

// certified makes an entry of a certificate. Region "" is the certificate's country.
func (r *reader) certified(where, region string, c *x509.Certificate) Entry {
	kid := hc1.KeyID(c.Raw)
	e := Entry{Where: where, KeyID: kid[:], Certificate: c, Kinds: hc1.Kinds(c), ValidUntil: c.NotAfter.UTC(), Region: region}
	if region == "" {
		e.Region = r.country(c)
	}
	if at := r.o.At; !at.IsZero() {
		if at.After(c.NotAfter) {
			e.Remarks = append(e.Remarks, fmt.Sprintf("the certificate expired at %s; codes issued before stay good until they expire", stamp(c.NotAfter)))
		}
		if at.Before(c.NotBefore) {
			e.Remarks = append(e.Remarks, fmt.Sprintf("the certificate begins at %s, which is to come", stamp(c.NotBefore)))
		}
	}
	return e
}

func parse(der []byte) (*x509.Certificate, error) {
	if len(der) > MaxCertificate {
		return nil, fmt.Errorf("the certificate has %d bytes, at most %d", len(der), MaxCertificate)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("it is no X.509 certificate in DER or PEM: %s", clip(err.Error()))
	}
	if c.NotAfter.Before(c.NotBefore) {
		return nil, fmt.Errorf("the certificate is valid from %s until %s: it never is", stamp(c.NotBefore), stamp(c.NotAfter))
	}
	return c, nil
}

// parseText reads a certificate in base64, as JSON lists carry it; PEM is taken too.
func parseText(s string) (*x509.Certificate, error) {
	if block, _ := pem.Decode([]byte(s)); block != nil {
		return parse(block.Bytes)
	}
	if len(s) > 2*MaxCertificate {
		return nil, fmt.Errorf("the certificate has %d characters, at most %d", len(s), 2*MaxCertificate)
	}
	der, err := Base64(strings.Join(strings.Fields(s), ""))
	if err != nil {
		return nil, fmt.Errorf("the certificate is not in base64: %s", clip(err.Error()))
	}
	return parse(der)
}

// country is the C of a certificate's subject, in its one spelling.
func (r *reader) country(c *x509.Certificate) string {
	if len(c.Subject.Country) == 0 || len(c.Subject.Country[0]) > MaxKeyID {
		return ""
	}
	return r.region(c.Subject.Country[0])
}

// region gives a country as a list writes it in its one spelling.
func (r *reader) region(s string) string {
	if s = strings.TrimSpace(s); s == "" || len(s) > MaxKeyID {
		return ""
	}
	return r.o.Region(s)
}
