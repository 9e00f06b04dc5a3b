package trustlist

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/smallstep/pkcs7"
)

// checkCMS checks that signer signed content: a detached CMS signature in base64,
// as the gateway has of its trust anchor over each CSCA.
func checkCMS(text string, content []byte, signer *x509.Certificate) error {
	if len(text) > 4*MaxCertificate {
		return fmt.Errorf("its signature has %d characters, at most %d", len(text), 4*MaxCertificate)
	}
	der, err := Base64(text)
	if err != nil {
		return errors.New("its signature is not in base64")
	}
	p, err := pkcs7.Parse(der)
	if err != nil {
		return fmt.Errorf("its signature is no CMS: %s", clip(err.Error()))
	}
	by := p.GetOnlySigner()
	if by == nil || !bytes.Equal(by.Raw, signer.Raw) {
		return errors.New("its signature is not by the trust anchor that was given")
	}
	if len(p.Content) > 0 && !bytes.Equal(p.Content, content) {
		return errors.New("its signature is over another certificate")
	}
	p.Content = content
	if err := p.Verify(); err != nil {
		return fmt.Errorf("its signature is wrong: %s", clip(err.Error()))
	}
	return nil
}

// trustAnchor is Options.Signer as the gateway's trust anchor; nil where none was given.
func (r *reader) trustAnchor() (*x509.Certificate, error) {
	if r.o.Signer == nil {
		return nil, nil
	}
	der := r.o.Signer
	if block, _ := pem.Decode(der); block != nil {
		der = block.Bytes
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: the gateway's trust anchor is a certificate, and the signer's file is none", ErrSigner)
	}
	return c, nil
}
