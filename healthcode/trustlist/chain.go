package trustlist

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Anchors reads CSCA certificates, PEM or DER, to be Options.Anchors.
func Anchors(data []byte) ([]*x509.Certificate, error) {
	if len(data) > MaxFile {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(data), MaxFile)
	}
	var out []*x509.Certificate
	take := func(der []byte) error {
		c, err := parse(der)
		if err != nil {
			return fmt.Errorf("%w: certificate %d: %w", ErrAnchor, len(out)+1, err)
		}
		if err := checkAnchor(c); err != nil {
			return fmt.Errorf("certificate %d, %s: %w", len(out)+1, clip(c.Subject.String()), err)
		}
		out = append(out, c)
		return nil
	}
	rest := data
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if strings.Contains(block.Type, "PRIVATE KEY") {
			return nil, fmt.Errorf("it holds a private key, and %w; give the certificate by itself", ErrPrivateKey)
		}
		if len(out) >= maxAnchors {
			return nil, fmt.Errorf("%w: more than %d CSCAs", ErrTooLarge, maxAnchors)
		}
		if err := take(block.Bytes); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		if err := take(data); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// checkAnchor is what a CSCA must be by itself (certificate governance of the EU, §4).
func checkAnchor(c *x509.Certificate) error {
	switch {
	case !c.BasicConstraintsValid || !c.IsCA:
		return fmt.Errorf("%w: it is no CA by its basic constraints", ErrAnchor)
	case c.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Errorf("%w: its key usage does not let it sign certificates", ErrAnchor)
	case c.MaxPathLen != 0 || !c.MaxPathLenZero:
		return fmt.Errorf("%w: its path length is not 0, so others could sign in its name", ErrAnchor)
	case len(c.Subject.Country) != 1:
		return fmt.Errorf("%w: its subject names %d countries, want one", ErrAnchor, len(c.Subject.Country))
	}
	if k, is := c.PublicKey.(*rsa.PublicKey); is {
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxAnchorRSABits {
			return fmt.Errorf("%w: its RSA key has %d bits; want %d to %d", ErrAnchor, bits, minRSABits, maxAnchorRSABits)
		}
	}
	return nil
}

// anchors are CSCAs by country.
type anchors struct {
	of map[string][]*x509.Certificate
	n  int
}

// anchor adds a CSCA that was checked.
func (a *anchors) add(country string, c *x509.Certificate) {
	if a.of == nil {
		a.of = map[string][]*x509.Certificate{}
	}
	for _, has := range a.of[country] {
		if bytes.Equal(has.Raw, c.Raw) {
			return
		}
	}
	a.of[country] = append(a.of[country], c)
	a.n++
}

// trust takes the anchors that the caller trusts.
func (r *reader) trust(given []*x509.Certificate) error {
	if len(given) == 0 {
		return nil
	}
	if len(given) > maxAnchors {
		return fmt.Errorf("%w: %d CSCAs, at most %d", ErrTooLarge, len(given), maxAnchors)
	}
	r.given = &anchors{}
	for _, c := range given {
		if err := checkAnchor(c); err != nil {
			return err
		}
		country := r.country(c)
		r.given.add(country, c)
		if at := r.o.At; !at.IsZero() && at.After(c.NotAfter) {
			r.remark("the CSCA of %s, %s, expired at %s", country, clip(c.Subject.CommonName), stamp(c.NotAfter))
		}
	}
	return nil
}

// anchor takes a CSCA out of the list (T5).
func (r *reader) anchor(where, region string, c *x509.Certificate) {
	if err := checkAnchor(c); err != nil {
		r.remark("%s: %v; it anchors nothing", where, err)
		return
	}
	country := r.country(c)
	if region != "" && country != region {
		r.remark("%s: the CSCA's country is %s, and the list says %s; it anchors nothing", where, orNone(country), region)
		return
	}
	if r.found == nil {
		r.found = &anchors{}
	}
	if r.found.n < maxAnchors {
		r.found.add(country, c)
		r.list.Anchors = r.found.n
	}
}

// chain judges every entry that waits, now that all anchors are known, and puts
// each where it belongs.
func (r *reader) chain() {
	unchained := 0
	others := map[string]int{}
	for _, p := range r.pending {
		if p.refused != nil {
			r.list.Refused = append(r.list.Refused, *p.refused)
			continue
		}
		e := p.entry
		if why := r.chains(&e); why != nil {
			sum := e.Thumbprint()
			r.list.Refused = append(r.list.Refused, Refusal{Where: e.Where, Reason: why.Error(), Thumbprint: &sum, Region: e.Region})
			continue
		}
		if e.Certificate != nil && !e.Chained {
			unchained++
			if country := r.country(e.Certificate); !within(e.Region, country) {
				others[e.Region+" is "+orNone(country)]++
				e.Remarks = append(e.Remarks, elsewhere(country, e.Region).Error()+"; it was taken for the list's")
			}
		}
		r.list.Entries = append(r.list.Entries, e)
	}
	r.pending = nil
	for _, which := range sortedKeys(others) {
		r.remark("%d certificates have another country than the list gives them, and no chain shows whose they are: what the list says is of %s", others[which], which)
	}
	switch {
	case unchained > 0:
		r.remark("%d certificates were taken without a chain: no CSCA of their country was given", unchained)
	case r.given == nil && r.found != nil:
		r.remark("chains were checked against the %d CSCAs in the list itself, which shows that it fits together, not that it is genuine: give the CSCAs that you trust", r.found.n)
	}
}

// chains checks an entry against the anchors that count for it (T4, T5).
func (r *reader) chains(e *Entry) error {
	c := e.Certificate
	switch {
	case c == nil && r.given == nil:
		return nil
	case c == nil:
		return errors.New("it has no certificate, so it cannot chain to a CSCA that was given")
	}
	country := r.country(c)
	if r.given == nil && r.found == nil {
		return r.unchained(country, e.Region)
	}
	trusted := r.given
	if trusted == nil {
		// A country that has no CSCA in the list has no chain there.
		if trusted = r.found; len(trusted.of[country]) == 0 && len(trusted.of[e.Region]) == 0 {
			return r.unchained(country, e.Region)
		}
	}
	if err := trusted.verify(c, country, e.Region); err != nil {
		return err
	}
	e.Chained = true
	if at := r.o.At; !at.IsZero() && len(c.AuthorityKeyId) == 0 {
		e.Remarks = append(e.Remarks, "the certificate names no authority key identifier; its CSCA was found by trying")
	}
	return nil
}

// verify checks that a Document Signer Certificate is one by a CSCA of its country.
func (a *anchors) verify(c *x509.Certificate, country, region string) error {
	if c.BasicConstraintsValid && c.IsCA {
		return errors.New("the certificate is a CA's, not a document signer's")
	}
	if country == "" {
		return errors.New("the certificate's subject names no country")
	}
	if !within(region, country) {
		return elsewhere(country, region)
	}
	if len(a.of[country]) == 0 {
		return fmt.Errorf("none of the %d CSCAs is of the certificate's country %s", a.n, country)
	}
	why := fmt.Errorf("no CSCA of %s has the key identifier that it names as its signer's", country)
	for _, ca := range a.of[country] {
		if len(c.AuthorityKeyId) > 0 && len(ca.SubjectKeyId) > 0 && !bytes.Equal(c.AuthorityKeyId, ca.SubjectKeyId) {
			continue
		}
		err := c.CheckSignatureFrom(ca)
		if err == nil {
			return nil
		}
		why = fmt.Errorf("no CSCA of %s signed it: %s", country, clip(err.Error()))
	}
	return why
}

// unchained judges an entry for whose country there is no CSCA: the list's word
// stands alone, and if its certificate contradicts it, who is strict takes neither.
func (r *reader) unchained(country, region string) error {
	if r.o.Strict && !within(region, country) {
		return elsewhere(country, region)
	}
	return nil
}

// within reports whether a region in a list agrees with a certificate's country.
func within(region, country string) bool {
	return region == "" || region == country || head(region) == country
}

func elsewhere(country, region string) error {
	return fmt.Errorf("the certificate's country is %s, and the list says %s", orNone(country), region)
}

// head is the country of a region with subdivisions.
func head(region string) string {
	country, _, _ := strings.Cut(region, "-")
	return country
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}
